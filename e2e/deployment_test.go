package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// channel is the tenant of most tests.
const channel = "01309282781705830427"

// secret is the base64 of the key with which testdata's usernames were encrypted.
const secret = "ZTJlIGtleSAxNiBieXRlcw=="

// deployment is Data Exhaust on a stack, with a task queue and stores of its own, so that tests do not
// see each other.
type deployment struct {
	s                  *stack
	queue              string
	env                []string
	telemetry, reports store
	base               string
	processes          []*process
}

// prepare plans a deployment with the usual settings and those given. Nothing runs yet.
func prepare(t *testing.T, s *stack, settings ...string) *deployment {
	t.Helper()
	id := strings.ToLower(uuid.NewString())
	dir := filepath.Join(scratch, id)
	d := &deployment{
		s:         s,
		queue:     id,
		telemetry: store{blobs: s.blobs, container: "telemetry", prefix: id, folder: filepath.Join(dir, "telemetry")},
		reports:   store{blobs: s.blobs, container: "reports", prefix: id, folder: filepath.Join(dir, "reports")},
	}
	d.env = append(slices.Clone(s.env),
		"EXHAUST_DATA_DIR="+dir,
		"EXHAUST_TASK_QUEUE="+d.queue,
		"EXHAUST_TELEMETRY_STORE="+d.telemetry.url(),
		"EXHAUST_REPORTS_STORE="+d.reports.url(),
		"UCI_ENCRYPTION_SECRET="+secret,
	)
	if raced {
		// Temporal's SDK takes a workflow for stuck that computes for a second, which the race detector
		// makes of a tenth of it.
		d.env = append(d.env, "TEMPORAL_DEBUG=true")
	}
	d.env = append(d.env, settings...)
	return d
}

// deploy starts an api and a worker.
func deploy(t *testing.T, s *stack, settings ...string) *deployment {
	t.Helper()
	d := prepare(t, s, settings...)
	d.startAPI(t)
	d.startWorker(t)
	return d
}

// startAPI starts an api and gives its URL, which is d.base for the first one. Files are downloaded
// from the first one.
func (d *deployment) startAPI(t *testing.T) string {
	t.Helper()
	for range 3 {
		address := freeAddress(t)
		base := "http://" + address
		p := launch(t, "api", append(slices.Clone(d.env), "EXHAUST_ADDR="+address, "EXHAUST_PUBLIC_URL="+cmp.Or(d.base, base)))
		up := func() bool {
			response, err := http.Get(base + "/health")
			if err != nil {
				return p.ended()
			}
			response.Body.Close()
			return response.StatusCode == http.StatusOK
		}
		eventually(t, 30*time.Second, "the api is healthy", up)
		if p.ended() && strings.Contains(p.log(t), "address already in use") {
			continue // another test was given the same port
		}
		if p.ended() {
			t.Fatalf("the api ended:\n%s", p.log(t))
		}
		d.processes = append(d.processes, p)
		if d.base == "" {
			d.base = base
		}
		return base
	}
	t.Fatal("no free port in three tries")
	return ""
}

// startWorker starts a worker, which signs URLs of the first api.
func (d *deployment) startWorker(t *testing.T) *process {
	t.Helper()
	p := launch(t, "worker", append(slices.Clone(d.env), "EXHAUST_PUBLIC_URL="+d.base))
	d.processes = append(d.processes, p)
	return p
}

// awaitPollers waits until so many workers ask for activities.
func (d *deployment) awaitPollers(t *testing.T, workers int) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("%d workers ask for activities", workers), func() bool {
		queue, err := d.s.client.DescribeTaskQueue(t.Context(), d.queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
		if err != nil {
			return false
		}
		identities := map[string]bool{}
		for _, poller := range queue.GetPollers() {
			identities[poller.GetIdentity()] = true
		}
		return len(identities) >= workers
	})
}

// answer is what the api answered.
type answer struct {
	status int
	body   []byte
}

// call sends a request; channel is the header X-Channel-ID, "" for none.
func call(t *testing.T, method, target, channel string, body []byte) answer {
	t.Helper()
	got, err := tryCall(t.Context(), method, target, channel, body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tryCall(ctx context.Context, method, target, channel string, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if channel != "" {
		request.Header.Set("X-Channel-ID", channel)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, content}, err
}

// order is a request for an exhaust. What is "" is left out of it.
type order struct {
	dataset, tag, by, channel, conversation, start, end string
}

const (
	response = "uci-response-exhaust"
	private  = "uci-private-exhaust"
)

// orderOf is an order under a tag of its own.
func orderOf(dataset, conversation, start, end string) order {
	return order{dataset: dataset, tag: uuid.NewString(), by: "tester", channel: channel, conversation: conversation, start: start, end: end}
}

// config is the datasetConfig, in canonical JSON: sorted by name, without white space.
func (o order) config() string {
	members := []string{fmt.Sprintf(`"conversationId":%q`, o.conversation)}
	if o.end != "" {
		members = append(members, fmt.Sprintf(`"endDate":%q`, o.end))
	}
	if o.start != "" {
		members = append(members, fmt.Sprintf(`"startDate":%q`, o.start))
	}
	members = append(members, fmt.Sprintf(`"type":%q`, o.dataset))
	return "{" + strings.Join(members, ",") + "}"
}

func (o order) body() []byte {
	return fmt.Appendf(nil, `{"id":"ekstep.analytics.job.request.submit","ver":"1.0","ts":"2022-02-15T10:07:00+05:30",
		"params":{"msgid":"06fb2660-88ba-11ec-bea0-578c52d1ac65"},
		"request":{"dataset":%q,"tag":%q,"requestedBy":%q,"datasetConfig":%s,"output_format":"csv"}}`, o.dataset, o.tag, o.by, o.config())
}

var india = func() *time.Location {
	zone, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		panic(err)
	}
	return zone
}()

// dayOf is the day in EXHAUST_TIMEZONE of epoch milliseconds.
func dayOf(milliseconds int64) string {
	return time.UnixMilli(milliseconds).In(india).Format(time.DateOnly)
}

// requestID is contract section 1's, made without the product's code.
func (o order) requestID(submitted int64) string {
	joined := strings.Join([]string{o.tag, o.dataset, o.by, o.channel, dayOf(submitted), "csv", o.config()}, "|")
	return strings.ToUpper(fmt.Sprintf("%x", md5.Sum([]byte(joined))))
}

// job is an exhaust as the api shows it.
type job struct {
	Attempts      int             `json:"attempts"`
	LastUpdated   int64           `json:"lastUpdated"`
	Tag           string          `json:"tag"`
	ExpiresAt     int64           `json:"expiresAt"`
	DatasetConfig json.RawMessage `json:"datasetConfig"`
	DownloadURLs  []string        `json:"downloadUrls"`
	RequestedBy   string          `json:"requestedBy"`
	JobStats      struct {
		Submitted     int64  `json:"dtJobSubmitted"`
		Completed     *int64 `json:"dtJobCompleted"`
		ExecutionTime *int64 `json:"executionTime"`
	} `json:"jobStats"`
	Status           string   `json:"status"`
	StatusMessage    string   `json:"statusMessage"`
	Dataset          string   `json:"dataset"`
	RequestID        string   `json:"requestId"`
	RequestedChannel string   `json:"requestedChannel"`
	Progress         progress `json:"progress"`
}

type progress struct {
	Phase             string `json:"phase"`
	BytesTotal        int64  `json:"bytesTotal"`
	BytesRead         int64  `json:"bytesRead"`
	EventsMatched     int64  `json:"eventsMatched"`
	RowsWritten       int64  `json:"rowsWritten"`
	Percent           int64  `json:"percent"`
	LinesSkipped      int64  `json:"linesSkipped"`
	RowsUnknownDevice int64  `json:"rowsUnknownDevice"`
	Undecryptable     int64  `json:"undecryptable"`
}

var phaseOrder = map[string]int64{"": 0, "FETCHING": 1, "JOINING": 2, "BUILDING": 3, "SIGNING": 4, "DONE": 5}

// fellBehind names what is less than it was.
func (p progress) fellBehind(before progress) string {
	for name, values := range map[string][2]int64{
		"phase":             {phaseOrder[before.Phase], phaseOrder[p.Phase]},
		"bytesTotal":        {before.BytesTotal, p.BytesTotal},
		"bytesRead":         {before.BytesRead, p.BytesRead},
		"eventsMatched":     {before.EventsMatched, p.EventsMatched},
		"rowsWritten":       {before.RowsWritten, p.RowsWritten},
		"percent":           {before.Percent, p.Percent},
		"linesSkipped":      {before.LinesSkipped, p.LinesSkipped},
		"rowsUnknownDevice": {before.RowsUnknownDevice, p.RowsUnknownDevice},
		"undecryptable":     {before.Undecryptable, p.Undecryptable},
	} {
		if values[1] < values[0] {
			return name
		}
	}
	return ""
}

// job is the result of an answer that is no error.
func (a answer) job(t *testing.T) job {
	t.Helper()
	return result[job](t, a)
}

func result[T any](t *testing.T, a answer) T {
	t.Helper()
	var envelope struct {
		Result T `json:"result"`
	}
	if a.status != http.StatusOK {
		t.Fatalf("answered %d: %s", a.status, a.body)
	}
	if err := json.Unmarshal(a.body, &envelope); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return envelope.Result
}

func (d *deployment) url(call, tag, requestID string) string {
	target := d.base + "/dataset/v1/request/" + call
	if tag != "" {
		target += "/" + tag
	}
	if requestID != "" {
		target += "?requestId=" + requestID
	}
	return target
}

func (d *deployment) submit(t *testing.T, o order) job {
	t.Helper()
	return call(t, http.MethodPost, d.url("submit", "", ""), o.channel, o.body()).job(t)
}

func (d *deployment) read(t *testing.T, o order, requestID string) job {
	t.Helper()
	return call(t, http.MethodGet, d.url("read", o.tag, requestID), o.channel, nil).job(t)
}

func (d *deployment) cancel(t *testing.T, o order, requestID string) answer {
	t.Helper()
	return call(t, http.MethodPost, d.url("cancel", o.tag, requestID), o.channel, nil)
}

func (d *deployment) retry(t *testing.T, o order, requestID string) answer {
	t.Helper()
	return call(t, http.MethodPost, d.url("retry", o.tag, requestID), o.channel, nil)
}

// watch reads an exhaust again and again. It checks that progress never goes backwards in an attempt.
type watch struct {
	d    *deployment
	o    order
	id   string
	last job
}

func (w *watch) read(t *testing.T) job {
	t.Helper()
	next := w.d.read(t, w.o, w.id)
	if next.Attempts == w.last.Attempts {
		if what := next.Progress.fellBehind(w.last.Progress); what != "" {
			t.Errorf("%s went backwards:\nfrom %+v\nto   %+v", what, w.last.Progress, next.Progress)
		}
	}
	if !ended(next) && next.Progress.Percent >= 100 {
		t.Errorf("percent is %d before the end", next.Progress.Percent)
	}
	w.last = next
	return next
}

func ended(j job) bool { return slices.Contains([]string{"SUCCESS", "FAILED", "CANCELLED"}, j.Status) }

// until reads until what holds; an exhaust that ends before is a failure.
func (w *watch) until(t *testing.T, within time.Duration, what string, holds func(job) bool) {
	t.Helper()
	eventually(t, within, what, func() bool {
		j := w.read(t)
		if ended(j) && !holds(j) {
			t.Fatalf("the exhaust ended before %s: %+v", what, j)
		}
		return holds(j)
	})
}

func (w *watch) end(t *testing.T, within time.Duration) job {
	t.Helper()
	eventually(t, within, fmt.Sprintf("exhaust %s ends (last %+v)", w.id, &w.last), func() bool { return ended(w.read(t)) })
	return w.last
}

// order submits and gives a watch.
func (d *deployment) order(t *testing.T, o order) *watch {
	t.Helper()
	return &watch{d: d, o: o, id: d.submit(t, o).RequestID}
}

// make submits, waits for the end, which has to be SUCCESS, and gives the file.
func (d *deployment) make(t *testing.T, o order) (job, []byte) {
	t.Helper()
	j := d.order(t, o).end(t, time.Minute)
	return j, d.file(t, o, j)
}

// file downloads what an exhaust that succeeded made, and checks that this is the only thing left of
// it, under the name that contract section 6 gives it.
func (d *deployment) file(t *testing.T, o order, j job) []byte {
	t.Helper()
	if j.Status != "SUCCESS" || j.StatusMessage != "" {
		t.Fatalf("the exhaust is %s: %s", j.Status, j.StatusMessage)
	}
	if len(j.DownloadURLs) != 1 {
		t.Fatalf("%d download URLs instead of one", len(j.DownloadURLs))
	}
	kind := map[string]string{response: "response", private: "userinfo"}[o.dataset]
	want := fmt.Sprintf("%s/%s/%s_%s_%s.csv", o.dataset, j.RequestID, o.conversation, kind, strings.ReplaceAll(dayOf(*j.JobStats.Completed), "-", ""))
	eventually(t, 20*time.Second, "nothing is left staged", func() bool {
		return !slices.ContainsFunc(d.reports.names(t), func(name string) bool { return strings.HasPrefix(name, "staging/"+j.RequestID) })
	})
	var mine []string
	for _, name := range d.reports.names(t) {
		if strings.Contains(name, j.RequestID) {
			mine = append(mine, name)
		}
	}
	if !slices.Equal(mine, []string{want}) {
		t.Errorf("the reports store holds %q of the exhaust, want %q", mine, want)
	}
	signed, err := url.Parse(j.DownloadURLs[0])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(signed.Path, "/"+want) {
		t.Errorf("the URL's path is %s, want one that ends in %s", signed.Path, want)
	}
	downloaded := call(t, http.MethodGet, j.DownloadURLs[0], "", nil)
	if downloaded.status != http.StatusOK {
		t.Fatalf("the download answered %d: %.500s", downloaded.status, downloaded.body)
	}
	return downloaded.body
}

// history is everything that Temporal keeps of an exhaust's workflow: its events, and its memo and
// search attributes.
func (s *stack) history(t *testing.T, requestID string) (events []*historypb.HistoryEvent, raw []byte) {
	t.Helper()
	id := "exhaust-" + requestID
	iterator := s.client.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := proto.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		events, raw = append(events, event), append(raw, bytes...)
	}
	description, err := s.client.DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := proto.Marshal(description)
	if err != nil {
		t.Fatal(err)
	}
	return events, append(raw, bytes...)
}

// started lists the starts of an activity type as history has them: one for each activity that ended,
// with the attempt that ended it.
func started(events []*historypb.HistoryEvent, activity string) []*historypb.HistoryEvent {
	scheduled := map[int64]string{}
	var found []*historypb.HistoryEvent
	for _, event := range events {
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
			scheduled[event.GetEventId()] = a.GetActivityType().GetName()
		}
		if a := event.GetActivityTaskStartedEventAttributes(); a != nil && scheduled[a.GetScheduledEventId()] == activity {
			found = append(found, event)
		}
	}
	return found
}

// running reports whether a worker is working on an activity of that type.
func (s *stack) running(t *testing.T, requestID, activity string) bool {
	t.Helper()
	description, err := s.client.DescribeWorkflowExecution(t.Context(), "exhaust-"+requestID, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, pending := range description.GetPendingActivities() {
		if pending.GetActivityType().GetName() == activity && pending.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED {
			return true
		}
	}
	return false
}

// logs is what all processes of the deployment have written.
func (d *deployment) logs(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, p := range d.processes {
		all.WriteString(p.log(t))
	}
	return all.String()
}

var (
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	timePattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}\+00:00$`)
)

// sameEnvelope compares a whole answer with the JSON wanted. ts and params.resmsgid, which are new in
// every answer, are checked by their form; "~int" in want stands for any whole number.
func sameEnvelope(t *testing.T, got answer, status int, want string) {
	t.Helper()
	var g, w any
	if err := decode(got.body, &g); err != nil {
		t.Fatalf("the answer is no JSON: %v: %s", err, got.body)
	}
	if err := decode([]byte(want), &w); err != nil {
		t.Fatalf("want is no JSON: %v: %s", err, want)
	}
	envelope, _ := g.(map[string]any)
	ts, _ := envelope["ts"].(string)
	at, err := time.Parse("2006-01-02T15:04:05.000-07:00", ts)
	if !timePattern.MatchString(ts) || err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("ts is %q", ts)
	}
	params, _ := envelope["params"].(map[string]any)
	if id, _ := params["resmsgid"].(string); !uuidPattern.MatchString(id) {
		t.Errorf("params.resmsgid is %q", id)
	}
	delete(envelope, "ts")
	delete(params, "resmsgid")
	if got.status != status {
		t.Errorf("answered %d, want %d", got.status, status)
	}
	if differs := difference("", g, w); differs != "" {
		t.Errorf("%s\n got %s\nwant %s", differs, got.body, want)
	}
}

func decode(content []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	return decoder.Decode(value)
}

// difference is where two JSON values differ, "" where they do not.
func difference(path string, got, want any) string {
	switch w := want.(type) {
	case string:
		if number, ok := got.(json.Number); ok && w == "~int" {
			if _, err := number.Int64(); err == nil {
				return ""
			}
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				return fmt.Sprintf("%s.%s is %v, and should not be there", path, name, g[name])
			}
		}
		for name := range w {
			if _, ok := g[name]; !ok {
				return fmt.Sprintf("%s.%s is missing", path, name)
			}
			if differs := difference(path+"."+name, g[name], w[name]); differs != "" {
				return differs
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		for i := range w {
			if differs := difference(fmt.Sprintf("%s[%d]", path, i), g[i], w[i]); differs != "" {
				return differs
			}
		}
		return ""
	}
	if got == want {
		return ""
	}
	return fmt.Sprintf("%s is %v, want %v", path, got, want)
}

// failure is the envelope of an error.
func failure(call, code, sentence string) string {
	message, err := json.Marshal(sentence)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"id":"ekstep.analytics.dataset.request.%s","ver":"1.0",
		"params":{"status":"failed","client_key":null,"err":%q,"errmsg":%s},"responseCode":%q,"result":{}}`, call, code, message, code)
}

func deletion(requestID string) *workflowservice.DeleteWorkflowExecutionRequest {
	return &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace:         "default",
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "exhaust-" + requestID},
	}
}
