package rest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"data-exhaust/access"
	"data-exhaust/api/admission"
	"data-exhaust/api/health"
	"data-exhaust/api/rest"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// withTokens asks callers for the tokens in the database.
func withTokens(tokens *service.Tokens) admission.SignIn {
	return admission.SignIn{Authenticator: tokens}
}

// mint makes a token for an hour.
func (a *api) mint(name string, channels []string, rights ...string) string {
	a.t.Helper()
	_, secret, err := a.tokens.Create(a.t.Context(), service.TokenDraft{Name: name, Channels: channels, Rights: rights, Life: time.Hour})
	if err != nil {
		a.t.Fatal(err)
	}
	return secret
}

// as calls the API with these headers, in turns of name and value.
func (a *api) as(method, path, body string, headers ...string) answer {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return a.do(request)
}

// code is the response code of an answer; "" where it is no envelope.
func (got answer) code() string {
	var e struct{ ResponseCode string }
	_ = json.Unmarshal([]byte(got.body), &e)
	return e.ResponseCode
}

// What a caller may be answered by a route.
const (
	unauthorized = "401 UNAUTHORIZED"
	forbidden    = "403 FORBIDDEN"
	absent       = "404 RESOURCE_NOT_FOUND"
	// lets is any answer that is none of these: the call was let through, whatever came of it.
	lets = ""
	// answers is 200.
	answers = "200 OK"
)

// routeCase is a call of a route about a private exhaust of "theirs", and what each kind of caller is answered.
type routeCase struct {
	path, body string
	// private has the right to it, response only the one to response exhausts, elsewhere both in another channel, operator all.
	private, response, elsewhere, operator string
}

// Without credentials all are 401 but for these.
var open = []string{"GET,HEAD /health", "GET,HEAD /health/ready", "GET,HEAD /health/live", "ANY /files/reports/",
	"GET,HEAD /openapi.json", "GET,HEAD /docs", "GET,HEAD /docs/reference.css", "GET,HEAD /docs/reference.js", "GET,HEAD /docs/swagger-ui.css",
	"GET,HEAD /docs/swagger-ui-bundle.js", "GET,HEAD /docs/swagger-ui-bundle.js.LICENSE.txt", "GET,HEAD /docs/LICENSE", "GET,HEAD /docs/NOTICE"}

const (
	theirs  = "0127"
	privacy = `{"request":{"dataset":"uci-private-exhaust","tag":"tag","datasetConfig":{"conversationId":"` + conversation + `"},"cron":"0 6 * * *"}}`
)

var theirExhaust = "?requestId=" + strings.Repeat("A", 32)

var routeCases = map[string]routeCase{
	"POST /dataset/v1/request/submit":       {"/dataset/v1/request/submit", privacy, lets, forbidden, absent, lets},
	"GET /dataset/v1/request/read/{tag}":    {"/dataset/v1/request/read/tag" + theirExhaust, "", answers, forbidden, absent, answers},
	"GET /dataset/v1/request/summary/{tag}": {"/dataset/v1/request/summary/tag" + theirExhaust, "", "400 CLIENT_ERROR", forbidden, absent, "400 CLIENT_ERROR"},
	"GET /dataset/v1/request/list/{tag}":    {"/dataset/v1/request/list/tag", "", answers, answers, absent, answers},
	"POST /dataset/v1/request/search":       {"/dataset/v1/request/search", `{}`, answers, answers, absent, answers},
	"POST /dataset/v1/request/cancel/{tag}": {"/dataset/v1/request/cancel/tag" + theirExhaust, "", "400 CLIENT_ERROR", forbidden, absent, "400 CLIENT_ERROR"},
	"POST /dataset/v1/request/retry/{tag}":  {"/dataset/v1/request/retry/tag" + theirExhaust, "", lets, forbidden, absent, lets},
	"POST /dataset/v1/request/replay": {"/dataset/v1/request/replay", `{"request":{"dryRun":true,"filters":{"dataset":"uci-private-exhaust"}}}`,
		answers, forbidden, absent, answers},
	"POST /dataset/v1/request/estimate": {"/dataset/v1/request/estimate", privacy, answers, forbidden, absent, answers},
	"GET /dataset/v1/conversation":      {"/dataset/v1/conversation", "", answers, answers, absent, answers},
	"GET /dataset/v1/receipt-keys":      {"/dataset/v1/receipt-keys", "", answers, answers, answers, answers},
	"POST /dataset/v1/schedule":         {"/dataset/v1/schedule", privacy, lets, forbidden, absent, lets},
	// There is no schedule here: package service tries the same on a real Temporal, which has some.
	"GET /dataset/v1/schedule":                {"/dataset/v1/schedule", "", answers, answers, absent, answers},
	"GET /dataset/v1/schedule/{id}":           {"/dataset/v1/schedule/aaaaaaaaaaaaaaaa", "", lets, lets, absent, lets},
	"PATCH /dataset/v1/schedule/{id}":         {"/dataset/v1/schedule/aaaaaaaaaaaaaaaa", `{"request":{"note":"x"}}`, lets, lets, absent, lets},
	"DELETE /dataset/v1/schedule/{id}":        {"/dataset/v1/schedule/aaaaaaaaaaaaaaaa", "", lets, lets, absent, lets},
	"POST /dataset/v1/schedule/{id}/trigger":  {"/dataset/v1/schedule/aaaaaaaaaaaaaaaa/trigger", "", lets, lets, absent, lets},
	"POST /dataset/v1/schedule/{id}/backfill": {"/dataset/v1/schedule/aaaaaaaaaaaaaaaa/backfill", `{"request":{"from":"2022-01-01","to":"2022-01-02"}}`, lets, lets, absent, lets},
	"POST /dataset/v1/webhook-secret":         {"/dataset/v1/webhook-secret", "", lets, forbidden, absent, lets},
	"GET /dataset/v1/webhook-secret":          {"/dataset/v1/webhook-secret", "", lets, forbidden, absent, lets},
	// A token for private exhausts of that channel, made by each.
	"POST /dataset/v1/token": {"/dataset/v1/token", `{"request":{"name":"NAME","channels":["` + theirs + `"],"rights":["uci-private-exhaust"],"expires":"10m"}}`,
		answers, forbidden, forbidden, answers},
	"GET /dataset/v1/token":         {"/dataset/v1/token", "", answers, answers, answers, answers},
	"DELETE /dataset/v1/token/{id}": {"/dataset/v1/token/OTHER", "", absent, absent, absent, answers},
	"GET,HEAD /health":              {"/health", "", answers, answers, answers, answers},
	"GET,HEAD /health/ready":        {"/health/ready", "", answers, answers, answers, answers},
	"GET,HEAD /health/live":         {"/health/live", "", answers, answers, answers, answers},
	"GET /metrics":                  {"/metrics", "", forbidden, forbidden, forbidden, "200 "},
	"ANY /files/reports/":           {"/files/reports/uci-private-exhaust/x", "", "200 ", "200 ", "200 ", "200 "},

	"GET,HEAD /openapi.json":                          {"/openapi.json", "", "200 ", "200 ", "200 ", "200 "},
	"GET,HEAD /docs":                                  {"/docs", "", "200 ", "200 ", "200 ", "200 "},
	"GET,HEAD /docs/reference.css":                    {"/docs/reference.css", "", "200 ", "200 ", "200 ", "200 "},
	"GET,HEAD /docs/reference.js":                     {"/docs/reference.js", "", "200 ", "200 ", "200 ", "200 "},
	"GET,HEAD /docs/swagger-ui.css":                   {"/docs/swagger-ui.css", "", "200 ", "200 ", "200 ", "200 "},
	"GET,HEAD /docs/swagger-ui-bundle.js":             {"/docs/swagger-ui-bundle.js", "", "200 ", "200 ", "200 ", "200 "},
	"GET,HEAD /docs/swagger-ui-bundle.js.LICENSE.txt": {"/docs/swagger-ui-bundle.js.LICENSE.txt", "", "200 ", "200 ", "200 ", "200 "},
	"GET,HEAD /docs/LICENSE":                          {"/docs/LICENSE", "", "200 ", "200 ", "200 ", "200 "},
	"GET,HEAD /docs/NOTICE":                           {"/docs/NOTICE", "", "200 ", "200 ", "200 ", "200 "},
}

func TestEveryRouteAsksWhoCalls(t *testing.T) {
	routes, err := rest.Routes()
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range routes {
		if _, isKnown := routeCases[route]; !isKnown {
			t.Errorf("nobody has said who may call %s", route)
		}
	}
	if len(routes) != len(routeCases) {
		t.Errorf("there are %d routes, and %d are known", len(routes), len(routeCases))
	}
	a := newAPIWith(t, withTokens, empty(t))
	a.keep("A", func(j *exhaust.Job) { j.Channel, j.Dataset = theirs, exhaust.PrivateExhaust })
	callers := map[string]string{
		"private":   a.mint("private", []string{theirs}, "uci-private-exhaust", "uci-response-exhaust"),
		"response":  a.mint("response", []string{theirs}, "uci-response-exhaust"),
		"elsewhere": a.mint("elsewhere", []string{channel}, "uci-private-exhaust", "uci-response-exhaust"),
		"operator":  a.mint("operator", nil, "operator"),
	}
	other, _, err := a.tokens.Create(t.Context(), service.TokenDraft{Name: "other", Channels: []string{"0"}, Rights: []string{"uci-response-exhaust"}, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	expired := a.expired("expired")
	var serial atomic.Int64
	for route, c := range routeCases {
		t.Run(route, func(t *testing.T) {
			methods, _, _ := strings.Cut(route, " ")
			method := strings.Replace(strings.Split(methods, ",")[0], "ANY", "GET", 1)
			call := func(name string, headers ...string) answer {
				path, body := strings.Replace(c.path, "OTHER", other.ID, 1), strings.Replace(c.body, "NAME", fmt.Sprintf("%s.%d", name, serial.Add(1)), 1)
				return a.as(method, path, body, append(headers, "X-Channel-ID", theirs)...)
			}
			for name, want := range map[string]string{"private": c.private, "response": c.response, "elsewhere": c.elsewhere, "operator": c.operator} {
				got := call(name, "Authorization", "Bearer "+callers[name])
				status := fmt.Sprintf("%d %s", got.status, got.code())
				isRefused := slices.Contains([]string{unauthorized, forbidden, absent, "429 TOO_MANY_REQUESTS"}, status)
				if want == lets && isRefused && !isAboutWhatIsNot(got) || want != lets && status != want {
					t.Errorf("%s by %s: %s %s, want %s", route, name, status, got.body, cmp.Or(want, "to be let"))
				}
			}
			want := unauthorized
			if slices.Contains(open, route) {
				want = c.private
			}
			for name, headers := range map[string][]string{
				"nobody": nil, "a made-up token": {"Authorization", "Bearer " + access.NewSecret()}, "no token": {"Authorization", "Bearer x"},
				"a password": {"Authorization", "Basic dTpw"}, "the expired": {"Authorization", "Bearer " + expired},
				"two": {"Authorization", "Bearer " + callers["operator"], "Authorization", "Bearer " + callers["operator"]},
			} {
				got := call(name, headers...)
				if status := fmt.Sprintf("%d %s", got.status, got.code()); status != want {
					t.Errorf("%s by %s: %s %s, want %s", route, name, status, got.body, want)
				}
				if challenge := got.header.Get("WWW-Authenticate"); want == unauthorized && !strings.HasPrefix(challenge, `Bearer realm="data-exhaust"`) {
					t.Errorf("%s by %s is challenged with %q", route, name, challenge)
				}
			}
		})
	}
}

// empty is the address of a stand-in for a Temporal that knows nothing, so that calls need not wait for it.
func empty(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); strings.HasSuffix(method, "/ListSchedules") {
			return stream.SendMsg(new(workflowservice.ListSchedulesResponse))
		}
		return status.Error(codes.NotFound, "nothing is here")
	}))
	go func() { _ = server.Serve(listener) }() // it ends with Stop
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// isAboutWhatIsNot tells of a call that was let through and found nothing.
func isAboutWhatIsNot(got answer) bool { return strings.Contains(got.body, "no schedule available") }

// expired makes a token that has expired a minute ago.
func (a *api) expired(name string) string {
	a.t.Helper()
	token, secret, err := service.NewToken(service.TokenDraft{Name: name, Rights: []string{"operator"}, Life: time.Minute}, time.Now().Add(-2*time.Minute))
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.jobs.SaveToken(a.t.Context(), token); err != nil {
		a.t.Fatal(err)
	}
	return secret
}

func TestBothHeadersOfSunbirdsClientsAreRead(t *testing.T) {
	const wrong = "Bearer of.a.gateway"
	for _, prefersUser := range []bool{false, true} {
		a := newAPIWith(t, func(tokens *service.Tokens) admission.SignIn {
			return admission.SignIn{Authenticator: tokens, PrefersUser: prefersUser}
		}, refusing(t))
		good := a.mint("caller", []string{channel}, "uci-response-exhaust")
		for _, test := range []struct {
			headers []string
			want    bool
		}{
			{[]string{"Authorization", "Bearer " + good}, true},
			{[]string{"Authorization", "bearer  " + good + " "}, true},
			{[]string{"X-Authenticated-User-Token", good}, true},
			{[]string{"X-Authenticated-User-Token", "Bearer " + good}, true},
			{[]string{"Authorization", good}, false}, // without its scheme it might be anything
			{[]string{"Authorization", "Bearer " + good, "X-Authenticated-User-Token", wrong}, !prefersUser},
			{[]string{"Authorization", wrong, "X-Authenticated-User-Token", good}, prefersUser},
			{[]string{"X-Authenticated-User-Token", good, "X-Authenticated-User-Token", good}, false},
			{[]string{"Authorization", ""}, false},
			{[]string{"Authorization", "Bearer"}, false},
			{[]string{"X-API-Key", good}, false},
			{[]string{"Cookie", "token=" + good}, false},
		} {
			got := a.as("GET", "/dataset/v1/request/list/tag", "", append(test.headers, "X-Channel-ID", channel)...)
			if (got.status == 200) != test.want || got.status != 200 && got.status != 401 {
				t.Errorf("with the user's first: %t, %.60q: %d %s", prefersUser, test.headers, got.status, got.body)
			}
			if strings.Contains(got.body, good) || strings.Contains(got.body, "gateway") {
				t.Errorf("the answer repeats the token: %s", got.body)
			}
		}
	}
}

func TestTheAnswersToThoseWithoutCredentials(t *testing.T) {
	a := newAPIWith(t, withTokens, refusing(t))
	list := func(headers ...string) answer { return a.as("GET", "/dataset/v1/request/list/tag", "", headers...) }
	got := list("X-Channel-ID", channel)
	a.wants(got, 401, failure(prefix+".list", "UNAUTHORIZED", "credentials are missing: the request header Authorization: Bearer and a token is accepted"))
	if challenge := got.header.Get("WWW-Authenticate"); challenge != `Bearer realm="data-exhaust"` {
		t.Errorf("the challenge is %s", challenge)
	}
	got = list("Authorization", "Bearer "+access.NewSecret())
	a.wants(got, 401, failure(prefix+".list", "UNAUTHORIZED", "the token is not known, or was revoked"))
	if challenge := got.header.Get("WWW-Authenticate"); challenge != `Bearer realm="data-exhaust", error="invalid_token"` {
		t.Errorf("the challenge is %s", challenge)
	}
	a.wants(list("Authorization", "Bearer "+a.expired("expired")), 401, failure(prefix+".list", "UNAUTHORIZED", "the token has expired"))
	a.wants(list("Authorization", "Bearer "+strings.Repeat("x", 1_000_000)), 401, failure(prefix+".list", "UNAUTHORIZED", "the token is not known, or was revoked"))
	// A token that is revoked ends with the next request.
	good := a.mint("caller", []string{channel}, "uci-response-exhaust")
	a.wants(list("Authorization", "Bearer "+good, "X-Channel-ID", channel), 200, success(prefix+".list", `{"count":0,"jobs":[]}`))
	if _, err := a.tokens.Revoke(t.Context(), "caller"); err != nil {
		t.Fatal(err)
	}
	a.wants(list("Authorization", "Bearer "+good, "X-Channel-ID", channel), 401, failure(prefix+".list", "UNAUTHORIZED", "the token is not known, or was revoked"))
}

func TestWhileTheDatabaseIsAwayATokenIsNotCalledWrong(t *testing.T) {
	a := newAPIWith(t, withTokens, refusing(t))
	good := a.mint("caller", []string{channel}, "uci-response-exhaust")
	if err := a.db.Close(); err != nil {
		t.Fatal(err)
	}
	got := a.as("GET", "/dataset/v1/request/list/tag", "", "Authorization", "Bearer "+good, "X-Channel-ID", channel)
	if got.status == 401 || got.status < 500 {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestACallerWhoAsksTooOftenIsToldWhen(t *testing.T) {
	a := newAPIWith(t, func(tokens *service.Tokens) admission.SignIn {
		// Nothing is given back while the test runs.
		return admission.SignIn{Authenticator: tokens, Callers: access.NewLimiter(0.001, 3), Strangers: access.NewLimiter(0.001, 2)}
	}, refusing(t))
	one, two := a.mint("one", []string{channel}, "uci-response-exhaust"), a.mint("two", []string{channel}, "uci-response-exhaust")
	list := func(token string) answer {
		return a.as("GET", "/dataset/v1/request/list/tag", "", "Authorization", "Bearer "+token, "X-Channel-ID", channel)
	}
	const sentence = "too many requests: fewer a second are accepted of one caller"
	for range 3 {
		a.wants(list(one), 200, success(prefix+".list", `{"count":0,"jobs":[]}`))
	}
	for range 2 {
		got := list(one)
		a.wants(got, 429, failure(prefix+".list", "TOO_MANY_REQUESTS", sentence))
		if after := got.header.Get("Retry-After"); after != "1000" && after != "999" {
			t.Errorf("he may ask again after %s s, want the 1000 s of one request", after)
		}
	}
	// Others are not held up, and those without credentials by what comes from their own address alone.
	a.wants(list(two), 200, success(prefix+".list", `{"count":0,"jobs":[]}`))
	for range 2 {
		a.wants(list("x"), 401, failure(prefix+".list", "UNAUTHORIZED", "the token is not known, or was revoked"))
	}
	a.wants(list("x"), 429, failure(prefix+".list", "TOO_MANY_REQUESTS", sentence))
	a.wants(list(two), 200, success(prefix+".list", `{"count":0,"jobs":[]}`))
	if got := a.as("GET", "/health", ""); got.status != 200 {
		t.Errorf("a probe is answered %d", got.status)
	}
	// A stranger's refusals stop filling the audit log, a caller's do not.
	if n := strings.Count(a.audit.String(), `"outcome":"unauthorized"`); n != 2 {
		t.Errorf("%d refusals without credentials are in the audit log, want 2", n)
	}
	if n := strings.Count(a.audit.String(), `"caller":"one","tokenId":`); n != 2 || strings.Count(a.audit.String(), `"outcome":"too many requests"`) != 2 {
		t.Errorf("the audit log is %s", a.audit.String())
	}
}

func TestHealthTellsOperatorsWhatIsMissing(t *testing.T) {
	lack := &health.Lack{Sentence: "its tables are missing", Err: fmt.Errorf("relation job_request does not exist")}
	a := newAPIWith(t, withTokens, refusing(t))
	checks := []health.Check{{Name: "database", IsRequired: true, Ping: func(context.Context) error { return lack }}}
	for _, test := range []struct{ name, token, want string }{
		{"nobody", "", "down: database"},
		{"a stranger", access.NewSecret(), "down: database"},
		{"a caller", a.mint("caller", []string{channel}, "uci-private-exhaust"), "down: database"},
		{"an operator", a.mint("operator", nil, "operator"), "down: database (its tables are missing)"},
	} {
		server := httptest.NewServer(rest.NewHandler(rest.Options{SignIn: admission.SignIn{Authenticator: a.tokens}, Health: health.New(checks, a.logger), Log: a.logger}))
		defer server.Close()
		request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.token != "" {
			request.Header.Set("Authorization", "Bearer "+test.token)
		}
		a.wants(a.do(request), 503, failure("ekstep.analytics.health", "SERVICE_UNAVAILABLE", test.want))
	}
}

func TestPrometheusReadsTheMetricsWithATokenForNothingElse(t *testing.T) {
	const token = "a-token-for-metrics-only"
	a := newAPIWith(t, func(tokens *service.Tokens) admission.SignIn {
		return admission.SignIn{Authenticator: tokens, MetricsToken: token}
	}, refusing(t))
	caller := a.mint("caller", []string{channel}, "uci-response-exhaust")
	a.as("GET", "/dataset/v1/request/list/some-tag", "", "Authorization", "Bearer "+caller, "X-Channel-ID", channel)
	a.as("GET", "/dataset/v1/request/list/some-tag", "", "X-Channel-ID", channel)
	a.as("GET", "/nowhere/some-tag", "")
	got := a.as("GET", "/metrics", "", "Authorization", "Bearer "+token)
	for _, want := range []string{
		`exhaust_api_request_duration_seconds_count{method="GET",route="/dataset/v1/request/list/{tag}",status="200"} 1`,
		`exhaust_api_request_duration_seconds_count{method="GET",route="/dataset/v1/request/list/{tag}",status="401"} 1`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if got.status != 200 || strings.Contains(got.body, "some-tag") || strings.Contains(got.body, channel) || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
		t.Errorf("answered %d %s", got.status, got.header)
	}
	for _, wrong := range []string{"", "a-token-for-metrics-onl", "a-token-for-metrics-only2"} {
		if got := a.as("GET", "/metrics", "", "Authorization", "Bearer "+wrong); got.status != 401 {
			t.Errorf("with %q: %d", wrong, got.status)
		}
	}
	if got := a.as("GET", "/dataset/v1/request/list/tag", "", "Authorization", "Bearer "+token, "X-Channel-ID", channel); got.status != 401 {
		t.Errorf("a call with the token for metrics: %d", got.status)
	}
}

func TestWhoeverFloodsTheServiceWithoutCredentialsFillsNoLogAndLeavesOthersAlone(t *testing.T) {
	var lookups atomic.Int64
	a := newAPIWith(t, func(tokens *service.Tokens) admission.SignIn {
		return admission.SignIn{Authenticator: counting{tokens, &lookups}, Strangers: access.NewLimiter(0.001, 5)}
	}, refusing(t))
	caller := a.mint("caller", []string{channel}, "uci-response-exhaust")
	list := func(token string) int {
		return a.as("GET", "/dataset/v1/request/list/tag", "", "Authorization", "Bearer "+token, "X-Channel-ID", channel).status
	}
	if got := list(caller); got != 200 {
		t.Fatalf("a caller is answered %d", got)
	}
	statuses := map[int]int{}
	for range 20 {
		statuses[list(access.NewSecret())]++
		statuses[a.as("GET", "/files/reports/uci-private-exhaust/"+strings.Repeat("A", 32)+"/missing", "").status]++
	}
	if statuses[401]+statuses[404] != 5 || statuses[429] != 35 {
		t.Errorf("the flood is answered %v, want 5 refusals and then 429", statuses)
	}
	if n := strings.Count(a.audit.String(), `"msg":"audit"`); n != 5 {
		t.Errorf("the audit log has %d lines, want 5", n)
	}
	if n := lookups.Load(); n > 1+5 {
		t.Errorf("%d tokens were looked up, want no more than 6", n)
	}
	// Whose token counted a moment ago is let through from the same address, and probes and signed files are.
	if got := list(caller); got != 200 {
		t.Errorf("a caller is then answered %d", got)
	}
	if got := a.as("GET", "/health", "").status; got != 200 {
		t.Errorf("a probe is then answered %d", got)
	}
	if got := a.as("GET", "/files/reports/x", ""); got.status != 200 || got.body != "file /x" {
		t.Errorf("a file is then answered %d %s", got.status, got.body)
	}
}

// counting counts the tokens that are looked up.
type counting struct {
	admission.Authenticator
	lookups *atomic.Int64
}

func (c counting) Authenticate(ctx context.Context, token string) (access.Caller, error) {
	c.lookups.Add(1)
	return c.Authenticator.Authenticate(ctx, token)
}

func TestTokensThatAreMadeWithAnotherCountTogetherWithIt(t *testing.T) {
	a := newAPIWith(t, func(tokens *service.Tokens) admission.SignIn {
		return admission.SignIn{Authenticator: tokens, Callers: access.NewLimiter(0.001, 4)}
	}, refusing(t))
	root := a.mint("root", []string{channel}, "uci-response-exhaust")
	made := a.as("POST", "/dataset/v1/token", `{"request":{"name":"made","channels":["`+channel+`"],"rights":["uci-response-exhaust"]}}`, "Authorization", "Bearer "+root)
	var e struct{ Result struct{ Token string } }
	if err := json.Unmarshal([]byte(made.body), &e); err != nil || made.status != 200 {
		t.Fatalf("answered %d %s", made.status, made.body)
	}
	statuses := map[int]int{}
	for range 3 {
		for _, token := range []string{root, e.Result.Token} {
			statuses[a.as("GET", "/dataset/v1/request/list/tag", "", "Authorization", "Bearer "+token, "X-Channel-ID", channel).status]++
		}
	}
	if statuses[200] != 3 || statuses[429] != 3 {
		t.Errorf("answered %v, want 3 of each", statuses)
	}
}

func TestNoLogHoldsWhatSomebodyPutIntoTheWrongPlace(t *testing.T) {
	a := newAPIWith(t, withTokens, refusing(t))
	caller := a.mint("caller", []string{channel}, "uci-response-exhaust", "uci-private-exhaust")
	const odd = "a-word-that-has-no-place-there"
	secret := access.NewSecret()
	for _, call := range []struct{ method, path, channel, body string }{
		{"DELETE", "/dataset/v1/token/" + secret, channel, ""},
		{"DELETE", "/dataset/v1/token/" + odd, channel, ""},
		{"GET", "/dataset/v1/request/read/tag?requestId=" + odd, "0666", ""},
		{"POST", "/dataset/v1/request/cancel/" + odd + "?requestId=" + odd, channel, ""},
		{"POST", "/dataset/v1/request/submit", channel, `{"request":{"tag":"` + odd + `","dataset":"` + odd + `","purpose":"` + strings.Repeat(odd, 100) + `"}}`},
		{"POST", "/dataset/v1/request/submit", odd + "|", `{"request":{}}`},
		{"POST", "/dataset/v1/request/submit", channel, odd},
		{"POST", "/dataset/v1/token", channel, `{"request":{"` + odd + `":1}}`},
		{"PATCH", "/dataset/v1/schedule/" + odd, channel, `{"request":{"note":"x"}}`},
		{"POST", "/dataset/v1/request/replay", channel, `{"request":{"filters":{"requestId":"` + odd + `"}}}`},
	} {
		before := strings.Count(a.audit.String(), "\n")
		got := a.as(call.method, call.path, call.body, "Authorization", "Bearer "+caller, "X-Channel-ID", call.channel)
		if after := strings.Count(a.audit.String(), "\n"); after != before+1 {
			t.Errorf("%s %s, answered %d, is %d lines of the audit log", call.method, call.path, got.status, after-before)
		}
	}
	if strings.Contains(a.audit.String(), odd) || strings.Contains(a.audit.String(), "exhaust_") {
		t.Errorf("the audit log is %s", a.audit.String())
	}
	if strings.Contains(a.log.String(), secret) || !strings.Contains(a.log.String(), "/dataset/v1/token/exhaust_…") {
		t.Errorf("the log is %s", a.log.String())
	}
}
