package service

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// Telemetry is what the service asks of the telemetry store.
type Telemetry interface {
	List(ctx context.Context, prefix, after string) iter.Seq2[blob.Object, error]
	Ping(ctx context.Context) error
}

// lister lists the telemetry of days, each by its prefix. A store that hangs, and heeds no deadline, holds a bounded number of
// its calls, and nobody waits for them.
type lister struct {
	store           Telemetry
	layout          telemetry.Layout
	listings, pings slots
}

func newLister(store Telemetry, layout telemetry.Layout) *lister {
	return &lister{store: store, layout: layout, listings: make(slots, maxListings), pings: make(slots, maxPings)}
}

const (
	// callListings is how many days are listed at a time for one call, maxListings for all of a lister.
	callListings, maxListings = 32, 64
	maxPings                  = 8
)

// dayListing is the telemetry of a day, as far as it was listed.
type dayListing struct {
	day     exhaust.Day
	objects int
	// bytes are those of the objects as stored.
	bytes int64
	// isListed tells that it was listed to its end.
	isListed bool
	// refusal is a sentence about a store that will not list the day however long one waits; "" where it lists.
	refusal string
}

// list lists days until ctx is over. The error is the first failure that waiting may heal: with it the days say nothing.
func (l *lister) list(ctx context.Context, days exhaust.Range) ([]dayListing, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	underWay := &listings{store: l.store, layout: l.layout, days: make([]dayListing, days.Days()), cancel: cancel}
	for i := range underWay.days {
		underWay.days[i].day = days.StartDate.Add(i)
	}
	l.listAll(ctx, underWay)
	return underWay.end()
}

// ping receives what the store answers to a ping, if it does in time.
func (l *lister) ping(ctx context.Context) <-chan error {
	answer := make(chan error, 1)
	go func() {
		select {
		case l.pings <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() { <-l.pings }()
		if err := l.store.Ping(ctx); ctx.Err() == nil {
			answer <- err
		}
	}()
	return answer
}

// listAll returns when all days are listed, or ctx is over: then listings that hang go on without it.
func (l *lister) listAll(ctx context.Context, of *listings) {
	end := make(chan struct{}, len(of.days))
	for next, underWay := 0, 0; next < len(of.days) || underWay > 0; {
		free := l.listings
		if next == len(of.days) || underWay == callListings {
			free = nil // wait for one that is under way
		}
		select {
		case free <- struct{}{}:
			go func(i int) {
				defer func() {
					<-l.listings
					end <- struct{}{}
				}()
				of.listDay(ctx, i)
			}(next)
			next, underWay = next+1, underWay+1
		case <-end:
			underWay--
		case <-ctx.Done():
			return
		}
	}
}

// listings is what is known of some days while they are listed. The mutex guards what changes.
type listings struct {
	store  Telemetry
	layout telemetry.Layout
	cancel context.CancelFunc

	mu   sync.Mutex
	days []dayListing
	// err is the first failure that waiting may heal.
	err    error
	isOver bool
}

func (l *listings) listDay(ctx context.Context, i int) {
	if ctx.Err() != nil {
		return
	}
	day := l.days[i].day
	for object, err := range l.store.List(ctx, l.layout.Prefix(day), "") {
		isOver := l.change(func() {
			switch {
			case err != nil && ctx.Err() == nil:
				l.fail(day, &l.days[i], err)
			case err == nil && telemetry.IsTelemetry(object.Name):
				l.days[i].objects++
				l.days[i].bytes += object.Size
			}
		})
		if err != nil || isOver {
			return
		}
	}
	l.change(func() { l.days[i].isListed = true })
}

// change changes what is known, unless nobody waits for it any more.
func (l *listings) change(do func()) (isOver bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isOver {
		do()
	}
	return l.isOver
}

func (l *listings) fail(day exhaust.Day, of *dayListing, err error) {
	if permanent, ok := errors.AsType[*blob.PermanentError](err); ok {
		of.refusal = fmt.Sprintf("the telemetry of %s cannot be listed: %s", day, permanent.Reason)
		return
	}
	if l.err == nil {
		l.err = err
		l.cancel()
	}
}

// end is what is known by now, and ends the listing: nothing changes it any more.
func (l *listings) end() ([]dayListing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isOver = true
	return l.days, l.err
}

// answerTimeout leaves an answer within a second some time for the way.
const answerTimeout = 900 * time.Millisecond

// slots are for calls that may hang in a system call, which heeds no deadline: nobody waits for such a call, and it keeps its
// slot until it ends. So there is a bound to what hangs, in goroutines and in threads.
type slots chan struct{}

// inTime is what a call answers before ctx is over. Else its error is errNoAnswer, whatever the call itself makes of that.
func inTime[T any](ctx context.Context, free slots, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	select {
	case free <- struct{}{}:
		go func() {
			defer func() { <-free }()
			value, err := call()
			answers <- answer{value, err}
		}()
	case <-ctx.Done():
	}
	var none T
	select {
	case a := <-answers:
		if a.err != nil && ctx.Err() != nil {
			return none, errNoAnswer
		}
		return a.value, a.err
	case <-ctx.Done():
		return none, errNoAnswer
	}
}

var errNoAnswer = errors.New("it did not answer in time")
