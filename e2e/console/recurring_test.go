package console

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"go.temporal.io/sdk/client"

	"data-exhaust/exhaust"
	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
)

func TestARecurringExhaustIsMadeByKeyboardAlone(t *testing.T) {
	s := shared(t)
	page := browsertest.Start(t).Open(t, s.at("/recurring/new?channel="+s.channel))
	page.WaitForText("Every Monday at 6:00")
	checkLooks(t, page, "recurring, new")
	tabTo(t, page, "#q")
	page.Do(chromedp.KeyEvent("VACCIN"))
	waitUntil(t, page, `document.querySelectorAll("#conversations .option").length === 1`)
	tabTo(t, page, "#bot-"+s.conversation)
	page.Do(chromedp.KeyEvent(" "))
	tabTo(t, page, "#preset-monthly")
	page.Do(chromedp.KeyEvent(kb.Enter))
	waitUntil(t, page, `document.querySelector("#cron").value === "0 6 1 * *"`)
	page.WaitForText("On the 1st of each month at 6:00")
	waitUntil(t, page, `document.querySelectorAll("#firings li").length === 5 && document.querySelector("#preset-monthly").ariaPressed === "true"`)
	if !hasFocus(page, "#preset-monthly") {
		t.Error("the button that filled in the cron expression has lost the focus")
	}
	tabTo(t, page, "#cron")
	page.Do(chromedp.KeyEvent("30 7 * * 3")) // in place of what stood there, which is selected
	page.WaitForText("Every Wednesday at 7:30")
	checkWednesdays(t, page)
	if shown := browsertest.Get(page, chromedp.Value(chromedp.CSS("#at"))); shown != "07:30" {
		t.Errorf("beside the cron expression that was typed stands the time %s", shown)
	}
	e2etest.Eventually(t, 20*time.Second, "what was typed leaves no schedule behind", func() bool { return len(s.previews(t)) == 0 })
	tabTo(t, page, "#start")
	page.Do(chromedp.KeyEvent(kb.Enter))
	page.WaitForText("It is set up.")
	id := idOfSchedule(t, page)
	made := s.readSchedule(t, id)
	if made.Cron != "30 7 * * 3" || made.Zone != "Asia/Kolkata" || made.Dataset != "uci-response-exhaust" || made.DatasetConfig.ConversationID != s.conversation {
		t.Errorf("the schedule is %+v", made)
	}
}

// checkWednesdays checks that five Wednesdays are shown that follow upon each other, each with the days from the one before to its
// Tuesday.
func checkWednesdays(t *testing.T, page *browsertest.Page) {
	t.Helper()
	times := browsertest.Get(page, chromedp.Evaluate[[]string](`[...document.querySelectorAll("#firings time")].map(time => time.dateTime)`))
	covers := browsertest.Get(page, chromedp.Evaluate[[]string](`[...document.querySelectorAll("#firings .under")].map(span => span.innerText)`))
	if len(times) != 5 || len(covers) != 5 {
		t.Fatalf("the next firings are %v of %v", times, covers)
	}
	for i, text := range times {
		at, err := time.Parse(time.RFC3339, text)
		e2etest.Must(t, err)
		at = at.In(e2etest.India)
		if at.Weekday() != time.Wednesday || at.Format("15:04") != "07:30" {
			t.Errorf("a firing is at %s", at)
		}
		want := "Covers " + at.AddDate(0, 0, -7).Format("Jan 2, 2006") + " – " + at.AddDate(0, 0, -1).Format("Jan 2, 2006")
		if covers[i] != want {
			t.Errorf("the firing at %s says %q, want %q", at, covers[i], want)
		}
	}
}

func TestARecurringExhaustIsTriggeredPausedChangedAndDeleted(t *testing.T) {
	s := shared(t)
	tag := e2etest.Serial("life-")
	id := s.schedule(t, tag, "0 5 * * *", `,"note":"for the district"`)
	page := browsertest.Start(t).Open(t, s.at("/recurring/"+id+"?channel="+s.channel))
	page.WaitForText("Every day at 5:00")
	page.WaitForText("It has not run yet.")
	page.Do(chromedp.Click(chromedp.CSS("#trigger")))
	page.WaitForText("One is made now.")
	waitUntil(t, page, `document.querySelector("[aria-labelledby=firings-title] a.state")?.innerText === "Ready"`) // the page keeps itself up to date
	link := browsertest.Get(page, chromedp.Evaluate[string](`document.querySelector("[aria-labelledby=firings-title] a.state").getAttribute("href")`))
	order := e2etest.Order{Dataset: e2etest.ResponseExhaust, Tag: tag, Channel: s.channel, Conversation: s.conversation}
	if job := s.Read(t, order, exhaustOf(t, link, tag)); job.Status != "SUCCESS" {
		t.Errorf("the exhaust is %+v", job)
	}
	page.WaitForText("The last one that was started, by itself or by hand.")
	row := browsertest.Get(page, chromedp.Evaluate[[]string](`[...document.querySelectorAll("[aria-labelledby=firings-title] thead th")].map(head => head.innerText)`))
	if want := []string{"Days", "State", "Due", "Rows"}; !slices.Equal(row, want) {
		t.Errorf("what was made last has the columns %q, want %q", row, want)
	}
	if all := browsertest.Get(page, chromedp.AttributeValue(chromedp.CSS("#all-files"), "href")).Value; all != "/console/exhausts?channel="+s.channel+"&tag="+tag {
		t.Errorf("all its files are at %s", all)
	}
	page.Do(chromedp.Click(chromedp.CSS("#pause")))
	page.WaitForText("nothing is made by itself until")
	if !s.readSchedule(t, id).Paused {
		t.Error("the schedule is not paused")
	}
	page.Do(chromedp.Click(chromedp.CSS("#resume")))
	page.WaitForText("It is running again.")
	if s.readSchedule(t, id).Paused {
		t.Error("the schedule is paused")
	}

	page.Do(chromedp.Navigate(s.at("/recurring/" + id + "/change?channel=" + s.channel)))
	page.WaitForText("Every day at 5:00")
	checkLooks(t, page, "recurring, change")
	page.Do(chromedp.Click(chromedp.CSS("#preset-weekly")))
	page.WaitForText("Every Monday at 5:00")
	choose(page, "note", "for the state")
	choose(page, "jitter", "2")
	page.Do(chromedp.Click(chromedp.CSS("#start")))
	page.WaitForText("Your changes are saved.")
	page.WaitForText("for the state")
	if now := s.readSchedule(t, id); now.Cron != "0 5 * * 1" || now.Note != "for the state" || now.Jitter != "2m" || now.Zone != "Asia/Kolkata" {
		t.Errorf("the schedule is %+v", now)
	}

	page.Do(chromedp.Navigate(s.at("/recurring?channel=" + s.channel)))
	page.WaitForText(tag)
	page.WaitForText("Every Monday at 5:00")
	checkLooks(t, page, "recurring")
	page.Do(chromedp.Navigate(s.at("/recurring/" + id + "/delete?channel=" + s.channel)))
	page.WaitForText("This cannot be undone.")
	checkLooks(t, page, "recurring, delete")
	page.Do(chromedp.Click(chromedp.CSS("#delete")))
	page.WaitForText("It is deleted.")
	if answer := e2etest.Call(t, http.MethodGet, s.URL+"/dataset/v1/schedule/"+id, s.channel, ""); answer.Status != http.StatusNotFound {
		t.Errorf("the schedule that was deleted is read as %+v", answer)
	}
}

func TestABackfillSaysWhatItMakesAndTheCalendarShowsIt(t *testing.T) {
	s := shared(t)
	tag := e2etest.Serial("backfill-")
	id := s.schedule(t, tag, "0 5 * * 1", "")
	// Two windows of last month, from the Monday of a week to the Sunday of the next.
	today := exhaust.DayOf(time.Now().In(e2etest.India))
	lastMonth := exhaust.DayOf((today[:8] + "01").Time().AddDate(0, -1, 0)).Add(7)
	monday := lastMonth.Add((8 - int(lastMonth.Time().Weekday())) % 7)
	page := browsertest.Start(t).Open(t, s.at("/recurring/"+id+"/backfill?channel="+s.channel))
	page.WaitForText("Choose days that are over.")
	choose(page, "from", string(monday.Add(1)))
	choose(page, "to", string(monday.Add(8)))
	page.Do(chromedp.Click(chromedp.CSS("#show")))
	page.WaitForText("2 files")
	for _, week := range []exhaust.Day{monday, monday.Add(7)} {
		page.WaitForText(week.Time().Format("Jan 2, 2006") + " – " + week.Add(6).Time().Format("Jan 2, 2006"))
	}
	checkLooks(t, page, "recurring, backfill")
	if made := s.list(t, tag); len(made) != 0 {
		t.Fatalf("before it was confirmed there are %v", made)
	}
	page.Do(chromedp.Click(chromedp.CSS("#backfill")))
	page.WaitForText("They are made now")
	waitUntil(t, page, `[...document.querySelectorAll(".month a.state")].filter(state => state.innerText === "Ready").length === 2`)
	covered := browsertest.Get(page, chromedp.Evaluate[[]string](
		`[...document.querySelectorAll(".month td.SUCCESS .day-number")].map(day => day.innerText)`))
	var want []string
	for i := range 14 {
		want = append(want, fmt.Sprint(monday.Add(i).Time().Day()))
	}
	if !slices.Equal(covered, want) {
		t.Errorf("the calendar has the days %v, want %v", covered, want)
	}
	checkLooks(t, page, "recurring, one")
	page.SetLook(browsertest.Look{Language: "hi-IN"})
	page.Do(chromedp.Reload())
	page.WaitForText("अभी एक बनाएँ")
	checkLooks(t, page, "recurring, one, Hindi")

	page.Do(chromedp.Navigate(s.at("/recurring/" + id + "/backfill?channel=" + s.channel + "&from=" + string(monday) + "&to=" + string(today.Add(1)))))
	page.WaitForText("अभी पूरा नहीं हुआ है।")
	page.TakeFaults() // the browser notes that the answer is 422
}

func TestAWrongCronExpressionStandsBesideItsFieldInTheReadersLanguage(t *testing.T) {
	s := shared(t)
	browser := browsertest.Start(t)
	for _, c := range []struct{ language, short, refused, never, zone string }{
		{"en-US", "“0 6 * *” is no cron expression",
			"“0 25 * 13 *” is no cron expression. Invalid schedule spec: Hour is not in range [0-23], Month is not in range [1-12]", "never comes", "There is no time zone “Asia/Nowhere”."},
		{"hi-IN", "“0 6 * *” cron एक्सप्रेशन नहीं है",
			"“0 25 * 13 *” cron एक्सप्रेशन नहीं है। घंटा: 0 से 23 तक होना चाहिए; महीना: 1 से 12 तक होना चाहिए", "कभी नहीं चलेगा", "“Asia/Nowhere” कोई समय क्षेत्र नहीं है।"},
	} {
		t.Run(c.language, func(t *testing.T) {
			page := browser.Open(t, s.at("/recurring/new?channel="+s.channel))
			page.SetLook(browsertest.Look{Language: c.language})
			page.Do(chromedp.Reload())
			waitUntil(t, page, `document.querySelectorAll("#firings li").length === 5`)
			waitForFault := func(field, fault string) {
				t.Helper()
				waitUntil(t, page, fmt.Sprintf(`document.querySelector("#%s-fault").innerText.includes(%q) && document.querySelector("#%[1]s").ariaInvalid === "true"`, field, fault))
				waitUntil(t, page, `document.querySelectorAll("#firings li").length === 0`)
			}
			typeInto(page, "cron", "0 6 * *")
			waitForFault("cron", c.short)
			if c.language == "hi-IN" {
				checkLooks(t, page, "recurring, new, Hindi")
			}
			typeInto(page, "cron", "0 25 * 13 *") // Temporal refuses it
			waitForFault("cron", c.refused)
			typeInto(page, "cron", "0 6 30 2 *")
			waitForFault("cron", c.never)
			typeInto(page, "cron", "0 6 * * *")
			waitUntil(t, page, `document.querySelectorAll("#firings li").length === 5 && document.querySelector("#cron").ariaInvalid !== "true"`)
			typeInto(page, "zone", "Asia/Nowhere")
			waitForFault("zone", c.zone)
		})
	}
}

func TestARecurringExhaustIsMadeWithoutScripts(t *testing.T) {
	s := shared(t)
	form := s.openForm(t)
	form.url = s.URL + "/console/recurring/new"
	fields := []string{"conversation", s.conversation, "dataset", "uci-private-exhaust", "purpose", "to call <them>", "cron", "0 6 * * 1", "zone", "Asia/Dubai", "at", "06:00", "shownAt", "06:00"}
	for _, c := range []struct {
		name, cron string
		change     []string
	}{
		{"a preset takes the time that is chosen", "15 9 * * *", []string{"preset", "daily", "at", "09:15"}},
		{"another time leaves the days", "15 9 * * 1", []string{"at", "09:15"}},
		{"a cron expression that is typed leaves the time that was shown", "1 2 3 * *", []string{"cron", "1 2 3 * *"}},
	} {
		if got := form.post(append(fields, append(c.change, "do", "check")...)...); got.StatusCode != http.StatusOK || got.value("cron") != c.cron {
			t.Errorf("%s: %s, %q, want %q", c.name, got.Status, got.value("cron"), c.cron)
		}
	}
	for _, c := range []struct {
		name, field, sentence string
		change                []string
	}{
		{"no bot", "conversation", "Choose a bot.", []string{"conversation", ""}},
		{"no cron expression", "cron", "Say when", []string{"cron", "", "at", ""}},
		{"a cron expression that fires once in four years", "cron", "That is too seldom", []string{"cron", "0 6 29 2 *"}},
		{"no zone that there is", "zone", "There is no time zone “Mars”.", []string{"zone", "Mars"}},
		{"more than a day of jitter", "jitter", "Give a number of minutes", []string{"jitter", "1441"}},
		{"jitter that is no number", "jitter", "Give a number of minutes", []string{"jitter", "soon"}},
		{"a note that is too long", "note", "500 characters at most", []string{"note", strings.Repeat("a", 501)}},
		{"a webhook without a service that signs it", "webhook", "Webhooks cannot be used here", []string{"webhook", "https://example.org"}},
		{"a tag with a blank", "tag", "“a b” cannot be used", []string{"tag", "a b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := form.post(append(fields, append(c.change, "do", "start")...)...)
			beside := regexp.MustCompile(`id="` + c.field + `-fault" data-fault-of="[^"]+">([^<]*)<`).FindStringSubmatch(got.text)
			if got.StatusCode != http.StatusUnprocessableEntity || beside == nil || !strings.Contains(beside[1], c.sentence) {
				t.Errorf("%s: beside %s stands %q, want %q", got.Status, c.field, beside, c.sentence)
			}
		})
	}
	right := form.post(append(fields, "do", "start")...)
	found := schedulePath.FindStringSubmatch(right.Header.Get("Location"))
	if right.StatusCode != http.StatusSeeOther || found == nil {
		t.Fatalf("making it: %s, %q", right.Status, right.Header.Get("Location"))
	}
	if made := s.readSchedule(t, found[1]); made.Cron != "0 6 * * 1" || made.Zone != "Asia/Dubai" || made.Dataset != "uci-private-exhaust" || made.Purpose != "to call <them>" {
		t.Errorf("the schedule is %+v", made)
	}
	e2etest.Eventually(t, 20*time.Second, "the list has it, in its own zone", func() bool {
		page := form.read(form.client.Get(s.URL + "/console/recurring?channel=" + s.channel))
		return strings.Contains(page.text, found[1]) && strings.Contains(page.text, "6:00 am &#43;04</time>")
	})
}

func TestTheWebhookSecretIsShownOnce(t *testing.T) {
	d := e2etest.NewDeployment(embedded(t), "EXHAUST_AUTH_BEHIND_GATEWAY=true", "EXHAUST_WEBHOOK_SECRET=webhook-secret-of-24-ch.", "EXHAUST_SEALING_KEY=sealing-key-of-23-chars")
	d.StartAPI(t)
	s := &site{Deployment: d, base: browsertest.At(d.URL), channel: e2etest.Serial("webhooks-"), conversation: "bot"}
	page := browsertest.Start(t).Open(t, s.at("/recurring/new?channel="+s.channel+"&conversation=bot"))
	page.Do(chromedp.Click(chromedp.CSS("details:not(.menu) summary")))
	choose(page, "webhook", "https://example.org/hook?token=abc")
	page.Do(chromedp.Click(chromedp.CSS("#start")))
	page.WaitForText("Keep this secret")
	secret := browsertest.Get(page, chromedp.Text(chromedp.CSS("#secret")))
	if !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("the secret is %q", secret)
	}
	checkLooks(t, page, "recurring, secret")
	if at := browsertest.Get(page, chromedp.Location()); !schedulePath.MatchString(at) {
		t.Errorf("loading the page anew would send the form once more, to %s", at)
	}
	page.Do(chromedp.Reload())
	page.WaitForText("It is set up.")
	text := browsertest.Get(page, chromedp.Evaluate[string](`document.documentElement.outerHTML`))
	if strings.Contains(text, "whsec_") || strings.Contains(text, "token=abc") || !strings.Contains(text, "example.org") {
		t.Errorf("the page of the schedule is %s", text)
	}
}

func TestThePageOfAChannelWithoutRecurringExhaustsSaysWhatTheyAreGoodFor(t *testing.T) {
	s := shared(t)
	page := browsertest.Start(t).Open(t, s.at("/recurring?channel=nothing-recurs"))
	page.WaitForText("Nothing recurs yet")
	checkLooks(t, page, "recurring, none")
}

func TestAChannelWithMoreRecurringExhaustsThanAPageHoldsShowsEachOnce(t *testing.T) {
	d := e2etest.NewDeployment(embedded(t), "EXHAUST_AUTH_BEHIND_GATEWAY=true")
	d.StartAPI(t)
	s := &site{Deployment: d, base: browsertest.At(d.URL), channel: e2etest.Serial("many-"), conversation: "bot"}
	const count = 103 // a page has 100
	ids := make([]string, count)
	for i := range ids {
		ids[i] = s.schedule(t, fmt.Sprintf("tag-%03d", i), "0 6 * * 1", "")
	}
	form := s.openForm(t)
	list := func(url string) htmlPage { return form.read(form.client.Get(s.URL + url)) }
	firstURL := "/console/recurring?channel=" + s.channel
	idOfRow := regexp.MustCompile(`id="schedule-([a-z2-7]{16})"`)
	link := regexp.MustCompile(`id="more" href="([^"]*)"`)
	var first, second htmlPage
	var found []string
	e2etest.Eventually(t, 20*time.Second, "two pages have all", func() bool {
		first = list(firstURL)
		more := link.FindStringSubmatch(first.text)
		if more == nil {
			return false
		}
		second, found = list(html.UnescapeString(more[1])), nil
		for _, row := range idOfRow.FindAllStringSubmatch(first.text+second.text, -1) {
			found = append(found, row[1])
		}
		return len(found) >= count
	})
	slices.Sort(ids)
	slices.Sort(found)
	if !slices.Equal(found, ids) {
		t.Errorf("the pages show %d, want the %d that were made", len(found), count)
	}
	if link.MatchString(second.text) || !strings.Contains(second.text, `id="first"`) || strings.Contains(first.text, `id="first"`) {
		t.Errorf("the last page is\n%s", second.text)
	}
	if gone := list(firstURL + "&after=zzzzzzzzzzzzzzzz"); !strings.Contains(gone.text, "No more of them") || strings.Contains(gone.text, "Nothing recurs yet") {
		t.Errorf("behind the last one stands\n%s", gone.text)
	}
}

func TestAScheduleOfPeopleIsShownToThoseAloneWhoHaveTheRight(t *testing.T) {
	d := e2etest.NewDeployment(embedded(t), "EXHAUST_AUTH=tokens")
	d.StartAPI(t)
	s := &site{Deployment: d, base: d.URL, channel: e2etest.Serial("rights-")}
	people, answers := s.signIn(t, e2etest.PrivateExhaust), s.signIn(t, e2etest.ResponseExhaust)
	made := people.post("conversation", "bot", "dataset", e2etest.PrivateExhaust, "cron", "0 6 * * 1", "zone", "Asia/Kolkata", "do", "start")
	found := schedulePath.FindStringSubmatch(made.Header.Get("Location"))
	if found == nil {
		t.Fatalf("making it: %s, %s", made.Status, made.text)
	}
	list := func(form *htmlForm) string {
		return form.read(form.client.Get(s.URL + "/console/recurring?channel=" + s.channel)).text
	}
	e2etest.Eventually(t, 20*time.Second, "the list has it", func() bool { return strings.Contains(list(people), found[1]) })
	if text := list(answers); !strings.Contains(text, "Nothing recurs yet") {
		t.Errorf("without the right the list is %s", text)
	}
	for _, part := range []string{"", "/change", "/backfill", "/delete"} {
		answers.url = s.URL + "/console/recurring/" + found[1] + part
		if got := answers.read(answers.client.Get(answers.url + "?channel=" + s.channel)); got.StatusCode != http.StatusForbidden {
			t.Errorf("without the right GET %s answers %s", part, got.Status)
		}
		if got := answers.post("do", "pause", "from", "2022-03-01", "to", "2022-03-02"); got.StatusCode != http.StatusForbidden {
			t.Errorf("without the right POST %s answers %s", part, got.Status)
		}
	}
	people.url = s.URL + "/console/recurring/" + found[1]
	if got := people.read(people.client.Get(people.url + "?channel=" + s.channel)); !strings.Contains(got.text, "Every Monday at 6:00") || strings.Contains(got.text, "It is paused") {
		t.Errorf("with the right the page is %s, %s", got.Status, got.text)
	}
}

// signIn is the form of a new schedule of somebody who has signed in, and who may ask for a dataset.
func (s *site) signIn(t *testing.T, dataset string) *htmlForm {
	t.Helper()
	token := e2etest.ExecStarter(t, s.Env, "token", "create", "--name", e2etest.Serial("reader-"), "--channel", s.channel, "--dataset", dataset, "--expires", "1h")
	form := s.openForm(t) // which leads to the page of signing in
	form.url = s.URL + "/console/sign-in"
	form.token = form.read(form.client.Get(form.url)).value("form")
	if in := form.post("token", strings.TrimSpace(token.Stdout)); in.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing in: %s, %+v", in.Status, token)
	}
	form.url = s.URL + "/console/recurring/new"
	form.token = form.read(form.client.Get(form.url + "?channel=" + s.channel)).value("form")
	return form
}

// typeInto types a text into a field in place of what stands there.
func typeInto(page *browsertest.Page, field, text string) {
	page.Do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.getElementById(%q).select()`, field)), chromedp.KeyEvent(text))
}

var schedulePath = regexp.MustCompile(`/console/recurring/([a-z2-7]{16})\?`)

// idOfSchedule is the id of the schedule whose page it is.
func idOfSchedule(t *testing.T, page *browsertest.Page) string {
	t.Helper()
	found := schedulePath.FindStringSubmatch(browsertest.Get(page, chromedp.Location()))
	if found == nil {
		t.Fatal("this is not the page of a schedule")
	}
	return found[1]
}

// scheduleAnswer is a schedule as the API answers it.
type scheduleAnswer struct {
	ScheduleID, Dataset, Cron, Zone, Jitter, Note, Purpose string
	DatasetConfig                                          struct{ ConversationID string }
	Paused                                                 bool
}

// schedule makes a schedule of answers of the site's conversation, and is its id. more are members of the request.
func (s *site) schedule(t *testing.T, tag, cron, more string) string {
	t.Helper()
	body := fmt.Sprintf(`{"request":{"dataset":"uci-response-exhaust","tag":%q,"requestedBy":"me","cron":%q,
		"datasetConfig":{"type":"uci-response-exhaust","conversationId":%q}%s}}`, tag, cron, s.conversation, more)
	answer := e2etest.Call(t, http.MethodPost, s.URL+"/dataset/v1/schedule", s.channel, body)
	return e2etest.Result[scheduleAnswer](t, answer).ScheduleID
}

func (s *site) readSchedule(t *testing.T, id string) scheduleAnswer {
	t.Helper()
	return e2etest.Result[scheduleAnswer](t, e2etest.Call(t, http.MethodGet, s.URL+"/dataset/v1/schedule/"+id, s.channel, ""))
}

// list are the exhausts of a tag.
func (s *site) list(t *testing.T, tag string) []json.RawMessage {
	t.Helper()
	return e2etest.Result[struct{ Jobs []json.RawMessage }](t, e2etest.Call(t, http.MethodGet, s.RequestURL("list/"+tag), s.channel, "")).Jobs
}

// previews are the ids of Temporal's schedules that were made for what somebody typed.
func (s *site) previews(t *testing.T) (ids []string) {
	t.Helper()
	list, err := s.Client.ScheduleClient().List(t.Context(), client.ScheduleListOptions{})
	e2etest.Must(t, err)
	for list.HasNext() {
		entry, err := list.Next()
		e2etest.Must(t, err)
		if strings.HasPrefix(entry.ID, "exhaust-preview-") {
			ids = append(ids, entry.ID)
		}
	}
	return ids
}
