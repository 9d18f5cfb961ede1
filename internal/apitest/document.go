package apitest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"data-exhaust/api/openapi"
)

// Exchange is a request and its answer.
type Exchange struct {
	Method, Path string // with the query
	Sent         http.Header
	SentBody     []byte
	Status       int
	Header       http.Header
	Body         []byte
}

// Document is the API's description, which it checks first.
var Document = sync.OnceValues(func() (*openapi3.T, error) {
	document, err := openapi3.NewLoader().LoadFromData(openapi.Document)
	if err != nil {
		return nil, err
	}
	return document, document.Validate(context.Background())
})

var router = sync.OnceValues(func() (routers.Router, error) {
	document, err := Document()
	if err != nil {
		return nil, err
	}
	routed := *document
	routed.Servers = openapi3.Servers{{URL: "/"}} // the router knows no relative one
	return gorillamux.NewRouter(&routed)
})

// CheckAnswer is Check of a request and of what it was answered.
func CheckAnswer(t testing.TB, request *http.Request, response *http.Response, body []byte) {
	t.Helper()
	x := Exchange{
		Method: request.Method, Path: request.URL.RequestURI(), Sent: request.Header,
		Status: response.StatusCode, Header: response.Header, Body: body,
	}
	if request.GetBody != nil {
		sent, err := request.GetBody()
		if err == nil {
			x.SentBody, err = io.ReadAll(sent)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	Check(t, x)
}

// Check fails the test unless the API's description knows the call, the status, each header, each field and the code of the
// answer, and, where the request was taken, that too.
func Check(t testing.TB, x Exchange) {
	t.Helper()
	if err := check(t, x); err != nil {
		t.Errorf("%s %s: %d: %v\nsent     %.2000s\nanswered %.2000s", x.Method, x.Path, x.Status, err, x.SentBody, x.Body)
	}
}

func check(t testing.TB, x Exchange) error {
	t.Helper()
	isJSON := strings.HasPrefix(x.Header.Get("Content-Type"), "application/json")
	if isJSON && x.Method != http.MethodHead && !strings.HasPrefix(x.Path, "/openapi.json") {
		CheckFault(t, x.Body)
	}
	router, err := router()
	if err != nil {
		return err
	}
	request, err := x.request()
	if err != nil {
		return err
	}
	route, variables, err := router.FindRoute(request)
	if err != nil {
		return x.checkUnknown()
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: variables, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, IncludeResponseStatus: true,
			ExcludeResponseBody: !isJSON, // what a file holds is not the description's
		},
	}
	refusal := openapi3filter.ValidateRequest(request.Context(), input)
	if x.Status < 300 && refusal != nil {
		return fmt.Errorf("a request that it does not describe is taken: %w", refusal)
	}
	response := route.Operation.Responses.Status(x.Status)
	if response == nil {
		return fmt.Errorf("it does not describe this status")
	}
	if err := x.checkHeaders(response.Value); err != nil {
		return err
	}
	if err := x.checkMediaType(response.Value); err != nil {
		return err
	}
	if isJSON && x.Method != http.MethodHead && x.Status >= 400 {
		if err := x.checkFault(route.Operation, response.Value, refusal); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateResponse(request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: x.Status, Header: x.Header, Body: io.NopCloser(bytes.NewReader(x.Body)), Options: input.Options,
	})
}

// request is the one that was sent, by a path as the API cleans it and as JSON, which it takes it for whatever it is called.
func (x Exchange) request() (*http.Request, error) {
	path, query, _ := strings.Cut(x.Path, "?")
	path = "/" + strings.Join(strings.FieldsFunc(path, func(c rune) bool { return c == '/' }), "/")
	target := url.URL{Path: path, RawQuery: query}
	if decoded, err := url.PathUnescape(path); err == nil {
		target.Path = decoded
	}
	request, err := http.NewRequest(x.Method, "/", bytes.NewReader(x.SentBody))
	if err != nil {
		return nil, err
	}
	request.URL, request.Header = &target, x.Sent.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	if len(x.SentBody) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// checkUnknown is of a call that is not described: the API has to say that there is none. Files have any names, of which only
// those that the API gives are described.
func (x Exchange) checkUnknown() error {
	isRead := x.Method == http.MethodGet || x.Method == http.MethodHead || x.Status == http.StatusMethodNotAllowed
	if strings.HasPrefix(strings.TrimLeft(x.Path, "/"), "files/reports/") && isRead {
		return nil
	}
	if code := x.failure().Params.Code; code != "NO_SUCH_CALL" && code != "METHOD_NOT_ALLOWED" {
		return fmt.Errorf("it does not describe this call")
	}
	return nil
}

// failure is the envelope of an error.
type failure struct {
	ID           string `json:"id"`
	ResponseCode string `json:"responseCode"`
	Params       struct {
		Err  string `json:"err"`
		Code string `json:"code"`
	} `json:"params"`
}

// failure is the zero one where the answer is no envelope.
func (x Exchange) failure() (f failure) {
	_ = json.Unmarshal(x.Body, &f)
	return f
}

// ofHTTP are the headers that the description leaves to HTTP.
var ofHTTP = []string{"Connection", "Content-Length", "Content-Type", "Date", "Transfer-Encoding"}

func (x Exchange) checkHeaders(response *openapi3.Response) error {
	described := map[string]bool{}
	for name, header := range response.Headers {
		described[http.CanonicalHeaderKey(name)] = true
		if header.Value.Required && x.Header.Get(name) == "" {
			return fmt.Errorf("it lacks the header %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.Header)) {
		if !slices.Contains(ofHTTP, name) && !described[name] {
			return fmt.Errorf("it does not describe the header %s", name)
		}
	}
	return nil
}

// checkMediaType looks whether an answer with a body is of a type that is described.
func (x Exchange) checkMediaType(response *openapi3.Response) error {
	if x.Method == http.MethodHead || len(x.Body) == 0 && len(response.Content) == 0 {
		return nil
	}
	kind, _, err := mime.ParseMediaType(x.Header.Get("Content-Type"))
	if err != nil || response.Content[kind] == nil {
		return fmt.Errorf("it does not describe the type %q", x.Header.Get("Content-Type"))
	}
	return nil
}

// responseCodes are those of contract section 1.
var responseCodes = map[int]string{
	400: "CLIENT_ERROR", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "RESOURCE_NOT_FOUND", 413: "CLIENT_ERROR",
	429: "TOO_MANY_REQUESTS", 500: "SERVER_ERROR", 503: "SERVICE_UNAVAILABLE",
}

// formal are the codes of faults of which the description alone can tell: it refuses such a request, too.
var formal = []string{
	"BODY_EMPTY", "BODY_NOT_JSON", "BODY_NOT_OBJECT", "REQUEST_ID_EMPTY", "LIMIT_INVALID", "TAG_EMPTY", "DATASET_EMPTY",
	"DATASET_CONFIG_EMPTY", "DATASET_UNKNOWN", "FIELD_NOT_STRING", "FIELD_NOT_OBJECT", "FIELD_NOT_BOOLEAN", "FIELD_NOT_LIST", "FILTER_UNKNOWN",
	"RUN_AT_UNKNOWN", "OUTPUT_FORMAT_UNKNOWN", "STATUS_UNKNOWN", "STATUS_NOT_REPLAYABLE", "CHANGE_EMPTY", "CHANGE_UNKNOWN", "FIELD_UNKNOWN",
	"TOKEN_NAME_INVALID",
}

// checkFault looks whether an error is one of the operation's, whether its status and its codes fit each other, and whether it is
// right that the request has a formal fault. refusal is the description's own.
func (x Exchange) checkFault(operation *openapi3.Operation, response *openapi3.Response, refusal error) error {
	f := x.failure()
	listed, _ := response.Extensions["x-codes"].([]any)
	if !slices.Contains(listed, any(f.Params.Code)) {
		return fmt.Errorf("it does not describe the code %s of this call", cmp.Or(f.Params.Code, `""`))
	}
	if want := responseCodes[x.Status]; f.Params.Err != want || f.ResponseCode != want {
		return fmt.Errorf("its responseCode is %s, and err %s, want %s", f.ResponseCode, f.Params.Err, want)
	}
	if retry := x.Header.Get("Retry-After"); retry == "" && (x.Status == http.StatusTooManyRequests || f.Params.Code == "NOT_AVAILABLE") {
		return errors.New("it lacks the header Retry-After")
	}
	if id := idOf(operation); id != "" && f.ID != id && f.ID != "ekstep.analytics.dataset.request" {
		return fmt.Errorf("its id is %s, want %s", f.ID, id)
	}
	if slices.Contains(formal, f.Params.Code) && refusal == nil {
		return fmt.Errorf("it describes a request that is refused for %s", f.Params.Code)
	}
	return nil
}

// idOf is the id of what an operation answers in an envelope.
func idOf(operation *openapi3.Operation) string {
	media := operation.Responses.Status(http.StatusOK).Value.Content.Get("application/json")
	if media == nil || media.Schema.Value.Properties["id"] == nil {
		return ""
	}
	id, _ := media.Schema.Value.Properties["id"].Value.Const.(string)
	return id
}

// CheckEnvelope says in an error why an answer is none of those that the API's description has. It finds the call by the answer's
// id.
func CheckEnvelope(body []byte) error {
	document, err := Document()
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	answer, _ := value.(map[string]any)
	if answer["responseCode"] != "OK" {
		return document.Components.Schemas["Failure"].Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
	}
	for _, item := range document.Paths.Map() {
		for _, operation := range item.Operations() {
			if id := idOf(operation); id != "" && id == answer["id"] {
				schema := operation.Responses.Status(http.StatusOK).Value.Content.Get("application/json").Schema.Value
				return schema.VisitJSON(value, openapi3.EnableJSONSchema2020())
			}
		}
	}
	return fmt.Errorf("it describes no answer with the id %v", answer["id"])
}
