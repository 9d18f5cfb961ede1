package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"data-exhaust/access"
	"data-exhaust/api/admission"
	"data-exhaust/api/rest"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/apitest"
	"data-exhaust/internal/logtest"
	"data-exhaust/internal/sample"
	"data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/service"
	"data-exhaust/telemetry"
)

const (
	channel      = "01309282781705830427"
	conversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
)

var kolkata = time.FixedZone("IST", 5*3600+30*60)

// api is a real handler on a real database. Its Temporal refuses connections: what these tests ask for
// is answered without it. Answers of running exhausts are tested end to end.
type api struct {
	t    *testing.T
	url  string
	jobs *jobs.Jobs
	// reports is where what is kept has its report.
	reports *blob.Local
	log     *logtest.Buffer
	// audit is the audit log, and tokens are those in the database.
	audit  *logtest.Buffer
	tokens *service.Tokens
	// uci and telemetry are what exhausts are made from.
	uci       *registry.UCI
	telemetry *blob.Local

	db      *database.DB
	handler http.Handler
	logger  *slog.Logger
}

// awaitLog waits for a text in the log.
func (a *api) awaitLog(text string) {
	a.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); a.log.About(text) == ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("the log has no %s: %s", text, a.log.String())
		}
	}
}

func newAPI(t *testing.T) *api {
	t.Helper()
	return newAPIWith(t, func(*service.Tokens) admission.SignIn { return admission.SignIn{} }, refusing(t))
}

// refusing is an address that refuses connections.
func refusing(t *testing.T) string {
	t.Helper()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	return closed.Addr().String()
}

// newAPIWith is newAPI with a way to sign in, which may be by the tokens in the database, and with this Temporal.
func newAPIWith(t *testing.T, signIn func(*service.Tokens) admission.SignIn, temporalAddress string) *api {
	t.Helper()
	a := &api{t: t, log: new(logtest.Buffer), audit: new(logtest.Buffer)}
	db, err := database.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	a.db, a.jobs = db, jobs.New(db)
	if err := a.jobs.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.reports, err = blob.NewLocal(t.TempDir(), blob.LocalOptions{BaseURL: "http://exhaust.example/files/reports", Key: bytes.Repeat([]byte("k"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	temporal, err := client.NewLazyClient(client.Options{HostPort: temporalAddress, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(temporal.Close)
	a.uci, a.telemetry = newSources(t, db)
	layout, err := telemetry.ParseLayout("{yyyy}-{MM}-{dd}")
	if err != nil {
		t.Fatal(err)
	}
	settings := service.Settings{
		TaskQueue: "none", Timezone: kolkata, MaxDays: 366, URLTTL: 24 * time.Hour, Timeout: time.Hour,
		Mode: exhaust.RunNow, ReportRetention: 30 * 24 * time.Hour, Log: slog.New(slog.NewJSONHandler(a.log, nil)),
	}
	a.logger = slog.New(slog.NewJSONHandler(a.log, nil))
	a.tokens = service.NewTokens(a.jobs)
	exhausts := service.NewExhausts(temporal, a.jobs, a.reports, settings)
	a.handler = rest.NewHandler(rest.Options{
		Service: service.NewAuthorized(
			exhausts,
			service.NewSchedules(temporal, "default", nil, settings),
			service.NewConversations(a.uci), service.NewEstimates(exhausts, a.uci, a.telemetry, layout),
			nil, a.tokens, nil, access.NewAudit(slog.New(slog.NewJSONHandler(a.audit, nil))),
		),
		SignIn:   signIn(a.tokens),
		Files:    http.HandlerFunc(files),
		Timezone: kolkata,
		URLTTL:   24 * time.Hour,
		Log:      a.logger,
	})
	server := httptest.NewServer(a.handler)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// newSources are UCI's tables in a database, empty, and an empty telemetry store.
func newSources(t *testing.T, db *database.DB) (*registry.UCI, *blob.Local) {
	t.Helper()
	if err := sample.CreateEmbeddedTables(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	uci, err := registry.NewUCI(db, db, registry.Tables{
		Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities", Zone: kolkata,
	})
	if err != nil {
		t.Fatal(err)
	}
	store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return uci, store
}

// largeFile is more than fits between two ends that do not read.
const largeFile = 32 << 20

// files stands in for a folder's files, of which one is large, one panics before it has answered and one after; those called
// missing are not there.
func files(w http.ResponseWriter, r *http.Request) {
	if path.Base(r.URL.Path) == "missing" {
		http.NotFound(w, r)
		return
	}
	switch r.URL.Path {
	case "/large":
		_, _ = w.Write(make([]byte, largeFile))
		return
	case "/panics":
		panic("on purpose")
	case "/panics-late":
		_, _ = io.WriteString(w, "half of")
		panic("on purpose")
	}
	fmt.Fprintf(w, "file %s", r.URL.Path)
}

// answer is what a call was answered, with ts and resmsgid, which differ each time, as <ts> and <id>.
type answer struct {
	status int
	header http.Header
	body   string
}

var (
	faultPattern = regexp.MustCompile(`,"code":"[A-Z0-9_]+".*?(\},"responseCode")`)

	tsPattern = regexp.MustCompile(`"ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"`)
	idPattern = regexp.MustCompile(`"resmsgid":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)
)

func (a *api) call(method, path, channel, body string) answer {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if channel != "" {
		request.Header.Set("X-Channel-ID", channel)
	}
	return a.do(request)
}

// unredirected shows a redirect as the answer that it is.
var unredirected = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (a *api) do(request *http.Request) answer {
	a.t.Helper()
	response, err := unredirected.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	apitest.CheckAnswer(a.t, request, response, text)
	return answer{response.StatusCode, response.Header, blank(string(text))}
}

// blank puts <ts> and <id> where answers differ each time, and leaves out what CheckFault has looked at.
func blank(text string) string {
	text = faultPattern.ReplaceAllString(text, "$1")
	shown := tsPattern.ReplaceAllString(text, `"ts":"<ts>"`)
	shown = idPattern.ReplaceAllString(shown, `"resmsgid":"<id>"`)
	return strings.TrimSuffix(shown, "\n")
}

// failure is the whole envelope of an error.
func failure(id, code, sentence string) string {
	quoted, err := json.Marshal(sentence)
	if err != nil {
		panic(err)
	}
	text := strings.NewReplacer(`\u003c`, `<`, `\u003e`, `>`, `\u0026`, `&`).Replace(string(quoted))
	return `{"id":"` + id + `","ver":"1.0","ts":"<ts>","params":{"resmsgid":"<id>","status":"failed","client_key":null,` +
		`"err":"` + code + `","errmsg":` + text + `},"responseCode":"` + code + `","result":{}}`
}

const prefix = "ekstep.analytics.dataset.request"

func (a *api) wants(got answer, status int, body string) {
	a.t.Helper()
	if got.status != status || got.body != body {
		a.t.Errorf("got  %d %s\nwant %d %s", got.status, got.body, status, body)
	}
	if kind := got.header.Get("Content-Type"); kind != "application/json; charset=utf-8" {
		a.t.Errorf("Content-Type %q", kind)
	}
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("X-Content-Type-Options") != "nosniff" {
		a.t.Errorf("headers %v", got.header)
	}
}

// submitted is 6 April 2022, 09:32:00.065 UTC.
var submitted = time.UnixMilli(1649237520065)

// keep puts an exhaust into job_request, the row of which answers without Temporal once it has ended.
func (a *api) keep(digit string, edit func(*exhaust.Job)) exhaust.Job {
	a.t.Helper()
	now := time.Now().Truncate(time.Millisecond)
	job := exhaust.Job{
		Request: exhaust.Request{
			ID: strings.Repeat(digit, 32), Dataset: exhaust.ResponseExhaust, Tag: "tag", Channel: channel, RequestedBy: "user_id",
			Config:       json.RawMessage(`{ "type":"uci-response-exhaust", "conversationId":"` + conversation + `", "note":"<a & b>" }`),
			OutputFormat: "csv", ConversationID: conversation, SubmittedAt: submitted,
		},
		State: exhaust.State{
			Status: exhaust.Success, UpdatedAt: now, CompletedAt: now, ExecutionTime: 1500 * time.Millisecond,
			Progress: exhaust.Progress{Phase: exhaust.Done, BytesTotal: 10, BytesRead: 10, EventsMatched: 4, RowsWritten: 3, Percent: 100, LinesSkipped: 1, RowsUnknownDevice: 1},
			Report:   "report.csv", Receipt: "report.csv.receipt.json",
		},
		DownloadURLs: []string{"http://exhaust.example/a?b=1&c=2"}, ReceiptURL: "http://exhaust.example/r?b=1&c=2", ExpiresAt: now.Add(20 * time.Hour),
	}
	edit(&job)
	if err := a.jobs.Save(a.t.Context(), job); err != nil {
		a.t.Fatal(err)
	}
	if job.Report != "" {
		file, err := a.reports.Create(a.t.Context(), job.Report, "text/csv")
		if err == nil {
			err = file.Commit()
		}
		if err != nil {
			a.t.Fatal(err)
		}
	}
	return job
}

func unchanged(*exhaust.Job) {}

// shown is how answers show the job that keep makes.
func shown(job exhaust.Job, status, message, urls string, expires int64) string {
	progress, err := json.Marshal(job.Progress)
	if err != nil {
		panic(err)
	}
	ended := job.CompletedAt.UnixMilli()
	receiptURL := "null"
	if job.ReceiptURL != "" {
		receiptURL = `"` + job.ReceiptURL + `"`
	}
	return fmt.Sprintf(`{"attempts":%d,"lastUpdated":%d,"tag":"tag:%s","expiresAt":%d,`+
		`"datasetConfig":{"type":"uci-response-exhaust","conversationId":"%s","note":"<a & b>"},"downloadUrls":%s,"requestedBy":"user_id",`+
		`"jobStats":{"dtJobSubmitted":1649237520065,"dtJobCompleted":%d,"executionTime":1500},"status":%q,"dataset":"uci-response-exhaust",`+
		`"requestId":%q,"requestedChannel":"%s","receiptUrl":%s,"statusMessage":%q,"progress":%s}`,
		job.Attempts, job.UpdatedAt.UnixMilli(), channel, expires, conversation, urls, ended, status, job.ID, channel, receiptURL, message, progress)
}

func success(id, result string) string {
	return `{"id":"` + id + `","ver":"1.0","ts":"<ts>","params":{"resmsgid":"<id>","status":"successful","client_key":null},"responseCode":"OK","result":` + result + `}`
}

func TestReadAnswersTheContractsEnvelope(t *testing.T) {
	a := newAPI(t)
	made := a.keep("A", unchanged)
	failed := a.keep("B", func(j *exhaust.Job) {
		j.Status, j.Message, j.Attempts, j.Report, j.DownloadURLs = exhaust.Failed, "No data found", 2, "", nil
		j.Receipt, j.ReceiptURL = "", ""
		j.Progress = exhaust.Progress{Phase: exhaust.Fetching}
	})
	a.wants(a.call("GET", "/dataset/v1/request/read/tag?requestId="+made.ID, channel, ""), 200,
		success(prefix+".info", shown(made, "SUCCESS", "", `["http://exhaust.example/a?b=1&c=2"]`, made.ExpiresAt.Truncate(time.Millisecond).UnixMilli())))
	// Without URLs expiresAt is a day after submission.
	a.wants(a.call("GET", "/dataset/v1/request/read/tag?requestId="+failed.ID, channel, ""), 200,
		success(prefix+".info", shown(failed, "FAILED", "No data found", `[]`, 1649237520065+24*3600*1000)))
}

func TestListAndSearchAnswerCountAndJobs(t *testing.T) {
	a := newAPI(t)
	none := `{"count":0,"jobs":[]}`
	a.wants(a.call("GET", "/dataset/v1/request/list/tag", channel, ""), 200, success(prefix+".list", none))
	a.wants(a.call("POST", "/dataset/v1/request/search", "", `{"request":{"filters":{}}}`), 200, success(prefix+".search", none))
	made := a.keep("A", unchanged)
	older := a.keep("B", func(j *exhaust.Job) {
		j.SubmittedAt, j.Status, j.Message, j.Report, j.DownloadURLs = submitted.Add(-time.Hour), exhaust.Cancelled, "cancelled on request", "", nil
		j.Receipt, j.ReceiptURL = "", ""
	})
	a.keep("C", func(j *exhaust.Job) { j.Channel = "other" })
	a.keep("D", func(j *exhaust.Job) { j.Tag = "other" })
	first := shown(made, "SUCCESS", "", `["http://exhaust.example/a?b=1&c=2"]`, made.ExpiresAt.UnixMilli())
	second := shown(older, "CANCELLED", "cancelled on request", `[]`, submitted.Add(23*time.Hour).UnixMilli())
	second = strings.Replace(second, `"dtJobSubmitted":1649237520065`, `"dtJobSubmitted":1649233920065`, 1)
	a.wants(a.call("GET", "/dataset/v1/request/list/tag", channel, ""), 200, success(prefix+".list", `{"count":2,"jobs":[`+first+`,`+second+`]}`))
	a.wants(a.call("GET", "/dataset/v1/request/list/tag?limit=1", channel, ""), 200, success(prefix+".list", `{"count":1,"jobs":[`+first+`]}`))
	a.wants(a.call("POST", "/dataset/v1/request/search", "", `{"request":{"filters":{"status":"CANCELLED","dataset":"uci-response-exhaust","channel":"`+channel+`"},"limit":1}}`), 200,
		success(prefix+".search", `{"count":1,"jobs":[`+second+`]}`))
}

func TestSearchFiltersByWhatItIsGiven(t *testing.T) {
	a := newAPI(t)
	day := func(hour, minute int) time.Time { return time.Date(2022, 4, 6, hour, minute, 0, 0, kolkata) }
	a.keep("1", func(j *exhaust.Job) { j.SubmittedAt = day(0, 0) })
	a.keep("2", func(j *exhaust.Job) { j.SubmittedAt = day(23, 59) })
	a.keep("3", func(j *exhaust.Job) { j.SubmittedAt = day(-1, 59) })
	a.keep("4", func(j *exhaust.Job) { j.SubmittedAt = day(24, 0) })
	a.keep("5", func(j *exhaust.Job) {
		j.SubmittedAt, j.Dataset, j.Channel, j.Status, j.Report = day(1, 0), exhaust.PrivateExhaust, "other", exhaust.Failed, ""
	})
	for filters, want := range map[string]string{
		``:                                "4 2 5 1 3",
		`"requestedDate":"2022-04-06"`:    "2 5 1", // a day of Kolkata
		`"requestedDate":"2022-04-05"`:    "3",
		`"dataset":"uci-private-exhaust"`: "5",
		`"status":"FAILED"`:               "5",
		`"status":"SUBMITTED"`:            "",
		`"channel":"other"`:               "5",
		`"channel":"another"`:             "",
		`"status":null,"channel":"other"`: "5",
		`"requestedDate":"2022-04-06","status":"SUCCESS"`: "2 1",
	} {
		got := a.call("POST", "/dataset/v1/request/search", "", `{"request":{"filters":{`+filters+`}}}`)
		var ids []string
		for _, match := range regexp.MustCompile(`"requestId":"(.)`).FindAllStringSubmatch(got.body, -1) {
			ids = append(ids, match[1])
		}
		if strings.Join(ids, " ") != want || got.status != 200 {
			t.Errorf("%s: %d, found %s, want %s", filters, got.status, strings.Join(ids, " "), want)
		}
	}
}

func TestSearchAnswersTenUnlessToldOtherwise(t *testing.T) {
	a := newAPI(t)
	for i := range 12 {
		a.keep(string("0123456789AB"[i]), unchanged)
	}
	for limit, want := range map[string]string{``: `"count":10,`, `,"limit":null`: `"count":10,`, `,"limit":1`: `"count":1,`, `,"limit":1000`: `"count":12,`} {
		if got := a.call("POST", "/dataset/v1/request/search", "", `{"request":{"filters":{}`+limit+`}}`); !strings.Contains(got.body, want) {
			t.Errorf("%s: %.200s, want %s", limit, got.body, want)
		}
	}
}

func TestFaultsOfAListingOrSearchAreNamed(t *testing.T) {
	a := newAPI(t)
	const whole = "is not valid: a whole number from 1 to 1000 is accepted"
	a.wants(a.call("GET", "/dataset/v1/request/list/tag", "", ""), 400, failure(prefix+".list", "CLIENT_ERROR", "X-Channel-ID is missing in request header"))
	for limit, shown := range map[string]string{"0": `"0"`, "-1": `"-1"`, "1001": `"1001"`, "x": `"x"`, "1.5": `"1.5"`, "%201": `" 1"`, "99999999999999999999": `"99999999999999999999"`} {
		a.wants(a.call("GET", "/dataset/v1/request/list/tag?limit="+limit, channel, ""), 400, failure(prefix+".list", "CLIENT_ERROR", "limit "+shown+" "+whole))
	}
	for body, sentence := range map[string]string{
		`{"request":{"limit":0}}`:                                         `limit "0" ` + whole,
		`{"request":{"limit":1001}}`:                                      `limit "1001" ` + whole,
		`{"request":{"limit":"5"}}`:                                       `limit "\"5\"" ` + whole,
		`{"request":{"limit":2.5}}`:                                       `limit "2.5" ` + whole,
		`{"request":{"filters":[]}}`:                                      `request.filters is not an object`,
		`{"request":{"filters":{"status":1}}}`:                            `filters.status is not a string`,
		`{"request":{"filters":{"status":""}}}`:                           `filters.status is empty: give it a value or leave it out`,
		`{"request":{"filters":{"status":"DONE"}}}`:                       `filters.status "DONE" is unknown: SUBMITTED, PROCESSING, SUCCESS, FAILED, CANCELLED are accepted`,
		`{"request":{"filters":{"dataset":"x"}}}`:                         `filters.dataset "x" is unknown: uci-response-exhaust or uci-private-exhaust is accepted`,
		`{"request":{"filters":{"requestedDate":"2022-02-30"}}}`:          `filters.requestedDate "2022-02-30" is not a day: a real day as yyyy-MM-dd is accepted`,
		`{"request":{"filters":{"tag":"x"}}}`:                             `filters.tag is unknown: dataset, requestedDate, status and channel are accepted`,
		`{"request":{"filters":{"zzz":"x","status":"DONE","channel":1}}}`: `filters.channel is not a string`, // the first by name
	} {
		a.wants(a.call("POST", "/dataset/v1/request/search", "", body), 400, failure(prefix+".search", "CLIENT_ERROR", sentence))
	}
}

// submission is a submit's body with that request.
func submission(members string) string { return `{"id":"x","ver":"1.0","request":{` + members + `}}` }

func TestFaultsOfASubmitAreNamed(t *testing.T) {
	a := newAPI(t)
	const config = `"datasetConfig":{"conversationId":"` + conversation + `"}`
	const valid = `"dataset":"uci-response-exhaust","tag":"tag",` + config
	deep := strings.Repeat("[", 20_000)
	for _, test := range []struct{ name, channel, body, sentence string }{
		// The sentences that clients match.
		{"no tag", channel, submission(`"dataset":"uci-response-exhaust",` + config), "tag is empty"},
		{"no dataset", channel, submission(`"tag":"tag",` + config), "dataset is empty"},
		{"no config", channel, submission(`"tag":"tag","dataset":"uci-response-exhaust"`), "datasetConfig is empty"},
		{"no channel", "", submission(valid), "X-Channel-ID is missing in request header"},
		{"no request", channel, `{}`, "tag is empty"},

		{"one of exhaust's", channel, submission(valid + `,"output_format":"json"`), `output_format "json" is not supported: csv is accepted`},
		{"channel of the body", "", submission(valid + `,"requestedChannel":"c\n","output_format":"x"`), `channel "c\n" is not valid: 1 to 150 printable characters are accepted`},
		{"the header's channel wins", channel, submission(valid + `,"requestedChannel":"c\n","output_format":"x"`), `output_format "x" is not supported: csv is accepted`},
		{"key", channel, submission(valid + `,"encryptionKey":"a secret"`), "encryptionKey is not supported yet: leave it out, and the file is a CSV without encryption"},
		{"another time to run", channel, submission(valid + `,"runAt":"noon"`), `runAt "noon" is unknown: now or nightly is accepted`},

		// JSON.
		{"nothing", channel, "", "the request body is empty: a JSON object is accepted"},
		{"white space", channel, " \n\t", "the request body is empty: a JSON object is accepted"},
		{"a list", channel, "[]", "the request body is not a JSON object"},
		{"a text", channel, `"x"`, "the request body is not a JSON object"},
		{"no UTF-8", channel, submission(`"tag":"` + "\xff" + `"`), "the request body is not UTF-8"},
		{"a stray comma", channel, `{"request":{"tag":"t",}}`, "the request body is not JSON: line 1, column 23"},
		{"on line 3", channel, "{\n \"request\": {\n  \"tag\": t}}", "the request body is not JSON: line 3, column 11"},
		{"at the first byte", channel, "x", "the request body is not JSON: line 1, column 1"},
		{"cut", channel, "{\"request\":\n{", "the request body is not JSON: line 2, column 1"},
		{"two values", channel, "{}\n{}", "the request body is not JSON: line 2, column 1"},
		{"too deep", channel, `{"request":` + deep, "the request body is not JSON: line 1, column 10011"},
		{"tag a number", channel, submission(`"tag":7`), "request.tag is not a string"},
		{"request a text", channel, `{"request":"x"}`, "request is not an object"},
		{"config a text", channel, submission(`"tag":"tag","dataset":"uci-response-exhaust","datasetConfig":"x"`), "datasetConfig is not a JSON object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := *a
			b.t = t
			b.wants(b.call("POST", "/dataset/v1/request/submit", test.channel, test.body), 400, failure(prefix+".submit", "CLIENT_ERROR", test.sentence))
		})
	}
	if strings.Contains(a.log.String(), "a secret") {
		t.Error("the log holds an encryption key")
	}
}

func TestABodyOfAMebibyteIsReadAndALargerOneIsNot(t *testing.T) {
	a := newAPI(t)
	body := func(size int) string {
		const head, tail = `{"padding":"`, `","request":{}}`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	}
	a.wants(a.call("POST", "/dataset/v1/request/submit", channel, body(1<<20)), 400, failure(prefix+".submit", "CLIENT_ERROR", "tag is empty"))
	const sentence = "the request body is larger than 1 MiB: at most 1048576 bytes are accepted"
	a.wants(a.call("POST", "/dataset/v1/request/submit", channel, body(1<<20+1)), 413, failure(prefix+".submit", "CLIENT_ERROR", sentence))
	a.wants(a.call("POST", "/dataset/v1/request/search", "", body(1<<20+1)), 413, failure(prefix+".search", "CLIENT_ERROR", sentence))
}

func TestCallsOfOneExhaustNameItsRequestIDAndChannel(t *testing.T) {
	a := newAPI(t)
	made := a.keep("A", unchanged)
	for call, method := range map[string]string{"read": "GET", "cancel": "POST", "retry": "POST"} {
		id := prefix + "." + strings.Replace(call, "read", "info", 1)
		path := "/dataset/v1/request/" + call + "/"
		a.wants(a.call(method, path+"tag", channel, ""), 400, failure(id, "CLIENT_ERROR", "requestId is empty: the requestId that submit answered is accepted"))
		a.wants(a.call(method, path+"tag?requestId="+made.ID, "", ""), 400, failure(id, "CLIENT_ERROR", "X-Channel-ID is missing in request header"))
		a.wants(a.call(method, path+"tag?requestId=x", channel, ""), 404, failure(id, "RESOURCE_NOT_FOUND", "no job available with the given request_id and tag"))
		// While Temporal is away it is not known whether there is an exhaust of that id, and nobody is told more of another's.
		unknown := failure(id, "SERVICE_UNAVAILABLE", "temporal is not available: try again later")
		a.wants(a.call(method, path+"tag?requestId="+strings.Repeat("0", 32), channel, ""), 503, unknown)
		a.wants(a.call(method, path+"other?requestId="+made.ID, channel, ""), 503, unknown)
		a.wants(a.call(method, path+"tag?requestId="+made.ID, "other", ""), 503, unknown)
	}
	a.wants(a.call("POST", "/dataset/v1/request/cancel/tag?requestId="+made.ID, channel, ""), 400,
		failure(prefix+".cancel", "CLIENT_ERROR", "the exhaust is SUCCESS: only one that has not ended can be cancelled"))
}

func TestOtherPathsAndMethodsAreAnsweredInTheEnvelope(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/", "/dataset/v1/request/submit/x", "/dataset/v1/request/read", "/dataset/v2/request/submit", "/files/reports"} {
		a.wants(a.call("GET", path, channel, ""), 404, failure(prefix, "RESOURCE_NOT_FOUND", "there is no GET "+path+" here"))
	}
	a.wants(a.call("GET", "/dataset/v1/request/submit", channel, ""), 405, failure(prefix, "CLIENT_ERROR", "/dataset/v1/request/submit does not take GET"))
	a.wants(a.call("POST", "/dataset/v1/request/read/tag", channel, ""), 405, failure(prefix, "CLIENT_ERROR", "/dataset/v1/request/read/tag does not take POST"))
	a.wants(a.call("DELETE", "/health", "", ""), 405, failure(prefix, "CLIENT_ERROR", "/health does not take DELETE"))
}

func TestWithoutTemporalNothingIsSubmittedAndClientsAreToldToTryAgain(t *testing.T) {
	a := newAPI(t)
	got := a.call("POST", "/dataset/v1/request/submit", channel, submission(`"dataset":"uci-response-exhaust","tag":"tag","datasetConfig":{"conversationId":"`+conversation+`"}`))
	a.wants(got, 503, failure(prefix+".submit", "SERVICE_UNAVAILABLE", "temporal is not available: try again later"))
	if got.header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
	}
	if jobs, err := a.jobs.List(t.Context(), "tag", channel, 1); err != nil || len(jobs) != 0 {
		t.Errorf("recorded %+v, %v", jobs, err)
	}
}

func TestAPanicIsA500AndTheServiceGoesOn(t *testing.T) {
	a := newAPI(t)
	a.wants(a.call("GET", "/files/reports/panics", "", ""), 500, failure(prefix, "SERVER_ERROR", "the request could not be answered: the service's log says why"))
	if log := a.log.String(); !strings.Contains(log, "on purpose") || !strings.Contains(log, "rest_test.go") {
		t.Errorf("the log does not say what panicked and where: %s", log)
	}
	// After half of an answer the client must see that it is broken.
	response, err := http.Get(a.url + "/files/reports/panics-late")
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("half of an answer looks like a whole one")
	}
	if got := a.call("GET", "/files/reports/x", "", ""); got.status != 200 || got.body != "file /x" {
		t.Errorf("got %+v", got)
	}
}

func TestTheLogHoldsNoQueryAndNoBody(t *testing.T) {
	a := newAPI(t)
	a.call("GET", "/files/reports/x?signature=a-secret", "", "")
	a.call("POST", "/dataset/v1/request/submit?x=a-secret", channel, submission(`"tag":"a-secret"`))
	log := a.log.String()
	if strings.Contains(log, "a-secret") {
		t.Errorf("the log is %s", log)
	}
	if strings.Count(log, `"msg":"request"`) != 2 || !strings.Contains(log, `"path":"/files/reports/x","status":200`) {
		t.Errorf("the log is %s", log)
	}
}

func TestTwoAnswersHaveTwoIDs(t *testing.T) {
	a := newAPI(t)
	ids := map[string]bool{}
	for range 3 {
		response, err := http.Get(a.url + "/health")
		if err != nil {
			t.Fatal(err)
		}
		var envelope struct {
			TS     string
			Params struct{ ResMsgID string }
		}
		err = json.NewDecoder(response.Body).Decode(&envelope)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		ids[envelope.Params.ResMsgID] = true
		at, err := time.Parse("2006-01-02T15:04:05.000-07:00", envelope.TS)
		if err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("ts %q: %v", envelope.TS, err)
		}
	}
	if len(ids) != 3 {
		t.Errorf("ids %v", ids)
	}
}
