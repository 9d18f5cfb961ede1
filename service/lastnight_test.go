package service_test

import (
	"context"
	"errors"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"data-exhaust/activities/night"
	"data-exhaust/internal/e2etest"
	"data-exhaust/service"
	"data-exhaust/telemetry"
	"data-exhaust/workflows"
)

// operationsOf are those of a namespace's Temporal, with no database and no store.
func operationsOf(c client.Client, namespace string) *service.Operations {
	exhausts := service.NewExhausts(c, nil, nil, service.Settings{Timezone: time.UTC})
	return service.NewOperations(exhausts, service.NewDeployment(c, namespace, "", "nobody"), nil, telemetry.Layout{})
}

// work stands for a worker whose nights continue as new once, and then come to a summary, or fail.
func (n *nightNamespace) work(summary workflows.Summary, areFailing *atomic.Bool) {
	n.t.Helper()
	w := worker.New(n.Client, nightSettings.TaskQueue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.NightInput) (workflows.Summary, error) {
		if in.Carried == nil {
			in.Carried = &workflows.Night{}
			return workflows.Summary{}, workflow.NewContinueAsNewError(ctx, "Nightly", in)
		}
		if areFailing.Load() {
			return workflows.Summary{}, errors.New("no worker can do it")
		}
		return summary, nil
	}, workflow.RegisterOptions{Name: "Nightly"})
	e2etest.Must(n.t, w.Start())
	n.t.Cleanup(w.Stop)
}

func TestTheLastNightIsReportedWithAndWithoutWorkers(t *testing.T) {
	t.Parallel()
	n := newNightNamespace(t)
	o := operationsOf(n, n.name)
	report := func() service.NightReport {
		t.Helper()
		got, err := o.LastNight(t.Context())
		e2etest.Must(t, err)
		return got
	}
	if got := report(); got != (service.NightReport{}) {
		t.Errorf("without a schedule: %+v", got)
	}
	n.ensure(nightSettings)
	india, err := time.LoadLocation(kolkata)
	e2etest.Must(t, err)
	if got := report(); got.WorkflowID != "" || got.RunID != "" || got.State != "" || got.Summary != nil || !got.StartedAt.IsZero() || got.Paused ||
		got.Next.In(india).Format("15:04") != "02:00" || time.Until(got.Next) <= 0 || time.Until(got.Next) > 24*time.Hour {
		t.Errorf("before the first night: %+v", got)
	}

	handle := n.ScheduleClient().GetHandle(t.Context(), service.NightlySchedule)
	// next triggers another night, and waits for it to stand so.
	next := func(after, state string) (got service.NightReport) {
		t.Helper()
		e2etest.Must(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
		e2etest.Eventually(t, time.Minute, "the night is "+state, func() bool {
			got = report()
			return got.RunID != after && got.State == state
		})
		return got
	}
	begin := time.Now()
	running := next("", service.NightRunning)
	if running.RunID == "" || running.Summary != nil || !running.EndedAt.IsZero() || running.StartedAt.Sub(begin).Abs() > time.Minute {
		t.Errorf("without a worker: %+v", running)
	}
	summary := workflows.Summary{StartedAt: begin.UTC().Truncate(time.Second), Starts: 7, Failed: 2, Success: 5, Problems: []string{"a problem"},
		Failures: []night.Outcome{{RequestID: "A"}}}
	var areFailing atomic.Bool
	n.work(summary, &areFailing)
	var completed service.NightReport
	e2etest.Eventually(t, time.Minute, "the night has ended", func() bool {
		completed = report()
		return completed.State == service.NightCompleted
	})
	if got := completed.Summary; got == nil || got.Starts != 7 || got.Failed != 2 || len(got.Failures) != 1 || len(got.Problems) != 1 || !got.StartedAt.Equal(summary.StartedAt) {
		t.Errorf("it came to %+v", got)
	}
	if completed.WorkflowID != running.WorkflowID || completed.RunID == running.RunID || !completed.StartedAt.Equal(running.StartedAt) || completed.EndedAt.Before(completed.StartedAt) {
		t.Errorf("running it was %+v, completed it is %+v", running, completed)
	}

	e2etest.Must(t, handle.Pause(t.Context(), client.SchedulePauseOptions{Note: "the store is being moved"}))
	if got := report(); !got.Paused || got.Note != "the store is being moved" || !got.Next.IsZero() || got.RunID != completed.RunID || got.Summary == nil {
		t.Errorf("paused: %+v", got)
	}
	areFailing.Store(true)
	failed := next(completed.RunID, "FAILED")
	if failed.Summary != nil || failed.EndedAt.IsZero() || !failed.Paused {
		t.Errorf("failed: %+v", failed)
	}

	// A schedule that has been paused for longer than Temporal keeps workflows.
	forgetful := dial(t, n.name, func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if path.Base(method) == "DescribeWorkflowExecution" {
			return status.Error(codes.NotFound, "there is none")
		}
		return call(ctx, method, request, answer, conn, options...)
	})
	o = operationsOf(forgetful, n.name)
	if got := report(); got.State != "" || got.EndedAt != (time.Time{}) || got.WorkflowID != failed.WorkflowID || got.RunID != "" || !got.StartedAt.Equal(failed.StartedAt) {
		t.Errorf("forgotten: %+v", got)
	}
}
