package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
	"data-exhaust/internal/sample"
)

func TestTheWayFromThePickerToTheFileAndItsChartsGoesByKeyboardAlone(t *testing.T) {
	s := shared(t)
	page := browsertest.Start(t).Open(t, s.newAt(""))
	tabTo(t, page, "#q")
	page.Do(chromedp.KeyEvent("VACCIN"))
	waitUntil(t, page, `document.querySelectorAll("#conversations .option").length === 1`)
	tabTo(t, page, "#bot-"+s.conversation)
	page.Do(chromedp.KeyEvent(" "))
	page.WaitForText("Reads")
	waitUntil(t, page, `document.querySelector("#tag").value === "vaccination-helpdesk-sample"`)
	tabTo(t, page, "#preset-yesterday")
	yesterday := todayOf(page).Add(-1)
	page.Do(chromedp.KeyEvent(kb.Enter))
	waitForDays(t, page, yesterday, yesterday)
	if !hasFocus(page, "#preset-yesterday") {
		t.Error("the button that filled in the days has lost the focus")
	}
	waitUntil(t, page, `document.querySelector("#estimate").innerText.includes("1 day")`)
	tag := e2etest.Serial("keyboard-")
	tabTo(t, page, "#tag")
	page.Do(chromedp.KeyEvent(tag)) // in place of what was suggested, which is selected
	tabTo(t, page, "#start")
	page.Do(chromedp.KeyEvent(kb.Enter))
	order := e2etest.Order{Dataset: e2etest.ResponseExhaust, Tag: tag, Channel: s.channel, Conversation: s.conversation}
	id := pageOfExhaust(t, page, tag)
	page.WaitForText("Ready")
	job := s.Read(t, order, id)
	if want := fmt.Sprintf(`{"conversationId":%q,"endDate":%q,"startDate":%q,"type":"uci-response-exhaust"}`,
		s.conversation, yesterday, yesterday); string(job.DatasetConfig) != want {
		t.Errorf("the exhaust is of %s, want %s", job.DatasetConfig, want)
	}

	tabTo(t, page, `a.primary[href*="/file?"]`)
	_, content := page.Download(chromedp.KeyEvent(kb.Enter))
	file := s.file(t, order, id)
	if !bytes.Equal(content, file) {
		t.Errorf("the file has %d bytes, the API's has %d", len(content), len(file))
	}
	page.TakeFaults() // the store is at another name
	page.Do(chromedp.Reload())
	tabTo(t, page, `a[href*="/charts?"]`)
	page.Do(chromedp.KeyEvent(kb.Enter))
	page.WaitForText("Rows a day")
	if all := len(rows(t, file)); all == 0 {
		t.Error("the file has no rows")
	} else {
		page.WaitForText(fmt.Sprintf("Rows in the file\n%d", all))
	}
}

func TestThePageOfANewExhaustLooksWell(t *testing.T) {
	s := shared(t)
	browser := browsertest.Start(t)
	page := browser.Open(t, s.newAt(""))
	page.WaitForText("Choose a bot, and this says")
	checkLooks(t, page, "new exhaust, empty")
	page = browser.Open(t, s.newAt("dataset=uci-private-exhaust&preset=week&conversation="+s.conversation))
	page.WaitForText("Reads")
	page.WaitForText("What you need it for")
	checkLooks(t, page, "new exhaust")
	page = browser.Open(t, s.newAt("from=2021-01-01&to=2022-02-04&conversation="+s.conversation))
	page.WaitForText("366 days at most")
	checkLooks(t, page, "new exhaust, too many days")
	page.SetLook(browsertest.Look{Language: "hi-IN"})
	page.Do(chromedp.Navigate(s.newAt("preset=week&conversation=" + s.conversation)))
	page.WaitForText("नया एग्ज़ॉस्ट")
	checkLooks(t, page, "new exhaust, Hindi")
}

func TestEachPresetFillsInItsDays(t *testing.T) {
	s := shared(t)
	conversation := s.find(t, "Kisan Mitra") // of which no other test makes exhausts
	page := browsertest.Start(t).Open(t, s.newAt("conversation="+conversation))
	today := todayOf(page)
	firstOfMonth := today[:8] + "01"
	lastOfMonth := firstOfMonth.Add(-1)
	waitForDays(t, page, today.Add(-7), today.Add(-1)) // before anybody says anything
	for _, c := range []struct {
		preset   string
		from, to exhaust.Day
	}{
		{"yesterday", today.Add(-1), today.Add(-1)},
		{"week", today.Add(-7), today.Add(-1)},
		{"month", lastOfMonth[:8] + "01", lastOfMonth},
		{"own", "", ""},
	} {
		pressPreset(page, c.preset)
		waitForDays(t, page, c.from, c.to)
		waitUntil(t, page, fmt.Sprintf(`document.querySelector("#preset-%s").ariaPressed === "true"`, c.preset))
	}
	page.Do(chromedp.Click(chromedp.CSS(`label[for=dataset-uci-private-exhaust]`)))
	waitUntil(t, page, `document.querySelector("#preset-own").innerText === "Everybody registered"`)

	s.make(t, conversation, today.Add(-12), today.Add(-9))
	page.Do(chromedp.Reload())
	pressPreset(page, "since")
	waitForDays(t, page, today.Add(-8), today.Add(-1))

	s.make(t, conversation, today.Add(-8), today.Add(-1))
	page.Do(chromedp.Reload())
	waitUntil(t, page, `document.querySelector("#preset-since").disabled`)
	page.WaitForText("so there is nothing since.")

	page.Do(chromedp.Navigate(s.newAt("conversation=" + s.find(t, "पढ़ो")))) // of which nobody makes any
	waitUntil(t, page, `document.querySelector("#preset-since").disabled`)
	page.WaitForText("Since the last exhaust: there is none yet that is ready.")
}

func TestWhatIsWrongWithTheDaysStandsBesideThemInTheReadersLanguage(t *testing.T) {
	s := shared(t)
	browser := browsertest.Start(t)
	for _, c := range []struct{ language, reversed, tooMany, tooLate string }{
		{
			"en-US", "The first day, Mar 2, 2022, is after the last, Mar 1, 2022.", "366 days at most; you chose 400.",
			"has not come yet. Choose a day up to today",
		},
		{
			"hi-IN", "पहला दिन, 2 मार्च 2022, आखिरी दिन, 1 मार्च 2022, के बाद का है।", "अधिक से अधिक 366 दिन; आपने 400 चुने हैं।",
			"अभी नहीं आया है। आज",
		},
	} {
		t.Run(c.language, func(t *testing.T) {
			page := browser.Open(t, s.newAt("conversation="+s.conversation))
			page.SetLook(browsertest.Look{Language: c.language})
			page.Do(chromedp.Reload())
			waitForFault := func(field, fault string) {
				t.Helper()
				waitUntil(t, page, fmt.Sprintf(`document.querySelector("#%s-fault").innerText.includes(%q) && document.querySelector("#to").ariaInvalid === "true"`, field, fault))
			}
			choose(page, "from", "2022-03-02")
			choose(page, "to", "2022-03-01")
			waitForFault("days", c.reversed)
			choose(page, "from", "2022-02-28")
			waitUntil(t, page, `document.querySelector("#days-fault").innerText === "" && document.querySelector("#to").ariaInvalid !== "true"`)
			choose(page, "from", "2021-01-01")
			choose(page, "to", "2022-02-04") // 365 days of 2021, 31 and 4
			waitForFault("days", c.tooMany)
			choose(page, "to", string(todayOf(page).Add(1)))
			waitForFault("to", c.tooLate)
			waitForDays(t, page, "2021-01-01", todayOf(page).Add(1))
		})
	}
}

// openWithOwnTag is the form with the tag my-own, in which a bot was chosen after it was typed.
func (s *site) openWithOwnTag(t *testing.T) *browsertest.Page {
	t.Helper()
	page := browsertest.Start(t).Open(t, s.newAt(""))
	choose(page, "tag", "my-own")
	page.Do(chromedp.Click(chromedp.CSS("label[for=bot-" + s.conversation + "]")))
	page.WaitForText("Reads")
	return page
}

func TestWhatSomebodyTypesOrChoosesStaysWhateverComesMeanwhile(t *testing.T) {
	s := shared(t)
	page := s.openWithOwnTag(t)
	if tag := browsertest.Get(page, chromedp.Value(chromedp.CSS("#tag"))); tag != "my-own" {
		t.Errorf("the tag that was typed has become %q", tag)
	}
	page.Do(chromedp.SendKeys(chromedp.CSS("#q"), "kisan"))
	waitUntil(t, page, `document.querySelectorAll("#conversations .option").length === 2`) // what is found, and what was chosen
	if chosen := browsertest.Get(page, chromedp.Value(chromedp.CSS("[name=conversation]:checked"))); chosen != s.conversation {
		t.Errorf("the choice has become %q", chosen)
	}
	if !hasFocus(page, "#q") {
		t.Error("the field that was typed into has lost the focus")
	}
	page.Do(chromedp.KeyEvent(kb.Enter)) // which looks at the form, and starts nothing
	waitUntil(t, page, `document.querySelector("#tag").value === "my-own"`)
	if at := browsertest.Get(page, chromedp.Location()); !strings.Contains(at, "/console/new?") {
		t.Errorf("Enter in the search has led to %s", at)
	}
}

func TestAChoiceMadeWhileOthersAreLookedForStays(t *testing.T) {
	s := shared(t)
	browser := browsertest.Start(t)
	for _, c := range []struct {
		search  string
		options int
	}{
		{"vaccin", 1}, // it is among what is found
		{"kisan", 2},  // it stays beside what is found
	} {
		page := browser.Open(t, s.newAt(""))
		radio := "bot-" + s.conversation
		meanwhile(page, fmt.Sprintf(`document.getElementById(%q).checked = true; document.getElementById(%q).focus()`, radio, radio))
		page.Do(chromedp.SendKeys(chromedp.CSS("#q"), c.search))
		waitUntil(t, page, fmt.Sprintf(`document.querySelectorAll("#conversations .option").length === %d`, c.options))
		if chosen := browsertest.Get(page, chromedp.Evaluate[string](`document.querySelector("[name=conversation]:checked")?.value ?? ""`)); chosen != s.conversation {
			t.Errorf("%s: the choice has become %q", c.search, chosen)
		}
		if !hasFocus(page, "#"+radio) {
			t.Errorf("%s: the choice has lost the focus", c.search)
		}
	}
}

func TestATagTypedWhileOneIsSuggestedStays(t *testing.T) {
	s := shared(t)
	page := browsertest.Start(t).Open(t, s.newAt(""))
	meanwhile(page, `document.getElementById("tag").value = "my-own"`)
	page.Do(chromedp.Click(chromedp.CSS("label[for=bot-" + s.conversation + "]")))
	page.WaitForText("Reads")
	if tag := browsertest.Get(page, chromedp.Value(chromedp.CSS("#tag"))); tag != "my-own" {
		t.Errorf("the tag that was typed has become %q", tag)
	}
}

// meanwhile has something done when the page has sent what it wants to know, and has no answer yet.
func meanwhile(page *browsertest.Page, do string) {
	page.Do(chromedp.Evaluate[chromedp.Void](`document.addEventListener("htmx:beforeSend", () => {` + do + `}, {once: true})`))
}

func TestAnExhaustThatIsThereIsFoundAndNotMadeAgain(t *testing.T) {
	s := shared(t)
	tag, form := e2etest.Serial("twice-"), s.openForm(t)
	fields := []string{"conversation", s.conversation, "dataset", "uci-response-exhaust", "from", "2022-03-01", "to", "2022-03-02", "tag", tag, "runAt", "nightly"}
	if got := form.post(append(fields, "do", "check")...); got.StatusCode != http.StatusOK || strings.Contains(got.text, "You have this exhaust already") ||
		!strings.Contains(got.text, "It would fail: <span>nobody answered anything in these days") || !strings.Contains(got.text, "<dd>Mar 1, 2022 – Mar 2, 2022</dd>") {
		t.Fatalf("before it is there: %s, %s", got.Status, got.text)
	}
	first := form.post(append(fields, "do", "start")...)
	if first.StatusCode != http.StatusSeeOther {
		t.Fatalf("starting it: %s, %s", first.Status, first.text)
	}
	got := form.post(append(fields, "do", "check")...)
	for _, want := range []string{"You have this exhaust already", ">Tonight</span>", `href="` + first.Header.Get("Location") + `"`} {
		if !strings.Contains(got.text, want) {
			t.Errorf("once it is there the page does not say %q: %s", want, got.text)
		}
	}
	if again := form.post(append(fields, "do", "start")...); again.Header.Get("Location") != first.Header.Get("Location") {
		t.Errorf("starting it again leads to %q, want %q", again.Header.Get("Location"), first.Header.Get("Location"))
	}
}

func TestTheFormWorksWithoutScripts(t *testing.T) {
	s := shared(t)
	form := s.openForm(t)
	found := form.post("q", "vaccin", "do", "find")
	if !strings.Contains(found.text, helpdesk) || strings.Contains(found.text, "Kisan Mitra") {
		t.Errorf("what is found by vaccin: %s", found.text)
	}
	tag := e2etest.Serial("scriptless-")
	fields := []string{"conversation", s.conversation, "dataset", "uci-private-exhaust", "tag", tag, "runAt", "now", "purpose", "to call <them>", "q", "vaccin"}
	preset := form.post(append(fields, "preset", "own", "from", "2022-03-01", "to", "2022-03-02")...)
	if preset.StatusCode != http.StatusOK || preset.value("from") != "" || preset.value("to") != "" || preset.value("tag") != tag {
		t.Errorf("a preset: %s, %s", preset.Status, preset.text)
	}
	wrong := form.post(append(fields, "do", "start", "from", "2022-03-01", "to", "2022-02-30")...)
	if wrong.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(wrong.text, `<p class="fault" id="to-fault" data-fault-of="to">“2022-02-30” is not a day.`) {
		t.Errorf("a wrong day: %s, %s", wrong.Status, wrong.text)
	}
	for name, want := range map[string]string{
		"from": "2022-03-01", "to": "2022-02-30", "tag": tag, "purpose": "to call &lt;them&gt;", "q": "vaccin",
	} {
		if got := wrong.value(name); got != want {
			t.Errorf("behind a mistake %s is %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(wrong.text, `value="`+s.conversation+`" checked`) || !strings.Contains(wrong.text, `value="uci-private-exhaust" checked`) {
		t.Errorf("behind a mistake what was chosen is not: %s", wrong.text)
	}
	right := form.post(append(fields, "do", "start", "from", "", "to", "")...)
	order := e2etest.Order{Dataset: e2etest.PrivateExhaust, Tag: tag, Channel: s.channel, Conversation: s.conversation}
	job := s.Read(t, order, exhaustOf(t, right.Header.Get("Location"), tag))
	if want := fmt.Sprintf(`{"conversationId":%q,"type":"uci-private-exhaust"}`, s.conversation); string(job.DatasetConfig) != want {
		t.Errorf("the exhaust is of %s, want %s", job.DatasetConfig, want)
	}
}

func TestEachMistakeStandsBesideItsField(t *testing.T) {
	s := shared(t)
	form := s.openForm(t)
	today := exhaust.DayOf(time.Now().In(e2etest.India))
	for _, c := range []struct {
		name, field, sentence string
		change                []string
	}{
		{"no bot", "conversation", "Choose a bot.", []string{"conversation", ""}},
		{"what is no id", "conversation", "“a b” cannot be used", []string{"conversation", "a b"}},
		{"no tag", "tag", "Give it a tag.", []string{"tag", ""}},
		{"a tag with a blank", "tag", "“a b” cannot be used", []string{"tag", "a b"}},
		{"no dataset that there is", "dataset", "There is no such file.", []string{"dataset", "everything"}},
		{"a first day that is none", "from", "“soon” is not a day.", []string{"from", "soon"}},
		{"a last day to come", "to", "has not come yet", []string{"to", string(today.Add(2))}},
		{"too many days", "days", "366 days at most; you chose 400.", []string{"from", "2021-01-01", "to", "2022-02-04"}},
		{"a purpose that is too long", "purpose", "500 characters at most", []string{"dataset", "uci-private-exhaust", "purpose", strings.Repeat("a", 501)}},
		{"a search that nothing can be found by", "q", "Nothing can be found by that", []string{"q", strings.Repeat("a", 256)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields := []string{"conversation", s.conversation, "dataset", "uci-response-exhaust", "from", "2022-03-01", "to", "2022-03-02", "tag", "mistakes", "do", "start"}
			if c.field == "q" {
				fields[len(fields)-1] = "find"
			}
			got := form.post(append(fields, c.change...)...)
			beside := regexp.MustCompile(`id="` + c.field + `-fault" data-fault-of="[^"]+">([^<]*)<`).FindStringSubmatch(got.text)
			if beside == nil || !strings.Contains(beside[1], c.sentence) {
				t.Errorf("beside %s stands %q, want %q", c.field, beside, c.sentence)
			}
		})
	}
}

// siteOfBot is a service whose registry has one bot, with these days of its own.
func siteOfBot(t *testing.T, start, end string) *site {
	registry := "sqlite://" + filepath.Join(t.TempDir(), "uci.db")
	db, err := database.Open(t.Context(), registry)
	e2etest.Must(t, err)
	defer db.Close()
	e2etest.Must(t, sample.CreateEmbeddedTables(t.Context(), db))
	const id = "00000000-0000-4000-8000-000000000001"
	_, err = db.Exec(t.Context(), `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, 'Helpdesk', $2, $3, $4)`, id, e2etest.Channel, start, end)
	e2etest.Must(t, err)
	d := e2etest.NewDeployment(embedded(t), "UCI_DATABASE_URL="+registry, "EXHAUST_AUTH_BEHIND_GATEWAY=true")
	d.StartAPI(t)
	return &site{Deployment: d, base: browsertest.At(d.URL), channel: e2etest.Channel, conversation: id}
}

func TestADayOfABotsOwnThatIsNoDateIsSaidBesideTheDays(t *testing.T) {
	s := siteOfBot(t, "soon", "")
	s.base = s.Deployment.URL
	got := s.openForm(t).post("conversation", s.conversation, "dataset", "uci-response-exhaust", "tag", "undated", "preset", "own", "do", "check")
	if got.StatusCode != http.StatusOK || strings.Contains(got.text, "It would fail") || !strings.Contains(got.text,
		`id="days-fault" data-fault-of="from to">One of the bot’s own days is no date. Choose a first and a last day.</p>`) {
		t.Errorf("%s: %s", got.Status, got.text)
	}
}

func TestWhatIsWrongWithABotsOwnDaysIsSaidAsSoonAsTheyCount(t *testing.T) {
	s := siteOfBot(t, "2021-01-01", "2023-12-01")
	page := browsertest.Start(t).Open(t, s.newAt(""))
	page.Do(chromedp.Click(chromedp.CSS("label[for=bot-" + s.conversation + "]")))
	waitUntil(t, page, `document.querySelector("#preset-own").disabled`)
	page.WaitForText("The bot’s own days: that would be 1,065 days, and 366 are the most.")
	const fault = `document.querySelector("#days-fault").innerText`
	if said := browsertest.Get(page, chromedp.Evaluate[string](fault)); said != "" {
		t.Errorf("of days that were chosen it is said: %s", said)
	}
	choose(page, "from", "")
	choose(page, "to", "")
	waitUntil(t, page, fault+` === "The bot’s own days make it 1,065 days, from Jan 1, 2021 to Dec 1, 2023: 366 at most. Choose a first and a last day."`)
	waitUntil(t, page, `document.querySelector("#start").innerText === "Make the file"`)
	waitUntil(t, page, `document.querySelector("#from").ariaInvalid === "true"`)
	checkLooks(t, page, "new exhaust, own days")
	pressPreset(page, "week")
	waitUntil(t, page, fault+` === ""`)
}

func TestAPurposeIsAskedForWhereTheServiceWantsOne(t *testing.T) {
	d := e2etest.NewDeployment(embedded(t), "EXHAUST_PRIVATE_PURPOSE=required", "EXHAUST_MODE=nightly", "EXHAUST_NIGHTLY_CRON=30 1 * * *")
	d.StartAPI(t)
	s := &site{Deployment: d, base: d.URL, channel: e2etest.Channel}
	now := time.Now().In(e2etest.India)
	night := time.Date(now.Year(), now.Month(), now.Day(), 1, 30, 0, 0, e2etest.India)
	if !night.After(now) {
		night = night.AddDate(0, 0, 1)
	}
	got := s.openForm(t).post("conversation", "bot", "dataset", "uci-private-exhaust", "tag", "purpose", "do", "start")
	for _, want := range []string{"Say in a sentence what you need the file for.", "asks it of everybody", `value="nightly" checked`, night.Format("Jan 2, 2006") + ", 1:30 am IST"} {
		if !strings.Contains(got.text, want) {
			t.Errorf("the page does not say %q: %s", want, got.text)
		}
	}
}

// waitUntil waits until an expression is true of the page.
func waitUntil(t *testing.T, page *browsertest.Page, expression string) {
	t.Helper()
	page.Do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression))
		if err != nil {
			return fmt.Errorf("wait until %s: %w", expression, err)
		}
		return nil
	}))
}

func hasFocus(page *browsertest.Page, selector string) bool {
	return browsertest.Get(page, chromedp.Evaluate[bool](fmt.Sprintf(`document.activeElement.matches(%q)`, selector)))
}

// tabTo presses the tab key until an element has the focus.
func tabTo(t *testing.T, page *browsertest.Page, selector string) {
	t.Helper()
	page.Do(chromedp.WaitVisible(chromedp.CSS(selector)))
	for presses := 0; !hasFocus(page, selector); presses++ {
		if presses > 60 {
			t.Fatalf("the tab key does not come to %s", selector)
		}
		page.Do(chromedp.KeyEvent(kb.Tab))
	}
}

// todayOf is the last day that the page lets one choose.
func todayOf(page *browsertest.Page) exhaust.Day {
	return exhaust.Day(browsertest.Get(page, chromedp.Evaluate[string](`document.querySelector("#to").max`)))
}

func waitForDays(t *testing.T, page *browsertest.Page, from, to exhaust.Day) {
	t.Helper()
	waitUntil(t, page, fmt.Sprintf(`document.querySelector("#from").value === %q && document.querySelector("#to").value === %q`, from, to))
}

func pressPreset(page *browsertest.Page, preset string) {
	page.Do(chromedp.Click(chromedp.CSS("#preset-" + preset)))
}

// choose gives a field a value, as picking one from a calendar does.
func choose(page *browsertest.Page, field, value string) {
	page.Do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`{
		const field = document.getElementById(%q);
		field.value = %q;
		field.dispatchEvent(new Event("change", {bubbles: true}));
	}`, field, value)))
}

// pageOfExhaust waits for the page of an exhaust, and is its requestId.
func pageOfExhaust(t *testing.T, page *browsertest.Page, tag string) string {
	t.Helper()
	at := ""
	e2etest.Eventually(t, 30*time.Second, "the page of the exhaust is there", func() bool {
		at = browsertest.Get(page, chromedp.Location())
		return exhaustPath.MatchString(at)
	})
	return exhaustOf(t, at, tag)
}

var exhaustPath = regexp.MustCompile(`/console/exhausts/([^/]+)/([0-9A-F]{32})\?channel=`)

// exhaustOf is the requestId in the URL of an exhaust's page.
func exhaustOf(t *testing.T, at, tag string) string {
	t.Helper()
	found := exhaustPath.FindStringSubmatch(at)
	if found == nil || found[1] != tag {
		t.Fatalf("%q is not the page of an exhaust of %s", at, tag)
	}
	return found[2]
}

// newAt is the URL of the page, with a query.
func (s *site) newAt(query string) string { return s.at("/new?channel=" + s.channel + "&" + query) }

// find is the id of the conversation whose name holds a text.
func (s *site) find(t *testing.T, name string) string {
	t.Helper()
	var found struct{ Conversations []struct{ ID string } }
	answer := e2etest.Call(t, http.MethodGet, s.URL+"/dataset/v1/conversation?q="+url.QueryEscape(name), s.channel, "")
	e2etest.Must(t, json.Unmarshal(e2etest.Result[json.RawMessage](t, answer), &found))
	if len(found.Conversations) != 1 {
		t.Fatalf("%q is the name of %+v", name, found)
	}
	return found.Conversations[0].ID
}

// make makes an exhaust of answers, and waits until it is ready.
func (s *site) make(t *testing.T, conversation string, from, to exhaust.Day) {
	t.Helper()
	order := e2etest.Order{
		Dataset: e2etest.ResponseExhaust, Tag: e2etest.Serial("made-"), By: "me", Channel: s.channel, Conversation: conversation,
		Start: string(from), End: string(to),
	}
	job := s.Watch(order, s.Submit(t, order).RequestID).End(t, time.Minute)
	if job.Status != "SUCCESS" {
		t.Fatalf("the exhaust is %+v", job)
	}
}

// htmlForm is the form of a new exhaust in a browser without scripts.
type htmlForm struct {
	t            *testing.T
	client       *http.Client
	url, channel string
	token        string
}

// htmlPage is an answer to it.
type htmlPage struct {
	*http.Response
	text string
}

// openForm opens the page.
func (s *site) openForm(t *testing.T) *htmlForm {
	t.Helper()
	jar, err := cookiejar.New(nil)
	e2etest.Must(t, err)
	form := &htmlForm{t: t, url: s.URL + "/console/new", channel: s.channel, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	response, err := form.client.Get(form.url + "?channel=" + s.channel)
	form.token = form.read(response, err).value("form")
	return form
}

// post sends the form with values by their names, of which the last of a name counts, in turns of name and value.
func (f *htmlForm) post(pairs ...string) htmlPage {
	f.t.Helper()
	values := url.Values{"form": {f.token}, "channel": {f.channel}}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return f.read(f.client.PostForm(f.url, values))
}

func (f *htmlForm) read(response *http.Response, err error) htmlPage {
	f.t.Helper()
	e2etest.Must(f.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	e2etest.Must(f.t, err)
	return htmlPage{response, string(text)}
}

// value is the value of a field, as it is written in the page.
func (p htmlPage) value(name string) string {
	field := regexp.MustCompile(`<input [^>]*name="` + name + `"[^>]*>`).FindString(p.text)
	found := regexp.MustCompile(` value="([^"]*)"`).FindStringSubmatch(field)
	if found == nil {
		return ""
	}
	return found[1]
}

func TestWhoeverComesBackToTheFormOrTakesAnotherLanguageFindsWhatHeChose(t *testing.T) {
	s := shared(t)
	page := s.openWithOwnTag(t)
	page.Do(chromedp.Click(chromedp.CSS(".path a")))
	page.WaitForText("newest first")
	page.Do(chromedp.NavigateBack())
	page.WaitForText("Reads") // the estimate is asked for anew
	if tag := browsertest.Get(page, chromedp.Value(chromedp.CSS("#tag"))); tag != "my-own" {
		t.Errorf("the tag that was typed has become %q", tag)
	}
	page.Do(chromedp.Click(chromedp.CSS(".menu summary")))
	page.Do(chromedp.Click(chromedp.CSS("button[value=hi]")))
	page.WaitForText("पढ़ना होगा")
	if tag := browsertest.Get(page, chromedp.Value(chromedp.CSS("#tag"))); tag != "my-own" {
		t.Errorf("in another language the tag that was typed has become %q", tag)
	}
}
