package rest

import (
	"net/http"
	"strings"

	"data-exhaust/exhaust"

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

// Results are what the objects of the API's description are made of here.
var Results = map[string]any{
	"Exhaust": jobResult{}, "ExhaustInfo": jobInfo{}, "Progress": exhaust.Progress{}, "Schedule": scheduleResult{}, "ScheduleInfo": scheduleInfo{},
	"Window": windowResult{}, "Firing": firingResult{}, "WebhookSecret": webhookSecretResult{}, "Token": tokenResult{}, "Estimate": estimateResult{},
	"Conversation": conversationResult{},
}
