package console

import "testing"

func TestWhatRecursAndMadeNothingIsSaidInPlainWords(t *testing.T) {
	english, hindi := readerWith(t, "en", ""), readerWith(t, "hi", "")
	for sentence, want := range map[string][2]string{
		"no data from 2026-09-21 to 2026-09-27": {"Nobody answered on these days.", "इन दिनों में किसी ने उत्तर नहीं दिया।"},
		"no rows from 2026-09-21 to 2026-09-27: the registry knows no device of the 3 events": {
			"Nobody who answered on these days is in the registry.", "इन दिनों में जिन्होंने उत्तर दिया, उनमें से कोई रजिस्ट्री में नहीं है।",
		},
		"no day has ended since the firing before": {"No day had ended since the time before.", "पिछली बार के बाद कोई दिन पूरा नहीं हुआ था।"},
		"the registry is closed":                   {"the registry is closed", "the registry is closed"},
	} {
		if got := [2]string{english.Plainly(sentence).Text, hindi.Plainly(sentence).Text}; got != want {
			t.Errorf("%q is said as %q, want %q", sentence, got, want)
		}
	}
	if got := hindi.Plainly("the registry is closed").Lang; got != ` lang="en"` {
		t.Errorf("what has no form is marked %q", got)
	}
}
