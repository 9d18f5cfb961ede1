package summary_test

import (
	"testing"
	"unicode"

	"data-exhaust/activities/summary"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

func TestAnAnswerIsAnOptionHoweverItIsWritten(t *testing.T) {
	const options = `[{"1":"हाँ"},{"12":"क्\u200dष"},{"a१":"No\u200c"},{"३":"तीन"}]`
	for response, want := range map[string]report.ListedAnswer{
		`["\u0967"]`:                      {Answer: "हाँ", Option: "1"},        // Hindi
		`["\u0661\u0662"]`:                {Answer: "क्\u200dष", Option: "12"}, // Arabic
		`["\u0be7\uff12"]`:                {Answer: "क्\u200dष", Option: "12"}, // Tamil, and full width
		`[{"\u0967":"anything"}]`:         {Answer: "हाँ", Option: "1"},
		`[{"key":"\u0967","text":"any"}]`: {Answer: "हाँ", Option: "1"},
		`["3"]`:                           {Answer: "तीन", Option: "३"},
		`["A1"]`:                          {Answer: "No\u200c", Option: "a१"},
		`["क्ष"]`:                         {Answer: "क्\u200dष", Option: "12"},
		`["हा\u200dँ\u200c "]`:            {Answer: "हाँ", Option: "1"},
		`["NO"]`:                          {Answer: "No\u200c", Option: "a१"},
		`["\u00b9"]`:                      {Answer: "¹"}, // superscript: no decimal digit
		`["\u2460"]`:                      {Answer: "①"},
	} {
		counter := newCounter(t, 0)
		row := rowOf(map[int]string{exhaust.TypeColumn: "mcq", exhaust.OptionsColumn: options, exhaust.ResponseColumn: response})
		if err := counter.Add(t.Context(), row, summary.Row{}); err != nil {
			t.Fatal(err)
		}
		want.Answers = 1
		if listed := questionsOf(t, counter)[0].Listed; len(listed) != 1 || listed[0] != want {
			t.Errorf("%s: %+v, want %+v", response, listed, want)
		}
	}
}

// The digits of a script are ten characters in a row, from zero on. This is what tells a digit's value.
func TestDecimalDigitsComeInTens(t *testing.T) {
	if len(unicode.Nd.R16) == 0 || len(unicode.Nd.R32) == 0 {
		t.Fatal("there are no digits")
	}
	for _, r := range unicode.Nd.R16 {
		if r.Stride != 1 || (r.Hi-r.Lo+1)%10 != 0 {
			t.Errorf("%U to %U by %d", r.Lo, r.Hi, r.Stride)
		}
	}
	for _, r := range unicode.Nd.R32 {
		if r.Stride != 1 || (r.Hi-r.Lo+1)%10 != 0 {
			t.Errorf("%U to %U by %d", r.Lo, r.Hi, r.Stride)
		}
	}
}
