package access

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"data-exhaust/exhaust"
)

// Concurrency bounds how many exhausts of a channel are under way. Those that are recorded in the database count, whichever
// process started them, and those that this process is about to record. So it never lets one process start too many; several
// processes that start exhausts of a channel in the same moment may together exceed the bound by these. A nil Concurrency bounds
// nothing.
//
// Invariant: a start counts all starts that took their place before it, unless it knows that they came to nothing. One that was
// recorded before it counted is in the database's number; one that was not had not released its place when it took its own. So
// of any exhausts that are under way together, the one with the latest place counted all others.
type Concurrency struct {
	most  int
	count func(ctx context.Context, channel string) (int, error)

	mu sync.Mutex
	// places are those of each channel that are not released. A channel without places is not in the map.
	places map[string]map[*place]struct{}
}

// place is that of a start between Reserve and release. Concurrency.mu guards it.
type place struct {
	// isVoid tells that Reserve refused it: nothing will be recorded.
	isVoid bool
}

// retryStart is after how long a client had best ask again: few exhausts end sooner.
const retryStart = 30 * time.Second

// NewConcurrency makes the bound of max exhausts of a channel that are under way at a time; where max is 0, of any number. count
// says how many of a channel are recorded as under way, with all that was recorded before it was called: it asks no replica.
func NewConcurrency(max int, count func(ctx context.Context, channel string) (int, error)) *Concurrency {
	if max <= 0 {
		return nil
	}
	return &Concurrency{most: max, count: count, places: map[string]map[*place]struct{}{}}
}

// Reserve reserves a place for an exhaust of a channel that is about to start. Call release, once or more often, when the start
// is recorded or has failed. Between these two the exhaust may count twice, so that another start is refused which is one below
// the bound. The error is a *LimitError where too many are under way, or that of count; then nothing is reserved.
func (c *Concurrency) Reserve(ctx context.Context, channel string) (release func(), err error) {
	if c == nil {
		return func() {}, nil
	}
	own, ahead := c.takePlace(channel)
	isAccepted := false
	// A count that panics leaves no place behind either.
	defer func() {
		if !isAccepted {
			c.refuse(channel, own)
		}
	}()
	recorded, err := c.count(ctx, channel)
	if err != nil {
		return nil, err
	}
	if recorded+c.countPlaces(ahead) >= c.most {
		return nil, c.limitError(channel, recorded)
	}
	isAccepted = true
	return func() { c.release(channel, own) }, nil
}

// takePlace takes a place before the count: whoever takes one later counts this one. ahead are those taken earlier; all of them
// may record their starts, and release their places, between the count and the decision.
func (c *Concurrency) takePlace(channel string) (own *place, ahead []*place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead = slices.Collect(maps.Keys(c.places[channel]))
	if c.places[channel] == nil {
		c.places[channel] = map[*place]struct{}{}
	}
	own = &place{}
	c.places[channel][own] = struct{}{}
	return own, ahead
}

// countPlaces counts the places at which something was or may yet be recorded. Void ones must not count: clients that keep asking
// in vain would keep each other out for ever.
func (c *Concurrency) countPlaces(ahead []*place) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, p := range ahead {
		if !p.isVoid {
			n++
		}
	}
	return n
}

func (c *Concurrency) refuse(channel string, own *place) {
	c.mu.Lock()
	own.isVoid = true
	c.mu.Unlock()
	c.release(channel, own)
}

func (c *Concurrency) release(channel string, own *place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.places[channel], own)
	if len(c.places[channel]) == 0 {
		delete(c.places, channel)
	}
}

// limitError says that the bound is reached: by what is recorded, which is more where the bound was lowered, or with starts that
// are not recorded yet, of which some may be refused and so are not to be told apart.
func (c *Concurrency) limitError(channel string, recorded int) error {
	return &LimitError{
		Fault:      exhaust.NewFault(exhaust.ChannelLimitReached, channel, max(recorded, c.most), c.most),
		RetryAfter: retryStart,
	}
}
