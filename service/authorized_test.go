package service_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/apitest"
	"data-exhaust/internal/app"
	"data-exhaust/internal/e2etest"
	"data-exhaust/internal/logtest"
	rows "data-exhaust/jobs"
	"data-exhaust/service"
	"data-exhaust/telemetry"
)

// guarded is an api of the same service that asks for tokens.
type guarded struct {
	t      *testing.T
	url    string
	tokens *service.Tokens
	// prefix begins the names of its tokens, which no other test has.
	prefix string
	// auditFile is its audit log.
	auditFile string
}

func newGuarded(t *testing.T, more ...string) *guarded {
	t.Helper()
	g := &guarded{t: t, prefix: e2etest.Serial(t.Name()+"-") + "-", auditFile: filepath.Join(t.TempDir(), "audit.log")}
	addr, err := freeAddress()
	e2etest.Must(t, err)
	cfg, err := config.Load(slices.Concat(more, settings, []string{
		"EXHAUST_ADDR=" + addr, "EXHAUST_AUTH=tokens", "EXHAUST_AUDIT_LOG=" + g.auditFile, "EXHAUST_RATE_LIMIT=0",
	}))
	e2etest.Must(t, err)
	db, err := database.Open(t.Context(), cfg.DatabaseURL)
	e2etest.Must(t, err)
	t.Cleanup(func() { e2etest.Must(t, db.Close()) })
	g.tokens, g.url = service.NewTokens(rows.New(db)), cfg.PublicURL
	ctx, stop := context.WithCancel(context.Background())
	listening, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- app.API(ctx, cfg, slog.New(slog.NewTextHandler(&serviceLog, nil)), func(string) { close(listening) })
	}()
	t.Cleanup(func() {
		stop()
		e2etest.Must(t, <-ended)
	})
	select {
	case <-listening:
	case err := <-ended:
		t.Fatal(err)
	}
	return g
}

// mint makes a token of a name behind the prefix.
func (g *guarded) mint(name string, channels []string, rights ...string) string {
	g.t.Helper()
	_, secret, err := g.tokens.Create(g.t.Context(), service.TokenDraft{
		Name: g.prefix + strings.ReplaceAll(name, " ", "-"), Channels: channels, Rights: rights, Life: time.Hour,
	})
	e2etest.Must(g.t, err)
	return secret
}

// reply is what a caller is answered, with ts and resmsgid, which differ each time, left out.
type reply struct {
	status int
	body   string
}

var changing = regexp.MustCompile(`"(ts|resmsgid)":"[^"]*"`)

// ask calls the api; an empty token or channel is not sent. It asks again where a busy development server does not answer.
func (g *guarded) ask(token, channel, method, path, body string) (got reply) {
	g.t.Helper()
	e2etest.Eventually(g.t, time.Minute, method+" "+path+" is answered", func() bool {
		request, err := http.NewRequestWithContext(context.WithoutCancel(g.t.Context()), method, g.url+path, strings.NewReader(body))
		e2etest.Must(g.t, err)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		if channel != "" {
			request.Header.Set("X-Channel-ID", channel)
		}
		response, err := http.DefaultClient.Do(request)
		e2etest.Must(g.t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		e2etest.Must(g.t, err)
		apitest.CheckAnswer(g.t, request, response, text)
		got = reply{response.StatusCode, changing.ReplaceAllString(string(text), `"$1":""`)}
		return got.status != http.StatusServiceUnavailable
	})
	return got
}

// result reads what a call that has to succeed was answered.
func result[T any](t *testing.T, got reply) T {
	t.Helper()
	var e struct{ Result T }
	if err := json.Unmarshal([]byte(got.body), &e); err != nil || got.status != http.StatusOK {
		t.Fatalf("answered %d %s: %v", got.status, got.body, err)
	}
	return e.Result
}

// victim is what there is in a channel to get at.
type victim struct {
	ended, waiting            job
	private, response         schedule
	endedTag, waitingTag, url string
}

const (
	requests = "/dataset/v1/request/"
	privacy  = `"dataset":"uci-private-exhaust","requestedBy":"owner","datasetConfig":{"conversationId":"` + conversation + `"%s}`
)

// days are last month as members of a datasetConfig.
func days() string {
	month := daysOfLastMonth()
	return fmt.Sprintf(`,"startDate":%q,"endDate":%q`, month[0], month[len(month)-1])
}

func (g *guarded) newVictim(owner string) (v victim) {
	t := g.t
	t.Helper()
	v.endedTag, v.waitingTag = g.prefix+"ended", g.prefix+"waiting"
	body := fmt.Sprintf(`{"request":{"tag":%q,`+privacy+`}}`, v.endedTag, days())
	v.ended = result[job](t, g.ask(owner, channel, "POST", requests+"submit", body))
	e2etest.Eventually(t, time.Minute, "the private exhaust has ended", func() bool {
		v.ended = result[job](t, g.ask(owner, channel, "GET", requests+"read/"+v.endedTag+"?requestId="+v.ended.RequestID, ""))
		return v.ended.Status == "SUCCESS"
	})
	if len(v.ended.DownloadURLs) != 1 || v.ended.Progress.RowsWritten != 1 {
		t.Fatalf("the owner is shown %+v", v.ended)
	}
	v.url = v.ended.DownloadURLs[0]
	body = fmt.Sprintf(`{"request":{"tag":%q,"runAt":"nightly",`+privacy+`}}`, v.waitingTag, days())
	v.waiting = result[job](t, g.ask(owner, channel, "POST", requests+"submit", body))
	t.Cleanup(func() {
		g.ask(owner, channel, "POST", requests+"cancel/"+v.waitingTag+"?requestId="+v.waiting.RequestID, "")
	})
	schedule := func(dataset string) (made schedule) {
		made = result[scheduleType](t, g.ask(owner, channel, "POST", base, fmt.Sprintf(`{"request":{"dataset":%q,"cron":"0 6 * * 1","paused":true,
			"webhook":"http://127.0.0.1:9/hook","note":"theirs","datasetConfig":{"conversationId":%q}}}`, dataset, conversation)))
		t.Cleanup(func() { g.ask(owner, channel, "DELETE", base+"/"+made.ScheduleID, "") })
		return made
	}
	v.private, v.response = schedule("uci-private-exhaust"), schedule("uci-response-exhaust")
	return v
}

type scheduleType = schedule

// wantUntouched is the owner's view of all that there was.
func (g *guarded) wantUntouched(owner string, v victim) {
	t := g.t
	t.Helper()
	ended := result[job](t, g.ask(owner, channel, "GET", requests+"read/"+v.endedTag+"?requestId="+v.ended.RequestID, ""))
	if ended.Status != "SUCCESS" || ended.Attempts != 0 || !slices.Equal(ended.DownloadURLs, v.ended.DownloadURLs) {
		t.Errorf("the exhaust is now %+v", ended)
	}
	waiting := result[job](t, g.ask(owner, channel, "GET", requests+"read/"+v.waitingTag+"?requestId="+v.waiting.RequestID, ""))
	if waiting.Status != "SUBMITTED" || waiting.Attempts != 0 {
		t.Errorf("the exhaust that waits is now %+v", waiting)
	}
	for _, was := range []schedule{v.private, v.response} {
		now := result[schedule](t, g.ask(owner, channel, "GET", base+"/"+was.ScheduleID, ""))
		if now.Note != "theirs" || now.Cron != "0 6 * * 1" || !now.Paused || len(now.Firings) != 0 {
			t.Errorf("the schedule is now %+v", now)
		}
	}
}

// attempts are all calls about something in a channel, but for those that REST does not make: the table lookUps has these. TAG, ID and SCHEDULE stand for what is got at.
var attempts = []struct{ method, path, body string }{
	{"GET", requests + "read/TAG?requestId=ID", ""},
	{"GET", requests + "summary/TAG?requestId=ID", ""},
	{"GET", requests + "list/TAG", ""},
	{"GET", requests + "list/TAG?limit=1000", ""},
	{"POST", requests + "cancel/TAG?requestId=ID", ""},
	{"POST", requests + "retry/TAG?requestId=ID", ""},
	{"POST", requests + "search", `{"request":{"filters":{},"limit":1000}}`},
	{"POST", requests + "search", `{"request":{"filters":{"channel":"CHANNEL"}}}`},
	{"POST", requests + "search", `{"request":{"filters":{"channel":"CHANNEL","dataset":"uci-private-exhaust","status":"SUCCESS"}}}`},
	{"POST", requests + "replay", `{"request":{"filters":{"requestId":"ID"}}}`},
	{"POST", requests + "replay", `{"request":{"filters":{"channel":"CHANNEL","status":"SUBMITTED"}}}`},
	{"POST", requests + "replay", `{"request":{"filters":{"tag":"TAG"},"dryRun":true}}`},
	{"POST", requests + "replay", `{"request":{"filters":{"dataset":"uci-private-exhaust"}}}`},
	{"GET", base, ""},
	{"GET", base + "/SCHEDULE", ""},
	{"PATCH", base + "/SCHEDULE", `{"request":{"note":"mine","cron":"* * * * *","paused":false,"webhook":"http://127.0.0.1:9/mine"}}`},
	{"DELETE", base + "/SCHEDULE", ""},
	{"POST", base + "/SCHEDULE/trigger", ""},
	{"POST", base + "/SCHEDULE/backfill", `{"request":{"from":"2022-01-01","to":"2022-01-02"}}`},
	{"GET", "/dataset/v1/webhook-secret", ""},
	{"POST", "/dataset/v1/webhook-secret", ""},
	{"GET", "/dataset/v1/conversation", ""},
	{"GET", "/dataset/v1/conversation?q=" + conversation, ""},
	{"POST", requests + "estimate", `{"request":{"tag":"TAG","requestedChannel":"CHANNEL",` + fmt.Sprintf(privacy, "") + `}}`},
	{"POST", requests + "submit", `{"request":{"tag":"TAG","requestedChannel":"CHANNEL",` + fmt.Sprintf(privacy, "") + `}}`},
	{"POST", base, `{"request":{"dataset":"uci-private-exhaust","requestedChannel":"CHANNEL","cron":"0 6 * * *","paused":true,"datasetConfig":{"conversationId":"` + conversation + `"}}}`},
	{"POST", "/dataset/v1/token", `{"request":{"name":"mine","channels":["CHANNEL"],"rights":["uci-private-exhaust"],"expires":"1h"}}`},
	{"POST", "/dataset/v1/token", `{"request":{"name":"mine","rights":["operator"],"expires":"1h"}}`},
	{"POST", "/dataset/v1/token", `{"request":{"name":"mine","rights":["uci-private-exhaust@CHANNEL"],"expires":"1h"}}`},
}

// aim puts what is got at in place of the words that stand for it.
func aim(text, tag, id, scheduleID, channel string) string {
	return strings.NewReplacer("TAG", tag, "ID", id, "SCHEDULE", scheduleID, "CHANNEL", channel).Replace(text)
}

const unknownID, unknownSchedule = "0123456789ABCDEF0123456789ABCDEF", "aaaaaaaaaaaaaaaa"

// leaks are what no answer to a stranger may hold.
func (v victim) leaks() []string {
	return []string{"/files/reports/", "whsec_", v.ended.RequestID, v.waiting.RequestID, v.private.ScheduleID, v.response.ScheduleID, `"requestedBy":"owner"`, "exhaust_"}
}

func TestNobodyGetsAtAnotherChannel(t *testing.T) {
	g := newGuarded(t)
	owner := g.mint("owner", []string{channel}, "uci-private-exhaust", "uci-response-exhaust")
	const own = "0666"
	attackers := map[string]string{
		"one of another channel":                       g.mint("attacker", []string{own}, "uci-private-exhaust", "uci-response-exhaust"),
		"one with the right there and the channel not": g.mint("odd", []string{own}, "uci-private-exhaust", "uci-response-exhaust@0667"),
	}
	v := g.newVictim(owner)
	for name, attacker := range attackers {
		for _, attempt := range attempts {
			// As if it were his, as the channel's own, and without saying whose.
			for _, header := range []string{own, channel, ""} {
				for _, target := range []struct{ tag, id, scheduleID string }{
					{v.endedTag, v.ended.RequestID, v.private.ScheduleID}, {v.waitingTag, v.waiting.RequestID, v.response.ScheduleID},
				} {
					// An exhaust of his own would begin, or be estimated.
					if header == own && (strings.HasSuffix(attempt.path, "submit") || strings.HasSuffix(attempt.path, "estimate")) || header == own && attempt.path == base && attempt.method == "POST" ||
						header == own && strings.HasSuffix(attempt.path, "webhook-secret") {
						continue
					}
					got := g.ask(attacker, header, attempt.method, aim(attempt.path, target.tag, target.id, target.scheduleID, channel),
						aim(attempt.body, target.tag, target.id, target.scheduleID, channel))
					// What there is not: in a channel that nobody has, where the attempt names one.
					noHeader := header
					if header == channel {
						noHeader = "nobodys"
					}
					unknown := g.ask(attacker, noHeader, attempt.method, aim(attempt.path, "nothing", unknownID, unknownSchedule, "nobodys"),
						aim(attempt.body, "nothing", unknownID, unknownSchedule, "nobodys"))
					if got != unknown {
						t.Errorf("%s with channel %q: %s %s %s\nis answered %+v\nwhat there is not %+v", name, header, attempt.method, attempt.path, attempt.body, got, unknown)
					}
					// In his own channel neither is there.
					if header == channel && (strings.Contains(attempt.path, "requestId=") || strings.Contains(attempt.path, "SCHEDULE")) {
						own := g.ask(attacker, own, attempt.method, aim(attempt.path, "nothing", unknownID, unknownSchedule, ""), attempt.body)
						if got != own {
							t.Errorf("%s: %s %s is answered %+v, what there is not in his own channel %+v", name, attempt.method, attempt.path, got, own)
						}
					}
					if header == channel && got.status != http.StatusNotFound && !strings.HasSuffix(attempt.path, "token") {
						t.Errorf("%s with channel %q: %s %s is answered %+v", name, header, attempt.method, attempt.path, got)
					}
					for _, leak := range v.leaks() {
						if strings.Contains(got.body, leak) {
							t.Errorf("%s with channel %q: %s %s is told %s: %s", name, header, attempt.method, attempt.path, leak, got.body)
						}
					}
				}
			}
		}
	}
	g.wantUntouched(owner, v)
}

func TestNobodyGetsAtPrivateExhaustsWithoutTheRight(t *testing.T) {
	g := newGuarded(t)
	owner := g.mint("owner", []string{channel}, "uci-private-exhaust", "uci-response-exhaust")
	readers := map[string]string{
		"a reader":                           g.mint("reader", []string{channel}, "uci-response-exhaust"),
		"one with the right elsewhere":       g.mint("elsewhere", []string{channel}, "uci-response-exhaust", "uci-private-exhaust@0666"),
		"an operator of response exhausts":   g.mint("operator", nil, "operator", "uci-response-exhaust"),
		"an operator with the right to what": g.mint("odd operator", nil, "operator", "uci-response-exhaust", "uci-private-exhaust@0666"),
	}
	v := g.newVictim(owner)
	for name, reader := range readers {
		for _, attempt := range attempts {
			if strings.Contains(attempt.body, `"rights":["operator"]`) {
				continue // an operator may make another; the table of routes has it
			}
			for _, header := range []string{channel, ""} {
				for _, target := range []struct{ tag, id string }{{v.endedTag, v.ended.RequestID}, {v.waitingTag, v.waiting.RequestID}} {
					got := g.ask(reader, header, attempt.method, aim(attempt.path, target.tag, target.id, v.private.ScheduleID, channel),
						aim(attempt.body, target.tag, target.id, v.private.ScheduleID, channel))
					isAboutAll := got.status == http.StatusOK || got.status == http.StatusBadRequest && header == ""
					if got.status != http.StatusForbidden && !isAboutAll {
						t.Errorf("%s: %s %s %s is answered %+v", name, attempt.method, attempt.path, attempt.body, got)
					}
					for _, leak := range []string{"/files/reports/", "whsec_", v.private.ScheduleID, "exhaust_"} {
						if strings.Contains(got.body, leak) {
							t.Errorf("%s: %s %s is told %s: %s", name, attempt.method, attempt.path, leak, got.body)
						}
					}
				}
			}
		}
		// The list has the private exhaust, without what leads to its file; the list of schedules has the response exhaust's.
		list := result[struct{ Jobs []map[string]any }](t, g.ask(reader, channel, "GET", requests+"list/"+v.endedTag, ""))
		if len(list.Jobs) != 1 || list.Jobs[0]["requestId"] != v.ended.RequestID || list.Jobs[0]["receiptUrl"] != nil || fmt.Sprint(list.Jobs[0]["downloadUrls"]) != "[]" {
			t.Errorf("%s lists %+v", name, list.Jobs)
		}
		if schedules := g.ask(reader, channel, "GET", base+"?limit=1000", ""); !strings.Contains(schedules.body, v.response.ScheduleID) {
			t.Errorf("%s does not see the schedule of the response exhaust: %s", name, schedules.body)
		}
		if got := g.ask(reader, channel, "GET", base+"/"+v.response.ScheduleID, ""); got.status != http.StatusOK {
			t.Errorf("%s reads the schedule of the response exhaust: %+v", name, got)
		}
	}
	g.wantUntouched(owner, v)
}

func TestTheOperatorSeesAllChannels(t *testing.T) {
	g := newGuarded(t)
	owner := g.mint("owner", []string{channel}, "uci-private-exhaust", "uci-response-exhaust")
	operator := g.mint("operator", nil, "operator")
	v := g.newVictim(owner)
	got := result[struct{ Jobs []job }](t, g.ask(operator, "", "POST", requests+"search", `{"request":{"filters":{"dataset":"uci-private-exhaust"},"limit":1000}}`))
	i := slices.IndexFunc(got.Jobs, func(j job) bool { return j.RequestID == v.ended.RequestID })
	if i < 0 || len(got.Jobs[i].DownloadURLs) != 0 {
		t.Errorf("a search of all channels finds %+v", got.Jobs)
	}
	read := result[job](t, g.ask(operator, channel, "GET", requests+"read/"+v.endedTag+"?requestId="+v.ended.RequestID, ""))
	if len(read.DownloadURLs) != 1 {
		t.Errorf("the operator reads %+v", read)
	}
	replayed := result[struct{ Jobs []job }](t, g.ask(operator, "", "POST", requests+"replay", `{"request":{"filters":{"requestId":"`+v.waiting.RequestID+`"},"dryRun":true}}`))
	if len(replayed.Jobs) != 1 {
		t.Errorf("a replay would start %+v", replayed.Jobs)
	}
}

// operatorCalls are the calls that REST does not have, and that are the operator's alone, by what the audit log calls them.
var operatorCalls = map[string]func(ctx context.Context, a *service.Authorized, c access.Caller) error{
	"operations.failures": func(ctx context.Context, a *service.Authorized, c access.Caller) error {
		_, _, err := a.Failures(ctx, c, time.Time{}, 10)
		return err
	},
	"operations.night": func(ctx context.Context, a *service.Authorized, c access.Caller) error {
		_, err := a.LastNight(ctx, c)
		return err
	},
	"operations.under-way": func(ctx context.Context, a *service.Authorized, c access.Caller) error {
		_, err := a.UnderWay(ctx, c, 10)
		return err
	},
	"operations.workers": func(ctx context.Context, a *service.Authorized, c access.Caller) error {
		_, err := a.Workers(ctx, c)
		return err
	},
	"operations.telemetry": func(ctx context.Context, a *service.Authorized, c access.Caller) error {
		_, err := a.TelemetryDays(ctx, c, 60)
		return err
	},
}

func TestOnlyTheOperatorSeesOperations(t *testing.T) {
	cfg, err := config.Load(settings)
	e2etest.Must(t, err)
	db, err := database.Open(t.Context(), cfg.DatabaseURL)
	e2etest.Must(t, err)
	t.Cleanup(func() { e2etest.Must(t, db.Close()) })
	store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
	e2etest.Must(t, err)
	layout, err := telemetry.ParseLayout(cfg.TelemetryLayout)
	e2etest.Must(t, err)
	exhausts := service.NewExhausts(temporalClient, rows.New(db), store, service.Settings{Timezone: cfg.Timezone})
	operations := service.NewOperations(exhausts, service.NewDeployment(temporalClient, "default", "", cfg.TaskQueue), store, layout)

	datasets := exhaust.Names(exhaust.Datasets)
	for name, caller := range map[string]struct {
		channels, rights []string
		isOperator       bool
	}{
		"of a channel":                   {[]string{channel}, datasets, false},
		"of many channels":               {[]string{channel, "0666"}, datasets, false},
		"without a right":                {[]string{channel}, nil, false},
		"of a channel by a strange name": {[]string{"operator"}, datasets, false},
		"an operator":                    {nil, []string{"operator"}, true},
		"an operator by the short name":  {nil, []string{"*"}, true},
		"an operator with a dataset":     {nil, []string{"operator", datasets[0]}, true},
	} {
		rights := access.Rights{Channels: caller.channels}
		if len(caller.rights) > 0 {
			rights, err = access.ParseRights(caller.channels, caller.rights)
			e2etest.Must(t, err)
		}
		for action, call := range operatorCalls {
			var log logtest.Buffer
			a := service.NewAuthorized(exhausts, nil, nil, nil, nil, nil, operations, access.NewAudit(slog.New(slog.NewJSONHandler(&log, nil))))
			err := call(t.Context(), a, access.Caller{Name: "somebody", Rights: rights})
			forbidden, isForbidden := errors.AsType[*service.ForbiddenError](err)
			switch lines := log.String(); {
			case caller.isOperator && (err != nil || lines != ""):
				t.Errorf("%s: %s ends with %v, and the audit log with %s", name, action, err, lines)
			case !caller.isOperator && (!isForbidden || forbidden.Code != exhaust.OperatorRightMissing ||
				err.Error() != "the right operator is needed here, and these credentials do not have it"):
				t.Errorf("%s: %s ends with %v", name, action, err)
			case !caller.isOperator && (strings.Count(lines, "\n") != 1 || !strings.Contains(lines, `"action":"`+action+`"`) ||
				!strings.Contains(lines, `"outcome":"forbidden"`) || !strings.Contains(lines, `"caller":"somebody"`)):
				t.Errorf("%s: of %s the audit log has %s", name, action, lines)
			}
		}
	}
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	e2etest.Must(t, err)
	return string(text)
}

// auditLine is a line of the audit log without its time.
type auditLine struct {
	Msg, Caller, TokenID, From, Action, Channel, Dataset, RequestID, Subject, Outcome, Purpose string
}

func (g *guarded) auditLines() (lines []auditLine) {
	g.t.Helper()
	file, err := os.Open(g.auditFile)
	e2etest.Must(g.t, err)
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		var line auditLine
		e2etest.Must(g.t, json.Unmarshal(scanner.Bytes(), &line))
		if line.TokenID = ""; line.Msg != "audit" || line.Action == "" || line.Outcome == "" {
			g.t.Errorf("a line of the audit log is %s", scanner.Text())
		}
		lines = append(lines, line)
	}
	return lines
}

func TestTheAuditLogSaysWhoDidWhat(t *testing.T) {
	g := newGuarded(t, "EXHAUST_PRIVATE_PURPOSE=required", "EXHAUST_TRUSTED_PROXIES=127.0.0.1")
	owner, ownerName := g.mint("owner", []string{channel}, "uci-private-exhaust", "uci-response-exhaust"), g.prefix+"owner"
	other, otherName := g.mint("other", []string{"0666"}, "uci-private-exhaust"), g.prefix+"other"
	tag := "audited-" + g.prefix
	body := `{"request":{"tag":"` + tag + `",%s` + fmt.Sprintf(privacy, days()) + `}}`
	const purpose = `सहायता केंद्र: "calls"`
	if got := g.ask(owner, channel, "POST", requests+"submit", fmt.Sprintf(body, "")); got.status != http.StatusBadRequest || !strings.Contains(got.body, "purpose is empty") {
		t.Errorf("without a purpose: %+v", got)
	}
	withPurpose := fmt.Sprintf(body, `"purpose":`+jsonOf(t, purpose)+",")
	submitted := result[job](t, g.ask(owner, channel, "POST", requests+"submit", withPurpose))
	read := requests + "read/" + tag + "?requestId=" + submitted.RequestID
	e2etest.Eventually(t, time.Minute, "the exhaust has ended", func() bool {
		return result[job](t, g.ask(owner, channel, "GET", read, "")).Status == "SUCCESS"
	})
	ended := result[struct {
		job
		Purpose, ReceiptURL string
	}](t, g.ask(owner, channel, "GET", read, ""))
	if ended.Purpose != purpose {
		t.Errorf("read shows the purpose %q", ended.Purpose)
	}
	// The url names the service's own address, which serves the same store.
	for _, url := range []string{ended.DownloadURLs[0], ended.ReceiptURL} {
		_, path, _ := strings.Cut(url, "/files/")
		response, err := http.Get(g.url + "/files/" + path)
		e2etest.Must(t, err)
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("downloading: %s %v", response.Status, err)
		}
		if strings.Contains(url, "receipt") && !strings.Contains(string(text), `"purpose":`+jsonOf(t, purpose)) {
			t.Errorf("the receipt does not have the purpose: %s", text)
		}
	}
	forgery, err := http.NewRequestWithContext(t.Context(), "GET", g.url+"/files/reports/uci-private-exhaust/"+submitted.RequestID+"/x.csv?expires=1&signature=x", nil)
	e2etest.Must(t, err)
	forgery.Header.Set("X-Forwarded-For", "198.51.100.1, 203.0.113.9") // the proxy has added the last one
	response, err := http.DefaultClient.Do(forgery)
	e2etest.Must(t, err)
	response.Body.Close()
	g.ask(owner, channel, "GET", requests+"list/"+tag, "")
	g.ask(other, channel, "GET", read, "")
	g.ask("exhaust_wrong", channel, "GET", read, "")
	g.ask("", channel, "POST", requests+"submit", withPurpose)
	g.ask(owner, channel, "POST", requests+"cancel/"+tag+"?requestId="+submitted.RequestID, "")
	g.ask(owner, channel, "GET", requests+"read/"+tag+"?requestId="+unknownID, "") // which is no refusal
	made := result[struct{ TokenID, Token string }](t, g.ask(owner, "", "POST", "/dataset/v1/token",
		`{"request":{"name":"`+g.prefix+`made","channels":["`+channel+`"],"rights":["uci-response-exhaust"],"expires":"10m"}}`))
	g.ask(owner, "", "DELETE", "/dataset/v1/token/"+made.TokenID, "")

	private := func(line auditLine) auditLine {
		line.Msg, line.From, line.Channel, line.Dataset, line.RequestID = "audit", "127.0.0.1", channel, string(exhaust.PrivateExhaust), submitted.RequestID
		return line
	}
	given := private(auditLine{Caller: ownerName, Action: "read", Outcome: "done", Purpose: purpose})
	unsuccessful := private(auditLine{Caller: ownerName, Action: "submit", Outcome: "invalid"})
	unsuccessful.RequestID = ""
	elsewhere := private(auditLine{Caller: otherName, Action: "read", Outcome: "not the caller's channel"})
	elsewhere.Dataset = ""
	cancel := private(auditLine{Caller: ownerName, Action: "cancel", Outcome: "invalid"})
	cancel.Dataset = ""
	forged := private(auditLine{Action: "download", Outcome: "forbidden"})
	forged.Channel, forged.From = "", "203.0.113.9" // nobody looks the channel up for a stranger
	stranger := auditLine{Msg: "audit", From: "127.0.0.1", Action: "sign-in", Outcome: "unauthorized"}
	want := []auditLine{
		unsuccessful,
		private(auditLine{Caller: ownerName, Action: "submit", Outcome: "done", Purpose: purpose}),
		given, // once it had ended
		given,
		private(auditLine{Action: "download", Outcome: "done"}),
		private(auditLine{Action: "download", Outcome: "done"}),
		forged,
		given, // the list
		elsewhere,
		stranger,
		stranger,
		cancel,
		{Msg: "audit", From: "127.0.0.1", Caller: ownerName, Action: "token.create", Subject: made.TokenID, Outcome: "done"},
		{Msg: "audit", From: "127.0.0.1", Caller: ownerName, Action: "token.revoke", Subject: made.TokenID, Outcome: "done"},
	}
	if got := g.auditLines(); !slices.Equal(got, want) {
		for i := range max(len(got), len(want)) {
			t.Errorf("line %d\ngot  %+v\nwant %+v", i, append(got, make([]auditLine, len(want))...)[i], append(want, make([]auditLine, len(got))...)[i])
		}
	}
	raw, err := os.ReadFile(g.auditFile)
	e2etest.Must(t, err)
	for _, secret := range []string{owner, other, made.Token, "signature", "audited", "exhaust_wrong"} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("the audit log holds %s", secret)
		}
	}
}

func TestWhatCannotBeAuditedIsNotAnswered(t *testing.T) {
	g := newGuarded(t)
	owner := g.mint("owner", []string{channel}, "uci-private-exhaust", "uci-response-exhaust")
	v := g.newVictim(owner)
	// A folder in place of the file.
	e2etest.Must(t, os.Remove(g.auditFile))
	e2etest.Must(t, os.Mkdir(g.auditFile, 0o700))
	read := requests + "read/" + v.endedTag + "?requestId=" + v.ended.RequestID
	request, err := http.NewRequestWithContext(t.Context(), "GET", g.url+read, nil)
	e2etest.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+owner)
	request.Header.Set("X-Channel-ID", channel)
	_, path, _ := strings.Cut(v.url, "/files/")
	for name, ask := range map[string]func() (*http.Response, error){
		"read":     func() (*http.Response, error) { return http.DefaultClient.Do(request) },
		"download": func() (*http.Response, error) { return http.Get(g.url + "/files/" + path) },
		"no token": func() (*http.Response, error) { return http.Get(g.url + read) },
	} {
		response, err := ask()
		e2etest.Must(t, err)
		text, err := io.ReadAll(response.Body)
		e2etest.Must(t, err)
		response.Body.Close()
		if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "audit log is not available: try again later") ||
			response.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s is answered %s %s", name, response.Status, text)
		}
	}
	e2etest.Must(t, os.Remove(g.auditFile))
	if got := result[job](t, g.ask(owner, channel, "GET", read, "")); len(got.DownloadURLs) != 1 {
		t.Errorf("afterwards read is answered %+v", got)
	}
}

func TestAWebhookSecretIsMadeForThoseWithBothRights(t *testing.T) {
	g := newGuarded(t)
	fresh := g.prefix // a channel that has no secret
	reader := g.mint("reader", []string{fresh}, "uci-response-exhaust")
	owner := g.mint("owner", []string{fresh}, "uci-response-exhaust", "uci-private-exhaust")
	draft := func(webhook string) string {
		return `{"request":{"dataset":"uci-response-exhaust","cron":"0 6 * * 1","paused":true` + webhook + `,"datasetConfig":{"conversationId":"` + conversation + `"}}}`
	}
	const webhook = `,"webhook":"http://127.0.0.1:9/hook"`
	plain := result[schedule](t, g.ask(reader, fresh, "POST", base, draft("")))
	t.Cleanup(func() { g.ask(owner, fresh, "DELETE", base+"/"+plain.ScheduleID, "") })
	for _, got := range []reply{
		g.ask(reader, fresh, "POST", base, draft(webhook)),
		g.ask(reader, fresh, "PATCH", base+"/"+plain.ScheduleID, `{"request":{"webhook":"http://127.0.0.1:9/hook"}}`),
	} {
		if got.status != http.StatusForbidden || !strings.Contains(got.body, "somebody with the rights to both makes it first") {
			t.Errorf("a reader is answered %+v", got)
		}
	}
	made := result[schedule](t, g.ask(owner, fresh, "POST", base, draft(webhook)))
	t.Cleanup(func() { g.ask(owner, fresh, "DELETE", base+"/"+made.ScheduleID, "") })
	if !strings.HasPrefix(made.WebhookSecret, "whsec_") {
		t.Errorf("the owner is shown %+v", made)
	}
	// Now that there is one, everybody's webhooks are signed with it, and nobody is shown it.
	changed := result[schedule](t, g.ask(reader, fresh, "PATCH", base+"/"+plain.ScheduleID, `{"request":{"webhook":"http://127.0.0.1:9/hook"}}`))
	if changed.Webhook != "127.0.0.1:9" || changed.WebhookSecret != "" {
		t.Errorf("the reader is shown %+v", changed)
	}
}

func TestTheExhaustsOfASchedulesFiringsHaveItsPurpose(t *testing.T) {
	g := newGuarded(t, "EXHAUST_PRIVATE_PURPOSE=required")
	owner := g.mint("owner", []string{channel}, "uci-private-exhaust", "uci-response-exhaust")
	draft := func(purpose string) string {
		return `{"request":{"dataset":"uci-private-exhaust","cron":"0 6 * * *"` + purpose + `,"datasetConfig":{"conversationId":"` + conversation + `"}}}`
	}
	if got := g.ask(owner, channel, "POST", base, draft("")); got.status != http.StatusBadRequest || !strings.Contains(got.body, "purpose is empty") {
		t.Errorf("without a purpose: %+v", got)
	}
	type withPurpose struct{ ScheduleID, Tag, Purpose string }
	made := result[withPurpose](t, g.ask(owner, channel, "POST", base, draft(`,"purpose":"calls"`)))
	t.Cleanup(func() { g.ask(owner, channel, "DELETE", base+"/"+made.ScheduleID, "") })
	one := base + "/" + made.ScheduleID
	if got := g.ask(owner, channel, "PATCH", one, `{"request":{"purpose":""}}`); got.status != http.StatusBadRequest || !strings.Contains(got.body, "purpose is empty") {
		t.Errorf("taking the purpose away: %+v", got)
	}
	changed := result[withPurpose](t, g.ask(owner, channel, "PATCH", one, `{"request":{"purpose":"other calls"}}`))
	if made.Purpose != "calls" || changed.Purpose != "other calls" {
		t.Errorf("made with %q, changed to %q", made.Purpose, changed.Purpose)
	}
	result[withPurpose](t, g.ask(owner, channel, "POST", one+"/trigger", ""))
	tag := strings.TrimSuffix(made.Tag, ":"+channel)
	e2etest.Eventually(t, 2*time.Minute, "the firing's exhaust has its purpose", func() bool {
		list := result[struct {
			Jobs []struct{ Purpose, Status string }
		}](t, g.ask(owner, channel, "GET", requests+"list/"+tag, ""))
		return len(list.Jobs) == 1 && list.Jobs[0].Purpose == "other calls"
	})
}
