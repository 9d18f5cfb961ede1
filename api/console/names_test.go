package console_test

import (
	"html"
	"net/http"
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

// turned is a bot's name that turns round what stands behind it on its line, and that ends what others would keep it in.
const turned = "Kisan\u2069\u202e"

func TestANameTurnsNothingRoundButItself(t *testing.T) {
	s := start(t)
	s.addConversation(conversation, turned, ourChannel)
	s.keep(ready(exhaust.ResponseExhaust, asItIs), strings.Join(exhaust.ResponseColumns, ",")+"\n", responseSummary(turned))
	const isolated = "\u2068Kisan\u202e\u2069"
	b := s.browser()
	for path, wants := range map[string][]string{
		"/console/exhausts?channel=" + ourChannel: {`><bdi>` + turned + `</bdi></a>`},
		pathOfOurs + "?channel=" + ourChannel:     {"<h1>Answers of " + isolated + ", Mar 1", "<title>Answers of " + isolated + ", Mar 1"},
		pathOfOurs + "/charts?channel=" + ourChannel: {
			"<h1>Charts: " + isolated + "</h1>", "<title>Charts: " + isolated + " – ", "><bdi>" + turned + "</bdi></a></p>",
			"<title>\u20681. Kisan\u202e\u2069: ", `aria-label="Numbers: ` + "\u20681. Kisan\u202e\u2069" + `"`,
		},
		pathOfOurs + "/charts/days.svg?channel=" + ourChannel: {">" + isolated + ", Mar 1, 2022"},
		pathOfOurs + "/preview?channel=" + ourChannel:         {"<bdi>" + turned + "</bdi></a></p>", isolated + "</h1>"},
	} {
		got := b.get(path)
		text := html.UnescapeString(got.body)
		for _, want := range wants {
			if got.status != http.StatusOK || !strings.Contains(text, want) {
				t.Errorf("%s: %d without %q:\n%s", path, got.status, want, text)
			}
		}
	}
}
