package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/service"
)

// The ids of the answers about the secret that signs a channel's webhooks.
const (
	webhookSecretPrefix   = "ekstep.analytics.dataset.webhook-secret"
	webhookSecretCreateID = webhookSecretPrefix + ".create"
	webhookSecretInfoID   = webhookSecretPrefix + ".info"
)

// routeWebhookSecret adds the calls about the secret that signs a channel's webhooks.
func (s *Server) routeWebhookSecret(router *mux.Router) {
	const path = "/dataset/v1/webhook-secret"
	router.Handle(path, s.answer(webhookSecretCreateID, webhookSecretCall(s.service.ReplaceWebhookSecret))).Methods(http.MethodPost)
	router.Handle(path, s.answer(webhookSecretInfoID, webhookSecretCall(s.service.ReadWebhookSecret))).Methods(http.MethodGet)
}

// webhookSecretCall is a call about the secret of the header's channel. It reads no body.
func webhookSecretCall(act func(ctx context.Context, c access.Caller, channel string) (service.WebhookSecret, error)) call {
	return func(r *http.Request, c access.Caller) (any, error) {
		channel, err := headerChannel(r)
		if err != nil {
			return nil, err
		}
		secret, err := act(r.Context(), c, channel)
		return showWebhookSecret(secret), err
	}
}

// webhookSecretResult is a channel's secret as answers show it. Times are epoch milliseconds, null where there is none.
type webhookSecretResult struct {
	RequestedChannel string `json:"requestedChannel"`
	Exists           bool   `json:"exists"`
	// WebhookSecret is only in the answer of the call that made it.
	WebhookSecret string `json:"webhookSecret,omitempty"`
	Created       *int64 `json:"created"`
	// PreviousUntil is until when the secret before signs as well.
	PreviousUntil *int64 `json:"previousUntil"`
	// NeedsReplacement tells that the service's own key is being replaced.
	NeedsReplacement bool `json:"needsReplacement"`
}

func showWebhookSecret(secret service.WebhookSecret) webhookSecretResult {
	return webhookSecretResult{
		RequestedChannel: secret.Channel,
		Exists:           !secret.MadeAt.IsZero(),
		WebhookSecret:    secret.Secret,
		Created:          millisecondsOf(secret.MadeAt),
		PreviousUntil:    millisecondsOf(secret.PreviousUntil),
		NeedsReplacement: secret.NeedsReplacement,
	}
}

// millisecondsOf is nil for the zero time.
func millisecondsOf(at time.Time) *int64 {
	if at.IsZero() {
		return nil
	}
	milliseconds := at.UnixMilli()
	return &milliseconds
}
