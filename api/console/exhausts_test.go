package console_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

func TestAMistakeInTheFilterStandsBesideItsField(t *testing.T) {
	s := start(t)
	for query, want := range map[string]string{
		"day=2022-02-30": `id="day-fault">[^<]+</p><input id="day" name="day" type="date" value="2022-02-30" aria-invalid="true"`,
		"dataset=other":  `id="dataset-fault">[^<]+</p>\s*<select id="dataset" name="dataset" aria-invalid="true"`,
		"tag=a%00b":      `id="tag-fault">[^<]+</p><input id="tag" name="tag" value="[^"]*" spellcheck="false" aria-invalid="true"`,
	} {
		got := s.browser().get("/console/exhausts?channel=A&" + query)
		if got.status != http.StatusBadRequest || !regexp.MustCompile(want).MatchString(got.body) || strings.Contains(got.body, `hx-trigger="every`) {
			t.Errorf("%s is answered %d: %s", query, got.status, got.body)
		}
	}
}

func TestTheListIsLookedAtAgainMoreOftenWhileSomethingIsUnderWay(t *testing.T) {
	s := start(t)
	if page := s.browser().get("/console/exhausts?channel=" + ourChannel).body; !strings.Contains(page, `hx-trigger="every 10s"`) {
		t.Errorf("where nothing is under way: %s", page)
	}
}

func TestTheNameThatSeveralBotsHaveStaysInItsField(t *testing.T) {
	s := start(t)
	for i := range 13 {
		s.addConversation(fmt.Sprintf("00000000-0000-4000-8000-%012d", i), fmt.Sprintf("Bot %d", i), ourChannel)
	}
	const second = "00000000-0000-4000-8000-000000000001"
	s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) { j.ConversationID = second }), "", "")
	at := "/console/exhausts?channel=" + ourChannel + "&conversation=bot"
	b := s.browser()
	page := b.get(at).body
	for _, want := range []string{"Several bots have that in their names.", "type more of the name", "Choose a bot", `bot=` + second} {
		if !strings.Contains(page, want) {
			t.Errorf("before one is chosen the page does not say %q: %s", want, page)
		}
	}
	page = b.get(at + "&bot=" + second).body
	for _, want := range []string{`name="conversation" value="bot"`, `name="bot" value="` + second + `"`, `aria-current="true">Bot 1</a>`, pathOfOurs} {
		if !strings.Contains(page, want) {
			t.Errorf("after one is chosen the page does not say %q: %s", want, page)
		}
	}
	if page = b.get("/console/exhausts?channel=" + ourChannel + "&conversation=bot+1&bot=00000000-0000-4000-8000-000000000002").body; strings.Contains(page, `name="bot"`) {
		t.Error("the choice stays though another name was typed")
	}
}
