package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/exhaust"
)

// The search attributes of an exhaust. All are keywords.
var (
	StatusAttribute       = temporal.NewSearchAttributeKeyKeyword("ExhaustStatus")
	TagAttribute          = temporal.NewSearchAttributeKeyKeyword("ExhaustTag")
	ChannelAttribute      = temporal.NewSearchAttributeKeyKeyword("ExhaustChannel")
	DatasetAttribute      = temporal.NewSearchAttributeKeyKeyword("ExhaustDataset")
	ConversationAttribute = temporal.NewSearchAttributeKeyKeyword("ExhaustConversation")
)

// SearchAttributes are those of an exhaust when it is submitted.
func SearchAttributes(r exhaust.Request) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		StatusAttribute.ValueSet(string(exhaust.Submitted)),
		TagAttribute.ValueSet(r.ChannelTag()),
		ChannelAttribute.ValueSet(r.Channel),
		DatasetAttribute.ValueSet(string(r.Dataset)),
		ConversationAttribute.ValueSet(r.ConversationID),
	)
}

// The fields of an exhaust's memo. The request stands there once; the state is told anew whenever it
// changes, and leaves the request out.
const (
	RequestMemo = "request"
	StateMemo   = "state"
)

// State is what changes of an exhaust's job.
type State struct {
	Status        exhaust.Status   `json:"status"`
	Message       string           `json:"statusMessage,omitempty"`
	MayHeal       bool             `json:"mayHeal,omitempty"`
	Attempts      int              `json:"attempts"`
	Progress      exhaust.Progress `json:"progress"`
	UpdatedAt     time.Time        `json:"updatedAt"`
	CompletedAt   time.Time        `json:"completedAt,omitzero"`
	ExecutionTime time.Duration    `json:"executionTime,omitempty"`
	Report        string           `json:"report,omitempty"`
}

// StateOf is the state of a job.
func StateOf(job exhaust.Job) State {
	return State{
		Status:        job.Status,
		Message:       job.Message,
		MayHeal:       job.MayHeal,
		Attempts:      job.Attempts,
		Progress:      job.Progress,
		UpdatedAt:     job.UpdatedAt,
		CompletedAt:   job.CompletedAt,
		ExecutionTime: job.ExecutionTime,
		Report:        job.Report,
	}
}

// Job is the request in this state.
func (s State) Job(request exhaust.Request) exhaust.Job {
	return exhaust.Job{
		Request:       request,
		Status:        s.Status,
		Message:       s.Message,
		MayHeal:       s.MayHeal,
		Attempts:      s.Attempts,
		Progress:      s.Progress,
		UpdatedAt:     s.UpdatedAt,
		CompletedAt:   s.CompletedAt,
		ExecutionTime: s.ExecutionTime,
		Report:        s.Report,
	}
}

// tell makes the state readable from outside: the status as a search attribute, all of it as memo.
// details, where they are given, are what Temporal's UI shows of the running workflow.
func (e *exhaustRun) tell(ctx workflow.Context, details string) error {
	e.job.UpdatedAt = workflow.Now(ctx)
	e.job.Progress.Percent = max(e.job.Progress.Percent, Percent(e.job.Progress))
	if details != "" {
		workflow.SetCurrentDetails(ctx, details)
	}
	if e.told != e.job.Status {
		if err := workflow.UpsertTypedSearchAttributes(ctx, StatusAttribute.ValueSet(string(e.job.Status))); err != nil {
			return err
		}
		e.told = e.job.Status
	}
	return workflow.UpsertMemo(ctx, map[string]any{StateMemo: StateOf(e.job)})
}

// Percent is how much of an exhaust is done: reading telemetry is 80 of 100, the rest takes what
// remains. It never is 100 before the exhaust has succeeded.
func Percent(p exhaust.Progress) int {
	const fetchShare = 80
	switch p.Phase {
	case exhaust.Fetching:
		if p.BytesTotal == 0 {
			return 0
		}
		return int(fetchShare * min(p.BytesRead, p.BytesTotal) / p.BytesTotal)
	case exhaust.Joining:
		return fetchShare
	case exhaust.Building:
		built := int64(0)
		if p.EventsMatched > 0 {
			built = 10 * min(p.RowsWritten, p.EventsMatched) / p.EventsMatched
		}
		return 85 + int(built)
	case exhaust.Signing:
		return 98
	case exhaust.Done:
		return 100
	}
	return 0
}

const (
	// silence is how long an activity with heartbeats may be silent before its worker is taken for
	// dead and another goes on.
	silence = 10 * time.Second
	// graceful is how long the end of an exhaust that came to nothing is tried to be recorded.
	graceful = 24 * time.Hour
	// cleaned is how long the removal of staged files is tried; what it leaves the night removes.
	cleaned = 10 * time.Minute
)

// retry is for all that can heal: until the exhaust's deadline.
func retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    500 * time.Millisecond,
		BackoffCoefficient: 2,
		MaximumInterval:    30 * time.Second,
	}
}

// short is for activities that take one look-up or one write.
func (e *exhaustRun) short(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    20 * time.Second,
		ScheduleToCloseTimeout: e.left(ctx),
		RetryPolicy:            retry(),
	})
}

// long is for activities that read or write data, with heartbeats. A cancelled one is waited for, so
// that it has stopped writing when its files are removed.
func (e *exhaustRun) long(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		HeartbeatTimeout:       silence,
		StartToCloseTimeout:    e.left(ctx),
		ScheduleToCloseTimeout: e.left(ctx),
		WaitForCancellation:    true,
		RetryPolicy:            retry(),
	})
}

// cleaning is for the removal of staged files, which holds nothing up for long.
func (e *exhaustRun) cleaning(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                "staged files",
		HeartbeatTimeout:       silence,
		StartToCloseTimeout:    cleaned,
		ScheduleToCloseTimeout: cleaned,
		RetryPolicy:            retry(),
	})
}

// left is the time until the exhaust's deadline.
func (e *exhaustRun) left(ctx workflow.Context) time.Duration {
	return max(e.deadline.Sub(workflow.Now(ctx)), time.Second)
}
