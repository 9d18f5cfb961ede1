package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
)

// migrateVariable makes the test binary a process that only migrates the database of that URL.
const migrateVariable = "JOBS_TEST_MIGRATES"

func TestMain(m *testing.M) {
	if url := os.Getenv(migrateVariable); url != "" {
		os.Exit(migrateAsOwnProcess(url))
	}
	os.Exit(dbtest.Main(m))
}

// onEachJobs runs a test on an empty job_request of each dialect.
func onEachJobs(t *testing.T, test func(t *testing.T, jobs *Jobs)) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		jobs := New(db)
		if err := jobs.Migrate(context.Background()); err != nil {
			t.Fatal(err)
		}
		test(t, jobs)
	})
}

// morning is a time with milliseconds in a zone that is not the database's.
var morning = time.Date(2022, 4, 6, 15, 2, 0, 79_000_000, time.FixedZone("IST", 19800))

// submitted is a job just submitted, with awkward values where they are free.
func submitted(id string) exhaust.Job {
	return exhaust.Job{
		Request: exhaust.Request{
			ID: id, Dataset: exhaust.ResponseExhaust, Tag: "tag-1", Channel: "channel:with:colons", RequestedBy: `O'Hara "🙂" \`,
			Purpose:      `सहायता "केंद्र" 🙂`,
			Config:       json.RawMessage("{ \"type\" : \"uci-response-exhaust\",\r\n\t\"conversationId\":\"c\", \"x\":\"\\u0000 \\ud800 é 1e400\",\"x\":1e400 }"),
			OutputFormat: "csv", ConversationID: "c", StartDate: "2022-03-01", EndDate: "2022-04-01", SubmittedAt: morning,
		},
		State: exhaust.State{
			Status:    exhaust.Submitted,
			UpdatedAt: morning,
		},
	}
}

func processing(job exhaust.Job) exhaust.Job {
	job.Status, job.UpdatedAt = exhaust.Processing, morning.Add(time.Second)
	job.Progress = exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 1 << 50, BytesRead: 7, Percent: 1}
	job.From, job.To = "2022-03-01", "2022-04-01"
	return job
}

func succeeded(job exhaust.Job) exhaust.Job {
	job.Status, job.UpdatedAt, job.CompletedAt = exhaust.Success, morning.Add(time.Minute), morning.Add(time.Minute)
	job.ExecutionTime = 59_001 * time.Millisecond
	job.Progress = exhaust.Progress{Phase: exhaust.Done, BytesTotal: 1 << 50, BytesRead: 1 << 50, EventsMatched: 8, Repeats: 5, RowsWritten: 2,
		Percent: 100, LinesSkipped: 1, RowsUnknownDevice: 1, ConsentUnreadable: 6, Undecryptable: 4}
	job.Report = "uci-response-exhaust/" + job.ID + "/c_response_20220406.csv"
	job.Receipt = job.Report + ".receipt.json"
	job.From, job.To = "2022-03-01", "2022-04-06"
	job.DownloadURLs, job.ReceiptURL = []string{"https://store/a?sig=1&x=\"", "https://store/b"}, "https://store/a.receipt.json?sig=1"
	job.ExpiresAt = morning.Add(24 * time.Hour)
	return job
}

func failed(job exhaust.Job) exhaust.Job {
	job.Status, job.UpdatedAt, job.CompletedAt = exhaust.Failed, morning.Add(time.Hour), morning.Add(time.Hour)
	job.ExecutionTime, job.Message, job.Retryable = time.Hour, "the registry was away", true
	return job
}

func parked(job exhaust.Job) exhaust.Job {
	job.Parked = true
	return job
}

// completedLater is the same end, but of another time.
func completedLater(by time.Duration, job exhaust.Job) exhaust.Job {
	job.CompletedAt = job.CompletedAt.Add(by)
	return job
}

func attempt(n int, job exhaust.Job) exhaust.Job {
	job.Attempts = n
	return job
}

func TestAJobComesBackAsItWasSaved(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for _, job := range []exhaust.Job{
			submitted("A"), parked(submitted("G")), processing(submitted("B")), succeeded(submitted("C")), failed(attempt(3, submitted("D"))),
			{Request: exhaust.Request{ID: "E", Dataset: exhaust.PrivateExhaust, Config: json.RawMessage("{}"), SubmittedAt: morning}, State: exhaust.State{Status: exhaust.Cancelled}},
		} {
			save(t, jobs, job)
			wantJob(t, jobs, job)
		}
		if _, err := jobs.Job(context.Background(), "F"); !errors.Is(err, ErrNoJob) {
			t.Errorf("an unknown id: got %v, want ErrNoJob", err)
		}
	})
}

func TestTimesKeepTheirMillisecondsAndNothingFiner(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for i, nanoseconds := range []int{0, 1_000_000, 70_000_000, 999_999_999} {
			job := submitted(fmt.Sprint(i))
			job.SubmittedAt = time.Date(2022, 12, 31, 23, 59, 59, nanoseconds, time.UTC)
			save(t, jobs, job)
			job.SubmittedAt = job.SubmittedAt.Truncate(time.Millisecond)
			wantJob(t, jobs, job)
		}
	})
}

func TestSubmittingRecordsAFreshJobWhateverElseItIsGiven(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		job := succeeded(submitted("A"))
		job.Message = "left over"
		submit(t, jobs, job)
		want := submitted("A")
		want.UpdatedAt = job.UpdatedAt
		wantJob(t, jobs, want)
		submit(t, jobs, parked(succeeded(submitted("B"))))
		want = parked(submitted("B"))
		want.UpdatedAt = job.UpdatedAt
		wantJob(t, jobs, want)
	})
}

func TestASecondSubmissionChangesAJobOnlyAsALaterAttempt(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		submit(t, jobs, submitted("A"))
		save(t, jobs, succeeded(attempt(1, submitted("A"))))
		for _, n := range []int{0, 1} {
			again := attempt(n, submitted("A"))
			again.Config, again.RequestedBy = json.RawMessage("{}"), "somebody else"
			submit(t, jobs, again)
			wantJob(t, jobs, succeeded(attempt(1, submitted("A"))))
		}
		submit(t, jobs, attempt(2, succeeded(submitted("A"))))
		want := attempt(2, submitted("A"))
		want.UpdatedAt = succeeded(submitted("A")).UpdatedAt
		wantJob(t, jobs, want)
	})
}

func TestSavingNeverGoesBackInAnAttemptOrToAnOlderOne(t *testing.T) {
	cases := []struct {
		name        string
		is, comes   exhaust.Job
		overwritten bool
	}{
		{"SUBMITTED then PROCESSING", submitted("A"), processing(submitted("A")), true},
		{"SUBMITTED and parked then SUBMITTED", parked(submitted("A")), submitted("A"), true},
		{"SUBMITTED then SUBMITTED and parked", submitted("A"), parked(submitted("A")), true},
		{"SUBMITTED and parked then PROCESSING", parked(submitted("A")), processing(submitted("A")), true},
		{"PROCESSING then PROCESSING", processing(submitted("A")), processing(submitted("A")), true},
		{"PROCESSING then SUCCESS", processing(submitted("A")), succeeded(submitted("A")), true},
		{"PROCESSING then SUBMITTED", processing(submitted("A")), submitted("A"), false},
		{"SUCCESS then PROCESSING", succeeded(submitted("A")), processing(submitted("A")), false},
		{"FAILED then SUBMITTED", failed(submitted("A")), submitted("A"), false},
		{"FAILED then SUCCESS that was completed before it", failed(submitted("A")), succeeded(submitted("A")), false},
		{"FAILED then SUCCESS that was completed later", failed(submitted("A")), completedLater(2*time.Hour, succeeded(submitted("A"))), true},
		{"SUCCESS then FAILED that was completed later", succeeded(submitted("A")), failed(submitted("A")), true},
		{"SUCCESS then another SUCCESS of the same time", succeeded(submitted("A")), withURL("https://store/z", succeeded(submitted("A"))), false},
		{"SUCCESS then SUCCESS a millisecond later", succeeded(submitted("A")), completedLater(time.Millisecond, succeeded(submitted("A"))), true},
		{"FAILED then a later attempt's SUCCESS that was completed before it", failed(submitted("A")), attempt(1, succeeded(submitted("A"))), true},
		{"FAILED then a later attempt SUBMITTED", failed(submitted("A")), attempt(1, submitted("A")), true},
		{"FAILED then a later attempt PROCESSING", failed(submitted("A")), attempt(1, processing(submitted("A"))), true},
		{"a later attempt SUBMITTED then an older SUCCESS", attempt(2, submitted("A")), attempt(1, succeeded(submitted("A"))), false},
		{"a later attempt SUCCESS then an older FAILED", attempt(1, succeeded(submitted("A"))), failed(submitted("A")), false},
	}
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				c.is.ID, c.comes.ID = fmt.Sprint(i), fmt.Sprint(i)
				save(t, jobs, c.is)
				save(t, jobs, c.comes)
				for range 2 {
					if c.overwritten {
						wantJob(t, jobs, c.comes)
					} else {
						wantJob(t, jobs, c.is)
					}
					save(t, jobs, c.comes) // again, as an activity that is tried again does
				}
			})
		}
	})
}

// withURL is the job with that URL, which works for a day longer.
func withURL(url string, job exhaust.Job) exhaust.Job {
	job.DownloadURLs, job.ReceiptURL, job.ExpiresAt = []string{url}, url+".receipt.json", job.ExpiresAt.Add(24*time.Hour)
	return job
}

func TestURLsAreReplacedOnASucceededJobOfTheSameAttemptAndReportOnly(t *testing.T) {
	const url = "https://store/a?sig=2"
	is := attempt(1, succeeded(submitted("A")))
	otherReport, dropped := is, is
	otherReport.Report = "uci-response-exhaust/A/c_response_20220407.csv"
	dropped.Report = ""
	withoutURLs := is
	withoutURLs.DownloadURLs, withoutURLs.ReceiptURL, withoutURLs.ExpiresAt = []string{}, "", time.Time{}
	cases := []struct {
		name   string
		is, of exhaust.Job
		saved  bool
		want   error
	}{
		{"the same attempt and report", is, is, true, nil},
		{"the same, without URLs so far", withoutURLs, is, true, nil},
		{"a row of a later attempt", attempt(2, is), is, false, ErrNoJob},
		{"a row of an older attempt", attempt(0, is), is, false, ErrNoJob},
		{"a row of another report", otherReport, is, false, ErrNoJob},
		{"a row whose report was dropped", dropped, is, false, ErrNoJob},
		{"no report at all", dropped, dropped, false, ErrNoJob},
		{"a row that is PROCESSING", attempt(1, processing(submitted("A"))), is, false, ErrNoJob},
		{"a row that FAILED", func() exhaust.Job { job := is; job.Status = exhaust.Failed; return job }(), is, false, ErrNoJob},
	}
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				c.is.ID, c.of.ID = fmt.Sprint(i), fmt.Sprint(i)
				save(t, jobs, c.is)
				if err := jobs.SaveURLs(context.Background(), withURL(url, c.of)); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if c.saved {
					c.is = withURL(url, c.of)
				}
				wantJob(t, jobs, c.is)
			})
		}
		if err := jobs.SaveURLs(context.Background(), succeeded(submitted("unknown"))); !errors.Is(err, ErrNoJob) {
			t.Errorf("an unknown job: got %v, want ErrNoJob", err)
		}
	})
}

func TestURLsThatWorkLongerStay(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		is := withURL("https://store/newer", succeeded(submitted("A")))
		save(t, jobs, is)
		for name, expires := range map[string]time.Time{"less long": is.ExpiresAt.Add(-time.Millisecond), "as long": is.ExpiresAt} {
			older := withURL("https://store/older", is)
			older.ExpiresAt = expires
			if err := jobs.SaveURLs(context.Background(), older); err != nil {
				t.Errorf("URLs that work %s: %v", name, err)
			}
			wantJob(t, jobs, is)
		}
	})
}

func TestFiftySubmissionsOfOneJobAtOnceMakeOneRow(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		dbtest.AtOnce(t, 50, func(int) error { return jobs.Submit(context.Background(), submitted("A")) })
		wantListed(t, []exhaust.Job{submitted("A")})(jobs.List(context.Background(), "tag-1", "channel:with:colons", 0))
	})
}

func TestRacingRecordsOfManyAttemptsLeaveTheLastAttempt(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		dbtest.AtOnce(t, 50, func(i int) error {
			if i%2 == 0 {
				return jobs.Save(context.Background(), attempt(i/2, processing(submitted("A"))))
			}
			return jobs.Save(context.Background(), attempt(i/2, failed(processing(submitted("A")))))
		})
		wantJob(t, jobs, attempt(24, failed(processing(submitted("A")))))
	})
}

func TestAListIsOneTagOfOneChannelNewestFirst(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		at := func(id, tag, channel string, minutes int) exhaust.Job {
			job := submitted(id)
			job.Tag, job.Channel, job.SubmittedAt = tag, channel, morning.Add(time.Duration(minutes)*time.Minute)
			save(t, jobs, job)
			return job
		}
		old, b, a, newest := at("D", "t", "c", 0), at("B", "t", "c", 5), at("A", "t", "c", 5), at("C", "t", "c", 9)
		at("E", "t", "d", 7)
		at("F", "u", "c", 7)
		// "t:c" under channel "d" is stored under the same tag as "t" under "c:d".
		ofColon := at("G", "t", "c:d", 7)
		ctx := context.Background()
		wantListed(t, []exhaust.Job{newest, a, b, old})(jobs.List(ctx, "t", "c", 0))
		wantListed(t, []exhaust.Job{newest, a})(jobs.List(ctx, "t", "c", 2))
		wantListed(t, []exhaust.Job{ofColon})(jobs.List(ctx, "t", "c:d", 100))
		wantListed(t, nil)(jobs.List(ctx, "t:c", "d", 100))
		wantListed(t, nil)(jobs.List(ctx, "none", "c", 100))
	})
}

func TestDatasetConfigsAreReadByTheIDsOfTheirJobs(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		a, b, c := submitted("A"), submitted("B"), submitted("C")
		b.Config = json.RawMessage(`{"b":1}`)
		for _, job := range []exhaust.Job{a, b, c} {
			save(t, jobs, job)
		}
		got, err := jobs.Configs(context.Background(), []string{"B", "none", "A"})
		if want := map[string]json.RawMessage{"A": a.Config, "B": b.Config}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
		if got, err := jobs.Configs(context.Background(), nil); err != nil || len(got) != 0 {
			t.Errorf("of no job: %s, %v", got, err)
		}
	})
}

func TestJobsAreFoundByTheirIDs(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		a, b, c := submitted("A"), submitted("B"), submitted("C")
		for _, job := range []exhaust.Job{a, b, c} {
			save(t, jobs, job)
		}
		got, err := jobs.FindAll(context.Background(), []string{"C", "none", "A"})
		slices.SortFunc(got, func(x, y exhaust.Job) int { return strings.Compare(x.ID, y.ID) })
		wantListed(t, []exhaust.Job{a, c})(got, err)
		wantListed(t, nil)(jobs.FindAll(context.Background(), nil))
	})
}

func TestASearchHoldsAllItsFiltersNewestFirst(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		var all []exhaust.Job
		// Newest first: job 0 is the newest, and two of each status follow one another.
		for i := range 40 {
			job := submitted(fmt.Sprintf("%02d", i))
			job.Dataset = exhaust.Datasets[i%2]
			job.Channel = []string{"c1", "c2"}[i/2%2]
			job.Status = exhaust.Statuses[i/4%5]
			job.SubmittedAt = morning.Add(-time.Duration(i) * time.Hour)
			save(t, jobs, job)
			all = append(all, job)
		}
		those := func(keep func(i int, job exhaust.Job) bool) (kept []exhaust.Job) {
			for i, job := range all {
				if keep(i, job) {
					kept = append(kept, job)
				}
			}
			return kept
		}
		for _, c := range []struct {
			search Search
			want   []exhaust.Job
		}{
			{Search{}, all},
			{Search{Limit: 3}, all[:3]},
			{Search{Limit: 1000}, all},
			{Search{Channel: "c1"}, those(func(_ int, j exhaust.Job) bool { return j.Channel == "c1" })},
			{Search{Channel: "none"}, nil},
			{Search{Dataset: exhaust.PrivateExhaust}, those(func(_ int, j exhaust.Job) bool { return j.Dataset == exhaust.PrivateExhaust })},
			{Search{Statuses: []exhaust.Status{exhaust.Failed}, Limit: 5}, those(func(_ int, j exhaust.Job) bool { return j.Status == exhaust.Failed })[:5]},
			{Search{From: all[9].SubmittedAt}, all[:10]},
			{Search{To: all[9].SubmittedAt}, all[10:]},
			{Search{From: all[9].SubmittedAt, To: all[4].SubmittedAt}, all[5:10]},
			{Search{From: all[9].SubmittedAt.Add(time.Millisecond)}, all[:9]},
			{Search{Dataset: exhaust.ResponseExhaust, Channel: "c2", Statuses: []exhaust.Status{exhaust.Success}, From: all[30].SubmittedAt, Limit: 9},
				those(func(i int, j exhaust.Job) bool {
					return j.Dataset == exhaust.ResponseExhaust && j.Channel == "c2" && j.Status == exhaust.Success && i <= 30
				})},
		} {
			t.Run(fmt.Sprintf("%+v", c.search), func(t *testing.T) {
				wantListed(t, c.want)(jobs.Search(context.Background(), c.search))
			})
		}
	})
}

func TestMigratingTwiceKeepsTheJobs(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		save(t, jobs, submitted("A"))
		if err := jobs.Migrate(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantJob(t, jobs, submitted("A"))
	})
}

func TestAJobOfTheReleaseBeforeIsNotParkedAndHasNoPurposeAndNoRange(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		before := parked(submitted("A"))
		before.From, before.To = "2022-03-01", "2022-04-01"
		save(t, jobs, before)
		undoMigrations(t, jobs.db)
		if err := jobs.Migrate(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := submitted("A")
		want.Purpose = ""
		wantJob(t, jobs, want)
		save(t, jobs, parked(submitted("A")))
		wantJob(t, jobs, parked(submitted("A")))
	})
}

func TestManyProcessesMayMigrateAtOnce(t *testing.T) {
	for _, dialect := range []database.Dialect{database.SQLite, database.PostgreSQL} {
		t.Run(string(dialect), func(t *testing.T) {
			url := dbtest.URL(t, dialect)
			dbtest.AtOnce(t, 4, func(int) error {
				self := exec.Command(os.Args[0])
				self.Env = append(os.Environ(), migrateVariable+"="+url)
				if out, err := self.CombinedOutput(); err != nil {
					return fmt.Errorf("%w\n%s", err, out)
				}
				return nil
			})
			db := dbtest.Open(t, url)
			dbtest.AtOnce(t, 4, func(int) error { return New(db).Migrate(context.Background()) })
			wantMigrations(t, db, 0, 1, 2, 3, 4, 5, 6, 7)
			save(t, New(db), submitted("A"))
			wantJob(t, New(db), submitted("A"))
		})
	}
}

func TestManyPoolsMayMigrateAtOnce(t *testing.T) {
	for name, url := range map[string]func() string{
		"sqlite":            func() string { return dbtest.URL(t, database.SQLite) },
		"postgres":          func() string { return dbtest.URL(t, database.PostgreSQL) },
		"through PgBouncer": func() string { return dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL)) },
	} {
		t.Run(name, func(t *testing.T) {
			pools := make([]*database.DB, 2*dbtest.PoolSize)
			for i, url := 0, url(); i < len(pools); i++ {
				pools[i] = dbtest.Open(t, url)
			}
			for range 2 {
				dbtest.AtOnce(t, len(pools), func(i int) error { return New(pools[i]).Migrate(context.Background()) })
				wantMigrations(t, pools[0], 0, 1, 2, 3, 4, 5, 6, 7)
				undoMigrations(t, pools[0])
			}
		})
	}
}

// undoMigrations leaves the database as a release before had it, which had two migrations.
func undoMigrations(t *testing.T, db *database.DB) {
	t.Helper()
	dbtest.Exec(t, db, `ALTER TABLE job_request DROP COLUMN parked`)
	dbtest.Exec(t, db, `DROP TABLE webhook_salt`)
	dbtest.Exec(t, db, `DROP TABLE access_token`)
	dbtest.Exec(t, db, `DROP TABLE console_session`)
	dbtest.Exec(t, db, `ALTER TABLE job_request DROP COLUMN purpose`)
	dbtest.Exec(t, db, `ALTER TABLE job_request DROP COLUMN range_from`)
	dbtest.Exec(t, db, `ALTER TABLE job_request DROP COLUMN range_to`)
	dbtest.Exec(t, db, `DROP INDEX job_request_of_channels_conversation`)
	dbtest.Exec(t, db, `DELETE FROM data_exhaust_migrations WHERE version_id >= 3`)
}

// TestADatabaseIsMigratedOnceItHasHadEachMigrationOfThisRelease: and one that a later release has migrated is.
func TestADatabaseIsMigratedOnceItHasHadEachMigrationOfThisRelease(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		jobs := New(db)
		wantLack := func(when, want string) {
			t.Helper()
			if err := jobs.CheckMigrated(t.Context()); !errors.Is(err, ErrNotMigrated) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s it says %v, want %s", when, err, want)
			}
		}
		wantLack("of an empty database", migrationsTable)
		if err := jobs.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := jobs.CheckMigrated(t.Context()); err != nil {
			t.Error(err)
		}
		dbtest.Exec(t, db, `INSERT INTO data_exhaust_migrations (version_id, is_applied) VALUES (9999, true)`)
		if err := jobs.CheckMigrated(t.Context()); err != nil {
			t.Errorf("after a later release's migration: %v", err)
		}
		dbtest.Exec(t, db, `DELETE FROM data_exhaust_migrations WHERE version_id = 7`)
		wantLack("without the newest of this release", db.String()+" is not migrated to this release: it lacks 00007_console_session.sql")
		dbtest.Exec(t, db, `DROP TABLE job_request`)
		wantLack("without the table", "job_request")
	})
}

// TestWhatAnEarlierReleaseHasMigratedGoesOn: the table is as goose 3.29 makes it, of a release that had two migrations.
func TestWhatAnEarlierReleaseHasMigratedGoesOn(t *testing.T) {
	madeByGoose := map[database.Dialect]string{
		database.PostgreSQL: `CREATE TABLE data_exhaust_migrations (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
			version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())`,
		database.SQLite: `CREATE TABLE data_exhaust_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT,
			version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`,
	}
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, madeByGoose[db.Dialect()])
		dbtest.Exec(t, db, `INSERT INTO data_exhaust_migrations (version_id, is_applied) VALUES (0, true), (1, true), (2, true)`)
		dbtest.Exec(t, db, `CREATE TABLE job_request (request_id TEXT PRIMARY KEY, tag TEXT, requested_channel TEXT, job_id TEXT, status TEXT,
			conversation_id TEXT, dt_job_submitted TIMESTAMP)`)
		dbtest.Exec(t, db, `CREATE INDEX job_request_of_tag ON job_request (tag)`)
		if err := New(db).Migrate(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantMigrations(t, db, 0, 1, 2, 3, 4, 5, 6, 7)
		dbtest.Exec(t, db, `INSERT INTO job_request (request_id, parked) VALUES ('A', true)`)
	})
}

func TestAMigrationThatFailsSaysWhyAndGoesOnOnceItsCauseIsGone(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, `CREATE TABLE receipt_key (n int)`)
		err := New(db).Migrate(context.Background())
		if err == nil || !strings.Contains(err.Error(), "version:2") || !strings.Contains(err.Error(), "receipt_key") || !strings.Contains(err.Error(), "already exists") {
			t.Errorf("it says %v", err)
		}
		wantMigrations(t, db, 0, 1) // and nothing of the second
		dbtest.Exec(t, db, `DROP TABLE receipt_key`)
		if err := New(db).Migrate(context.Background()); err != nil {
			t.Errorf("once its cause is gone: %v", err)
		}
		wantMigrations(t, db, 0, 1, 2, 3, 4, 5, 6, 7)
	})
}

// wantMigrations demands that exactly these are recorded, each once, in this order.
func wantMigrations(t *testing.T, db *database.DB, want ...int64) {
	t.Helper()
	var versions []int64
	if err := db.Pool().Select(&versions, `SELECT version_id FROM data_exhaust_migrations ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(versions, want) {
		t.Errorf("the migrations done are %v, want each once: %v", versions, want)
	}
}

// migrateAsOwnProcess is what TestManyProcessesMayMigrateAtOnce runs.
func migrateAsOwnProcess(url string) (exitCode int) {
	db, err := database.Open(context.Background(), url)
	if err == nil {
		err = errors.Join(New(db).Migrate(context.Background()), db.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestAJobOfAnotherKindOrStatusIsRefusedByTheTable(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		job := submitted("A")
		job.Dataset = "progress-exhaust"
		if err := jobs.Save(context.Background(), job); err == nil {
			t.Error("a job of dataset progress-exhaust was saved, which no search would find")
		}
		job = submitted("A")
		job.Status = "DONE"
		if err := jobs.Save(context.Background(), job); err == nil {
			t.Error("a job of status DONE was saved, which no search would find")
		}
	})
}

func submit(t *testing.T, jobs *Jobs, job exhaust.Job) {
	t.Helper()
	if err := jobs.Submit(context.Background(), job); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, jobs *Jobs, job exhaust.Job) {
	t.Helper()
	if err := jobs.Save(context.Background(), job); err != nil {
		t.Fatal(err)
	}
}

func wantJob(t *testing.T, jobs *Jobs, want exhaust.Job) {
	t.Helper()
	got, err := jobs.Job(context.Background(), want.ID)
	wantJobs(t, []exhaust.Job{want})([]exhaust.Job{got}, err)
}

// wantListed is wantJobs of what gives several, without their datasetConfigs.
func wantListed(t *testing.T, want []exhaust.Job) func([]exhaust.Job, error) {
	t.Helper()
	listed := slices.Clone(want)
	for i := range listed {
		listed[i].Config = nil
	}
	return wantJobs(t, listed)
}

func wantJobs(t *testing.T, want []exhaust.Job) func([]exhaust.Job, error) {
	t.Helper()
	return func(got []exhaust.Job, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("got %d jobs %v, want %d %v", len(got), ids(got), len(want), ids(want))
		}
		for i := range want {
			if got, want := got[i], inUTC(want[i]); !reflect.DeepEqual(got, want) {
				t.Errorf("job %d is\n%+v\nwant\n%+v", i, got, want)
			}
		}
	}
}

// inUTC is the job with the zone in which times come back.
func inUTC(job exhaust.Job) exhaust.Job {
	for _, at := range []*time.Time{&job.SubmittedAt, &job.UpdatedAt, &job.CompletedAt, &job.ExpiresAt} {
		*at = at.UTC()
	}
	return job
}

func ids(jobs []exhaust.Job) (ids []string) {
	for _, job := range jobs {
		ids = append(ids, job.ID)
	}
	return ids
}
