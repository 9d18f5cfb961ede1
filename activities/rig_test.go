package activities_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/sample"
	"data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

const (
	channel      = "01309282781705830427"
	conversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	staging      = "staging/1E2A/run/"
)

// device is the id of a made-up device that rig registers.
func device(n int) string { return fmt.Sprintf("d0000000-0000-4000-8000-%012d", n) }

// rig is the activities with folders and an SQLite database.
type rig struct {
	*activities.Activities
	t                           testing.TB
	telemetryDir, reportsDir    string
	telemetryStore, reportStore *blob.Local
	deps                        activities.Dependencies
	settings                    activities.Settings
	cipher                      *exhaust.Cipher
	db                          *database.DB
	jobs                        *jobs.Jobs
}

// secret is a made-up AES key.
const secret = "MDEyMzQ1Njc4OTAxMjM0NQ=="

// newRig registers devices 1 to 6 to the conversation: 1, 2 and 6 gave consent, 3 refused it, 4 and 5
// were never asked. 5 has no identity, 6 one that does not decrypt.
func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, telemetryDir: t.TempDir(), reportsDir: t.TempDir()}
	var err error
	if r.telemetryStore, err = blob.NewLocal(r.telemetryDir, blob.LocalOptions{}); err != nil {
		t.Fatal(err)
	}
	options := blob.LocalOptions{BaseURL: "http://exhaust.example/files/reports", Key: bytes.Repeat([]byte("k"), 32)}
	if r.reportStore, err = blob.NewLocal(r.reportsDir, options); err != nil {
		t.Fatal(err)
	}
	if r.cipher, err = exhaust.NewCipher(secret); err != nil {
		t.Fatal(err)
	}
	r.openRegistry()
	uci, err := registry.NewUCI(r.db, r.db, registry.Tables{
		Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities",
	})
	if err != nil {
		t.Fatal(err)
	}
	r.deps = activities.Dependencies{Confirm: isCurrent, UCI: uci, Jobs: r.jobs, Telemetry: r.telemetryStore, Reports: r.reportStore}
	r.settings = activities.Settings{
		Layout: mustLayout(t, "{yyyy}-{MM}-{dd}"), Timezone: kolkata, MaxDays: 366, URLTTL: 24 * time.Hour, Cipher: r.cipher,
		CSV:        report.Options{Dialect: report.RFC4180, FormulaGuard: true},
		ReceiptKey: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), Version: "v1.2.3",
	}
	r.Activities = activities.New(r.deps, r.settings)
	return r
}

// isCurrent is the answer to an attempt that Temporal waits for; a test's environment has no server to ask.
func isCurrent(context.Context, any) error { return nil }

func mustLayout(t testing.TB, pattern string) telemetry.Layout {
	t.Helper()
	layout, err := telemetry.ParseLayout(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

var kolkata = time.FixedZone("IST", 5*3600+30*60)

func (r *rig) openRegistry() {
	r.t.Helper()
	ctx := context.Background()
	var err error
	if r.db, err = database.Open(ctx, "sqlite://"+filepath.Join(r.t.TempDir(), "registry.db")); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := r.db.Close(); err != nil {
			r.t.Error(err)
		}
	})
	r.jobs = jobs.New(r.db)
	if err := r.jobs.Migrate(ctx); err != nil {
		r.t.Fatal(err)
	}
	if err := sample.CreateEmbeddedTables(ctx, r.db); err != nil {
		r.t.Fatal(err)
	}
	r.exec(`INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, 'Helpdesk, "Sahayak"', $2, '2022-03-01', '2022-03-03')`, conversation, channel)
	for n, consent := range []string{1: `true`, 2: `true`, 3: `false`, 4: `null`, 5: `null`, 6: `true`} {
		if n == 0 {
			continue
		}
		r.exec(`INSERT INTO users (id, data) VALUES ($1, $2)`, device(n), `{"device":{"consent":`+consent+`}}`)
		r.exec(`INSERT INTO user_registrations (users_id, applications_id) VALUES ($1, $2)`, device(n), conversation)
		switch n {
		case 5:
		case 6:
			r.exec(`INSERT INTO identities (users_id, username) VALUES ($1, 'not encrypted')`, device(n))
		default:
			r.exec(`INSERT INTO identities (users_id, username) VALUES ($1, $2)`, device(n), r.username(n))
		}
	}
}

// phone and username are a made-up number and how UCI keeps it.
func phone(n int) string             { return fmt.Sprintf("99999%05d", n) }
func (r *rig) username(n int) string { return r.cipher.Encrypt(phone(n)) }
func (r *rig) exec(q string, a ...any) {
	r.t.Helper()
	if _, err := r.db.Exec(context.Background(), q, a...); err != nil {
		r.t.Fatal(err)
	}
}

// put writes a telemetry object of these lines, compressed as its name says.
func (r *rig) put(name string, lines ...string) {
	r.t.Helper()
	text := []byte(strings.Join(lines, "\n") + "\n")
	var packed bytes.Buffer
	switch filepath.Ext(name) {
	case ".gz":
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(text)
		_ = w.Close()
	case ".zst":
		w, err := zstd.NewWriter(&packed)
		if err != nil {
			r.t.Fatal(err)
		}
		_, _ = w.Write(text)
		_ = w.Close()
	default:
		packed.Write(text)
	}
	r.write(name, packed.Bytes())
}

// write makes a telemetry object of these bytes.
func (r *rig) write(name string, data []byte) {
	r.t.Helper()
	path := filepath.Join(r.telemetryDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// grow makes a telemetry object that many bytes larger: zeros, which take no room on the disk and are nothing.
func (r *rig) grow(name string, bytes int64) {
	r.t.Helper()
	path := filepath.Join(r.telemetryDir, name)
	info, err := os.Stat(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()+bytes); err != nil {
		r.t.Fatal(err)
	}
}

// answer is an event that belongs to the conversation.
func answer(mid, at, device string) string {
	return fmt.Sprintf(`{"eid":"ASSESS","mid":%q,"@timestamp":%q,"context":{"channel":%q,"cdata":[{"type":"Conversation","id":%q}],"did":%q,"sid":"s"},`+
		`"edata":{"duration":1.5,"score":1.0,"item":{"id":"q","params":[ ]},"resvalues":[{"1": "yes"}]}}`, mid, at, channel, conversation, device)
}

// environment runs activities one at a time, without a server.
func (r *rig) environment(of any) *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterActivity(of)
	return env
}

// run executes an activity and reads its result.
func run[T any](r *rig, activity any, args ...any) (result T, err error) {
	r.t.Helper()
	return runOf[T](r, r.Activities, activity, args...)
}

func runOf[T any](r *rig, of *activities.Activities, activity any, args ...any) (result T, err error) {
	value, err := r.environment(of).ExecuteActivity(activity, args...)
	if err != nil {
		return result, err
	}
	return result, value.Get(&result)
}

// must is run where an error ends the test.
func must[T any](r *rig, activity any, args ...any) T {
	r.t.Helper()
	result, err := run[T](r, activity, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

// because is what a failure says to operators, behind the sentence for the exhaust's owner.
func because(t testing.TB, failure *temporal.ApplicationError) string {
	t.Helper()
	cause := errors.Unwrap(failure)
	if cause == nil {
		t.Fatalf("%v has no cause", failure)
	}
	return cause.Error()
}

func request(dataset exhaust.Dataset) exhaust.Request {
	return exhaust.Request{ID: "1E2A", Dataset: dataset, Tag: "tag", Channel: channel, ConversationID: conversation, Config: []byte(`{}`)}
}

func (r *rig) fetchInput(part activities.Part) activities.FetchInput {
	return activities.FetchInput{
		Dataset: exhaust.ResponseExhaust, Channel: channel, ConversationID: conversation, Staging: staging, Part: part,
	}
}

// part is one part of whole days: those that PlanFetch makes, put together.
func (r *rig) part(first, last exhaust.Day) activities.Part {
	r.t.Helper()
	return r.partIn(staging, first, last)
}

func (r *rig) partIn(staging string, first, last exhaust.Day) (all activities.Part) {
	r.t.Helper()
	for i, part := range must[[]activities.Part](r, r.PlanFetch, first, last, staging) {
		if i == 0 {
			all = part
			continue
		}
		all.Listings = append(all.Listings, part.Listings...)
		all.Inline = append(all.Inline, part.Inline...)
		all.LastDay = part.LastDay
		all.Objects += part.Objects
		all.Bytes += part.Bytes
	}
	return all
}

// fetch reads whole days as one part.
func (r *rig) fetch(first, last exhaust.Day) activities.Fetched {
	r.t.Helper()
	return must[activities.Fetched](r, r.FetchTelemetry, r.fetchInput(r.part(first, last)))
}

// buildInput asks for the file that was completed on 2022-04-06 in Kolkata, the 5th in UTC.
func buildInput(dataset exhaust.Dataset, fetched ...activities.Fetched) activities.BuildInput {
	in := activities.BuildInput{
		Request:      request(dataset),
		Conversation: exhaust.Conversation{ID: conversation, Name: `Helpdesk, "Sahayak"`, Channel: channel},
		Staging:      staging,
		ListedAt:     time.Date(2022, 4, 5, 19, 0, 0, 0, time.UTC),
		Completed:    time.Date(2022, 4, 5, 20, 0, 0, 0, time.UTC),
	}
	for _, part := range fetched {
		in.Segments = append(in.Segments, part.Segments...)
		in.Read = append(in.Read, part.Read...)
		in.ReadInline = append(in.ReadInline, part.ReadInline...)
		in.Counts.ObjectsListed += part.Objects
		in.Counts.Add(part.Counts())
	}
	return in
}

// joinInto looks up the devices of an exhaust, and adds to the input what was counted.
func (r *rig) joinInto(in *activities.BuildInput) activities.Joined {
	r.t.Helper()
	joined := must[activities.Joined](r, r.JoinDevices, activities.JoinInput{
		Dataset: in.Request.Dataset, ConversationID: conversation, Staging: in.Staging, Segments: in.Segments,
	})
	in.Joined = &joined
	return joined
}

const (
	responseReport = "uci-response-exhaust/1E2A/" + conversation + "_response_20220406.csv"
	privateReport  = "uci-private-exhaust/1E2A/" + conversation + "_userinfo_20220406.csv"
)

// joinAndBuild makes the report of what was fetched.
func (r *rig) joinAndBuild(dataset exhaust.Dataset, fetched ...activities.Fetched) (activities.Joined, activities.Built) {
	r.t.Helper()
	in := buildInput(dataset, fetched...)
	in.Request.StartDate, in.Request.EndDate = "2022-03-01", "2022-03-31"
	built := must[activities.Built](r, r.BuildReport, in)
	joined := built.Joined
	built.Joined, joined.Attempt = activities.Joined{}, "" // another one in each attempt
	return joined, built
}

// report reads a file of the reports store.
func (r *rig) report(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.reportsDir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

// files lists the reports store.
func (r *rig) files(prefix string) (names []string) {
	r.t.Helper()
	for object, err := range r.reportStore.List(context.Background(), prefix, "") {
		if err != nil {
			r.t.Fatal(err)
		}
		names = append(names, object.Name)
	}
	return names
}

// rows reads a CSV file without its heading.
func rows(t testing.TB, text string) [][]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) == 0 {
		t.Fatal("the file has no heading")
	}
	return records[1:]
}

// column is the cells of one column.
func column(records [][]string, i int) string {
	var cells []string
	for _, record := range records {
		cells = append(cells, record[i])
	}
	return strings.Join(cells, " ")
}

// store is a store whose opening and reading can be made to fail or tell.
type store struct {
	blob.Store
	opening func(name string) error
	reading func(name string, r io.ReadCloser) io.ReadCloser
}

func (s *store) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	return s.open(name, func() (io.ReadCloser, error) { return s.Store.Open(ctx, name) })
}

func (s *store) OpenVersion(ctx context.Context, object blob.Object) (io.ReadCloser, error) {
	return s.open(object.Name, func() (io.ReadCloser, error) { return s.Store.OpenVersion(ctx, object) })
}

func (s *store) open(name string, open func() (io.ReadCloser, error)) (io.ReadCloser, error) {
	if s.opening != nil {
		if err := s.opening(name); err != nil {
			return nil, err
		}
	}
	r, err := open()
	if err == nil && s.reading != nil {
		r = s.reading(name, r)
	}
	return r, err
}
