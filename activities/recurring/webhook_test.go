package recurring

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"data-exhaust/exhaust"
)

const webhookSecret = "a-secret-for-tests-only"

// Computed by openssl dgst -sha256 -hmac.
func TestASignatureIsTheHMACOfTimestampAndBody(t *testing.T) {
	const want = "sha256=587d7e8fac16a1d001ac3635d56bc29d5009bebe36abdd3a3c40abef929b7f1c"
	if got := signature(webhookSecret, "1700000000", []byte(`{"event":"exhaust.ready"}`)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAWebhookSaysWhereToReadAndIsSigned(t *testing.T) {
	var (
		header http.Header
		body   []byte
		path   string
	)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header, path = r.Header, r.Method+" "+r.URL.RequestURI()
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	began := time.Now().Truncate(time.Second)
	if err := firings(true).SendWebhook(t.Context(), ready(t, receiver.URL+"/hook?token=t0ken")); err != nil {
		t.Fatal(err)
	}
	if path != "POST /hook?token=t0ken" || header.Get("Content-Type") != "application/json" {
		t.Errorf("it came as %s, %s", path, header.Get("Content-Type"))
	}
	timestamp := header.Get("X-Exhaust-Timestamp")
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write([]byte(timestamp + "." + string(body)))
	if got, want := header.Get("X-Exhaust-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("the signature is %s, want %s", got, want)
	}
	if header.Get("X-Exhaust-Delivery") != "0AFF-2" {
		t.Errorf("the delivery is %s", header.Get("X-Exhaust-Delivery"))
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if at := time.Unix(seconds, 0); err != nil || at.Before(began) || at.After(time.Now()) {
		t.Errorf("the timestamp is %s", timestamp)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got["ts"] != time.Unix(seconds, 0).UTC().Format("2006-01-02T15:04:05Z") {
		t.Errorf("ts is %v", got["ts"])
	}
	delete(got, "ts")
	want := map[string]any{
		"event": "exhaust.ready", "scheduleId": "s", "requestId": "0AFF", "tag": "weekly", "channel": "0130", "dataset": "uci-response-exhaust",
		"status": "SUCCESS", "from": "2022-03-01", "to": "2022-03-07", "rows": 12.0,
		"readUrl": "https://exhaust.example.org/dataset/v1/request/read/weekly?requestId=0AFF",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
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
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
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
		{gone.URL + "/token", strings.TrimPrefix(gone.URL, "http://") + ": dial: connect: connection refused", false},
		{"http://no-such-host.invalid/token", "no-such-host.invalid: its address is not found", false},
		{"https://" + host + "/token", host + " gave no answer that is HTTP", false},
	} {
		err := firings(true).SendWebhook(t.Context(), ready(t, c.url))
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

func TestAWebhookReachesNoPrivateAddressUnlessAllowed(t *testing.T) {
	reached := false
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer receiver.Close()
	port := receiver.URL[strings.LastIndex(receiver.URL, ":"):]
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.1.2.3", "169.254.169.254", "2130706433",
	} {
		err := firings(false).SendWebhook(t.Context(), ready(t, "http://"+host+port+"/t0ken"))
		if err == nil || !isFinal(err) && host != "2130706433" || strings.Contains(sentence(err), "t0ken") {
			t.Errorf("%s: got %v, want it refused", host, err)
		}
	}
	if reached {
		t.Error("a private address was reached")
	}
	err := firings(false).SendWebhook(t.Context(), ready(t, "http://localhost"+port))
	if want := "localhost" + port + " is at 127.0.0.1: webhooks go to public addresses only, unless EXHAUST_WEBHOOK_ALLOW_PRIVATE is true"; sentence(err) != want && !strings.Contains(sentence(err), "is at ::1") {
		t.Errorf("got %s\nwant %s", sentence(err), want)
	}
	if err := firings(true).SendWebhook(t.Context(), ready(t, receiver.URL)); err != nil || !reached {
		t.Errorf("where it is allowed: %v", err)
	}
}

func firings(allowPrivate bool) *Activities {
	return New(nil, nil, Settings{
		Timezone: time.UTC, PublicURL: "https://exhaust.example.org", WebhookSecret: webhookSecret, AllowPrivate: allowPrivate,
	})
}

func ready(t *testing.T, target string) Ready {
	t.Helper()
	parsed, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := exhaust.SealWebhook(webhookSecret, "s", parsed)
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
