package access_test

import (
	"fmt"
	"testing"
	"time"

	"data-exhaust/access"
)

func TestWhatCountedOfLateIsRememberedForAMinute(t *testing.T) {
	var recent access.Recent
	now := time.Now()
	if recent.Has("a", now) {
		t.Error("something is remembered of nothing")
	}
	recent.Add("a", now)
	for after, want := range map[time.Duration]bool{0: true, time.Minute: true, time.Minute + 1: false} {
		if got := recent.Has("a", now.Add(after)); got != want {
			t.Errorf("after %s it is remembered: %t", after, got)
		}
	}
	// However many come, the last are remembered.
	for i := range 100_000 {
		recent.Add(fmt.Sprint(i), now)
	}
	if !recent.Has("99999", now) || recent.Has("x", now) {
		t.Error("of many the last is not remembered, or one that never counted is")
	}
}
