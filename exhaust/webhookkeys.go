package exhaust

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// WebhookKeys are the service's own secrets for webhooks. None of them leaves it: receivers get secrets that are derived.
type WebhookKeys struct {
	// Signing is EXHAUST_WEBHOOK_SECRET, from which the secrets of all channels are derived; "" where there are no webhooks.
	Signing string
	// SigningPrevious is EXHAUST_WEBHOOK_SECRET_PREVIOUS: what was derived from it goes on signing. "" is none.
	SigningPrevious string
	// Sealing is EXHAUST_SEALING_KEY, under which Temporal keeps the URLs of webhooks.
	Sealing string
	// SealingPrevious is EXHAUST_SEALING_KEY_PREVIOUS, which opens what was sealed under it. "" is none.
	SealingPrevious string
}

const minWebhookKey = 16

// CheckWebhookKey is an error that says what is accepted where a text cannot be one of WebhookKeys.
func CheckWebhookKey(key string) error {
	if len(key) < minWebhookKey {
		return fmt.Errorf("it must have at least %d characters", minWebhookKey)
	}
	return nil
}

// Check is an error where the keys do not go together. It names the settings and shows none of the keys. Whoever has one of
// two equal keys has both, so no two may be equal.
func (k WebhookKeys) Check() error {
	named := []struct{ name, key string }{
		{"EXHAUST_WEBHOOK_SECRET", k.Signing}, {"EXHAUST_SEALING_KEY", k.Sealing},
		{"EXHAUST_WEBHOOK_SECRET_PREVIOUS", k.SigningPrevious}, {"EXHAUST_SEALING_KEY_PREVIOUS", k.SealingPrevious},
	}
	for i, one := range named {
		for _, needed := range named[:2] {
			if one.key != "" && needed.key == "" {
				return fmt.Errorf("%s is set and %s is not: webhooks need both EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY", one.name, needed.name)
			}
		}
		for _, other := range named[:i] {
			if one.key != "" && one.key == other.key {
				return fmt.Errorf("%s and %s are equal: each must be a random text of its own", other.name, one.name)
			}
		}
	}
	return nil
}

// WebhookSalt is what, beside a key of the service, a channel's secret is derived from. By itself it is no secret.
type WebhookSalt struct {
	Channel string
	// Salt is the standard base64 of 32 random bytes.
	Salt string
	// KeyID says from which EXHAUST_WEBHOOK_SECRET the secret is derived.
	KeyID string
	// MadeAt is in milliseconds.
	MadeAt time.Time
	// EndsAt is when the secret stops signing; zero for the one that no other has replaced.
	EndsAt time.Time
}

// NewSalt makes the salt of a new secret of a channel, to be derived from the key of now.
func (k WebhookKeys) NewSalt(channel string, now time.Time) WebhookSalt {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	return WebhookSalt{
		Channel: channel, Salt: base64.StdEncoding.EncodeToString(random), KeyID: webhookKeyID(k.Signing), MadeAt: now.Truncate(time.Millisecond),
	}
}

// IsCurrent reports whether a salt's secret is derived from the key of now rather than from one that is being replaced.
func (k WebhookKeys) IsCurrent(salt WebhookSalt) bool {
	return k.Signing != "" && salt.KeyID == webhookKeyID(k.Signing)
}

// webhookKeyID names a key and says nothing else of it.
func webhookKeyID(key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("data-exhaust webhook key"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// ErrOtherWebhookKey says that a secret was derived from a key that the service does not have.
var ErrOtherWebhookKey = errors.New("the channel's webhook secret is of another EXHAUST_WEBHOOK_SECRET than the service has")

// Secret is a channel's secret: HKDF-SHA256 (RFC 5869) of the key with the salt, for that channel only.
func (k WebhookKeys) Secret(salt WebhookSalt) (WebhookSecret, error) {
	for _, key := range []string{k.Signing, k.SigningPrevious} {
		if key == "" || webhookKeyID(key) != salt.KeyID {
			continue
		}
		random, err := base64.StdEncoding.DecodeString(salt.Salt)
		if err != nil {
			return WebhookSecret{}, errors.New("the salt of the channel's webhook secret is no base64")
		}
		derived, err := hkdf.Key(sha256.New, []byte(key), random, "data-exhaust webhook signature of channel "+salt.Channel, sha256.Size)
		return WebhookSecret{derived}, err
	}
	return WebhookSecret{}, ErrOtherWebhookKey
}

// WebhookSecret signs a channel's webhooks as Standard Webhooks 1.0.0 says
// (https://github.com/standard-webhooks/standard-webhooks).
type WebhookSecret struct{ key []byte }

// Reveal is the secret as receivers take it: "whsec_" and the standard base64 of 32 bytes.
func (s WebhookSecret) Reveal() string { return "whsec_" + base64.StdEncoding.EncodeToString(s.key) }

// String shows nothing of the secret.
func (s WebhookSecret) String() string { return "whsec_xxxxx" }

// Sign is one signature of a message that is sent at a time: "v1," and base64 of HMAC-SHA256 over the id, the seconds since
// 1970 and the body, with dots between. The id holds no dot.
func (s WebhookSecret) Sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
