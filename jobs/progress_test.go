package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
)

// raise raises the progress of job A and demands that answer.
func raise(t *testing.T, jobs *Jobs, attempts int, p, want exhaust.Progress) {
	t.Helper()
	got, err := jobs.RaiseProgress(context.Background(), "A", attempts, p)
	if err != nil || got != want {
		t.Errorf("raised to %+v, %v\nwant      %+v", got, err, want)
	}
}

// leftAlone raises the progress of an attempt of job A that is not in flight.
func leftAlone(t *testing.T, jobs *Jobs, attempts int, p exhaust.Progress) {
	t.Helper()
	if got, err := jobs.RaiseProgress(context.Background(), "A", attempts, p); got != p || !errors.Is(err, ErrNoJob) {
		t.Errorf("raised to %+v, %v", got, err)
	}
}

// withProgress is the job with that progress.
func withProgress(p exhaust.Progress, job exhaust.Job) exhaust.Job {
	job.Progress = p
	return job
}

func TestProgressIsTheMostThatWasEverAnsweredInAnAttempt(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		save(t, jobs, processing(submitted("A")))
		first := exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 1 << 50, BytesRead: 9, EventsMatched: 3, Percent: 2}
		raise(t, jobs, 0, first, first)
		// Another process, whose Temporal answered a moment before.
		raise(t, jobs, 0, exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 1 << 50, BytesRead: 8, LinesSkipped: 1, Percent: 1},
			exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 1 << 50, BytesRead: 9, EventsMatched: 3, LinesSkipped: 1, Percent: 2})
		// What the step waits for is of this answer only.
		raised := exhaust.Progress{Phase: exhaust.Building, BytesTotal: 1 << 50, BytesRead: 9, EventsMatched: 3, LinesSkipped: 1, RowsWritten: 2, Percent: 90}
		answer := raised
		answer.Waiting = "telemetry store: no answer; tried once, trying again"
		raise(t, jobs, 0, exhaust.Progress{Phase: exhaust.Building, RowsWritten: 2, Percent: 90, Waiting: answer.Waiting}, answer)
		raise(t, jobs, 0, exhaust.Progress{}, raised)
		wantJob(t, jobs, withProgress(raised, processing(submitted("A"))))
	})
}

func TestProgressThatRaisesNothingIsNotWritten(t *testing.T) {
	refuseWrites := map[database.Dialect][]string{
		database.SQLite: {`CREATE TRIGGER refuse BEFORE UPDATE ON job_request BEGIN SELECT RAISE(FAIL, 'written'); END`},
		database.PostgreSQL: {
			`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'written'; END $$`,
			`CREATE TRIGGER refuse BEFORE UPDATE ON job_request FOR EACH ROW EXECUTE FUNCTION refuse()`,
		},
	}
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		job := processing(submitted("A"))
		save(t, jobs, job)
		for _, statement := range refuseWrites[jobs.db.Dialect()] {
			dbtest.Exec(t, jobs.db, statement)
		}
		raise(t, jobs, 0, job.Progress, job.Progress)
		less := job.Progress
		less.BytesRead--
		raise(t, jobs, 0, less, job.Progress)
		less.Waiting = "reading the telemetry failed; tried once, trying again"
		more := job.Progress
		more.Waiting = less.Waiting
		raise(t, jobs, 0, less, more)
		more.BytesRead++
		if _, err := jobs.RaiseProgress(context.Background(), "A", 0, more); err == nil {
			t.Error("what raises it was not written")
		}
	})
}

func TestProgressOfAnAttemptThatIsNotInFlightIsLeftAlone(t *testing.T) {
	p := exhaust.Progress{Phase: exhaust.Joining, BytesRead: 1 << 51, Percent: 80}
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		leftAlone(t, jobs, 0, p)
		for _, c := range []struct {
			name     string
			is       exhaust.Job
			attempts int
		}{
			{"an attempt before the one recorded", attempt(1, processing(submitted("A"))), 0},
			{"an attempt behind the one recorded", attempt(1, processing(submitted("A"))), 2},
			{"FAILED", attempt(1, failed(processing(submitted("A")))), 1},
			{"a later one that SUCCEEDED", attempt(2, succeeded(submitted("A"))), 2},
			{"a later one that was CANCELLED", func() exhaust.Job {
				job := attempt(3, failed(submitted("A")))
				job.Status = exhaust.Cancelled
				return job
			}(), 3},
		} {
			t.Run(c.name, func(t *testing.T) {
				save(t, jobs, c.is)
				leftAlone(t, jobs, c.attempts, p)
				wantJob(t, jobs, c.is)
			})
		}
	})
}

func TestARecordOfAnAttemptDoesNotLowerItsProgressButASuccessIsExact(t *testing.T) {
	high := exhaust.Progress{Phase: exhaust.Building, BytesTotal: 1 << 50, BytesRead: 1 << 49, RowsWritten: 5, Percent: 90}
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		// A read may come before the workflow has recorded that it is PROCESSING.
		save(t, jobs, submitted("A"))
		raise(t, jobs, 0, high, high)
		save(t, jobs, submitted("A"))
		wantJob(t, jobs, withProgress(high, submitted("A")))
		save(t, jobs, processing(submitted("A")))
		wantJob(t, jobs, withProgress(high, processing(submitted("A"))))
		// A record raises it as a read does.
		higher := exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 1 << 50, BytesRead: 1 << 50, LinesSkipped: 2, Percent: 80}
		save(t, jobs, withProgress(higher, processing(submitted("A"))))
		both := high
		both.BytesRead, both.LinesSkipped = 1<<50, 2
		wantJob(t, jobs, withProgress(both, processing(submitted("A"))))
		// The end of what came to nothing knows less than was shown where a step was waiting then.
		less := exhaust.Progress{Phase: exhaust.Fetching, BytesRead: 3, Undecryptable: 1, Percent: 1}
		both.Undecryptable = 1
		save(t, jobs, withProgress(less, failed(submitted("A"))))
		wantJob(t, jobs, withProgress(both, failed(submitted("A"))))
		// The next attempt begins anew, whether it is submitted or was faster than that.
		submit(t, jobs, attempt(1, submitted("A")))
		wantJob(t, jobs, attempt(1, submitted("A")))
		raise(t, jobs, 1, high, high)
		save(t, jobs, attempt(1, succeeded(submitted("A"))))
		wantJob(t, jobs, attempt(1, succeeded(submitted("A"))))
		save(t, jobs, attempt(2, processing(submitted("A"))))
		wantJob(t, jobs, attempt(2, processing(submitted("A"))))
	})
}

func TestWhatAJobWaitsForIsNotKept(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for _, job := range []exhaust.Job{processing(submitted("A")), failed(submitted("B"))} {
			waiting := job
			waiting.Progress.Waiting = "telemetry store: no answer; tried once, trying again"
			save(t, jobs, waiting)
			wantJob(t, jobs, job)
		}
	})
}

// TestNoAnswerIsBehindOneGivenBefore has two processes read an exhaust while its workflow records itself.
func TestNoAnswerIsBehindOneGivenBefore(t *testing.T) {
	const readers, answers = 8, 40
	for _, dialect := range []database.Dialect{database.SQLite, database.PostgreSQL} {
		t.Run(string(dialect), func(t *testing.T) {
			ctx, url := context.Background(), dbtest.URL(t, dialect)
			processes := []*Jobs{New(dbtest.Open(t, url)), New(dbtest.Open(t, url))}
			if err := processes[0].Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			save(t, processes[0], submitted("A"))
			var bytes, rows atomic.Int64 // the most that was answered
			dbtest.AtOnce(t, readers+1, func(i int) error {
				jobs := processes[i%len(processes)]
				for n := range answers {
					if i == readers {
						if err := jobs.Save(ctx, withProgress(exhaust.Progress{}, processing(submitted("A")))); err != nil {
							return err
						}
						continue
					}
					// Each process knows of one count more than the other does.
					p := exhaust.Progress{BytesRead: int64(n*readers + i)}
					if i%2 == 0 {
						p = exhaust.Progress{RowsWritten: int64(n*readers + i)}
					}
					leastBytes, leastRows := bytes.Load(), rows.Load()
					got, err := jobs.RaiseProgress(ctx, "A", 0, p)
					if err != nil {
						return err
					}
					if got.BytesRead < max(leastBytes, p.BytesRead) || got.RowsWritten < max(leastRows, p.RowsWritten) {
						return fmt.Errorf("answered %d bytes and %d rows; %d and %d had been answered before",
							got.BytesRead, got.RowsWritten, leastBytes, leastRows)
					}
					raiseTo(&bytes, got.BytesRead)
					raiseTo(&rows, got.RowsWritten)
				}
				return nil
			})
			wantJob(t, processes[0], withProgress(exhaust.Progress{BytesRead: answers*readers - 1, RowsWritten: answers*readers - 2},
				processing(submitted("A"))))
		})
	}
}

func raiseTo(mark *atomic.Int64, value int64) {
	for {
		old := mark.Load()
		if value <= old || mark.CompareAndSwap(old, value) {
			return
		}
	}
}

func TestAnEndThatComesWhileProgressIsRaisedIsExact(t *testing.T) {
	const readers = 8
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		ctx := context.Background()
		save(t, jobs, processing(submitted("A")))
		dbtest.AtOnce(t, readers+1, func(i int) error {
			if i == readers {
				time.Sleep(5 * time.Millisecond)
				return jobs.Save(ctx, succeeded(submitted("A")))
			}
			for n := range 50 {
				if _, err := jobs.RaiseProgress(ctx, "A", 0, exhaust.Progress{Undecryptable: int64(100 + n*readers + i)}); err != nil && !errors.Is(err, ErrNoJob) {
					return err
				}
			}
			return nil
		})
		wantJob(t, jobs, succeeded(submitted("A")))
	})
}

func TestJobsAreKeptThroughAPoolerThatGivesEachTransactionAnotherConnection(t *testing.T) {
	ctx, url := context.Background(), dbtest.URL(t, database.PostgreSQL)
	if err := New(dbtest.Open(t, url)).Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	jobs := New(dbtest.Open(t, dbtest.PoolerURL(t, url)))
	fillPool(t, jobs.db)
	submit(t, jobs, parked(submitted("A")))
	wantJob(t, jobs, parked(submitted("A")))
	save(t, jobs, processing(submitted("A")))
	p := exhaust.Progress{Phase: exhaust.Joining, BytesTotal: 1 << 50, BytesRead: 1 << 50, Percent: 80}
	raise(t, jobs, 0, p, p)
	wantJob(t, jobs, withProgress(p, processing(submitted("A"))))
	save(t, jobs, succeeded(submitted("A")))
	again := withURL("https://store/a?sig=2", succeeded(submitted("A")))
	if err := jobs.SaveURLs(ctx, again); err != nil {
		t.Fatal(err)
	}
	wantJob(t, jobs, again)
	drop(t, jobs, again, true)
	drop(t, jobs, again, false)
}
