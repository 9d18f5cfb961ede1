package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/internal/heaptest"
)

// page is what a list, a search or a replay answers.
type page struct {
	Result struct {
		Count int
		Jobs  []struct {
			RequestID, RequestedChannel string
			DownloadURLs                []string
			ReceiptURL                  *string
		}
		Next *string
	}
}

func (a *api) page(got answer) (p page) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.status != 200 || p.Result.Count != len(p.Result.Jobs) {
		a.t.Fatalf("answered %d %s: %v", got.status, got.body, err)
	}
	return p
}

// ids are the first digits of the requestIds.
func (p page) ids() string {
	var ids []string
	for _, job := range p.Result.Jobs {
		ids = append(ids, job.RequestID[:1])
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func TestSearchAndReplayAreBoundByTheCallersChannel(t *testing.T) {
	a := newAPI(t)
	failed := func(j *exhaust.Job) { j.Status, j.Message = exhaust.Failed, "No data found" }
	ofOther := func(j *exhaust.Job) { j.Channel, j.Dataset = "other", exhaust.PrivateExhaust }
	a.keep("A", unchanged)
	a.keep("B", ofOther)
	a.keep("C", failed)
	a.keep("D", func(j *exhaust.Job) { failed(j); ofOther(j) })
	for _, test := range []struct{ call, caller, filters, want string }{
		{"search", "", ``, "A B C D"},
		{"search", channel, ``, "A C"},
		{"search", "other", ``, "B D"},
		{"search", channel, `"channel":"` + channel + `"`, "A C"},
		{"search", channel, `"channel":"other"`, ""},
		{"search", "other", `"dataset":"uci-private-exhaust"`, "B D"},
		{"search", channel, `"dataset":"uci-private-exhaust"`, ""},
		{"replay", "", ``, "C D"},
		{"replay", channel, ``, "C"},
		{"replay", channel, `"channel":"other"`, ""},
		{"replay", channel, `"requestId":"` + strings.Repeat("D", 32) + `"`, ""},
		{"replay", "other", `"tag":"tag"`, "D"},
	} {
		got := a.page(a.call("POST", "/dataset/v1/request/"+test.call, test.caller, `{"request":{"filters":{`+test.filters+`},"dryRun":true}}`))
		if got.ids() != test.want {
			t.Errorf("%s of %q with %s found %q, want %q", test.call, test.caller, test.filters, got.ids(), test.want)
		}
	}
}

func TestWhoeverNamesNoChannelGetsNobodysURLs(t *testing.T) {
	a := newAPI(t)
	a.keep("A", unchanged)
	// One whose URLs are due to be signed again.
	old := a.keep("B", func(j *exhaust.Job) { j.ExpiresAt = time.Now().Add(time.Hour).Truncate(time.Second) })
	a.keep("C", func(j *exhaust.Job) { j.Status = exhaust.Failed })
	for _, call := range []string{"search", "replay"} {
		got := a.call("POST", "/dataset/v1/request/"+call, "", `{"request":{"filters":{},"dryRun":true}}`)
		for _, job := range a.page(got).Result.Jobs {
			if len(job.DownloadURLs) > 0 || job.ReceiptURL != nil {
				t.Errorf("%s without a channel shows %+v", call, job)
			}
		}
		if strings.Contains(got.body, "http") {
			t.Errorf("%s without a channel shows a URL: %s", call, got.body)
		}
	}
	if row, err := a.jobs.Job(t.Context(), old.ID); err != nil || !row.ExpiresAt.Equal(old.ExpiresAt) || row.DownloadURLs[0] != old.DownloadURLs[0] {
		t.Errorf("a search without a channel has signed a URL: %+v, %v", row, err)
	}
	for _, job := range a.page(a.call("POST", "/dataset/v1/request/search", channel, `{"request":{"filters":{"status":"SUCCESS"}}}`)).Result.Jobs {
		if len(job.DownloadURLs) != 1 || job.ReceiptURL == nil {
			t.Errorf("the owner's search shows %+v", job)
		}
	}
	if row, err := a.jobs.Job(t.Context(), old.ID); err != nil || row.ExpiresAt.Before(time.Now().Add(23*time.Hour)) {
		t.Errorf("the owner's search has not signed anew: %+v, %v", row, err)
	}
}

// calls are all that name a channel or tag: method, path and body, in which CHANNEL and TAG stand for them.
var calls = []struct{ method, path, body string }{
	{"POST", "/dataset/v1/request/submit", `{"request":{"dataset":"uci-response-exhaust","tag":"TAG","datasetConfig":{"conversationId":"` + conversation + `"}}}`},
	{"GET", "/dataset/v1/request/read/TAG?requestId=" + strings.Repeat("A", 32), ""},
	{"GET", "/dataset/v1/request/list/TAG", ""},
	{"POST", "/dataset/v1/request/cancel/TAG?requestId=" + strings.Repeat("A", 32), ""},
	{"POST", "/dataset/v1/request/retry/TAG?requestId=" + strings.Repeat("A", 32), ""},
	{"POST", "/dataset/v1/request/search", `{"request":{"filters":{}}}`},
	{"POST", "/dataset/v1/request/replay", `{"request":{"filters":{"tag":"TAG"}}}`},
	{"POST", "/dataset/v1/schedule", `{"request":{"dataset":"uci-response-exhaust","tag":"TAG","datasetConfig":{"conversationId":"` + conversation + `"},"cron":"0 6 * * *"}}`},
	{"GET", "/dataset/v1/schedule", ""},
	{"POST", "/dataset/v1/webhook-secret", ""},
	{"GET", "/dataset/v1/webhook-secret", ""},
	{"GET", "/dataset/v1/schedule/aaaaaaaaaaaaaaaa", ""},
	{"PATCH", "/dataset/v1/schedule/aaaaaaaaaaaaaaaa", `{"request":{"note":"x"}}`},
	{"DELETE", "/dataset/v1/schedule/aaaaaaaaaaaaaaaa", ""},
	{"POST", "/dataset/v1/schedule/aaaaaaaaaaaaaaaa/trigger", ""},
	{"POST", "/dataset/v1/schedule/aaaaaaaaaaaaaaaa/backfill", `{"request":{"from":"2022-01-01","to":"2022-01-02"}}`},
}

func TestAChannelOrTagThatCannotBeIsAMistakeOfEveryCall(t *testing.T) {
	a := newAPI(t)
	for _, call := range calls {
		for _, bad := range []string{"user1|0130", "a\xffb", "a\u00a0b\u200b", strings.Repeat("x", 151), "\ufffd"} {
			a.refused(call.method, strings.ReplaceAll(call.path, "TAG", "tag"), bad, strings.ReplaceAll(call.body, "TAG", "tag"))
		}
		inPath, inBody := strings.Contains(call.path, "TAG"), strings.Contains(call.body, "TAG")
		for _, bad := range []struct{ path, body string }{
			{"a%00b", `a\u0000b`}, {"a%FFb", `a\ud800b`}, {"a%7Cb", `a|b`}, {"a%0Ab", `a\nb`},
		} {
			if inPath || inBody {
				a.refused(call.method, strings.ReplaceAll(call.path, "TAG", bad.path), channel, strings.ReplaceAll(call.body, "TAG", bad.body))
			}
		}
	}
	for _, call := range []string{"search", "replay"} {
		for _, filter := range []string{"channel", "tag", "requestId", "dataset", "status", "requestedDate", "requestedFrom"} {
			a.refused("POST", "/dataset/v1/request/"+call, channel, `{"request":{"filters":{"`+filter+`":"a\u0000b"}}}`)
		}
	}
	a.refused("POST", "/dataset/v1/request/replay", channel, `{"request":{"after":"\u0000"}}`)
	a.refused("POST", "/dataset/v1/request/submit", "", `{"request":{"dataset":"uci-response-exhaust","tag":"t","requestedChannel":"user1|0130","datasetConfig":{"conversationId":"`+conversation+`"}}}`)
	a.refused("POST", "/dataset/v1/request/submit", channel, `{"request":{"dataset":"uci-response-exhaust","tag":"t","requestedBy":"a\u0000","datasetConfig":{"conversationId":"`+conversation+`"}}}`)
}

// refused wants a 400 in an envelope.
func (a *api) refused(method, path, channel, body string) {
	a.t.Helper()
	got := a.call(method, path, channel, body)
	if got.status != 400 || !strings.Contains(got.body, `"err":"CLIENT_ERROR"`) {
		a.t.Errorf("%s %s of channel %q with %s: %d %s", method, path, channel, body, got.status, got.body)
	}
}

func TestTheSentencesAboutChannels(t *testing.T) {
	a := newAPI(t)
	for sent, sentence := range map[string]string{
		"user1|0130": `channel "user1|0130" holds a |: 1 to 150 printable characters other than | are accepted`,
		"a\xffb":     "channel \"a\ufffdb\" is not valid: 1 to 150 printable characters are accepted",
	} {
		a.wants(a.call("GET", "/dataset/v1/request/list/tag", sent, ""), 400, failure(prefix+".list", "CLIENT_ERROR", sentence))
		a.wants(a.call("POST", "/dataset/v1/request/search", sent, `{}`), 400, failure(prefix+".search", "CLIENT_ERROR", sentence))
	}
	// A gateway may have looked at the other.
	request, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/dataset/v1/request/search", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header["X-Channel-Id"] = []string{"one", "two"}
	a.wants(a.do(request), 400, failure(prefix+".search", "CLIENT_ERROR", "X-Channel-ID is in the request header 2 times: one is accepted"))
	request.Header["X-Channel-Id"] = []string{""}
	request.Body = http.NoBody
	a.wants(a.do(request), 400, failure(prefix+".search", "CLIENT_ERROR", "X-Channel-ID is missing in request header"))
}

func TestMembersCountByTheirExactNames(t *testing.T) {
	a := newAPI(t)
	const config = `"datasetConfig":{"conversationId":"` + conversation + `"}`
	for body, sentence := range map[string]string{
		// In any other letter case it is another member.
		submission(`"DATASET":"uci-response-exhaust","tag":"tag",` + config):                                           "dataset is empty",
		submission(`"dataset":"uci-response-exhaust","Tag":"tag",` + config):                                           "tag is empty",
		submission(`"dataset":"uci-response-exhaust","tag":"tag","datasetconfig":{}`):                                  "datasetConfig is empty",
		`{"Request":{"dataset":"uci-response-exhaust","tag":"tag",` + config + `}}`:                                    "tag is empty",
		submission(`"tag":"a b","TAG":"tag","dataset":"uci-response-exhaust",` + config):                               `tag "a b" is not valid: 1 to 100 characters of A-Z a-z 0-9 . _ - that do not start with a dot are accepted`,
		submission(`"output_format":"x","OUTPUT_FORMAT":"csv","tag":"tag","dataset":"uci-response-exhaust",` + config): `output_format "x" is not supported: csv is accepted`,
		// Of a name that stands there twice the last counts (contract section 3).
		submission(`"tag":"tag","tag":"a b","dataset":"uci-response-exhaust",` + config): `tag "a b" is not valid: 1 to 100 characters of A-Z a-z 0-9 . _ - that do not start with a dot are accepted`,
	} {
		a.wants(a.call("POST", "/dataset/v1/request/submit", channel, body), 400, failure(prefix+".submit", "CLIENT_ERROR", sentence))
	}
	a.keep("A", unchanged)
	a.keep("B", func(j *exhaust.Job) { j.Status = exhaust.Failed })
	// Where ignoring it would show or start more than was asked for, it is a mistake.
	for call, bodies := range map[string]map[string]string{
		"search": {
			`{"request":{"Filters":{"status":"FAILED"}}}`: `"request.Filters" is no field: filters is accepted, spelt exactly so`,
			`{"request":{"LIMIT":1}}`:                     `"request.LIMIT" is no field: limit is accepted, spelt exactly so`,
		},
		"replay": {
			`{"request":{"dryrun":true}}`:                             `"request.dryrun" is no field: dryRun is accepted, spelt exactly so`,
			`{"request":{"dryRun":true,"DRYRUN":false}}`:              `"request.DRYRUN" is no field: dryRun is accepted, spelt exactly so`,
			`{"request":{"dryRun":true,"FILTERS":{"tag":"nothing"}}}`: `"request.FILTERS" is no field: filters is accepted, spelt exactly so`,
			`{"request":{"dryRun":true,"After":"A"}}`:                 `"request.After" is no field: after is accepted, spelt exactly so`,
		},
	} {
		for body, sentence := range bodies {
			a.wants(a.call("POST", "/dataset/v1/request/"+call, channel, body), 400, failure(prefix+"."+call, "CLIENT_ERROR", sentence))
		}
	}
	a.wants(a.call("POST", "/dataset/v1/schedule", channel, `{"request":{"Paused":true}}`), 400,
		failure("ekstep.analytics.dataset.schedule.create", "CLIENT_ERROR", `"request.Paused" is no field: paused is accepted, spelt exactly so`))
	if got := a.page(a.call("POST", "/dataset/v1/request/search", channel, `{"request":{"filters":{}},"REQUEST":{"filters":{"status":"FAILED"}}}`)); got.ids() != "A B" {
		t.Errorf("a search found %s", got.ids())
	}
}

func TestAScheduleIsOfTheHeadersChannel(t *testing.T) {
	a := newAPI(t)
	a.wants(a.call("POST", "/dataset/v1/schedule", "", `{"request":{"requestedChannel":"`+channel+`","dataset":"uci-response-exhaust","datasetConfig":{"conversationId":"`+conversation+`"},"cron":"0 6 * * *"}}`), 400,
		failure("ekstep.analytics.dataset.schedule.create", "CLIENT_ERROR", "X-Channel-ID is missing in request header"))
}

func TestADeepOrOddBodyIsReadInLittleMemory(t *testing.T) {
	a := newAPI(t)
	const levels = 9_990
	deep := strings.Repeat(`{"`+strings.Repeat("a", 95)+`":`, levels) + "1" + strings.Repeat("}", levels)
	flat := `{"x":[` + strings.TrimSuffix(strings.Repeat(`{"":0},`, 140_000), ",") + `]}`
	for _, body := range []string{deep, flat} {
		stop := heaptest.Watch()
		a.wants(a.call("POST", "/dataset/v1/request/submit", channel, body), 400, failure(prefix+".submit", "CLIENT_ERROR", "tag is empty"))
		if _, got := stop(); got > 64<<20 {
			t.Errorf("a body of %d bytes took %d MiB", len(body), got>>20)
		}
	}
	a.wants(a.call("POST", "/dataset/v1/request/submit", channel, submission(`"tag":"tag","ts":1e999`)), 400, failure(prefix+".submit", "CLIENT_ERROR", "dataset is empty"))
	nested := `"dataset":"uci-response-exhaust","tag":"tag","datasetConfig":{"conversationId":"` + conversation + `","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`
	a.wants(a.call("POST", "/dataset/v1/request/submit", channel, submission(nested)), 400,
		failure(prefix+".submit", "CLIENT_ERROR", "datasetConfig is nested 101 levels deep: at most 100 are accepted"))
}

func TestWhatIsMeantToEncryptIsRefusedInAnyOtherPlaceOrSpelling(t *testing.T) {
	a := newAPI(t)
	const key = "a secret key"
	const valid = `"dataset":"uci-response-exhaust","tag":"tag"`
	const config = `"datasetConfig":{"conversationId":"` + conversation + `"}`
	misplaced := func(name string) string {
		return name + " is in the wrong place: it belongs to request, where it is kept nowhere"
	}
	misspelt := func(name string) string {
		return name + " is no field: encryptionKey is accepted, spelt exactly so"
	}
	for body, sentence := range map[string]string{
		`{"encryptionKey":"` + key + `","request":{` + valid + `,` + config + `}}`:                                     misplaced("encryptionKey"),
		`{"EncryptionKey":"` + key + `","request":{` + valid + `,` + config + `}}`:                                     misplaced("EncryptionKey"),
		`{"params":{"encryption_key":"` + key + `"},"request":{` + valid + `,` + config + `}}`:                         misplaced("params.encryption_key"),
		submission(valid + `,"EncryptionKey":"` + key + `",` + config):                                                 misspelt("request.EncryptionKey"),
		submission(valid + `,"encryption_key":"` + key + `",` + config):                                                misspelt("request.encryption_key"),
		submission(valid + `,"ENCRYPTIONKEY":"` + key + `",` + config):                                                 misspelt("request.ENCRYPTIONKEY"),
		submission(valid + `,"encrytionKey":"` + key + `",` + config):                                                  misspelt("request.encrytionKey"),
		submission(valid + `,"encryption\u212Aey":"` + key + `",` + config):                                            misspelt(`"request.encryption` + "\u212a" + `ey"`), // the sign of kelvin
		submission(valid + `,"encryptionKey ":"` + key + `",` + config):                                                misspelt(`"request.encryptionKey "`),
		submission(valid + `,"datasetConfig":{"conversationId":"x","EncryptionKey":"` + key + `"}`):                    misplaced("datasetConfig.EncryptionKey"),
		submission(valid + `,"datasetConfig":{"conversationId":"x","encryption-key":"` + key + `"}`):                   misplaced("datasetConfig.encryption-key"),
		submission(valid + `,"datasetConfig":{"conversationId":"x","options":[{"encryptionPassword":"` + key + `"}]}`): misplaced("datasetConfig.options.encryptionPassword"),
	} {
		for _, call := range []struct{ path, id string }{
			{"/dataset/v1/request/submit", prefix + ".submit"},
			{"/dataset/v1/schedule", "ekstep.analytics.dataset.schedule.create"},
		} {
			a.wants(a.call("POST", call.path, channel, body), 400, failure(call.id, "CLIENT_ERROR", sentence))
		}
	}
	for query, sentence := range map[string]string{
		"encryptionKey=a+secret+key":                misplaced("encryptionKey"),
		"encryptionKey=&encryptionKey=a+secret+key": misplaced("encryptionKey"),
		"request.encryptionKey=a+secret+key":        misplaced("request.encryptionKey"),
		"encryptionKey=a;secret":                    "the query cannot be read: it needs no parameters",
		"encryptionKey=50%":                         "the query cannot be read: it needs no parameters",
	} {
		a.wants(a.call("POST", "/dataset/v1/request/submit?"+query, channel, submission(valid+`,`+config)), 400, failure(prefix+".submit", "CLIENT_ERROR", sentence))
	}
	// Of a name that stands there twice the last counts; but the first would be kept and shown.
	for _, twice := range []string{`"encryptionKey":"` + key + `","encryptionKey":""`, `"encryptionKey":"` + key + `","encryptionKey":null`, `"x":{"encryptionKey":"` + key + `"},"x":1`} {
		a.refused("POST", "/dataset/v1/request/submit", channel, submission(valid+`,"datasetConfig":{"conversationId":"x",`+twice+`}`))
	}
	for _, name := range []string{"isEncrypted", "encryptKeys", "fileEncryptionKey", "useEncryption", "password", "zipPassword", "passphrase", "ｅｎｃｒｙｐｔｉｏｎKey"} {
		a.refused("POST", "/dataset/v1/request/submit", channel, submission(valid+`,"datasetConfig":{"conversationId":"x","`+name+`":"`+key+`"}`))
	}
	// Forms send empty ones, which ask for nothing: the next fault is the answer.
	for _, empty := range []string{`null`, `""`, `false`} {
		a.wants(a.call("POST", "/dataset/v1/request/submit", channel, `{"encryptionKey":`+empty+`,"request":{"encryption_key":`+empty+`,"tag":"tag"}}`), 400,
			failure(prefix+".submit", "CLIENT_ERROR", "dataset is empty"))
	}
	if strings.Contains(a.log.String(), key) {
		t.Error("the log holds a key")
	}
}

func TestSlashesMoreOrLessReachTheSameCallAndNothingIsRedirected(t *testing.T) {
	a := newAPI(t)
	made := a.keep("A", unchanged)
	read := "dataset/v1/request/read/tag?requestId=" + made.ID
	want := a.call("GET", "/"+read, channel, "")
	if want.status != 200 {
		t.Fatalf("read answers %d", want.status)
	}
	for _, path := range []string{"//" + read, "///" + read, "/dataset//v1/request///read/tag?requestId=" + made.ID, "/dataset/v1/request/read/tag/?requestId=" + made.ID, "//dataset/v1/request/read/tag//?requestId=" + made.ID} {
		a.wants(a.call("GET", path, channel, ""), 200, want.body)
	}
	for _, path := range []string{"//dataset/v1/request/submit", "/dataset/v1/request/submit/", "//dataset/v1//request/submit//"} {
		a.wants(a.call("POST", path, channel, `{"request":{}}`), 400, failure(prefix+".submit", "CLIENT_ERROR", "tag is empty"))
	}
	for path, want := range map[string]string{
		"//health/":                              `"healthy":true`,
		"//dataset/v1/receipt-keys/":             `"keys":`,
		"/dataset/v1/request/list/tag/":          `"count":1`,
		"//files/reports/x":                      `file /x`,
		"/files/reports/a//b/":                   `file /a//b/`, // a file's name is taken as it is
		"/dataset/v1/request/list/a%2F?limit=1":  `there is no GET /dataset/v1/request/list/a/ here`,
		"/dataset/v1/request/list/.?limit=1":     `"count":0`,
		"/dataset/v1/../v1/request/list/tag":     `there is no GET`,
		"/dataset/v1/request/read/a%2Fb?limit=1": `there is no GET`,
	} {
		if got := a.call("GET", path, channel, ""); !strings.Contains(got.body, want) {
			t.Errorf("%s answers %d %s, want %s", path, got.status, got.body, want)
		}
	}
}

// timesPattern is what changes from one answer to the next about an exhaust that has not ended.
var timesPattern = regexp.MustCompile(`"lastUpdated":\d+`)

func TestWhileTemporalIsAwayAListShowsWhatTheRowKnows(t *testing.T) {
	a := newAPI(t)
	ended := a.keep("A", unchanged)
	for i := range 40 {
		a.keep("B", func(j *exhaust.Job) {
			j.ID = fmt.Sprintf("%032X", i)
			j.Status, j.CompletedAt, j.ExecutionTime, j.Report, j.Receipt, j.DownloadURLs, j.ReceiptURL = exhaust.Processing, time.Time{}, 0, "", "", nil, ""
			j.SubmittedAt = submitted.Add(-time.Duration(i+1) * time.Second)
			j.Progress = exhaust.Progress{Phase: exhaust.Fetching}
		})
	}
	for _, got := range []answer{
		a.call("GET", "/dataset/v1/request/list/tag?limit=41", channel, ""),
		a.call("POST", "/dataset/v1/request/search", channel, `{"request":{"limit":41}}`),
	} {
		page := a.page(got)
		if page.Result.Count != 41 || page.Result.Jobs[0].RequestID != ended.ID || len(page.Result.Jobs[0].DownloadURLs) != 1 {
			t.Errorf("answered %d exhausts, the first of them %+v", page.Result.Count, page.Result.Jobs[0])
		}
		if n := strings.Count(got.body, `"status":"PROCESSING"`); n != 40 {
			t.Errorf("%d are PROCESSING: %s", n, timesPattern.ReplaceAllString(got.body, ""))
		}
	}
}
