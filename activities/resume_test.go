package activities_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/internal/devstack"
)

// fetchWorkflow fetches one part, with as many attempts as it takes.
func fetchWorkflow(ctx workflow.Context, in activities.FetchInput) (fetched activities.Fetched, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Hour,
		HeartbeatTimeout:    time.Minute,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond, MaximumAttempts: 100_000},
	})
	err = workflow.ExecuteActivity(ctx, "FetchTelemetry", in).Get(ctx, &fetched)
	return fetched, err
}

// TestAnAttemptSaysWhatItWaitedForBeforeItsTimeIsOver: of one that Temporal gives up nobody learns why.
func TestAnAttemptSaysWhatItWaitedForBeforeItsTimeIsOver(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-a.json", answer("a", "2022-03-01T10:00:03Z", device(1)))
	in := r.fetchInput(r.part("2022-03-01", "2022-03-01"))
	r.deps.Telemetry = silentStore{r.telemetryStore}
	r.deps.Jobs = silentJobs{r.jobs}
	r.Activities = activities.New(r.deps, r.settings)
	for name, c := range map[string]struct {
		activity string
		in       any
		atMost   time.Duration
		want     string
	}{
		"a long step":  {"FetchTelemetry", in, 2 * time.Second, "telemetry store: no answer in time"},
		"a short step": {"RecordJob", exhaust.Job{}, 20 * time.Second, "database: no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
			env := suite.NewTestWorkflowEnvironment()
			env.RegisterActivity(r.Activities)
			env.SetTestTimeout(time.Minute)
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
					StartToCloseTimeout: c.atMost, ScheduleToCloseTimeout: c.atMost, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
				})
				return workflow.ExecuteActivity(ctx, c.activity, c.in).Get(ctx, nil)
			})
			var got *temporal.ApplicationError
			if err := env.GetWorkflowError(); !errors.As(err, &got) || got.Message() != c.want || got.Type() != activities.Unavailable {
				t.Errorf("it ended with %v, want %s", err, c.want)
			}
		})
	}
}

// silentStore gives no answer, and silentJobs neither.
type silentStore struct{ blob.Store }

func (silentStore) OpenVersion(ctx context.Context, _ blob.Object) (io.ReadCloser, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

type silentJobs struct{ activities.Jobs }

func (silentJobs) Save(ctx context.Context, _ exhaust.Job) error {
	<-ctx.Done()
	return ctx.Err()
}

// opened records which objects were opened.
type opened struct {
	mu    sync.Mutex
	names []string
}

func (o *opened) add(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.names = append(o.names, name)
}

// times counts how often each object was opened.
func (o *opened) times() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	times := map[string]int{}
	for _, name := range o.names {
		times[name]++
	}
	return times
}

// largeDay puts objects a to d on 1 March. After each but the last another attempt can resume: that
// is after every 64 MiB. c holds more than two, and less than three times 8 MiB of events:
// three segments.
func (r *rig) largeDay() {
	r.settings.Cores = 1
	r.Activities = activities.New(r.deps, r.settings)
	r.put("2022-03-01-a.json", answer("a", "2022-03-01T10:00:03Z", device(1)), answer("again", "2022-03-01T10:00:09Z", device(1)), "no JSON")
	r.grow("2022-03-01-a.json", 64<<20)
	r.put("2022-03-01-b.json", answer("b", "2022-03-01T10:00:02Z", device(2)), "no JSON")
	r.grow("2022-03-01-b.json", 64<<20)
	lines := []string{answer("again", "2022-03-01T10:00:08Z", device(1))}
	for i := range 16_000 {
		lines = append(lines, answer(fmt.Sprintf("c%05d%s", i, strings.Repeat("-", 400)), "2022-03-01T10:00:01Z", device(3)))
	}
	r.put("2022-03-01-c.json", lines...)
	r.put("2022-03-01-d.json", answer("d", "2022-03-01T10:00:00Z", device(4)))
}

// undisturbed is the report of the large day when nothing goes wrong.
func undisturbed(t *testing.T) string {
	t.Helper()
	r := newRig(t)
	r.largeDay()
	fetched := r.fetch("2022-03-01", "2022-03-01")
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if built.RowsWritten != 16_004 {
		t.Fatalf("%d rows, want 16004", built.RowsWritten)
	}
	return r.report(built.Report)
}

var errAway = errors.New("the store is away")

// breaking fails after some bytes.
type breaking struct {
	io.ReadCloser
	left int
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errAway
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func TestAnotherAttemptGoesOnWhereTheLastOneTold(t *testing.T) {
	r := newRig(t)
	r.largeDay()
	var (
		seen   opened
		broken bool
	)
	r.deps.Telemetry = &store{
		Store:   r.telemetryStore,
		opening: func(name string) error { seen.add(name); return nil },
		reading: func(name string, source io.ReadCloser) io.ReadCloser {
			if name == "2022-03-01-c.json" && !broken {
				broken = true
				return &breaking{source, 9 << 20} // after more than a run of it has been staged
			}
			return source
		},
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterActivity(activities.New(r.deps, r.settings))
	env.ExecuteWorkflow(fetchWorkflow, r.fetchInput(r.part("2022-03-01", "2022-03-01")))
	var fetched activities.Fetched
	if err := env.GetWorkflowResult(&fetched); err != nil {
		t.Fatal(err)
	}
	// d is opened while c is read.
	want := map[string]int{"2022-03-01-a.json": 1, "2022-03-01-b.json": 1, "2022-03-01-c.json": 2, "2022-03-01-d.json": 2}
	if got := seen.times(); !reflect.DeepEqual(got, want) {
		t.Errorf("opened %v\nwant   %v", got, want)
	}
	wantSegmentsOfTwoAttempts(t, fetched.Segments, 2, 4)
	// Each of the two lines that are no JSON is skipped once, each event matched once.
	if fetched.EventsMatched != 16_005 || fetched.LinesSkipped != 2 {
		t.Errorf("%d events matched, %d lines skipped; want 16005 and 2", fetched.EventsMatched, fetched.LinesSkipped)
	}
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if r.report(built.Report) != undisturbed(t) {
		t.Error("the report differs from that of an undisturbed exhaust")
	}
}

func TestAnAttemptThatWasGivenUpDisturbsNothing(t *testing.T) {
	want := undisturbed(t)
	r := newRig(t)
	r.largeDay()
	in := r.fetchInput(r.part("2022-03-01", "2022-03-01"))

	// The first attempt hangs in object b, where it has staged a and told so.
	hang, inB := make(chan struct{}), make(chan struct{})
	hanging := r.deps
	hanging.Telemetry = &store{Store: r.telemetryStore, opening: func(name string) error {
		if name == "2022-03-01-b.json" {
			close(inB)
			<-hang
		}
		return nil
	}}
	env := r.environment(activities.New(hanging, r.settings))
	ended := make(chan error, 1)
	go func() {
		_, err := env.ExecuteActivity(r.FetchTelemetry, in)
		ended <- err
	}()
	<-inB
	first := r.stagedAttempt(in.Staging)
	a, err := r.telemetryStore.Stat(t.Context(), "2022-03-01-a.json")
	if err != nil {
		t.Fatal(err)
	}
	beat := activities.Heartbeat{Fetch: &activities.FetchResume{
		Next: 1,
		Fetched: activities.Fetched{
			Segments: []activities.SegmentRange{{Part: 0, Attempt: first, Count: 1, Format: 3}},
			Read:     []activities.SegmentRange{{Part: 0, Attempt: first, Count: 1, Format: 3}},
			Objects:  1, BytesRead: a.Size, BytesListed: a.Size, EventsMatched: 2, LinesSkipped: 1,
		},
	}}

	// The second one goes on from there meanwhile, on another machine.
	fetched := r.secondAttempt(in, beat)
	wantSegmentsOfTwoAttempts(t, fetched.Segments, 1, 5)
	if fetched.Segments[0].Attempt != first {
		t.Errorf("the first segments are of attempt %s, want %s", fetched.Segments[0].Attempt, first)
	}
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if r.report(built.Report) != want {
		t.Error("while the first attempt hangs the report differs from that of an undisturbed exhaust")
	}
	close(hang)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	_, built = r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if r.report(built.Report) != want {
		t.Error("after the first attempt came back the report differs from that of an undisturbed exhaust")
	}
}

// wantSegmentsOfTwoAttempts checks that a part's runs are of two attempts, so many of each.
func wantSegmentsOfTwoAttempts(t *testing.T, got []activities.SegmentRange, first, second int) {
	t.Helper()
	if len(got) != 2 || got[0].Count != first || got[1].Count != second || got[0].Attempt == got[1].Attempt ||
		got[0].Attempt == "" || got[1].Attempt == "" {
		t.Fatalf("runs %+v, want %d of one attempt and %d of another", got, first, second)
	}
}

// stagedAttempt is the name of the only attempt that has staged anything.
func (r *rig) stagedAttempt(staging string) string {
	r.t.Helper()
	attempts := map[string]bool{}
	for object, err := range r.deps.Reports.List(context.Background(), staging+"p0000-", "") {
		if err != nil {
			r.t.Fatal(err)
		}
		attempts[strings.Split(strings.TrimPrefix(object.Name, staging), "-")[1]] = true
	}
	if len(attempts) != 1 {
		r.t.Fatalf("attempts %v have staged runs, want one", attempts)
	}
	for attempt := range attempts {
		return attempt
	}
	return ""
}

// secondAttempt fetches a part in an attempt whose predecessor told that last.
func (r *rig) secondAttempt(in activities.FetchInput, last activities.Heartbeat) (fetched activities.Fetched) {
	r.t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.FetchInput) (activities.Fetched, error) {
		if activity.GetInfo(ctx).Attempt == 1 {
			activity.RecordHeartbeat(ctx, last)
			return activities.Fetched{}, errAway
		}
		return r.FetchTelemetry(ctx, in)
	}, activity.RegisterOptions{Name: "FetchTelemetry"})
	env.ExecuteWorkflow(fetchWorkflow, in)
	if err := env.GetWorkflowResult(&fetched); err != nil {
		r.t.Fatal(err)
	}
	return fetched
}

func TestAWorkerThatStopsHandsItsActivitiesBack(t *testing.T) {
	server := startTemporal(t)
	r := newRig(t)
	r.largeDay()
	var seen opened
	inC := make(chan struct{})
	first := r.deps
	first.Telemetry = &waiting{store: store{Store: r.telemetryStore, opening: func(name string) error { seen.add(name); return nil }}, at: "2022-03-01-c.json", there: inC}
	second := r.deps
	second.Telemetry = &store{Store: r.telemetryStore, opening: func(name string) error { seen.add(name); return nil }}

	run, err := server.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "fetch"}, fetchWorkflow, r.fetchInput(r.part("2022-03-01", "2022-03-01")))
	if err != nil {
		t.Fatal(err)
	}
	start := func(of *activities.Activities) worker.Worker {
		w := worker.New(server, "fetch", worker.Options{WorkerStopTimeout: 10 * time.Second, MaxHeartbeatThrottleInterval: time.Second, DefaultHeartbeatThrottleInterval: time.Second})
		w.RegisterWorkflow(fetchWorkflow)
		w.RegisterActivity(of)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := start(activities.New(first, r.settings))
	<-inC
	stopping := time.Now()
	w.Stop()
	if took := time.Since(stopping); took > 5*time.Second {
		t.Errorf("stopping took %s: the activity was not handed back", took)
	}
	w = start(activities.New(second, r.settings))
	defer w.Stop()
	var fetched activities.Fetched
	if err := run.Get(t.Context(), &fetched); err != nil {
		t.Fatal(err)
	}
	// d is opened while c is read.
	want := map[string]int{"2022-03-01-a.json": 1, "2022-03-01-b.json": 1, "2022-03-01-c.json": 2, "2022-03-01-d.json": 2}
	if got := seen.times(); !reflect.DeepEqual(got, want) {
		t.Errorf("opened %v\nwant   %v", got, want)
	}
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if r.report(built.Report) != undisturbed(t) {
		t.Error("the report differs from that of an undisturbed exhaust")
	}
}

// waiting is a store that opens one object only when its caller gives up.
type waiting struct {
	store
	at    string
	there chan struct{}
}

func (w *waiting) OpenVersion(ctx context.Context, object blob.Object) (io.ReadCloser, error) {
	if object.Name == w.at {
		w.opening(object.Name)
		close(w.there)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return w.store.OpenVersion(ctx, object)
}

func TestAnActivityOfAStoppingWorkerIsTriedAgainAtOnce(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-a.json", answer("a", "2022-03-01T10:00:00Z", device(1)))
	there := make(chan struct{})
	r.deps.Telemetry = &waiting{store: store{Store: r.telemetryStore, opening: func(string) error { return nil }}, at: "2022-03-01-a.json", there: there}
	env := r.environment(activities.New(r.deps, r.settings))
	stop := make(chan struct{})
	env.SetWorkerStopChannel(stop)
	go func() {
		<-there
		close(stop)
	}()
	_, err := env.ExecuteActivity(r.FetchTelemetry, r.fetchInput(r.part("2022-03-01", "2022-03-01")))
	failure := applicationError(t, err)
	if failure.NonRetryable() || failure.Type() != activities.Stopping || failure.NextRetryDelay() != time.Millisecond || failure.Message() != "the worker is stopping" {
		t.Errorf("non-retryable: %v, type %s, after %s: %s", failure.NonRetryable(), failure.Type(), failure.NextRetryDelay(), failure.Message())
	}
}

// startTemporal gives a client of a development server that lives as long as the test.
func startTemporal(t *testing.T) client.Client {
	t.Helper()
	server, err := devstack.StartTemporal(context.Background(), devstack.TemporalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.Dial(client.Options{HostPort: server.Address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
