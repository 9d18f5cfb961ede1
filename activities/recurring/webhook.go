package recurring

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
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

	"data-exhaust/activities"
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
	News
	Webhook  exhaust.SealedWebhook `json:"webhook"`
	Attempts int                   `json:"attempts"`
}

// News is what a webhook says of an exhaust: no data.
type News struct {
	ScheduleID string          `json:"scheduleId"`
	RequestID  string          `json:"requestId"`
	Tag        string          `json:"tag"`
	Channel    string          `json:"channel"`
	Dataset    exhaust.Dataset `json:"dataset"`
	Status     exhaust.Status  `json:"status"`
	From       exhaust.Day     `json:"from"`
	To         exhaust.Day     `json:"to"`
	Rows       int64           `json:"rows"`
}

// webhookBody adds where to read.
type webhookBody struct {
	Event string `json:"event"`
	News
	ReadURL string `json:"readUrl"`
	TS      string `json:"ts"`
}

// SendWebhook reports to the schedule's owner that a file is ready. Answers that a retry may better
// (none, 408, 429, 5xx) are failures that Temporal tries again, all others are final.
func (f *Activities) SendWebhook(ctx context.Context, ready Ready) error {
	if f.settings.WebhookSecret == "" {
		return activities.ClientMistake(WebhookRefused, "EXHAUST_WEBHOOK_SECRET is not set: webhooks cannot be signed")
	}
	target, err := ready.Webhook.Open(f.settings.WebhookSecret, ready.ScheduleID)
	if err != nil {
		return activities.ClientMistake(WebhookRefused, "%v", err)
	}
	request, err := f.webhookRequest(ctx, ready, target, time.Now())
	if err != nil {
		return activities.ClientMistake(WebhookRefused, "the webhook's URL cannot be used")
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
		return activities.ClientMistake(WebhookRefused, "%s answered %d: redirects are not followed", ready.Webhook.Host, status)
	default:
		return activities.ClientMistake(WebhookRefused, "%s answered %d", ready.Webhook.Host, status)
	}
}

func (f *Activities) webhookRequest(ctx context.Context, ready Ready, target string, now time.Time) (*http.Request, error) {
	body, err := json.Marshal(webhookBody{
		Event:   "exhaust.ready",
		News:    ready.News,
		ReadURL: fmt.Sprintf("%s/dataset/v1/request/read/%s?requestId=%s", f.settings.PublicURL, url.PathEscape(ready.Tag), ready.RequestID),
		TS:      now.UTC().Format(time.RFC3339),
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
		private     *privateAddressError
		operation   *net.OpError
		lookup      *net.DNSError
		certificate *tls.CertificateVerificationError
		timeout     net.Error
	)
	switch {
	case errors.As(err, &private):
		return activities.ClientMistake(WebhookRefused, "%s is at %s: webhooks go to public addresses only, unless EXHAUST_WEBHOOK_ALLOW_PRIVATE is true", host, private.addr)
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

// newWebhookClient makes a client that follows no redirect and, unless they are allowed, connects to no private address.
// The address is checked where it is dialled: a name that is public when it is looked up and private a moment later gets
// nowhere. For the same reason the client uses no proxy.
func newWebhookClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: webhookWithin}
	if !allowPrivate {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err == nil && !exhaust.IsPublicAddress(to.Addr()) {
				err = &privateAddressError{to.Addr()}
			}
			return err
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

type privateAddressError struct{ addr netip.Addr }

func (e *privateAddressError) Error() string { return e.addr.String() + " is not a public address" }
