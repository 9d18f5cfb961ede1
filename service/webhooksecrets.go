package service

import (
	"context"
	"time"

	"data-exhaust/exhaust"
)

// WebhookSecrets makes the secrets that sign the webhooks of channels, each channel its own, and tells of them. A nil one
// is that of a service without webhooks.
type WebhookSecrets struct {
	salts webhookSalts
	keys  exhaust.WebhookKeys
}

// webhookSalts keeps what secrets are derived from: *jobs.Jobs.
type webhookSalts interface {
	WebhookSalts(ctx context.Context, channel string, at time.Time) ([]exhaust.WebhookSalt, error)
	ReplaceWebhookSalt(ctx context.Context, next exhaust.WebhookSalt, replaced string, ends time.Time) (isReplaced bool, err error)
}

// NewWebhookSecrets makes secrets of the service's keys and the salts that are kept; nil where there are no keys.
func NewWebhookSecrets(salts webhookSalts, keys exhaust.WebhookKeys) *WebhookSecrets {
	if keys.Signing == "" {
		return nil
	}
	return &WebhookSecrets{salts: salts, keys: keys}
}

// WebhookSecret is what can be told of a channel's secret.
type WebhookSecret struct {
	Channel string
	// Secret is "whsec_" and base64. Only the call that makes it has it; nothing keeps it.
	Secret string
	// MadeAt is zero where the channel has none.
	MadeAt time.Time
	// PreviousUntil is until when the one before signs as well; zero where none does.
	PreviousUntil time.Time
	// NeedsReplacement tells that the service's key is being replaced, and this secret is still of the former one.
	NeedsReplacement bool
}

// webhookOverlap is how long a secret goes on signing after another has replaced it.
const webhookOverlap = 24 * time.Hour

var (
	errNoWebhooks      = exhaust.Invalid(exhaust.WebhookUnsigned)
	errSecretIsAnother = exhaust.Invalid(exhaust.WebhookSecretTaken)
)

// errSecretOfOthers is of a webhook of a channel that has no secret yet, asked for by somebody who may not see that.
var errSecretOfOthers = forbid(exhaust.WebhookSecretOfBoth)

// Read tells of a channel's secret, without the secret.
func (w *WebhookSecrets) Read(ctx context.Context, channel string) (WebhookSecret, error) {
	salts, err := w.find(ctx, channel, time.Now())
	if err != nil {
		return WebhookSecret{}, err
	}
	secret := WebhookSecret{Channel: channel}
	if len(salts) > 0 {
		secret.MadeAt, secret.NeedsReplacement = salts[0].MadeAt, !w.keys.IsCurrent(salts[0])
	}
	if len(salts) > 1 {
		secret.PreviousUntil = salts[1].EndsAt
	}
	return secret, nil
}

// Replace makes a channel's secret, in place of the one that it has: both sign for a day. Of several that do so at the same
// time one succeeds.
func (w *WebhookSecrets) Replace(ctx context.Context, channel string) (WebhookSecret, error) {
	now := time.Now()
	salts, err := w.find(ctx, channel, now)
	if err != nil {
		return WebhookSecret{}, err
	}
	secret, isReplaced, err := w.replace(ctx, channel, salts, now)
	if err == nil && !isReplaced {
		err = errSecretIsAnother
	}
	return secret, err
}

// ensure makes a channel's secret where it has none, and returns it as receivers take it; "" where it has one. It signs the
// webhooks of every dataset, so permissions are asked for all of them.
func (w *WebhookSecrets) ensure(ctx context.Context, channel string, may []Permission) (string, error) {
	now := time.Now()
	salts, err := w.find(ctx, channel, now)
	if err != nil || len(salts) > 0 {
		return "", err
	}
	for _, dataset := range exhaust.Datasets {
		if ask(may, dataset) != nil {
			return "", errSecretOfOthers
		}
	}
	secret, isReplaced, err := w.replace(ctx, channel, salts, now)
	if err != nil || !isReplaced {
		return "", err // somebody else was first, and has it
	}
	return secret.Secret, nil
}

func (w *WebhookSecrets) find(ctx context.Context, channel string, at time.Time) ([]exhaust.WebhookSalt, error) {
	if w == nil {
		return nil, errNoWebhooks
	}
	if err := exhaust.CheckChannel(channel); err != nil {
		return nil, err
	}
	salts, err := w.salts.WebhookSalts(ctx, channel, at)
	if err != nil {
		return nil, databaseFailure(err)
	}
	return salts, nil
}

// replace makes a secret in place of the first of these, where there is one. The database decides whether it is the channel's.
func (w *WebhookSecrets) replace(ctx context.Context, channel string, salts []exhaust.WebhookSalt, now time.Time) (WebhookSecret, bool, error) {
	next := w.keys.NewSalt(channel, now)
	secret, err := w.keys.Secret(next)
	if err != nil {
		return WebhookSecret{}, false, err
	}
	made := WebhookSecret{Channel: channel, Secret: secret.Reveal(), MadeAt: next.MadeAt}
	replaced := ""
	if len(salts) > 0 {
		replaced, made.PreviousUntil = salts[0].Salt, next.MadeAt.Add(webhookOverlap)
	}
	isReplaced, err := w.salts.ReplaceWebhookSalt(ctx, next, replaced, made.PreviousUntil)
	if err != nil {
		return WebhookSecret{}, false, databaseFailure(err)
	}
	if !isReplaced {
		return WebhookSecret{}, false, nil
	}
	return made, true, nil
}
