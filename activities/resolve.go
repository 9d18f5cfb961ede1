package activities

import (
	"cmp"
	"context"
	"errors"

	"data-exhaust/exhaust"
	"data-exhaust/registry"
	"data-exhaust/telemetry"
)

// Resolved is what the registry says of the request's conversation, and the days that the exhaust
// covers.
type Resolved struct {
	Conversation exhaust.Conversation `json:"conversation"`
	// StartDate and EndDate are "" for an exhaust that is not made from telemetry.
	StartDate exhaust.Day `json:"startDate"`
	EndDate   exhaust.Day `json:"endDate"`
}

// ResolveConversation finds the conversation in the request's channel and settles the days: those of the request, else
// the conversation's own, else yesterday (contract section 3), as of the day of submission: the same exhaust covers the
// same days whenever it runs. Only exhausts that began before PlanExhaust was there call it by itself.
func (a *Activities) ResolveConversation(ctx context.Context, request exhaust.Request) (Resolved, error) {
	conversation, err := a.deps.UCI.Conversation(ctx, request.ConversationID, request.Channel)
	if errors.Is(err, registry.ErrNoConversation) {
		return Resolved{}, ClientMistake(NoConversation, "No data found for conversation in DB")
	}
	var noDate *registry.DateError
	switch {
	case errors.As(err, &noDate):
		if request.UsesTelemetry() && (request.StartDate == "" || request.EndDate == "") {
			return Resolved{}, ClientMistake(BadRange, "%v: give startDate and endDate", noDate)
		}
	case err != nil:
		return Resolved{}, failure(err)
	}
	conversation.Name = telemetry.CleanText(conversation.Name)
	resolved := Resolved{Conversation: conversation}
	if !request.UsesTelemetry() {
		return resolved, nil
	}
	today := exhaust.DayOf(request.SubmittedAt.In(a.settings.Timezone))
	yesterday := today.Add(-1)
	resolved.StartDate = cmp.Or(request.StartDate, conversation.StartDate, yesterday)
	resolved.EndDate = min(cmp.Or(request.EndDate, conversation.EndDate, yesterday), today)
	if resolved.StartDate > resolved.EndDate {
		return Resolved{}, ClientMistake(BadRange, "the exhaust would start on %s, after its end on %s: give startDate and endDate", resolved.StartDate, resolved.EndDate)
	}
	if err := exhaust.CheckSpan(resolved.StartDate, resolved.EndDate, a.settings.MaxDays); err != nil {
		return Resolved{}, ClientMistake(BadRange, "%v: give startDate and endDate", err)
	}
	return resolved, nil
}
