package rest

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

// Console are the pages for people, below their path. The zero Console is none.
type Console struct {
	Handler http.Handler
	// Path is where they begin, such as /console. The handler leads there from /, too.
	Path string
	// IsDetail says of a request that a page makes by itself: its files, and what keeps it up to date.
	IsDetail func(r *http.Request) bool
}

// routeConsole routes the pages, which ask by themselves who reads them.
func (s *Server) routeConsole(router *mux.Router) {
	if s.console.Handler == nil {
		return
	}
	router.Handle("/", s.console.Handler).Methods(http.MethodGet, http.MethodHead)
	router.PathPrefix(s.console.Path).Handler(s.console.Handler)
}

// isConsole reports whether a request is for a page.
func (s *Server) isConsole(r *http.Request) bool {
	return s.console.Handler != nil && strings.HasPrefix(r.URL.Path, s.console.Path)
}

func (s *Server) isConsoleDetail(r *http.Request) bool {
	return s.isConsole(r) && s.console.IsDetail(r)
}
