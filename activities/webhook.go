package activities

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"data-exhaust/exhaust"
)

// The headers of a webhook.
const (
	// DeliveryHeader is the same on every try to deliver the same news.
	DeliveryHeader = "X-Exhaust-Delivery"
	// TimestampHeader is when it was sent, in seconds since 1970.
	TimestampHeader = "X-Exhaust-Timestamp"
	// SignatureHeader is "sha256=" and the hexadecimal HMAC-SHA256 of the timestamp, a dot and the body
	// under EXHAUST_WEBHOOK_SECRET.
	SignatureHeader = "X-Exhaust-Signature"
)

// Ready is the news that the file of a firing is ready, and where to send it.
type Ready struct {
	ScheduleID string          `json:"scheduleId"`
	Webhook    SealedWebhook   `json:"webhook"`
	RequestID  string          `json:"requestId"`
	Attempts   int             `json:"attempts"`
	Tag        string          `json:"tag"`
	Channel    string          `json:"channel"`
	Dataset    exhaust.Dataset `json:"dataset"`
	Status     exhaust.Status  `json:"status"`
	From       exhaust.Day     `json:"from"`
	To         exhaust.Day     `json:"to"`
	Rows       int64           `json:"rows"`
}

// webhookBody is what a webhook says: where to read, and no data.
type webhookBody struct {
	Event      string          `json:"event"`
	ScheduleID string          `json:"scheduleId"`
	RequestID  string          `json:"requestId"`
	Tag        string          `json:"tag"`
	Channel    string          `json:"channel"`
	Dataset    exhaust.Dataset `json:"dataset"`
	Status     exhaust.Status  `json:"status"`
	From       exhaust.Day     `json:"from"`
	To         exhaust.Day     `json:"to"`
	Rows       int64           `json:"rows"`
	ReadURL    string          `json:"readUrl"`
	TS         string          `json:"ts"`
}

// SendWebhook tells the schedule's owner that a file is ready. Answers that another try may better
// (none, 408, 429, 5xx) are failures that Temporal tries again, all others are final.
func (f *Firings) SendWebhook(ctx context.Context, ready Ready) error {
	if f.settings.WebhookSecret == "" {
		return final(WebhookRefused, "EXHAUST_WEBHOOK_SECRET is not set: webhooks cannot be signed")
	}
	target, err := ready.Webhook.open(f.settings.WebhookSecret, ready.ScheduleID)
	if err != nil {
		return final(WebhookRefused, "%v", err)
	}
	request, err := f.webhookRequest(ctx, ready, target, time.Now())
	if err != nil {
		return final(WebhookRefused, "the webhook's URL cannot be used")
	}
	response, err := f.webhooks.Do(request)
	if err != nil {
		return undelivered(ready.Webhook.Host, err)
	}
	defer response.Body.Close()
	// Read, so that the receiver can finish; more than this of it is cut off.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	switch status := response.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return fmt.Errorf("%s answered %d", ready.Webhook.Host, status)
	case status >= 300 && status < 400:
		return final(WebhookRefused, "%s answered %d: redirects are not followed", ready.Webhook.Host, status)
	default:
		return final(WebhookRefused, "%s answered %d", ready.Webhook.Host, status)
	}
}

func (f *Firings) webhookRequest(ctx context.Context, ready Ready, target string, now time.Time) (*http.Request, error) {
	body, err := json.Marshal(webhookBody{
		Event:      "exhaust.ready",
		ScheduleID: ready.ScheduleID,
		RequestID:  ready.RequestID,
		Tag:        ready.Tag,
		Channel:    ready.Channel,
		Dataset:    ready.Dataset,
		Status:     ready.Status,
		From:       ready.From,
		To:         ready.To,
		Rows:       ready.Rows,
		ReadURL:    fmt.Sprintf("%s/dataset/v1/request/read/%s?requestId=%s", f.settings.PublicURL, url.PathEscape(ready.Tag), ready.RequestID),
		TS:         now.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "data-exhaust")
	request.Header.Set(DeliveryHeader, fmt.Sprintf("%s-%d", ready.RequestID, ready.Attempts))
	request.Header.Set(TimestampHeader, timestamp)
	request.Header.Set(SignatureHeader, signature(f.settings.WebhookSecret, timestamp, body))
	return request, nil
}

func signature(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// undelivered says why there was no answer. The URL may hold a token and what came back is a
// stranger's text, so neither is shown.
func undelivered(host string, err error) error {
	var (
		private     *privateAddress
		operation   *net.OpError
		lookup      *net.DNSError
		certificate *tls.CertificateVerificationError
		timeout     net.Error
	)
	switch {
	case errors.As(err, &private):
		return final(WebhookRefused, "%s is at %s: webhooks go to public addresses only, unless EXHAUST_WEBHOOK_ALLOW_PRIVATE is true", host, private.addr)
	case errors.As(err, &lookup):
		return fmt.Errorf("%s: its address is not found", host)
	case errors.As(err, &certificate):
		return fmt.Errorf("%s: its certificate is not valid: %w", host, certificate.Err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s did not answer within %s", host, webhookWithin)
	case errors.As(err, &operation):
		return fmt.Errorf("%s: %s: %w", host, operation.Op, operation.Err)
	}
	return fmt.Errorf("%s gave no answer that is HTTP", host)
}

// webhookWithin is how long a receiver may take to answer.
const webhookWithin = 10 * time.Second

// newWebhookClient makes a client that follows no redirect and, unless they are allowed, connects to
// no private address. The address is checked where it is dialled: a name that is public when it is
// looked at and private a moment later gets nowhere. For the same reason no proxy is used.
func newWebhookClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: webhookWithin}
	if !allowPrivate {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !PublicAddress(to.Addr()) {
				return &privateAddress{to.Addr()}
			}
			return nil
		}
	}
	return &http.Client{
		Timeout: webhookWithin,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type privateAddress struct{ addr netip.Addr }

func (e *privateAddress) Error() string { return e.addr.String() + " is not a public address" }

// PublicAddress reports whether an address is one of the Internet's: not of this machine, this network,
// a provider's own services, or of IANA's other special-purpose blocks. Addresses that carry an IPv4
// address within them (NAT64, 6to4, Teredo) are none either: where they lead is not theirs to say.
func PublicAddress(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	blocks := notPublic4
	if addr.Is6() {
		if !internet6.Contains(addr) {
			return false
		}
		blocks = notPublic6
	}
	for _, block := range blocks {
		if block.Contains(addr) {
			return false
		}
	}
	return addr.IsValid()
}

// IANA's IPv4 and IPv6 special-purpose address registries (RFC 6890).
var (
	notPublic4 = prefixes(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"168.63.129.16/32", // Azure's platform services, though it looks public
	)
	internet6  = netip.MustParsePrefix("2000::/3")
	notPublic6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

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

func (w SealedWebhook) open(secret, scheduleID string) (string, error) {
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
