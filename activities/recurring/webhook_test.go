package recurring

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"data-exhaust/exhaust"
)

// webhookKeys are for tests only.
var webhookKeys = exhaust.WebhookKeys{Signing: "a-secret-for-tests-only", Sealing: "a-sealing-key-for-tests-only"}

// fixedSalts are what channels' secrets are derived from; those that have ended by the time asked for are left out.
type fixedSalts struct {
	of  map[string][]exhaust.WebhookSalt
	err error
}

func (s fixedSalts) WebhookSalts(_ context.Context, channel string, at time.Time) (salts []exhaust.WebhookSalt, err error) {
	for _, salt := range s.of[channel] {
		if salt.EndsAt.IsZero() || salt.EndsAt.After(at) {
			salts = append(salts, salt)
		}
	}
	return salts, s.err
}

// reveal is a secret as a receiver has it.
func reveal(t *testing.T, keys exhaust.WebhookKeys, salt exhaust.WebhookSalt) string {
	t.Helper()
	secret, err := keys.Secret(salt)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

// delivery is what a receiver gets.
type delivery struct {
	header http.Header
	body   []byte
	target string
}

// isVerifiedWith reports whether Standard Webhooks' own library takes a delivery for one of the secret's owner.
func (d delivery) isVerifiedWith(t *testing.T, secret string) bool {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	err = webhook.Verify(d.body, d.header)
	if err != nil && !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
		t.Fatal(err)
	}
	return err == nil
}

// newReceiver takes whatever comes.
func newReceiver(t *testing.T) (target string, got *delivery) {
	t.Helper()
	got = &delivery{}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = delivery{r.Header, body, r.Method + " " + r.URL.RequestURI()}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(receiver.Close)
	return receiver.URL, got
}

func TestAWebhookSaysWhereToReadAndIsSigned(t *testing.T) {
	target, got := newReceiver(t)
	began := time.Now().Truncate(time.Second)
	salt := webhookKeys.NewSalt("0130", began)
	f := firings(true)
	f.salts = fixedSalts{of: map[string][]exhaust.WebhookSalt{"0130": {salt}}}
	if err := deliver(t, f, ready(t, target+"/hook?token=t0ken"), nil); err != nil {
		t.Fatal(err)
	}
	if got.target != "POST /hook?token=t0ken" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("it came as %s, %s", got.target, got.header.Get("Content-Type"))
	}
	if !got.isVerifiedWith(t, reveal(t, webhookKeys, salt)) {
		t.Errorf("it is not signed: %v", got.header)
	}
	if got.header.Get("webhook-id") != "s-0AFF-2" {
		t.Errorf("the id is %s", got.header.Get("webhook-id"))
	}
	for name := range got.header {
		if strings.HasPrefix(name, "X-") {
			t.Errorf("there is the header %s", name)
		}
	}
	seconds, err := strconv.ParseInt(got.header.Get("webhook-timestamp"), 10, 64)
	if at := time.Unix(seconds, 0); err != nil || at.Before(began) || at.After(time.Now()) {
		t.Errorf("the timestamp is %s", got.header.Get("webhook-timestamp"))
	}
	var body map[string]any
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	if body["ts"] != time.Unix(seconds, 0).UTC().Format("2006-01-02T15:04:05Z") {
		t.Errorf("ts is %v", body["ts"])
	}
	delete(body, "ts")
	want := map[string]any{
		"event": "exhaust.ready", "scheduleId": "s", "requestId": "0AFF", "tag": "weekly", "channel": "0130", "dataset": "uci-response-exhaust",
		"status": "SUCCESS", "from": "2022-03-01", "to": "2022-03-07", "rows": 12.0,
		"readUrl": "https://exhaust.example.org/dataset/v1/request/read/weekly?requestId=0AFF",
	}
	if !reflect.DeepEqual(body, want) {
		t.Errorf("got  %v\nwant %v", body, want)
	}
}

// TestAChannelsWebhooksAreVerifiedWithItsOwnSecretsOnly: with those that sign at the time, of the keys that the service has.
func TestAChannelsWebhooksAreVerifiedWithItsOwnSecretsOnly(t *testing.T) {
	now := time.Now()
	former := exhaust.WebhookKeys{Signing: "the-former-secret", Sealing: webhookKeys.Sealing}
	both := webhookKeys
	both.SigningPrevious = former.Signing
	own, other := webhookKeys.NewSalt("0130", now), webhookKeys.NewSalt("0131", now)
	replaced, ended, ofFormer := webhookKeys.NewSalt("0130", now), webhookKeys.NewSalt("0130", now), former.NewSalt("0130", now)
	replaced.EndsAt, ended.EndsAt = now.Add(time.Hour), now.Add(-time.Second)
	replacedOfFormer := ofFormer
	replacedOfFormer.EndsAt = now.Add(time.Hour)
	secretOf := map[string]string{
		"own": reveal(t, webhookKeys, own), "another channel's": reveal(t, webhookKeys, other), "replaced": reveal(t, webhookKeys, replaced),
		"ended": reveal(t, webhookKeys, ended), "of the former key": reveal(t, former, ofFormer), "the service's": "whsec_" + "YS1zZWNyZXQtZm9yLXRlc3RzLW9ubHk=",
	}
	target, got := newReceiver(t)
	for _, c := range []struct {
		name  string
		keys  exhaust.WebhookKeys
		salts []exhaust.WebhookSalt
		want  []string
	}{
		{"a secret", webhookKeys, []exhaust.WebhookSalt{own}, []string{"own"}},
		{"one that was replaced an hour ago", webhookKeys, []exhaust.WebhookSalt{own, replaced, ended}, []string{"own", "replaced"}},
		{"while the service's key is replaced, before the channel's secret", both, []exhaust.WebhookSalt{ofFormer}, []string{"of the former key"}},
		{"while the service's key is replaced, after the channel's secret", both, []exhaust.WebhookSalt{own, replacedOfFormer}, []string{"own", "of the former key"}},
		{"on a worker that has the former key only", former, []exhaust.WebhookSalt{own, replacedOfFormer}, []string{"of the former key"}},
	} {
		f := firings(true)
		f.settings.WebhookKeys = c.keys
		f.salts = fixedSalts{of: map[string][]exhaust.WebhookSalt{"0130": c.salts, "0131": {other}}}
		if err := deliver(t, f, ready(t, target), nil); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		wanted := map[string]bool{}
		for _, name := range c.want {
			wanted[name] = true
		}
		for name, secret := range secretOf {
			if verified := got.isVerifiedWith(t, secret); verified != wanted[name] {
				t.Errorf("%s: verified with the secret %q: %t", c.name, name, verified)
			}
		}
		if n := len(strings.Split(got.header.Get("webhook-signature"), " ")); n != len(c.want) {
			t.Errorf("%s: there are %d signatures, want %d", c.name, n, len(c.want))
		}
	}
}

func TestAWebhookThatCannotBeSignedWaitsForASecret(t *testing.T) {
	target, got := newReceiver(t)
	former := exhaust.WebhookKeys{Signing: "the-former-secret"}
	for _, c := range []struct {
		name  string
		keys  exhaust.WebhookKeys
		salts fixedSalts
		want  string
		final bool
	}{
		{"no keys", exhaust.WebhookKeys{}, fixedSalts{}, "EXHAUST_WEBHOOK_SECRET is not set: webhooks cannot be signed", true},
		{"no secret", webhookKeys, fixedSalts{}, "the channel has no webhook secret: make one with POST /dataset/v1/webhook-secret", false},
		{"a secret of another key", webhookKeys, fixedSalts{of: map[string][]exhaust.WebhookSalt{"0130": {former.NewSalt("0130", time.Now())}}},
			"the channel's webhook secret is of another EXHAUST_WEBHOOK_SECRET than the service has: make another with POST /dataset/v1/webhook-secret", false},
		{"no database", webhookKeys, fixedSalts{err: errors.New("dial tcp 10.0.0.5:5432: connection refused")},
			"the secrets that sign webhooks cannot be read: the database does not do what it is asked", false},
	} {
		f := firings(true)
		f.settings.WebhookKeys, f.salts = c.keys, c.salts
		err := deliver(t, f, ready(t, target), nil)
		if err == nil || sentence(err) != c.want || isFinal(err) != c.final || got.body != nil {
			t.Errorf("%s: got %v, final %t, sent %s\nwant %s", c.name, err, isFinal(err), got.body, c.want)
		}
	}
}

func TestAWebhooksAnswerDecidesWhetherItIsTriedAgain(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(status)
	}))
	defer receiver.Close()
	host := strings.TrimPrefix(receiver.URL, "http://")
	for _, c := range []struct {
		url, want string
		final     bool
	}{
		{receiver.URL + "/200", "", false},
		{receiver.URL + "/202", "", false},
		{receiver.URL + "/302", host + " answered 302: redirects are not followed", true},
		{receiver.URL + "/400", host + " answered 400", true},
		{receiver.URL + "/410", host + " answered 410", true},
		{receiver.URL + "/408", host + " answered 408", false},
		{receiver.URL + "/429", host + " answered 429", false},
		{receiver.URL + "/500", host + " answered 500", false},
		{receiver.URL + "/503", host + " answered 503", false},
		{receiver.URL + "/none", host + " gave no answer that is HTTP", false},
		{"https://" + host + "/token", host + " gave no answer that is HTTP", false},
	} {
		err := deliver(t, firings(true), ready(t, c.url), nil)
		got := ""
		if err != nil {
			got = sentence(err)
		}
		if got != c.want || isFinal(err) != c.final {
			t.Errorf("%s:\ngot  %q, final %t\nwant %q, final %t", c.url, got, isFinal(err), c.want, c.final)
		}
	}
	if followed {
		t.Error("the redirect was followed")
	}
}

// TestAWebhookThatIsNotReachedTellsNothingOfTheNetworkWithin: neither by its sentence, nor by being tried again or not.
func TestAWebhookThatIsNotReachedTellsNothingOfTheNetworkWithin(t *testing.T) {
	reached := false
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer receiver.Close()
	port := receiver.URL[strings.LastIndex(receiver.URL, ":"):]
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	closed := gone.URL[strings.LastIndex(gone.URL, ":"):]
	check := func(f *Activities, host, sentenceBehindHost, cause string) {
		t.Helper()
		var log bytes.Buffer
		err := deliver(t, f, ready(t, "http://"+host+"/t0ken?key=t0ken"), &log)
		if err == nil || sentence(err) != host+sentenceBehindHost || isFinal(err) || errors.Unwrap(errors.Unwrap(err)) != nil {
			t.Errorf("%s: got %v, final %t", host, err, isFinal(err))
		}
		if !strings.Contains(log.String(), cause) || !strings.Contains(log.String(), host) || strings.Contains(log.String(), "t0ken") {
			t.Errorf("%s: the log says %s", host, log.String())
		}
	}
	for host, cause := range map[string]string{
		"127.0.0.1" + port: "127.0.0.1 is not a public address", "localhost" + port: "is not a public address", "[::1]" + port: "::1 is not a public address",
		"[::ffff:127.0.0.1]" + port: "is not a public address", "0.0.0.0" + port: "is not a public address", "10.1.2.3" + port: "10.1.2.3 is not a public address",
		"169.254.169.254": "169.254.169.254 is not a public address", "2130706433" + port: "", "127.0.0.1" + closed: "127.0.0.1 is not a public address",
		"no-such-host.invalid": "lookup no-such-host.invalid",
	} {
		check(firings(false), host, " cannot be reached at a public address", cause)
	}
	if reached {
		t.Error("a private address was reached")
	}
	check(firings(true), "localhost"+closed, " cannot be reached", "connection refused")
	check(firings(true), "no-such-host.invalid", " cannot be reached", "lookup no-such-host.invalid")
	if err := deliver(t, firings(true), ready(t, receiver.URL), nil); err != nil || !reached {
		t.Errorf("where it is allowed: %v", err)
	}
}

func TestAWebhooksCertificateIsRefusedWithoutTheNamesInIt(t *testing.T) {
	receiver := httptest.NewUnstartedServer(http.NotFoundHandler())
	receiver.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	receiver.StartTLS() // as example.com and 127.0.0.1
	defer receiver.Close()
	port := receiver.URL[strings.LastIndex(receiver.URL, ":"):]
	trusting := x509.NewCertPool()
	trusting.AddCert(receiver.Certificate())
	for _, c := range []struct {
		name, host  string
		tls         *tls.Config
		want, cause string
	}{
		{"of nobody who is known", "127.0.0.1", nil, "has a certificate of an unknown authority", "unknown authority"},
		{"of another name", "localhost", &tls.Config{RootCAs: trusting}, "has a certificate of another name", "example.com, not localhost"},
		{"of another time", "127.0.0.1", &tls.Config{RootCAs: trusting, Time: func() time.Time { return receiver.Certificate().NotAfter.Add(time.Second) }},
			"has a certificate that has expired or is not valid yet", "expired or is not yet valid"},
	} {
		f := firings(true)
		f.webhooks.Transport.(*http.Transport).TLSClientConfig = c.tls
		var log bytes.Buffer
		err := deliver(t, f, ready(t, "https://"+c.host+port+"/t0ken"), &log)
		if err == nil || sentence(err) != c.host+port+" "+c.want || isFinal(err) {
			t.Errorf("%s: got %v\nwant %s %s", c.name, err, c.host+port, c.want)
		}
		if !strings.Contains(log.String(), c.cause) || strings.Contains(log.String(), "t0ken") {
			t.Errorf("%s: the log says %s", c.name, log.String())
		}
	}
}

// TestAnEarlierFiringsWebhookIsSignedInTheSameWay: its workflow asks for SendWebhook.
func TestAnEarlierFiringsWebhookIsSignedInTheSameWay(t *testing.T) {
	target, got := newReceiver(t)
	salt := webhookKeys.NewSalt("0130", time.Now())
	f := firings(true)
	f.salts = fixedSalts{of: map[string][]exhaust.WebhookSalt{"0130": {salt}}}
	if err := f.SendWebhook(t.Context(), ready(t, target)); err != nil {
		t.Fatal(err)
	}
	if !got.isVerifiedWith(t, reveal(t, webhookKeys, salt)) {
		t.Errorf("it is not signed: %v", got.header)
	}
}

// deliver does DeliverWebhook as an activity; where log is not nil, it gets what the worker logs.
func deliver(t *testing.T, f *Activities, ready Ready, log io.Writer) error {
	t.Helper()
	if log == nil {
		log = io.Discard
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(log, nil))))
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(f.DeliverWebhook)
	_, err := env.ExecuteActivity(f.DeliverWebhook, ready)
	return err
}

func firings(allowPrivate bool) *Activities {
	salts := fixedSalts{of: map[string][]exhaust.WebhookSalt{"0130": {webhookKeys.NewSalt("0130", time.Now())}}}
	return New(nil, nil, salts, Settings{
		Timezone: time.UTC, PublicURL: "https://exhaust.example.org", WebhookKeys: webhookKeys, AllowPrivate: allowPrivate,
	})
}

func ready(t *testing.T, target string) Ready {
	t.Helper()
	parsed, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := webhookKeys.Seal("s", parsed)
	if err != nil {
		t.Fatal(err)
	}
	return Ready{
		News: News{
			ScheduleID: "s", RequestID: "0AFF", Tag: "weekly", Channel: "0130",
			Dataset: "uci-response-exhaust", Status: "SUCCESS", From: "2022-03-01", To: "2022-03-07", Rows: 12,
		},
		Webhook: *sealed, Attempts: 2,
	}
}

// sentence is what people see of an error.
func sentence(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}

// isFinal reports whether Temporal does not try again.
func isFinal(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.NonRetryable()
}
