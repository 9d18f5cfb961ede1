package service_test

import (
	"bytes"
	"context"
	"maps"
	"path"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"data-exhaust/internal/e2etest"
	"data-exhaust/service"
	"data-exhaust/workflows"
)

// nightNamespace is a Temporal namespace with a client of its own: there is one schedule of the night in each.
type nightNamespace struct {
	client.Client
	t    *testing.T
	name string
}

func newNightNamespace(t *testing.T) *nightNamespace {
	t.Helper()
	n := &nightNamespace{t: t, name: e2etest.Serial("night-")}
	_, err := temporalClient.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: n.name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	e2etest.Must(t, err)
	n.Client = dial(t, n.name)
	// The server takes notice of it a moment later.
	e2etest.Eventually(t, time.Minute, "the namespace is there", func() bool {
		list, err := n.ScheduleClient().List(t.Context(), client.ScheduleListOptions{})
		return err == nil && !list.HasNext()
	})
	return n
}

func (n *nightNamespace) ensure(s service.NightlySettings) {
	n.t.Helper()
	e2etest.Must(n.t, service.EnsureNightly(n.t.Context(), n, s))
}

func (n *nightNamespace) describe() *workflowservice.DescribeScheduleResponse {
	n.t.Helper()
	description, err := n.WorkflowService().DescribeSchedule(n.t.Context(), &workflowservice.DescribeScheduleRequest{
		Namespace: n.name, ScheduleId: "exhaust-nightly",
	})
	e2etest.Must(n.t, err)
	return description
}

// nightSchedule is what an operator sees of the schedule.
type nightSchedule struct {
	When      string
	Overlap   enumspb.ScheduleOverlapPolicy
	CatchUp   time.Duration
	Paused    bool
	Note      string
	Workflow  string
	TaskQueue string
	Input     map[string]any
	Summary   string
}

func (n *nightNamespace) schedule() nightSchedule {
	n.t.Helper()
	s := n.describe().Schedule
	action := s.Action.GetStartWorkflow()
	shown := nightSchedule{
		When: timesOf(s.Spec), Overlap: s.Policies.OverlapPolicy, CatchUp: s.Policies.CatchupWindow.AsDuration(),
		Paused: s.State.Paused, Note: s.State.Notes, Workflow: action.WorkflowType.Name, TaskQueue: action.TaskQueue.Name,
	}
	e2etest.Must(n.t, converter.GetDefaultDataConverter().FromPayloads(action.Input, &shown.Input))
	e2etest.Must(n.t, converter.GetDefaultDataConverter().FromPayload(action.UserMetadata.GetSummary(), &shown.Summary))
	return shown
}

func timesOf(spec *schedulepb.ScheduleSpec) string {
	var when string
	for _, calendar := range spec.StructuredCalendar {
		when += time.Date(0, 1, 1, int(calendar.Hour[0].Start), int(calendar.Minute[0].Start), 0, 0, time.UTC).Format("15:04 ")
	}
	return when + spec.TimezoneName
}

var nightSettings = service.NightlySettings{
	Cron: "0 2 * * *", Timezone: "Asia/Kolkata", TaskQueue: "nobody",
	Input: workflows.NightInput{Concurrency: 8, Watch: 2 * time.Hour, Timeout: 24 * time.Hour},
}

// nightScheduleWanted is what nightSettings come to.
var nightScheduleWanted = nightSchedule{
	When: "02:00 Asia/Kolkata", Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE, CatchUp: 24 * time.Hour,
	Note: "releases the exhausts that wait for the night, retries, deletes what has expired", Workflow: "Nightly", TaskQueue: "nobody",
	Input:   map[string]any{"concurrency": 8.0, "watch": 7.2e12, "timeout": 8.64e13, "schedule": "0 2 * * * Asia/Kolkata"},
	Summary: "the night: exhausts that wait, retries, retention",
}

func (n *nightNamespace) want(what string, want nightSchedule) {
	n.t.Helper()
	if got := n.schedule(); !reflect.DeepEqual(got, want) {
		n.t.Errorf("%s the schedule is\n%+v\nwant\n%+v", what, got, want)
	}
}

// createEarlier makes the schedule as the release before Watch made it.
func (n *nightNamespace) createEarlier() {
	n.t.Helper()
	_, err := n.ScheduleClient().Create(n.t.Context(), client.ScheduleOptions{
		ID:            "exhaust-nightly",
		Spec:          client.ScheduleSpec{CronExpressions: []string{"0 2 * * *"}, TimeZoneName: "Asia/Kolkata"},
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: 24 * time.Hour,
		Note:          "runs the exhausts that wait for the night, retries, deletes what has expired",
		Action: &client.ScheduleWorkflowAction{
			ID: "nightly", Workflow: "Nightly", TaskQueue: "nobody",
			Args: []any{map[string]any{
				"concurrency": 8, "timeout": 24 * time.Hour, "schedule": "0 2 * * * Asia/Kolkata",
			}},
			StaticSummary: "the night: exhausts that wait, retries, retention",
			StaticDetails: "Runs every exhaust that waits for the night.",
		},
	})
	e2etest.Must(n.t, err)
}

func TestTheNightsScheduleOfTheReleaseBeforeIsBroughtUpToDateByManyWorkersAtOnce(t *testing.T) {
	t.Parallel()
	n := newNightNamespace(t)
	n.createEarlier()
	var workers sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		workers.Go(func() { errs <- service.EnsureNightly(t.Context(), n, nightSettings) })
	}
	workers.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	n.want("brought up to date", nightScheduleWanted)
}

// TestTheNightsScheduleIsUpdatedOnlyWhereItDiffers: an update that changes nothing could undo what an operator does at the
// same moment.
func TestTheNightsScheduleIsUpdatedOnlyWhereItDiffers(t *testing.T) {
	t.Parallel()
	n := newNightNamespace(t)
	n.ensure(nightSettings)
	n.want("new", nightScheduleWanted)
	before := n.describe()
	n.ensure(nightSettings)
	after := n.describe()
	if after.Info.UpdateTime != nil || !bytes.Equal(before.ConflictToken, after.ConflictToken) {
		t.Errorf("one that agrees is updated at %s", after.Info.UpdateTime.AsTime())
	}
	changes := map[string]func(s *service.NightlySettings, w *nightSchedule){
		"the time": func(s *service.NightlySettings, w *nightSchedule) {
			s.Cron, w.When, w.Input["schedule"] = "30 1 * * *", "01:30 Asia/Kolkata", "30 1 * * * Asia/Kolkata"
		},
		"the zone": func(s *service.NightlySettings, w *nightSchedule) {
			s.Timezone, w.When, w.Input["schedule"] = "UTC", "02:00 UTC", "0 2 * * * UTC"
		},
		"the task queue": func(s *service.NightlySettings, w *nightSchedule) {
			s.TaskQueue, w.TaskQueue = "somebody", "somebody"
		},
		"how many": func(s *service.NightlySettings, w *nightSchedule) {
			s.Input.Concurrency, w.Input["concurrency"] = 3, 3.0
		},
		"how long": func(s *service.NightlySettings, w *nightSchedule) {
			s.Input.Watch, w.Input["watch"] = time.Minute, 6e10
		},
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		settings, want := nightSettings, nightScheduleWanted
		want.Input = maps.Clone(want.Input)
		changes[name](&settings, &want)
		n.ensure(settings)
		n.want("with another "+name, want)
		if got := n.describe().Info.UpdateTime; got == nil {
			t.Errorf("with another %s it is not updated", name)
		}
		n.ensure(nightSettings)
		n.want("after another "+name, nightScheduleWanted)
	}
}

func TestAPauseOfTheNightAndItsReasonAreKept(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]func(*nightNamespace){
		"of the release before": (*nightNamespace).createEarlier,
		"of this one":           func(n *nightNamespace) { n.ensure(nightSettings) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNightNamespace(t)
			create(n)
			handle := n.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly")
			e2etest.Must(t, handle.Pause(t.Context(), client.SchedulePauseOptions{Note: "the store is being moved"}))
			want := nightScheduleWanted
			want.Paused, want.Note = true, "the store is being moved"
			n.ensure(nightSettings)
			n.want("paused", want)
			before := n.describe()
			n.ensure(nightSettings)
			if after := n.describe(); !bytes.Equal(before.ConflictToken, after.ConflictToken) {
				t.Error("one that is paused and agrees is updated")
			}
			// It ends with a note of its own, which says nothing about the schedule.
			e2etest.Must(t, handle.Unpause(t.Context(), client.ScheduleUnpauseOptions{Note: "moved"}))
			n.ensure(nightSettings)
			n.want("resumed", nightScheduleWanted)
		})
	}
}

// TestTheNightsScheduleIsMadeByAWorkerThatTemporalKeptWaiting: a server that is slow at a worker's start answers too late, and
// the worker asks again.
func TestTheNightsScheduleIsMadeByAWorkerThatTemporalKeptWaiting(t *testing.T) {
	t.Parallel()
	n := newNightNamespace(t)
	late := map[string]int{"CreateSchedule": 2, "UpdateSchedule": 1}
	slow := dial(t, n.name, func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
		name := path.Base(method)
		err := call(ctx, method, request, answer, conn, options...)
		if late[name] > 0 {
			late[name]--
			return status.Error(codes.DeadlineExceeded, "context deadline exceeded")
		}
		return err
	})
	ensure := func(settings service.NightlySettings) {
		t.Helper()
		e2etest.Eventually(t, 30*time.Second, "the schedule is ensured", func() bool {
			return service.EnsureNightly(t.Context(), slow, settings) == nil
		})
	}
	ensure(nightSettings)
	n.want("made", nightScheduleWanted)
	changed := nightSettings
	changed.Input.Concurrency = 9
	ensure(changed)
	if got := n.schedule().Input["concurrency"]; got != 9.0 || late["CreateSchedule"]+late["UpdateSchedule"] != 0 {
		t.Errorf("brought up to date it has %v at work; not asked as often as thought: %v", got, late)
	}
	refused := nightSettings
	refused.Cron = "not a time"
	if err := service.EnsureNightly(t.Context(), slow, refused); !service.IsRefusal(err) {
		t.Errorf("what Temporal refuses ends with %v", err)
	}
}
