package jobs

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
)

// failedWith is a job that FAILED with a sentence, minutes after an hour past morning.
func failedWith(id, sentence string, minutes int) exhaust.Job {
	job := completedLater(time.Duration(minutes)*time.Minute, failed(submitted(id)))
	job.Message = sentence
	return job
}

func TestFailuresAreGroupedByTheirSentenceTheMostFrequentFirst(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		const broken, none, slow = `2022-03-01/a.gz is corrupt: "it" ends early`, "No data found", "no end within 24h"
		for i, sentence := range []string{broken, none, broken, slow, broken, none, broken} {
			job := failedWith(fmt.Sprintf("F%d", i), sentence, i)
			job.Retryable = sentence == slow || i == 4
			if i == 2 {
				job.Channel = "another"
			}
			save(t, jobs, job)
		}
		// None of these is a failure.
		cancelled := failedWith("C", broken, 9)
		cancelled.Status = exhaust.Cancelled
		for _, job := range []exhaust.Job{submitted("A"), processing(submitted("P")), succeeded(submitted("S")), cancelled} {
			save(t, jobs, job)
		}
		end := func(minutes int) time.Time { return morning.Add(time.Hour + time.Duration(minutes)*time.Minute) }
		type group struct {
			sentence                   string
			count, retryable, channels int
			first, last                time.Time
			examples                   string
		}
		all := []group{
			{broken, 4, 1, 2, end(0), end(6), "F6 F4 F2"},
			{none, 2, 0, 1, end(1), end(5), "F5 F1"},
			{slow, 1, 1, 1, end(3), end(3), "F3"},
		}
		for name, c := range map[string]struct {
			since time.Time
			limit int
			want  []group
			more  int
		}{
			"of any time":                {time.Time{}, 10, all, 0},
			"without a limit":            {time.Time{}, 0, all, 0},
			"the first two":              {time.Time{}, 2, all[:2], 1},
			"as old as the time":         {end(5), 10, []group{{broken, 1, 0, 1, end(6), end(6), "F6"}, {none, 1, 0, 1, end(5), end(5), "F5"}}, 0},
			"of those as many, the last": {end(3), 1, []group{{broken, 2, 1, 1, end(4), end(6), "F6 F4"}}, 2},
			"since the last":             {end(7), 10, nil, 0},
		} {
			groups, more, err := jobs.Failures(context.Background(), c.since, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []group
			for _, g := range groups {
				var ids []string
				for _, job := range g.Examples {
					ids = append(ids, job.ID)
					if job.Config != nil || job.Message != g.Sentence || job.Status != exhaust.Failed {
						t.Errorf("%s: an example is %+v", name, job)
					}
				}
				got = append(got, group{g.Sentence, g.Count, g.Retryable, g.Channels, g.First.In(morning.Location()), g.Last.In(morning.Location()), strings.Join(ids, " ")})
			}
			if !reflect.DeepEqual(got, c.want) || more != c.more {
				t.Errorf("%s:\n got %v and %d more\nwant %v and %d more", name, got, more, c.want, c.more)
			}
		}
	})
}

// With the race detector there are fewer.
var (
	manyFailures  = 10_000 / slowdown
	manySentences = manyFailures * 3 / 100
)

// TestTenThousandFailuresAreGroupedWellWithinASecond: 10,000 of 300 sentences beside 100,000 other rows. Each of a group is met in
// pages.
func TestTenThousandFailuresAreGroupedWellWithinASecond(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		fillFailures(t, jobs.db)
		limit, mostFrequent := manySentences/6, (manyFailures+manySentences-1)/manySentences
		begin := time.Now()
		groups, more, err := jobs.Failures(context.Background(), time.Time{}, limit)
		took := time.Since(begin)
		if err != nil || len(groups) != limit || more != manySentences-limit || groups[0].Count != mostFrequent || len(groups[0].Examples) != maxExamples {
			t.Errorf("%d groups and %d more, %v", len(groups), more, err)
		}
		t.Logf("grouped in %s", took)
		if took > time.Second/2 {
			t.Errorf("grouping took %s", took)
		}
		met := map[string]bool{}
		for after := ""; ; {
			page := selected(t, jobs, Selection{Status: exhaust.Failed, Message: groups[0].Sentence, After: after, Limit: 10})
			for _, id := range page {
				met[id] = true
			}
			if len(page) < 10 {
				break
			}
			after = page[len(page)-1]
		}
		if len(met) != groups[0].Count {
			t.Errorf("met %d of %d", len(met), groups[0].Count)
		}
	})
}

// TestTenThousandFailuresOfOneSentenceAreMetInPages: a group may be as large.
func TestTenThousandFailuresOfOneSentenceAreMetInPages(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		fillFailures(t, jobs.db)
		dbtest.Exec(t, jobs.db, `UPDATE job_request SET err_message = 'No data found' WHERE status = 'FAILED'`)
		met, last, limit := 0, "", manyFailures/10
		for {
			page := selected(t, jobs, Selection{Status: exhaust.Failed, Message: "No data found", After: last, Limit: limit})
			if met += len(page); len(page) < limit {
				break
			}
			if page[0] <= last {
				t.Fatalf("behind %s comes %s", last, page[0])
			}
			last = page[limit-1]
		}
		if met != manyFailures {
			t.Errorf("met %d", met)
		}
	})
}

// fillFailures makes eleven times as many jobs, of which each eleventh FAILED, with one of the sentences.
func fillFailures(t *testing.T, db *database.DB) {
	t.Helper()
	fillJobs(t, db, 11*manyFailures)
	dbtest.Exec(t, db, `UPDATE job_request SET status = 'SUCCESS'`)
	number := `CAST(substr(request_id, 2) AS INTEGER)`
	dbtest.Exec(t, db, `UPDATE job_request SET status = 'FAILED', report = '', may_heal = true,
		err_message = 'telemetry of object ' || (`+number+` / 11 % `+strconv.Itoa(manySentences)+`) || ' is corrupt: it ends early' WHERE `+number+` % 11 = 0`)
	dbtest.Exec(t, db, `ANALYZE`)
}
