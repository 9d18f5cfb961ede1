package workflows

import (
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

// The fields of an exhaust's memo. The request stands there once; the state, an exhaust.State, is published whenever it
// changes.
const (
	RequestMemo = "request"
	StateMemo   = "state"
)

// publishState makes the state readable from outside: the status as a search attribute, all of it as memo. details, where
// they are not "", are what Temporal's UI shows of the running workflow.
func (e *exhaustRun) publishState(ctx workflow.Context, details string) error {
	e.job.UpdatedAt = workflow.Now(ctx)
	e.job.Progress.RaisePercent()
	state := e.job.State
	if state.Status != exhaust.Success {
		state.Progress.Raise(e.floor)
	}
	if details != "" {
		workflow.SetCurrentDetails(ctx, details)
	}
	if e.publicStatus != e.job.Status {
		if err := workflow.UpsertTypedSearchAttributes(ctx, StatusAttribute.ValueSet(string(e.job.Status))); err != nil {
			return err
		}
		e.publicStatus = e.job.Status
	}
	return workflow.UpsertMemo(ctx, map[string]any{StateMemo: state})
}

// raiseFloor keeps how far the exhaust has come, before it stages everything anew: what it publishes never goes backwards. A
// SUCCESS tells exactly what its file holds.
func (e *exhaustRun) raiseFloor() { e.floor.Raise(e.job.Progress) }
