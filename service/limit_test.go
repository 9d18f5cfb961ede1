package service

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/jobs"
)

// limited are the exhausts of an API process of which so many of a channel may be under way.
func (s *service) limited(most int) *Exhausts {
	settings := s.settings
	settings.ChannelLimit = most
	return NewExhausts(s.client, s.jobs, s.reports, settings)
}

// number is a submission other than those of other numbers.
func (s *service) number(n int, runAt string) exhaust.Submission {
	submission := s.submission(exhaust.PrivateExhaust)
	// All tests share a Temporal, where the same request is the same exhaust.
	submission.RequestedBy, submission.RunAt = fmt.Sprint(s.name, " ", n), runAt
	return submission
}

func isLimit(err error) bool {
	_, isLimit := errors.AsType[*access.LimitError](err)
	return isLimit
}

// No worker runs here, so what starts stays under way.
func TestSoManyExhaustsOfAChannelAreUnderWayAndNoMore(t *testing.T) {
	s := newService(t)
	const most = 3
	exhausts := s.limited(most)
	var started, refused atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			switch _, err := exhausts.Submit(t.Context(), s.number(i, "")); {
			case err == nil:
				started.Add(1)
			case isLimit(err):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if started.Load() != most || refused.Load() != 20-most {
		t.Fatalf("%d of 20 at once started and %d were refused, want %d started", started.Load(), refused.Load(), most)
	}
	under, err := s.jobs.Search(t.Context(), jobs.Search{Channel: channel, Limit: 100})
	if err != nil || len(under) != most {
		t.Fatalf("%d are recorded, %v", len(under), err)
	}
	_, err = exhausts.Submit(t.Context(), s.number(100, ""))
	limit, _ := errors.AsType[*access.LimitError](err)
	if want := fmt.Sprintf("channel %q has 3 exhausts under way: at most 3 are accepted at a time; try again when one has ended", channel); limit == nil ||
		limit.Sentence != want || limit.RetryAfter != 30*time.Second {
		t.Errorf("refused with %+v, want %s", limit, want)
	}

	// One that is under way is found; those that wait for the night do not count, but when they are let run.
	again := s.submission(exhaust.PrivateExhaust)
	again.RequestedBy = under[0].RequestedBy
	if found, err := exhausts.Submit(t.Context(), again); err != nil || found.ID != under[0].ID {
		t.Errorf("the same again is %+v, %v", found, err)
	}
	for i := range most + 1 {
		if _, err := exhausts.Submit(t.Context(), s.number(200+i, exhaust.RunNightly)); err != nil {
			t.Errorf("waiting for the night: %v", err)
		}
	}
	if _, err := exhausts.Submit(t.Context(), s.number(200, exhaust.RunNow)); !isLimit(err) {
		t.Errorf("one that waited is let run: %v", err)
	}
	// Another channel, and what the night or a schedule starts, are not held up.
	other := s.number(0, "")
	other.Channel = "another"
	if _, err := exhausts.Submit(t.Context(), other); err != nil {
		t.Errorf("another channel's: %v", err)
	}
	if _, err := exhausts.SubmitAt(t.Context(), s.number(300, ""), time.Now(), true); err != nil {
		t.Errorf("a schedule's: %v", err)
	}

	// When some have ended there is room again: four are under way, so two have to.
	cancel := func(job exhaust.Job) {
		t.Helper()
		job.Status, job.CompletedAt, job.UpdatedAt = exhaust.Cancelled, time.Now(), time.Now()
		if err := s.jobs.Save(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	cancel(under[0])
	if _, err := exhausts.Submit(t.Context(), s.number(400, "")); !isLimit(err) {
		t.Errorf("with three under way: %v", err)
	}
	cancel(under[1])
	if _, err := exhausts.Submit(t.Context(), s.number(400, "")); err != nil {
		t.Errorf("with two under way: %v", err)
	}
}

func TestRetryingCountsToo(t *testing.T) {
	s := newService(t)
	s.work()
	exhausts := s.limited(1)
	failing := s.submission(exhaust.ResponseExhaust) // it finds no data
	job, err := exhausts.Submit(t.Context(), failing)
	if err != nil {
		t.Fatal(err)
	}
	e2etest.Eventually(t, 30*time.Second, "it has FAILED", func() bool {
		now, err := exhausts.Read(t.Context(), "tag", channel, job.ID)
		return err == nil && now.Status == exhaust.Failed
	})
	busy := s.foreign(s.number(1, ""))
	busy.Channel, busy.State = channel, exhaust.State{Status: exhaust.Processing, UpdatedAt: time.Now()}
	if err := s.jobs.Save(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	if _, err := exhausts.Retry(t.Context(), "tag", channel, job.ID); !isLimit(err) {
		t.Errorf("retrying while another is under way: %v", err)
	}
	replay := Replay{Statuses: []exhaust.Status{exhaust.Failed}, RequestID: job.ID, Limit: 10, IsLimited: true}
	if _, _, err := exhausts.Replay(t.Context(), replay); !isLimit(err) {
		t.Errorf("replaying while another is under way: %v", err)
	}
	replay.IsLimited = false // an operator's
	if started, _, err := exhausts.Replay(t.Context(), replay); err != nil || len(started) != 1 || started[0].Attempts != 1 {
		t.Errorf("an operator's replay: %+v, %v", started, err)
	}
}

func TestOneThatWaitedForTheNightTakesOnePlaceThoughNoWorkerTakesItOn(t *testing.T) {
	s := newService(t)
	exhausts := s.limited(2)
	for i := range 3 {
		if _, err := exhausts.Submit(t.Context(), s.number(i, exhaust.RunNightly)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []struct {
		number   int
		isLimit  bool
		underWay int
	}{{0, false, 1}, {0, false, 1}, {1, false, 2}, {2, true, 2}, {0, false, 2}} {
		_, err := exhausts.Submit(t.Context(), s.number(want.number, exhaust.RunNow))
		if isLimit(err) != want.isLimit || err != nil && !want.isLimit {
			t.Errorf("letting run number %d: %v", want.number, err)
		}
		if n, err := s.jobs.CountUnderWay(t.Context(), channel, time.Now().Add(-time.Hour)); err != nil || n != want.underWay {
			t.Errorf("after number %d there are %d under way, %v, want %d", want.number, n, err, want.underWay)
		}
	}
}

func TestAScheduleThatWasMadeBeforePurposesWereDemandedFiresOn(t *testing.T) {
	s := newService(t)
	settings := s.settings
	settings.PrivatePurpose = true
	exhausts := NewExhausts(s.client, s.jobs, s.reports, settings)
	if _, err := exhausts.SubmitAt(t.Context(), s.number(0, ""), time.Now(), true); err != nil {
		t.Errorf("a firing: %v", err)
	}
	var invalid *exhaust.InvalidError
	if _, err := exhausts.Submit(t.Context(), s.number(1, "")); !errors.As(err, &invalid) {
		t.Errorf("a caller: %v", err)
	}
}
