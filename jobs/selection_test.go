package jobs

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
)

func TestASelectionIsWhatMatchesAllOfItByAscendingId(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for _, job := range []exhaust.Job{
			submitted("D"), submitted("B"), submitted("A"),
			failed(submitted("F")), failed(attempt(1, submitted("E"))), failed(attempt(2, submitted("G"))),
			succeeded(submitted("H")), processing(submitted("I")),
		} {
			switch job.ID {
			case "A":
				job.Parked = true
			case "B":
				job.Dataset, job.SubmittedAt = exhaust.PrivateExhaust, morning.Add(time.Millisecond)
			case "D":
				job.Tag, job.Channel, job.ConversationID = "tag-2", "other", "c2"
			case "F":
				job.Retryable = false
			case "G":
				job.CompletedAt, job.Message = morning.Add(2*time.Hour), "telemetry of 2022-03-02: it's late"
			}
			save(t, jobs, job)
		}
		for _, c := range []struct {
			name string
			s    Selection
			want []string
		}{
			{"a status", Selection{Status: exhaust.Submitted}, []string{"A", "B", "D"}},
			{"another status", Selection{Status: exhaust.Failed}, []string{"E", "F", "G"}},
			{"a status that nothing has", Selection{Status: exhaust.Cancelled}, nil},
			{"one that ended", Selection{Status: exhaust.Success}, []string{"H"}},
			{"one that runs", Selection{Status: exhaust.Processing}, []string{"I"}},
			{"an id", Selection{Status: exhaust.Submitted, RequestID: "B"}, []string{"B"}},
			{"an id of another status", Selection{Status: exhaust.Submitted, RequestID: "E"}, nil},
			{"a dataset", Selection{Status: exhaust.Submitted, Dataset: exhaust.PrivateExhaust}, []string{"B"}},
			{"a tag of any channel", Selection{Status: exhaust.Submitted, Tag: "tag-1"}, []string{"A", "B"}},
			{"a tag with its channel in it", Selection{Status: exhaust.Submitted, Tag: "tag-1:channel"}, nil},
			{"a channel", Selection{Status: exhaust.Submitted, Channel: "other"}, []string{"D"}},
			{"a tag and a channel that has it not", Selection{Status: exhaust.Submitted, Tag: "tag-1", Channel: "other"}, nil},
			{"a conversation", Selection{Status: exhaust.Submitted, ConversationID: "c2"}, []string{"D"}},
			{"a sentence", Selection{Status: exhaust.Failed, Message: "telemetry of 2022-03-02: it's late"}, []string{"G"}},
			{"the start of a sentence", Selection{Status: exhaust.Failed, Message: "telemetry of"}, nil},
			{"submitted from", Selection{Status: exhaust.Submitted, From: morning.Add(time.Millisecond)}, []string{"B"}},
			{"submitted before", Selection{Status: exhaust.Submitted, To: morning.Add(time.Millisecond)}, []string{"A", "D"}},
			{"may heal", Selection{Status: exhaust.Failed, Retryable: true}, []string{"E", "G"}},
			{"fewer attempts", Selection{Status: exhaust.Failed, BelowAttempts: 2}, []string{"E", "F"}},
			{"ended then or later", Selection{Status: exhaust.Failed, EndedSince: morning.Add(2 * time.Hour)}, []string{"G"}},
			{"ended before", Selection{Status: exhaust.Failed, EndedBefore: morning.Add(2 * time.Hour)}, []string{"E", "F"}},
			{"behind an id", Selection{Status: exhaust.Submitted, After: "A"}, []string{"B", "D"}},
			{"behind an id that is not there", Selection{Status: exhaust.Submitted, After: "C"}, []string{"D"}},
			{"behind the last", Selection{Status: exhaust.Submitted, After: "D"}, nil},
			{"a limit", Selection{Status: exhaust.Submitted, Limit: 2}, []string{"A", "B"}},
			{"a limit behind an id", Selection{Status: exhaust.Submitted, After: "A", Limit: 1}, []string{"B"}},
			{"no SQL from outside", Selection{Status: exhaust.Submitted, Tag: "' OR '1'='1"}, nil},
		} {
			unlimited := c.s
			unlimited.Limit = 0
			if n, err := jobs.Count(context.Background(), c.s); err != nil || n != len(selected(t, jobs, unlimited)) {
				t.Errorf("%+v: counted %d, %v", c.s, n, err)
			}
			if got := selected(t, jobs, c.s); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
		if _, err := jobs.Select(context.Background(), Selection{Status: "x' OR '1'='1"}); err == nil || err.Error() != `select jobs: "x' OR '1'='1" is no status` {
			t.Errorf("a status that is none: got %v", err)
		}
	})
}

// TestAWalkInPagesMeetsEachJobOnceThoughThoseBehindItChange is the night's walk: what was met is run,
// and so is no longer of the status wanted.
func TestAWalkInPagesMeetsEachJobOnceThoughThoseBehindItChange(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		var want, got []string
		for i := range 50 {
			job := submitted(fmt.Sprintf("J%02d", i))
			submit(t, jobs, job)
			want = append(want, job.ID)
		}
		for after := ""; ; {
			page := selected(t, jobs, Selection{Status: exhaust.Submitted, After: after, Limit: 7})
			for _, id := range page {
				save(t, jobs, succeeded(submitted(id)))
			}
			got = append(got, page...)
			if len(page) < 7 {
				break
			}
			after = page[6]
		}
		if !slices.Equal(got, want) {
			t.Errorf("met %q", got)
		}
	})
}

func selected(t *testing.T, jobs *Jobs, s Selection) (ids []string) {
	t.Helper()
	found, err := jobs.Select(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range found {
		ids = append(ids, job.ID)
	}
	return ids
}

func TestReportsThatAreKeptComeOldestFirst(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		made := func(id string, completed time.Time) exhaust.Job {
			job := succeeded(submitted(id))
			job.CompletedAt = completed
			save(t, jobs, job)
			job.Config = nil
			return job
		}
		second, first := made("A", morning.Add(-time.Minute)), made("B", morning.Add(-time.Hour))
		made("C", morning)
		save(t, jobs, failed(submitted("D")))
		for _, c := range []struct {
			before time.Time
			limit  int
			want   []exhaust.Job
		}{
			{morning, 10, []exhaust.Job{first, second}},
			{morning, 1, []exhaust.Job{first}},
			{morning.Add(-time.Hour), 10, []exhaust.Job{}},
		} {
			got, err := jobs.WithReport(context.Background(), c.before, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i] = inMorningsZone(got[i])
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("before %s, at most %d:\n got %+v\nwant %+v", c.before, c.limit, got, c.want)
			}
		}
	})
}

func inMorningsZone(job exhaust.Job) exhaust.Job {
	for _, at := range []*time.Time{&job.SubmittedAt, &job.UpdatedAt, &job.CompletedAt, &job.ExpiresAt} {
		*at = at.In(morning.Location())
	}
	return job
}

func TestADroppedReportLeavesTheJobWithTheReason(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		job, other := succeeded(submitted("A")), succeeded(submitted("B"))
		save(t, jobs, job)
		save(t, jobs, other)
		kept := job
		drop(t, jobs, job, true)
		job.Report, job.Receipt, job.DownloadURLs, job.ReceiptURL = "", "", []string{}, ""
		job.ExpiresAt, job.Message = time.Time{}, "report expired on 2022-05-06"
		wantJob(t, jobs, job)
		wantJob(t, jobs, other)
		// Neither a second one who drops it, nor a record that was held up, changes anything.
		drop(t, jobs, kept, false)
		drop(t, jobs, job, false)
		save(t, jobs, kept)
		wantJob(t, jobs, job)
		if kept, err := jobs.WithReport(context.Background(), morning.Add(time.Hour), 10); err != nil || len(kept) != 1 || kept[0].ID != "B" {
			t.Errorf("reports that are kept: %+v, %v", kept, err)
		}
	})
}

// drop drops a report and demands that this was, or was not, the call that did.
func drop(t *testing.T, jobs *Jobs, of exhaust.Job, want bool) {
	t.Helper()
	dropped, err := jobs.DropReport(context.Background(), of, "report expired on 2022-05-06")
	if err != nil || dropped != want {
		t.Errorf("dropped %t, %v; want %t", dropped, err, want)
	}
}

func TestOfManyWhoDropAReportOneHasDroppedIt(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		save(t, jobs, succeeded(submitted("A")))
		var claims atomic.Int32
		dbtest.AtOnce(t, 20, func(int) error {
			dropped, err := jobs.DropReport(context.Background(), succeeded(submitted("A")), "report erased on 2022-05-06")
			if dropped {
				claims.Add(1)
			}
			return err
		})
		if got := claims.Load(); got != 1 {
			t.Errorf("%d calls dropped it, want 1", got)
		}
	})
}

// TestAReportThatWasMadeAnewIsNotDropped is a retry between the night's listing and its deleting.
func TestAReportThatWasMadeAnewIsNotDropped(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		listed := succeeded(submitted("A"))
		save(t, jobs, listed)
		// On the day of the listed one its name is the same.
		anew := succeeded(attempt(1, submitted("A")))
		save(t, jobs, anew)
		drop(t, jobs, listed, false)
		wantJob(t, jobs, anew)
		another := completedLater(time.Hour, anew)
		another.Report = "uci-response-exhaust/A/c_response_20220506.csv"
		save(t, jobs, another)
		drop(t, jobs, anew, false)
		wantJob(t, jobs, another)
	})
}

func TestTheNightsLookUpsDoNotReadTheTableWhole(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		rows := rowsOfABigTable
		if jobs.db.Dialect() == database.SQLite {
			rows /= slowdown
		}
		fillJobs(t, jobs.db, rows)
		dbtest.Exec(t, jobs.db, `UPDATE job_request SET status = 'SUBMITTED' WHERE iteration = 0 AND request_id LIKE '%3' AND status = 'FAILED'`)
		dbtest.Exec(t, jobs.db, `UPDATE job_request SET parked = true WHERE status = 'SUBMITTED' AND request_id LIKE '%13'`)
		dbtest.Exec(t, jobs.db, `UPDATE job_request SET report = '' WHERE request_id >= 'J000001000'`)
		dbtest.Exec(t, jobs.db, `ANALYZE`)
		statements := map[string]string{}
		arguments := map[string][]any{}
		for name, s := range map[string]Selection{
			"waiting":              {Status: exhaust.Submitted, To: morning, Limit: 200},
			"waiting, behind":      {Status: exhaust.Submitted, To: morning, After: "J000050000", Limit: 200},
			"failed":               {Status: exhaust.Failed, Retryable: true, BelowAttempts: 2, EndedBefore: morning, Limit: 200},
			"replay of a tag":      {Status: exhaust.Failed, Tag: "tag-1", Channel: "channel-1", Limit: 200},
			"replay of days":       {Status: exhaust.Cancelled, From: morning.AddDate(0, 0, -1), To: morning, Limit: 200},
			"replay of a sentence": {Status: exhaust.Failed, Message: "No data found", EndedSince: morning, Limit: 200},
			"one":                  {Status: exhaust.Submitted, RequestID: "J000000001", Limit: 200},
		} {
			var err error
			if statements[name], arguments[name], err = s.query(); err != nil {
				t.Fatal(err)
			}
		}
		statements["expired"], arguments["expired"] = withReportQuery, []any{instant(morning), 500}
		for name, query := range statements {
			tx, err := jobs.db.Pool().BeginTxx(context.Background(), readOnly)
			if err != nil {
				t.Fatal(err)
			}
			scans, err := dbtest.WholeTableScans(context.Background(), tx, jobs.db.Dialect(), query, arguments[name])
			if err != nil || len(scans) > 0 {
				t.Errorf("%s: scans %v, %v\n%s", name, scans, err, query)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTheLookUpsOfAConversationGoThroughItsIndex: a conversation has few of all jobs.
func TestTheLookUpsOfAConversationGoThroughItsIndex(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		fillJobs(t, jobs.db, rowsOfAMiddlingOne/slowdown)
		dbtest.Exec(t, jobs.db, `UPDATE job_request SET conversation_id = 'c-' || request_id`)
		dbtest.Exec(t, jobs.db, `ANALYZE`)
		// Those of other statuses are few, whatever index leads to them.
		query, args, err := Selection{Status: exhaust.Success, ConversationID: "c-J000000007"}.query()
		if err != nil {
			t.Fatal(err)
		}
		explain := "EXPLAIN "
		if jobs.db.Dialect() == database.SQLite {
			explain = "EXPLAIN QUERY PLAN "
		}
		rows, err := jobs.db.Pool().Queryx(explain+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan string
		for rows.Next() {
			columns, err := rows.SliceScan()
			if err != nil {
				t.Fatal(err)
			}
			plan += fmt.Sprintf("%s\n", columns[len(columns)-1])
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, "job_request_of_conversation") {
			t.Errorf("the plan is\n%s", plan)
		}
	})
}

func TestAConversationIsSelectedInAnyLetterCaseOfItsUUID(t *testing.T) {
	const lower = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for id, conversation := range map[string]string{"A": lower, "B": strings.ToUpper(lower), "C": "Bot", "D": "bot"} {
			job := succeeded(submitted(id))
			job.ConversationID = conversation
			save(t, jobs, job)
		}
		for conversation, want := range map[string]string{lower: "AB", strings.ToUpper(lower): "AB", "Bot": "C", "bot": "D", "BOT": ""} {
			var got string
			selected, err := jobs.Select(context.Background(), Selection{Status: exhaust.Success, ConversationID: conversation})
			for _, job := range selected {
				got += job.ID
			}
			if err != nil || got != want {
				t.Errorf("%s: %s, %v; want %s", conversation, got, err, want)
			}
		}
	})
}
