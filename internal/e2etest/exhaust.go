package e2etest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/apitest"
)

// Channel is the tenant of most tests.
const Channel = "01309282781705830427"

// The datasets.
const (
	ResponseExhaust = "uci-response-exhaust"
	PrivateExhaust  = "uci-private-exhaust"
)

// India is the default of EXHAUST_TIMEZONE.
var India = time.FixedZone("IST", 5*3600+30*60)

// Order is a request for an exhaust. Start, End and RunAt are left out of it where they are "".
type Order struct {
	Dataset, Tag, By, Channel, Conversation, Start, End, RunAt string
}

// Config is the datasetConfig, in canonical JSON: sorted by name, without white space.
func (o Order) Config() string {
	members := fmt.Sprintf(`"conversationId":%q`, o.Conversation)
	if o.End != "" {
		members += fmt.Sprintf(`,"endDate":%q`, o.End)
	}
	if o.Start != "" {
		members += fmt.Sprintf(`,"startDate":%q`, o.Start)
	}
	return fmt.Sprintf(`{%s,"type":%q}`, members, o.Dataset)
}

// Body is the body of the call submit.
func (o Order) Body() string {
	runAt := ""
	if o.RunAt != "" {
		runAt = fmt.Sprintf(`"runAt":%q,`, o.RunAt)
	}
	return fmt.Sprintf(`{"id":"ekstep.analytics.job.request.submit","ver":"1.0","ts":"2022-02-15T10:07:00+05:30",
		"params":{"msgid":"06fb2660-88ba-11ec-bea0-578c52d1ac65"},
		"request":{"dataset":%q,"tag":%q,"requestedBy":%q,%s"datasetConfig":%s,"output_format":"csv"}}`, o.Dataset, o.Tag, o.By, runAt, o.Config())
}

// Path is the path of a call about the order's exhaust.
func (o Order) Path(call, requestID string) string {
	return call + "/" + o.Tag + "?requestId=" + requestID
}

// ReportName is the name in the reports store of the file of an exhaust that was completed at that
// time, by contract section 6.
func (o Order) ReportName(requestID string, completed time.Time) string {
	kind := map[string]string{ResponseExhaust: "response", PrivateExhaust: "userinfo"}[o.Dataset]
	return fmt.Sprintf("%s/%s/%s_%s_%s.csv", o.Dataset, requestID, o.Conversation, kind, completed.In(India).Format("20060102"))
}

// Job is an exhaust as the api shows it, as far as tests look into it.
type Job struct {
	Attempts      int             `json:"attempts"`
	LastUpdated   int64           `json:"lastUpdated"`
	Tag           string          `json:"tag"`
	ExpiresAt     int64           `json:"expiresAt"`
	DatasetConfig json.RawMessage `json:"datasetConfig"`
	DownloadURLs  []string        `json:"downloadUrls"`
	ReceiptURL    *string         `json:"receiptUrl"`
	JobStats      struct {
		Submitted     int64  `json:"dtJobSubmitted"`
		Completed     *int64 `json:"dtJobCompleted"`
		ExecutionTime *int64 `json:"executionTime"`
	} `json:"jobStats"`
	Status        string   `json:"status"`
	StatusMessage string   `json:"statusMessage"`
	RequestID     string   `json:"requestId"`
	Progress      Progress `json:"progress"`
}

// IsEnded reports whether the exhaust has succeeded, failed or been cancelled.
func (j Job) IsEnded() bool {
	return slices.Contains([]string{"SUCCESS", "FAILED", "CANCELLED"}, j.Status)
}

// Completed is the time at which an exhaust that has ended did.
func (j Job) Completed() time.Time { return time.UnixMilli(*j.JobStats.Completed) }

// Progress is how far an exhaust is.
type Progress struct {
	Phase             string `json:"phase"`
	BytesTotal        int64  `json:"bytesTotal"`
	BytesRead         int64  `json:"bytesRead"`
	EventsMatched     int64  `json:"eventsMatched"`
	Repeats           int64  `json:"repeats"`
	RowsWritten       int64  `json:"rowsWritten"`
	Percent           int64  `json:"percent"`
	LinesSkipped      int64  `json:"linesSkipped"`
	RowsUnknownDevice int64  `json:"rowsUnknownDevice"`
	ConsentUnreadable int64  `json:"consentUnreadable"`
	Undecryptable     int64  `json:"undecryptable"`
	Waiting           string `json:"waiting"`
}

// isBehind reports whether anything is less than it was.
func (p Progress) isBehind(before Progress) bool {
	numbers := func(p Progress) []int64 {
		phase := slices.Index([]string{"", "FETCHING", "JOINING", "BUILDING", "SIGNING", "DONE"}, p.Phase)
		return []int64{
			int64(phase), p.BytesTotal, p.BytesRead, p.EventsMatched, p.Repeats, p.RowsWritten, p.Percent, p.LinesSkipped,
			p.RowsUnknownDevice, p.ConsentUnreadable, p.Undecryptable,
		}
	}
	earlier := numbers(before)
	for i, number := range numbers(p) {
		if number < earlier[i] {
			return true
		}
	}
	return false
}

// Answer is what a server answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte

	request *http.Request
}

// Call sends a request; channel is the header X-Channel-ID, "" for none.
func Call(t testing.TB, method, url, channel, body string) Answer {
	t.Helper()
	answer, err := TryCall(t.Context(), method, url, channel, body)
	Must(t, err)
	if isOfAPI(answer.request) {
		apitest.CheckAnswer(t, answer.request, &http.Response{StatusCode: answer.Status, Header: answer.Header}, answer.Body)
	}
	return answer
}

// isOfAPI tells calls of the API from those of a store that has signed a URL.
func isOfAPI(request *http.Request) bool {
	for _, prefix := range []string{"/dataset/", "/health", "/files/reports/"} {
		if strings.HasPrefix(request.URL.Path, prefix) {
			return true
		}
	}
	return false
}

// TryCall is Call where no answer may come, or outside the test's goroutine.
func TryCall(ctx context.Context, method, url, channel, body string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if channel != "" {
		request.Header.Set("X-Channel-ID", channel)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, content, request}, err
}

// Job is the result of an answer that is no error.
func (a Answer) Job(t testing.TB) Job {
	t.Helper()
	return Result[Job](t, a)
}

// Page is what the calls list, search and replay answer.
type Page struct {
	Count int    `json:"count"`
	Jobs  []Job  `json:"jobs"`
	Next  string `json:"next"`
}

// Page is the result of an answer to list, search or replay.
func (a Answer) Page(t testing.TB) Page {
	t.Helper()
	return Result[Page](t, a)
}

// Result is the result in the envelope of an answer that is no error.
func Result[T any](t testing.TB, a Answer) T {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("answered %d: %s", a.Status, a.Body)
	}
	var envelope struct {
		Result T `json:"result"`
	}
	if err := json.Unmarshal(a.Body, &envelope); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	return envelope.Result
}

// Sentence is the sentence in the envelope of an error.
func (a Answer) Sentence(t testing.TB) string {
	t.Helper()
	var envelope struct {
		Params struct {
			ErrMsg string `json:"errmsg"`
		} `json:"params"`
	}
	if err := json.Unmarshal(a.Body, &envelope); err != nil || envelope.Params.ErrMsg == "" {
		t.Fatalf("no error sentence: %s", a.Body)
	}
	return envelope.Params.ErrMsg
}
