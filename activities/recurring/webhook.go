package recurring

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/sdk/activity"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

// The headers of a webhook, those of Standard Webhooks 1.0.0 (https://github.com/standard-webhooks/standard-webhooks).
const (
	// IDHeader is the same on every try to deliver the same news of the same schedule.
	IDHeader = "webhook-id"
	// TimestampHeader is when this try was made, in seconds since 1970.
	TimestampHeader = "webhook-timestamp"
	// SignatureHeader lists the signatures, with blanks between: one by each secret of the channel that signs.
	SignatureHeader = "webhook-signature"
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

// SendWebhook is the step by which firings deliver that began on a release before, whose workers signed in another way and
// knew no sealing key.
func (f *Activities) SendWebhook(ctx context.Context, ready Ready) error {
	return f.DeliverWebhook(ctx, ready)
}

// DeliverWebhook reports to the schedule's owner that a file is ready, signed with the secrets of the schedule's channel.
// Answers that a retry may better (none, 408, 429, 5xx) are failures that Temporal tries again, all others are final.
func (f *Activities) DeliverWebhook(ctx context.Context, ready Ready) error {
	if f.settings.WebhookKeys.Signing == "" {
		return activities.ClientMistake(WebhookRefused, "EXHAUST_WEBHOOK_SECRET is not set: webhooks cannot be signed")
	}
	target, err := f.settings.WebhookKeys.Open(ready.Webhook, ready.ScheduleID)
	if err != nil {
		return activities.ClientMistake(WebhookRefused, "%v", err)
	}
	now := time.Now()
	secrets, err := f.findSecrets(ctx, ready.Channel, now)
	if err != nil {
		return err
	}
	request, err := f.webhookRequest(ctx, ready, target, secrets, now)
	if err != nil {
		return activities.ClientMistake(WebhookRefused, "the webhook's URL cannot be used")
	}
	response, err := f.webhooks.Do(request)
	if err != nil {
		sentence, cause := f.undelivered(err)
		activity.GetLogger(ctx).Warn("a webhook is not delivered", "host", ready.Webhook.Host, "scheduleId", ready.ScheduleID, "cause", cause)
		return fmt.Errorf("%s %s", ready.Webhook.Host, sentence)
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

// findSecrets are the secrets of a channel that sign at a time. Where it has none that the service's keys give, that may
// heal: somebody makes one, or a worker with the other key tries next.
func (f *Activities) findSecrets(ctx context.Context, channel string, at time.Time) (secrets []exhaust.WebhookSecret, err error) {
	salts, err := f.salts.WebhookSalts(ctx, channel, at)
	if err != nil {
		activity.GetLogger(ctx).Warn("the secrets of a webhook cannot be read", "error", err)
		return nil, errors.New("the secrets that sign webhooks cannot be read: the database does not do what it is asked")
	}
	if len(salts) == 0 {
		return nil, errors.New("the channel has no webhook secret: make one with POST /dataset/v1/webhook-secret")
	}
	for _, salt := range salts {
		secret, err := f.settings.WebhookKeys.Secret(salt)
		if err == nil {
			secrets = append(secrets, secret)
		} else if !errors.Is(err, exhaust.ErrOtherWebhookKey) {
			return nil, err
		}
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: make another with POST /dataset/v1/webhook-secret", exhaust.ErrOtherWebhookKey)
	}
	return secrets, nil
}

func (f *Activities) webhookRequest(ctx context.Context, ready Ready, target string, secrets []exhaust.WebhookSecret, now time.Time) (*http.Request, error) {
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
	// An exhaust may be that of two schedules, whose news differ.
	id := fmt.Sprintf("%s-%s-%d", ready.ScheduleID, ready.RequestID, ready.Attempts)
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		signatures[i] = secret.Sign(id, now, body)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "data-exhaust")
	request.Header.Set(IDHeader, id)
	request.Header.Set(TimestampHeader, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(SignatureHeader, strings.Join(signatures, " "))
	return request, nil
}

// undelivered says why there was no answer: in a sentence for the schedule's owner, and with what operators need to know.
// The sentence tells nothing of what lies within the operator's network: a name that leads there, one that does not exist and
// one where nothing listens get the same, and each is tried again. Neither shows the URL, which may hold a token, nor what
// came back, which is a stranger's text.
func (f *Activities) undelivered(err error) (sentence, cause string) {
	var (
		unreachable *unreachableError
		operation   *net.OpError
		certificate *tls.CertificateVerificationError
		timeout     net.Error
	)
	switch {
	case errors.As(err, &unreachable) && f.settings.AllowPrivate:
		return "cannot be reached", unreachable.Error()
	case errors.As(err, &unreachable):
		return "cannot be reached at a public address", unreachable.Error()
	case errors.As(err, &certificate):
		return certificateFault(certificate.Err), certificate.Err.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("did not answer within %s", webhookWithin), "no answer in time"
	case errors.As(err, &operation):
		return "broke the connection off", operation.Error()
	}
	return "gave no answer that is HTTP", "what came back is no HTTP, and is not shown"
}

// certificateFault says what is wrong with a certificate and shows no name that stands in it.
func certificateFault(err error) string {
	var (
		otherName x509.HostnameError
		unknown   x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &otherName):
		return "has a certificate of another name"
	case errors.As(err, &unknown):
		return "has a certificate of an unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "has a certificate that has expired or is not valid yet"
	}
	return "has a certificate that is not valid"
}

const (
	// webhookWithin is how long a receiver may take to answer.
	webhookWithin = 10 * time.Second
	// connectWithin is the part of it for looking up the name and connecting. It is over first, so that a slow name is told
	// from a slow answer.
	connectWithin = 5 * time.Second
)

// newWebhookClient makes a client that follows no redirect and, unless they are allowed, connects to no private address.
// The address is checked where it is dialled: a name that is public when it is looked up and private a moment later gets
// nowhere. For the same reason the client uses no proxy.
func newWebhookClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: connectWithin}
	if !allowPrivate {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err == nil && !exhaust.IsPublicAddress(to.Addr()) {
				err = fmt.Errorf("%s is not a public address", to.Addr())
			}
			return err
		}
	}
	return &http.Client{
		Timeout: webhookWithin,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, &unreachableError{err}
				}
				return conn, nil
			},
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// unreachableError says that there was no connection, for whatever reason.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }
