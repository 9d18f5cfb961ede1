// Package recurring does the work of one firing of a recurring exhaust (which days it covers, the exhaust of these days,
// the news to the schedule's owner), makes no exhaust itself, and keeps no state.
package recurring

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/sdk/temporal"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

// Activities holds what the steps of a firing work with. Its methods are the activities.
type Activities struct {
	exhausts Exhausts
	calendar exhaust.Calendar
	salts    WebhookSalts
	settings Settings
	webhooks *http.Client
}

// Exhausts makes the exhausts of firings.
type Exhausts interface {
	// SubmitAt starts or finds an exhaust as if it were submitted at that time. With allowEmpty one
	// without any event succeeds.
	SubmitAt(ctx context.Context, submission exhaust.Submission, at time.Time, allowEmpty bool) (exhaust.Job, error)
	// Find is how it stands.
	Find(ctx context.Context, requestID string) (exhaust.Job, error)
}

// WebhookSalts keeps what the secrets of channels are derived from.
type WebhookSalts interface {
	// WebhookSalts are those of a channel whose secrets sign at a time, the newest first.
	WebhookSalts(ctx context.Context, channel string, at time.Time) ([]exhaust.WebhookSalt, error)
}

// Settings are those that firings follow.
type Settings struct {
	// Timezone is the one in which the telemetry's days begin (EXHAUST_TIMEZONE).
	Timezone *time.Location
	// PublicURL is where clients reach the API.
	PublicURL string
	// WebhookKeys sign webhooks and open their URLs; without any there are no webhooks.
	WebhookKeys exhaust.WebhookKeys
	// AllowPrivate lets webhooks go to private addresses.
	AllowPrivate bool
}

// New makes the activities of firings.
func New(exhausts Exhausts, calendar exhaust.Calendar, salts WebhookSalts, settings Settings) *Activities {
	return &Activities{exhausts: exhausts, calendar: calendar, salts: salts, settings: settings, webhooks: newWebhookClient(settings.AllowPrivate)}
}

// Failure types of firings.
const (
	// NotEnded says that an exhaust has to be looked at again later.
	NotEnded = "NotEnded"
	// BadWindow says that no exhaust can be asked for the window.
	BadWindow = "BadWindow"
	// Gone says that nothing knows the exhaust any more.
	Gone = "Gone"
	// WebhookRefused says that trying again cannot deliver the webhook.
	WebhookRefused = "WebhookRefused"
)

// FindWindow finds the window of the firing at a time.
func (f *Activities) FindWindow(ctx context.Context, s exhaust.Schedule, at time.Time) (exhaust.Window, error) {
	window, err := s.WindowAt(ctx, f.calendar, f.settings.Timezone, at)
	var invalid *exhaust.InvalidError
	if errors.As(err, &invalid) {
		return exhaust.Window{}, activities.ClientMistake(BadWindow, "schedule %s: %v: change or delete it", s.ID, err)
	}
	return window, err
}

// SubmitWindow asks for the exhaust of a window and gives its requestId. Of a window that was asked for
// before, it is the exhaust of then.
func (f *Activities) SubmitWindow(ctx context.Context, s exhaust.Schedule, w exhaust.Window) (string, error) {
	submission, err := s.Submission(w)
	if err != nil {
		return "", err
	}
	job, err := f.exhausts.SubmitAt(ctx, submission, w.SubmittedAt(f.settings.Timezone), true)
	var invalid *exhaust.InvalidError
	if errors.As(err, &invalid) {
		return "", activities.ClientMistake(BadWindow, "%v", err)
	}
	return job.ID, err
}

// AwaitExhaust gives an exhaust that has ended. One that has not is a failure, which Temporal tries
// again later: so a firing that waits, be it for a day, takes nothing of a worker meanwhile.
func (f *Activities) AwaitExhaust(ctx context.Context, requestID string) (exhaust.Job, error) {
	job, err := f.exhausts.Find(ctx, requestID)
	if errors.Is(err, exhaust.ErrNoExhaust) {
		return exhaust.Job{}, activities.NonRetryable(Gone, "exhaust %s is gone: neither Temporal nor job_request knows it", requestID)
	}
	if err != nil {
		return exhaust.Job{}, err
	}
	if !job.Status.HasEnded() {
		return exhaust.Job{}, temporal.NewApplicationErrorWithOptions(fmt.Sprintf("exhaust %s is %s", requestID, job.Status), NotEnded,
			temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
	}
	job.Config = nil // it may be large, and the firing asks for nothing in it
	return job, nil
}
