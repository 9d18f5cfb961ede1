package rest

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

const (
	metricsPath = "/metrics"
	metricsID   = "ekstep.analytics.metrics"
)

// metrics count what this process answers. Their labels are routes, methods and statuses: nothing of who asks for what.
type metrics struct {
	registry *prometheus.Registry
	duration *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "exhaust_api_request_duration_seconds",
		Help:    "How long requests took until the last byte of their answers, by route, method and status.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"route", "method", "status"})}
	m.registry.MustRegister(m.duration, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// count counts what the routes answer. What no route takes is not counted: whoever tries paths and methods would make a label of
// each.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, err := mux.CurrentRoute(r).GetPathTemplate()
		if err != nil {
			panic(err) // all of ours have one
		}
		start, recorder := time.Now(), &statusRecorder{ResponseWriter: w}
		defer func() {
			status := cmp.Or(recorder.status, http.StatusInternalServerError) // which a panic becomes
			m.duration.WithLabelValues(route, methodOf(r), strconv.Itoa(status)).Observe(time.Since(start).Seconds())
		}()
		next.ServeHTTP(recorder, r)
	})
}

// methodOf is a request's method; files take any, and so any text.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete:
		return r.Method
	}
	return "other"
}

// routeMetrics routes what Prometheus scrapes.
func (s *Server) routeMetrics(router *mux.Router) {
	handler := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
	router.HandleFunc(metricsPath, func(w http.ResponseWriter, r *http.Request) {
		if err := s.mayScrape(r); err != nil {
			s.failed(w, r, metricsID, err)
			return
		}
		handler.ServeHTTP(w, r)
	}).Methods(http.MethodGet)
}

// mayScrape lets in whoever has the token for it, which allows nothing else, and operators.
func (s *Server) mayScrape(r *http.Request) error {
	if s.signIn.MetricsToken != "" {
		given, _ := cutScheme(r.Header.Get("Authorization"))
		// Hashes, so that the time that it takes says nothing of the length either.
		is, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.signIn.MetricsToken))
		if subtle.ConstantTimeCompare(is[:], want[:]) == 1 {
			return nil
		}
	}
	caller, err := s.admit(r)
	if err != nil || caller.Operator {
		return err
	}
	return s.service.Refused(caller, "metrics", &service.ForbiddenError{Fault: exhaust.NewFault(exhaust.MetricsRefused, access.OperatorRight)})
}
