package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities"
	"data-exhaust/activities/recurring"
	"data-exhaust/exhaust"
)

// Firing is what a firing of a recurring exhaust came to.
type Firing struct {
	exhaust.Window
	RequestID string         `json:"requestId,omitempty"`
	Status    exhaust.Status `json:"status,omitempty"`
	Rows      int64          `json:"rows"`
	// Note says in a sentence what is remarkable.
	Note string `json:"note,omitempty"`
	// Webhook says what has become of it; "" where there is none.
	Webhook string `json:"webhook,omitempty"`
}

// FiringMemo is the field of a firing's memo that holds its Firing.
const FiringMemo = "firing"

// RecurringScheduleID is the id of the Temporal Schedule of a recurring exhaust, and RecurringID begins
// the ids of its firings' workflows.
func RecurringScheduleID(id string) string { return "exhaust-schedule-" + id }
func RecurringID(id string) string         { return "recurring-" + id }

// scheduledAt is when Temporal's schedule wanted a workflow started, without jitter.
var scheduledAt = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// f names the activities of firings; only the names are used here.
var f *recurring.Activities

// Recurring is one firing of a recurring exhaust: it asks for the exhaust of the days since the firing
// before it, waits for it, and sends the news to the schedule's owner.
//
// It completes when there is a file, or nothing to make one of; it fails when the exhaust FAILED and is
// cancelled when the exhaust was CANCELLED.
func Recurring(ctx workflow.Context, s exhaust.Schedule) (Firing, error) {
	at, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledAt)
	if !ok {
		at = workflow.Now(ctx)
	}
	var firing Firing
	timesOnly := s
	timesOnly.Config = nil // it may be large, and says nothing of times
	err := workflow.ExecuteActivity(lookUpStep(ctx, "window"), f.FindWindow, timesOnly, at).Get(ctx, &firing.Window)
	if err != nil {
		return Firing{}, err
	}
	if firing.Empty() {
		firing.Note = "no day has ended since the firing before"
		return firing, publishFiring(ctx, firing)
	}
	days := fmt.Sprintf("%s to %s", firing.From, firing.To)
	job, err := makeWindow(ctx, s, &firing)
	if err != nil {
		return Firing{}, err
	}
	// What it found in flight may have been asked for by somebody to whom no data is a failure.
	if job.Status == exhaust.Failed && !job.AllowEmpty && job.Message == activities.NoDataMessage &&
		workflow.GetVersion(ctx, "ask again for an empty window", workflow.DefaultVersion, 1) == 1 {
		if job, err = makeWindow(ctx, s, &firing); err != nil {
			return Firing{}, err
		}
	}
	firing.setJob(job)
	if err := publishFiring(ctx, firing); err != nil {
		return Firing{}, err
	}
	switch {
	case job.Status == exhaust.Failed:
		return Firing{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("exhaust %s of %s FAILED: %s", job.ID, days, job.Message), Failed, nil)
	case job.Status == exhaust.Cancelled:
		return Firing{}, temporal.NewCanceledError(fmt.Sprintf("exhaust %s of %s was CANCELLED", job.ID, days))
	case s.Webhook == nil:
		return firing, nil
	}
	firing.Webhook = sendWebhook(ctx, s, firing, job)
	return firing, publishFiring(ctx, firing)
}

// makeWindow asks for the exhaust of a window and waits for its end.
func makeWindow(ctx workflow.Context, s exhaust.Schedule, firing *Firing) (job exhaust.Job, err error) {
	days := fmt.Sprintf("%s to %s", firing.From, firing.To)
	err = workflow.ExecuteActivity(lookUpStep(ctx, "submit "+days), f.SubmitWindow, s, firing.Window).Get(ctx, &firing.RequestID)
	if err != nil {
		return job, err
	}
	firing.Status = exhaust.Submitted
	if err := publishFiring(ctx, *firing); err != nil {
		return job, err
	}
	err = workflow.ExecuteActivity(lookUpStep(ctx, "exhaust "+firing.RequestID), f.AwaitExhaust, firing.RequestID).Get(ctx, &job)
	return job, err
}

// setJob takes over what has become of the exhaust.
func (f *Firing) setJob(job exhaust.Job) {
	f.Status = job.Status
	f.Rows = job.Progress.RowsWritten
	switch {
	case job.Status != exhaust.Success || f.Rows > 0:
		f.Note = job.Message
	case job.Progress.EventsMatched == 0:
		f.Note = fmt.Sprintf("no data from %s to %s", f.From, f.To)
	default:
		f.Note = fmt.Sprintf("no rows from %s to %s: the registry knows no device of the %d events", f.From, f.To, job.Progress.EventsMatched)
	}
}

// sendWebhook says what has become of the webhook. The file is made either way, so one that cannot be
// delivered is no failure of the firing.
func sendWebhook(ctx workflow.Context, s exhaust.Schedule, firing Firing, job exhaust.Job) string {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                "webhook to " + s.Webhook.Host,
		StartToCloseTimeout:    30 * time.Second,
		ScheduleToCloseTimeout: webhookTimeout,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    10 * time.Minute,
		},
	})
	deliver := f.DeliverWebhook
	if workflow.GetVersion(ctx, "sign with the channel's secret", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		deliver = f.SendWebhook
	}
	err := workflow.ExecuteActivity(ctx, deliver, recurring.Ready{
		News: recurring.News{
			ScheduleID: s.ID,
			RequestID:  job.ID,
			Tag:        s.Tag,
			Channel:    s.Channel,
			Dataset:    s.Dataset,
			Status:     job.Status,
			From:       firing.From,
			To:         firing.To,
			Rows:       firing.Rows,
		},
		Webhook:  *s.Webhook,
		Attempts: job.Attempts,
	}).Get(ctx, nil)
	if err != nil {
		return "not delivered: " + rootMessage(err)
	}
	return "delivered to " + s.Webhook.Host
}

// webhookTimeout is how long a webhook is tried.
const webhookTimeout = 24 * time.Hour

// publishFiring makes the firing readable from outside while it runs and after.
func publishFiring(ctx workflow.Context, firing Firing) error {
	details := firing.Note
	if details == "" && firing.RequestID != "" {
		details = fmt.Sprintf("exhaust %s of %s to %s: %s", firing.RequestID, firing.From, firing.To, firing.Status)
	}
	workflow.SetCurrentDetails(ctx, details)
	return workflow.UpsertMemo(ctx, map[string]any{FiringMemo: firing})
}

// lookUpStep is for look-ups that have to succeed in the end: no firing is lost because something was down.
func lookUpStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:             summary,
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    250 * time.Millisecond,
			BackoffCoefficient: 1.5,
			MaximumInterval:    30 * time.Second,
		},
	})
}
