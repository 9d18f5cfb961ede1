package activities_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

// TestAnExhaustIsWhatASimpleProgramMakesOfTheSameTelemetry compares whole exhausts of random
// telemetry with what naive, at the end of this file, makes of the same lines.
func TestAnExhaustIsWhatASimpleProgramMakesOfTheSameTelemetry(t *testing.T) {
	r := newRig(t)
	var total int
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 7))
		prefix := fmt.Sprintf("seed%d/", seed)
		lines := r.putRandomTelemetry(random, prefix)
		layout := r.settings
		layout.Layout = mustLayout(t, prefix+"{yyyy}-{MM}-{dd}")
		acts := activities.New(r.deps, layout)
		for _, dataset := range []exhaust.Dataset{exhaust.ResponseExhaust, exhaust.PrivateExhaust} {
			parts, err := runOf[[]activities.Part](r, acts, r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-04"))
			if err != nil {
				t.Fatal(err)
			}
			in := r.fetchInput(activities.Part{})
			in.Dataset, in.Staging = dataset, fmt.Sprintf("staging/%d/%s/", seed, dataset)
			var ranges []activities.SegmentRange
			for _, part := range cutAtRandom(random, parts, r.names(prefix)) {
				in.Part = part
				fetched, err := runOf[activities.Fetched](r, acts, r.FetchTelemetry, in)
				if err != nil {
					t.Fatal(err)
				}
				ranges = append(ranges, fetched.Segments...)
			}
			random.Shuffle(len(ranges), func(i, j int) { ranges[i], ranges[j] = ranges[j], ranges[i] })
			joined := must[activities.Joined](r, r.JoinDevices, activities.JoinInput{Dataset: dataset, ConversationID: conversation, Staging: in.Staging, Segments: ranges})
			build := buildInput(dataset, ranges)
			build.Staging, build.RepeatSegments = in.Staging, joined.RepeatSegments
			built := must[activities.Built](r, r.BuildCSV, build)
			got := rows(t, r.report(built.Report))
			want := r.naive(t, lines, dataset)
			total += len(want)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, %s: %d rows, want %d\n%s", seed, dataset, len(got), len(want), firstDifference(got, want))
			}
			if built.RowsWritten != int64(len(want)) {
				t.Errorf("seed %d, %s: it counts %d rows of %d", seed, dataset, built.RowsWritten, len(want))
			}
		}
	}
	if total < 700 {
		t.Errorf("all seeds together have %d rows only: the telemetry tells too little", total)
	}
}

func firstDifference(got, want [][]string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("row %d is missing: %q", i, want[i])
		case i >= len(want):
			return fmt.Sprintf("row %d is too much: %q", i, got[i])
		case !slices.Equal(got[i], want[i]):
			return fmt.Sprintf("row %d\ngot  %q\nwant %q", i, got[i], want[i])
		}
	}
	return ""
}

// names lists the telemetry of a seed.
func (r *rig) names(prefix string) (names []string) {
	for object, err := range r.telemetryStore.List(r.t.Context(), prefix, "") {
		if err != nil {
			r.t.Fatal(err)
		}
		names = append(names, object.Name)
	}
	return names
}

// cutAtRandom divides parts further, at names of objects and between them.
func cutAtRandom(random *rand.Rand, parts []activities.Part, names []string) []activities.Part {
	var cut []activities.Part
	for _, part := range parts {
		for _, name := range names {
			day := exhaust.Day(name[strings.Index(name, "/")+1:][:10])
			if !contains(part, day, name) || random.IntN(3) > 0 {
				continue
			}
			if random.IntN(2) == 0 {
				name += "~" // after the object, though none has that name
			}
			head := part
			head.End = at(day, name)
			cut = append(cut, head)
			part.Begin = at(day, name)
		}
		cut = append(cut, part)
	}
	for i := range cut {
		cut[i].Number = i
		cut[i].Objects = 0 // how many each has of its objects is not known
	}
	return cut
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// putRandomTelemetry writes some objects of a few days and gives their lines.
func (r *rig) putRandomTelemetry(random *rand.Rand, prefix string) (all []string) {
	for day := 1; day <= 4; day++ {
		for object := range random.IntN(4) {
			var lines []string
			for range random.IntN(150) {
				lines = append(lines, randomLine(random))
			}
			if len(all) > 0 && random.IntN(2) == 0 {
				lines = append(lines, pick(random, all...)) // delivered twice
			}
			all = append(all, lines...)
			ext := pick(random, ".json.gz", ".zst", ".jsonl", ".log")
			r.put(fmt.Sprintf("%s2022-03-%02d%s%d%s", prefix, day, pick(random, "-", "/part-"), object, ext), lines...)
		}
	}
	return all
}

// randomLine is an event, whose few ids and times often meet, or some other line.
func randomLine(random *rand.Rand) string {
	if random.IntN(20) == 0 {
		return pick(random, "", "   ", "null", "[1]", `{"eid":"ASSESS"`, "{}", `"`+conversation+`"`)
	}
	member := func(name string, values ...string) string {
		value := pick(random, values...)
		if value == "" {
			return ""
		}
		return `,"` + name + `":` + value
	}
	texts := []string{"", "null", `"plain"`, `"a \"quote\", a comma"`, `"two\nlines"`, `"\u0939\u093f\u0928\u094d\u0926\u0940"`, `" padded "`, `""`, "7", "7.50", "true"}
	numbers := []string{"", "null", "21", "21.0", "2.1e1", "0.5", "-0.25", "1500.5", "1499.5", "0", "0.0", "1e2", `"5"`}
	lists := []string{"", "null", "[]", `[ ]`, `[{"1" : "yes"} , {"2":"no, \"never\""}]`, `[1.0, 2e3,null ]`, `{"k" :"v"}`}
	mids := []string{"", "null", `""`}
	for i := range 80 {
		mids = append(mids, fmt.Sprintf(`"m%d"`, i), fmt.Sprintf(`"\u006d%d"`, i))
	}
	var devices []string
	for n := 1; n <= 8; n++ { // 7 and 8 are unknown
		devices = append(devices, strconv.Quote(device(n)), strconv.Quote(strings.ToUpper(device(n))))
	}
	devices = append(devices, `"no-uuid"`, `""`, "null", "")
	second := random.IntN(6)
	stamps := []string{"", "null", fmt.Sprintf(`"2022-03-01T10:00:%02d.000Z"`, second), fmt.Sprintf(`"2022-03-01T15:30:%02d+05:30"`, second), fmt.Sprintf(`"2022-03-01T10:00:%02d.5Z"`, second)}
	cdata := pick(random,
		`[{"type":"Conversation","id":"`+conversation+`"}]`,
		`[{"type":"Conversation","id":"`+conversation+`"}]`,
		`[ {"id":"x","type":"Session"}, {"id" : "`+conversation+`","type":"Conversation"} ]`,
		`[{"type":"Conversation","id":"`+strings.Replace(conversation, "c63b", `\u00633b`, 1)+`"}]`,
		`[{"type":"Session","id":"`+conversation+`"},{"type":"Conversation","id":"other"}]`,
		`[]`,
	)
	event := `{"ver":"3.0"` +
		`,"eid":` + pick(random, `"ASSESS"`, `"ASSESS"`, `"ASSESS"`, `"ASSESS"`, `"INTERACT"`) +
		member("mid", mids...) +
		member("@timestamp", stamps...) +
		fmt.Sprintf(`,"ets":%d`, time.Date(2022, 3, 1, 10, 0, second, random.IntN(2)*int(time.Millisecond), time.UTC).UnixMilli()) +
		`,"context":{"channel":` + pick(random, `"`+channel+`"`, `"`+channel+`"`, `"`+channel+`"`, `"other"`) +
		`,"cdata":` + cdata + member("did", devices...) + member("sid", texts...) +
		`,"rollup":{"l1":"x"` + member("l3", texts...) + member("l4", texts...) + `}}` +
		`,"edata":{"x":1` + member("duration", numbers...) + member("score", numbers...) + member("resvalues", lists...) +
		`,"item":{"y":2` + member("id", texts...) + member("type", texts...) + member("title", texts...) + member("desc", texts...) +
		member("maxscore", numbers...) + member("params", lists...) + `}}}`
	return event
}

// naive makes the rows of an exhaust as simply as can be: it holds everything in memory, reads each
// line with encoding/json, sorts, and drops repeats.
func (r *rig) naive(t *testing.T, lines []string, dataset exhaust.Dataset) [][]string {
	t.Helper()
	type event struct {
		EID       string          `json:"eid"`
		MID       json.RawMessage `json:"mid"`
		Timestamp json.RawMessage `json:"@timestamp"`
		ETS       int64           `json:"ets"`
		Context   struct {
			Channel string
			CData   []struct{ Type, ID string }
			DID     json.RawMessage
			SID     json.RawMessage
			Rollup  struct{ L3, L4 json.RawMessage }
		}
		EData struct {
			Duration, Score, ResValues json.RawMessage
			Item                       struct{ ID, Type, Title, Desc, MaxScore, Params json.RawMessage }
		}
	}
	type row struct {
		time  int64
		cells []string
	}
	var kept []row
	for _, line := range lines {
		var e event
		if json.Unmarshal([]byte(line), &e) != nil || e.EID != "ASSESS" || e.Context.Channel != channel {
			continue
		}
		if !slices.Contains(e.Context.CData, struct{ Type, ID string }{"Conversation", conversation}) {
			continue
		}
		at := time.UnixMilli(e.ETS).UTC()
		stamp := at.Format("2006-01-02T15:04:05.000Z")
		if text := cell(t, e.Timestamp); text != "" {
			stamp = text
			var err error
			if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
				t.Fatal(err)
			}
		}
		item := e.EData.Item
		kept = append(kept, row{at.UnixNano(), []string{
			cell(t, e.MID), conversation, `Helpdesk, "Sahayak"`, cell(t, e.Context.DID), cell(t, e.Context.SID),
			cell(t, item.ID), cell(t, item.Type), cell(t, item.Title), cell(t, item.Desc),
			whole(t, e.EData.Duration), cell(t, e.EData.Score), cell(t, item.MaxScore), compact(t, item.Params),
			compact(t, e.EData.ResValues), cell(t, e.Context.Rollup.L3), cell(t, e.Context.Rollup.L4), stamp,
		}})
	}
	slices.SortFunc(kept, func(x, y row) int {
		order := cmp.Or(cmp.Compare(x.time, y.time), strings.Compare(x.cells[0], y.cells[0]), strings.Compare(x.cells[3], y.cells[3]))
		// The contract leaves open in which order other events of one time and mid stand, but for that it
		// is always the same: here a shorter cell is before a longer one.
		for _, i := range []int{4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16} {
			order = cmp.Or(order, cmp.Compare(len(x.cells[i]), len(y.cells[i])), strings.Compare(x.cells[i], y.cells[i]))
		}
		return order
	})
	consents := map[string]string{device(1): "given", device(2): "given", device(3): "refused", device(4): "", device(5): "", device(6): "given"}
	var table [][]string
	seen, conversed := map[string]bool{}, map[string]bool{}
	for _, k := range kept {
		if mid := k.cells[0]; mid != "" {
			if seen[mid] {
				continue
			}
			seen[mid] = true
		}
		id := strings.ToLower(k.cells[3])
		consent, known := consents[id]
		if !known {
			continue
		}
		if consent == "refused" {
			k.cells[13] = ""
		}
		conversed[id] = true
		table = append(table, k.cells)
	}
	if dataset == exhaust.ResponseExhaust {
		return orNone(table)
	}
	table = nil
	for n := 1; n <= 6; n++ {
		if !conversed[device(n)] {
			continue
		}
		shown, hidden := device(n), r.username(n)
		switch n {
		case 1, 2:
			shown = phone(n)
		case 5:
			hidden = ""
		case 6:
			hidden = "not encrypted"
		}
		table = append(table, []string{conversation, `Helpdesk, "Sahayak"`, shown, hidden, uuid.MustParse(device(n)).String()})
	}
	return orNone(table)
}

// orNone is the rows as the file's reader gives none of them.
func orNone(table [][]string) [][]string {
	if table == nil {
		return [][]string{}
	}
	return table
}

// cell shows a value: text as such, a number in its shortest form, nothing for null.
func cell(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	if len(raw) == 0 {
		return ""
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return compact(t, raw)
	}
}

// whole rounds a number half up.
func whole(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var number float64
	if len(raw) == 0 || raw[0] == '"' || raw[0] == 'n' || json.Unmarshal(raw, &number) != nil {
		return cell(t, raw)
	}
	return strconv.FormatInt(int64(math.Floor(number+0.5)), 10)
}

func compact(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
