package exhaust

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"
)

// saltOf is that of the values below, which openssl kdf and openssl dgst computed.
func saltOf(channel string) WebhookSalt {
	return WebhookSalt{Channel: channel, Salt: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", KeyID: "9624e4398dde82f1"}
}

func TestAChannelsSecretIsDerivedForItAloneAndSignsAsStandardWebhooksSays(t *testing.T) {
	for _, c := range []struct{ channel, secret, signature string }{
		{"0130", "whsec_6QDxAsk81nHMdnaFUFm54UTfba5B93OK/2JacGK3VaM=", "v1,dRTTgFyyOAigfyxbYjecBNxv7L3FJ4zqWDsGR5Y04vw="},
		{"0131", "whsec_dyayyyWNj86J3U0ep65qNR86eIuDyfqWBQoxOBK1KDE=", "v1,qQ8LXx5QwsSiS3smUSGY9AhA4YKRpcMRSpyCA2tzp94="},
	} {
		secret, err := webhookKeys.Secret(saltOf(c.channel))
		if err != nil {
			t.Fatal(err)
		}
		signature := secret.Sign("s-0AFF-2", time.Unix(1700000000, 999), []byte(`{"event":"exhaust.ready"}`))
		if secret.Reveal() != c.secret || signature != c.signature {
			t.Errorf("channel %s: got %s, %s\nwant %s, %s", c.channel, secret.Reveal(), signature, c.secret, c.signature)
		}
		if shown := fmt.Sprintf("%v %+v %s", secret, secret, secret); shown != "whsec_xxxxx whsec_xxxxx whsec_xxxxx" {
			t.Errorf("printed it is %s", shown)
		}
	}
}

func TestASecretIsOfTheKeyThatItsSaltNames(t *testing.T) {
	replaced := WebhookKeys{Signing: "a-new-secret-for-tests", SigningPrevious: webhookKeys.Signing}
	if got, err := replaced.Secret(saltOf("0130")); err != nil || got.Reveal() != "whsec_6QDxAsk81nHMdnaFUFm54UTfba5B93OK/2JacGK3VaM=" {
		t.Errorf("of the former key: got %s, %v", got.Reveal(), err)
	}
	if replaced.IsCurrent(saltOf("0130")) || !webhookKeys.IsCurrent(saltOf("0130")) {
		t.Error("which key is current is mistaken")
	}
	replaced.SigningPrevious = ""
	if _, err := replaced.Secret(saltOf("0130")); !errors.Is(err, ErrOtherWebhookKey) {
		t.Errorf("without that key: %v", err)
	}
	at := time.Date(2022, 3, 14, 0, 0, 0, 7_999_999, time.UTC)
	one, other := webhookKeys.NewSalt("0130", at), webhookKeys.NewSalt("0130", at)
	if one.Salt == other.Salt || !regexp.MustCompile(`^[A-Za-z0-9+/]{43}=$`).MatchString(one.Salt) {
		t.Errorf("two salts of a channel are %s and %s", one.Salt, other.Salt)
	}
	one.Salt = ""
	if want := (WebhookSalt{Channel: "0130", KeyID: "9624e4398dde82f1", MadeAt: at.Truncate(time.Millisecond)}); one != want {
		t.Errorf("got %+v, want %+v", one, want)
	}
}

func TestKeysThatDoNotGoTogetherAreRefused(t *testing.T) {
	const a, b, c, d = "a-key-of-16-char", "b-key-of-16-char", "c-key-of-16-char", "d-key-of-16-char"
	for _, k := range []struct {
		keys WebhookKeys
		want string
	}{
		{WebhookKeys{}, ""},
		{WebhookKeys{Signing: a, Sealing: b}, ""},
		{WebhookKeys{Signing: a, Sealing: b, SigningPrevious: c, SealingPrevious: d}, ""},
		{WebhookKeys{Signing: a}, "EXHAUST_WEBHOOK_SECRET is set and EXHAUST_SEALING_KEY is not: webhooks need both EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY"},
		{WebhookKeys{Sealing: a}, "EXHAUST_SEALING_KEY is set and EXHAUST_WEBHOOK_SECRET is not: webhooks need both EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY"},
		{WebhookKeys{SigningPrevious: a}, "EXHAUST_WEBHOOK_SECRET_PREVIOUS is set and EXHAUST_WEBHOOK_SECRET is not: webhooks need both EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY"},
		{WebhookKeys{SealingPrevious: a}, "EXHAUST_SEALING_KEY_PREVIOUS is set and EXHAUST_WEBHOOK_SECRET is not: webhooks need both EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY"},
		{WebhookKeys{Signing: a, Sealing: a}, "EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY are equal: each must be a random text of its own"},
		{WebhookKeys{Signing: a, Sealing: b, SealingPrevious: a}, "EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY_PREVIOUS are equal: each must be a random text of its own"},
		{WebhookKeys{Signing: a, Sealing: b, SigningPrevious: a}, "EXHAUST_WEBHOOK_SECRET and EXHAUST_WEBHOOK_SECRET_PREVIOUS are equal: each must be a random text of its own"},
		{WebhookKeys{Signing: a, Sealing: b, SigningPrevious: c, SealingPrevious: c}, "EXHAUST_WEBHOOK_SECRET_PREVIOUS and EXHAUST_SEALING_KEY_PREVIOUS are equal: each must be a random text of its own"},
	} {
		got := ""
		if err := k.keys.Check(); err != nil {
			got = err.Error()
		}
		if got != k.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", k.keys, got, k.want)
		}
	}
}
