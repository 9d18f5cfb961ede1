package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"data-exhaust/exhaust"

	"github.com/gorilla/mux"
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

// health is the states of the dependencies, in the order of their checks.
type health []*dependency

func newHealth(checks []Check, log *slog.Logger) health {
	h := make(health, len(checks))
	for i, check := range checks {
		h[i] = &dependency{Check: check, log: log}
	}
	return h
}

// essentials are the dependencies without which the api itself cannot answer.
func (h health) essentials() (essentials health) {
	for _, d := range h {
		if d.IsRequired {
			essentials = append(essentials, d)
		}
	}
	return essentials
}

// The paths that probes ask.
const (
	healthPath = "/health"
	readyPath  = healthPath + "/ready"
	livePath   = healthPath + "/live"
)

func isProbe(r *http.Request) bool {
	return r.URL.Path == healthPath || r.URL.Path == readyPath || r.URL.Path == livePath
}

// routeHealth routes what probes ask. /health/live asks nothing of anybody: a restart heals no dependency.
func (s *Server) routeHealth(router *mux.Router) {
	for path, handler := range map[string]http.Handler{
		healthPath: s.answerHealth(healthID, s.health),
		readyPath:  s.answerHealth(readyID, s.health.essentials()),
		livePath:   s.answerHealth(liveID, nil),
	} {
		router.Handle(path, handler).Methods(http.MethodGet, http.MethodHead)
	}
}

// dependencyState is a dependency as answers show it.
type dependencyState struct {
	Name    string `json:"name"`
	Healthy bool   `json:"healthy"`
}

// answerHealth answers 200 where all these dependencies answer, else 503 naming those that do not.
func (s *Server) answerHealth(id string, of health) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		errs := of.ask(r.Context())
		states := make([]dependencyState, len(of))
		var down, explained, up []string
		for i, d := range of {
			states[i] = dependencyState{Name: d.Name, Healthy: errs[i] == nil}
			if errs[i] == nil {
				up = append(up, d.Name)
			} else {
				down, explained = append(down, d.Name), append(explained, d.Name+explain(errs[i]))
			}
		}
		if len(down) > 0 {
			if s.isOperator(r) {
				down = explained
			}
			fault := exhaust.NewFault(exhaust.AllDependenciesDown, down)
			if len(up) > 0 {
				fault = exhaust.NewFault(exhaust.DependenciesDown, down, up)
			}
			s.fail(w, id, http.StatusServiceUnavailable, serviceUnavailable, fault)
			return
		}
		s.ok(w, id, map[string]any{"healthy": true, "checks": states})
	})
}

// isOperator reports whether a request comes from an operator. Probes have no credentials, and those of others do not matter.
func (s *Server) isOperator(r *http.Request) bool {
	// Something is down: it may be what says who calls.
	ctx, cancel := context.WithTimeout(r.Context(), operatorTimeout)
	defer cancel()
	c, err := s.authenticate(r.WithContext(ctx))
	if err != nil && !errors.Is(err, errNoCredentials) {
		s.signIn.Strangers.Allow(networkOf(c.From), time.Now())
	}
	return err == nil && c.Operator
}

const operatorTimeout = time.Second

// explain is what of an error an operator may see.
func explain(err error) string {
	var lack *Lack
	if errors.As(err, &lack) {
		return " (" + lack.Sentence + ")"
	}
	return ""
}

// ask asks all dependencies at the same time, and returns the error of each.
func (h health) ask(ctx context.Context) []error {
	errs := make([]error, len(h))
	var wait sync.WaitGroup
	for i, d := range h {
		wait.Go(func() { errs[i] = d.state(ctx) })
	}
	wait.Wait()
	return errs
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
