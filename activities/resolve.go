package activities

import (
	"context"
	"errors"

	"data-exhaust/exhaust"
	"data-exhaust/registry"
)

// Resolved is what the registry says of the request's conversation, and the days that the exhaust
// covers.
type Resolved struct {
	Conversation exhaust.Conversation `json:"conversation"`
	exhaust.Range
}

// ResolveConversation finds the conversation in the request's channel and settles the days as of the day of
// submission. Only exhausts that began before PlanExhaust was there call it by itself.
func (a *Activities) ResolveConversation(ctx context.Context, request exhaust.Request) (Resolved, error) {
	conversation, err := a.deps.UCI.Conversation(ctx, request.ConversationID, request.Channel)
	if errors.Is(err, registry.ErrNoConversation) {
		return Resolved{}, ClientMistake(NoConversation, NoConversationMessage)
	}
	var noDate *registry.DateError
	if err != nil && !errors.As(err, &noDate) {
		return Resolved{}, failure(err)
	}
	today := exhaust.DayOf(request.SubmittedAt.In(a.settings.Timezone))
	days, err := request.RangeOver(conversation, err, today, a.settings.MaxDays)
	if err != nil {
		return Resolved{}, ClientMistake(BadRange, "%v", err)
	}
	return Resolved{Conversation: conversation, Range: days}, nil
}
