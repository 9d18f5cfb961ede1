package service

import (
	"testing"
	"time"

	"data-exhaust/exhaust"
)

func TestAWindowWithoutAnExhaustIsMissedOnceItsFiringIsOver(t *testing.T) {
	made := time.Date(2024, 1, 10, 9, 0, 0, 0, time.UTC)
	at := func(day, hour, minute int) time.Time { return time.Date(2024, 1, day, hour, minute, 0, 0, time.UTC) }
	change := &exhaust.ScheduleChange{At: at(14, 9, 0)}
	for _, c := range []struct {
		name   string
		jitter time.Duration
		change *exhaust.ScheduleChange
		paused bool
		firing time.Time
		now    time.Time
		want   WindowState
	}{
		{"to come", 0, nil, false, at(15, 6, 0), at(15, 5, 59), WindowComing},
		{"just fired", 0, nil, false, at(15, 6, 0), at(15, 6, 1), WindowComing},
		{"over", 0, nil, false, at(15, 6, 0), at(15, 6, 2), WindowMissed},
		{"held back by jitter", 2 * time.Hour, nil, false, at(15, 6, 0), at(15, 8, 1), WindowComing},
		{"over with its jitter", 2 * time.Hour, nil, false, at(15, 6, 0), at(15, 8, 2), WindowMissed},
		{"to come, paused", 0, nil, true, at(15, 6, 0), at(15, 5, 59), WindowPaused},
		{"over, paused", 0, nil, true, at(15, 6, 0), at(15, 6, 2), WindowMissed},
		{"before the schedule was made", 0, nil, false, at(10, 8, 0), at(15, 6, 0), WindowEarlier},
		{"just before the schedule was made, with jitter", 2 * time.Hour, nil, false, at(10, 8, 0), at(10, 9, 1), WindowEarlier},
		{"after the schedule was made", 0, nil, false, at(10, 10, 0), at(15, 6, 0), WindowMissed},
		{"before a change", 0, change, false, at(14, 8, 0), at(15, 6, 0), WindowEarlier},
		{"after a change", 0, change, false, at(14, 10, 0), at(15, 6, 0), WindowMissed},
	} {
		schedule := Schedule{Schedule: exhaust.Schedule{CreatedAt: made, Jitter: c.jitter, Change: c.change}, Paused: c.paused}
		if got := schedule.stateOf(exhaust.Window{Firing: c.firing}, c.now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
