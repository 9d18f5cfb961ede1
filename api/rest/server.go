// Package rest is the HTTP service (the calls of contract section 1, recurring exhausts, the signed files of a folder
// store), which only reads and writes HTTP and asks package service for all the rest.
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/api/admission"
	"data-exhaust/api/health"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// Server answers the API.
type Server struct {
	service  *service.Authorized
	signIn   admission.SignIn
	door     *admission.Door
	health   health.Dependencies
	files    http.Handler
	timezone *time.Location
	urlTTL   time.Duration
	metrics  *metrics
	console  Console
	log      *slog.Logger
}

// Options are what a Server is made of.
type Options struct {
	Service *service.Authorized
	SignIn  admission.SignIn
	// Health are the dependencies that /health reports on.
	Health health.Dependencies
	// Files serves the signed URLs of a folder store below FilesPath; nil where another service does.
	Files http.Handler
	// Timezone is the one in which days begin (EXHAUST_TIMEZONE).
	Timezone *time.Location
	URLTTL   time.Duration
	// Console are the pages for people.
	Console Console
	Log     *slog.Logger
}

// FilesPath begins the path of the signed URLs of a folder store.
const FilesPath = "/files/reports"

// NewHandler makes the service's handler.
func NewHandler(o Options) http.Handler {
	s := &Server{
		service: o.Service, signIn: o.SignIn, door: admission.NewDoor(o.SignIn, o.Service), console: o.Console, health: o.Health, files: o.Files,
		timezone: o.Timezone, urlTTL: o.URLTTL, metrics: newMetrics(), log: o.Log,
	}
	return cleanPath(s.guard(s.newRouter()))
}

// newRouter routes all calls. Each but those of probes, files and the reference goes through answer, which asks who calls.
func (s *Server) newRouter() *mux.Router {
	// The paths are clean when they get here (cleanPath): the router would redirect, and turn a POST into a GET.
	router := mux.NewRouter().SkipClean(true)
	router.Use(s.metrics.count)
	// Whole paths, and no subrouter: with one, a wrong method would be answered as a wrong path.
	const requests = "/dataset/v1/request"
	router.Handle(requests+"/submit", s.answer(submitID, s.submit)).Methods(http.MethodPost)
	router.Handle(requests+"/read/{tag}", s.answer(infoID, s.one(s.service.Read, s.info))).Methods(http.MethodGet)
	router.Handle(requests+"/summary/{tag}", s.answer(summaryID, s.summary)).Methods(http.MethodGet)
	router.Handle(requests+"/list/{tag}", s.answer(listID, s.listTag)).Methods(http.MethodGet)
	router.Handle(requests+"/search", s.answer(searchID, s.search)).Methods(http.MethodPost)
	router.Handle(requests+"/cancel/{tag}", s.answer(cancelID, s.one(s.service.Cancel, s.info))).Methods(http.MethodPost)
	router.Handle(requests+"/retry/{tag}", s.answer(retryID, s.one(s.service.Retry, s.result))).Methods(http.MethodPost)
	router.Handle(requests+"/replay", s.answer(replayID, s.replay)).Methods(http.MethodPost)
	router.Handle(requests+"/estimate", s.answer(estimateID, s.estimate)).Methods(http.MethodPost)
	router.Handle("/dataset/v1/conversation", s.answer(conversationListID, s.listConversations)).Methods(http.MethodGet)
	router.Handle("/dataset/v1/receipt-keys", s.answer(receiptKeysID, s.receiptKeys)).Methods(http.MethodGet)
	s.routeSchedules(router)
	s.routeWebhookSecret(router)
	s.routeTokens(router)
	s.routeHealth(router)
	s.routeMetrics(router)
	s.routeReference(router)
	s.routeConsole(router)
	if s.files != nil {
		router.PathPrefix(FilesPath + "/").HandlerFunc(s.serveFile)
	}
	router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, idPrefix, http.StatusNotFound, notFound, exhaust.NewFault(exhaust.NoSuchCall, r.Method, r.URL.Path))
	})
	router.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, idPrefix, http.StatusMethodNotAllowed, clientError, exhaust.NewFault(exhaust.MethodNotAllowed, r.URL.Path, r.Method))
	})
	return router
}

// cleanPath makes of a path with doubled slashes or one in the end the path that is meant: clients put a host in front that ends
// in a slash. A slash within a name (%2F) stays one of the name. Names of files are taken as they are.
func cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := "/" + strings.TrimLeft(r.URL.EscapedPath(), "/")
		if !strings.HasPrefix(escaped, FilesPath+"/") {
			names := strings.FieldsFunc(escaped, func(c rune) bool { return c == '/' })
			escaped = "/" + strings.Join(names, "/")
		}
		if path, err := url.PathUnescape(escaped); err == nil && path != r.URL.Path {
			clean, to := *r, *r.URL
			to.Path, to.RawPath = path, escaped
			clean.URL = &to
			r = &clean
		}
		next.ServeHTTP(w, r)
	})
}

// call answers one call of the API with a result, or with an error for fail.
type call func(r *http.Request, c access.Caller) (any, error)

// answer writes what a call answers to whom may make it, in the envelope of that id.
func (s *Server) answer(id string, call call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := s.admit(r)
		var result any
		if err == nil {
			result, err = call(r, caller)
		}
		if err == nil {
			switch result := result.(type) {
			case *list:
				err = s.writeList(w, id, result)
			case summary:
				err = s.writeSummary(w, id, result)
			default:
				s.ok(w, id, result)
			}
		}
		if err != nil {
			s.failed(w, r, id, err)
		}
	})
}

// Limits of the HTTP server.
const (
	maxBody = 1 << 20
	// maxHeader lets even a token of a megabyte be answered in an envelope.
	maxHeader = 1 << 20
	// answerTimeout bounds the work for a call of the API, writeTimeout the time from its header to the last byte that the client
	// takes of the answer, fileTimeout a download, which may be long.
	answerTimeout = 30 * time.Second
	writeTimeout  = 3 * time.Minute
	fileTimeout   = 6 * time.Hour
)

// NewHTTPServer makes the HTTP server around a handler.
func NewHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       answerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// guard bounds time and size of each request, logs it, and turns a panic into the 500 envelope.
// Neither the query nor the body is logged: a signed URL is a secret.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		recorder := &statusRecorder{ResponseWriter: w}
		defer func() {
			if cause := recover(); cause != nil {
				if cause == http.ErrAbortHandler {
					panic(cause)
				}
				s.log.Error("panic", "path", pathOf(r), "cause", cause, "stack", string(debug.Stack()))
				if recorder.status != 0 {
					panic(http.ErrAbortHandler) // too late for another answer: let the client see a broken one
				}
				s.fail(recorder, idPrefix, http.StatusInternalServerError, serverError, exhaust.NewFault(exhaust.InternalError))
			}
			level := slog.LevelInfo
			if isProbe(r) || isReference(r) || s.isConsoleDetail(r) && recorder.status < http.StatusBadRequest {
				level = slog.LevelDebug // probes come by the second, and what changes is in the log already; a page is many requests
			}
			s.log.Log(r.Context(), level, "request", "method", r.Method, "path", pathOf(r), "status", recorder.status, "ms", time.Since(start).Milliseconds())
		}()
		if isFile(r) {
			// A connection that cannot be given more time ends with the server's: the download is tried again.
			_ = http.NewResponseController(recorder).SetWriteDeadline(start.Add(fileTimeout))
		} else {
			ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
			defer cancel()
			r = r.WithContext(ctx)
			r.Body = http.MaxBytesReader(recorder, r.Body, maxBody)
		}
		// The console says it on a page, and a file's URL holds the right to it, by whatever name.
		if !s.door.AcceptsHost(r) && !s.isConsole(r) && !isFile(r) {
			s.fail(recorder, idPrefix, http.StatusForbidden, forbidden, exhaust.NewFault(exhaust.HostRefused, r.Host))
			return
		}
		next.ServeHTTP(recorder, r)
	})
}

// pathOf is a request's path as the log has it. Somebody may put a token into it who means to revoke it.
func pathOf(r *http.Request) string { return access.HideTokens(r.URL.Path) }

func isFile(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, FilesPath+"/") }

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
