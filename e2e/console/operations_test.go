package console

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.temporal.io/sdk/client"

	"data-exhaust/database"
	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
)

// ownDatabase is the setting of a database that no other test puts failures into.
func ownDatabase(t *testing.T) string {
	return "EXHAUST_DATABASE_URL=sqlite://" + filepath.Join(t.TempDir(), "exhaust.db")
}

// silentDay has no telemetry until a test puts some there.
const silentDay = "2022-03-01"

// failNight has a night run exhausts of a day without telemetry, so that all of them fail.
func (s *site) failNight(t *testing.T, count int) (orders []e2etest.Order, ids []string) {
	t.Helper()
	for range count {
		order := e2etest.Order{
			Dataset: e2etest.ResponseExhaust, Tag: e2etest.Serial("night-"), By: "me", Channel: s.channel, Conversation: s.conversation,
			Start: silentDay, End: silentDay, RunAt: "nightly",
		}
		orders, ids = append(orders, order), append(ids, s.Submit(t, order).RequestID)
	}
	schedule := s.Client.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly")
	e2etest.Must(t, schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	s.becomes(t, orders, ids, "FAILED")
	return orders, ids
}

// becomes waits until all these exhausts are in a status.
func (s *site) becomes(t *testing.T, orders []e2etest.Order, ids []string, status string) {
	t.Helper()
	for i, order := range orders {
		e2etest.Eventually(t, 2*time.Minute, order.Tag+" becomes "+status, func() bool { return s.Read(t, order, ids[i]).Status == status })
	}
}

func TestAFailedNightIsBroughtRightInFourClicks(t *testing.T) {
	s := startSite(t, ownDatabase(t))
	orders, ids := s.failNight(t, 3)
	page := browsertest.Start(t).Open(t, s.at("/exhausts"))
	clicks := 0
	click := func(selector string) {
		t.Helper()
		clicks++
		page.Do(chromedp.Click(chromedp.CSS(selector)))
	}

	click(`nav a[href*="/console/operations"]`)
	page.WaitForText("3 exhausts have failed since last night.")
	page.WaitForText("No data found") // why
	page.WaitForText("0 ready, 3 failed, 0 cancelled")
	page.WaitForText("All 59 days have their telemetry.")
	checkLooks(t, page, "operations")

	// What was missing has come meanwhile.
	s.Telemetry.Put(t, silentDay+"-1.jsonl", []byte(fmt.Sprintf(`{"eid":"ASSESS","mid":"m","@timestamp":"2022-03-01T10:00:00.000Z","context":{"channel":%q,`+
		`"did":"nobody","cdata":[{"type":"Conversation","id":%q}]},"edata":{}}`+"\n", s.channel, s.conversation)))
	click("#again-0")
	page.WaitForText("3 exhausts have failed with this reason, and will run again.")
	for _, order := range orders {
		page.WaitForText(order.Tag)
	}
	checkLooks(t, page, "run again")
	click("#start")
	page.WaitForText("3 exhausts started.")
	s.becomes(t, orders, ids, "SUCCESS")
	page.WaitForText("All is well: nothing has failed since last night.") // the page keeps itself up to date
	checkLooks(t, page, "operations, started")
	if clicks > 4 {
		t.Errorf("it took %d clicks", clicks)
	}
	for i, order := range orders {
		if got := s.Read(t, order, ids[i]); got.Attempts != 1 {
			t.Errorf("%s is in attempt %d", order.Tag, got.Attempts)
		}
	}

	page.SetLook(browsertest.Look{Language: "hi-IN"})
	page.Do(chromedp.Navigate(s.at("/operations")))
	page.WaitForText("सब ठीक है")
	checkLooks(t, page, "operations, Hindi")
}

// TestThePagesOfOperationsComeWithinASecondOfTenThousandFailures asks a browser when it had the whole page.
func TestThePagesOfOperationsComeWithinASecondOfTenThousandFailures(t *testing.T) {
	setting := ownDatabase(t)
	s := startSite(t, setting)
	order := s.order(e2etest.ResponseExhaust, silentDay, silentDay)
	s.becomes(t, []e2etest.Order{order}, []string{s.Submit(t, order).RequestID}, "FAILED")
	multiply(t, strings.TrimPrefix(setting, "EXHAUST_DATABASE_URL="), 9_999)
	page := browsertest.Start(t).Open(t, s.at("/operations"))
	page.WaitForText("10,000 exhausts have failed since last night.")
	checkLooks(t, page, "operations, many failures")
	for _, path := range []string{"/operations", "/operations?since=any", "/operations/again?message=" + url.QueryEscape("No data found")} {
		page.Do(chromedp.Navigate(s.at(path)))
		page.WaitForText("10,000")
		took := browsertest.Get(page, chromedp.Evaluate[float64](`performance.getEntriesByType("navigation")[0].responseEnd`))
		t.Logf("%s: %.0f ms", path, took)
		if took > 1000 {
			t.Errorf("%s has come after %.0f ms", path, took)
		}
	}
}

// TestHundredsOfFailuresRunAgainAtOneClick: a request starts exhausts for 5 s, and the page goes on by itself.
func TestHundredsOfFailuresRunAgainAtOneClick(t *testing.T) {
	setting := ownDatabase(t)
	s := startSite(t, setting)
	order := s.order(e2etest.ResponseExhaust, silentDay, silentDay)
	s.becomes(t, []e2etest.Order{order}, []string{s.Submit(t, order).RequestID}, "FAILED")
	databaseURL := strings.TrimPrefix(setting, "EXHAUST_DATABASE_URL=")
	multiply(t, databaseURL, 599)
	db, err := database.Open(t.Context(), databaseURL)
	e2etest.Must(t, err)
	defer db.Close()
	page := browsertest.Start(t).Open(t, s.at("/operations/again?message="+url.QueryEscape("No data found")))
	page.WaitForText("Run 600 again")
	begin := time.Now()
	page.Do(chromedp.Click(chromedp.CSS("#start")))
	e2etest.Eventually(t, 5*time.Minute, "all have started", func() bool {
		var remaining int
		e2etest.Must(t, db.Pool().Get(&remaining, "SELECT count(*) FROM job_request WHERE iteration = 0"))
		return remaining == 0
	})
	page.WaitForText("600 exhausts started.")
	t.Logf("started within %s", time.Since(begin))
}

// multiply makes as many exhausts more as the one that is there.
func multiply(t *testing.T, databaseURL string, count int) {
	t.Helper()
	db, err := database.Open(t.Context(), databaseURL)
	e2etest.Must(t, err)
	defer db.Close()
	rows, err := db.Pool().Query("SELECT * FROM job_request LIMIT 1")
	e2etest.Must(t, err)
	columns, err := rows.Columns()
	e2etest.Must(t, err)
	e2etest.Must(t, rows.Close())
	values := slices.Clone(columns)
	values[slices.Index(columns, "request_id")] = "printf('%032X', n)"
	_, err = db.Pool().Exec(fmt.Sprintf(`INSERT INTO job_request (%s) SELECT %s FROM job_request,
		(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n FROM c)`, strings.Join(columns, ", "), strings.Join(values, ", "), count))
	e2etest.Must(t, err)
}
