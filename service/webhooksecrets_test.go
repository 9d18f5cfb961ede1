package service_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	jobrows "data-exhaust/jobs"
	"data-exhaust/service"
)

const secretPath = "/dataset/v1/webhook-secret"

// webhookSecret is the result of the calls about a channel's secret. Of an absent field it has nil or "".
type webhookSecret struct {
	RequestedChannel       string
	Exists                 bool
	WebhookSecret          string
	Created, PreviousUntil *int64
	NeedsReplacement       bool
}

// show writes a result without what differs each time: a secret is S, a time T where it is between these.
func (s webhookSecret) show(t *testing.T, since, until time.Time) string {
	t.Helper()
	at := func(milliseconds *int64, later time.Duration) string {
		if milliseconds == nil {
			return "-"
		}
		if at := time.UnixMilli(*milliseconds); at.Before(since.Add(later-time.Millisecond)) || at.After(until.Add(later)) {
			t.Errorf("%s is no time between %s and %s, %s later", at, since, until, later)
		}
		return "T"
	}
	secret := regexp.MustCompile(`^whsec_[A-Za-z0-9+/]{43}=$`).ReplaceAllString(s.WebhookSecret, "S")
	return fmt.Sprint(s.RequestedChannel, " ", s.Exists, " ", secret, " ", at(s.Created, 0), " ", at(s.PreviousUntil, 24*time.Hour), " ", s.NeedsReplacement)
}

func TestAChannelsWebhookSecretIsShownOnceByTheCallThatMakesIt(t *testing.T) {
	t.Parallel()
	since := time.Now()
	own, other := fmt.Sprint("its own secret ", since.UnixNano()), fmt.Sprint("another's secret ", since.UnixNano())
	shown := map[string]bool{}
	want := func(channel, method, want string) {
		t.Helper()
		got := okay[webhookSecret](t, channel, method, secretPath, "")
		if got := got.show(t, since, time.Now()); got != want {
			t.Errorf("%s: got %s, want %s", method, got, want)
		}
		if got.WebhookSecret != "" && shown[got.WebhookSecret] {
			t.Error("a secret is shown twice")
		}
		shown[got.WebhookSecret] = true
	}
	want(own, "GET", own+" false  - - false")
	want(own, "POST", own+" true S T - false")
	want(own, "GET", own+" true  T - false")
	want(own, "POST", own+" true S T T false")
	want(own, "GET", own+" true  T T false")
	want(other, "GET", other+" false  - - false")
	want(other, "POST", other+" true S T - false")
	for _, c := range []struct {
		channel, method string
		status          int
		want            string
	}{
		{"", "POST", 400, "X-Channel-ID is missing in request header"},
		{"", "GET", 400, "X-Channel-ID is missing in request header"},
		{"a|b", "POST", 400, `channel "a|b" holds a |: 1 to 150 printable characters other than | are accepted`},
		{strings.Repeat("c", 151), "GET", 400, `channel "` + strings.Repeat("c", 120) + `…" is not valid: 1 to 150 printable characters are accepted`},
		{own, "DELETE", 405, secretPath + " does not take DELETE"},
	} {
		if got := call(t, c.channel, c.method, secretPath, ""); got.Status != c.status || got.ErrMsg != c.want {
			t.Errorf("%s of %q: %d %s\nwant %d %s", c.method, c.channel, got.Status, got.ErrMsg, c.status, c.want)
		}
	}
	for method, id := range map[string]string{"POST": "create", "GET": "info"} {
		if got := call(t, own, method, secretPath, ""); got.ID != "ekstep.analytics.dataset.webhook-secret."+id {
			t.Errorf("%s answers as %s", method, got.ID)
		}
	}
}

func TestAWebhookThatIsSetMakesTheChannelsSecretWhereItHasNone(t *testing.T) {
	t.Parallel()
	channel := fmt.Sprint("sets webhooks ", time.Now().UnixNano())
	request := func(more string) string {
		return fmt.Sprintf(`{"request":{"dataset":"uci-response-exhaust","datasetConfig":{"conversationId":%q},"cron":"0 6 * * *","paused":true%s}}`, conversation, more)
	}
	const webhook = `"webhook":"http://127.0.0.1:1/T0KEN"`
	s := okay[schedule](t, channel, "POST", base, request(""))
	defer call(t, channel, "DELETE", base+"/"+s.ScheduleID, "")
	if s.WebhookSecret != "" || okay[webhookSecret](t, channel, "GET", secretPath, "").Exists {
		t.Error("without a webhook there is a secret")
	}
	set := okay[schedule](t, channel, "PATCH", base+"/"+s.ScheduleID, `{"request":{`+webhook+`}}`)
	if !strings.HasPrefix(set.WebhookSecret, "whsec_") || !okay[webhookSecret](t, channel, "GET", secretPath, "").Exists {
		t.Error("the first webhook shows no secret")
	}
	for _, c := range []struct{ method, path, body string }{
		{"PATCH", base + "/" + s.ScheduleID, `{"request":{` + webhook + `}}`}, {"PATCH", base + "/" + s.ScheduleID, `{"request":{"note":"n"}}`},
		{"GET", base + "/" + s.ScheduleID, ""}, {"POST", base, request("," + webhook)},
	} {
		got := call(t, channel, c.method, c.path, c.body)
		if got.Status != 200 || strings.Contains(string(got.Result), "webhookSecret") || strings.Contains(string(got.Result), "whsec_") {
			t.Errorf("%s %s: %d %s", c.method, c.path, got.Status, got.Result)
		}
	}
	for _, listed := range okay[struct{ Schedules []schedule }](t, channel, "GET", base, "").Schedules {
		call(t, channel, "DELETE", base+"/"+listed.ScheduleID, "")
	}
	if okay[webhookSecret](t, channel, "GET", secretPath, "").PreviousUntil != nil {
		t.Error("setting a webhook replaced the secret")
	}
}

func TestASecretOfTheFormerKeyIsSaidToNeedReplacement(t *testing.T) {
	t.Parallel()
	db := openJobs(t)
	former := service.NewWebhookSecrets(db, exhaust.WebhookKeys{Signing: "the-former-secret", Sealing: sealing})
	now := service.NewWebhookSecrets(db, exhaust.WebhookKeys{Signing: secret, SigningPrevious: "the-former-secret", Sealing: sealing})
	if _, err := former.Replace(t.Context(), "0130"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		got, err := now.Read(t.Context(), "0130")
		if err != nil || got.NeedsReplacement != want || got.MadeAt.IsZero() {
			t.Errorf("got %+v, %v; want %t", got, err, want)
		}
		if _, err := now.Replace(t.Context(), "0130"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOfSecretsThatAreMadeAtTheSameTimeOneIsShown: the others would believe in one that signs nothing.
func TestOfSecretsThatAreMadeAtTheSameTimeOneIsShown(t *testing.T) {
	t.Parallel()
	salts := &meetingSalts{Jobs: openJobs(t)}
	secrets := service.NewWebhookSecrets(salts, exhaust.WebhookKeys{Signing: secret, Sealing: sealing})
	for _, round := range []string{"the first secret", "another one"} {
		salts.met.Add(2)
		var (
			all  sync.WaitGroup
			errs [2]error
			made [2]service.WebhookSecret
		)
		for i := range 2 {
			all.Go(func() { made[i], errs[i] = secrets.Replace(t.Context(), "0130") })
		}
		all.Wait()
		if errs[0] == nil {
			errs[0], errs[1], made[0], made[1] = errs[1], errs[0], made[1], made[0]
		}
		var refusal *exhaust.InvalidError
		const want = "the channel's webhook secret was made by somebody else just now: ask them for it, or make another"
		if !errors.As(errs[0], &refusal) || refusal.Sentence != want || made[0].Secret != "" || errs[1] != nil || made[1].Secret == "" {
			t.Errorf("%s: got %v and %v", round, errs[0], errs[1])
		}
	}
}

// meetingSalts lets two read before either replaces.
type meetingSalts struct {
	*jobrows.Jobs
	met sync.WaitGroup
}

func (s *meetingSalts) WebhookSalts(ctx context.Context, channel string, at time.Time) ([]exhaust.WebhookSalt, error) {
	salts, err := s.Jobs.WebhookSalts(ctx, channel, at)
	s.met.Done()
	s.met.Wait()
	return salts, err
}

func openJobs(t *testing.T) *jobrows.Jobs {
	t.Helper()
	db, err := database.Open(t.Context(), "sqlite://"+t.TempDir()+"/exhaust.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	kept := jobrows.New(db)
	if err := kept.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return kept
}
