package exhaust_test

import (
	"testing"

	"data-exhaust/exhaust"
)

func TestTextsThatReadAlikeFoldAlike(t *testing.T) {
	for _, c := range []struct {
		texts  []string
		folded string
	}{
		{[]string{"Yes", " YES\t", "yes", "\u00a0yEs\u2003"}, "yes"},
		{[]string{"Straße", "STRASSE", "strasse"}, "strasse"},
		{[]string{"\u0958\u0932\u092e", "\u0915\u093c\u0932\u092e"}, "\u0915\u093c\u0932\u092e"}, // a nukta, which NFC does not compose
		{[]string{"\u00e9", "e\u0301", "E\u0301", "\u00c9"}, "\u00e9"},
		{[]string{"\u0915\u094d\u200d\u0937", "\u0915\u094d\u0937", "\u200c \u0915\u094d\u200c\u0937 \u200d"}, "\u0915\u094d\u0937"},
		{[]string{"", " ", "\u200d", " \u200c "}, ""},
		{[]string{"\u1f80", "\u1f88", "\u03b1\u0345\u0313"}, "\u1f00\u03b9"}, // a small iota, behind the accent or before it
		{[]string{"no\u2009space"}, "no\u2009space"},
	} {
		for _, text := range c.texts {
			if got := exhaust.FoldText(text); got != c.folded {
				t.Errorf("%+q folds to %+q, want %+q", text, got, c.folded)
			}
		}
	}
}
