package exhaust

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// FoldText is a text as texts are compared that differ in letter case, in how their characters are composed, in the space around
// them, and in joiners, which a person may leave out: canonical caseless matching of the Unicode standard, section 3.13.
func FoldText(text string) string {
	if isASCII(text) {
		return strings.ToLower(strings.TrimSpace(text))
	}
	text = strings.TrimSpace(WithoutJoiners(text))
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(text)))
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
