package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"data-exhaust/internal/e2etest"
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
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		d.StartAPI(t)
		for _, c := range []struct{ header, channel string }{
			{"01269878797503692810", "01269878797503692810"},
			{"", "01309282781705830427"}, // that of the body
		} {
			tag := uuid.NewString()
			body := fmt.Sprintf(contractExample, tag)
			submission := d.Post(t, "submit", c.header, body)
			j := submission.Job(t)
			o := e2etest.Order{Dataset: response, Tag: tag, By: "user_id", Channel: c.channel, Conversation: golden1, Start: "2022-03-01", End: "2022-04-01"}
			if at := time.UnixMilli(j.JobStats.Submitted); time.Since(at).Abs() > time.Minute {
				t.Errorf("dtJobSubmitted is %s", at)
			}
			if ttl := time.UnixMilli(j.ExpiresAt).Sub(time.UnixMilli(j.JobStats.Submitted)); ttl != 24*time.Hour {
				t.Errorf("expiresAt is %s after the submission, want EXHAUST_URL_TTL, 24h", ttl)
			}
			core := fmt.Sprintf(`"attempts":0,"lastUpdated":%d,"tag":"%s:%s","expiresAt":%d,"datasetConfig":{"type":"uci-response-exhaust",
				"conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6","startDate":"2022-03-01","endDate":"2022-04-01"},"downloadUrls":[],
				"requestedBy":"user_id","jobStats":{"dtJobSubmitted":%d,"dtJobCompleted":null,"executionTime":null},"status":"SUBMITTED",
				"dataset":"uci-response-exhaust","requestId":%q,"requestedChannel":%q`,
				j.JobStats.Submitted, tag, c.channel, j.ExpiresAt, j.JobStats.Submitted, requestID(o, j.JobStats.Submitted), c.channel)
			info := core + `,"receiptUrl":null,"statusMessage":"","progress":{"phase":"FETCHING","bytesTotal":0,"bytesRead":0,"eventsMatched":0,"repeats":0,
				"rowsWritten":0,"linesSkipped":0,"rowsUnknownDevice":0,"consentUnreadable":0,"undecryptable":0,"percent":0}`
			success := func(call, result string) string {
				return `{"id":"ekstep.analytics.dataset.request.` + call + `","ver":"1.0","params":{"status":"successful","client_key":null},
					"responseCode":"OK","result":{` + result + `}}`
			}
			sameEnvelope(t, submission, 200, success("submit", core))
			sameEnvelope(t, d.Post(t, "submit", c.header, body), 200, success("submit", core))

			start := time.Now()
			read := d.Get(t, o.Path("read", j.RequestID), c.channel)
			if took := time.Since(start); took > time.Second {
				t.Errorf("reading took %s", took)
			}
			sameEnvelope(t, read, 200, success("info", info))
			list := `"count":1,"jobs":[{` + info + `}]`
			sameEnvelope(t, d.Get(t, "list/"+tag, c.channel), 200, success("list", list))
			search := d.Post(t, "search", "", fmt.Sprintf(`{"request":{"filters":{"channel":%q,"status":"SUBMITTED"},"limit":1}}`, c.channel))
			// It is the newest of its channel, unless a test beside this one has just submitted, too.
			if page := search.Page(t); len(page.Jobs) == 1 && page.Jobs[0].RequestID == j.RequestID {
				sameEnvelope(t, search, 200, success("search", list))
			} else if c.channel != channel {
				t.Errorf("search did not find it: %s", search.Body)
			}
		}
	})
}

func TestFaultsOfARequestAreNamed(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		d.StartAPI(t)
		tomorrow := time.Now().In(e2etest.India).AddDate(0, 0, 1).Format(time.DateOnly)
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
			got := d.Post(t, "submit", c.channel, c.body)
			sentence := c.sentence
			if sentence == "" {
				sentence = got.Sentence(t)
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

		large := d.Post(t, "submit", channel, config(bot+`,"padding":"`+strings.Repeat("x", 1<<20)+`"`))
		sameEnvelope(t, large, 413, failure("submit", "CLIENT_ERROR", large.Sentence(t)))

		known := orderOf(response, golden1, "2022-03-01", "2022-03-01")
		id := d.Submit(t, known).RequestID
		const unknown = "no job available with the given request_id and tag"
		for name, of := range map[string]struct{ method, call, id string }{
			"read": {http.MethodGet, "read", "info"}, "cancel": {http.MethodPost, "cancel", "cancel"}, "retry": {http.MethodPost, "retry", "retry"},
		} {
			missing := failure(of.id, "RESOURCE_NOT_FOUND", unknown)
			ask := func(channel, path string) e2etest.Answer {
				return e2etest.Call(t, of.method, d.RequestURL(path), channel, "")
			}
			sameEnvelope(t, ask(channel, known.Path(of.call, strings.Repeat("0", 32))), 404, missing)
			sameEnvelope(t, ask(channel, known.Path(of.call, "not-an-id")), 404, missing)
			sameEnvelope(t, ask(channel, e2etest.Order{Tag: "other-tag"}.Path(of.call, id)), 404, missing)
			sameEnvelope(t, ask("other-channel", known.Path(of.call, id)), 404, missing)
			sameEnvelope(t, ask("", known.Path(of.call, id)), 400, failure(of.id, "CLIENT_ERROR", "X-Channel-ID is missing in request header"))
			none := ask(channel, of.call+"/"+known.Tag)
			if sentence := none.Sentence(t); none.Status != 400 || !strings.Contains(sentence, "requestId") {
				t.Errorf("%s without requestId answered %d: %s", name, none.Status, sentence)
			}
		}
		if j := d.Read(t, known, id); j.Status != "SUBMITTED" {
			t.Errorf("after calls of others it is %s", j.Status)
		}
	})
}

func TestFiftyIdenticalSubmissionsAtOnceAreOneExhaust(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		apis := []string{d.StartAPI(t), d.StartAPI(t)}
		bot := d.addBot(t, "One")
		want := d.say(t, bot, "One", "2022-05-01", 3)
		o := orderOf(response, bot, "2022-05-01", "2022-05-02")
		answers := make([]e2etest.Answer, 50)
		errs := make([]error, len(answers))
		var together sync.WaitGroup
		start := make(chan struct{})
		for i := range answers {
			together.Go(func() {
				<-start
				answers[i], errs[i] = e2etest.TryCall(t.Context(), http.MethodPost, apis[i%2]+"/dataset/v1/request/submit", channel, o.Body())
			})
		}
		close(start)
		together.Wait()
		first := answers[0].Job(t)
		if first.RequestID != requestID(o, first.JobStats.Submitted) || first.Status != "SUBMITTED" {
			t.Errorf("requestId %s, status %s; want %s, SUBMITTED", first.RequestID, first.Status, requestID(o, first.JobStats.Submitted))
		}
		for i, a := range answers {
			e2etest.Must(t, errs[i])
			sameEnvelope(t, a, 200, withoutNew(t, answers[0]))
		}
		var rows int
		if err := s.Jobs.QueryRow(`SELECT count(*) FROM job_request WHERE request_id = $1`, first.RequestID).Scan(&rows); err != nil || rows != 1 {
			t.Errorf("job_request has %d rows of it (%v)", rows, err)
		}
		d.StartWorker(t)
		w := d.Watch(o, first.RequestID)
		end := w.End(t, time.Minute)
		sameFile(t, "the exhaust", d.download(t, o, end), want)

		// Found, not run again; and a difference in the config is another exhaust.
		again := d.Submit(t, o)
		if again.RequestID != first.RequestID || again.Status != "SUCCESS" || again.Attempts != 0 || !slices.Equal(again.DownloadURLs, end.DownloadURLs) {
			t.Errorf("submitted again: %+v", again)
		}
		o.End = "2022-05-01"
		if other := d.Submit(t, o); other.RequestID == first.RequestID || other.RequestID != requestID(o, other.JobStats.Submitted) {
			t.Errorf("another config has requestId %s", other.RequestID)
		}
		if runs := d.countRuns(t, first.RequestID); runs != 1 {
			t.Errorf("it has run as %d workflows", runs)
		}
	})
}

func TestAnExhaustThatCameToNothingRunsAgainBySubmitAndByRetry(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		bot := d.addBot(t, "Again")
		o := orderOf(response, bot, "2022-05-01", "2022-05-02")
		failed := d.submitAndWatch(t, o).End(t, time.Minute)
		if failed.Status != "FAILED" || failed.StatusMessage != "No data found" || failed.Attempts != 0 {
			t.Errorf("without telemetry: %s %q, attempts %d", failed.Status, failed.StatusMessage, failed.Attempts)
		}
		if failed.JobStats.Completed == nil || failed.JobStats.ExecutionTime == nil || len(failed.DownloadURLs) != 0 {
			t.Errorf("of a FAILED one: %+v", failed)
		}
		if status := d.workflowStatus(t, failed.RequestID); status != enumspb.WORKFLOW_EXECUTION_STATUS_FAILED {
			t.Errorf("its workflow is %s", status)
		}
		again := d.Post(t, o.Path("retry", failed.RequestID), channel, "").Job(t)
		if again.Status != "SUBMITTED" || again.Attempts != 1 || again.RequestID != failed.RequestID || again.JobStats.Completed != nil {
			t.Errorf("retry answered %+v", again)
		}
		w := d.Watch(o, failed.RequestID)
		if j := w.End(t, time.Minute); j.Status != "FAILED" || j.Attempts != 1 {
			t.Errorf("after retry: %s, attempts %d", j.Status, j.Attempts)
		}
		want := d.say(t, bot, "Again", "2022-05-01", 2)
		if j := d.Submit(t, o); j.Status != "SUBMITTED" || j.Attempts != 2 || j.RequestID != failed.RequestID {
			t.Errorf("submit answered %+v", j)
		}
		end := w.End(t, time.Minute)
		sameFile(t, "the third run", d.download(t, o, end), want)
		if end.Attempts != 2 {
			t.Errorf("attempts is %d after the third run", end.Attempts)
		}
		refused := d.Post(t, o.Path("retry", end.RequestID), channel, "")
		if sentence := refused.Sentence(t); refused.Status != 400 || !strings.Contains(sentence, "SUCCESS") {
			t.Errorf("retry of a SUCCESS answered %d: %s", refused.Status, sentence)
		}
		if runs := d.countRuns(t, end.RequestID); runs != 3 {
			t.Errorf("it has run as %d workflows, want 3", runs)
		}
	})
}

func TestAnExhaustWithoutItsConversationFails(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		bot := d.addBot(t, "Mine")
		d.say(t, bot, "Mine", "2022-05-01", 1)
		for what, o := range map[string]e2etest.Order{
			"unknown":          orderOf(response, uuid.NewString(), "2022-05-01", "2022-05-01"),
			"no uuid":          orderOf(private, "my-bot", "", ""),
			"another channels": {Dataset: response, Tag: "t", Channel: "0999", Conversation: bot, Start: "2022-05-01", End: "2022-05-01"},
		} {
			j := d.submitAndWatch(t, o).End(t, time.Minute)
			if j.Status != "FAILED" || j.StatusMessage != "No data found for conversation in DB" {
				t.Errorf("%s: %s %q", what, j.Status, j.StatusMessage)
			}
		}
		j := d.submitAndWatch(t, orderOf(private, bot, "", "")).End(t, time.Minute)
		if j.Status != "FAILED" || j.StatusMessage != "No data found" {
			t.Errorf("nobody registered: %s %q", j.Status, j.StatusMessage)
		}
	})
}

func TestListAndSearchFindWhatWasSubmitted(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		tenant, tag := uuid.NewString(), uuid.NewString()
		bot := uuid.NewString()
		s.Registry.AddConversation(t, bot, "Found", tenant, "", "")
		register(t, s.Registry, device("1"), bot)
		var ids []string // newest first
		order := func(dataset, tag, by string) e2etest.Order {
			o := e2etest.Order{Dataset: dataset, Tag: tag, By: by, Channel: tenant, Conversation: bot}
			if dataset == response {
				o.Start, o.End = "2022-05-01", "2022-05-01"
			}
			return o
		}
		for _, o := range []e2etest.Order{
			order(response, tag, "a"), // FAILED
			order(private, tag, "a"),  // SUCCESS
			order(private, tag, "b"),  // SUCCESS
			order(response, "other-"+tag, "a"),
		} {
			id := d.submitAndWatch(t, o).End(t, time.Minute).RequestID
			d.workflowStatus(t, id) // its end is recorded by then
			ids = append([]string{id}, ids...)
		}
		other, privateB, privateA, failed := ids[0], ids[1], ids[2], ids[3]
		today := time.Now().In(e2etest.India).Format(time.DateOnly)
		list := func(query string) e2etest.Answer {
			return d.Get(t, "list/"+tag+query, tenant)
		}
		search := func(request string) e2etest.Answer {
			return d.Post(t, "search", "", request)
		}
		inTenant := func(filters string) e2etest.Answer {
			return search(fmt.Sprintf(`{"request":{"filters":{"channel":%q%s},"limit":1000}}`, tenant, filters))
		}
		for what, c := range map[string]struct {
			got  e2etest.Answer
			want []string
		}{
			"list":                        {list(""), []string{privateB, privateA, failed}},
			"list of one":                 {list("?limit=1"), []string{privateB}},
			"list of another's":           {d.Get(t, "list/"+tag, "0999"), nil},
			"search by channel":           {inTenant(""), ids},
			"search by dataset":           {inTenant(`,"dataset":"uci-private-exhaust"`), []string{privateB, privateA}},
			"search by status":            {inTenant(`,"status":"FAILED"`), []string{other, failed}},
			"search by both":              {inTenant(`,"status":"FAILED","dataset":"uci-private-exhaust"`), nil},
			"search by day":               {inTenant(`,"requestedDate":"` + today + `"`), ids},
			"search by another day":       {inTenant(`,"requestedDate":"2022-03-01"`), nil},
			"search for the newest":       {search(fmt.Sprintf(`{"request":{"filters":{"channel":%q},"limit":2}}`, tenant)), []string{other, privateB}},
			"search for a status of none": {inTenant(`,"status":"CANCELLED"`), nil},
		} {
			page := c.got.Page(t)
			var ids []string
			for _, j := range page.Jobs {
				ids = append(ids, j.RequestID)
			}
			if page.Count != len(c.want) || !slices.Equal(ids, c.want) {
				t.Errorf("%s: count %d, %q; want %q", what, page.Count, ids, c.want)
			}
		}
		for _, bad := range []e2etest.Answer{list("?limit=0"), list("?limit=1001"), list("?limit=x"),
			search(`{"request":{"filters":{},"limit":0}}`), search(`{"request":{"filters":{"requestedDate":"2022-13-01"}}}`),
			search(`{"request":{"filters":{"status":"DONE"}}}`), search(`{"request":{"filters":{"dataset":"x"}}}`)} {
			if sentence := bad.Sentence(t); bad.Status != 400 {
				t.Errorf("answered %d: %s", bad.Status, sentence)
			}
		}
		// By default ten are found, and a hundred listed.
		for i := range 11 {
			d.Submit(t, order(private, tag, fmt.Sprint(i)))
		}
		if n := len(search(fmt.Sprintf(`{"request":{"filters":{"channel":%q}}}`, tenant)).Page(t).Jobs); n != 10 {
			t.Errorf("search without a limit found %d, want 10", n)
		}
		if n := len(list("").Page(t).Jobs); n != 14 {
			t.Errorf("list without a limit found %d, want 14", n)
		}
	})
}

func TestWhatIsInJobRequestOutlivesTemporal(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		bot := d.addBot(t, "Outlives")
		d.say(t, bot, "Outlives", "2022-05-01", 2)
		tag := uuid.NewString()
		succeeded := orderOf(response, bot, "2022-05-01", "2022-05-01")
		succeeded.Tag = tag
		failed := orderOf(response, bot, "2022-05-02", "2022-05-02")
		failed.Tag = tag
		cancelled := orderOf(response, bot, "2022-05-03", "2022-05-03")
		cancelled.Tag = tag
		d.Telemetry.Put(t, "2022-05-03-0.json.gz", filler())

		var ids []string
		for _, o := range []e2etest.Order{succeeded, failed} {
			ids = append(ids, d.submitAndWatch(t, o).End(t, time.Minute).RequestID)
		}
		w := d.submitAndWatch(t, cancelled)
		until(t, w, time.Minute, "it runs", isMidway)
		d.Post(t, cancelled.Path("cancel", w.ID), channel, "")
		w.End(t, time.Minute)
		ids = append(ids, w.ID)
		for _, id := range ids {
			d.workflowStatus(t, id) // its end is recorded by then
		}
		ask := func() (answers []string) {
			for i, o := range []e2etest.Order{succeeded, failed, cancelled} {
				answers = append(answers, withoutNew(t, d.Get(t, o.Path("read", ids[i]), o.Channel)))
			}
			answers = append(answers, withoutNew(t, d.Get(t, "list/"+tag, channel)))
			search := d.Post(t, "search", "", fmt.Sprintf(`{"request":{"filters":{"channel":%q},"limit":1000}}`, channel))
			for _, j := range e2etest.Result[struct{ Jobs []json.RawMessage }](t, search).Jobs {
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
			_, err := s.Client.WorkflowService().DeleteWorkflowExecution(t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
				Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "exhaust-" + id},
			})
			e2etest.Must(t, err)
		}
		// Temporal takes its time: it deletes in the background.
		e2etest.Eventually(t, 90*time.Second, "Temporal has forgotten the workflows", func() bool {
			for _, id := range ids {
				if _, err := s.Client.DescribeWorkflowExecution(t.Context(), "exhaust-"+id, ""); err == nil {
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
		if j := d.Submit(t, succeeded); j.RequestID != ids[0] || j.Status != "SUCCESS" || j.Attempts != 0 {
			t.Errorf("submitted again: %+v", j)
		}
	})
}

func TestAWorkflowThatAnOperatorTerminatesIsFailed(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		d.StartAPI(t)
		bot := d.addBot(t, "Terminated")
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		w := d.submitAndWatch(t, o)
		e2etest.Must(t, s.Client.TerminateWorkflow(t.Context(), "exhaust-"+w.ID, "", "a test"))
		if j := w.End(t, 10*time.Second); j.Status != "FAILED" || j.StatusMessage == "" {
			t.Errorf("it is %s: %q", j.Status, j.StatusMessage)
		}
		want := d.say(t, bot, "Terminated", "2022-05-01", 1)
		if j := d.Submit(t, o); j.Attempts != 1 || j.Status != "SUBMITTED" {
			t.Errorf("submitted again: %+v", j)
		}
		d.StartWorker(t)
		sameFile(t, "the second run", d.download(t, o, w.End(t, time.Minute)), want)
	})
}

func TestDownloadURLsOpenOneFileToBeReadUntilTheyExpire(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		bot := d.addBot(t, "Signed")
		want := d.say(t, bot, "Signed", "2022-05-01", 2)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		j, file := d.produce(t, o)
		sameFile(t, "the download", file, want)
		other, _ := d.produce(t, orderOf(response, bot, "2022-05-01", "2022-05-02"))

		left := time.Until(time.UnixMilli(j.ExpiresAt))
		if left < 23*time.Hour || left > 24*time.Hour {
			t.Errorf("the URL works for another %s, want just under EXHAUST_URL_TTL, 24h", left)
		}
		signed, err := url.Parse(j.DownloadURLs[0])
		e2etest.Must(t, err)
		expiry, signature := "expires", "signature"
		if s.Blobs != nil {
			expiry, signature = "se", "sig"
		}
		alter := func(change func(u *url.URL, query url.Values)) string {
			u, query := *signed, signed.Query()
			change(&u, query)
			u.RawQuery = query.Encode()
			return u.String()
		}
		later := func(u *url.URL, query url.Values) {
			if s.Blobs != nil {
				query.Set(expiry, time.Now().AddDate(1, 0, 0).UTC().Format("2006-01-02T15:04:05Z"))
			} else {
				query.Set(expiry, fmt.Sprint(time.Now().AddDate(1, 0, 0).Unix()))
			}
		}
		otherURL, err := url.Parse(other.DownloadURLs[0])
		e2etest.Must(t, err)
		for what, target := range map[string]string{
			"a later expiry":    alter(later),
			"no signature":      alter(func(_ *url.URL, query url.Values) { query.Del(signature) }),
			"another signature": alter(func(_ *url.URL, query url.Values) { query.Set(signature, otherURL.Query().Get(signature)) }),
			"another file":      alter(func(u *url.URL, _ url.Values) { u.Path = otherURL.Path }),
			"the folder":        alter(func(u *url.URL, _ url.Values) { u.Path = u.Path[:strings.LastIndex(u.Path, "/")] }),
		} {
			if a := e2etest.Call(t, http.MethodGet, target, "", ""); a.Status != http.StatusForbidden && a.Status != http.StatusNotFound || strings.Contains(string(a.Body), "ASSESS") {
				t.Errorf("with %s it answered %d: %.200s", what, a.Status, a.Body)
			}
		}
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			request, err := http.NewRequestWithContext(t.Context(), method, j.DownloadURLs[0], strings.NewReader("x"))
			e2etest.Must(t, err)
			request.Header.Set("x-ms-blob-type", "BlockBlob")
			answer, err := http.DefaultClient.Do(request)
			e2etest.Must(t, err)
			answer.Body.Close()
			if answer.StatusCode < 400 {
				t.Errorf("%s answered %d", method, answer.StatusCode)
			}
		}
		sameFile(t, "the download after all that", d.download(t, o, j), want)

		// With most of its time left the URL stays, with less than half of it another is signed.
		again := d.Read(t, o, j.RequestID)
		if again.DownloadURLs[0] != j.DownloadURLs[0] || again.ExpiresAt != j.ExpiresAt {
			t.Error("a URL that works for long was signed anew")
		}
		_, err = s.Jobs.Exec(`UPDATE job_request SET dt_urls_expire = dt_job_submitted WHERE request_id = $1`, j.RequestID)
		e2etest.Must(t, err)
		fresh := d.Read(t, o, j.RequestID)
		if left := time.Until(time.UnixMilli(fresh.ExpiresAt)); left < 23*time.Hour || left > 24*time.Hour {
			t.Errorf("the fresh URL works for another %s", left)
		}
		sameFile(t, "the download by the fresh URL", d.download(t, o, fresh), want)
	})
}

func TestSecretsAreInNoLogAndNoHistory(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		telemetry, _ := goldenTelemetry(t)
		for _, o := range telemetry {
			d.Telemetry.Put(t, o.name, o.content)
		}
		var kept []byte
		for _, o := range []e2etest.Order{
			orderOf(response, golden1, "2022-03-01", "2022-03-03"),
			orderOf(private, golden1, "2022-03-01", "2022-03-03"),
			orderOf(private, golden1, "", ""),
		} {
			j, _ := d.produce(t, o)
			d.workflowStatus(t, j.RequestID)
			_, raw := d.history(t, j.RequestID)
			kept = append(kept, raw...)
		}
		const key = "k3y-of-a-client"
		refused := d.Post(t, "submit", channel, `{"request":{"dataset":"x","tag":"t","encryptionKey":"`+key+`","datasetConfig":{"conversationId":"c"}}}`)
		broken := d.Post(t, "submit", channel, `{"request":{"encryptionKey":"`+key+`","tag":}}`)
		misplaced := d.Post(t, "submit", channel, `{"request":{"dataset":"uci-response-exhaust","tag":"t","datasetConfig":{"conversationId":"c","encryptionKey":"`+key+`"}}}`)
		for _, a := range []e2etest.Answer{refused, broken, misplaced} {
			if a.Status != 400 || strings.Contains(string(a.Body), key) {
				t.Errorf("answered %d: %s", a.Status, a.Body)
			}
		}
		secrets := regexp.MustCompile(`(?i)signature=|sig=|99999000\d\d|X2FiP0lzef89|Dv3dKSyad9n4|refused to be shown|two conversations|AccountKey|` +
			regexp.QuoteMeta(secret) + `|` + key)
		var logs string
		for _, p := range d.Processes {
			logs += p.Log(t)
		}
		for where, text := range map[string]string{"the history": string(kept), "the logs": logs} {
			if len(text) < 500 {
				t.Errorf("%s: only %d bytes were looked at", where, len(text))
			}
			if at := secrets.FindStringIndex(text); at != nil {
				t.Errorf("%s: %q", where, text[max(0, at[0]-200):min(len(text), at[1]+50)])
			}
		}
	})
}

func TestADatasetConfigOf64KiBWorks(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		bot := d.addBot(t, "Large")
		want := d.say(t, bot, "Large", "2022-05-01", 1)
		padded := func(bytes int) string {
			config := fmt.Sprintf(`{"conversationId":%q,"endDate":"2022-05-01","startDate":"2022-05-01","theirs":""}`, bot)
			return strings.TrimSuffix(config, `"}`) + strings.Repeat("x", bytes-len(config)) + `"}`
		}
		config := padded(64 << 10)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		body := func(config string) string {
			return fmt.Sprintf(`{"request":{"dataset":%q,"tag":%q,"requestedBy":"tester","datasetConfig":%s}}`, o.Dataset, o.Tag, config)
		}
		refusal := d.Post(t, "submit", channel, body(padded(64<<10+1)))
		const want400 = "datasetConfig is 65537 bytes of JSON without white space: at most 65536 are accepted"
		if got := refusal.Sentence(t); refusal.Status != 400 || got != want400 {
			t.Errorf("a byte more answered %d: %s", refusal.Status, got)
		}
		submission := d.Post(t, "submit", channel, body(config)).Job(t)
		end := d.Watch(o, submission.RequestID).End(t, time.Minute)
		sameFile(t, "the exhaust", d.download(t, o, end), want)
		if string(end.DatasetConfig) != config {
			t.Errorf("datasetConfig came back as %d bytes, want %d", len(end.DatasetConfig), len(config))
		}
		if jobs := d.Get(t, "list/"+o.Tag, channel).Page(t).Jobs; len(jobs) != 1 || string(jobs[0].DatasetConfig) != config {
			t.Errorf("list answered %d exhausts", len(jobs))
		}
		// JSON encoders write some characters in six bytes; white space is not kept.
		ampersands := strings.ReplaceAll(config, "x", "&")
		spaced := strings.Replace(ampersands, ":", ":"+strings.Repeat(" ", 500_000), 1)
		submission = d.Post(t, "submit", channel, body(spaced)).Job(t)
		end = d.Watch(o, submission.RequestID).End(t, time.Minute)
		sameFile(t, "the exhaust", d.download(t, o, end), want)
		var sent, shown any
		if err := errors.Join(json.Unmarshal([]byte(ampersands), &sent), json.Unmarshal(end.DatasetConfig, &shown)); err != nil || !reflect.DeepEqual(sent, shown) {
			t.Errorf("datasetConfig came back as other content of %d bytes: %v", len(end.DatasetConfig), err)
		}
		if size := d.describe(t, submission.RequestID).GetWorkflowExecutionInfo().GetHistorySizeBytes(); size > 3<<20 {
			t.Errorf("its history has %d bytes", size)
		} else {
			t.Logf("its history has %d bytes", size)
		}
	})
}
