package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
)

const noData = "No data found"

// failure is an exhaust that FAILED an hour ago.
func failure(message string) exhaust.Job {
	return ready(exhaust.ResponseExhaust, func(job *exhaust.Job) {
		job.Status, job.Message, job.Report, job.Receipt = exhaust.Failed, message, "", ""
	})
}

// multiply makes as many exhausts of the one that is kept, whose reasons are those of a number of groups.
func (s *running) multiply(count, groups int) {
	s.t.Helper()
	db, err := database.Open(s.t.Context(), s.cfg.DatabaseURL)
	must(s.t, err)
	defer db.Close()
	rows, err := db.Pool().Query("SELECT * FROM job_request LIMIT 1")
	must(s.t, err)
	columns, err := rows.Columns()
	must(s.t, err)
	must(s.t, rows.Close())
	values := slices.Clone(columns)
	values[slices.Index(columns, "request_id")] = "printf('%032X', n)"
	values[slices.Index(columns, "err_message")] = fmt.Sprintf("CASE n %% %d WHEN 0 THEN err_message ELSE err_message || ': object ' || (n %% %d) END", groups, groups)
	_, err = db.Pool().Exec(fmt.Sprintf(`INSERT INTO job_request (%s) SELECT %s FROM job_request,
		(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n FROM c)`, strings.Join(columns, ", "), strings.Join(values, ", "), count))
	must(s.t, err)
}

func TestOperationsAreForOperators(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	s.keep(failure(noData), "", "")
	_, theirs := s.mint("owner", []string{ourChannel}, "uci-response-exhaust", "uci-private-exhaust")
	_, operators := s.mint("operator", nil, "operator")
	again := "/console/operations/again?message=" + url.QueryEscape(noData)

	owner := s.browser()
	if got := owner.get("/console/operations"); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/console/sign-in") {
		t.Errorf("a stranger is answered %d, %s", got.status, got.location)
	}
	owner.signIn(theirs)
	for _, path := range []string{"/console/operations", "/console/operations?part=failures", again} {
		if got := owner.get(path); got.status != http.StatusForbidden || !strings.Contains(got.body, "for those who run the service") || strings.Contains(got.body, noData) {
			t.Errorf("%s: an owner is answered %d:\n%s", path, got.status, got.body)
		}
	}
	list := "/console/exhausts?channel=" + ourChannel
	if got := owner.post(list, "/console/operations/again", "message", noData, "total", "1"); got.status != http.StatusForbidden {
		t.Errorf("an owner who runs failures again is answered %d", got.status)
	}
	if got := owner.get(list); strings.Contains(got.body, "/console/operations") || strings.Contains(got.body, "/console/tokens") {
		t.Error("an owner is led to pages that are not for him")
	}
	if audit := s.audit(); strings.Count(audit, `"action":"operations","outcome":"forbidden"`) != 4 {
		t.Errorf("the audit log is %s", audit)
	}

	operator := s.browser()
	operator.signIn(operators)
	if got := operator.get(list); !strings.Contains(got.body, `href="/console/operations`) || !strings.Contains(got.body, `href="/console/tokens`) {
		t.Error("an operator is not led to his pages")
	}
	if got := operator.get(again); got.status != http.StatusOK || !strings.Contains(got.body, "Run 1 again") {
		t.Errorf("an operator is answered %d:\n%s", got.status, got.body)
	}
}

func TestEachSectionOfOperationsFailsByItself(t *testing.T) {
	s := start(t) // without Temporal
	s.keep(failure(`a.gz is "corrupt": <script>alert(1)</script>`), "", "")
	page := "/console/operations?part="
	for section, want := range map[string]string{
		"failures":  "a.gz is &#34;corrupt&#34;: &lt;script&gt;alert(1)&lt;/script&gt;",
		"telemetry": "60 days", "health": "Does not answer",
		"night": "Temporal does not answer", "workers": "Temporal does not answer", "work": "Nothing runs now",
		"verdict": "Does not answer: Temporal.",
	} {
		b := s.browser()
		if got := b.get(page + section); got.status != http.StatusOK || !strings.Contains(got.body, want) || !strings.Contains(got.body, `id="`+section+`"`) {
			t.Errorf("%s: %d, it does not say %q:\n%s", section, got.status, want, got.body)
		}
	}
	b := s.browser()
	if got := b.get("/console/operations?since=any"); got.status != http.StatusOK || !strings.Contains(got.body, "&lt;script&gt;") {
		t.Errorf("the page: %d:\n%s", got.status, got.body)
	}
	// What cannot start now is said, and nothing is claimed to have started.
	message := `a.gz is "corrupt": <script>alert(1)</script>`
	got := b.post("/console/operations/again?message="+url.QueryEscape(message), "/console/operations/again", "message", message, "total", "1")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "Temporal") {
		t.Errorf("running again: %d:\n%s", got.status, got.body)
	}
}

func TestTheReasonsOnThePagesOfOperationsAreInTheLanguageOfTheirReader(t *testing.T) {
	s := start(t)
	s.keep(failure(corrupt), "", "")
	b := s.browser()
	b.header.Set("Accept-Language", "hi")
	for _, path := range []string{"/console/operations?since=any", "/console/operations/again?message=" + url.QueryEscape(corrupt)} {
		got := b.get(path)
		if english := got.english(); got.status != http.StatusOK || !strings.Contains(got.body, corruptInHindi) || len(english) > 0 {
			t.Errorf("%s: %d, it is English at %q, on the page:\n%s", path, got.status, english, got.body)
		}
	}
	// The form that runs them again names them as the program does.
	if got := b.get("/console/operations/again?message=" + url.QueryEscape(corrupt)); !strings.Contains(got.body, `name="message" value="`+html.EscapeString(corrupt)+`"`) {
		t.Errorf("the form names other exhausts:\n%s", got.body)
	}
}

// TestThePagesOfOperationsStandWithinASecondOfTenThousandFailures: of one reason, and of 300.
func TestThePagesOfOperationsStandWithinASecondOfTenThousandFailures(t *testing.T) {
	for name, groups := range map[string]int{"of one reason": 1, "of 300": 300} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.keep(failure(noData), "", "")
			s.multiply(9_999, groups)
			b := s.browser()
			for _, path := range []string{"/console/operations", "/console/operations?since=any", "/console/operations/again?message=" + url.QueryEscape(noData)} {
				b.get(path)
				begin := time.Now()
				got := b.get(path)
				took := time.Since(begin)
				t.Logf("%s: %s", path, took)
				if got.status != http.StatusOK || took > time.Second {
					t.Errorf("%s: %d after %s", path, got.status, took)
				}
			}
			count := 10_000/groups + 1
			if groups == 1 {
				count = 10_000
			}
			if got := b.get("/console/operations/again?message=" + url.QueryEscape(noData)); !strings.Contains(got.body, fmt.Sprintf(`name="total" value="%d"`, count)) ||
				strings.Count(got.body, "<tr>") != 1+min(count, 50) {
				t.Errorf("of %d it shows %d:\n%.3000s", count, strings.Count(got.body, "<tr>")-1, got.body)
			}
		})
	}
}

func TestALinkToATimeThatThereIsNotLeadsNowhere(t *testing.T) {
	b := start(t).browser()
	for path, want := range map[string]int{
		"/console/operations?part=health&since=bogus": http.StatusNotFound, "/console/operations?part=health&since=week": http.StatusOK,
		"/console/operations/again?message=x&since=bogus": http.StatusNotFound, "/console/operations/again?message=x&since=any": http.StatusOK,
	} {
		if got := b.get(path); got.status != want {
			t.Errorf("%s is answered %d, want %d", path, got.status, want)
		}
	}
}

func TestALinkToAGroupThatWasCutOffLeadsNowhere(t *testing.T) {
	s := start(t)
	b := s.browser()
	for _, path := range []string{"/console/operations/again", "/console/operations/again?message=x&ended=yesterday"} {
		if got := b.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if got := b.get("/console/operations/again?message=x"); got.status != http.StatusOK || !strings.Contains(got.body, "Nothing to run") {
		t.Errorf("a reason that nothing has: %d:\n%s", got.status, got.body)
	}
}

func TestOperationsCallBotsByTheirNames(t *testing.T) {
	s := start(t)
	s.addConversation(conversation, "Helpdesk of Uttar Pradesh", ourChannel)
	const nameless = "5a0f7d1e-6f0c-4f0a-9b1b-3f3b7d2f0a11"
	s.keep(failure(noData), "", "")
	s.keep(ready(exhaust.ResponseExhaust, func(job *exhaust.Job) {
		*job = failure(noData)
		job.ID, job.ConversationID = strings.Repeat("B", 32), nameless
	}), "", "")
	s.keep(ready(exhaust.ResponseExhaust, func(job *exhaust.Job) {
		job.ID, job.Status, job.Report, job.Receipt = strings.Repeat("C", 32), exhaust.Processing, "", ""
	}), "", "")
	for path, wants := range map[string][]string{
		"/console/operations?part=failures&since=any&channel=another":         {`<bdi>Helpdesk of Uttar Pradesh</bdi>, Answers`, `<bdi>` + nameless + `</bdi>`},
		"/console/operations?part=work&channel=another":                       {`<bdi>Helpdesk of Uttar Pradesh</bdi>, Answers`},
		"/console/operations/again?channel=another&message=No%20data%20found": {`<td data-label="Bot"><bdi>Helpdesk of Uttar Pradesh</bdi></td>`, `<td data-label="Bot"><bdi>` + nameless + `</bdi></td>`},
	} {
		got := s.browser().get(path)
		for _, want := range wants {
			if got.status != http.StatusOK || !strings.Contains(got.body, want) {
				t.Errorf("%s: %d without %q:\n%s", path, got.status, want, got.body)
			}
		}
	}
}
