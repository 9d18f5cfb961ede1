package activities_test

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

// givenAnswer is an event of the conversation, with a part of context and of edata.
func givenAnswer(at string, device int, context, edata string) string {
	return fmt.Sprintf(`{"eid":"ASSESS","mid":%q,"@timestamp":%q,"context":{"channel":%q,"cdata":[{"type":"Conversation","id":%q}],%s"did":%q},"edata":{%s}}`,
		at, at, channel, conversation, context, spelledDevice(device), edata)
}

// spelledDevice is a device as telemetry spells it: every second one in capitals.
func spelledDevice(n int) string {
	if n%2 == 0 {
		return strings.ToUpper(device(n))
	}
	return device(n)
}

// The example is worked out by hand. Devices 1, 2, 4, 5 and 6 show their answers, device 3 refused; 9 is unknown.
func exampleEvents() (lines []string) {
	const (
		first = `"item":{"id":"q1","type":"mcq","title":"ठीक?","params":[{"1":{"text":"हाँ"}},{"2":{"text":"नहीं"}},{"answer":{"correct":["1"]}}]}`
		words = `"item":{"id":"q2","type":"ftb","title":"Tell <us>","params":[]}`
	)
	add := func(at string, device int, session, edata string) {
		if session != "" {
			session = `"sid":"` + session + `",`
		}
		lines = append(lines, givenAnswer(at, device, session, edata))
	}
	var texts []string
	for n := range 52 {
		texts = append(texts, fmt.Sprintf(`{"text":"text %02d"}`, n+1))
	}
	many := `"resvalues":[` + strings.Join(texts, ",") + `],"duration":10,` + words
	add("yesterday", 1, "g", `"item":{"id":"q3","type":"ftb","title":"An old title"}`)
	add("2022-03-01T18:29:59.999Z", 1, "a", `"resvalues":[{"1":{"text":"हाँ"}}],"duration":1.5,`+first)
	add("2022-03-01T18:30:00.000Z", 2, "b", `"resvalues":[{"text":"1"}],"duration":3,`+first)
	add("2022-03-01T18:30:01.000Z", 4, "c", `"resvalues":[{"text":" हाँ "}],"duration":4,`+first)
	add("2022-03-01T18:30:02.000Z", 5, "d", `"resvalues":[{"1":"{\"text\":\"हाँ\"}"}],"duration":"soon",`+first)
	add("2022-03-01T18:30:03.000Z", 6, "", `"resvalues":[{"text":"1"}],"duration":4,`+first)
	add("2022-03-01T18:30:04.000Z", 3, "e", `"resvalues":[{"1":{"text":"हाँ"}}],"duration":4,`+first)
	add("2022-03-01T19:30:05.000Z", 2, "b", `"resvalues":[{"2":{"text":"नहीं"}}],"duration":"4",`+first)
	add("2022-03-01T19:30:06.000Z", 1, "a", `"resvalues":[{"text":"हाँ"}],"duration":4,`+first)
	add("2022-03-01T20:30:01.000Z", 1, "a", many)
	add("2022-03-01T20:30:02.000Z", 2, "b", many)
	add("2022-03-01T20:30:03.000Z", 4, "c", many)
	add("2022-03-01T20:30:04.000Z", 5, "d", many)
	add("2022-03-01T20:30:05.000Z", 6, "", many)
	add("2022-03-01T20:31:00.000Z", 1, "a", `"resvalues":["text 52"],"duration":10,`+words)
	add("2022-03-01T20:32:00.000Z", 1, "f", `"resvalues":[],"item":{"id":"q3"}`)
	add("2022-03-01T20:33:00.000Z", 9, "z", many)
	return append(lines, lines[1]) // delivered twice
}

const exampleHead = `{"version":1,"dataset":"uci-response-exhaust","requestId":"1E2A","conversationId":"` + conversation +
	`","conversationName":"Helpdesk, \"Sahayak\"","from":"2022-03-01","to":"2022-03-02","timezone":"IST",`

func exampleSummary() string {
	want := exampleHead + `"minDevices":5,"rows":16,"rowsWithoutTime":1,"devices":6,"sessions":7,"rowsWithoutSession":2,"sessionsWithoutAnswer":2,` +
		`"hours":[5,2,7,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1],"meanDuration":6.54,` +
		`"days":[{"day":"2022-03-01","rows":1},{"day":"2022-03-02","rows":14}],"questions":[` + "\n" +
		`{"id":"q3","type":"","title":"","rows":2,"answers":0,"withheld":0,"meanDuration":null,"meanPosition":1,"sessions":0,"sessionsEnded":0,"listed":[],"other":{"answers":0},"more":{"answers":0,"distinct":0}},` + "\n" +
		`{"id":"q1","type":"mcq","title":"ठीक?","rows":8,"answers":7,"withheld":1,"meanDuration":3.57,"meanPosition":1.29,"sessions":5,"sessionsEnded":1,` +
		`"listed":[{"answer":"हाँ","option":"1","answers":6}],"other":{"answers":1},"more":{"answers":0,"distinct":0}},` + "\n" +
		`{"id":"q2","type":"ftb","title":"Tell <us>","rows":6,"answers":261,"withheld":0,"meanDuration":10,"meanPosition":2.8,"sessions":4,"sessionsEnded":4,` +
		`"listed":[{"answer":"text 52","answers":6}`
	for n := range 49 {
		want += fmt.Sprintf(`,{"answer":"text %02d","answers":5}`, n+1)
	}
	return want + `],"other":{"answers":0},"more":{"answers":10,"distinct":2}}]}` + "\n"
}

func TestASummaryCountsWhatWasAnswered(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-0.json", exampleEvents()...)
	in := buildInput(exhaust.ResponseExhaust, r.fetch("2022-03-01", "2022-03-02"))
	in.StartDate, in.EndDate = "2022-03-01", "2022-03-02"
	in.Request.StartDate, in.Request.EndDate = in.StartDate, in.EndDate
	built := must[activities.Built](r, r.BuildReport, in)
	if got, want := r.report(built.Report+".summary.json"), exampleSummary(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// In one step, which stages in memory, it is the same.
	part := r.part("2022-03-01", "2022-03-02")
	oneStep := in
	oneStep.Segments, oneStep.Read, oneStep.ReadInline, oneStep.Counts, oneStep.Part = nil, nil, nil, activities.Counts{}, &part
	if built := must[activities.Built](r, r.MakeReport, oneStep); !built.IsInMemory {
		t.Error("something was staged of an exhaust of few rows")
	}
	if got, want := r.report(built.Report+".summary.json"), exampleSummary(); got != want {
		t.Errorf("in one step: got\n%s\nwant\n%s", got, want)
	}
}

func TestASummaryNeedsAsManyDevicesAsTheSettingSays(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-0.json", exampleEvents()...)
	r.settings.SummaryMinDevices = 6
	acts := activities.New(r.deps, r.settings)
	in := buildInput(exhaust.ResponseExhaust, r.fetch("2022-03-01", "2022-03-02"))
	in.Request.StartDate, in.Request.EndDate = "2022-03-01", "2022-03-02"
	built, err := runOf[activities.Built](r, acts, acts.BuildReport, in)
	if err != nil {
		t.Fatal(err)
	}
	got := r.report(built.Report + ".summary.json")
	for _, want := range []string{`"minDevices":6,`, `"listed":[],"other":{"answers":7},`, `"listed":[],"other":{"answers":261},"more":{"answers":0,"distinct":0}`} {
		if !strings.Contains(got, want) {
			t.Errorf("the summary lacks %s:\n%s", want, got)
		}
	}
	for _, answer := range []string{"हाँ", "text"} {
		if strings.Contains(got, answer) {
			t.Errorf("the summary shows %q, which five devices answered:\n%s", answer, got)
		}
	}
}

func TestAPrivateSummaryCountsDevicesByConsent(t *testing.T) {
	r := newRig(t)
	r.exec(`UPDATE users SET data = '{"device":"?"}' WHERE id = $1`, device(5)) // which counts as refused
	in := buildInput(exhaust.PrivateExhaust)
	built := must[activities.Built](r, r.BuildReport, in)
	want := `{"version":1,"dataset":"uci-private-exhaust","requestId":"1E2A","conversationId":"` + conversation + `","conversationName":"Helpdesk, \"Sahayak\"",` +
		`"timezone":"IST","rows":6,"devices":6,"consent":{"given":3,"refused":2,"unrecorded":1},"consentUnreadable":1}` + "\n"
	if got := r.report(built.Report + ".summary.json"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestASummaryThatCannotBeWrittenIsWrittenByTheNextAttempt(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-0.json", exampleEvents()...)
	in := buildInput(exhaust.ResponseExhaust, r.fetch("2022-03-01", "2022-03-02"))
	for _, lost := range []blob.Store{noSummaries{r.reportStore, true}, noSummaries{r.reportStore, false}} {
		r.deps.Reports = lost
		acts := activities.New(r.deps, r.settings)
		_, err := runOf[activities.Built](r, acts, acts.BuildReport, in)
		if failure := applicationError(t, err); failure.NonRetryable() || failure.Message() != "reports store: it failed" {
			t.Errorf("got %v", failure)
		}
		if left := r.files("uci-"); len(left) > 0 {
			t.Errorf("%q are left", left)
		}
	}
	built := must[activities.Built](r, r.BuildReport, in)
	if want := []string{built.Report, built.Receipt, built.Report + ".summary.json"}; !reflect.DeepEqual(r.files("uci-"), want) {
		t.Errorf("files %q, want %q", r.files("uci-"), want)
	}
}

// noSummaries is a store that is away when a summary is to be written, or to be committed.
type noSummaries struct {
	blob.Store
	isAway bool
}

func (s noSummaries) Create(ctx context.Context, name, contentType string) (blob.Writer, error) {
	isSummary := strings.HasSuffix(name, ".summary.json")
	if isSummary && s.isAway {
		return nil, errAway
	}
	w, err := s.Store.Create(ctx, name, contentType)
	if isSummary {
		w = lostCommit{w}
	}
	return w, err
}

// A store that mixes up what was staged does not help by being asked again, and is not away.
func TestASummaryThatDisagreesWithItselfEndsTheExhaust(t *testing.T) {
	r := newRig(t)
	const events = 130_000 // whose visits are two segments: of 121,000, and of the others
	r.deps.Telemetry = matchingStore{objects: 1, events: events}
	r.deps.Reports = repeatingStore{r.reportStore}
	acts := activities.New(r.deps, r.settings)
	parts, err := runOf[[]activities.Part](r, acts, r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-01"), staging)
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	fetched, err := runOf[activities.Fetched](r, acts, r.FetchTelemetry, r.fetchInput(parts[0]))
	if err != nil {
		t.Fatal(err)
	}
	in := buildInput(exhaust.ResponseExhaust, fetched)
	in.Request.StartDate, in.Request.EndDate = "2022-03-01", "2022-03-01"
	_, err = runOf[activities.Built](r, acts, acts.BuildReport, in)
	failure := applicationError(t, err)
	const want = "counts do not balance: of 130000 rows the summary has 130000 with a day and 0 without, "
	if !failure.NonRetryable() || failure.Type() != activities.Unbalanced || !strings.HasPrefix(failure.Message(), want) {
		t.Errorf("%s: %v, want one that begins %s", failure.Type(), failure, want)
	}
	if left := r.files("uci-"); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

// repeatingStore gives the first of the segments of visits in the place of the second, too.
type repeatingStore struct{ blob.Store }

func (s repeatingStore) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	return s.Store.Open(ctx, strings.Replace(name, "visits-00001", "visits-00000", 1))
}
