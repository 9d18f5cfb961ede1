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
		"state=bogus":    `<p class="notice bad" role="alert">“bogus” is no state. Choose one of these.</p>`,
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
	for _, want := range []string{`name="conversation" value="bot"`, `name="bot" value="` + second + `"`, `aria-current="true"><bdi>Bot 1</bdi></a>`, pathOfOurs} {
		if !strings.Contains(page, want) {
			t.Errorf("after one is chosen the page does not say %q: %s", want, page)
		}
	}
	if page = b.get("/console/exhausts?channel=" + ourChannel + "&conversation=bot+1&bot=00000000-0000-4000-8000-000000000002").body; strings.Contains(page, `name="bot"`) {
		t.Error("the choice stays though another name was typed")
	}
}

func TestAnExhaustThatTheReaderMayNotOpenSaysWhichRightHeLacks(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	s.keep(ready(exhaust.PrivateExhaust, asItIs), privateFile, privateSummary)
	_, lesser := s.mint("lesser", []string{ourChannel}, "uci-response-exhaust")
	_, ours := s.mint("ours", []string{ourChannel}, "uci-response-exhaust", "uci-private-exhaust")
	for language, c := range map[string]struct{ barred, page, operations, way string }{
		"en": {"You need the right to “People” to open it.", "You need the right to “People” in this channel, and do not have it.", "You need the right “Operator”, and do not have it.", "Whoever runs this service can"},
		"hi": {"इसे खोलने के लिए “लोग” का अधिकार चाहिए।", "इसके लिए इस चैनल में “लोग” का अधिकार चाहिए, जो आपके पास नहीं है।", "का अधिकार चाहिए, जो आपके पास नहीं है।", "इस सेवा के संचालक दे सकते हैं"},
	} {
		b := s.browser()
		b.signIn(lesser)
		b.header.Set("Accept-Language", language)
		list := b.get("/console/exhausts?channel=" + ourChannel)
		if list.status != http.StatusOK || strings.Contains(list.body, `href="`+pathOfOurs) || !strings.Contains(list.body, c.barred) || !strings.Contains(list.body, `class="badge SUCCESS"`) {
			t.Errorf("%s: %d: the list leads to what the reader may not see, or does not say why not: %s", language, list.status, list.body)
		}
		page := b.get(pathOfOurs + "?channel=" + ourChannel)
		if page.status != http.StatusForbidden || !strings.Contains(page.body, c.page) || strings.Count(page.body, c.way) != 1 {
			t.Errorf("%s: %d: %s", language, page.status, page.body)
		}
		page = b.get("/console/operations")
		if page.status != http.StatusForbidden || !strings.Contains(page.body, c.operations) || strings.Count(page.body, c.way) != 1 {
			t.Errorf("%s: %d: %s", language, page.status, page.body)
		}
	}
	b := s.browser()
	b.signIn(ours)
	if list := b.get("/console/exhausts?channel=" + ourChannel).body; !strings.Contains(list, `href="`+pathOfOurs) || strings.Contains(list, "You need the right") {
		t.Errorf("the list of one who has the right: %s", list)
	}
}

func TestTheFilterSaysOfWhichFieldAPartIsEnough(t *testing.T) {
	page := start(t).browser().get("/console/exhausts?channel=" + ourChannel).body
	for _, want := range []string{`<label for="tag">Tag, in full</label>`, `<label for="conversation">Bot, or a part of its name</label>`, "Unless said otherwise: Asia/Kolkata time"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
}
