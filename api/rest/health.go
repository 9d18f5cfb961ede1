package rest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/api/health"
	"data-exhaust/exhaust"
)

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
		readyPath:  s.answerHealth(readyID, s.health.Essentials()),
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
func (s *Server) answerHealth(id string, of health.Dependencies) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		states := make([]dependencyState, len(of))
		var down, explained, up []string
		for i, d := range of.Ask(r.Context()) {
			states[i] = dependencyState{Name: d.Name, Healthy: d.Err == nil}
			if d.Err == nil {
				up = append(up, d.Name)
			} else {
				down, explained = append(down, d.Name), append(explained, d.Name+explain(d))
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
	c, err := s.door.Authenticate(r.WithContext(ctx), s.readToken)
	if err != nil && !errors.Is(err, errNoCredentials) {
		_ = s.door.AllowStranger(c.From) // it is counted, and answered all the same
	}
	return err == nil && c.Operator
}

const operatorTimeout = time.Second

// explain is what of a dependency that is down an operator may see beside its name.
func explain(d health.State) string {
	if lack := d.Lack(); lack != "" {
		return " (" + lack + ")"
	}
	return ""
}
