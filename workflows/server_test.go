package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
	"data-exhaust/service"
	"data-exhaust/workflows"
)

// server is the development server that the tests share. It starts with the first that asks for it.
var server = sync.OnceValues(func() (*devstack.Temporal, error) {
	return devstack.StartTemporal(context.Background(), devstack.TemporalOptions{SearchAttributes: service.SearchAttributeNames()})
})

var serverAsked atomic.Bool

func TestMain(m *testing.M) {
	code := m.Run()
	if serverAsked.Load() {
		if s, err := server(); err == nil {
			if err := s.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// connect gives a client of the shared server. Its name is no machine's, for histories keep it.
func connect(t *testing.T) client.Client {
	t.Helper()
	serverAsked.Store(true)
	s, err := server()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(client.Options{
		HostPort: s.Address, Identity: "client", Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// work runs a worker of these activities until the test ends, on a task queue of the test's own.
func work(t *testing.T, c client.Client, activities any) (taskQueue string) {
	t.Helper()
	taskQueue = t.Name()
	for _, queue := range append([]string{taskQueue}, workflows.LongQueues(taskQueue)...) {
		w := worker.New(c, queue, worker.Options{
			Identity: "worker", MaxHeartbeatThrottleInterval: 50 * time.Millisecond, DefaultHeartbeatThrottleInterval: 50 * time.Millisecond,
			DisableWorkflowWorker: queue != taskQueue,
		})
		if queue == taskQueue {
			w.RegisterWorkflow(workflows.Exhaust)
			w.RegisterWorkflow(workflows.Parked)
		}
		w.RegisterActivity(activities)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
	return taskQueue
}

// start starts the workflow as the API does.
func start(t *testing.T, c client.Client, taskQueue string, in workflows.Input) client.WorkflowRun {
	t.Helper()
	return startAs(t, c, taskQueue, workflows.Exhaust, in)
}

func startAs(t *testing.T, c client.Client, taskQueue string, workflow func(workflow.Context, workflows.Input) (workflows.Result, error), in workflows.Input) client.WorkflowRun {
	t.Helper()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID:                    exhaust.WorkflowID(in.Request.ID),
		TaskQueue:             taskQueue,
		TypedSearchAttributes: workflows.SearchAttributes(in.Request),
		Memo: map[string]any{
			workflows.RequestMemo: in.Request,
			workflows.StateMemo:   exhaust.State{Status: exhaust.Submitted, UpdatedAt: in.Request.SubmittedAt},
		},
	}, workflow, in)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// history reads all events of a run.
func history(t *testing.T, c client.Client, run client.WorkflowRun) *historypb.History {
	t.Helper()
	var h historypb.History
	events := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		h.Events = append(h.Events, event)
	}
	return &h
}

// state reads what a workflow tells of itself, as the API does.
func state(t *testing.T, c client.Client, run client.WorkflowRun) (s exhaust.State, status enumspb.WorkflowExecutionStatus) {
	t.Helper()
	d, err := c.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	info := d.GetWorkflowExecutionInfo()
	if err := converter.GetDefaultDataConverter().FromPayload(info.GetMemo().GetFields()[workflows.StateMemo], &s); err != nil {
		t.Fatal(err)
	}
	var attribute string
	if err := converter.GetDefaultDataConverter().FromPayload(info.GetSearchAttributes().GetIndexedFields()[workflows.StatusAttribute.GetName()], &attribute); err != nil {
		t.Fatal(err)
	}
	if attribute != string(s.Status) {
		t.Errorf("the search attribute says %s, the memo %s", attribute, s.Status)
	}
	return s, info.GetStatus()
}

// unique is a request of which the server has no workflow yet.
func unique(r exhaust.Request) exhaust.Request {
	r.ID = fmt.Sprintf("%032X", requests.Add(1))
	return r
}

var requests atomic.Int64

func TestAnExhaustCanBeCancelledAtEachStep(t *testing.T) {
	c := connect(t)
	for _, step := range []string{"plan", "fetch", "build"} {
		t.Run(step, func(t *testing.T) {
			var wrote atomic.Bool // an activity that writes is at work
			there := make(chan struct{}, 100)
			// An activity that is cancelled hears of it by its heartbeats, and takes a moment to stop.
			hang := func(ctx context.Context) error {
				wrote.Store(true)
				defer wrote.Store(false)
				there <- struct{}{}
				for ctx.Err() == nil {
					activity.RecordHeartbeat(ctx, "at work")
					select {
					case <-ctx.Done():
					case <-time.After(20 * time.Millisecond):
					}
				}
				time.Sleep(300 * time.Millisecond)
				return ctx.Err()
			}
			s := &standIn{parts: threeParts()}
			s.end = func(context.Context) error {
				if wrote.Load() {
					return temporal.NewNonRetryableApplicationError("files are removed while another activity may write them", "Test", nil)
				}
				return nil
			}
			switch step {
			case "plan":
				s.plan = hang
			case "fetch":
				s.fetch = func(ctx context.Context, _ activities.FetchInput) (activities.Fetched, error) {
					return activities.Fetched{}, hang(ctx)
				}
			case "build":
				s.build = hang
			}
			in := workflows.Input{Request: unique(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03")), Timeout: time.Hour}
			run := start(t, c, work(t, c, s), in)
			<-there
			if err := c.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
				t.Fatal(err)
			}
			var cancelled *temporal.CanceledError
			if err := run.Get(t.Context(), nil); !errors.As(err, &cancelled) {
				t.Fatalf("error %v", err)
			}
			told, status := state(t, c, run)
			if told.Status != exhaust.Cancelled || told.Message != "cancelled on request" || status != enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED {
				t.Errorf("told %+v, workflow %s", told, status)
			}
			if got := s.last().State; !sameState(got, told) {
				t.Errorf("recorded %+v\ntold     %+v", got, told)
			}
			if len(s.ended) != 1 || s.ended[0].Staging != "staging/"+in.Request.ID+"/"+run.GetRunID()+"/" {
				t.Errorf("ended %+v", s.ended)
			}
			for _, event := range history(t, c, run).GetEvents() {
				if failed := event.GetActivityTaskFailedEventAttributes(); failed != nil {
					t.Errorf("an activity failed: %s", failed.GetFailure().GetMessage())
				}
			}
		})
	}
}

func TestACancellationThatComesTooLateChangesNothing(t *testing.T) {
	c := connect(t)
	there, on := make(chan struct{}), make(chan struct{})
	s := &standIn{parts: threeParts(), end: func(context.Context) error { close(there); <-on; return nil }}
	run := start(t, c, work(t, c, s), workflows.Input{Request: unique(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03")), Timeout: time.Hour})
	<-there
	if err := c.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
		t.Fatal(err)
	}
	close(on)
	if err := run.Get(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if told, status := state(t, c, run); told.Status != exhaust.Success || status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		t.Errorf("told %+v, workflow %s", told, status)
	}
}

func TestAnExhaustThatWaitsIsRunByItsSignalOrCancelled(t *testing.T) {
	c := connect(t)
	s := &standIn{parts: threeParts()}
	queue := work(t, c, s)
	waiting := func(workflow func(workflow.Context, workflows.Input) (workflows.Result, error)) client.WorkflowRun {
		run := startAs(t, c, queue, workflow, workflows.Input{Request: unique(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03")), Timeout: time.Hour, Wait: true})
		e2etest.Eventually(t, 20*time.Second, "it is recorded that it waits", func() bool {
			return s.last().ID+string(s.last().Status) == strings.TrimPrefix(run.GetID(), "exhaust-")+"SUBMITTED"
		})
		if told, _ := state(t, c, run); told.Status != exhaust.Submitted {
			t.Errorf("told %+v", told)
		}
		return run
	}
	for name, test := range map[string]struct {
		workflow func(workflow.Context, workflows.Input) (workflows.Result, error)
		signal   any
		queue    string
	}{
		"for the night":            {workflows.Parked, workflows.Release{Night: true}, workflows.NightQueue(queue)},
		"for somebody":             {workflows.Parked, workflows.Release{}, workflows.ScanQueue(queue)},
		"by an earlier release":    {workflows.Parked, nil, workflows.ScanQueue(queue)},
		"begun by one, by a night": {workflows.Exhaust, workflows.Release{Night: true}, workflows.NightQueue(queue)},
		"begun and run by one":     {workflows.Exhaust, nil, workflows.ScanQueue(queue)},
	} {
		run := waiting(test.workflow)
		if s.last().Parked != (reflect.ValueOf(test.workflow).Pointer() == reflect.ValueOf(workflows.Parked).Pointer()) {
			t.Errorf("%s: recorded %+v", name, s.last())
		}
		if err := c.SignalWorkflow(t.Context(), run.GetID(), "", workflows.StartSignal, test.signal); err != nil {
			t.Fatal(err)
		}
		last := c.GetWorkflow(t.Context(), run.GetID(), "")
		if err := last.Get(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if told, _ := state(t, c, c.GetWorkflow(t.Context(), run.GetID(), "")); told.Status != exhaust.Success || told.Parked {
			t.Errorf("%s: told %+v", name, told)
		}
		if got := s.queues["FetchTelemetry"]; got != test.queue {
			t.Errorf("%s: it was read by %s, want %s", name, got, test.queue)
		}
	}
	fetched := s.count("FetchTelemetry")
	run := waiting(workflows.Parked)
	if err := c.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
		t.Fatal(err)
	}
	var cancelled *temporal.CanceledError
	if err := run.Get(t.Context(), nil); !errors.As(err, &cancelled) {
		t.Fatalf("error %v", err)
	}
	if told, _ := state(t, c, run); told.Status != exhaust.Cancelled || s.last().Status != exhaust.Cancelled || s.count("FetchTelemetry") != fetched {
		t.Errorf("told %+v, recorded %+v", told, s.last())
	}
}

// TestACancellationIsNotLostToARelease: the worker that comes back sees both at once, and the next run would know of neither.
func TestACancellationIsNotLostToARelease(t *testing.T) {
	c := connect(t)
	s := &standIn{parts: threeParts()}
	queue := t.Name()
	waits := worker.New(c, queue, worker.Options{})
	waits.RegisterWorkflow(workflows.Parked)
	waits.RegisterActivity(s)
	e2etest.Must(t, waits.Start())
	run := startAs(t, c, queue, workflows.Parked, workflows.Input{Request: unique(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03")), Timeout: time.Hour})
	e2etest.Eventually(t, 20*time.Second, "it is recorded that it waits", func() bool { return s.last().Status == exhaust.Submitted })
	waits.Stop()
	e2etest.Must(t, c.SignalWorkflow(t.Context(), run.GetID(), "", workflows.StartSignal, workflows.Release{}))
	e2etest.Must(t, c.CancelWorkflow(t.Context(), run.GetID(), ""))
	work(t, c, s)
	var cancelled *temporal.CanceledError
	if err := run.Get(t.Context(), nil); !errors.As(err, &cancelled) || s.last().Status != exhaust.Cancelled || s.count("FetchTelemetry") > 0 {
		t.Errorf("it ended with %v as %+v", err, s.last())
	}
}

func TestAnExhaustIsGivenUpAfterItsTimeout(t *testing.T) {
	c := connect(t)
	for _, test := range []struct {
		name     string
		fetch    func(context.Context, activities.FetchInput) (activities.Fetched, error)
		sentence string
	}{
		{"the store is away", func(context.Context, activities.FetchInput) (activities.Fetched, error) {
			return activities.Fetched{}, errAway
		}, "gave up after 2s in phase FETCHING: the store is away"},
		{"reading never ends", func(ctx context.Context, _ activities.FetchInput) (activities.Fetched, error) {
			for ctx.Err() == nil {
				activity.RecordHeartbeat(ctx, "at work")
				time.Sleep(50 * time.Millisecond)
			}
			return activities.Fetched{}, ctx.Err()
		}, "gave up after 2s in phase FETCHING: reading the telemetry did not end in time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &standIn{parts: threeParts(), fetch: test.fetch}
			// The end is recorded even though the database is away for longer than the timeout.
			var recording atomic.Int32
			s.end = func(context.Context) error {
				if n := recording.Add(1); n < 5 {
					return errAway
				}
				return nil
			}
			run := start(t, c, work(t, c, s), workflows.Input{Request: unique(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03")), Timeout: 2 * time.Second})
			err := run.Get(t.Context(), nil)
			var failure *temporal.ApplicationError
			if !errors.As(err, &failure) || failure.Message() != test.sentence {
				t.Errorf("got  %v\nwant %s", err, test.sentence)
			}
			told, _ := state(t, c, run)
			if job := s.last(); job.Status != exhaust.Failed || job.Message != test.sentence || !job.Retryable || !sameState(job.State, told) {
				t.Errorf("recorded %+v\ntold %+v", job, told)
			}
			if n := recording.Load(); n != 5 {
				t.Errorf("%d attempts at recording, want 5", n)
			}
		})
	}
}

func TestAYearOfTelemetryStaysUnderTwoThousandEvents(t *testing.T) {
	c := connect(t)
	s := &standIn{parts: partsOf(240)} // as many as PlanFetch makes
	run := start(t, c, work(t, c, s), workflows.Input{Request: unique(request(exhaust.ResponseExhaust, "2022-01-01", "2022-12-31")), Timeout: time.Hour})
	if err := run.Get(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := s.count("FetchTelemetry"); n != 240 {
		t.Fatalf("%d parts were fetched", n)
	}
	counts := map[enumspb.EventType]int{}
	events := history(t, c, run).GetEvents()
	for _, event := range events {
		counts[event.GetEventType()]++
	}
	t.Logf("%d events: %v", len(events), counts)
	if len(events) >= 2000 {
		t.Errorf("%d events, want fewer than 2000", len(events))
	}
	// Activities that end one by one have a workflow task of three events each.
	tasks := counts[enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
	worst := len(events) + 3*(counts[enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED]+1-tasks)
	if worst >= 2000 {
		t.Errorf("up to %d events, want fewer than 2000", worst)
	}
	// Each part but the last tells once, and each of the other steps: begin, plan, build, sign, end.
	if n := counts[enumspb.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED]; n != 244 {
		t.Errorf("the memo was told %d times, want 244", n)
	}
	// The status is told twice, the version of the workflow once.
	if n := counts[enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES]; n != 3 {
		t.Errorf("the search attributes were told %d times, want 3", n)
	}
}
