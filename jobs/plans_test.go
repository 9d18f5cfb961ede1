package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/e2etest"
)

// A table of few rows tempts PostgreSQL more to read it whole, one of many is what production has.
const (
	rowsOfABigTable    = 100_000
	rowsOfAMiddlingOne = 20_000
)

// slowdown is by how much the race detector slows SQLite, which is Go code. Plans race with nothing.
var slowdown = map[bool]int{false: 1, true: 40}[e2etest.HasRaceDetector]

var readOnly = &sql.TxOptions{ReadOnly: true}

func TestNoLookUpOfJobsReadsTheTableWhole(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		rows := rowsOfABigTable
		if jobs.db.Dialect() == database.SQLite {
			rows /= slowdown
		}
		fillJobs(t, jobs.db, rows)
		type statement struct {
			query string
			args  []any
		}
		statements := map[string]statement{
			"job":                {jobQuery, []any{"J000000007"}},
			"progress":           {progressQuery, []any{"J000000007", 0}},
			"raise the progress": {raiseQuery, []any{"J000000007", 0, "{}", "{}"}},
			"save the URLs":      {saveURLsQuery, []any{"J000000007", 0, "report", "[]", "", instant(morning)}},
			"has succeeded":      {succeededQuery, []any{"J000000007", 0, "report"}},
			"at work":            {atWorkQuery, []any{50}},
			"count work":         {countWorkQuery, nil},
			"count under way":    {underWayQuery, []any{"channel-1", instant(morning)}},
			"drop the report":    {dropReportQuery, []any{"J000000007", 0, "report", "expired"}},
		}
		ids := make([]string, 400)
		for i := range ids {
			ids[i] = fmt.Sprintf("J%09d", 7*i)
		}
		query, args := ofIDs(listColumns, ids)
		statements["find all"] = statement{query, args}
		query, args, err := Selection{Status: exhaust.Failed, Message: "No data found", EndedSince: morning}.countQuery()
		if err != nil {
			t.Fatal(err)
		}
		statements["count selected"] = statement{query, args}
		for name, since := range map[string]time.Time{"failures": {}, "failures since": morning} {
			query, args = failuresQuery(since, 50)
			statements[name] = statement{query, args}
			query, args = examplesQuery(since, []FailureGroup{{Sentence: "No data found"}, {Sentence: "no end within 24h"}})
			statements[name+", examples"] = statement{query, args}
		}
		for _, s := range allSearches(10) {
			query, args := s.query()
			statements[fmt.Sprintf("search %+v", s)] = statement{query, args}
		}
		for name, of := range map[string][2]string{"channels": {}, "channels of a tag": {"tag-1", ""}, "channels of a conversation": {"", conversationOfMany}} {
			query, args := channelsQuery(of[0], of[1], 1000)
			statements[name] = statement{query, args}
		}
		ctx := context.Background()
		for name, s := range statements {
			tx, err := jobs.db.Pool().BeginTxx(ctx, readOnly)
			if err != nil {
				t.Fatal(err)
			}
			scans, err := dbtest.WholeTableScans(ctx, tx, jobs.db.Dialect(), s.query, s.args)
			if err != nil || len(scans) > 0 {
				t.Errorf("%s: scans %v, %v\n%s", name, scans, err, s.query)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// allSearches is every combination of filters, but for a tag or a conversation without its channel, and for both of them.
func allSearches(limit int) (searches []Search) {
	for filters := range 128 {
		s := Search{Limit: limit}
		if filters&1 != 0 {
			s.Dataset = exhaust.PrivateExhaust
		}
		if filters&2 != 0 {
			s.Channel = "channel-1"
		}
		if filters&4 != 0 {
			s.Statuses = []exhaust.Status{exhaust.Failed, exhaust.Success}
		}
		if filters&8 != 0 {
			s.From, s.To = morning.AddDate(0, 0, -1), morning
		}
		if filters&16 != 0 {
			s.After = Position{morning.Add(-5000 * time.Second), "J000005000"}
		}
		if filters&32 != 0 {
			s.Tag = "tag-1"
		}
		if filters&64 != 0 {
			s.ConversationID = strings.ToUpper(conversationOfMany)
		}
		if isOfOne := s.Tag == "" || s.ConversationID == ""; isOfOne && (s.Channel != "" || s.Tag == "" && s.ConversationID == "") {
			searches = append(searches, s)
		}
	}
	return searches
}

// conversationOfMany is one of the conversations of fillJobs.
const conversationOfMany = "c63b6faa-11a9-4259-b941-000000000007"

// fillJobs makes jobs one second apart, the newest at morning: of 2 channels, 7 tags in each, 50 conversations and
// both datasets; one in a thousand is FAILED, the others are SUCCESS.
func fillJobs(t testing.TB, db *database.DB, count int) {
	t.Helper()
	at := `'` + morning.UTC().Format(instantLayout) + `'::timestamp - n * interval '1 second'`
	id, conversation := `'J' || lpad(n::text, 9, '0')`, `lpad((n%50)::text, 12, '0')`
	if db.Dialect() == database.SQLite {
		at = `strftime('%Y-%m-%d %H:%M:%S.079', '` + morning.UTC().Format(instantLayout) + `', '-' || n || ' seconds')`
		id, conversation = `printf('J%09d', n)`, `printf('%012d', n%50)`
	}
	dbtest.Fill(t, db, count, `INSERT INTO job_request (`+jobColumns+`) SELECT `+id+`, 'tag-' || (n/2%7) || ':channel-' || (n%2),
		CASE n/3%2 WHEN 0 THEN 'uci-response-exhaust' ELSE 'uci-private-exhaust' END,
		CASE n%1000 WHEN 1 THEN 'FAILED' ELSE 'SUCCESS' END,
		'{"type":"uci-response-exhaust","conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6"}', 'user_id', 'channel-' || (n%2),
		'csv', 'c63b6faa-11a9-4259-b941-' || `+conversation+`, '', '', false, `+at+`, `+at+`, `+at+`, 1000, 0, '', false, '{}', 'report', 'receipt', '["https://store/a?sig=1"]', '', `+at+`, false, '', '', '' FROM numbers`)
	dbtest.Exec(t, db, `ANALYZE`)
}
