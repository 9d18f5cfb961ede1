package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// mergeOf merges lines that are there.
func mergeOf(lines []string, end error) func(context.Context, func([]byte) error) error {
	return func(ctx context.Context, each func([]byte) error) error {
		shared := make([]byte, 0, 16<<20)
		for _, line := range lines {
			// Like a segment's record, a line is valid during the call only.
			shared = append(shared[:0], line...)
			if err := each(shared); err != nil {
				return err
			}
			clear(shared)
		}
		return end
	}
}

func TestLinesThatAreMergedAheadComeInTheirOrder(t *testing.T) {
	var lines []string
	for i := range 20_000 {
		lines = append(lines, fmt.Sprintf("%d %s", i, strings.Repeat("x", i%300)))
	}
	lines[5000] = strings.Repeat("a line of many times what is handed over", 100_000)
	lines = append(lines, "")
	for _, count := range []int{0, 1, len(lines)} {
		var got []string
		err := mergeAhead(t.Context(), mergeOf(lines[:count], nil), func(line []byte) error {
			got = append(got, string(line))
			return nil
		})
		if err != nil || strings.Join(got, "\n") != strings.Join(lines[:count], "\n") || len(got) != count {
			t.Errorf("%d lines of %d came, or not in their order: %v", len(got), count, err)
		}
	}
}

func TestRowsAreBuiltWhileTheNextAreMerged(t *testing.T) {
	built := make(chan struct{})
	line := bytes.Repeat([]byte("x"), mergedBytes)
	seen := 0
	err := mergeAhead(t.Context(), func(ctx context.Context, each func([]byte) error) error {
		for range 2 {
			if err := each(line); err != nil {
				return err
			}
		}
		// The first row is being built, and will not be done before this is.
		close(built)
		return nil
	}, func([]byte) error {
		seen++
		<-built
		return nil
	})
	if err != nil || seen != 2 {
		t.Errorf("%d lines, %v", seen, err)
	}
}

func TestTheErrorOfARowEndsTheMergeAndIsTheOneThatIsGiven(t *testing.T) {
	full := errors.New("the disk is full")
	calls := 0
	endless := func(ctx context.Context, each func([]byte) error) error {
		for {
			if err := each([]byte(strings.Repeat("x", 1000))); err != nil {
				return err
			}
		}
	}
	err := mergeAhead(t.Context(), endless, func([]byte) error {
		calls++
		return full
	})
	if err != full || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestTheErrorOfTheMergeComesBehindTheLinesBeforeIt(t *testing.T) {
	damaged := errors.New("a segment is damaged")
	lines := 0
	err := mergeAhead(t.Context(), mergeOf([]string{"a", "b"}, damaged), func([]byte) error { lines++; return nil })
	if err != damaged || lines > 2 {
		t.Errorf("%v after %d lines", err, lines)
	}
}

func TestAPanicOfTheMergeIsRaisedWhereTheRowsAreBuilt(t *testing.T) {
	defer func() {
		if got := recover(); got != "no such record" {
			t.Errorf("recovered %v", got)
		}
	}()
	_ = mergeAhead(t.Context(), func(context.Context, func([]byte) error) error { panic("no such record") }, func([]byte) error { return nil })
}
