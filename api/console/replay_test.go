package console

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// fakeReplay starts exhausts of one group, each in some time; those that it says cannot be started stay FAILED.
type fakeReplay struct {
	ids   []string
	takes time.Duration
	// failsAt is the id at which it has this error; "" is never.
	failsAt string
	err     error
	started []string
}

func (f *fakeReplay) run(_ context.Context, r service.Replay) (found []exhaust.Job, next string, err error) {
	for _, id := range f.ids {
		if id <= r.After || len(found) == r.Limit {
			continue
		}
		time.Sleep(f.takes)
		job := exhaust.Job{Request: exhaust.Request{ID: id}, State: exhaust.State{Status: exhaust.Submitted}}
		if id == f.failsAt {
			job.Status, err = exhaust.Failed, f.err
		} else {
			f.started = append(f.started, id)
		}
		found = append(found, job)
	}
	if len(found) == r.Limit {
		next = found[len(found)-1].ID
	}
	return found, next, err
}

func newFakeReplay(count int, takes time.Duration) *fakeReplay {
	f := &fakeReplay{takes: takes}
	for i := range count {
		f.ids = append(f.ids, fmt.Sprintf("%05d", i))
	}
	return f
}

func TestTenThousandExhaustsStartOverSeveralRequestsEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeReplay(10_000, 10*time.Millisecond)
		p := startProgress{Total: 10_000}
		requests := 0
		for isOver := false; !isOver; requests++ {
			begin, err := time.Now(), error(nil)
			if isOver, err = p.start(t.Context(), service.Replay{}, f.run); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > startTime+startBatch*f.takes {
				t.Errorf("request %d took %s", requests, took)
			}
		}
		// A request starts for 5 s: ten batches of 50. After the last full batch one is empty.
		if p.Started != 10_000 || p.Remaining() != 0 || requests != 21 || strings.Join(f.started, " ") != strings.Join(f.ids, " ") {
			t.Errorf("%+v after %d requests, %d started", p, requests, len(f.started))
		}
	})
}

func TestWhatCannotBeStartedStopsNoOther(t *testing.T) {
	f := newFakeReplay(120, 0)
	f.failsAt, f.err = "00003", errors.New("it is odd")
	p := startProgress{Total: 120}
	if isOver, err := p.start(t.Context(), service.Replay{}, f.run); !isOver || err != nil || p.Started != 119 || p.Remaining() != 1 {
		t.Errorf("%v, %v, %+v", isOver, err, p)
	}
}

func TestWhatIsAwayIsTriedAgainFromWhereItWas(t *testing.T) {
	f := newFakeReplay(120, 0)
	f.failsAt, f.err = "00070", &service.UnavailableError{Dependency: service.TemporalDependency, Err: errors.New("refused")}
	p := startProgress{Total: 120}
	if isOver, err := p.start(t.Context(), service.Replay{}, f.run); isOver || err == nil || p.Started != 99 || p.After != "00049" {
		t.Errorf("%v, %v, %+v", isOver, err, p)
	}
}
