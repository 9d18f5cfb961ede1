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
	// Sealed is the URL under EXHAUST_WEBHOOK_SECRET.
	Sealed string `json:"sealed"`
}

// SealWebhook hides the URL of a schedule's webhook from all who do not have the secret.
func SealWebhook(secret, scheduleID string, target *url.URL) (*SealedWebhook, error) {
	sealer, err := webhookSealer(secret)
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
func (w SealedWebhook) Open(secret, scheduleID string) (string, error) {
	sealer, err := webhookSealer(secret)
	if err != nil {
		return "", err
	}
	sealed, err := base64.StdEncoding.DecodeString(w.Sealed)
	if err == nil && len(sealed) >= sealer.NonceSize() {
		nonce, text := sealed[:sealer.NonceSize()], sealed[sealer.NonceSize():]
		if target, err := sealer.Open(nil, nonce, text, []byte(scheduleID)); err == nil {
			return string(target), nil
		}
	}
	return "", errors.New("EXHAUST_WEBHOOK_SECRET is not the one of when the webhook was set: set the webhook again")
}

func webhookSealer(secret string) (cipher.AEAD, error) {
	// Another key than the one that signs, of the same secret.
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
