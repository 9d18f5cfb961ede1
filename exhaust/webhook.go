package exhaust

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"

	"code.dny.dev/ssrf"
)

// SealedWebhook is the URL of a webhook, which may hold a token, as Temporal may keep it.
type SealedWebhook struct {
	// Host is the URL's, with its port, for people.
	Host string `json:"host"`
	// Sealed is the URL under EXHAUST_SEALING_KEY.
	Sealed string `json:"sealed"`
}

// Seal hides the URL of a schedule's webhook from all who do not have the sealing key.
func (k WebhookKeys) Seal(scheduleID string, target *url.URL) (*SealedWebhook, error) {
	sealer, err := webhookSealer(k.Sealing)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, sealer.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	sealed := sealer.Seal(nonce, nonce, []byte(target.String()), []byte(scheduleID))
	return &SealedWebhook{Host: target.Host, Sealed: base64.StdEncoding.EncodeToString(sealed)}, nil
}

// Open reveals the URL of a schedule's webhook. The error says in a sentence what is to be done.
func (k WebhookKeys) Open(w SealedWebhook, scheduleID string) (string, error) {
	for _, key := range []string{k.Sealing, k.SealingPrevious} {
		if key == "" {
			continue
		}
		target, err := w.open(key, scheduleID)
		if err == nil {
			return target, nil
		}
	}
	return "", errors.New("EXHAUST_SEALING_KEY is not the one of when the webhook was set: set the webhook again")
}

func (w SealedWebhook) open(key, scheduleID string) (string, error) {
	sealer, err := webhookSealer(key)
	if err != nil {
		return "", err
	}
	sealed, err := base64.StdEncoding.DecodeString(w.Sealed)
	if err != nil || len(sealed) < sealer.NonceSize() {
		return "", errors.New("it is not sealed")
	}
	target, err := sealer.Open(nil, sealed[:sealer.NonceSize()], sealed[sealer.NonceSize():], []byte(scheduleID))
	return string(target), err
}

func webhookSealer(secret string) (cipher.AEAD, error) {
	// URLs that were sealed while EXHAUST_WEBHOOK_SECRET also sealed are opened with it as EXHAUST_SEALING_KEY_PREVIOUS.
	key := hmac.New(sha256.New, []byte(secret))
	key.Write([]byte("data-exhaust webhook URL"))
	block, err := aes.NewCipher(key.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// publicAddresses knows IANA's special-purpose blocks (RFC 6890), and Azure's platform services, which look public.
var publicAddresses = ssrf.New(ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")))

// IsPublicAddress reports whether an address is one of the Internet's: not of this machine, this network, a provider's
// own services, or of another special purpose. Addresses that carry an IPv4 address within them (NAT64, 6to4, Teredo)
// are none either: where they lead is not theirs to say.
func IsPublicAddress(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return addr.IsValid() && publicAddresses.SafeAddr(addr) == nil
}
