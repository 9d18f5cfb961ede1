package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// contractExample is the body of submit in the contract, but for encryptionKey.
const contractExample = `{"id":"ekstep.analytics.job.request.submit","ver":"1.0","ts":"2022-02-15T10:07:00+05:30",
     "params":{"msgid":"06fb2660-88ba-11ec-bea0-578c52d1ac65"},
     "request":{"dataset":"uci-response-exhaust","tag":%q,
       "requestedBy":"user_id","requestedChannel":"01309282781705830427",
       "datasetConfig":{"type":"uci-response-exhaust","conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6",
                        "startDate":"2022-03-01","endDate":"2022-04-01"},
       "output_format":"csv"}}`

func TestAnswersAreTheContractsEnvelopesWithoutAnyWorker(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		d.startAPI(t)
		for _, c := range []struct{ header, channel string }{
			{"01269878797503692810", "01269878797503692810"},
			{"", "01309282781705830427"}, // that of the body
		} {
			tag := uuid.NewString()
			body := fmt.Appendf(nil, contractExample, tag)
			submitted := call(t, http.MethodPost, d.url("submit", "", ""), c.header, body)
			j := submitted.job(t)
			o := order{dataset: response, tag: tag, by: "user_id", channel: c.channel, conversation: golden1, start: "2022-03-01", end: "2022-04-01"}
			if at := time.UnixMilli(j.JobStats.Submitted); time.Since(at).Abs() > time.Minute {
				t.Errorf("dtJobSubmitted is %s", at)
			}
			if ttl := time.UnixMilli(j.ExpiresAt).Sub(time.UnixMilli(j.JobStats.Submitted)); ttl != 24*time.Hour {
				t.Errorf("expiresAt is %s after the submission, want EXHAUST_URL_TTL, 24h", ttl)
			}
			shown := fmt.Sprintf(`"attempts":0,"lastUpdated":%d,"tag":"%s:%s","expiresAt":%d,"datasetConfig":{"type":"uci-response-exhaust",
				"conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6","startDate":"2022-03-01","endDate":"2022-04-01"},"downloadUrls":[],
				"requestedBy":"user_id","jobStats":{"dtJobSubmitted":%d,"dtJobCompleted":null,"executionTime":null},"status":"SUBMITTED",
				"dataset":"uci-response-exhaust","requestId":%q,"requestedChannel":%q`,
				j.JobStats.Submitted, tag, c.channel, j.ExpiresAt, j.JobStats.Submitted, o.requestID(j.JobStats.Submitted), c.channel)
			info := shown + `,"statusMessage":"","progress":{"phase":"FETCHING","bytesTotal":0,"bytesRead":0,"eventsMatched":0,"rowsWritten":0,"percent":0,
				"linesSkipped":0,"rowsUnknownDevice":0,"undecryptable":0}`
			success := func(call, result string) string {
				return `{"id":"ekstep.analytics.dataset.request.` + call + `","ver":"1.0","params":{"status":"successful","client_key":null},
					"responseCode":"OK","result":{` + result + `}}`
			}
			sameEnvelope(t, submitted, 200, success("submit", shown))
			sameEnvelope(t, call(t, http.MethodPost, d.url("submit", "", ""), c.header, body), 200, success("submit", shown))

			began := time.Now()
			read := call(t, http.MethodGet, d.url("read", tag, j.RequestID), c.channel, nil)
			if took := time.Since(began); took > time.Second {
				t.Errorf("reading took %s", took)
			}
			sameEnvelope(t, read, 200, success("info", info))
			list := `"count":1,"jobs":[{` + info + `}]`
			sameEnvelope(t, call(t, http.MethodGet, d.url("list", tag, ""), c.channel, nil), 200, success("list", list))
			found := call(t, http.MethodPost, d.url("search", "", ""), "", fmt.Appendf(nil, `{"request":{"filters":{"channel":%q,"status":"SUBMITTED"},"limit":1}}`, c.channel))
			// It is the newest of its channel, unless a test beside this one has just submitted, too.
			if result := result[struct{ Jobs []job }](t, found); len(result.Jobs) == 1 && result.Jobs[0].RequestID == j.RequestID {
				sameEnvelope(t, found, 200, success("search", list))
			} else if c.channel != channel {
				t.Errorf("search did not find it: %s", found.body)
			}
		}
	})
}

func TestFaultsOfARequestAreNamed(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		d.startAPI(t)
		tomorrow := time.Now().In(india).AddDate(0, 0, 1).Format(time.DateOnly)
		config := func(members string) string {
			return `{"request":{"dataset":"uci-response-exhaust","tag":"t","datasetConfig":{` + members + `}}}`
		}
		bot := `"conversationId":"` + golden1 + `"`
		for _, c := range []struct {
			body, channel string
			// sentence is whole where the contract gives it, else what has to stand in it.
			sentence string
			parts    []string
		}{
			{`{"request":{"dataset":"uci-response-exhaust","datasetConfig":{` + bot + `}}}`, channel, "tag is empty", nil},
			{`{"request":{"tag":"t","datasetConfig":{` + bot + `}}}`, channel, "dataset is empty", nil},
			{`{"request":{"dataset":"uci-response-exhaust","tag":"t"}}`, channel, "datasetConfig is empty", nil},
			{config(""), channel, "datasetConfig is empty", nil},
			{config(bot), "", "X-Channel-ID is missing in request header", nil},
			{`{"request":{"dataset":"progress-exhaust","tag":"t","datasetConfig":{` + bot + `}}}`, channel, "", []string{"dataset", "progress-exhaust", response, private}},
			{`{"request":{"dataset":"uci-response-exhaust","tag":".t","datasetConfig":{` + bot + `}}}`, channel, "", []string{"tag", ".t"}},
			{`{"request":{"dataset":"uci-response-exhaust","tag":"a/b","datasetConfig":{` + bot + `}}}`, channel, "", []string{"tag", "a/b"}},
			{`{"request":{"dataset":"uci-response-exhaust","tag":"t","output_format":"xlsx","datasetConfig":{` + bot + `}}}`, channel, "", []string{"output_format", "xlsx", "csv"}},
			{config(`"type":"uci-private-exhaust",` + bot), channel, "", []string{"type", private, response}},
			{config(`"startDate":"2022-03-01"`), channel, "", []string{"conversationId"}},
			{config(`"conversationId":"../etc"`), channel, "", []string{"conversationId", "../etc"}},
			{config(bot + `,"startDate":"2022-02-30"`), channel, "", []string{"startDate", "2022-02-30", "yyyy-MM-dd"}},
			{config(bot + `,"startDate":"01-03-2022"`), channel, "", []string{"startDate", "01-03-2022", "yyyy-MM-dd"}},
			{config(bot + `,"startDate":"2022-03-02","endDate":"2022-03-01"`), channel, "", []string{"startDate", "2022-03-02", "2022-03-01"}},
			{config(bot + `,"startDate":"` + tomorrow + `","endDate":"` + tomorrow + `"`), channel, "", []string{"Date", tomorrow, "today"}},
			{config(bot + `,"startDate":"2021-01-01","endDate":"2022-01-02"`), channel, "", []string{"367", "366"}},
			// A trailing comma after 30 bytes, with something behind it that no answer may repeat.
			{`{"request":{"dataset":"uci-re",},"secret-of-the-client":1}`, channel, "", []string{"JSON", "32"}},
			{``, channel, "", []string{"JSON"}},
			{`[]`, channel, "", []string{"JSON"}},
		} {
			got := call(t, http.MethodPost, d.url("submit", "", ""), c.channel, []byte(c.body))
			sentence := c.sentence
			if sentence == "" {
				sentence = errorSentence(t, got)
				for _, part := range c.parts {
					if !strings.Contains(sentence, part) {
						t.Errorf("%s: the sentence does not name %q: %s", c.body, part, sentence)
					}
				}
				if strings.Contains(sentence, "secret-of-the-client") {
					t.Errorf("the sentence repeats what was sent: %s", sentence)
				}
			}
			sameEnvelope(t, got, 400, failure("submit", "CLIENT_ERROR", sentence))
		}

		large := call(t, http.MethodPost, d.url("submit", "", ""), channel, []byte(config(bot+`,"padding":"`+strings.Repeat("x", 1<<20)+`"`)))
		sameEnvelope(t, large, 413, failure("submit", "CLIENT_ERROR", errorSentence(t, large)))

		known := orderOf(response, golden1, "2022-03-01", "2022-03-01")
		id := d.submit(t, known).RequestID
		const unknown = "no job available with the given request_id and tag"
		for name, of := range map[string]struct{ method, call, id string }{
			"read": {http.MethodGet, "read", "info"}, "cancel": {http.MethodPost, "cancel", "cancel"}, "retry": {http.MethodPost, "retry", "retry"},
		} {
			missing := failure(of.id, "RESOURCE_NOT_FOUND", unknown)
			sameEnvelope(t, call(t, of.method, d.url(of.call, known.tag, strings.Repeat("0", 32)), channel, nil), 404, missing)
			sameEnvelope(t, call(t, of.method, d.url(of.call, known.tag, "not-an-id"), channel, nil), 404, missing)
			sameEnvelope(t, call(t, of.method, d.url(of.call, "other-tag", id), channel, nil), 404, missing)
			sameEnvelope(t, call(t, of.method, d.url(of.call, known.tag, id), "other-channel", nil), 404, missing)
			sameEnvelope(t, call(t, of.method, d.url(of.call, known.tag, id), "", nil), 400,
				failure(of.id, "CLIENT_ERROR", "X-Channel-ID is missing in request header"))
			none := call(t, of.method, d.url(of.call, known.tag, ""), channel, nil)
			if sentence := errorSentence(t, none); none.status != 400 || !strings.Contains(sentence, "requestId") {
				t.Errorf("%s without requestId answered %d: %s", name, none.status, sentence)
			}
		}
		if j := d.read(t, known, id); j.Status != "SUBMITTED" {
			t.Errorf("after calls of others it is %s", j.Status)
		}
	})
}

func errorSentence(t *testing.T, a answer) string {
	t.Helper()
	var envelope struct {
		Params struct {
			ErrMsg string `json:"errmsg"`
		} `json:"params"`
	}
	if err := json.Unmarshal(a.body, &envelope); err != nil || envelope.Params.ErrMsg == "" {
		t.Fatalf("no error sentence: %s", a.body)
	}
	return envelope.Params.ErrMsg
}

func TestFiftyIdenticalSubmissionsAtOnceAreOneExhaust(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		apis := []string{d.startAPI(t), d.startAPI(t)}
		bot := s.bot(t, "One")
		want := d.say(t, bot, "One", "2022-05-01", 3)
		o := orderOf(response, bot, "2022-05-01", "2022-05-02")
		answers := make([]answer, 50)
		errs := make([]error, len(answers))
		var together sync.WaitGroup
		start := make(chan struct{})
		for i := range answers {
			together.Go(func() {
				<-start
				answers[i], errs[i] = tryCall(t.Context(), http.MethodPost, apis[i%2]+"/dataset/v1/request/submit", channel, o.body())
			})
		}
		close(start)
		together.Wait()
		first := answers[0].job(t)
		if first.RequestID != o.requestID(first.JobStats.Submitted) || first.Status != "SUBMITTED" {
			t.Errorf("requestId %s, status %s; want %s, SUBMITTED", first.RequestID, first.Status, o.requestID(first.JobStats.Submitted))
		}
		for i, a := range answers {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			sameEnvelope(t, a, 200, withoutNew(t, answers[0]))
		}
		var rows int
		if err := s.jobs.QueryRow(`SELECT count(*) FROM job_request WHERE request_id = $1`, first.RequestID).Scan(&rows); err != nil || rows != 1 {
			t.Errorf("job_request has %d rows of it (%v)", rows, err)
		}
		d.startWorker(t)
		w := &watch{d: d, o: o, id: first.RequestID}
		done := w.end(t, time.Minute)
		sameFile(t, "the exhaust", d.file(t, o, done), want)

		// Found, not run again; and a difference in the config is another exhaust.
		again := d.submit(t, o)
		if again.RequestID != first.RequestID || again.Status != "SUCCESS" || again.Attempts != 0 || !slices.Equal(again.DownloadURLs, done.DownloadURLs) {
			t.Errorf("submitted again: %+v", again)
		}
		o.end = "2022-05-01"
		if other := d.submit(t, o); other.RequestID == first.RequestID || other.RequestID != o.requestID(other.JobStats.Submitted) {
			t.Errorf("another config has requestId %s", other.RequestID)
		}
		if runs := s.runs(t, first.RequestID); runs != 1 {
			t.Errorf("it has run as %d workflows", runs)
		}
	})
}

// withoutNew is an answer without what is new in every one.
func withoutNew(t *testing.T, a answer) string {
	t.Helper()
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &envelope); err != nil {
		t.Fatal(err)
	}
	var params map[string]any
	if err := json.Unmarshal(envelope["params"], &params); err != nil {
		t.Fatal(err)
	}
	delete(envelope, "ts")
	delete(params, "resmsgid")
	envelope["params"], _ = json.Marshal(params)
	left, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return string(left)
}

// runs counts the workflows that an exhaust has had, once Temporal's visibility knows the last of them
// to have ended.
func (s *stack) runs(t *testing.T, requestID string) (count int) {
	t.Helper()
	eventually(t, 30*time.Second, "visibility knows that the workflow ended", func() bool {
		found, err := s.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowId = 'exhaust-%s'", requestID),
		})
		if err != nil {
			return false
		}
		count = len(found.GetExecutions())
		for _, e := range found.GetExecutions() {
			if e.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				return false
			}
		}
		return count > 0
	})
	return count
}

// workflowStatus is how Temporal shows the workflow of an exhaust once it has ended.
func (s *stack) workflowStatus(t *testing.T, requestID string) (status enumspb.WorkflowExecutionStatus) {
	t.Helper()
	eventually(t, 30*time.Second, "the workflow ends", func() bool {
		description, err := s.client.DescribeWorkflowExecution(t.Context(), "exhaust-"+requestID, "")
		if err != nil {
			t.Fatal(err)
		}
		status = description.GetWorkflowExecutionInfo().GetStatus()
		return status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	})
	return status
}

func TestAnExhaustThatCameToNothingRunsAgainBySubmitAndByRetry(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		bot := s.bot(t, "Again")
		o := orderOf(response, bot, "2022-05-01", "2022-05-02")
		failed := d.order(t, o).end(t, time.Minute)
		if failed.Status != "FAILED" || failed.StatusMessage != "No data found" || failed.Attempts != 0 {
			t.Errorf("without telemetry: %s %q, attempts %d", failed.Status, failed.StatusMessage, failed.Attempts)
		}
		if failed.JobStats.Completed == nil || failed.JobStats.ExecutionTime == nil || len(failed.DownloadURLs) != 0 {
			t.Errorf("of a FAILED one: %+v", failed)
		}
		if status := s.workflowStatus(t, failed.RequestID); status != enumspb.WORKFLOW_EXECUTION_STATUS_FAILED {
			t.Errorf("its workflow is %s", status)
		}
		again := d.retry(t, o, failed.RequestID).job(t)
		if again.Status != "SUBMITTED" || again.Attempts != 1 || again.RequestID != failed.RequestID || again.JobStats.Completed != nil {
			t.Errorf("retry answered %+v", again)
		}
		w := &watch{d: d, o: o, id: failed.RequestID}
		if j := w.end(t, time.Minute); j.Status != "FAILED" || j.Attempts != 1 {
			t.Errorf("after retry: %s, attempts %d", j.Status, j.Attempts)
		}
		want := d.say(t, bot, "Again", "2022-05-01", 2)
		if j := d.submit(t, o); j.Status != "SUBMITTED" || j.Attempts != 2 || j.RequestID != failed.RequestID {
			t.Errorf("submit answered %+v", j)
		}
		done := w.end(t, time.Minute)
		sameFile(t, "the third run", d.file(t, o, done), want)
		if done.Attempts != 2 {
			t.Errorf("attempts is %d after the third run", done.Attempts)
		}
		refused := d.retry(t, o, done.RequestID)
		if sentence := errorSentence(t, refused); refused.status != 400 || !strings.Contains(sentence, "SUCCESS") {
			t.Errorf("retry of a SUCCESS answered %d: %s", refused.status, sentence)
		}
		if runs := s.runs(t, done.RequestID); runs != 3 {
			t.Errorf("it has run as %d workflows, want 3", runs)
		}
	})
}

func TestAnExhaustWithoutItsConversationFails(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		bot := s.bot(t, "Mine")
		d.say(t, bot, "Mine", "2022-05-01", 1)
		for what, o := range map[string]order{
			"unknown":          orderOf(response, uuid.NewString(), "2022-05-01", "2022-05-01"),
			"no uuid":          orderOf(private, "my-bot", "", ""),
			"another channels": {dataset: response, tag: "t", channel: "0999", conversation: bot, start: "2022-05-01", end: "2022-05-01"},
		} {
			j := d.order(t, o).end(t, time.Minute)
			if j.Status != "FAILED" || j.StatusMessage != "No data found for conversation in DB" {
				t.Errorf("%s: %s %q", what, j.Status, j.StatusMessage)
			}
		}
		j := d.order(t, orderOf(private, bot, "", "")).end(t, time.Minute)
		if j.Status != "FAILED" || j.StatusMessage != "No data found" {
			t.Errorf("nobody registered: %s %q", j.Status, j.StatusMessage)
		}
	})
}

func TestListAndSearchFindWhatWasSubmitted(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		tenant, tag := uuid.NewString(), uuid.NewString()
		bot := uuid.NewString()
		if err := s.registries[0].conversation(bot, "Found", tenant, "", ""); err != nil {
			t.Fatal(err)
		}
		if err := s.registries[0].registration(device("1"), bot); err != nil {
			t.Fatal(err)
		}
		var ids []string // newest first
		for _, o := range []order{
			{response, tag, "a", tenant, bot, "2022-05-01", "2022-05-01"}, // FAILED
			{private, tag, "a", tenant, bot, "", ""},                      // SUCCESS
			{private, tag, "b", tenant, bot, "", ""},                      // SUCCESS
			{response, "other-" + tag, "a", tenant, bot, "2022-05-01", "2022-05-01"},
		} {
			ids = append([]string{d.order(t, o).end(t, time.Minute).RequestID}, ids...)
		}
		other, privateB, privateA, failed := ids[0], ids[1], ids[2], ids[3]
		today := time.Now().In(india).Format(time.DateOnly)
		list := func(query string) answer {
			return call(t, http.MethodGet, d.url("list", tag, "")+query, tenant, nil)
		}
		search := func(request string) answer {
			return call(t, http.MethodPost, d.url("search", "", ""), "", []byte(request))
		}
		inTenant := func(filters string) answer {
			return search(fmt.Sprintf(`{"request":{"filters":{"channel":%q%s},"limit":1000}}`, tenant, filters))
		}
		for what, c := range map[string]struct {
			got  answer
			want []string
		}{
			"list":                        {list(""), []string{privateB, privateA, failed}},
			"list of one":                 {list("?limit=1"), []string{privateB}},
			"list of another's":           {call(t, http.MethodGet, d.url("list", tag, ""), "0999", nil), nil},
			"search by channel":           {inTenant(""), ids},
			"search by dataset":           {inTenant(`,"dataset":"uci-private-exhaust"`), []string{privateB, privateA}},
			"search by status":            {inTenant(`,"status":"FAILED"`), []string{other, failed}},
			"search by both":              {inTenant(`,"status":"FAILED","dataset":"uci-private-exhaust"`), nil},
			"search by day":               {inTenant(`,"requestedDate":"` + today + `"`), ids},
			"search by another day":       {inTenant(`,"requestedDate":"2022-03-01"`), nil},
			"search for the newest":       {search(fmt.Sprintf(`{"request":{"filters":{"channel":%q},"limit":2}}`, tenant)), []string{other, privateB}},
			"search for a status of none": {inTenant(`,"status":"CANCELLED"`), nil},
		} {
			found := result[struct {
				Count int
				Jobs  []job
			}](t, c.got)
			var ids []string
			for _, j := range found.Jobs {
				ids = append(ids, j.RequestID)
			}
			if found.Count != len(c.want) || !slices.Equal(ids, c.want) {
				t.Errorf("%s: count %d, %q; want %q", what, found.Count, ids, c.want)
			}
		}
		for _, bad := range []answer{list("?limit=0"), list("?limit=1001"), list("?limit=x"),
			search(`{"request":{"filters":{},"limit":0}}`), search(`{"request":{"filters":{"requestedDate":"2022-13-01"}}}`),
			search(`{"request":{"filters":{"status":"DONE"}}}`), search(`{"request":{"filters":{"dataset":"x"}}}`)} {
			if sentence := errorSentence(t, bad); bad.status != 400 {
				t.Errorf("answered %d: %s", bad.status, sentence)
			}
		}
		// By default ten are found, and a hundred listed.
		var many []order
		for i := range 11 {
			many = append(many, order{private, tag, fmt.Sprint(i), tenant, bot, "", ""})
		}
		for _, o := range many {
			d.submit(t, o)
		}
		if n := len(result[struct{ Jobs []job }](t, search(fmt.Sprintf(`{"request":{"filters":{"channel":%q}}}`, tenant))).Jobs); n != 10 {
			t.Errorf("search without a limit found %d, want 10", n)
		}
		if n := len(result[struct{ Jobs []job }](t, list("")).Jobs); n != 14 {
			t.Errorf("list without a limit found %d, want 14", n)
		}
	})
}

func TestWhatIsInJobRequestOutlivesTemporal(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		bot := s.bot(t, "Outlives")
		d.say(t, bot, "Outlives", "2022-05-01", 2)
		tag := uuid.NewString()
		succeeded := orderOf(response, bot, "2022-05-01", "2022-05-01")
		succeeded.tag = tag
		failed := orderOf(response, bot, "2022-05-02", "2022-05-02")
		failed.tag = tag
		cancelled := orderOf(response, bot, "2022-05-03", "2022-05-03")
		cancelled.tag = tag
		d.telemetry.put(t, "2022-05-03-0.json.gz", filler())

		var ids []string
		for _, o := range []order{succeeded, failed} {
			ids = append(ids, d.order(t, o).end(t, time.Minute).RequestID)
		}
		w := d.order(t, cancelled)
		w.until(t, time.Minute, "it runs", midway)
		d.cancel(t, cancelled, w.id)
		w.end(t, time.Minute)
		ids = append(ids, w.id)
		for _, id := range ids {
			s.workflowStatus(t, id) // its end is recorded by then
		}
		ask := func() (answers []string) {
			for i, o := range []order{succeeded, failed, cancelled} {
				answers = append(answers, withoutNew(t, call(t, http.MethodGet, d.url("read", tag, ids[i]), o.channel, nil)))
			}
			answers = append(answers, withoutNew(t, call(t, http.MethodGet, d.url("list", tag, ""), channel, nil)))
			search := call(t, http.MethodPost, d.url("search", "", ""), "", fmt.Appendf(nil, `{"request":{"filters":{"channel":%q},"limit":1000}}`, channel))
			for _, j := range result[struct{ Jobs []json.RawMessage }](t, search).Jobs {
				if strings.Contains(string(j), tag) {
					answers = append(answers, string(j))
				}
			}
			return answers
		}
		before := ask()
		if len(before) != 7 {
			t.Fatalf("%d answers instead of 7: %q", len(before), before)
		}
		for _, id := range ids {
			if _, err := s.client.WorkflowService().DeleteWorkflowExecution(t.Context(), deletion(id)); err != nil {
				t.Fatal(err)
			}
		}
		// Temporal takes its time: it deletes in the background.
		eventually(t, 90*time.Second, "Temporal has forgotten the workflows", func() bool {
			for _, id := range ids {
				if _, err := s.client.DescribeWorkflowExecution(t.Context(), "exhaust-"+id, ""); err == nil {
					return false
				}
			}
			return true
		})
		after := ask()
		for i := range before {
			if after[i] != before[i] {
				t.Errorf("answer %d:\nbefore %s\nafter  %s", i, before[i], after[i])
			}
		}
		// The same request is still the same exhaust.
		if j := d.submit(t, succeeded); j.RequestID != ids[0] || j.Status != "SUCCESS" || j.Attempts != 0 {
			t.Errorf("submitted again: %+v", j)
		}
	})
}

func TestAWorkflowThatAnOperatorTerminatesIsFailed(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		d.startAPI(t)
		bot := s.bot(t, "Terminated")
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		w := d.order(t, o)
		if err := s.client.TerminateWorkflow(t.Context(), "exhaust-"+w.id, "", "a test"); err != nil {
			t.Fatal(err)
		}
		if j := w.end(t, 10*time.Second); j.Status != "FAILED" || j.StatusMessage == "" {
			t.Errorf("it is %s: %q", j.Status, j.StatusMessage)
		}
		want := d.say(t, bot, "Terminated", "2022-05-01", 1)
		if j := d.submit(t, o); j.Attempts != 1 || j.Status != "SUBMITTED" {
			t.Errorf("submitted again: %+v", j)
		}
		d.startWorker(t)
		sameFile(t, "the second run", d.file(t, o, w.end(t, time.Minute)), want)
	})
}

func TestDownloadURLsOpenOneFileToBeReadUntilTheyExpire(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		bot := s.bot(t, "Signed")
		want := d.say(t, bot, "Signed", "2022-05-01", 2)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		j, file := d.make(t, o)
		sameFile(t, "the download", file, want)
		other, _ := d.make(t, orderOf(response, bot, "2022-05-01", "2022-05-02"))

		left := time.Until(time.UnixMilli(j.ExpiresAt))
		if left < 23*time.Hour || left > 24*time.Hour {
			t.Errorf("the URL works for another %s, want just under EXHAUST_URL_TTL, 24h", left)
		}
		signed, err := url.Parse(j.DownloadURLs[0])
		if err != nil {
			t.Fatal(err)
		}
		expiry, signature := "expires", "signature"
		if s.blobs != nil {
			expiry, signature = "se", "sig"
		}
		changed := func(change func(u *url.URL, query url.Values)) string {
			u, query := *signed, signed.Query()
			change(&u, query)
			u.RawQuery = query.Encode()
			return u.String()
		}
		later := func(u *url.URL, query url.Values) {
			if s.blobs != nil {
				query.Set(expiry, time.Now().AddDate(1, 0, 0).UTC().Format("2006-01-02T15:04:05Z"))
			} else {
				query.Set(expiry, fmt.Sprint(time.Now().AddDate(1, 0, 0).Unix()))
			}
		}
		otherURL, err := url.Parse(other.DownloadURLs[0])
		if err != nil {
			t.Fatal(err)
		}
		for what, target := range map[string]string{
			"a later expiry":    changed(later),
			"no signature":      changed(func(_ *url.URL, query url.Values) { query.Del(signature) }),
			"another signature": changed(func(_ *url.URL, query url.Values) { query.Set(signature, otherURL.Query().Get(signature)) }),
			"another file":      changed(func(u *url.URL, _ url.Values) { u.Path = otherURL.Path }),
			"the folder":        changed(func(u *url.URL, _ url.Values) { u.Path = u.Path[:strings.LastIndex(u.Path, "/")] }),
		} {
			if a := call(t, http.MethodGet, target, "", nil); a.status != http.StatusForbidden && a.status != http.StatusNotFound || strings.Contains(string(a.body), "ASSESS") {
				t.Errorf("with %s it answered %d: %.200s", what, a.status, a.body)
			}
		}
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			request, err := http.NewRequestWithContext(t.Context(), method, j.DownloadURLs[0], strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("x-ms-blob-type", "BlockBlob")
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode < 400 {
				t.Errorf("%s answered %d", method, answer.StatusCode)
			}
		}
		sameFile(t, "the download after all that", d.file(t, o, j), want)

		// With most of its time left the URL stays, with less than half of it another is signed.
		if again := d.read(t, o, j.RequestID); again.DownloadURLs[0] != j.DownloadURLs[0] || again.ExpiresAt != j.ExpiresAt {
			t.Error("a URL that works for long was signed anew")
		}
		if _, err := s.jobs.Exec(`UPDATE job_request SET dt_urls_expire = dt_job_submitted WHERE request_id = $1`, j.RequestID); err != nil {
			t.Fatal(err)
		}
		fresh := d.read(t, o, j.RequestID)
		if left := time.Until(time.UnixMilli(fresh.ExpiresAt)); left < 23*time.Hour || left > 24*time.Hour {
			t.Errorf("the fresh URL works for another %s", left)
		}
		sameFile(t, "the download by the fresh URL", d.file(t, o, fresh), want)
	})
}

func TestSecretsAreInNoLogAndNoHistory(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		telemetry, _ := goldenTelemetry(t)
		for _, o := range telemetry {
			d.telemetry.put(t, o.name, o.content)
		}
		var kept []byte
		for _, o := range []order{
			orderOf(response, golden1, "2022-03-01", "2022-03-03"),
			orderOf(private, golden1, "2022-03-01", "2022-03-03"),
			orderOf(private, golden1, "", ""),
		} {
			j, _ := d.make(t, o)
			s.workflowStatus(t, j.RequestID)
			_, raw := s.history(t, j.RequestID)
			kept = append(kept, raw...)
		}
		const key = "k3y-of-a-client"
		refused := call(t, http.MethodPost, d.url("submit", "", ""), channel, []byte(`{"request":{"dataset":"x","tag":"t","encryptionKey":"`+key+`","datasetConfig":{"conversationId":"c"}}}`))
		broken := call(t, http.MethodPost, d.url("submit", "", ""), channel, []byte(`{"request":{"encryptionKey":"`+key+`","tag":}}`))
		misplaced := call(t, http.MethodPost, d.url("submit", "", ""), channel, []byte(`{"request":{"dataset":"uci-response-exhaust","tag":"t","datasetConfig":{"conversationId":"c","encryptionKey":"`+key+`"}}}`))
		for _, a := range []answer{refused, broken, misplaced} {
			if a.status != 400 || strings.Contains(string(a.body), key) {
				t.Errorf("answered %d: %s", a.status, a.body)
			}
		}
		secrets := regexp.MustCompile(`(?i)signature=|sig=|99999000\d\d|X2FiP0lzef89|Dv3dKSyad9n4|refused to be shown|two conversations|AccountKey|` +
			regexp.QuoteMeta(secret) + `|` + key)
		for where, text := range map[string]string{"the history": string(kept), "the logs": d.logs(t)} {
			if len(text) < 500 {
				t.Errorf("%s: only %d bytes were looked at", where, len(text))
			}
			if at := secrets.FindStringIndex(text); at != nil {
				t.Errorf("%s: %q", where, text[max(0, at[0]-200):min(len(text), at[1]+50)])
			}
		}
	})
}

func TestADatasetConfigOf900KBWorks(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		bot := s.bot(t, "Large")
		want := d.say(t, bot, "Large", "2022-05-01", 1)
		config := fmt.Sprintf(`{"conversationId":%q,"endDate":"2022-05-01","startDate":"2022-05-01","theirs":%q}`, bot, strings.Repeat("0123456789", 90_000))
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		body := fmt.Appendf(nil, `{"request":{"dataset":%q,"tag":%q,"requestedBy":"tester","datasetConfig":%s}}`, o.dataset, o.tag, config)
		submitted := call(t, http.MethodPost, d.url("submit", "", ""), channel, body).job(t)
		done := (&watch{d: d, o: o, id: submitted.RequestID}).end(t, time.Minute)
		sameFile(t, "the exhaust", d.file(t, o, done), want)
		if string(done.DatasetConfig) != config {
			t.Errorf("datasetConfig came back as %d bytes, want %d", len(done.DatasetConfig), len(config))
		}
		if listed := result[struct{ Jobs []job }](t, call(t, http.MethodGet, d.url("list", o.tag, ""), channel, nil)); len(listed.Jobs) != 1 || string(listed.Jobs[0].DatasetConfig) != config {
			t.Errorf("list answered %d exhausts", len(listed.Jobs))
		}
	})
}
