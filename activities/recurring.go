package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/sdk/temporal"

	"data-exhaust/exhaust"
)

// Schedule is a recurring exhaust as it is handed to each of its firings.
type Schedule struct {
	ID string `json:"id"`
	// Revision is another one after each change.
	Revision string          `json:"revision"`
	Dataset  exhaust.Dataset `json:"dataset"`
	// Tag lists the exhausts of all firings; it is without the channel.
	Tag         string `json:"tag"`
	Channel     string `json:"channel"`
	RequestedBy string `json:"requestedBy"`
	// Config is the datasetConfig of each firing's exhaust but for the days.
	Config         json.RawMessage `json:"datasetConfig"`
	ConversationID string          `json:"conversationId"`
	// Cron is five fields in Zone, an IANA name.
	Cron string `json:"cron"`
	Zone string `json:"zone"`
	// Jitter is how late, at the most, a firing starts.
	Jitter time.Duration `json:"jitter,omitempty"`
	// Change is the last change of when it fires; nil where there was none.
	Change    *Change        `json:"change,omitempty"`
	Webhook   *SealedWebhook `json:"webhook,omitempty"`
	CreatedAt time.Time      `json:"createdAt"`
	UpdatedAt time.Time      `json:"updatedAt"`
}

// Change joins the windows before a change of the cron expression, the zone or the jitter to those
// after it.
type Change struct {
	At time.Time `json:"at"`
	// First is the first day that the firings before the change had not covered.
	First exhaust.Day `json:"first"`
	// Last is the last firing by the new times that was due before the change, jitter and all. It goes
	// as far as First; only a backfill makes it. One between it and At may still start after the
	// change, or not at all: it has nothing to do.
	Last time.Time `json:"last"`
}

// Submission asks for the exhaust of a window.
func (s Schedule) Submission(w Window) (exhaust.Submission, error) {
	config := map[string]json.RawMessage{}
	if err := json.Unmarshal(s.Config, &config); err != nil {
		return exhaust.Submission{}, fmt.Errorf("the datasetConfig of schedule %s: %w", s.ID, err)
	}
	for name, day := range map[string]exhaust.Day{"startDate": w.From, "endDate": w.To} {
		config[name] = json.RawMessage(`"` + string(day) + `"`)
	}
	raw, err := json.Marshal(config)
	return exhaust.Submission{
		Dataset: string(s.Dataset), Tag: s.Tag, Channel: s.Channel, RequestedBy: s.RequestedBy, DatasetConfig: raw,
	}, err
}

// Firings holds what the steps of a firing work with. Its methods are activities.
type Firings struct {
	exhausts FiringExhausts
	calendar Calendar
	settings FiringSettings
	webhooks *http.Client
}

// FiringExhausts makes the exhausts of firings.
type FiringExhausts interface {
	// SubmitAt starts or finds an exhaust as if it were submitted at that time. With allowEmpty one
	// without any event succeeds.
	SubmitAt(ctx context.Context, submission exhaust.Submission, at time.Time, allowEmpty bool) (exhaust.Job, error)
	// State is how it stands.
	State(ctx context.Context, requestID string) (exhaust.Job, error)
}

// FiringSettings are those that firings follow.
type FiringSettings struct {
	// Timezone is the one in which the telemetry's days begin (EXHAUST_TIMEZONE).
	Timezone *time.Location
	// PublicURL is where clients reach the API.
	PublicURL string
	// WebhookSecret signs webhooks; "" where there are none.
	WebhookSecret string
	// AllowPrivate lets webhooks go to private addresses.
	AllowPrivate bool
}

// NewFirings makes the activities of firings.
func NewFirings(exhausts FiringExhausts, calendar Calendar, settings FiringSettings) *Firings {
	return &Firings{exhausts: exhausts, calendar: calendar, settings: settings, webhooks: newWebhookClient(settings.AllowPrivate)}
}

// Failure types of firings.
const (
	// NotEnded says that an exhaust has to be looked at again later.
	NotEnded = "NotEnded"
	// BadWindow says that no exhaust can be asked for the window.
	BadWindow = "BadWindow"
	// WebhookRefused says that trying again cannot deliver the webhook.
	WebhookRefused = "WebhookRefused"
)

// FindWindow finds the window of the firing at a time.
func (f *Firings) FindWindow(ctx context.Context, s Schedule, at time.Time) (Window, error) {
	return s.WindowAt(ctx, f.calendar, f.settings.Timezone, at)
}

// SubmitWindow asks for the exhaust of a window and gives its requestId. Of a window that was asked for
// before, it is the exhaust of then.
func (f *Firings) SubmitWindow(ctx context.Context, s Schedule, w Window) (string, error) {
	submission, err := s.Submission(w)
	if err != nil {
		return "", err
	}
	job, err := f.exhausts.SubmitAt(ctx, submission, w.AskedAt(f.settings.Timezone), true)
	var invalid *exhaust.Invalid
	if errors.As(err, &invalid) {
		return "", final(BadWindow, "%v", err)
	}
	return job.ID, err
}

// AwaitExhaust gives an exhaust that has ended. One that has not is a failure, which Temporal tries
// again later: so a firing that waits, be it for a day, takes nothing of a worker meanwhile.
func (f *Firings) AwaitExhaust(ctx context.Context, requestID string) (exhaust.Job, error) {
	job, err := f.exhausts.State(ctx, requestID)
	if err != nil {
		return exhaust.Job{}, err
	}
	if !job.Status.Ended() {
		return exhaust.Job{}, temporal.NewApplicationErrorWithOptions(fmt.Sprintf("exhaust %s is %s", requestID, job.Status), NotEnded,
			temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
	}
	return job, nil
}
