package summary_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/activities/summary"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// Whatever the rows are, and however little memory there is, the summary is what a simple program makes of the CSV file.
func TestASummaryIsWhatASimpleProgramCountsInTheFile(t *testing.T) {
	staged := false
	for seed := range uint64(24) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), t: t}
		g.settings()
		for _, memory := range []int{0, 300, 3000} {
			store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			g.summary.Store, g.summary.Memory = store, memory
			if !g.compare(fmt.Sprintf("seed %d, %d bytes of memory", seed, memory)) {
				return
			}
			for range store.List(t.Context(), "scratch/", "") {
				if memory == 0 {
					t.Fatal("something was staged of few rows")
				}
				staged = true
			}
		}
	}
	if !staged {
		t.Error("nothing was staged: there was too much memory to test it")
	}
}

// generator makes up rows. Everything comes from few values, so that sessions, devices, questions and answers meet.
type generator struct {
	*rand.Rand
	t               testing.TB
	summary         summary.Settings
	devices         int
	questions       []string // items
	answers         []string
	lines           []string
	sessions, hours int
	first           time.Time
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

func deviceID(n int) string { return fmt.Sprintf("d0000000-0000-4000-8000-%012d", n) }

func (g *generator) settings() {
	zone, err := time.LoadLocation(pick(g, "Asia/Kolkata", "America/Havana", "UTC", "Australia/Lord_Howe", "Pacific/Apia",
		"America/St_Johns", "America/St_Johns"))
	if err != nil {
		g.t.Fatal(err)
	}
	g.summary = summary.Settings{Timezone: zone, MinDevices: pick(g, 1, 2, 5, 5, 40), Scratch: "scratch/"}
	g.devices, g.sessions = 1+g.IntN(60), 1+g.IntN(80)
	// Around a change of the clocks, in St John's a minute after midnight, in Apia over a whole day; or for a year.
	g.first, g.hours = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC), 1+g.IntN(9600)
	if g.oneIn(2) {
		g.first = pick(g, time.Date(2010, 11, 7, 1, 0, 0, 0, time.UTC), time.Date(2011, 12, 30, 9, 0, 0, 0, time.UTC),
			time.Date(2022, 11, 6, 3, 0, 0, 0, time.UTC))
		if zone.String() == "America/St_Johns" {
			g.first = time.Date(2010, 11, 7, 1, 0, 0, 0, time.UTC)
		}
		g.hours = 1 + g.IntN(4)
	}
	params := []string{
		`[{"1":{"text":"Yes"}},{"2":{"text":"No"}},{"answer":{"correct":["1"]}}]`,
		`[{"1":"Yes"},{"2":"2"},{"2":"Maybe"},{"eval":"unordered"},{"min":1}]`,
		`[{"1":"{\"text\":\"हाँ\"}"},{"2":"{\"text\":\"नहीं\"}"},{"3":"no JSON {"},{"4":"[\"text\"]"}]`,
		`[{"key":"A","text":"Straße"},{"text":"b","key":2},{"key":{},"text":"without"},{"key":"c","text":{"text":"none"}}]`,
		`[{"1":{"text":"क़लम"}},{"2":{"text":"क़लम"}},{"x":{"text":"ǅ"}}]`, // as two characters, and composed of one
		`[{"1":5},{"2":6.0},{"3":true},{"4":null}]`, `[{"१":"Ye\u200ds"},{"२":"N\u200co"}]`,
		`[]`, `{"1":{"text":"Yes"}}`, `"1"`, `null`, ``, `[{"1":"Yes"},{"1":"Again"},{"2":"yes "}]`,
	}
	for n := range pick(g, 1, 1+g.IntN(12)) {
		var members []string
		add := func(name, value string) {
			if value != "" {
				members = append(members, `"`+name+`":`+value)
			}
		}
		add("id", pick(g, fmt.Sprintf(`"q%d"`, n%7), fmt.Sprintf(`"q%d"`, n), `"प्रश्न \u0967"`, `12`, ``,
			`"`+strings.Repeat("q", 1100)+`"`))
		add("type", pick(g, `"mcq"`, `"mcq"`, `"MCQ"`, `"ftb"`, `"rating"`, ``))
		add("title", pick(g, `"Are you well?"`, fmt.Sprintf(`"Title %d\n\"quoted\""`, n), `"`+strings.Repeat("ह", 1000)+`"`,
			`"`+strings.Repeat("ह", 1001)+`"`, ``))
		add("params", pick(g, params...))
		g.questions = append(g.questions, "{"+strings.Join(members, ",")+"}")
		for range pick(g, 0, 0, 3) { // a bot that was changed, or that calls people by their names
			title := pick(g, "Title", "Title of old", "Namaste PERSON",
				strings.Repeat("ह", 1000)+"PERSON", strings.Repeat("long ", 1000))
			g.questions = append(g.questions, `{"id":"changed","title":"`+title+`"}`)
		}
	}
	g.answers = []string{
		`[]`, `null`, ``, `"yes"`, `7`, `[null]`, `{"1":"Yes"}`, `[true,false]`, `[1,1.0,10e-1]`,
		`[{"1":{"text":"Yes"}}]`, `[{"1":"{\"text\":\"Yes\"}"}]`, `[{"1":"{\"text\":12}"}]`, `[{"1":" {\"text\":null} "}]`,
		`[{"text":"1"}]`, `[{"text":" YES "}]`,
		`[{"text":"STRASSE"}]`, `[{"text":"straße"}]`, `[{"text":"\u0915\u093c\u0932\u092e"}]`,
		`[{"text":"\u0958\u0932\u092e"}]`, `[{"text":"ǆ"}]`,
		`[{"key":"A","text":"whatever"}]`, `[{"key":2.0,"text":"x"}]`, `[{"key":"no such","text":"b"}]`,
		`[{"2":{"text":"No"}},{"1":{"text":"Yes"}}]`,
		`[{"9":{"text":"Yes"}}]`, `[{"1":{"other":"Yes"}}]`, `[{"b":1,"a":[2.50,{"d":null,"c":"\u0041"}]}]`, `[["x"],{}]`,
		`[{"text":"\u0000|\ud800|\u001f"}]`, `["१"]`, `["٢"]`, `[{"२":"x"}]`, `["\u200dyes"]`,
		`[{"text":"dropped","text":"kept"}]`, `[{"1":"dropped","1":"kept"}]`,
		`[{"text":"` + strings.Repeat("long ", 200) + `"}]`,
		`[{"text":"` + strings.Repeat("long ", 200) + `!"}]`, `[{"text":""}]`, `[""]`,
	}
	for n := range 70 {
		g.answers = append(g.answers, fmt.Sprintf(`[{"text":"text %d"}]`, n))
	}
	most := pick(g, 40, 900)
	if g.oneIn(5) { // one question with more answers than are listed
		g.questions, g.answers, g.summary.MinDevices, most = g.questions[:1], g.answers[len(g.answers)-70:], 2, 2500
	} else if g.oneIn(4) { // a bot that was changed, and changed back: one label has two keys in turns
		g.questions, g.answers = nil, []string{`["Yes"]`, `[{"text":"No"}]`, `["3","yes"]`, `[]`}
		for _, key := range []string{"1", "2"} {
			g.questions = append(g.questions, `{"id":"q","type":"mcq","params":[{"`+key+`":"Yes"},{"3":"No"}]}`)
		}
		g.summary.MinDevices = 2
	} else if g.oneIn(2) { // so that some answer is given often
		g.answers = g.answers[:g.IntN(len(g.answers))+1]
	}
	g.makeLines(g.IntN(most))
}

// makeLines makes so many events in the order of their times.
func (g *generator) makeLines(count int) {
	type timed struct {
		at   time.Time
		line string
	}
	var events []timed
	for range count {
		at := g.first.Add(time.Duration(g.IntN(g.hours*3_600_000)) * time.Millisecond)
		written := pick(g, at.Format(`"@timestamp":"2006-01-02T15:04:05.000Z"`),
			at.In(time.FixedZone("", 19800)).Format(`"@timestamp":"2006-01-02T15:04:05.000Z07:00"`),
			fmt.Sprintf(`"ets":%d`, at.UnixMilli()))
		if g.oneIn(40) {
			at, written = time.Time{}, pick(g, `"@timestamp":"yesterday"`, `"ver":"3"`)
		}
		session := ""
		if !g.oneIn(9) {
			form := pick(g, `"sid":"5e550000-0000-4000-8000-%012d",`, `"sid":"5E55000A-0000-4000-8000-%012d",`, `"sid":"s%d",`)
			session = fmt.Sprintf(form, g.IntN(g.sessions))
		}
		did := deviceID(g.IntN(g.devices))
		if g.oneIn(5) {
			did = strings.ToUpper(did)
		}
		answers := pick(g, g.answers...)
		if answers != "" {
			answers = `"resvalues":` + answers + `,`
		}
		duration := pick(g, `0`, `1.5`, `-3`, `"7"`, `"007"`, `"soon"`, `null`, `999999999999999999`, `-123456789012345678`,
			`1234567890123456789012345678901234567890`, fmt.Sprint(g.IntN(100)))
		question := strings.ReplaceAll(pick(g, g.questions...), "PERSON", did)
		events = append(events, timed{at, fmt.Sprintf(`{%s,"context":{%s"did":"%s"},"edata":{%s"duration":%s,"item":%s}}`,
			written, session, did, answers, duration, question)})
	}
	slices.SortStableFunc(events, func(x, y timed) int { return x.at.Compare(y.at) })
	g.lines = nil
	for _, e := range events {
		g.lines = append(g.lines, e.line)
	}
}

// compare counts the rows, writes them as CSV, and compares the summary with that of the file.
func (g *generator) compare(label string) bool {
	counter := summary.New(g.summary, g.devices)
	o := oracle{timezone: g.summary.Timezone, minDevices: g.summary.MinDevices, refused: map[string]bool{}}
	var (
		file   bytes.Buffer
		cells  = report.NewCSVWriter(&file, report.Options{Dialect: report.RFC4180})
		reader telemetry.RowReader
		row    exhaust.ResponseRow
	)
	for _, line := range g.lines {
		reader.Read([]byte(line), &row)
		var device int
		did := strings.ToLower(string(row.Cells[exhaust.DeviceIDColumn]))
		if _, err := fmt.Sscanf(did[24:], "%d", &device); err != nil {
			g.t.Fatal(err)
		}
		counted := summary.Row{Device: device, IsWithheld: device%7 == 3}
		counted.Milliseconds, counted.HasTime = reader.Milliseconds()
		if err := counter.Add(context.Background(), &row, counted); err != nil {
			g.t.Fatal(err)
		}
		o.raw = append(o.raw, string(row.Cells[exhaust.ResponseColumn]))
		if counted.IsWithheld {
			o.refused[did] = true
			row.Cells[exhaust.ResponseColumn] = nil
		}
		if err := cells.Write(row.Cells[:], row.Texts); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := cells.Flush(); err != nil {
		g.t.Fatal(err)
	}
	records, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		g.t.Fatal(err)
	}
	want := o.summarize(records)
	for name, value := range map[string]any{
		"version": 1, "dataset": "uci-response-exhaust", "requestId": "1E2A", "conversationId": "c", "conversationName": "<Bot>",
		"from": "2022-03-01", "to": "2022-03-02", "timezone": g.summary.Timezone.String(),
	} {
		want[name] = value
	}
	var got bytes.Buffer
	rows, err := counter.Write(context.Background(), &got, report.SummaryHead{
		Version: report.SummaryVersion, Dataset: exhaust.ResponseExhaust, RequestID: "1E2A",
		ConversationID: "c", ConversationName: "<Bot>",
		From: "2022-03-01", To: "2022-03-02", Timezone: g.summary.Timezone.String(),
	})
	if err != nil || rows != int64(len(records)) {
		g.t.Fatalf("%s: %d rows of %d, %v", label, rows, len(records), err)
	}
	wantText, err := json.Marshal(want)
	if err != nil {
		g.t.Fatal(err)
	}
	if is, should := decode(got.String()), decode(string(wantText)); !reflect.DeepEqual(is, should) {
		g.t.Errorf("%s:\ngot  %s", label, difference("", is, should))
		return false
	}
	return true
}

// difference tells where two JSON values differ first.
func difference(path string, got, want any) string {
	switch is := got.(type) {
	case object:
		should, _ := want.(object)
		for _, name := range slices.Sorted(mapsKeys(is)) {
			if !reflect.DeepEqual(is[name], should[name]) {
				return difference(path+"."+name, is[name], should[name])
			}
		}
	case []any:
		should, _ := want.([]any)
		for i := range min(len(is), len(should)) {
			if !reflect.DeepEqual(is[i], should[i]) {
				return difference(fmt.Sprintf("%s[%d]", path, i), is[i], should[i])
			}
		}
	}
	return fmt.Sprintf("%s is %.600v\nwant %.600v", path, got, want)
}
