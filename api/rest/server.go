// Package rest is the HTTP service: the calls of contract section 1, recurring exhausts, and the signed files of a
// folder store.
package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/api/exhausts"
	"data-exhaust/api/schedules"
)

// Server answers the API.
type Server struct {
	exhausts  *exhausts.Exhausts
	schedules *schedules.Schedules
	checks    []Check
	files     http.Handler
	timezone  *time.Location
	urlTTL    time.Duration
	log       *slog.Logger
}

// Options are what a Server is made of.
type Options struct {
	Exhausts  *exhausts.Exhausts
	Schedules *schedules.Schedules
	// Checks are the dependencies that /health reports on.
	Checks []Check
	// Files serves the signed URLs of a folder store below FilesPath; nil where another service does.
	Files http.Handler
	// Timezone is the one in which days begin (EXHAUST_TIMEZONE).
	Timezone *time.Location
	URLTTL   time.Duration
	Log      *slog.Logger
}

// Check asks whether a dependency answers.
type Check struct {
	Name string
	Ping func(ctx context.Context) error
}

// FilesPath begins the path of the signed URLs of a folder store.
const FilesPath = "/files/reports"

// NewHandler makes the service's handler.
func NewHandler(o Options) http.Handler {
	s := &Server{exhausts: o.Exhausts, schedules: o.Schedules, checks: o.Checks, files: o.Files, timezone: o.Timezone, urlTTL: o.URLTTL, log: o.Log}
	router := mux.NewRouter()
	// Whole paths, and no subrouter: with one, a wrong method would be answered as a wrong path.
	const requests = "/dataset/v1/request"
	router.HandleFunc(requests+"/submit", s.submit).Methods(http.MethodPost)
	router.HandleFunc(requests+"/read/{tag}", s.read).Methods(http.MethodGet)
	router.HandleFunc(requests+"/list/{tag}", s.listTag).Methods(http.MethodGet)
	router.HandleFunc(requests+"/search", s.search).Methods(http.MethodPost)
	router.HandleFunc(requests+"/cancel/{tag}", s.cancel).Methods(http.MethodPost)
	router.HandleFunc(requests+"/retry/{tag}", s.retry).Methods(http.MethodPost)
	router.HandleFunc(requests+"/replay", s.replay).Methods(http.MethodPost)
	s.routeSchedules(router)
	router.HandleFunc("/health", s.health).Methods(http.MethodGet)
	if s.files != nil {
		router.PathPrefix(FilesPath + "/").Handler(http.StripPrefix(FilesPath, s.files))
	}
	router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, idPrefix, http.StatusNotFound, notFound, fmt.Sprintf("there is no %s %s here", r.Method, r.URL.Path))
	})
	router.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, idPrefix, http.StatusMethodNotAllowed, clientError, fmt.Sprintf("%s does not take %s", r.URL.Path, r.Method))
	})
	return s.guarded(router)
}

// Limits of the HTTP server.
const (
	maxBody   = 1 << 20
	maxHeader = 64 << 10
	// answerWithin bounds a call of the API; fileWithin a download, which may be long.
	answerWithin = 30 * time.Second
	fileWithin   = 6 * time.Hour
)

// NewHTTPServer makes the HTTP server around a handler.
func NewHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       answerWithin,
		WriteTimeout:      fileWithin,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// guarded bounds time and size of each request, logs it, and turns a panic into the 500 envelope.
// Neither the query nor the body is logged: a signed URL is a secret.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := &statusRecorder{ResponseWriter: w}
		defer func() {
			if cause := recover(); cause != nil {
				if cause == http.ErrAbortHandler {
					panic(cause)
				}
				s.log.Error("panic", "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
				if recorder.status != 0 {
					panic(http.ErrAbortHandler) // too late for another answer: let the client see a broken one
				}
				s.fail(recorder, idPrefix, http.StatusInternalServerError, serverError, "the request could not be answered: the service's log says why")
			}
			s.log.Info("request", "method", r.Method, "path", r.URL.Path, "status", recorder.status, "ms", time.Since(began).Milliseconds())
		}()
		if !isFile(r) {
			ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
			defer cancel()
			r = r.WithContext(ctx)
			r.Body = http.MaxBytesReader(recorder, r.Body, maxBody)
		}
		next.ServeHTTP(recorder, r)
	})
}

func isFile(r *http.Request) bool {
	return len(r.URL.Path) > len(FilesPath) && r.URL.Path[:len(FilesPath)+1] == FilesPath+"/"
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusRecorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
