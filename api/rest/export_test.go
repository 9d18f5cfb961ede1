package rest

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

// Routes are the calls that a service with files routes, as "GET /path/{variable}".
func Routes() (routes []string, err error) {
	s := &Server{files: http.NotFoundHandler(), metrics: newMetrics()}
	err = s.newRouter().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if err != nil {
			methods = []string{"ANY"} // a route without methods takes any
		}
		routes = append(routes, strings.Join(methods, ",")+" "+path)
		return nil
	})
	return routes, err
}
