package workflows_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"go.temporal.io/api/temporalproto"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/internal/sample"
	"data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/report"
	"data-exhaust/telemetry"
	"data-exhaust/workflows"
)

// record makes TestRecordHistories record anew:
//
//	go test ./workflows -run TestRecordHistories -record
var record = flag.Bool("record", false, "record the histories in testdata/replay anew")

const replayDir = "testdata/replay"

// TestRecordedHistoriesReplay fails where a change of the workflow would break exhausts that run while
// it is rolled out.
func TestRecordedHistoriesReplay(t *testing.T) {
	var rows []string
	for _, recording := range recordings {
		rows = append(rows, recording.name)
	}
	replayAll(t, replayDir, replayer(t), rows)
}

// replayAll replays every recording in a folder, also those of earlier releases that no row makes any more. Each row has
// a recording.
func replayAll(t *testing.T, folder string, replayer worker.WorkflowReplayer, rows []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		names = append(names, name)
		t.Run(name, func(t *testing.T) {
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(quiet, file); err != nil {
				t.Error(err)
			}
		})
	}
	for _, row := range rows {
		if !slices.Contains(names, row) {
			t.Errorf("there is no history of %s: record it", row)
		}
	}
}

var quiet = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))

func replayer(t *testing.T) worker.WorkflowReplayer {
	t.Helper()
	r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.RegisterWorkflow(workflows.Exhaust)
	r.RegisterWorkflow(workflows.Parked)
	return r
}

func TestReplayNoticesAnotherOrderOfActivities(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(replayDir, "response.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, swap := range map[string][2]string{
		"building before fetching": {`"name":"FetchTelemetry"`, `"name":"BuildReport"`},
		"ending first":             {`"name":"PlanExhaust"`, `"name":"EndExhaust"`},
		"another name":             {`"name":"EndExhaust"`, `"name":"End"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := regexp.MustCompile(`"name":\s+"`).ReplaceAllString(string(data), `"name":"`)
			changed := strings.NewReplacer(swap[0], swap[1], swap[1], swap[0]).Replace(text)
			if changed == text {
				t.Fatal("the history has no such activities")
			}
			h, err := client.HistoryFromJSON(strings.NewReader(changed), client.HistoryJSONOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := replayer(t).ReplayWorkflowHistory(quiet, h); err == nil || !strings.Contains(err.Error(), "nondeterministic") {
				t.Errorf("replaying it: %v", err)
			}
		})
	}
}

func TestHistoriesHoldNoAnswerPhoneNumberOrURL(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(replayDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(decoded(t, data), recordedConversation) {
			t.Errorf("%s: its payloads cannot be looked into", file)
		}
		for _, secret := range []string{recordedAnswer, recordedPhone, recordedDevice, "http", "signature", recordedSecret} {
			if strings.Contains(decoded(t, data), secret) {
				t.Errorf("%s holds %q", file, secret)
			}
		}
	}
}

// decoded is a history's JSON followed by what its payloads say.
func decoded(t *testing.T, data []byte) string {
	t.Helper()
	var text strings.Builder
	text.Write(data)
	for _, match := range regexp.MustCompile(`"data":\s*"([^"]+)"`).FindAllSubmatch(data, -1) {
		payload, err := base64.StdEncoding.DecodeString(string(match[1]))
		if err != nil {
			t.Fatal(err)
		}
		text.WriteByte('\n')
		text.Write(payload)
	}
	return text.String()
}

// What the recorded exhausts read.
const (
	recordedConversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	recordedDevice       = "d0000000-0000-4000-8000-000000000001"
	recordedPhone        = "9999900001"
	recordedAnswer       = "an answer of a person"
	recordedSecret       = "MDEyMzQ1Njc4OTAxMjM0NQ=="
	recordedChannel      = "01309282781705830427"
)

// recordings are the ways of an exhaust of which there is a history.
var recordings = []struct {
	name    string
	dataset exhaust.Dataset
	// start and end are the days of the request. There is telemetry from 1 to 3 March, of which the
	// object of the 3rd is corrupt, and none of the conversation from 4 March on.
	start, end exhaust.Day
	wait       bool
	// reports and telemetry, where they are set, are put before the stores.
	reports, telemetry func(r *recorder, store blob.Store) blob.Store
	// during is called when the workflow has been started.
	during func(r *recorder, run client.WorkflowRun)
	status exhaust.Status
}{
	{name: "response", dataset: exhaust.ResponseExhaust, start: "2022-03-01", end: "2022-03-02", status: exhaust.Success},
	{name: "response-in-one-step", dataset: exhaust.ResponseExhaust, start: "2022-03-01", end: "2022-03-01", status: exhaust.Success},
	{name: "corrupt-in-one-step", dataset: exhaust.ResponseExhaust, start: "2022-03-03", end: "2022-03-03", status: exhaust.Failed},
	{name: "private-of-days", dataset: exhaust.PrivateExhaust, start: "2022-03-01", end: "2022-03-02", status: exhaust.Success},
	{name: "private-registered", dataset: exhaust.PrivateExhaust, status: exhaust.Success},
	{name: "no-data", dataset: exhaust.ResponseExhaust, start: "2022-03-04", end: "2022-03-05", status: exhaust.Failed},
	{name: "corrupt", dataset: exhaust.ResponseExhaust, start: "2022-03-01", end: "2022-03-03", status: exhaust.Failed},
	{name: "cancelled-while-fetching", dataset: exhaust.ResponseExhaust, start: "2022-03-01", end: "2022-03-02", status: exhaust.Cancelled,
		telemetry: func(r *recorder, store blob.Store) blob.Store { return hanging{store, r.hangs} },
		during: func(r *recorder, run client.WorkflowRun) {
			<-r.hangs
			if err := r.client.CancelWorkflow(r.t.Context(), run.GetID(), ""); err != nil {
				r.t.Fatal(err)
			}
		}},
	{name: "staging-gone", dataset: exhaust.ResponseExhaust, start: "2022-03-01", end: "2022-03-02", status: exhaust.Success,
		reports: func(r *recorder, store blob.Store) blob.Store { return &forgetful{Store: store} }},
	{name: "waited-for-the-night", dataset: exhaust.ResponseExhaust, start: "2022-03-01", end: "2022-03-02", status: exhaust.Success, wait: true,
		during: func(r *recorder, run client.WorkflowRun) {
			e2etest.Eventually(r.t, 20*time.Second, "it is recorded that it waits", func() bool {
				_, err := r.jobs.Job(context.Background(), strings.TrimPrefix(run.GetID(), "exhaust-"))
				return err == nil
			})
			if err := r.client.SignalWorkflow(r.t.Context(), run.GetID(), "", workflows.StartSignal, nil); err != nil {
				r.t.Fatal(err)
			}
		}},
}

// hanging opens telemetry only when its reader gives up.
type hanging struct {
	blob.Store
	there chan struct{}
}

func (h hanging) OpenVersion(ctx context.Context, _ blob.Object) (io.ReadCloser, error) {
	h.there <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// forgetful has lost the staged devices when they are read first.
type forgetful struct {
	blob.Store
	lost bool
}

func (f *forgetful) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if strings.Contains(name, "/devices-") && !f.lost {
		f.lost = true
		return nil, fmt.Errorf("open object %q: %w", name, blob.ErrNotFound)
	}
	return f.Store.Open(ctx, name)
}

// recorder runs exhausts with the activities of a real worker.
type recorder struct {
	t        *testing.T
	client   client.Client
	deps     activities.Dependencies
	settings activities.Settings
	jobs     *jobs.Jobs
	hangs    chan struct{}
}

// TestRecordHistories runs each way of an exhaust with real activities on a real server. Today's
// histories replay too, and with -record they are kept.
func TestRecordHistories(t *testing.T) {
	if *record {
		// A worker's sticky queue is named after its machine, which has no place in a file.
		worker.SetStickyWorkflowCacheSize(0)
	}
	for i, recording := range recordings {
		t.Run(recording.name, func(t *testing.T) {
			r := newRecorder(t)
			deps := r.deps
			if recording.telemetry != nil {
				deps.Telemetry = recording.telemetry(r, deps.Telemetry)
			}
			if recording.reports != nil {
				deps.Reports = recording.reports(r, deps.Reports)
			}
			in := workflows.Input{Timeout: time.Hour, Request: exhaust.Request{
				ID: fmt.Sprintf("%032d", i+1), Dataset: recording.dataset, Tag: "tag", Channel: recordedChannel, RequestedBy: "user_id",
				Config: json.RawMessage(`{"conversationId":"` + recordedConversation + `"}`), OutputFormat: "csv",
				ConversationID: recordedConversation, StartDate: recording.start, EndDate: recording.end, SubmittedAt: submitted,
			}}
			makes := workflows.Exhaust
			if recording.wait {
				makes = workflows.Parked
			}
			run := startAs(t, r.client, work(t, r.client, activities.New(deps, r.settings)), makes, in)
			if recording.during != nil {
				recording.during(r, run)
			}
			err := run.Get(t.Context(), nil)
			runs := []client.WorkflowRun{run}
			if recording.wait { // it went on as another run
				run = r.client.GetWorkflow(t.Context(), run.GetID(), "")
				runs = append(runs, run)
			}
			told, _ := state(t, r.client, run)
			var cancelled *temporal.CanceledError
			if told.Status != recording.status || (err == nil) != (told.Status == exhaust.Success) || errors.As(err, &cancelled) != (told.Status == exhaust.Cancelled) {
				t.Fatalf("told %+v, error %v", told, err)
			}
			for i, name := range []string{recording.name, recording.name + "-and-ran"}[:len(runs)] {
				h := history(t, r.client, runs[i])
				if err := replayer(t).ReplayWorkflowHistory(quiet, h); err != nil {
					t.Error(err)
				}
				if *record {
					save(t, name, h)
				}
			}
		})
	}
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	ctx := t.Context()
	db, err := database.Open(ctx, "sqlite://"+filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	cipher, err := exhaust.NewCipher(recordedSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, client: connect(t), jobs: jobs.New(db), hangs: make(chan struct{}, 10)}
	if err := errors.Join(r.jobs.Migrate(ctx), sample.CreateEmbeddedTables(ctx, db)); err != nil {
		t.Fatal(err)
	}
	err = db.Write(ctx, func(tx *sqlx.Tx) error {
		exec := func(query string, args ...any) error {
			_, err := tx.ExecContext(ctx, query, args...)
			return err
		}
		return errors.Join(
			exec(`INSERT INTO bot (id, name, ownerorgid) VALUES ($1, 'Helpdesk', $2)`, recordedConversation, recordedChannel),
			exec(`INSERT INTO users (id, data) VALUES ($1, '{"device":{"consent":true}}')`, recordedDevice),
			exec(`INSERT INTO user_registrations (users_id, applications_id) VALUES ($1, $2)`, recordedDevice, recordedConversation),
			exec(`INSERT INTO identities (users_id, username) VALUES ($1, $2)`, recordedDevice, cipher.Encrypt(recordedPhone)),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	uci, err := registry.NewUCI(db, db, registry.Tables{Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities"})
	if err != nil {
		t.Fatal(err)
	}
	layout, err := telemetry.ParseLayout("{yyyy}-{MM}-{dd}")
	if err != nil {
		t.Fatal(err)
	}
	r.settings = activities.Settings{Layout: layout, Timezone: time.UTC, MaxDays: 366, URLTTL: 24 * time.Hour, CSV: report.Options{Dialect: report.RFC4180}, Cipher: cipher,
		ReceiptKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Version: "v1.2.3", InlineObjects: 64, DevicesInMemory: 1000}
	telemetryDir := t.TempDir()
	for name, text := range map[string]string{
		"2022-03-01-0.json": fmt.Sprintf(`{"eid":"ASSESS","mid":"m1","@timestamp":"2022-03-01T10:00:00Z","context":{"channel":%q,"did":%q,`+
			`"cdata":[{"type":"Conversation","id":%q}]},"edata":{"resvalues":[{"1":%q}]}}`, recordedChannel, recordedDevice, recordedConversation, recordedAnswer),
		"2022-03-02-0.json": `{"eid":"START"}`,
		"2022-03-03-0.json": "\x1f\x8b",
		"2022-03-04-0.json": `{"eid":"START"}`,
	} {
		if err := os.WriteFile(filepath.Join(telemetryDir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	telemetryStore, err := blob.NewLocal(telemetryDir, blob.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	reports, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{BaseURL: "http://exhaust.example/files", Key: bytes.Repeat([]byte("k"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	r.deps = activities.Dependencies{UCI: uci, Jobs: r.jobs, Telemetry: telemetryStore, Reports: reports}
	return r
}

// save writes a history, unless it tells of the machine on which it was recorded.
func save(t *testing.T, name string, h *historypb.History) {
	t.Helper()
	data, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text := decoded(t, data)
	for _, machine := range []string{`\b` + regexp.QuoteMeta(host) + `\b`, regexp.QuoteMeta(os.TempDir()), regexp.QuoteMeta(filepath.Dir(folder)), "/root", "/home/"} {
		if found := regexp.MustCompile(machine).FindString(text); found != "" {
			t.Fatalf("the history of %s holds %q", name, found)
		}
	}
	if err := os.MkdirAll(replayDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(replayDir, name+".json"), append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
