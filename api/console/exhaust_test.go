package console_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

const (
	ourChannel   = "0130"
	conversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	// phone is a number without its plus, which HTML escapes.
	phone = "919876543210"
)

// keep keeps an exhaust that was made of a file and its summary; "" leaves the file out.
func (s *running) keep(job exhaust.Job, file, summary string) exhaust.Job {
	s.t.Helper()
	db, err := database.Open(s.t.Context(), s.cfg.DatabaseURL)
	must(s.t, err)
	defer db.Close()
	must(s.t, jobs.New(db).Save(s.t.Context(), job))
	for name, text := range map[string]string{job.Report: file, job.Receipt: "{}", exhaust.SummaryName(job.Report): summary} {
		if file == "" || name == "" {
			continue
		}
		path := filepath.Join(strings.TrimPrefix(s.cfg.ReportsStore, "file://"), name)
		must(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(s.t, os.WriteFile(path, []byte(text), 0o600))
	}
	return job
}

// ready is an exhaust that succeeded an hour ago.
func ready(dataset exhaust.Dataset, edit func(*exhaust.Job)) exhaust.Job {
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	job := exhaust.Job{
		Request: exhaust.Request{
			ID: strings.Repeat("A", 32), Dataset: dataset, Tag: "tag", Channel: ourChannel, RequestedBy: "asha", OutputFormat: "csv",
			ConversationID: conversation, StartDate: "2022-03-01", EndDate: "2022-03-04", SubmittedAt: at, Purpose: "the report of March",
			Config: json.RawMessage(fmt.Sprintf(`{"type":%q,"conversationId":%q,"startDate":"2022-03-01","endDate":"2022-03-04"}`, dataset, conversation)),
		},
		State: exhaust.State{
			Status: exhaust.Success, UpdatedAt: at, CompletedAt: at, ExecutionTime: 90 * time.Second, From: "2022-03-01", To: "2022-03-04",
			Progress: exhaust.Progress{Phase: exhaust.Done, EventsMatched: 1420, Repeats: 8, RowsUnknownDevice: 412, RowsWritten: 1000, Percent: 100},
		},
	}
	job.Report = job.ReportName(conversation, "2022-03-05")
	job.Receipt = exhaust.ReceiptName(job.Report)
	edit(&job)
	return job
}

func asItIs(*exhaust.Job) {}

var (
	privateFile    = strings.Join(exhaust.PrivateColumns, ",") + "\n" + conversation + ",Helpdesk,+" + phone + ",c2VjcmV0,11111111-1111-4111-8111-111111111111\n"
	privateSummary = `{"version":1,"dataset":"uci-private-exhaust","rows":6,"devices":6,"consent":{"given":3,"refused":2,"unrecorded":1},"consentUnreadable":1}`
)

const pathOfOurs = "/console/exhausts/tag/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestAnExhaustIsForThoseWithTheRightToIt(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	s.keep(ready(exhaust.PrivateExhaust, asItIs), privateFile, privateSummary)
	rights := []string{"uci-response-exhaust", "uci-private-exhaust"}
	_, ours := s.mint("ours", []string{ourChannel}, rights...)
	_, lesser := s.mint("lesser", []string{ourChannel}, rights[0])
	_, foreign := s.mint("foreign", []string{"0131"}, rights...)
	for _, who := range []struct {
		token             string
		shown, led, asked int
	}{
		{ours, 200, 303, 303}, // what has its file is neither retried nor cancelled: its page says all
		{lesser, 403, 403, 403},
		{foreign, 404, 404, 404},
	} {
		b := s.browser()
		b.signIn(who.token)
		get := map[string]int{
			"": who.shown, "/preview": who.shown, "/charts": who.shown, "/charts/consent.svg": who.shown, "/file": who.led, "/receipt": who.led,
		}
		for below, want := range get {
			got := b.get(pathOfOurs + below + "?channel=" + ourChannel)
			if got.status != want {
				t.Errorf("%d reader: GET %s is answered %d, want %d", who.shown, below, got.status, want)
			}
			if strings.Contains(got.body, phone) || strings.Contains(got.body, "signature=") {
				t.Errorf("%d reader: GET %s shows a phone number or a signed URL", who.shown, below)
			}
			if leads := strings.Contains(got.location, "/files/reports/"); leads != (got.status == 303) {
				t.Errorf("%d reader: GET %s leads to %q", who.shown, below, got.location)
			}
		}
		for below, want := range map[string]int{"/cancel": who.asked, "/retry": who.asked, "/preview": who.shown} {
			got := b.post("/console/exhausts", pathOfOurs+below+"?channel="+ourChannel)
			if got.status != want {
				t.Errorf("%d reader: POST %s is answered %d, want %d", who.shown, below, got.status, want)
			}
			if leads := strings.HasPrefix(got.location, pathOfOurs+"?"); leads != (got.status == 303) {
				t.Errorf("%d reader: POST %s leads to %q", who.shown, below, got.location)
			}
			if isShown := strings.Contains(got.body, phone); isShown != (below == "/preview" && want == 200) {
				t.Errorf("%d reader: POST %s shows the phone number: %t", who.shown, below, isShown)
			}
		}
	}
}

func TestAPhoneNumberIsShownToWhoPressesTheButtonAndTheAuditLogHasIt(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.PrivateExhaust, asItIs), privateFile, privateSummary)
	b := s.browser()
	at := pathOfOurs + "/preview?channel=" + ourChannel
	if got := b.get(at + "&reveal=true&Reveal=true"); strings.Contains(got.body, phone) || !strings.Contains(got.body, "•10<") {
		t.Errorf("a link reveals it, or it is not masked:\n%s", got.body)
	}
	if got := b.do(http.MethodPost, at, "reveal=true"); got.status != http.StatusForbidden {
		t.Errorf("a form of elsewhere is answered %d", got.status)
	}
	if got := b.post(at, at); !strings.Contains(got.body, phone) {
		t.Errorf("pressing the button shows no number:\n%s", got.body)
	}
	var actions []string
	for line := range strings.Lines(s.audit()) {
		var told struct{ Action, Outcome string }
		must(t, json.Unmarshal([]byte(line), &told))
		if strings.HasPrefix(told.Action, "preview") {
			actions = append(actions, told.Action+" "+told.Outcome)
		}
	}
	if want := []string{"preview done", "preview done", "preview.reveal done"}; !slices.Equal(actions, want) {
		t.Errorf("the audit log has %q, want %q", actions, want)
	}
}

// audit is the audit log.
func (s *running) audit() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(s.cfg.AuditLog), "audit.log"))
	must(s.t, err)
	return string(text)
}

func TestTheNumbersOfAnExhaustAreSaidInWordsWhereTheyAreNotZero(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", "{}")
	page := s.browser().get(pathOfOurs + "?channel=" + ourChannel).body
	for _, want := range []string{
		"412 answers left out: their device is not in the registry", "8 repeats left out", "the report of March", "asha",
		"Mar 1, 2022 – Mar 4, 2022", "2 minutes", conversation + "_response_20220305.csv", "11 B",
	} {
		if !strings.Contains(strings.ReplaceAll(page, "\u00a0", " "), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, zero := range []string{"skipped", "cannot be read", "decrypted"} {
		if strings.Contains(page, zero) {
			t.Errorf("the page says what is zero: %s", zero)
		}
	}
	sum := regexp.MustCompile(`(?s)<dl class="facts numbers sum">(.*?)</dl>`).FindString(page)
	numbers := regexp.MustCompile(`<dd[^>]*>([^<]*)</dd>`).FindAllStringSubmatch(sum, -1)
	var got []string
	for _, number := range numbers {
		got = append(got, number[1])
	}
	if want := []string{"1,420", "− 8", "− 412", "1,000"}; !slices.Equal(got, want) {
		t.Errorf("the sum is %q, want %q", got, want)
	}
}

// corrupt is why an exhaust FAILED of which an object is damaged, and corruptInHindi the same as a page has it.
const (
	corrupt        = `telemetry object "2022-03-01/a.gz" is corrupt: its gzip data ends early`
	corruptInHindi = `टेलीमेट्री ऑब्जेक्ट &#34;2022-03-01/a.gz&#34; खराब है: इसका gzip डेटा बीच में ही समाप्त हो जाता है`
)

// english finds what is marked to be English, but for the language's own name in the menu.
func (a answer) english() []string {
	return slices.DeleteFunc(regexp.MustCompile(`<[^>]* lang="en"[^>]*>[^<]*`).FindAllString(a.body, -1), func(found string) bool {
		return strings.Contains(found, `name="language"`)
	})
}

func TestAnExhaustThatFailedSaysWhyInTheLanguageOfItsReader(t *testing.T) {
	s := start(t)
	s.keep(failure(corrupt), "", "")
	b := s.browser()
	b.header.Set("Accept-Language", "hi")
	got := b.get(pathOfOurs + "?channel=" + ourChannel)
	if english := got.english(); !strings.Contains(got.body, corruptInHindi) || len(english) > 0 {
		t.Errorf("it is English at %q, on the page:\n%s", english, got.body)
	}
	b.header.Set("Accept-Language", "en")
	if got := b.get(pathOfOurs + "?channel=" + ourChannel); !strings.Contains(html.UnescapeString(got.body), corrupt) {
		t.Errorf("an English reader is not told what the program says:\n%s", got.body)
	}
}

func TestASentenceThatHasNoTextIsMarkedToBeEnglish(t *testing.T) {
	s := start(t)
	s.keep(failure("something <new>"), "", "")
	b := s.browser()
	b.header.Set("Accept-Language", "hi")
	if got := b.get(pathOfOurs + "?channel=" + ourChannel); !strings.Contains(got.body, ` lang="en">something &lt;new&gt;</p>`) {
		t.Errorf("the page is:\n%s", got.body)
	}
}

func TestTheDaysOfAFileWithoutTelemetryAreSaid(t *testing.T) {
	s := start(t)
	for _, c := range []struct{ name, objects, want string }{
		{"one day", `{"name":"2022-03-01-0.gz"},{"name":"2022-03-02-0.gz"},{"name":"2022-03-04-0.gz"}`, "<strong>1 day has no telemetry</strong> <span class=\"under\">Mar 3, 2022. Nobody answered then"},
		{"days", `{"name":"2022-03-02-0.gz"}`, "<strong>3 days have no telemetry</strong> <span class=\"under\">Mar 1, 2022; Mar 3, 2022 – Mar 4, 2022. Nobody answered then"},
		{"none", `{"name":"2022-03-01-0.gz"},{"name":"2022-03-02-0.gz"},{"name":"2022-03-03-0.gz"},{"name":"2022-03-04-0.gz"}`, ""},
		{"no receipt that can be read", `{"name"`, ""},
	} {
		job := s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", "{}")
		must(t, os.WriteFile(filepath.Join(strings.TrimPrefix(s.cfg.ReportsStore, "file://"), job.Receipt), []byte(`{"receipt":{"objects":[`+c.objects+`]}}`), 0o600))
		page := s.browser().get("/console/exhausts/tag/" + job.ID + "?channel=" + ourChannel)
		if page.status != http.StatusOK || !strings.Contains(page.body, c.want) || c.want == "" && strings.Contains(page.body, "no telemetry") {
			t.Errorf("%s: the page is %d\n%s", c.name, page.status, page.body)
		}
	}
}

func TestAnExhaustWithoutAFileSaysWhyAndWhatToDo(t *testing.T) {
	s := start(t)
	failed := func(message string, retryable bool) func(*exhaust.Job) {
		return func(j *exhaust.Job) {
			j.Status, j.Message, j.Retryable, j.Report, j.Receipt = exhaust.Failed, message, retryable, "", ""
		}
	}
	for i, c := range []struct {
		edit func(*exhaust.Job)
		want []string
	}{
		{failed("No data found", false), []string{"Nobody answered on these days.", "Ask again with other days."}},
		{failed("telemetry object \"<b>\" is corrupt", false), []string{"telemetry object &#34;&lt;b&gt;&#34; is corrupt", "once the cause is fixed"}},
		{failed("it took longer than 24h", true), []string{"it took longer than 24h", "it may work now"}},
		{func(j *exhaust.Job) { j.Status, j.Report, j.Receipt = exhaust.Cancelled, "", "" }, []string{"It was cancelled", "Run it again whenever you like."}},
		{func(j *exhaust.Job) { j.CompletedAt = j.CompletedAt.Add(-9000 * time.Hour) }, []string{"The file is gone", "Files are kept here for a time, and that of this one ended on", "made anew"}},
		{asItIs, []string{"The file is gone", "made anew"}}, // somebody has deleted it
	} {
		job := s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) {
			c.edit(j)
			j.ID = fmt.Sprintf("%032X", i+1)
		}), "", "")
		b := s.browser()
		at := "/console/exhausts/tag/" + job.ID
		page := b.get(at + "?channel=" + ourChannel).body
		for _, want := range append(c.want, "Run it again", "from=2022-03-01", "to=2022-03-04") {
			if !strings.Contains(page, want) {
				t.Errorf("case %d: the page does not say %q", i, want)
			}
		}
		if strings.Contains(page, at+"/file") || strings.Contains(page, at+"/preview") {
			t.Errorf("case %d: the page leads to a file", i)
		}
		if got := b.get(at + "/file?channel=" + ourChannel); got.location != at+"?channel="+ourChannel {
			t.Errorf("case %d: the file's link leads to %q", i, got.location)
		}
		if got := b.get(at + "/charts?channel=" + ourChannel); got.status != 400 || !strings.Contains(got.body, "There are no charts") {
			t.Errorf("case %d: its charts are answered %d", i, got.status)
		}
	}
}

func TestAnExhaustThatCameToNothingSaysWhyInPlainWords(t *testing.T) {
	s := start(t)
	erased := failure(exhaust.ErasureMessage(time.Date(2022, 3, 6, 0, 0, 0, 0, time.UTC)))
	erased.Status = exhaust.Success
	for i, c := range []struct {
		job  exhaust.Job
		want map[string][]string
	}{
		{failure("2022-01-01 to 2023-06-01 are 517 days: at most 366 days are accepted: give startDate and endDate"), map[string][]string{
			"en": {"make it 517 days, from Jan 1, 2022 to Jun 1, 2023: 366 at most. Choose a first and a last day.", "Ask again with other days."},
			"hi": {"1 जन॰ 2022 से 1 जून 2023 तक 517 दिन बनते हैं: अधिक से अधिक 366 हो सकते हैं।", "दूसरे दिनों के साथ फिर माँगें।"},
		}},
		{failure("the exhaust would start on 2023-01-01, after its end on 2022-03-06: give startDate and endDate"), map[string][]string{
			"en": {"it would begin on Jan 1, 2023, after its end on Mar 6, 2022.", "Ask again with other days."},
			"hi": {"शुरुआत 1 जन॰ 2023 को होगी, जो अंत 6 मार्च 2022 के बाद है।", "दूसरे दिनों के साथ फिर माँगें।"},
		}},
		{failure("conversation " + conversation + ": startDate of table bot holds no date as yyyy-MM-dd: give startDate and endDate"), map[string][]string{
			"en": {"One of the bot’s own days is no date.", "Ask again with other days."},
			"hi": {"बॉट के अपने दिनों में से एक तारीख नहीं है।", "दूसरे दिनों के साथ फिर माँगें।"},
		}},
		{failure(`telemetry object "a" is still being written: end before today, or retry later`), map[string][]string{
			"en": {"The data of these days was still arriving", "Run it again later, or ask again with a last day before today."},
			"hi": {"तब वह आ ही रहा था।", "आज से पहले का आखिरी दिन चुनकर फिर माँगें।"},
		}},
		{failure("gave up after 24h0m0s in phase FETCHING: telemetry store: no answer"), map[string][]string{
			"en": {"It was tried for 1 day, without success: telemetry store: no answer."},
			"hi": {"1 दिन तक कोशिश हुई, पर सफलता नहीं मिली: टेलीमेट्री स्टोर: कोई उत्तर नहीं।"},
		}},
		{erased, map[string][]string{"en": {"The file was erased on Mar 6, 2022.", "made anew"}, "hi": {"फ़ाइल 6 मार्च 2022 को मिटा दी गई।"}}},
		{ready(exhaust.ResponseExhaust, asItIs), map[string][]string{ // somebody has deleted it
			"en": {"The file is no longer where files are kept.", "made anew"}, "hi": {"फ़ाइल अब वहाँ नहीं है"},
		}},
	} {
		c.job.ID = fmt.Sprintf("%032X", i+1)
		s.keep(c.job, "", "")
		for language, texts := range c.want {
			b := s.browser()
			b.header.Set("Accept-Language", language)
			page := b.get("/console/exhausts/tag/" + c.job.ID + "?channel=" + ourChannel)
			for _, text := range texts {
				if !strings.Contains(page.body, text) {
					t.Errorf("%s: of %q the page does not say %q", language, c.job.Message, text)
				}
			}
			if language == "hi" && len(page.english()) > 0 {
				t.Errorf("%s: of %q the page says in English %q", language, c.job.Message, page.english())
			}
			if isDays := strings.HasSuffix(c.job.Message, "endDate"); isDays && strings.Contains(page.body, "once its cause is mended") {
				t.Errorf("of %q the reader is sent to whoever runs this service", c.job.Message)
			}
		}
	}
}

func TestAnExhaustOfEverybodySaysThatNobodyIsRegistered(t *testing.T) {
	s := start(t)
	everybody, someDays := failure("No data found"), failure("No data found")
	everybody.ID, everybody.StartDate, everybody.EndDate = strings.Repeat("B", 32), "", ""
	for _, job := range []*exhaust.Job{&everybody, &someDays} {
		job.Dataset = exhaust.PrivateExhaust
		s.keep(*job, "", "")
	}
	for language, want := range map[string][]string{
		"en": {"Nobody is registered to this bot.", "Run it again once somebody is.", "Nobody answered on these days."},
		"hi": {"इस बॉट पर कोई पंजीकृत नहीं है।", "तब इसे फिर से चलाएँ।", "इन दिनों में किसी ने उत्तर नहीं दिया।"},
	} {
		for _, job := range []exhaust.Job{everybody, someDays} {
			b := s.browser()
			b.header.Set("Accept-Language", language)
			page := b.get("/console/exhausts/tag/" + job.ID + "?channel=" + ourChannel).body
			for i, text := range want {
				isOfEverybody := i < 2
				if isSaid := strings.Contains(page, text); isSaid != (isOfEverybody == (job.StartDate == "")) {
					t.Errorf("%s, from the day %q: it says %q: %t", language, job.StartDate, text, isSaid)
				}
			}
		}
	}
}

func TestTheRequestIsALineOfAShellWithoutTheReadersToken(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	job := s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) {
		j.RequestedBy = `o'hara" $(id) </pre><script>alert(1)</script>`
	}), "Message ID\n", "{}")
	_, token := s.mint("reader", []string{ourChannel}, "uci-response-exhaust")
	b := s.browser()
	b.signIn(token)
	page := b.get(pathOfOurs + "?channel=" + ourChannel).body
	if strings.Contains(page, token) || strings.Contains(page, "<script>alert") {
		t.Error("the page holds the token, or runs what somebody has typed")
	}
	form := func(id string) string {
		found := regexp.MustCompile(`(?s)<pre id="` + id + `">(.*?)</pre>`).FindStringSubmatch(page)
		if found == nil {
			t.Fatalf("there is no %s", id)
		}
		return html.UnescapeString(found[1])
	}
	words := func(line string) []string {
		command := exec.CommandContext(t.Context(), "sh", "-c", `list() { for word; do printf '%s\0' "$word"; done; }; `+
			`curl() { list curl "$@"; }; starter() { list starter "$EXHAUST_TOKEN" "$@"; }; `+line)
		command.Env = []string{"TOKEN=mine", "PATH=" + os.Getenv("PATH")}
		out, err := command.Output()
		must(t, err)
		return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	}
	type body struct{ Request map[string]any }
	var fromCurl, fromJSON body
	curl := words(form("request-curl"))
	submit := []string{
		"curl", "-X", "POST", s.url + "/dataset/v1/request/submit", "-H", "X-Channel-ID: 0130", "-H", "Authorization: Bearer mine", "-d",
	}
	if !slices.Equal(curl[:len(curl)-1], submit) {
		t.Errorf("curl's words are %q, want %q", curl, submit)
	}
	must(t, json.Unmarshal([]byte(curl[len(curl)-1]), &fromCurl))
	must(t, json.Unmarshal([]byte(form("request-json")), &fromJSON))
	for _, got := range []body{fromCurl, fromJSON} {
		config, err := json.Marshal(got.Request["datasetConfig"])
		must(t, err)
		if got.Request["requestedBy"] != job.RequestedBy || got.Request["requestedChannel"] != "0130" || got.Request["tag"] != "tag" ||
			string(config) != `{"conversationId":"`+conversation+`","endDate":"2022-03-04","startDate":"2022-03-01","type":"uci-response-exhaust"}` {
			t.Errorf("the request is %v", got.Request)
		}
	}
	want := []string{
		"starter", "mine", "submit", "--api", s.url, "--channel", "0130", "--dataset", "uci-response-exhaust", "--conversation", conversation,
		"--start", "2022-03-01", "--end", "2022-03-04", "--tag", "tag", "--purpose", "the report of March", "--requested-by", job.RequestedBy, "--wait",
	}
	if got := words(form("request-starter")); !slices.Equal(got, want) {
		t.Errorf("starter's words are\n%q, want\n%q", got, want)
	}
}

func TestARequestThatFlagsCannotSayIsTakenFromAFile(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) {
		j.Config = json.RawMessage(`{"conversationId":"` + conversation + `","note":1.0}`)
	}), "Message ID\n", "{}")
	page := s.browser().get(pathOfOurs + "?channel=" + ourChannel).body
	line := "starter submit --api " + s.url + " --channel 0130 --file request.json --wait</pre>"
	if !strings.Contains(page, line) || !strings.Contains(page, `&#34;note&#34;: 1.0`) {
		t.Errorf("the page says:\n%s", page[strings.Index(page, "request-json"):])
	}
}

// responseSummary is a summary of questions with these titles, each of ten answers of which two are withheld beside.
func responseSummary(titles ...string) string {
	var questions []string
	for i, title := range titles {
		text, _ := json.Marshal(title)
		questions = append(questions, fmt.Sprintf(`{"id":"q%d","type":"mcq","title":%s,"rows":12,"answers":10,"withheld":2,"meanDuration":3.57,`+
			`"meanPosition":%d,"sessions":%d,"sessionsEnded":1,"listed":[{"answer":%s,"option":"1","answers":6},{"answer":"No","answers":3}],`+
			`"other":{"answers":1},"more":{"answers":0,"distinct":0}}`, i+1, text, i+1, 9-i%5, text))
	}
	return `{"version":1,"dataset":"uci-response-exhaust","from":"2022-03-01","to":"2022-03-04","minDevices":5,"rows":16,"rowsWithoutTime":1,` +
		`"devices":6,"sessions":7,"rowsWithoutSession":2,"sessionsWithoutAnswer":2,"hours":[5,2,7,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1],` +
		`"meanDuration":6.54,"days":[{"day":"2022-02-28","rows":1},{"day":"2022-03-01","rows":4},{"day":"2022-03-03","rows":10}],` +
		`"questions":[` + strings.Join(questions, ",\n") + `]}`
}

func TestChartsAreDrawnOfAnyTitle(t *testing.T) {
	s := start(t)
	titles := []string{
		`</svg><script>alert(1)</script>`, "\u202eright to left\u202c \x00\x01 ]]> & \" '", strings.Repeat("a", 10_000),
		strings.Repeat("क्षत्रिय ", 200), "", "   ", "👩‍👩‍👧‍👦 family",
	}
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", responseSummary(titles...))
	b := s.browser()
	page := b.get(pathOfOurs + "/charts?channel=" + ourChannel)
	if page.status != http.StatusOK || strings.Contains(page.body, "<script>alert") {
		t.Errorf("the page is answered %d, or runs a title", page.status)
	}
	names := []string{"days", "hours", "funnel"}
	for i := range titles {
		names = append(names, fmt.Sprintf("question-%d", i+1))
	}
	for _, name := range names {
		got := b.get(pathOfOurs + "/charts/" + name + ".svg?channel=" + ourChannel)
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "image/svg+xml" || got.header.Get("Cache-Control") != "no-store" ||
			got.header.Get("Content-Disposition") != `attachment; filename="`+conversation+"_2022-03-01_2022-03-04_"+name+`.svg"` {
			t.Errorf("%s is answered %d %v", name, got.status, got.header)
		}
		checkStandsAlone(t, name, got.body)
		if !strings.Contains(page.body, `aria-labelledby="`+name+`-title `+name+`-desc"`) {
			t.Errorf("%s is not on the page", name)
		}
	}
	for _, name := range []string{"question-0", "question-8", "question--1", "8", "consent", "question-x", "x"} {
		if got := b.get(pathOfOurs + "/charts/" + name + ".svg?channel=" + ourChannel); got.status != http.StatusNotFound {
			t.Errorf("%s is answered %d", name, got.status)
		}
	}
}

// checkStandsAlone checks that a picture is XML that needs nothing else: no style sheet, no script, nothing from elsewhere.
func checkStandsAlone(t *testing.T, name, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.Strict = true
	var elements []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Errorf("%s is no XML: %v", name, err)
			return
		}
		element, isElement := token.(xml.StartElement)
		if !isElement {
			continue
		}
		if !slices.Contains(elements, element.Name.Local) {
			elements = append(elements, element.Name.Local)
		}
		hasColour := false
		for _, attribute := range element.Attr {
			hasColour = hasColour || attribute.Name.Local == "fill" || attribute.Name.Local == "stroke"
			if strings.Contains(attribute.Name.Local, "href") || attribute.Name.Local == "style" {
				t.Errorf("%s has the attribute %s", name, attribute.Name.Local)
			}
		}
		if slices.Contains([]string{"rect", "text", "line"}, element.Name.Local) && !hasColour {
			t.Errorf("%s: a %s has no colour of its own", name, element.Name.Local)
		}
		if element.Name.Local == "svg" && element.Name.Space != "http://www.w3.org/2000/svg" {
			t.Errorf("%s is of the namespace %q", name, element.Name.Space)
		}
	}
	for _, element := range elements {
		if !slices.Contains([]string{"svg", "title", "desc", "rect", "text", "g", "line"}, element) {
			t.Errorf("%s has an element %s", name, element)
		}
	}
}

func TestChartsSayTheNumbersOfTheSummary(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", responseSummary("Vaccinated?"))
	page := s.browser().get(pathOfOurs + "/charts?channel=" + ourChannel).body
	for name, want := range map[string]string{
		"days":       "2022-03-01 4|2022-03-02 0|2022-03-03 10|2022-03-04 0",
		"hours":      "0:00 5|1:00 2|2:00 7|" + zeroHours(3, 22) + "23:00 1",
		"funnel":     "1. Vaccinated? 9 1 0.1111",
		"question-1": "Vaccinated? 6 0.6000|No 3 0.3000|Answers of fewer than 5 devices 1 0.1000|Withheld: consent refused 2 –",
	} {
		if got := tableOf(t, page, name); got != want {
			t.Errorf("%s:\n%s, want\n%s", name, got, want)
		}
	}
	for _, want := range []string{
		"1 row is of another day", "1 row has no time", "2 sessions answered nothing", "2 rows belong to no session",
		"at least 5 devices", "2 more answers are withheld", "3.6 s on average", ">6.5 s<",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func zeroHours(first, last int) (text string) {
	for hour := first; hour <= last; hour++ {
		text += fmt.Sprintf("%d:00 0|", hour)
	}
	return text
}

// tableOf are the rows of a chart's table as they are copied.
func tableOf(t *testing.T, page, name string) string {
	t.Helper()
	table := regexp.MustCompile(`(?s)id="` + name + `-table">.*?<tbody>(.*?)</tbody>`).FindStringSubmatch(page)
	if table == nil {
		t.Fatalf("there is no table of %s", name)
	}
	var rows []string
	for _, row := range strings.Split(table[1], "</tr>") {
		var cells []string
		for _, cell := range regexp.MustCompile(`<t[dh][^>]*?(?: data-value="([^"]*)")?>([^<]*)</t[dh]>`).FindAllStringSubmatch(row, -1) {
			value := cell[1]
			if value == "" {
				value = cell[2]
			}
			cells = append(cells, html.UnescapeString(value))
		}
		if cells != nil {
			rows = append(rows, strings.Join(cells, " "))
		}
	}
	return strings.Join(rows, "|")
}

func TestManyQuestionsAreShownInPages(t *testing.T) {
	s := start(t)
	titles := make([]string, 141)
	for i := range titles {
		titles[i] = fmt.Sprintf("title %d.", i+1)
	}
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", responseSummary(titles...))
	b := s.browser()
	shown := func(page string) (questions []string) {
		for _, found := range regexp.MustCompile(`<h3 id="question-(\d+)-head"`).FindAllStringSubmatch(page, -1) {
			questions = append(questions, found[1])
		}
		return questions
	}
	first := b.get(pathOfOurs + "/charts?channel=" + ourChannel).body
	if got := shown(first); len(got) != 20 || got[0] != "1" || got[19] != "20" || !strings.Contains(first, "1 to 20 of 141") {
		t.Errorf("the first page shows %q", got)
	}
	if got := strings.Split(tableOf(t, first, "funnel"), "|"); len(got) != 100 || !strings.Contains(first, "Drawn are the first 100 of 141 questions.") {
		t.Errorf("the funnel has %d questions", len(got))
	}
	last := b.get(pathOfOurs + "/charts?channel=" + ourChannel + "&page=8").body
	if got := shown(last); !slices.Equal(got, []string{"141"}) || strings.Contains(last, `id="days"`) || strings.Contains(last, `rel="next"`) {
		t.Errorf("the last page shows %q", got)
	}
	for _, page := range []string{"0", "9", "-1", "x", "99999999999999999999"} {
		if got := b.get(pathOfOurs + "/charts?channel=" + ourChannel + "&page=" + page); got.status != http.StatusNotFound {
			t.Errorf("page %s is answered %d", page, got.status)
		}
	}
	if got := b.get(pathOfOurs + "/charts/question-141.svg?channel=" + ourChannel); !strings.Contains(got.body, "title 141.") {
		t.Errorf("the chart of the last question is answered %d", got.status)
	}
}

func TestASummaryThatCannotBeReadIsSaidToBeAway(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", responseSummary("a")[:300])
	if got := s.browser().get(pathOfOurs + "/charts?channel=" + ourChannel); got.status != http.StatusServiceUnavailable {
		t.Errorf("it is answered %d", got.status)
	}
}

func TestAskingAgainNamesTheDaysThatTheRequestNamed(t *testing.T) {
	s := start(t)
	unnamed := func(j *exhaust.Job) { j.StartDate, j.EndDate = "", "" }
	for i, c := range []struct {
		name string
		job  exhaust.Job
		want string
	}{
		{"days", ready(exhaust.ResponseExhaust, asItIs), "from=2022-03-01&amp;tag=tag&amp;to=2022-03-04"},
		{"a bot's own", ready(exhaust.ResponseExhaust, unnamed), "preset=own&amp;tag=tag"},
		{"everybody", ready(exhaust.PrivateExhaust, func(j *exhaust.Job) { unnamed(j); j.From, j.To = "", "" }), "preset=own&amp;tag=tag"},
	} {
		c.job.ID = fmt.Sprintf("%032X", i)
		s.keep(c.job, "Message ID\n", "{}")
		page := s.browser().get("/console/exhausts/tag/" + c.job.ID + "?channel=" + ourChannel).body
		link := "/console/new?channel=0130&amp;conversation=" + conversation + "&amp;dataset=" + string(c.job.Dataset) + "&amp;" + c.want + `"`
		if !strings.Contains(page, link) {
			t.Errorf("%s: the page has no link to %s", c.name, link)
		}
	}
	form := s.browser().get("/console/new?channel=0130&dataset=uci-private-exhaust&preset=own").body
	if !strings.Contains(form, `type="date" value="" max=`) || !strings.Contains(form, `id="preset-own" formnovalidate aria-pressed="true"`) {
		t.Error("the form that the link leads to has days")
	}
}

func TestAnExhaustLeadsToOneThatRecurs(t *testing.T) {
	s := start(t)
	job := s.keep(ready(exhaust.PrivateExhaust, asItIs), privateFile, privateSummary)
	b := s.browser()
	page := b.get("/console/exhausts/tag/" + job.ID + "?channel=" + ourChannel).body
	link := regexp.MustCompile(`<a id="recur" href="([^"]+)">Ask for it regularly</a>`).FindStringSubmatch(page)
	if link == nil {
		t.Fatalf("no link to a recurring exhaust stands on\n%s", page)
	}
	form := b.get(html.UnescapeString(link[1])).body
	for what, pattern := range map[string]string{
		"bot":     `value="` + conversation + `"[^>]* checked`,
		"dataset": `value="uci-private-exhaust"[^>]* checked`,
		"tag":     `<input id="tag" name="tag" class="tag" value="tag"`,
	} {
		if !regexp.MustCompile(pattern).MatchString(form) {
			t.Errorf("the form has not the %s of the exhaust:\n%s", what, form)
		}
	}
}

func TestAFileWithoutRowsSaysWhy(t *testing.T) {
	s := start(t)
	for i, c := range []struct {
		name    string
		dataset exhaust.Dataset
		edit    func(*exhaust.Job)
		want    string
	}{
		{"no telemetry", exhaust.ResponseExhaust, asItIs, "There is no telemetry of these days"},
		{"telemetry of others", exhaust.ResponseExhaust, func(j *exhaust.Job) { j.Progress.BytesTotal = 5 }, "The telemetry of these days has nothing of this bot"},
		{"nobody", exhaust.PrivateExhaust, func(j *exhaust.Job) { j.StartDate, j.EndDate = "", "" }, "Nobody is registered to this bot"},
	} {
		job := s.keep(ready(c.dataset, func(j *exhaust.Job) {
			j.ID, j.Progress = fmt.Sprintf("%032X", i), exhaust.Progress{Phase: exhaust.Done, Percent: 100}
			c.edit(j)
		}), "Message ID\n", "{}")
		page := s.browser().get("/console/exhausts/tag/" + job.ID + "?channel=" + ourChannel).body
		if !strings.Contains(page, c.want) || strings.Contains(page, "Nothing was left out") {
			t.Errorf("%s: the page says: %s", c.name, page)
		}
	}
}

func TestOfPeopleTheCountersSayWhichNumbersAreMissing(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.PrivateExhaust, func(j *exhaust.Job) { j.Progress.Undecryptable = 3 }), privateFile, privateSummary)
	page := s.browser().get(pathOfOurs + "?channel=" + ourChannel).body
	for _, want := range []string{"3 phone numbers could not be decrypted", "A phone number is missing where its owner has not given consent.", "How many those are</a>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "8 repeats left out") {
		t.Error("the page counts repeats, of which there are none among people")
	}
}

func TestThePageOfAnExhaustIsTitledByWhatItHoldsAndHowItStands(t *testing.T) {
	s := start(t)
	for i, c := range []struct {
		dataset         exhaust.Dataset
		edit            func(*exhaust.Job)
		headline, state string
	}{
		{exhaust.ResponseExhaust, asItIs, "Answers of \u2068" + conversation + "\u2069, Mar 1, 2022 – Mar 4, 2022", "Ready"},
		{exhaust.PrivateExhaust, asItIs, "People of \u2068" + conversation + "\u2069, Mar 1, 2022 – Mar 4, 2022", "Ready"},
		{exhaust.PrivateExhaust, func(j *exhaust.Job) {
			j.StartDate, j.EndDate, j.Status, j.Report = "", "", exhaust.Failed, ""
		}, "Everybody registered to \u2068" + conversation + "\u2069", "Failed"},
	} {
		job := s.keep(ready(c.dataset, func(j *exhaust.Job) {
			j.ID = fmt.Sprintf("%032X", i)
			c.edit(j)
		}), "Message ID\n", "{}")
		page := s.browser().get("/console/exhausts/tag/" + job.ID + "?channel=" + ourChannel).body
		if !strings.Contains(page, "<title>"+c.headline+": "+c.state+" – ") || !strings.Contains(page, "<h1>"+c.headline+"</h1>") {
			t.Errorf("%q, %s, is not the title and the headline: %s", c.headline, c.state, page)
		}
	}
}

func TestAFailedExhaustOffersFirstWhatHelps(t *testing.T) {
	s := start(t)
	for retryable, want := range map[bool]string{
		true:  `<button class="button primary">Run it again</button></form>\s*<a class="button" href="[^"]*">Ask again, with changes</a>`,
		false: `<a class="button primary" href="[^"]*">Ask again, with changes</a>\s*<form[^>]*><input[^>]*><button class="button">Run it again</button>`,
	} {
		s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) { j.Status, j.Report, j.Retryable = exhaust.Failed, "", retryable }), "", "")
		if page := s.browser().get(pathOfOurs + "?channel=" + ourChannel).body; !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("retryable %t: the page: %s", retryable, page)
		}
	}
}

func TestAnExhaustThatCameToNothingHasNoChartsAndNoRows(t *testing.T) {
	s := start(t)
	for status, want := range map[exhaust.Status]string{exhaust.Failed: "The exhaust failed, so it has no file.", exhaust.Cancelled: "The exhaust was cancelled, so it has no file."} {
		s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) { j.Status, j.Report = status, "" }), "", "")
		for _, below := range []string{"/charts", "/preview"} {
			got := s.browser().get(pathOfOurs + below + "?channel=" + ourChannel)
			if got.status != http.StatusBadRequest || !strings.Contains(got.body, want) || !strings.Contains(got.body, `href="`+pathOfOurs+"?channel="+ourChannel+`">Back to the exhaust</a>`) {
				t.Errorf("%s of a %s exhaust is answered %d: %s", below, status, got.status, got.body)
			}
		}
	}
}

func TestAFileWithoutRowsHasOneSentenceInPlaceOfCharts(t *testing.T) {
	s := start(t)
	s.keep(ready(exhaust.ResponseExhaust, asItIs), "Message ID\n", `{"version":1,"from":"2022-03-01","to":"2022-03-04","rows":0,"questions":[]}`)
	page := s.browser().get(pathOfOurs + "/charts?channel=" + ourChannel).body
	if !strings.Contains(page, "The file has no rows, so there is nothing to count.") || strings.Contains(page, "<svg xmlns") {
		t.Errorf("the page: %s", page)
	}
}
