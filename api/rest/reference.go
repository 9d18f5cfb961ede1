package rest

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"data-exhaust/api/openapi"
	"data-exhaust/api/reference"
)

// routeReference routes what anybody may read: it says what the service can do, and nothing of what it holds.
func (s *Server) routeReference(router *mux.Router) {
	for path, handler := range reference.Handlers(openapi.Document) {
		router.Handle(path, handler).Methods(http.MethodGet, http.MethodHead)
	}
}

func isReference(r *http.Request) bool {
	path := r.URL.Path
	return path == reference.DocumentPath || path == reference.PagePath || strings.HasPrefix(path, reference.PagePath+"/")
}
