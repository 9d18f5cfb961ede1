package rest

import (
	"net/http"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/registry"
)

const conversationListID = "ekstep.analytics.dataset.conversation.list"

// conversationResult is a conversation as answers show it.
type conversationResult struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	StartDate *exhaust.Day `json:"startDate"`
	EndDate   *exhaust.Day `json:"endDate"`
}

// showDay shows a day, or null where there is none.
func showDay(day exhaust.Day) *exhaust.Day {
	if day == "" {
		return nil
	}
	return &day
}

func (s *Server) listConversations(r *http.Request, c access.Caller) (any, error) {
	channel, limit, err := channelAndLimit(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	found, next, err := s.service.SearchConversations(r.Context(), c, registry.ConversationSearch{
		Channel: channel, Text: query.Get("q"), After: query.Get("after"), Limit: limit,
	})
	return &list{name: "conversations", count: len(found), next: &next, elements: func(yield func(any, error) bool) {
		for _, conversation := range found {
			if !yield(showConversation(conversation), nil) {
				return
			}
		}
	}}, err
}

func showConversation(c exhaust.Conversation) conversationResult {
	return conversationResult{ID: c.ID, Name: c.Name, StartDate: showDay(c.StartDate), EndDate: showDay(c.EndDate)}
}
