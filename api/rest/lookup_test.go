package rest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"data-exhaust/api/admission"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// addConversation puts one into UCI's table.
func (a *api) addConversation(id, name, owner string, start, end any) {
	a.t.Helper()
	const query = `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`
	if _, err := a.db.Exec(a.t.Context(), query, id, name, owner, start, end); err != nil {
		a.t.Fatal(err)
	}
}

// addTelemetry puts an object of so many bytes into the telemetry store.
func (a *api) addTelemetry(name string, size int) {
	a.t.Helper()
	file, err := a.telemetry.Create(a.t.Context(), name, "application/octet-stream")
	if err == nil {
		_, err = io.WriteString(file, strings.Repeat("x", size))
	}
	if err == nil {
		err = file.Commit()
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func withoutCredentials(*service.Tokens) admission.SignIn { return admission.SignIn{} }

func TestConversationsAreListedByNameAndId(t *testing.T) {
	a := newAPI(t)
	const (
		conversations = "/dataset/v1/conversation"
		listID        = "ekstep.analytics.dataset.conversation.list"
		first         = "c63b6faa-11a9-4259-b941-000000000001"
		second        = "c63b6faa-11a9-4259-b941-000000000002"
	)
	a.addConversation(first, "स्वास्थ्य क्\u200dषमता", channel, "2026-11-01", "soon")
	a.addConversation(second, "Health \x00<b>", channel, nil, "2026-11-30")
	a.addConversation("c63b6faa-11a9-4259-b941-000000000003", "Health of others", theirs, nil, nil)
	one := `{"id":"` + first + `","name":"स्वास्थ्य क्` + "\u200d" + `षमता","startDate":"2026-11-01","endDate":null}`
	two := `{"id":"` + second + "\",\"name\":\"Health \ufffd<b>\",\"startDate\":null,\"endDate\":\"2026-11-30\"}"
	page := func(next string, conversations ...string) string {
		return success(listID, fmt.Sprintf(`{"count":%d,"conversations":[%s],"next":%q}`, len(conversations), strings.Join(conversations, ","), next))
	}
	for query, want := range map[string]string{
		"":                                   page("", one, two),
		"?limit=2":                           page("", one, two),
		"?q=" + url.QueryEscape("HEALTH"):    page("", two),
		"?q=" + url.QueryEscape("  health "): page("", two),
		"?q=" + url.QueryEscape("क्ष"):       page("", one),
		"?q=" + url.QueryEscape("क्\u200dष\u200c"): page("", one),
		"?q=" + strings.ToUpper(second):            page("", two),
		"?q=c63b6faa-11a9-4259-b941-000000000003":  page(""),
		"?q=others":                              page(""),
		"?q=" + strings.Repeat("%E0%A4%95", 255): page(""),
	} {
		a.wants(a.call("GET", conversations+query, channel, ""), 200, want)
	}
	// Page after page.
	got := a.call("GET", conversations+"?limit=1", channel, "")
	var e struct{ Result struct{ Next string } }
	if err := json.Unmarshal([]byte(got.body), &e); err != nil || e.Result.Next == "" {
		t.Fatalf("%s: %v", got.body, err)
	}
	a.wants(got, 200, page(e.Result.Next, one))
	a.wants(a.call("GET", conversations+"?limit=1&after="+e.Result.Next, channel, ""), 200, page("", two))

	for query, sentence := range map[string]string{
		"?limit=0":                       `limit "0" is not valid: a whole number from 1 to 1000 is accepted`,
		"?limit=1001":                    `limit "1001" is not valid: a whole number from 1 to 1000 is accepted`,
		"?q=%00":                         `q "\x00" is not valid: at most 255 printable characters are accepted`,
		"?q=%FF":                         `q "�" is not valid: at most 255 printable characters are accepted`,
		"?q=" + strings.Repeat("a", 256): `q "` + strings.Repeat("a", 120) + `…" is not valid: at most 255 printable characters are accepted`,
		"?after=*":                       `after "*" is not valid: the next of the page before is accepted`,
	} {
		a.wants(a.call("GET", conversations+query, channel, ""), 400, failure(listID, "CLIENT_ERROR", sentence))
	}
	a.wants(a.call("GET", conversations, "", ""), 400, failure(listID, "CLIENT_ERROR", "X-Channel-ID is missing in request header"))
}

func TestAnEstimateAnswersWhatAnExhaustWouldRead(t *testing.T) {
	a := newAPIWith(t, withoutCredentials, empty(t))
	a.addConversation(conversation, "Helpdesk <b>", channel, nil, nil)
	a.addTelemetry("2022-03-01-0.json.gz", 100)
	a.addTelemetry("2022-03-01-1.json.gz", 20)
	a.addTelemetry("2022-03-01_SUCCESS", 7)
	a.addTelemetry("2022-03-03-0.jsonl", 3)
	a.addTelemetry("2022-03-05-0.jsonl", 1000)
	body := func(dataset, tag, days string) string {
		return fmt.Sprintf(`{"request":{"dataset":%q,"tag":%q,"requestedBy":"user_id","datasetConfig":{"conversationId":%q%s}}}`, dataset, tag, conversation, days)
	}
	const (
		estimate = "/dataset/v1/request/estimate"
		range4   = `,"startDate":"2022-03-01","endDate":"2022-03-04"`
	)
	ask := func(dataset, tag, days, want string) {
		t.Helper()
		got := a.call("POST", estimate, channel, body(dataset, tag, days))
		var e struct{ Result struct{ RequestID string } }
		if err := json.Unmarshal([]byte(got.body), &e); err != nil || !exhaust.IsRequestID(e.Result.RequestID) {
			t.Fatalf("%s: %v", got.body, err)
		}
		a.wants(got, 200, success(prefix+".estimate", `{"requestId":"`+e.Result.RequestID+`",`+want+`}`))
	}
	about := func(dataset, name string) string {
		return `"dataset":"` + dataset + `","tag":"tag:` + channel + `","requestedChannel":"` + channel + `","conversationId":"` + conversation + `","conversationName":"` + name + `",`
	}
	read := `"startDate":"2022-03-01","endDate":"2022-03-04","days":4,"daysWithoutTelemetry":["2022-03-02","2022-03-04"],"daysNotListed":0,` +
		`"isLowerBound":false,"objects":3,"bytes":123,"bytesInSlices":0,`
	nothing := `"startDate":null,"endDate":null,"days":0,"daysWithoutTelemetry":[],"daysNotListed":0,"isLowerBound":false,"objects":0,"bytes":0,"bytesInSlices":0,`
	unmeasured := `"seconds":null,"measured":null,"existing":null,`
	ask("uci-response-exhaust", "tag", range4, about("uci-response-exhaust", "Helpdesk <b>")+read+unmeasured+`"willFail":null`)
	ask("uci-private-exhaust", "tag", range4, about("uci-private-exhaust", "Helpdesk <b>")+read+unmeasured+`"willFail":null`)
	// Nobody is registered.
	ask("uci-private-exhaust", "tag", "", about("uci-private-exhaust", "Helpdesk <b>")+nothing+unmeasured+`"willFail":"No data found"`)
	ask("uci-response-exhaust", "tag", `,"startDate":"2022-03-02","endDate":"2022-03-02"`, about("uci-response-exhaust", "Helpdesk <b>")+
		`"startDate":"2022-03-02","endDate":"2022-03-02","days":1,"daysWithoutTelemetry":["2022-03-02"],"daysNotListed":0,"isLowerBound":false,`+
		`"objects":0,"bytes":0,"bytesInSlices":0,`+unmeasured+`"willFail":"No data found"`)

	// It took 1.5 s of late, and is there already.
	var id struct{ Result struct{ RequestID string } }
	if err := json.Unmarshal([]byte(a.call("POST", estimate, channel, body("uci-response-exhaust", "tag", range4)).body), &id); err != nil {
		t.Fatal(err)
	}
	made := a.keep("A", func(j *exhaust.Job) {
		j.ID, j.SubmittedAt = id.Result.RequestID, time.Now().Truncate(time.Millisecond)
	})
	shownNow := strings.Replace(shown(made, "SUCCESS", "", "[]", made.SubmittedAt.Add(24*time.Hour).UnixMilli()),
		"1649237520065", fmt.Sprint(made.SubmittedAt.UnixMilli()), 1)
	shownNow = strings.Replace(shownNow, `"receiptUrl":"`+made.ReceiptURL+`"`, `"receiptUrl":null`, 1)
	midnight, err := time.ParseInLocation(time.DateOnly, made.CompletedAt.In(kolkata).Format(time.DateOnly), kolkata)
	if err != nil {
		t.Fatal(err)
	}
	ask("uci-response-exhaust", "tag", range4, about("uci-response-exhaust", "Helpdesk <b>")+read+
		fmt.Sprintf(`"seconds":{"low":1.5,"likely":1.5,"high":1.5},"measured":{"exhausts":1,"since":%d},`, midnight.UnixMilli())+
		`"existing":`+shownNow+`,"willFail":null`)
	if got, err := a.jobs.Job(t.Context(), made.ID); err != nil || !got.ExpiresAt.Equal(made.ExpiresAt) || len(got.DownloadURLs) != 1 {
		t.Errorf("the estimate has changed what is kept: %+v, %v", got, err)
	}

	// Another channel owns no such conversation.
	got := a.call("POST", estimate, theirs, body("uci-response-exhaust", "tag", range4))
	if want := `"conversationName":"",` + nothing + unmeasured + `"willFail":"No data found for conversation in DB"`; got.status != 200 || !strings.Contains(got.body, want) {
		t.Errorf("in another channel: %d %s\nwant %s", got.status, got.body, want)
	}
}

func TestAnEstimateOfWhatCannotBeSubmittedSaysWhatSubmitSays(t *testing.T) {
	a := newAPIWith(t, withoutCredentials, empty(t))
	for _, body := range []string{
		``, `[]`, `{`, `{}`, `{"request":{}}`, `{"request":{"tag":"a"}}`, `{"request":{"tag":7}}`,
		`{"request":{"tag":"a","dataset":"b","datasetConfig":{}}}`,
		`{"request":{"tag":"a","dataset":"uci-response-exhaust","datasetConfig":{"conversationId":"` + conversation + `"},"encryptionKey":"x"}}`,
		`{"request":{"tag":"a","dataset":"uci-response-exhaust","datasetConfig":{"conversationId":"` + conversation + `","encryptionKey":"x"}}}`,
		`{"request":{"tag":"a","dataset":"uci-response-exhaust","datasetConfig":{"conversationId":"` + conversation + `","startDate":"2022-13-01"}}}`,
		`{"request":{"tag":"a","dataset":"uci-response-exhaust","datasetConfig":{"conversationId":"` + conversation + `"},"runAt":"soon"}}`,
	} {
		for _, header := range []string{channel, "", "a|b"} {
			want := a.call("POST", "/dataset/v1/request/submit", header, body)
			got := a.call("POST", "/dataset/v1/request/estimate", header, body)
			if want.status != 400 || got.status != 400 || got.body != strings.Replace(want.body, prefix+".submit", prefix+".estimate", 1) {
				t.Errorf("%q in %s: %d %s\nsubmit says %d %s", body, header, got.status, got.body, want.status, want.body)
			}
		}
	}
}

func TestLookUpsAreToldToTheAuditLogWhereTheyAreRefused(t *testing.T) {
	a := newAPIWith(t, withTokens, empty(t))
	a.addConversation(conversation, "Helpdesk", theirs, nil, nil)
	reader, stranger := a.mint("reader", []string{theirs}, "uci-response-exhaust"), a.mint("stranger", []string{channel}, "uci-response-exhaust")
	for _, c := range []struct {
		token, method, path, body, want string
	}{
		{reader, "GET", "/dataset/v1/conversation", "", ""},
		{reader, "POST", "/dataset/v1/request/estimate", strings.Replace(privacy, "private", "response", 1), ""},
		{reader, "POST", "/dataset/v1/request/estimate", privacy, `"action":"estimate","channel":"` + theirs + `","dataset":"uci-private-exhaust","outcome":"forbidden"`},
		{stranger, "POST", "/dataset/v1/request/estimate", privacy, `"action":"estimate","channel":"` + theirs + `","dataset":"uci-private-exhaust","outcome":"not the caller's channel"`},
		{stranger, "GET", "/dataset/v1/conversation", "", `"action":"conversation.list","channel":"` + theirs + `","outcome":"not the caller's channel"`},
	} {
		before := a.audit.String()
		a.as(c.method, c.path, c.body, "Authorization", "Bearer "+c.token, "X-Channel-ID", theirs)
		told := strings.TrimPrefix(a.audit.String(), before)
		if c.want == "" && told != "" || !strings.Contains(told, c.want) || strings.Count(told, "\n") > 1 {
			t.Errorf("%s %s is told as %q, want %s", c.method, c.path, told, c.want)
		}
	}
}
