package jobs

import (
	"context"
	"fmt"

	"data-exhaust/exhaust"
)

// AtWork is the exhausts that have been submitted, have not ended and do not wait for the night, those first that have been
// recorded as they stand for longest. A limit of 0 is none.
func (j *Jobs) AtWork(ctx context.Context, limit int) ([]exhaust.Job, error) {
	return j.query(ctx, "read jobs at work from", atWorkQuery, []any{atMost(limit)})
}

// CountWork is how many exhausts AtWork gives without a limit, and how many wait for the night.
func (j *Jobs) CountWork(ctx context.Context) (atWork, waiting int, err error) {
	var counts []struct {
		AtWork  int `db:"at_work"`
		Waiting int `db:"waiting"`
	}
	if err := j.db.Select(ctx, &counts, countWorkQuery); err != nil {
		return 0, 0, j.failed("count jobs at work in", err)
	}
	return counts[0].AtWork, counts[0].Waiting, nil
}

const hasNotEnded = `status IN ('SUBMITTED', 'PROCESSING') AND ` + isToRun

var (
	atWorkQuery = fmt.Sprintf(`SELECT %s FROM job_request WHERE %s AND NOT parked
		ORDER BY dt_job_updated, request_id LIMIT $1`, listColumns, hasNotEnded)
	countWorkQuery = fmt.Sprintf(`SELECT count(*) FILTER (WHERE NOT parked) AS at_work, count(*) FILTER (WHERE parked) AS waiting
		FROM job_request WHERE %s`, hasNotEnded)
)
