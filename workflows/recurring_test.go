package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"data-exhaust/activities/recurring"
	"data-exhaust/exhaust"
	"data-exhaust/workflows"
)

// fires is when the schedule of these tests fires, and week the days that the firing covers.
var (
	fires = time.Date(2022, 3, 14, 0, 30, 0, 0, time.UTC)
	week  = exhaust.Window{Firing: fires, From: "2022-03-07", To: "2022-03-13"}
)

// firingSteps has an activity under each of the names that a firing calls.
type firingSteps struct {
	window exhaust.Window
	job    exhaust.Job
	// again, where it is not nil, is the exhaust once it has been asked for a second time.
	again *exhaust.Job
	// pending is how often the exhaust is looked at before it has ended.
	pending int
	// webhook gives the error of a try; nil where it is delivered.
	webhook func(try int) error

	asked   time.Time
	looks   int
	sent    int
	told    recurring.Ready
	submits int
}

func (s *firingSteps) FindWindow(_ context.Context, _ exhaust.Schedule, at time.Time) (exhaust.Window, error) {
	s.asked = at
	return s.window, nil
}

func (s *firingSteps) SubmitWindow(context.Context, exhaust.Schedule, exhaust.Window) (string, error) {
	s.submits++
	return s.job.ID, nil
}

func (s *firingSteps) AwaitExhaust(context.Context, string) (exhaust.Job, error) {
	if s.looks++; s.looks <= s.pending {
		return exhaust.Job{}, temporal.NewApplicationError("exhaust is PROCESSING", recurring.NotEnded)
	}
	if s.again != nil && s.submits > 1 {
		return *s.again, nil
	}
	return s.job, nil
}

func (s *firingSteps) DeliverWebhook(_ context.Context, ready recurring.Ready) error {
	s.told = ready
	s.sent++
	if s.webhook == nil {
		return nil
	}
	return s.webhook(s.sent)
}

func recurringSchedule(webhook bool) exhaust.Schedule {
	s := exhaust.Schedule{
		ID: "abc", Dataset: exhaust.ResponseExhaust, Tag: "weekly", Channel: "0130", RequestedBy: "me",
		Config: []byte(`{"conversationId":"c"}`), ConversationID: "c", Cron: "0 6 * * 1", Zone: "Asia/Kolkata",
	}
	if webhook {
		s.Webhook = &exhaust.SealedWebhook{Host: "hooks.example.org", Sealed: "c2VhbGVk"}
	}
	return s
}

func made(status exhaust.Status, events, rows int64, message string) exhaust.Job {
	return exhaust.Job{
		Request: exhaust.Request{ID: requestID}, State: exhaust.State{Status: status, Message: message, Attempts: 1,
			Progress: exhaust.Progress{EventsMatched: events, RowsWritten: rows}},
	}
}

// emptyFor is the exhaust of a window without any event, as it ends for a firing, or for somebody to whom no data is a failure.
func emptyFor(firing bool) exhaust.Job {
	if !firing {
		return made(exhaust.Failed, 0, 0, "No data found")
	}
	job := made(exhaust.Success, 0, 0, "")
	job.AllowEmpty = true
	return job
}

// TestAFiringThatFindsTheExhaustOfSomebodyElseAsksAgainWhereThatHadNoData: it found it in flight.
func TestAFiringThatFindsTheExhaustOfSomebodyElseAsksAgainWhereThatHadNoData(t *testing.T) {
	allowed := emptyFor(false)
	allowed.AllowEmpty = true
	empty := workflows.Firing{Window: week, RequestID: requestID, Status: exhaust.Success, Note: "no data from 2022-03-07 to 2022-03-13"}
	const failed = "exhaust " + requestID + " of 2022-03-07 to 2022-03-13 FAILED: "
	for _, c := range []struct {
		name       string
		job, again exhaust.Job
		want       workflows.Firing
		failure    string
		submits    int
	}{
		{"no data", emptyFor(false), emptyFor(true), empty, "", 2},
		{"no data, for somebody else once more", emptyFor(false), emptyFor(false), workflows.Firing{}, failed + "No data found", 2},
		{"no data, though it may be empty", allowed, emptyFor(true), workflows.Firing{}, failed + "No data found", 1},
		{"another failure", made(exhaust.Failed, 0, 0, "part 3 is corrupt"), emptyFor(true), workflows.Firing{}, failed + "part 3 is corrupt", 1},
		{"cancelled", made(exhaust.Cancelled, 0, 0, "cancelled on request"), emptyFor(true), workflows.Firing{}, "canceled", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps := firingSteps{window: week, job: c.job, again: &c.again, pending: 1}
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(quiet)
			env := suite.NewTestWorkflowEnvironment()
			env.RegisterActivity(&steps)
			env.ExecuteWorkflow(workflows.Recurring, recurringSchedule(false))
			var got workflows.Firing
			err := env.GetWorkflowError()
			if err == nil {
				err = env.GetWorkflowResult(&got)
			}
			if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.failure == "") || err != nil && !strings.Contains(err.Error(), c.failure) {
				t.Errorf("got  %+v, %v\nwant %+v, %s", got, err, c.want, c.failure)
			}
			if steps.submits != c.submits {
				t.Errorf("it asked %d times, want %d", steps.submits, c.submits)
			}
		})
	}
}

func TestAFiringSaysWhatItCameTo(t *testing.T) {
	refused := func(int) error {
		return temporal.NewNonRetryableApplicationError("hooks.example.org answered 410", recurring.WebhookRefused, nil)
	}
	for _, c := range []struct {
		name    string
		steps   firingSteps
		webhook bool
		want    workflows.Firing
		failure string
		sent    int
	}{
		{name: "a file", steps: firingSteps{window: week, job: made(exhaust.Success, 9, 7, ""), pending: 5},
			want: workflows.Firing{Window: week, RequestID: requestID, Status: exhaust.Success, Rows: 7}},
		{name: "no data", steps: firingSteps{window: week, job: made(exhaust.Success, 0, 0, "")},
			want: workflows.Firing{Window: week, RequestID: requestID, Status: exhaust.Success, Note: "no data from 2022-03-07 to 2022-03-13"}},
		{name: "only unknown devices", steps: firingSteps{window: week, job: made(exhaust.Success, 5, 0, "")},
			want: workflows.Firing{Window: week, RequestID: requestID, Status: exhaust.Success, Note: "no rows from 2022-03-07 to 2022-03-13: the registry knows no device of the 5 events"}},
		{name: "no day", steps: firingSteps{window: exhaust.Window{Firing: fires}}, webhook: true,
			want: workflows.Firing{Window: exhaust.Window{Firing: fires}, Note: "no day has ended since the firing before"}},
		{name: "a failed exhaust", steps: firingSteps{window: week, job: made(exhaust.Failed, 0, 0, "part 3 is corrupt")}, webhook: true,
			failure: "exhaust " + requestID + " of 2022-03-07 to 2022-03-13 FAILED: part 3 is corrupt"},
		{name: "a cancelled exhaust", steps: firingSteps{window: week, job: made(exhaust.Cancelled, 0, 0, "cancelled on request")}, webhook: true,
			failure: "canceled"},
		{name: "a webhook", steps: firingSteps{window: week, job: made(exhaust.Success, 9, 7, "")}, webhook: true, sent: 1,
			want: workflows.Firing{Window: week, RequestID: requestID, Status: exhaust.Success, Rows: 7, Webhook: "delivered to hooks.example.org"}},
		{name: "a webhook at the fifth try", steps: firingSteps{window: week, job: made(exhaust.Success, 9, 7, ""), webhook: func(try int) error {
			if try < 5 {
				return errors.New("hooks.example.org answered 500")
			}
			return nil
		}}, webhook: true, sent: 5,
			want: workflows.Firing{Window: week, RequestID: requestID, Status: exhaust.Success, Rows: 7, Webhook: "delivered to hooks.example.org"}},
		{name: "a webhook refused for good", steps: firingSteps{window: week, job: made(exhaust.Success, 9, 7, ""), webhook: refused}, webhook: true, sent: 1,
			want: workflows.Firing{Window: week, RequestID: requestID, Status: exhaust.Success, Rows: 7, Webhook: "not delivered: hooks.example.org answered 410"}},
		// The test environment ends its tries after ten; TestRecordFirings has the real end.
		{name: "a webhook that nobody takes", steps: firingSteps{window: week, job: made(exhaust.Success, 9, 7, ""), webhook: func(int) error {
			return errors.New("hooks.example.org answered 500")
		}}, webhook: true, sent: 10,
			want: workflows.Firing{Window: week, RequestID: requestID, Status: exhaust.Success, Rows: 7, Webhook: "not delivered: hooks.example.org answered 500"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(quiet)
			env := suite.NewTestWorkflowEnvironment()
			env.SetTestTimeout(time.Minute)
			env.RegisterActivity(&c.steps)
			at := temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")
			if err := env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(at.ValueSet(fires))); err != nil {
				t.Fatal(err)
			}
			env.ExecuteWorkflow(workflows.Recurring, recurringSchedule(c.webhook))
			var got workflows.Firing
			err := env.GetWorkflowError()
			if err == nil {
				err = env.GetWorkflowResult(&got)
			}
			if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.failure == "") || err != nil && !strings.Contains(err.Error(), c.failure) {
				t.Errorf("got  %+v, %v\nwant %+v, %s", got, err, c.want, c.failure)
			}
			if !c.steps.asked.Equal(fires) {
				t.Errorf("the window of %s was asked for, want the schedule's time %s", c.steps.asked, fires)
			}
			if c.steps.sent != c.sent {
				t.Errorf("the webhook was tried %d times, want %d", c.steps.sent, c.sent)
			}
			if wantReady := (recurring.Ready{
				News: recurring.News{
					ScheduleID: "abc", RequestID: requestID, Tag: "weekly", Channel: "0130",
					Dataset: exhaust.ResponseExhaust, Status: exhaust.Success, From: "2022-03-07", To: "2022-03-13", Rows: 7,
				},
				Webhook: exhaust.SealedWebhook{Host: "hooks.example.org", Sealed: "c2VhbGVk"}, Attempts: 1,
			}); c.sent > 0 && c.steps.told != wantReady {
				t.Errorf("the webhook tells %+v\nwant %+v", c.steps.told, wantReady)
			}
		})
	}
}

const recurringDir = "testdata/recurring"

// firingRecordings are the ways of a firing of which there is a history.
var firingRecordings = map[string]firingSteps{
	"made-and-told": {window: week, job: made(exhaust.Success, 9, 7, ""), pending: 2, webhook: func(try int) error {
		if try == 1 {
			return errors.New("hooks.example.org answered 500")
		}
		return nil
	}},
	"asked-again": {window: week, job: emptyFor(false), again: new(emptyFor(true)), pending: 1},
	"no-day":      {window: exhaust.Window{Firing: fires}},
	"failed":      {window: week, job: made(exhaust.Failed, 0, 0, "part 3 is corrupt")},
	"delivered": {window: week, job: made(exhaust.Success, 9, 7, ""), webhook: func(try int) error {
		if try == 1 {
			return errors.New("hooks.example.org answered 500")
		}
		return nil
	}},
	"webhook-refused": {window: week, job: made(exhaust.Success, 9, 7, ""), webhook: func(int) error {
		return temporal.NewNonRetryableApplicationError("hooks.example.org answered 410", recurring.WebhookRefused, nil)
	}},
}

// TestRecordFirings runs each way of a firing on a real server. Today's histories replay too, and with
// -record they are kept.
func TestRecordFirings(t *testing.T) {
	if *record {
		worker.SetStickyWorkflowCacheSize(0)
	}
	c := connect(t)
	for name, steps := range firingRecordings {
		t.Run(name, func(t *testing.T) {
			w := worker.New(c, t.Name(), worker.Options{Identity: "worker"})
			w.RegisterWorkflow(workflows.Recurring)
			w.RegisterActivityWithOptions(&steps, activity.RegisterOptions{})
			if err := w.Start(); err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
				ID: workflows.RecurringID("abc") + "-" + name, TaskQueue: t.Name(),
			}, workflows.Recurring, recurringSchedule(true))
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Get(t.Context(), nil); (err != nil) != (steps.job.Status == exhaust.Failed && steps.again == nil) {
				t.Fatal(err)
			}
			h := history(t, c, run)
			if err := firingReplayer(t).ReplayWorkflowHistory(quiet, h); err != nil {
				t.Error(err)
			}
			if name == "made-and-told" {
				triedForADay(t, h)
			}
			if !*record {
				return
			}
			text, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(h)
			if err == nil {
				err = os.WriteFile(filepath.Join(recurringDir, name+".json"), append(text, '\n'), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// triedForADay fails the test unless the webhook was to be tried after 1 s, 2 s, 4 s … up to every 10
// minutes for a day, and an exhaust is waited for without an end.
func triedForADay(t *testing.T, h *historypb.History) {
	t.Helper()
	got := map[string]string{}
	for _, event := range h.Events {
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			retry := scheduled.RetryPolicy
			got[scheduled.ActivityType.Name] = fmt.Sprint(retry.InitialInterval.AsDuration(), " ", retry.BackoffCoefficient, " ", retry.MaximumInterval.AsDuration(),
				" ", retry.MaximumAttempts, " ", scheduled.ScheduleToCloseTimeout.AsDuration())
		}
	}
	if want := "1s 2 10m0s 0 24h0m0s"; got["DeliverWebhook"] != want {
		t.Errorf("the webhook's tries are %s, want %s", got["DeliverWebhook"], want)
	}
	if want := "250ms 1.5 30s 0 0s"; got["AwaitExhaust"] != want {
		t.Errorf("an exhaust is looked at %s, want %s", got["AwaitExhaust"], want)
	}
}

// TestRecordedFiringsReplay fails where a change of the workflow would break firings that run while it
// is rolled out.
func TestRecordedFiringsReplay(t *testing.T) {
	replayAll(t, recurringDir, firingReplayer(t), slices.Collect(maps.Keys(firingRecordings)))
}

func firingReplayer(t *testing.T) worker.WorkflowReplayer {
	t.Helper()
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflow(workflows.Recurring)
	return r
}
