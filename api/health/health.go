// Package health asks the dependencies of the api whether they answer, and shares what they say among all who ask; it does not know
// who asks, nor how the answer is shown.
package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Check asks whether a dependency answers.
type Check struct {
	Name string
	// IsRequired says that the api itself cannot answer without it: /health/ready asks these alone.
	IsRequired bool
	// Ping is given 2 s. It runs once at a time, however many ask. Its error is logged and not answered, except for the
	// sentence of a *Lack, to operators.
	Ping func(ctx context.Context) error
}

// Lack is the error of a dependency that answers and yet lacks something.
type Lack struct {
	// Sentence is a clause that says what is missing, and which command makes it.
	Sentence string
	Err      error
}

func (l *Lack) Error() string { return fmt.Sprintf("%s: %v", l.Sentence, l.Err) }
func (l *Lack) Unwrap() error { return l.Err }

const (
	// checkTimeout is after how long a dependency without an answer counts as down.
	checkTimeout = 2 * time.Second
	// checkAge is for how long a state counts: however often health is asked, a dependency is asked once a second.
	checkAge = time.Second
)

// Dependencies are what the api depends on, in the order of their checks.
type Dependencies []*dependency

// New makes the dependencies that these checks are of. None is asked yet.
func New(checks []Check, log *slog.Logger) Dependencies {
	all := make(Dependencies, len(checks))
	for i, check := range checks {
		all[i] = &dependency{Check: check, log: log}
	}
	return all
}

// Essentials are the dependencies without which the api itself cannot answer.
func (d Dependencies) Essentials() (essentials Dependencies) {
	for _, dependency := range d {
		if dependency.IsRequired {
			essentials = append(essentials, dependency)
		}
	}
	return essentials
}

// State is how a dependency stands.
type State struct {
	Name string
	// Err is nil while it answers.
	Err error
}

// Lack is the sentence of what is missing, which an operator may see; "" where nothing is, or the error says something else.
func (s State) Lack() string {
	if lack, isLack := errors.AsType[*Lack](s.Err); isLack {
		return lack.Sentence
	}
	return ""
}

// Ask asks all dependencies at the same time, and gives the state of each, within 2 s.
func (d Dependencies) Ask(ctx context.Context) []State {
	states := make([]State, len(d))
	var wait sync.WaitGroup
	for i, dependency := range d {
		wait.Go(func() { states[i] = State{Name: dependency.Name, Err: dependency.state(ctx)} })
	}
	wait.Wait()
	return states
}

// dependency shares one check among all who ask while it runs and within checkAge after it. A Ping that goes on beyond
// checkTimeout, as one that hangs in a system call does, is left alone, and no other is started until it has returned: one
// goroutine and one connection are all that a dependency without an answer costs.
type dependency struct {
	Check
	log *slog.Logger

	mu     sync.Mutex
	latest *reading
	isDown bool // as the log says
}

// reading is one answer of a dependency. The mutex of the dependency guards it, but for err, which does not change any
// more once ready is closed.
type reading struct {
	ready chan struct{}
	err   error
	// at is when it was published.
	at time.Time
	// isOver says that Ping has returned, which may be later.
	isOver bool
}

func (r *reading) isFresh() bool { return !r.isOver || time.Since(r.at) < checkAge }

// state is nil while the dependency answers. It waits no longer than checkTimeout.
func (d *dependency) state(ctx context.Context) error {
	r := d.read()
	select {
	case <-r.ready:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read gives the latest reading while it is fresh, and else begins one.
func (d *dependency) read() *reading {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.latest == nil || !d.latest.isFresh() {
		d.latest = &reading{ready: make(chan struct{})}
		go d.check(d.latest)
	}
	return d.latest
}

// check fills in a reading. The context is its own: who asked first may go away while others wait.
func (d *dependency) check(r *reading) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	late := time.AfterFunc(checkTimeout, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.publish(r, fmt.Errorf("no answer within %s", checkTimeout))
	})
	err := d.Ping(ctx)
	late.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.publish(r, err)
	r.isOver = true
}

// publish makes a reading known to all who wait for it, once. The log tells of a change, and not of each reading.
func (d *dependency) publish(r *reading, err error) {
	if !r.at.IsZero() {
		return
	}
	r.err, r.at = err, time.Now()
	close(r.ready)
	switch {
	case err != nil && !d.isDown:
		d.log.Warn("dependency is down", "dependency", d.Name, "error", err)
	case err == nil && d.isDown:
		d.log.Info("dependency is back", "dependency", d.Name)
	}
	d.isDown = err != nil
}
