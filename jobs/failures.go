package jobs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"data-exhaust/exhaust"
)

// FailureGroup is the exhausts that FAILED with one sentence, exactly: what a [Selection] with that Message, and the same time as
// EndedSince, selects.
type FailureGroup struct {
	// Sentence is "" where none was recorded, as no release does. A Selection cannot ask for that: it would select any.
	Sentence string
	// Count is how many FAILED with it, Retryable how many of them for a reason that may heal.
	Count, Retryable int
	// Channels is of how many channels they are.
	Channels int
	// First and Last are when the first and the last of them ended.
	First, Last time.Time
	// Examples are the newest of them, at most three, without their datasetConfigs.
	Examples []exhaust.Job
}

const maxExamples = 3

// Failures groups the exhausts that FAILED and ended at a time or later, the zero time being any, by their sentence: the most
// frequent first, of those the one that came last. A limit of 0 is none; more is how many groups there are beyond it.
//
// A sentence that names an object or a day makes a group of its own. All exhausts that need the object share it, so it is one
// cause, and to run a group again starts nothing but the group.
func (j *Jobs) Failures(ctx context.Context, since time.Time, limit int) (groups []FailureGroup, more int, err error) {
	query, args := failuresQuery(since, limit)
	var rows []failureRow
	if err := j.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, 0, j.failed("group the failures in", err)
	}
	if len(rows) == 0 {
		return nil, 0, nil
	}
	at := make(map[string]int, len(rows))
	for i, row := range rows {
		at[row.Sentence] = i
		groups = append(groups, FailureGroup{
			Sentence: row.Sentence, Count: row.Count, Retryable: row.Retryable, Channels: row.Channels,
			First: time.Time(row.First), Last: time.Time(row.Last),
		})
	}
	query, args = examplesQuery(since, groups)
	examples, err := j.query(ctx, "read examples of failures from", query, args)
	if err != nil {
		return nil, 0, err
	}
	for _, job := range examples {
		group := &groups[at[job.Message]]
		group.Examples = append(group.Examples, job)
	}
	return groups, rows[0].Groups - len(rows), nil
}

type failureRow struct {
	Sentence  string  `db:"err_message"`
	Count     int     `db:"failures"`
	Retryable int     `db:"retryable"`
	Channels  int     `db:"channels"`
	First     instant `db:"first_end"`
	Last      instant `db:"last_end"`
	Groups    int     `db:"sentences"`
}

func failuresQuery(since time.Time, limit int) (string, []any) {
	where, args := failedSince(since)
	args = append(args, atMost(limit))
	return fmt.Sprintf(`SELECT err_message, count(*) AS failures, count(*) FILTER (WHERE may_heal) AS retryable,
			count(DISTINCT requested_channel) AS channels, min(dt_job_completed) AS first_end, max(dt_job_completed) AS last_end,
			count(*) OVER () AS sentences
		FROM job_request WHERE %s GROUP BY err_message ORDER BY failures DESC, last_end DESC, err_message LIMIT $%d`, where, len(args)), args
}

// examplesQuery reads the rows of the groups once: to find the examples first and to read them then takes as long again.
func examplesQuery(since time.Time, groups []FailureGroup) (string, []any) {
	where, args := failedSince(since)
	places := make([]string, len(groups))
	for i, group := range groups {
		args = append(args, group.Sentence)
		places[i] = fmt.Sprintf("$%d", len(args))
	}
	return fmt.Sprintf(`SELECT %[1]s FROM (SELECT %[1]s, row_number() OVER (PARTITION BY err_message ORDER BY dt_job_completed DESC, request_id) AS place
			FROM job_request WHERE %[2]s AND err_message IN (%[3]s)) AS part
		WHERE place <= %[4]d ORDER BY dt_job_completed DESC, request_id`, listColumns, where, strings.Join(places, ", "), maxExamples), args
}

func failedSince(since time.Time) (where string, args []any) {
	where = "status = 'FAILED' AND " + isToRun
	if !since.IsZero() {
		where, args = where+" AND dt_job_completed >= $1", []any{instant(since)}
	}
	return where, args
}
