package jobs

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestWhatIsAtWorkComesWithTheLongestFirstAndWithoutWhatWaitsForTheNight(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		if atWork, waiting, err := jobs.CountWork(context.Background()); atWork != 0 || waiting != 0 || err != nil {
			t.Errorf("of none: %d at work, %d waiting, %v", atWork, waiting, err)
		}
		first, second, third := processing(submitted("C")), submitted("A"), processing(submitted("B"))
		first.UpdatedAt, second.UpdatedAt, third.UpdatedAt = morning, morning.Add(time.Minute), morning.Add(time.Hour)
		fourth := processing(submitted("D"))
		fourth.UpdatedAt = third.UpdatedAt
		save(t, jobs, parked(submitted("P")))
		save(t, jobs, parked(submitted("Q")))
		save(t, jobs, succeeded(submitted("S")))
		save(t, jobs, failed(submitted("F")))
		save(t, jobs, third)
		save(t, jobs, fourth)
		save(t, jobs, second)
		save(t, jobs, first)
		for limit, want := range map[int][]string{0: {"C", "A", "B", "D"}, 3: {"C", "A", "B"}} {
			found, err := jobs.AtWork(context.Background(), limit)
			var got []string
			for _, job := range found {
				got = append(got, job.ID)
			}
			if !slices.Equal(got, want) || err != nil {
				t.Errorf("at most %d: %q, %v; want %q", limit, got, err, want)
			}
		}
		if atWork, waiting, err := jobs.CountWork(context.Background()); atWork != 4 || waiting != 2 || err != nil {
			t.Errorf("%d at work, %d waiting, %v", atWork, waiting, err)
		}
	})
}
