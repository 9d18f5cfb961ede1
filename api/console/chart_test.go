package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

func TestTextIsBrokenBetweenWordsAndCutWithAnEllipsis(t *testing.T) {
	// A letter is 8.2 wide, of a, c, e and k 7.3, of f, r and t 5.4, of i, j, l and a blank 4.
	for _, c := range []struct {
		text  string
		lines int
		want  []string
	}{
		{"", 2, nil},
		{"one", 2, []string{"one"}},
		{"  one \n two\t", 2, []string{"one two"}},
		{"one two three", 2, []string{"one two", "three"}},
		{"one two three four five", 2, []string{"one two", "three fou…"}},
		{"abcdefghijklmno", 2, []string{"abcdefghij", "klmno"}},
		{"abcdefghijklmnopqrstuvwxyz", 2, []string{"abcdefghij", "klmnopq…"}},
		{"abcdefghijklmnopqrstuvwxyz", 1, []string{"abcdefgh…"}},
		{"क्षत्रिय", 1, []string{"क्षत्रिय"}}, // marks take no room
		{"日本語日本語", 2, []string{"日本語日本", "語"}}, // these take twice as much
		{"👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 1, []string{"👩‍👩‍👧‍👦👩‍👩‍👧‍👦"}}, // two signs of many characters
	} {
		if got := wrap(c.text, 73, c.lines); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d lines: %q, want %q", c.text, c.lines, got, c.want)
		}
	}
	if got := wrap("क्षक्ष", 1, 2); !slices.Equal(got, []string{"क्ष", "क्ष"}) {
		t.Errorf("a letter is broken: %q", got)
	}
}

func TestAScaleHasUpToFourStepsOfARoundNumber(t *testing.T) {
	for most, want := range map[int64]int64{
		1: 1, 4: 1, 5: 2, 8: 2, 9: 5, 20: 5, 21: 10, 40: 10, 41: 20, 199: 50, 201: 100, 1_000_000_000_000: 500_000_000_000,
	} {
		if got := stepOf(most); got != want {
			t.Errorf("of %d: %d, want %d", most, got, want)
		}
	}
}

func TestBarsAreAsLongAsTheirNumbers(t *testing.T) {
	c := chart{Name: "c", Title: "C", Bars: []bar{
		{Label: "a", Value: 100, Part: 25, Note: "n"}, {Label: "b", Value: 50, Note: "n"}, {Label: "d", Note: "n"},
		{Label: "r", Value: 10, Note: "n", IsRest: true},
	}}
	drawn := string(c.SVG())
	for want, times := range map[string]int{
		`class="bar" x="0.00" y="18.00" width="283.00" height="12.00"`:   1, // three quarters of 380, less the gap
		`class="part" x="285.00" y="18.00" width="95.00" height="12.00"`: 1,
		`class="bar" x="0.00" y="58.00" width="190.00" height="12.00"`:   1,
		`class="rest" x="0.00" y="138.00" width="38.00" height="12.00"`:  1,
		`class="track" x="0.00" y="98.00" width="380.00" height="12.00"`: 1,
		`class="bar"`:           2, // of nothing there is none
		`viewBox="0 0 380 150"`: 1,
	} {
		if got := strings.Count(drawn, want); got != times {
			t.Errorf("%d times %s, want %d:\n%s", got, want, times, drawn)
		}
	}
	c.IsUpright, c.write = true, func(n any) string { return fmt.Sprint(n) }
	for i, want := range []string{`height="150.00"`, `height="75.00"`, `height="15.00"`} { // of a scale up to 100
		if drawn := string(c.SVG()); strings.Count(drawn, want) != 1 {
			t.Errorf("column %d is not drawn with %s:\n%s", i, want, drawn)
		}
	}
}

func TestASummaryIsReadWithoutKeepingWhatIsNotShown(t *testing.T) {
	reader, writer := io.Pipe()
	go func() {
		fmt.Fprint(writer, `{"version":1,"from":"2022-03-01","to":"2022-03-02","unknown":{"a":[1]},`+
			`"days":[{"day":"2022-03-01","rows":3},{"day":"2022-03-09","rows":2},{"day":"0000-01-01","rows":5}],"questions":[`)
		for i := range 5000 {
			if i > 0 {
				fmt.Fprint(writer, ",")
			}
			_ = json.NewEncoder(writer).Encode(map[string]any{
				"id": fmt.Sprint(i + 1), "listed": []map[string]any{{"answer": strings.Repeat("x", 1000), "answers": 7}},
			})
		}
		fmt.Fprint(writer, "]}\n")
		writer.Close()
	}()
	s, err := readSummary(t.Context(), reader, 4990, 20)
	if err != nil {
		t.Fatal(err)
	}
	if s.QuestionCount != 5000 || len(s.Questions) != 11 || s.Questions[0].ID != "4990" || s.Questions[0].Number != 4990 ||
		s.Questions[10].Listed[0].Answers != 7 {
		t.Errorf("of %d questions it has %d", s.QuestionCount, len(s.Questions))
	}
	if len(s.Path) != 100 || s.Path[99].ID != "100" || s.Path[0].Listed != nil {
		t.Errorf("the path has %d questions", len(s.Path))
	}
	if len(s.Days) != 1 || s.Days["2022-03-01"] != 3 || s.RowsElsewhere != 7 {
		t.Errorf("the days are %v, and %d rows of others", s.Days, s.RowsElsewhere)
	}
	for _, text := range []string{"", "[]", `{"days":{}}`, `{"questions":[{}`, `{"rows":"x"}`, `{"questions":[{"listed":7}]}`} {
		if _, err := readSummary(t.Context(), strings.NewReader(text), 1, 1); err == nil {
			t.Errorf("%s is a summary", text)
		}
	}
}

func TestABarIsAsWideAsItsShareOfAllAndItsPartStandsApart(t *testing.T) {
	svg := string(chart{Whole: 200, Bars: []bar{{Label: "q", Value: 100, Part: 50}}}.SVG())
	// Of 380 wide, 100 of 200 are 190, half of which are the part; before it two are left free.
	for _, want := range []string{`class="bar" x="0.00" y="18.00" width="93.00"`, `class="part" x="95.00" y="18.00" width="95.00"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("the chart has no %s: %s", want, svg)
		}
	}
}

func TestASummaryIsReadUntilNobodyWaitsForIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	endless := io.MultiReader(strings.NewReader(`{"questions":[{"id":"1"}`), readerFunc(func(p []byte) (int, error) {
		cancel() // nobody waits from the second question on
		return copy(p, `,{"id":"2"}`), nil
	}))
	if _, err := readSummary(ctx, endless, 1, 20); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}

func TestTheFileOfAChartIsNamedByItsExhaust(t *testing.T) {
	of := func(from, to exhaust.Day) exhaust.Job {
		return exhaust.Job{
			Request: exhaust.Request{ConversationID: "Bot.1"}, State: exhaust.State{From: from, To: to, Report: "uci-private-exhaust/A/Bot.1_userinfo_20220305.csv"},
		}
	}
	for want, job := range map[string]exhaust.Job{
		"Bot.1_2022-03-01_2022-03-04_funnel": of("2022-03-01", "2022-03-04"), "Bot.1_userinfo_20220305_funnel": of("", ""),
	} {
		if got := (chart{Name: "funnel"}).FileName(job); got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Signs that have no width filled no line, and each was measured with all before it.
func TestTitlesOfSignsWithoutAWidthAreDrawnAtOnce(t *testing.T) {
	c := chart{Name: "c", Title: strings.Repeat("\u200B", 100_000)}
	for range 100 {
		c.Bars = append(c.Bars, bar{Label: strings.Repeat("\u200B", 20_000) + strings.Repeat("W", 60), Value: 1, Note: "n"})
	}
	began := time.Now()
	drawn := c.File()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it takes %s", took)
	}
	if most := 1 << 20; len(drawn) > most {
		t.Errorf("the picture has %d bytes, want %d at the most", len(drawn), most)
	}
}

func TestTextOfMoreSignsThanAreDrawnEndsInAnEllipsis(t *testing.T) {
	for text, want := range map[string]string{
		"a": "a", strings.Repeat("a", 300): strings.Repeat("a", 300), strings.Repeat("a", 301): strings.Repeat("a", 300) + "…",
		strings.Repeat("é", 302): strings.Repeat("é", 300) + "…",
	} {
		if got := shorten(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
