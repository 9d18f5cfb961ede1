package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"data-exhaust/exhaust"
)

// Selection says which exhausts are wanted for work on each of them; a zero value wants any.
type Selection struct {
	// Status is one, never any.
	Status         exhaust.Status
	RequestID      string
	Dataset        exhaust.Dataset
	Tag            string // the client's, without a channel
	Channel        string
	ConversationID string
	// Message is err_message, exactly.
	Message string
	// From and To bound the time of submission: From <= submitted < To.
	From, To time.Time
	// Retryable wants only those that FAILED for a reason that may heal.
	Retryable bool
	// BelowAttempts, where it is not 0, wants fewer attempts.
	BelowAttempts int
	// EndedSince and EndedBefore bound the time of the end where they are not zero: EndedSince <= ended < EndedBefore.
	EndedSince, EndedBefore time.Time
	// After goes on behind an id.
	After string
	// Limit is how many; 0 is all.
	Limit int
}

// Select is the exhausts wanted, by ascending id.
func (j *Jobs) Select(ctx context.Context, s Selection) ([]exhaust.Job, error) {
	query, args, err := s.query()
	if err != nil {
		return nil, err
	}
	return j.query(ctx, "select jobs in", query, args)
}

// Count is how many exhausts are wanted, whatever the Limit.
func (j *Jobs) Count(ctx context.Context, s Selection) (int, error) {
	query, args, err := s.countQuery()
	if err != nil {
		return 0, err
	}
	var counts []int
	if err := j.db.Select(ctx, &counts, query, args...); err != nil {
		return 0, j.failed("count selected jobs in", err)
	}
	return counts[0], nil
}

func (s Selection) query() (query string, args []any, err error) {
	where, args, err := s.where()
	args = append(args, atMost(s.Limit))
	return fmt.Sprintf(`SELECT %s FROM job_request WHERE %s ORDER BY request_id LIMIT $%d`, listColumns, where, len(args)), args, err
}

func (s Selection) countQuery() (query string, args []any, err error) {
	where, args, err := s.where()
	return `SELECT count(*) FROM job_request WHERE ` + where, args, err
}

// where is the condition of the exhausts that are wanted.
func (s Selection) where() (condition string, args []any, err error) {
	var where []string
	and := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if !slices.Contains(exhaust.Statuses, s.Status) {
		return "", nil, fmt.Errorf("select jobs: %q is no status", s.Status)
	}
	// As a constant, so that PostgreSQL sees that the index of those to start will do.
	where = append(where, "status = '"+string(s.Status)+"'")
	if s.Status != exhaust.Success {
		where = append(where, isToRun)
	}
	and("request_id > $%d", s.After)
	if s.RequestID != "" {
		and("request_id = $%d", s.RequestID)
	}
	if s.Dataset != "" {
		and("job_id = $%d", string(s.Dataset))
	}
	if s.Channel != "" {
		and("requested_channel = $%d", s.Channel)
	}
	if s.Tag != "" {
		and("tag = $%d || ':' || requested_channel", s.Tag)
	}
	if s.ConversationID != "" {
		and("lower(conversation_id) = lower($%d)", s.ConversationID)
		if _, isUUID := exhaust.ParseDeviceID(s.ConversationID); !isUUID {
			and("conversation_id = $%d", s.ConversationID) // the index is of those in lower case
		}
	}
	if s.Message != "" {
		and("err_message = $%d", s.Message)
	}
	if !s.From.IsZero() {
		and("dt_job_submitted >= $%d", instant(s.From))
	}
	if !s.To.IsZero() {
		and("dt_job_submitted < $%d", instant(s.To))
	}
	if s.Retryable {
		and("may_heal = $%d", true)
	}
	if s.BelowAttempts > 0 {
		and("iteration < $%d", s.BelowAttempts)
	}
	if !s.EndedSince.IsZero() {
		and("dt_job_completed >= $%d", instant(s.EndedSince))
	}
	if !s.EndedBefore.IsZero() {
		and("dt_job_completed < $%d", instant(s.EndedBefore))
	}
	return strings.Join(where, " AND "), args, nil
}

// isToRun is the condition of the index of those to run. SQLite takes the index only for a query that has it, word for word.
const isToRun = `status <> 'SUCCESS'`

var withReportQuery = `SELECT ` + listColumns + ` FROM job_request
	WHERE report <> '' AND dt_job_completed < $1 ORDER BY dt_job_completed LIMIT $2`

// WithReport is the exhausts that ended before a time and whose report is still kept, the oldest
// first.
func (j *Jobs) WithReport(ctx context.Context, endedBefore time.Time, limit int) ([]exhaust.Job, error) {
	return j.query(ctx, "select jobs with a report in", withReportQuery, []any{instant(endedBefore), atMost(limit)})
}

const dropReportQuery = `UPDATE job_request
	SET report = '', receipt = '', download_urls = '[]', receipt_url = '', dt_urls_expire = NULL, err_message = $4
	WHERE ` + ofReport

// DropReport records that the report of an attempt, under the name that the job has for it, is no longer kept, nor its
// receipt, and why. dropped says that it was this call that did so: of several callers exactly one has claimed the report,
// and deletes the files after it has. A row that has another attempt or another report by now stays as it is.
func (j *Jobs) DropReport(ctx context.Context, of exhaust.Job, why string) (dropped bool, err error) {
	return j.change(ctx, "drop the report of job "+of.ID+" in", dropReportQuery, of.ID, of.Attempts, of.Report, why)
}
