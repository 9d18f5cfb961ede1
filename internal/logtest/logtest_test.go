package logtest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"data-exhaust/internal/logtest"
)

func TestLinesOfManyGoroutinesStandWholeInTheLog(t *testing.T) {
	var log logtest.Buffer
	var writers sync.WaitGroup
	for i := range 100 {
		writers.Go(func() { fmt.Fprintf(&log, "line %02d of %d\n", i, i%2) })
	}
	writers.Wait()
	if got, want := log.About("line 42"), "line 42 of 0\n"; got != want {
		t.Errorf("about line 42 it has %q, want %q", got, want)
	}
	if all, odd := strings.Count(log.String(), "\n"), strings.Count(log.About("of 1"), "\n"); all != 100 || odd != 50 {
		t.Errorf("it has %d lines, %d of them odd, want 100 and 50", all, odd)
	}
}
