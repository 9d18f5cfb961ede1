package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// withoutTime is a log's lines without their times.
func withoutTime(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), " ")
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestWhatStartsTriesForHoursAndLogsEachCauseOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written bytes.Buffer
		begin, tries := time.Now(), 0
		isDone := keepTrying(t.Context(), "temporal", func(context.Context) error {
			tries++
			switch since := time.Since(begin); {
			case since < time.Hour:
				return fmt.Errorf("read tcp 127.0.0.1:%d: connection reset", 40000+tries)
			case since < 2*time.Hour && tries%2 == 0:
				return errors.New("no answer within 10s")
			case since < 3*time.Hour:
				return errors.New("permission denied")
			}
			return nil
		}, slog.New(slog.NewTextHandler(&written, nil)))
		if took := time.Since(begin); !isDone || took < 3*time.Hour || took > 3*time.Hour+10*time.Second {
			t.Errorf("done: %v, after %s", isDone, took)
		}
		// At 5 s on average, with 250 ms at first.
		if tries < 3*3600/8 || tries > 3*3600/2 {
			t.Errorf("it tried %d times in three hours", tries)
		}
		const want = `level=WARN msg=waiting what=temporal because="read tcp 127.0.0.1:40001: connection reset"` + "\n" +
			`level=WARN msg=waiting what=temporal because="no answer within 10s"` + "\n" +
			`level=WARN msg=waiting what=temporal because="permission denied"` + "\n" +
			`level=INFO msg="waited long enough" what=temporal`
		got := strings.Split(withoutTime(written.String()), "\n")
		if len(got) == 4 && strings.Contains(got[1], "denied") { // whichever comes first after an hour
			got[1], got[2] = got[2], got[1]
		}
		if got := strings.Join(got, "\n"); got != want {
			t.Errorf("the log says\n%s\nwant\n%s", got, want)
		}
	})
}

func TestWhatIsThereAtOnceIsNotLogged(t *testing.T) {
	var written bytes.Buffer
	isDone := keepTrying(t.Context(), "database", func(context.Context) error { return nil }, slog.New(slog.NewTextHandler(&written, nil)))
	if !isDone || written.String() != "" {
		t.Errorf("done: %v; the log says %s", isDone, &written)
	}
}

// TestWhatStartsStopsWhenItIsTold: also while an attempt hangs that does not heed its context.
func TestWhatStartsStopsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		defer close(hangs)
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, stop)
		begin := time.Now()
		isDone := keepTrying(ctx, "database", withTimeout("it", func(context.Context) error { <-hangs; return nil }), slog.New(slog.DiscardHandler))
		if took := time.Since(begin); isDone || took != time.Hour {
			t.Errorf("done: %v, %s after the start, want an hour", isDone, took)
		}
	})
}

// TestWhoeverDoesNotAnswerIsNamedBySettingAndAddress: a machine that takes connections and then says nothing.
func TestWhoeverDoesNotAnswerIsNamedBySettingAndAddress(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	addr := silent.Addr().String()
	t.Setenv("TEMPORAL_ADDRESS", addr)
	c, err := connect(t.Context(), settingsOf(t, "postgres://reader:secret@"+addr+"/exhaust?sslmode=disable"), slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(c.Close)
	for _, want := range []struct {
		ask   func(context.Context) error
		error string
	}{
		{c.askJobsInTime, "EXHAUST_DATABASE_URL: PostgreSQL database exhaust at " + addr + ": no answer within 10s"},
		{newTemporalCheck(c).askInTime, "TEMPORAL_ADDRESS " + addr + ": no answer within 10s"},
	} {
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			defer stop() // the time is over once it is asked
			conn, err := silent.Accept()
			if err == nil {
				t.Cleanup(func() { _ = conn.Close() })
			}
		}()
		if err := want.ask(ctx); err == nil || err.Error() != want.error {
			t.Errorf("got  %v\nwant %s", err, want.error)
		}
	}
}
