package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"data-exhaust/config"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/apitest"
	"data-exhaust/internal/app"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
	"data-exhaust/internal/logtest"
	"data-exhaust/service"
)

const (
	channel      = "0130"
	conversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	device       = "11111111-1111-4111-8111-111111111111"
	secret       = "a-secret-for-tests-only"
	sealing      = "a-sealing-key-for-tests-only"
	kolkata      = "Asia/Kolkata"
)

// These serve all tests of the package.
var (
	temporalClient client.Client
	// api is the URL of a whole service: API and worker, on a real Temporal.
	api string
	// service's own log.
	serviceLog logtest.Buffer
	// settings are those of the service, but for where it listens.
	settings []string
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		fmt.Fprintln(os.Stderr, serviceLog.String())
		return 1
	}
	dir, err := os.MkdirTemp("", "schedules-test-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	temporal, err := devstack.StartTemporal(context.Background(), devstack.TemporalOptions{SearchAttributes: service.SearchAttributeNames()})
	if err != nil {
		return fail(err)
	}
	defer func() { _ = temporal.Stop() }()
	service.TemporalServer = temporal
	if err := os.Setenv("TEMPORAL_ADDRESS", temporal.Address); err != nil {
		return fail(err)
	}
	temporalClient, err = client.Dial(client.Options{HostPort: temporal.Address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return fail(err)
	}
	defer temporalClient.Close()

	addr, err := freeAddress()
	if err != nil {
		return fail(err)
	}
	settings = []string{
		"EXHAUST_DATA_DIR=" + dir, "EXHAUST_WEBHOOK_SECRET=" + secret, "EXHAUST_SEALING_KEY=" + sealing, "EXHAUST_WEBHOOK_ALLOW_PRIVATE=true",
	}
	cfg, err := config.Load(append(settings, "EXHAUST_ADDR="+addr))
	if err != nil {
		return fail(err)
	}
	if err := fill(cfg, dir); err != nil {
		return fail(err)
	}
	log := slog.New(slog.NewTextHandler(&serviceLog, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, stop := context.WithCancel(context.Background())
	listening, ended := make(chan struct{}), make(chan error, 2)
	go func() { ended <- app.Worker(ctx, cfg, log) }()
	go func() { ended <- app.API(ctx, cfg, log, func(string) { close(listening) }) }()
	select {
	case <-listening:
	case err := <-ended:
		stop()
		return fail(err)
	}
	api = cfg.PublicURL
	code := m.Run()
	stop()
	if err := errors.Join(<-ended, <-ended); err != nil {
		return fail(err)
	}
	return code
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// lastMonth is the first day of the month before yesterday's; the days of that month have telemetry, one line for each but the
// 13th, which has none. Yesterday has two. On the first of a month that is the month before last: whatever fires after the end of
// one has fired, and yesterday is none of its days.
func lastMonth() exhaust.Day {
	yesterday := today().Add(-1).Time()
	return exhaust.DayOf(time.Date(yesterday.Year(), yesterday.Month()-1, 1, 0, 0, 0, 0, time.UTC))
}

func today() exhaust.Day {
	zone, err := time.LoadLocation(kolkata)
	if err != nil {
		panic(err)
	}
	return exhaust.DayOf(time.Now().In(zone))
}

func daysOfLastMonth() []exhaust.Day {
	var days []exhaust.Day
	for day := lastMonth(); day[:7] == lastMonth()[:7]; day = day.Add(1) {
		days = append(days, day)
	}
	return days
}

// fill makes a registry of one device and one conversation in two channels, and its telemetry.
func fill(cfg config.Config, dir string) error {
	ctx := context.Background()
	if err := app.Migrate(ctx, cfg); err != nil {
		return err
	}
	db, err := database.Open(ctx, cfg.UCIDatabaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	for query, args := range map[string][]any{
		`INSERT INTO bot (id, name, ownerorgid) VALUES ($1, 'Helpdesk', $2)`: {conversation, channel},
		`INSERT INTO users (id, data) VALUES ($1, '{}')`:                     {device},
	} {
		if _, err := db.Exec(ctx, query, args...); err != nil {
			return err
		}
	}
	telemetry := filepath.Join(dir, "telemetry")
	if err := os.MkdirAll(telemetry, 0o755); err != nil {
		return err
	}
	lines := map[exhaust.Day]int{today().Add(-1): 2}
	for _, day := range daysOfLastMonth() {
		if !strings.HasSuffix(string(day), "-13") {
			lines[day] = 1
		}
	}
	for day, n := range lines {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, `{"eid":"ASSESS","mid":"%s-%d","@timestamp":"%sT10:00:00Z","context":{"channel":%q,"did":%q,"cdata":[{"type":"Conversation","id":%q}]},"edata":{"item":{"id":"q"}}}`+"\n",
				day, i, day, channel, device, conversation)
		}
		if err := os.WriteFile(filepath.Join(telemetry, string(day)+"-0.jsonl"), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// answer is an envelope.
type answer struct {
	ID     string
	Status int
	ErrMsg string
	Result json.RawMessage
}

func call(t *testing.T, channel, method, path, body string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, api+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if channel != "" {
		request.Header.Set("X-Channel-ID", channel)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	apitest.CheckAnswer(t, request, response, raw)
	var e struct {
		ID     string
		Params struct{ ErrMsg string }
		Result json.RawMessage
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatalf("%s %s answered %s: %s", method, path, response.Status, raw)
	}
	return answer{ID: e.ID, Status: response.StatusCode, ErrMsg: e.Params.ErrMsg, Result: e.Result}
}

// okay is a call that has to succeed.
func okay[T any](t *testing.T, channel, method, path, body string) T {
	t.Helper()
	var got answer
	e2etest.Eventually(t, time.Minute, method+" "+path+" is answered", func() bool {
		got = call(t, channel, method, path, body)
		// A development server under load may leave a question open until the service gives it up and says to ask again.
		return got.Status != http.StatusServiceUnavailable || method != http.MethodGet
	})
	if got.Status != http.StatusOK {
		t.Fatalf("%s %s: %d %s\nthe service's log:\n%s", method, path, got.Status, got.ErrMsg, serviceLog.About(path))
	}
	var result T
	if err := json.Unmarshal(got.Result, &result); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, got.Result)
	}
	return result
}

type schedule struct {
	ScheduleID, Tag, Cron, Zone, Jitter, Webhook, Note string
	Paused                                             bool
	Next                                               []int64
	WebhookSecret                                      string
	Firings                                            []firing
}

type firing struct {
	Firing                                  int64
	From, To                                exhaust.Day
	State, RequestID, Status, Note, Webhook string
	Rows                                    int
}

const base = "/dataset/v1/schedule"

// create makes a schedule that the test's end deletes. more are further members of the request.
func create(t *testing.T, cron, zone, more string) schedule {
	t.Helper()
	if more != "" {
		more = "," + more
	}
	made := okay[schedule](t, channel, "POST", base, fmt.Sprintf(`{"request":{"dataset":"uci-response-exhaust","requestedBy":"me",
		"datasetConfig":{"conversationId":%q},"cron":%q,"zone":%q%s}}`, conversation, cron, zone, more))
	t.Cleanup(func() {
		request, _ := http.NewRequest("DELETE", api+base+"/"+made.ScheduleID, nil)
		request.Header.Set("X-Channel-ID", channel)
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	})
	return made
}

func read(t *testing.T, id string) schedule {
	t.Helper()
	return okay[schedule](t, channel, "GET", base+"/"+id, "")
}

type job struct {
	RequestID, Status, StatusMessage string
	Attempts                         int
	DatasetConfig                    map[string]string
	Progress                         struct{ RowsWritten int }
	DownloadURLs                     []string
}

// jobs are the exhausts under a schedule's tag.
func jobs(t *testing.T, s schedule) []job {
	t.Helper()
	return okay[struct{ Jobs []job }](t, channel, "GET", "/dataset/v1/request/list/"+strings.TrimSuffix(s.Tag, ":"+channel)+"?limit=1000", "").Jobs
}

// settled waits until the schedule has n firings at least and none of them runs, and gives them.
func settled(t *testing.T, id string, n int) (firings []firing) {
	t.Helper()
	e2etest.Eventually(t, 2*time.Minute, fmt.Sprintf("%d firings have ended", n), func() bool {
		firings = read(t, id).Firings
		for _, f := range firings {
			if f.State == "RUNNING" {
				return false
			}
		}
		return len(firings) >= n
	})
	return firings
}

func calendar() *service.Calendar { return service.NewCalendar(temporalClient, "default") }

// closed are the workflows of a schedule's firings that have completed.
func closed(t *testing.T, id string) []string {
	t.Helper()
	listed, err := temporalClient.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1000, Query: "TemporalScheduledById = 'exhaust-schedule-" + id + "' AND ExecutionStatus = 'Completed'",
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, execution := range listed.Executions {
		ids = append(ids, execution.Execution.WorkflowId)
	}
	return ids
}

// dial connects to Temporal, through interceptors where a test has some.
func dial(t *testing.T, namespace string, through ...grpc.UnaryClientInterceptor) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: service.TemporalServer.Address, Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(through...)}},
	})
	e2etest.Must(t, err)
	t.Cleanup(c.Close)
	return c
}
