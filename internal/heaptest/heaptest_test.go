package heaptest_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"data-exhaust/internal/heaptest"
)

func TestWhatWasHeldForAMomentIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := make([]byte, 32<<20)
		stop := heaptest.Watch()
		held := make([]byte, 64<<20)
		time.Sleep(time.Second) // the clock is the test's own, and the watcher has looked many times when it goes on
		runtime.KeepAlive(held)
		runtime.GC()
		most, growth := stop()
		if growth < 64<<20 || growth > 80<<20 || most < 96<<20 {
			t.Errorf("64 MiB beside 32 of before are told as a growth of %d MiB to %d", growth>>20, most>>20)
		}
		runtime.KeepAlive(kept)
	})
}
