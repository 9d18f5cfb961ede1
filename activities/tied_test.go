package activities_test

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

// Events of one time, mid, device and ets come in the order of their edata, also where they are more than are held in
// memory, and are repeats however edata is spelled, whether it was delivered again at once or received later.
func TestManyEventsThatOnlyTheirAnswersTellApart(t *testing.T) {
	const few, many, later = "2022-03-01T10:00:00Z", "2022-03-01T10:00:01Z", "2022-03-01T10:00:02Z"
	answer := func(at string, n int, spelling string) string {
		edata := fmt.Sprintf(spelling, n)
		return fmt.Sprintf(`{"edata":%s,"eid":"ASSESS","mid":"m","ets":1646128800000,"@timestamp":%q,"context":{"channel":%q,"cdata":[{"type":"Conversation","id":%q}],"did":%q}}`,
			edata, at, channel, conversation, device(1))
	}
	const (
		plain    = `{"item":{"id":"q","title":"A"},"score":"%05d"}`
		shuffled = `{ "score" : "%05d", "item":{"title":"\u0041","id":"q"} }`
		doubled  = `{"item":{"id":"z"},"score":"%05d","it\u0065m":{"id":"q","title":"A"}}`
	)
	var lines, want []string
	for n := range 3 {
		lines = append(lines, answer(few, n, shuffled))
		want = append(want, fmt.Sprintf("%05d", n))
	}
	// Far more than is held in memory of one key; of those the first three were received before, and so was each tenth
	// again with the same key.
	const count = 40_000
	for n := range count {
		lines = append(lines, answer(many, n, plain))
		if n%10 == 0 {
			lines = append(lines, answer(many, n, plain), answer(many, n, shuffled), answer(many, n, doubled))
		}
		if n >= 3 {
			want = append(want, fmt.Sprintf("%05d", n))
		}
	}
	// Received once more, but for the last one.
	for _, n := range []int{5, 39_999, 77_777} {
		lines = append(lines, answer(later, n, doubled))
	}
	want = append(want, "77777")

	rand.New(rand.NewPCG(1, 1)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	r := newRig(t)
	for i := range 4 {
		r.put(fmt.Sprintf("2022-03-01-%d.json", i), lines[i*len(lines)/4:(i+1)*len(lines)/4]...)
	}
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, r.fetch("2022-03-01", "2022-03-01"))
	rows, err := csv.NewReader(strings.NewReader(r.report(built.Report))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows[1:] {
		got = append(got, row[10])
	}
	if rows[0][10] != "Question Score" || !slices.Equal(got, want) {
		t.Errorf("the scores are %d, %.200q…, want %d, %.200q…", len(got), got, len(want), want)
	}
	if repeats := int64(len(lines) - len(want)); built.Repeats != repeats {
		t.Errorf("%d repeats, want %d", built.Repeats, repeats)
	}
	spilled := slices.ContainsFunc(r.files(staging), func(name string) bool { return strings.Contains(name, "merge-tied-") })
	if !spilled {
		t.Error("nothing was staged of the events of one key: there are too few of them to test it")
	}
}
