package console_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/sample"
)

// addConversation adds a conversation without days of its own to the registry.
func (s *running) addConversation(id, name, channel string) {
	s.t.Helper()
	s.addConversationOf(id, name, channel, nil, nil)
}

// addConversationOf adds a conversation with a start and an end.
func (s *running) addConversationOf(id, name, channel string, start, end any) {
	s.t.Helper()
	db := dbtest.Open(s.t, s.cfg.UCIDatabaseURL)
	must(s.t, sample.CreateEmbeddedTables(s.t.Context(), db))
	dbtest.Exec(s.t, db, `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`, id, name, channel, start, end)
}

const bot = "29e49b19-9086-48d3-8f5a-dcbbdc9fae9c"

var (
	greyed = regexp.MustCompile(`<input type="radio" name="dataset" id="[^"]*" value="([^"]*)"[^>]* disabled`)
	chosen = regexp.MustCompile(`<input type="radio" name="dataset" id="[^"]*" value="([^"]*)" checked`)
)

func TestADatasetWithoutItsRightStaysVisibleWithTheReason(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	s.addConversation(bot, "Helpdesk", "A")
	for _, c := range []struct {
		name, channel string
		rights        []string
		greyed        []string
		chosen        string
		mayStart      bool
	}{
		{"both", "A", []string{"uci-response-exhaust", "uci-private-exhaust"}, nil, "uci-response-exhaust", true},
		{"answers", "A", []string{"uci-response-exhaust"}, []string{"uci-private-exhaust"}, "uci-response-exhaust", true},
		{"people", "A", []string{"uci-private-exhaust"}, []string{"uci-response-exhaust"}, "uci-private-exhaust", true},
		{"neither", "B", []string{"uci-private-exhaust@A"}, []string{"uci-response-exhaust", "uci-private-exhaust"}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, token := s.mint(c.name, []string{"A", "B"}, c.rights...)
			b := s.browser()
			b.signIn(token)
			page := b.get("/console/new?channel=" + c.channel)
			var got []string
			for _, found := range greyed.FindAllStringSubmatch(page.body, -1) {
				got = append(got, found[1])
			}
			if page.status != http.StatusOK || strings.Join(got, " ") != strings.Join(c.greyed, " ") {
				t.Errorf("%d: %q are greyed, want %q", page.status, got, c.greyed)
			}
			if reasons := strings.Count(page.body, "You have no right to it in this channel."); reasons != len(c.greyed) {
				t.Errorf("%d reasons are given, want %d", reasons, len(c.greyed))
			}
			if found := chosen.FindStringSubmatch(page.body); c.chosen != "" && (found == nil || found[1] != c.chosen) || c.chosen == "" && found != nil {
				t.Errorf("%q is chosen, want %q", found, c.chosen)
			}
			if mayStart := !strings.Contains(page.body, `value="start" disabled`); mayStart != c.mayStart {
				t.Errorf("the button works: %t, want %t", mayStart, c.mayStart)
			}
		})
	}
}

func TestADatasetWithoutItsRightIsRefusedWhateverTheFormSays(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	s.addConversation(bot, "Helpdesk", "A")
	_, token := s.mint("answers", []string{"A"}, "uci-response-exhaust")
	b := s.browser()
	b.signIn(token)
	for _, button := range []string{"start", "check"} {
		got := b.post("/console/new?channel=A", "/console/new", "channel", "A", "conversation", bot, "dataset", "uci-private-exhaust", "tag", "numbers", "do", button)
		if want := map[string]int{"start": http.StatusForbidden, "check": http.StatusOK}[button]; got.status != want ||
			!strings.Contains(got.body, `id="dataset-fault" data-fault-of="dataset">You need the right to “People” in this channel, and do not have it.`) {
			t.Errorf("%s: %d, want %d: %s", button, got.status, want, got.body)
		}
	}
	// What is greyed is not sent, even where a link chose it.
	got := b.post("/console/new?channel=A", "/console/new", "channel", "A", "conversation", bot, "tag", "numbers", "do", "start")
	if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `id="dataset-fault" data-fault-of="dataset">Choose what the file is to hold.`) {
		t.Errorf("without a dataset: %d: %s", got.status, got.body)
	}
	if got := b.post("/console/new?channel=A", "/console/new", "channel", "Z", "conversation", bot, "dataset", "uci-response-exhaust", "tag", "theirs", "do", "start"); got.status != http.StatusNotFound {
		t.Errorf("another's channel is answered with %d: %s", got.status, got.body)
	}
}

func TestNothingThatWasTypedIsLostWhileTheServiceCannotStartIt(t *testing.T) {
	s := start(t) // its Temporal is away
	s.addConversation(bot, "Helpdesk", "A")
	got := s.browser().post("/console/new?channel=A", "/console/new", "channel", "A", "conversation", bot, "dataset", "uci-response-exhaust",
		"tag", "kept", "from", "2022-03-01", "to", "2022-03-02", "runAt", "nightly", "do", "start")
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("it is answered with %d", got.status)
	}
	for _, want := range []string{
		"This page needs Temporal, which does not answer. Nothing was started, and what you typed is still here.",
		`value="` + bot + `" checked`, `value="kept"`, `value="2022-03-01"`, `value="2022-03-02"`, `value="nightly" checked`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page does not say %q: %s", want, got.body)
		}
	}
}

func TestAnIDIsTypedWhileTheRegistryIsAway(t *testing.T) {
	s := start(t, "UCI_DATABASE_URL=postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	got := s.browser().get("/console/new?channel=A&conversation=" + bot)
	for _, want := range []string{
		"The list of bots does not answer just now. You can type a bot’s id.",
		`<input id="conversation" name="conversation" class="tag" value="` + bot + `"`,
		"which does not answer. You can start it all the same",
	} {
		if got.status != http.StatusOK || !strings.Contains(got.body, want) {
			t.Errorf("%d: the page does not say %q: %s", got.status, want, got.body)
		}
	}
}

func TestTheNameOfABotIsText(t *testing.T) {
	s := start(t)
	s.addConversation(bot, "<script>alert(1)</script> \"x\" \u202ereversed", "A")
	got := s.browser().get("/console/new?channel=A&conversation=" + bot + "&q=%3Cscript%3E&tag=%22%3E%3Cscript%3E")
	if !strings.Contains(got.body, "<strong><bdi>&lt;script&gt;alert(1)&lt;/script&gt; &#34;x&#34; \u202ereversed</bdi></strong>") || strings.Contains(got.body, "<script>") {
		t.Errorf("the page: %s", got.body)
	}
}

func TestATagIsSuggestedUntilSomebodyTypesOne(t *testing.T) {
	s := start(t)
	s.addConversation(bot, "Farmers’ Advice, “Kisan Mitra” 2026", "A")
	const hindi = "d45e9304-9ea9-4871-abd2-771b79e47938"
	s.addConversation(hindi, "पढ़ो और बढ़ो", "A")
	for _, c := range []struct{ name, query, want string }{
		{"of its name", "conversation=" + bot, "farmers-advice-kisan-mitra-2026"},
		{"of its id, where its name has no English letters", "conversation=" + hindi, hindi},
		{"that another page gave", "conversation=" + bot + "&tag=monthly", "monthly"},
		{"that was suggested for another", "conversation=" + bot + "&tag=" + hindi + "&suggestedTag=" + hindi, "farmers-advice-kisan-mitra-2026"},
		{"that somebody typed", "conversation=" + bot + "&tag=monthly&suggestedTag=" + hindi, "monthly"},
	} {
		got := s.browser().get("/console/new?channel=A&" + c.query)
		if found := regexp.MustCompile(`name="tag" class="tag" value="([^"]*)"`).FindStringSubmatch(got.body); found == nil || found[1] != c.want {
			t.Errorf("the tag %s is %q, want %q", c.name, found, c.want)
		}
	}
}

func TestMoreBotsAreFoundPageByPage(t *testing.T) {
	s := start(t)
	for i := range 10 {
		s.addConversation(fmt.Sprintf("00000000-0000-4000-8000-%012d", i), fmt.Sprintf("Bot %d", i), "A")
	}
	s.addConversation(bot, "Another", "A")
	names := func(body string) (names []string) {
		for _, found := range regexp.MustCompile(`<bdi>([^<]*)</bdi></strong>`).FindAllStringSubmatch(body, -1) {
			names = append(names, found[1])
		}
		return names
	}
	b := s.browser()
	first := b.get("/console/new?channel=A&q=bot")
	if got := fmt.Sprint(names(first.body)); got != "[Bot 0 Bot 1 Bot 2 Bot 3 Bot 4 Bot 5 Bot 6 Bot 7]" {
		t.Errorf("the first page is %s", got)
	}
	next := regexp.MustCompile(`name="after" value="([^"]+)"`).FindStringSubmatch(first.body)
	if next == nil {
		t.Fatalf("nothing leads to more: %s", first.body)
	}
	fields := []string{"channel", "A", "conversation", bot}
	second := b.post("/console/new?channel=A", "/console/new", append(fields, "q", "bot", "after", next[1])...)
	if got := fmt.Sprint(names(second.body)); got != "[Another Bot 8 Bot 9]" { // the choice stays in sight
		t.Errorf("the second page is %s", got)
	}
	if regexp.MustCompile(`name="after" value="[^"]+"`).MatchString(second.body) {
		t.Error("something leads beyond the last page")
	}
	again := b.post("/console/new?channel=A", "/console/new", append(fields, "q", "bot 3", "after", next[1], "do", "find")...)
	if got := fmt.Sprint(names(again.body)); got != "[Another Bot 3]" {
		t.Errorf("another search finds %s", got)
	}
}

func TestEachDayThatIsWrongIsMarked(t *testing.T) {
	s := start(t)
	s.addConversation(bot, "Helpdesk", ourChannel)
	today := readDay(exhaust.DayOf(time.Now().In(s.cfg.Timezone)))
	const noDay = "“2026-02-30” is not a day. Choose one from the calendar."
	coming := "Jan 1, 2100 has not come yet. Choose a day up to today, " + today + "."
	for _, c := range []struct{ name, from, to, fault, other string }{
		{"both", "2026-02-30", "2100-01-01", noDay, coming},
		{"both, the other way", "2100-01-01", "2026-02-30", coming, noDay},
		{"the first", "2026-02-30", "2026-02-01", noDay, ""},
		{"the last", "2026-02-01", "2026-02-30", "", noDay},
		{"none", "2026-02-01", "2026-02-02", "", ""},
	} {
		for _, button := range []string{"check", "start"} {
			got := s.browser().post("/console/new?channel="+ourChannel, "/console/new", "channel", ourChannel, "conversation", bot,
				"dataset", "uci-response-exhaust", "tag", "t", "from", c.from, "to", c.to, "do", button).body
			for id, fault := range map[string]string{"from": c.fault, "to": c.other} {
				if !strings.Contains(got, `id="`+id+`-fault" data-fault-of="`+id+`">`+fault+"</p>") {
					t.Errorf("%s, %s: %s is not marked with %q: %s", c.name, button, id, fault, got)
				}
			}
		}
	}
}

func TestABotWithoutANameIsShownByItsID(t *testing.T) {
	s := start(t)
	const blank, absent = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	s.addConversation(bot, "", ourChannel)
	s.addConversation(blank, " \u00a0\u200b", ourChannel)
	const unknown = "A bot that this channel does not have"
	for _, page := range []string{"/console/new", "/console/recurring/new"} {
		for chosen, want := range map[string]bool{"": false, bot: false, blank: false, absent: true} {
			got := s.browser().get(page + "?channel=" + ourChannel + "&conversation=" + chosen)
			for _, id := range []string{bot, blank} {
				if !strings.Contains(got.body, "<strong><bdi>"+id+"</bdi></strong>") {
					t.Errorf("%s, where %q is chosen, does not name %s: %s", page, chosen, id, got.body)
				}
			}
			if isUnknown := strings.Contains(got.body, unknown); isUnknown != want {
				t.Errorf("%s says of %q that it is unknown: %t", page, chosen, isUnknown)
			}
		}
	}
	s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) { j.ConversationID = blank }), "", "")
	if got := s.browser().get("/console/exhausts?channel=" + ourChannel).body; !strings.Contains(got, "<bdi>"+blank+"</bdi></a>") {
		t.Errorf("the list does not name it: %s", got)
	}
	if got := s.browser().get(pathOfOurs + "?channel=" + ourChannel).body; !strings.Contains(got, "Answers of \u2068"+blank+"\u2069") {
		t.Errorf("its page does not name it: %s", got)
	}
}

func TestABotThatIsChosenIsFoundAsAnyOther(t *testing.T) {
	s := start(t)
	s.addConversation(bot, "Kisan Mitra", "A")
	b := s.browser()
	for _, page := range []string{"/console/new", "/console/recurring/new"} {
		for text, want := range map[string]bool{"kisan": false, bot: false, "": false, "nobody": true} {
			fields := []string{"channel", "A", "conversation", bot, "q", text}
			b.header = http.Header{}
			answers := []answer{b.post(page+"?channel=A", page, append(fields, "do", "find")...)} // without scripts
			b.header.Set("HX-Request", "true")
			b.header.Set("HX-Target", "conversations")
			answers = append(answers, b.get("/console/new?channel=A&conversation="+bot+"&q="+text))
			for _, got := range answers {
				isNone := strings.Contains(got.body, "name or id holds")
				if got.status != http.StatusOK || isNone != want || !strings.Contains(got.body, "<bdi>Kisan Mitra</bdi>") {
					t.Errorf("%s, %q: %d, says that there is none: %t: %s", page, text, got.status, isNone, got.body)
				}
			}
		}
	}
}

func TestSinceTheLastExhaustBeginsWhereTheOnesBeforeEnd(t *testing.T) {
	s := start(t)
	s.addConversation(bot, "Helpdesk", ourChannel)
	today := exhaust.DayOf(time.Now().In(s.cfg.Timezone))
	noon := func(day exhaust.Day) time.Time { return day.Midnight(s.cfg.Timezone).Add(12 * time.Hour) }
	made := 0
	for _, c := range []struct {
		name string
		// asked is when the exhaust was asked for, to the last day that it covers: days before today.
		asked, to int
		want      exhaust.Day
	}{
		{"one that covers whole days", 5, 6, today.Add(-5)},
		{"one that covers the day it was asked for, which was not over", 4, 4, today.Add(-4)},
		{"one that reaches less far and was asked for later", 1, 20, today.Add(-4)},
		{"one that covers today", 0, 0, ""},
	} {
		made++
		s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) {
			j.ID, j.ConversationID, j.SubmittedAt = fmt.Sprintf("%032d", made), bot, noon(today.Add(-c.asked))
			j.To, j.From = today.Add(-c.to), today.Add(-30)
		}), "Message ID\n", "{}")
		page := s.browser().get("/console/new?channel=" + ourChannel + "&conversation=" + bot + "&preset=since").body
		isOff := strings.Contains(page, `id="preset-since" formnovalidate disabled`)
		if c.want == "" && !isOff || c.want != "" && !strings.Contains(page, `id="from" name="from" type="date" value="`+string(c.want)+`"`) {
			t.Errorf("after %s: want %q of %s", c.name, c.want, page)
		}
	}
}

func TestSinceTheLastExhaustGoesOnFromAFileThatSomebodyHasOrCanHave(t *testing.T) {
	s := start(t)
	s.addConversation(bot, "Helpdesk", ourChannel)
	today := exhaust.DayOf(time.Now().In(s.cfg.Timezone))
	made := 0
	keep := func(last int, file string, edit func(*exhaust.Job)) {
		made++
		s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) {
			j.ID, j.ConversationID, j.From, j.To = fmt.Sprintf("%032d", made), bot, today.Add(-300), today.Add(-last)
			j.Report = j.ReportName(bot, "2022-03-05")
			j.Receipt = exhaust.ReceiptName(j.Report)
			edit(j)
		}), file, "{}")
	}
	deleted := func(why string) func(*exhaust.Job) {
		return func(j *exhaust.Job) { j.Report, j.Receipt, j.Message = "", "", why }
	}
	for _, c := range []struct {
		name string
		keep func()
		want exhaust.Day
	}{
		{"one that is there", func() { keep(90, "Message ID\n", asItIs) }, today.Add(-89)},
		{"one whose time was over, and that is not deleted yet", func() {
			keep(80, "Message ID\n", func(j *exhaust.Job) { j.CompletedAt = j.CompletedAt.Add(-9000 * time.Hour) })
		}, today.Add(-79)},
		{"one whose time was over, and that is deleted", func() { keep(70, "", deleted(exhaust.ExpiryMessage(time.Now()))) }, today.Add(-69)},
		{"one that was erased", func() { keep(60, "", deleted(exhaust.ErasureMessage(time.Now()))) }, today.Add(-69)},
		{"one that is lost", func() { keep(50, "", asItIs) }, today.Add(-69)},
	} {
		c.keep()
		page := s.browser().get("/console/new?channel=" + ourChannel + "&conversation=" + bot + "&preset=since").body
		if !strings.Contains(page, `id="from" name="from" type="date" value="`+string(c.want)+`"`) {
			t.Errorf("after %s: want %q of %s", c.name, c.want, page)
		}
	}
}

func TestSinceTheLastExhaustIsGreyedWhereThatIsTooManyDays(t *testing.T) {
	s := start(t)
	s.addConversation(bot, "Helpdesk", ourChannel)
	today := exhaust.DayOf(time.Now().In(s.cfg.Timezone))
	for i, c := range []struct {
		// last is the last day that the exhaust covers: days before today.
		last   int
		reason string
	}{
		{368, "Since the last exhaust: that would be 367 days, and 366 are the most."},
		{367, ""},
	} {
		s.keep(ready(exhaust.ResponseExhaust, func(j *exhaust.Job) {
			j.ID, j.ConversationID = fmt.Sprintf("%032d", i), bot
			j.From, j.To = today.Add(-400), today.Add(-c.last)
		}), "Message ID\n", "{}")
		page := s.browser().get("/console/new?channel=" + ourChannel + "&conversation=" + bot + "&preset=since").body
		isGreyed := strings.Contains(page, `id="preset-since" formnovalidate disabled`)
		isFilledIn := strings.Contains(page, `name="from" type="date" value="`+string(today.Add(1-c.last))+`"`)
		if isGreyed != (c.reason != "") || isFilledIn == isGreyed || !strings.Contains(page, c.reason) {
			t.Errorf("%d days ago: greyed is %t, filled in %t, want %q of %s", c.last, isGreyed, isFilledIn, c.reason, page)
		}
	}
}

func TestAnotherLanguageKeepsWhatWasTyped(t *testing.T) {
	s := start(t) // its Temporal is away
	s.addConversation(bot, "Helpdesk", ourChannel)
	b := s.browser()
	page := b.post("/console/new?channel="+ourChannel, "/console/new", "channel", ourChannel, "conversation", bot, "dataset", "uci-private-exhaust",
		"tag", "kept", "from", "", "to", "", "runAt", "nightly", "purpose", "the \u201creport\u201d & more", "do", "check")
	next := regexp.MustCompile(`name="next" value="([^"]*)"`).FindStringSubmatch(page.body)
	if next == nil {
		t.Fatalf("no language can be chosen: %s", page.body)
	}
	got := b.get(html.UnescapeString(next[1])).body
	for _, want := range []string{
		`value="` + bot + `" checked`, `value="uci-private-exhaust" checked`, `value="kept"`, `id="from" name="from" type="date" value=""`, `value="nightly" checked`,
		"value=\"the \u201creport\u201d &amp; more\"",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %s: %s", want, got)
		}
	}
}

func TestDaysOfABotsOwnThatAreNoneToAskForAreSaidBesideTheDaysBeforeAnythingStarts(t *testing.T) {
	s := start(t) // its Temporal is away
	const long, coming = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	s.addConversationOf(long, "Long", ourChannel, "2021-01-01", "2023-12-01")
	s.addConversationOf(coming, "Coming", ourChannel, "2100-01-01", "2100-02-01")
	today := readDay(exhaust.DayOf(time.Now().In(s.cfg.Timezone)))
	for _, c := range []struct {
		name, conversation, language string
		days                         []string
		fault, reason                string
	}{
		{
			"too many", long, "en", []string{"preset", "own"},
			"The bot’s own days make it 1,065 days, from Jan 1, 2021 to Dec 1, 2023: 366 at most. Choose a first and a last day.",
			"The bot’s own days: that would be 1,065 days, and 366 are the most.",
		},
		{
			"too many, in Hindi", long, "hi", []string{"preset", "own"},
			"बॉट के अपने दिनों से 1 जन॰ 2021 से 1 दिस॰ 2023 तक 1,065 दिन बनते हैं: अधिक से अधिक 366 हो सकते हैं। पहला और आखिरी दिन चुनें।",
			"बॉट के अपने दिन: इसमें 1,065 दिन होंगे, जबकि अधिक से अधिक 366 हो सकते हैं।",
		},
		{
			"too many, with one that was chosen", long, "en", []string{"from", "2022-01-01"},
			"The bot’s own days make it 700 days, from Jan 1, 2022 to Dec 1, 2023: 366 at most. Choose a first and a last day.",
			"The bot’s own days: that would be 1,065 days, and 366 are the most.",
		},
		{
			"none that have come", coming, "en", []string{"preset", "own"},
			"With the bot’s own days it would begin on Jan 1, 2100, after its end on " + today + ". Choose a first and a last day.",
			"The bot’s own days: they would begin on Jan 1, 2100, after their end on " + today + ".",
		},
		{
			"too many, which nobody asks for", long, "en", []string{"from", "2022-01-01", "to", "2022-01-02"}, "",
			"The bot’s own days: that would be 1,065 days, and 366 are the most.",
		},
	} {
		b := s.browser()
		b.header.Set("Accept-Language", c.language)
		for _, button := range []string{"check", "start"} {
			fields := append([]string{"channel", ourChannel, "conversation", c.conversation, "dataset", "uci-response-exhaust", "tag", "t", "do", button}, c.days...)
			got := b.post("/console/new?channel="+ourChannel, "/console/new", fields...)
			want := http.StatusOK
			if button == "start" {
				want = http.StatusUnprocessableEntity
				if c.fault == "" {
					want = http.StatusServiceUnavailable // it gets as far as Temporal
				}
			}
			isStartable := strings.Contains(got.body, `class="notice bad failing"`) || c.fault != "" && strings.Contains(got.body, "You can start it all the same")
			if got.status != want || !strings.Contains(got.body, `id="days-fault" data-fault-of="from to">`+c.fault+"</p>") || isStartable ||
				!strings.Contains(got.body, `id="preset-own" formnovalidate disabled`) || !strings.Contains(got.body, `id="preset-own-reason">`+c.reason+"</p>") {
				t.Errorf("%s, %s: %d, want %d: %s", c.name, button, got.status, want, got.body)
			}
		}
	}
}

// readDay is a day as an American reads it.
func readDay(day exhaust.Day) string { return day.Time().Format("Jan 2, 2006") }
