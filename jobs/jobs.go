// Package jobs keeps job_request, the table of what stays of an exhaust for good, on PostgreSQL and on SQLite, and decides
// nothing about an exhaust but that a record is never taken back.
//
// Errors say what was being done; they never hold a row's values, because those are signed URLs.
package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
)

// ErrNoJob says that job_request has no such exhaust.
var ErrNoJob = errors.New("no such job")

// Jobs is the table job_request: what stays of an exhaust for good, after Temporal has forgotten
// its workflow. Times are kept with milliseconds. An encryption key has no place in it.
type Jobs struct{ db *database.DB }

// New uses the table job_request, which Migrate makes, in db.
func New(db *database.DB) *Jobs { return &Jobs{db: db} }

// Submit records that the exhaust was submitted: SUBMITTED, parked or not, without any outcome. An exhaust that
// is recorded already is taken over by a later attempt of it (greater Attempts) and otherwise
// stays as it is, so that submitting may be repeated and may come late.
func (j *Jobs) Submit(ctx context.Context, job exhaust.Job) error {
	return j.upsert(ctx, exhaust.Job{
		Request: job.Request,
		State:   exhaust.State{Status: exhaust.Submitted, Attempts: job.Attempts, Parked: job.Parked, UpdatedAt: job.UpdatedAt},
	}, "excluded.iteration > job_request.iteration")
}

// Save records how the exhaust stands, as the workflow knows it. A record of an older attempt is
// ignored, as is one that would take the same attempt a step back (SUBMITTED, PROCESSING, ended).
//
// An end takes the place of another end of the same attempt only where it was completed later, as that of a workflow which
// was reset is: a recorder that was held up must not bring back a report that has been dropped since. Until the end, the
// progress of an attempt is only ever raised.
func (j *Jobs) Save(ctx context.Context, job exhaust.Job) error {
	if job.Status == exhaust.Failed || job.Status == exhaust.Cancelled {
		// What a step had done that was waiting at the end, the workflow does not know.
		raised, err := j.RaiseProgress(ctx, job.ID, job.Attempts, job.Progress)
		if err != nil && !errors.Is(err, ErrNoJob) {
			return err
		}
		job.Progress = raised
	}
	is, comes := stepOf("job_request.status"), stepOf("excluded.status")
	if err := j.upsert(ctx, job, `excluded.iteration > job_request.iteration
		OR excluded.iteration = job_request.iteration AND (`+comes+` > `+is+`
			OR `+comes+` = `+is+` AND (`+comes+` < `+stepOfEnd+` OR excluded.dt_job_completed > job_request.dt_job_completed))`,
	); err != nil || job.Status.HasEnded() || job.Progress.Percent == 0 {
		return err // nothing was done yet that could raise what is recorded
	}
	// The upsert has kept the progress of the same attempt as it was.
	_, err := j.RaiseProgress(ctx, job.ID, job.Attempts, job.Progress)
	if errors.Is(err, ErrNoJob) {
		return nil // it is older than what is recorded
	}
	return err
}

// ofReport is the condition that a row is of an attempt and holds its report. One without a report has none to speak of.
const ofReport = `request_id = $1 AND iteration = $2 AND report = $3 AND report <> ''`

const (
	saveURLsQuery = `UPDATE job_request SET download_urls = $4, receipt_url = $5, dt_urls_expire = $6
		WHERE ` + ofReport + ` AND status = 'SUCCESS' AND (dt_urls_expire IS NULL OR dt_urls_expire < $6)`
	succeededQuery = `SELECT count(*) FROM job_request WHERE ` + ofReport + ` AND status = 'SUCCESS'`
)

// SaveURLs replaces the signed URLs of an exhaust that has SUCCEEDED with those of the job, unless the row holds URLs that
// work for as long or longer. ErrNoJob says that no such exhaust has the job's attempt and report: a job that was read
// before another attempt, or before its report was dropped, changes nothing.
func (j *Jobs) SaveURLs(ctx context.Context, of exhaust.Job) error {
	doing := "save the URLs of job " + of.ID + " in"
	urls, err := json.Marshal(of.DownloadURLs)
	if err != nil {
		return fmt.Errorf("job %s: %w", of.ID, err)
	}
	changed, err := j.change(ctx, doing, saveURLsQuery, of.ID, of.Attempts, of.Report, string(urls), of.ReceiptURL, instant(of.ExpiresAt))
	if err != nil || changed {
		return err
	}
	var counts []int
	if err := j.db.Select(ctx, &counts, succeededQuery, of.ID, of.Attempts, of.Report); err != nil {
		return j.failed(doing, err)
	}
	if counts[0] == 0 {
		return ErrNoJob
	}
	return nil
}

// Job is the exhaust of that id, or ErrNoJob.
func (j *Jobs) Job(ctx context.Context, requestID string) (exhaust.Job, error) {
	jobs, err := j.query(ctx, "read job "+requestID+" from", jobQuery, []any{requestID})
	if err != nil {
		return exhaust.Job{}, err
	}
	if len(jobs) == 0 {
		return exhaust.Job{}, ErrNoJob
	}
	return jobs[0], nil
}

// List is the exhausts that a channel asked for under a tag, the newest submission first; those of
// one millisecond go by id. A limit of 0 is none. Like all that gives several exhausts it leaves out their datasetConfig,
// which is the client's and may be large: Configs gives it.
func (j *Jobs) List(ctx context.Context, tag, channel string, limit int) ([]exhaust.Job, error) {
	return j.Search(ctx, Search{Tag: tag, Channel: channel, Limit: limit})
}

// Unpark records that an exhaust no longer waits for the night, before its workflow records itself.
func (j *Jobs) Unpark(ctx context.Context, requestID string, attempts int) error {
	_, err := j.change(ctx, "let run job "+requestID+" in",
		`UPDATE job_request SET parked = $3 WHERE request_id = $1 AND iteration = $2 AND status = 'SUBMITTED'`, requestID, attempts, false)
	return err
}

// CountUnderWay is how many exhausts of a channel have been submitted and have not ended, those aside that wait for the night and
// those of which nothing was recorded since a time.
func (j *Jobs) CountUnderWay(ctx context.Context, channel string, since time.Time) (int, error) {
	var counts []int
	err := j.db.Select(ctx, &counts, underWayQuery, channel, instant(since))
	if err != nil {
		return 0, j.failed("count jobs in", err)
	}
	return counts[0], nil
}

// underWayQuery names the datasets for the index of a channel.
const underWayQuery = `SELECT count(*) FROM job_request WHERE requested_channel = $1
	AND job_id IN ('uci-response-exhaust', 'uci-private-exhaust') AND status IN ('SUBMITTED', 'PROCESSING')
	AND NOT parked AND dt_job_updated >= $2`

// FindAll is those of the exhausts of some ids that there are, in no order. Like List it leaves out their datasetConfigs.
func (j *Jobs) FindAll(ctx context.Context, requestIDs []string) ([]exhaust.Job, error) {
	if len(requestIDs) == 0 {
		return nil, nil
	}
	query, args := ofIDs(listColumns, requestIDs)
	return j.query(ctx, "find jobs in", query, args)
}

// ofIDs selects columns of the jobs of some ids, of which there is one at least.
func ofIDs(columns string, requestIDs []string) (query string, args []any) {
	places := make([]string, len(requestIDs))
	args = make([]any, len(requestIDs))
	for i, id := range requestIDs {
		places[i], args[i] = fmt.Sprintf("$%d", i+1), id
	}
	return `SELECT ` + columns + ` FROM job_request WHERE request_id IN (` + strings.Join(places, ", ") + `)`, args
}

// Configs are the datasetConfigs of exhausts by their ids. Of an id that is not there, there is none.
func (j *Jobs) Configs(ctx context.Context, requestIDs []string) (map[string]json.RawMessage, error) {
	configs := make(map[string]json.RawMessage, len(requestIDs))
	if len(requestIDs) == 0 {
		return configs, nil
	}
	var rows []struct {
		RequestID string `db:"request_id"`
		Config    string `db:"request_data"`
	}
	query, args := ofIDs("request_id, request_data", requestIDs)
	if err := j.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, j.failed("read datasetConfigs from", err)
	}
	for _, row := range rows {
		configs[row.RequestID] = json.RawMessage(row.Config)
	}
	return configs, nil
}

const jobColumns = `request_id, tag, job_id, status, request_data, requested_by, requested_channel,
	output_format, conversation_id, start_date, end_date, allow_empty, dt_job_submitted, dt_job_updated,
	dt_job_completed, execution_time, iteration, err_message, may_heal, progress, report, receipt,
	download_urls, receipt_url, dt_urls_expire, parked, purpose, range_from, range_to`

// listColumns are those of several jobs.
var listColumns = strings.Replace(jobColumns, "request_data, ", "", 1)

const newestFirst = ` ORDER BY dt_job_submitted DESC, request_id `

const jobQuery = `SELECT ` + jobColumns + ` FROM job_request WHERE request_id = $1`

func atMost(limit int) int {
	if limit <= 0 {
		return math.MaxInt32
	}
	return limit
}

// stepOf is SQL for how far a status is in the life of an exhaust.
func stepOf(status string) string {
	return "CASE " + status + " WHEN 'SUBMITTED' THEN 0 WHEN 'PROCESSING' THEN 1 ELSE " + stepOfEnd + " END"
}

const stepOfEnd = "2"

func (j *Jobs) upsert(ctx context.Context, job exhaust.Job, overwrite string) error {
	row, err := rowOf(job)
	if err != nil {
		return fmt.Errorf("job %s: %w", job.ID, err)
	}
	if err := j.db.NamedExec(ctx, upsertQuery+overwrite, row); err != nil {
		return j.failed("save job "+job.ID+" in", err)
	}
	return nil
}

var upsertQuery = func() string {
	columns := strings.Fields(strings.ReplaceAll(jobColumns, ",", " "))
	var updates []string
	for _, c := range columns[1:] {
		value := "excluded." + c
		if c == "progress" {
			value = `CASE WHEN excluded.iteration = job_request.iteration AND ` + stepOf("excluded.status") + ` < ` + stepOfEnd + `
				THEN job_request.progress ELSE excluded.progress END`
		}
		updates = append(updates, c+" = "+value)
	}
	return `INSERT INTO job_request (` + jobColumns + `) VALUES (:` + strings.Join(columns, ", :") + `)
		ON CONFLICT (request_id) DO UPDATE SET ` + strings.Join(updates, ", ") + ` WHERE `
}()

// change runs an UPDATE of at most one row and says whether there was one to change.
func (j *Jobs) change(ctx context.Context, doing, query string, args ...any) (changed bool, err error) {
	result, err := j.db.Exec(ctx, query, args...)
	if err != nil {
		return false, j.failed(doing, err)
	}
	rows, err := result.RowsAffected()
	if err != nil {
		return false, j.failed(doing, err)
	}
	return rows > 0, nil
}

func (j *Jobs) query(ctx context.Context, doing, query string, args []any) ([]exhaust.Job, error) {
	var rows []jobRow
	if err := j.db.Select(ctx, &rows, query, args...); err != nil {
		return nil, j.failed(doing, err)
	}
	jobs := make([]exhaust.Job, len(rows))
	for i, row := range rows {
		job, err := row.job()
		if err != nil {
			return nil, fmt.Errorf("%s table job_request: job %s: %w", doing, row.RequestID, err)
		}
		jobs[i] = job
	}
	return jobs, nil
}

func (j *Jobs) failed(doing string, err error) error { return j.failedIn("job_request", doing, err) }

func (j *Jobs) failedIn(table, doing string, err error) error {
	return fmt.Errorf("%s table %s of %s: %w", doing, table, j.db, err)
}

// jobRow is a row of job_request.
type jobRow struct {
	RequestID      string        `db:"request_id"`
	Tag            string        `db:"tag"`
	Dataset        string        `db:"job_id"`
	Status         string        `db:"status"`
	Config         string        `db:"request_data"`
	RequestedBy    string        `db:"requested_by"`
	Channel        string        `db:"requested_channel"`
	OutputFormat   string        `db:"output_format"`
	ConversationID string        `db:"conversation_id"`
	StartDate      string        `db:"start_date"`
	EndDate        string        `db:"end_date"`
	AllowEmpty     bool          `db:"allow_empty"`
	SubmittedAt    instant       `db:"dt_job_submitted"`
	UpdatedAt      instant       `db:"dt_job_updated"`
	CompletedAt    instant       `db:"dt_job_completed"`
	ExecutionTime  sql.NullInt64 `db:"execution_time"`
	Attempts       int           `db:"iteration"`
	Message        string        `db:"err_message"`
	Retryable      bool          `db:"may_heal"`
	Progress       string        `db:"progress"`
	Report         string        `db:"report"`
	Receipt        string        `db:"receipt"`
	DownloadURLs   string        `db:"download_urls"`
	ReceiptURL     string        `db:"receipt_url"`
	ExpiresAt      instant       `db:"dt_urls_expire"`
	Parked         bool          `db:"parked"`
	Purpose        string        `db:"purpose"`
	From           string        `db:"range_from"`
	To             string        `db:"range_to"`
}

func rowOf(job exhaust.Job) (jobRow, error) {
	progress, err := progressText(job.Progress)
	if err != nil {
		return jobRow{}, err
	}
	urls, err := json.Marshal(job.DownloadURLs)
	if err != nil {
		return jobRow{}, err
	}
	milliseconds := job.ExecutionTime.Milliseconds()
	return jobRow{
		RequestID:      job.ID,
		Tag:            job.ChannelTag(),
		Dataset:        string(job.Dataset),
		Status:         string(job.Status),
		Config:         string(exhaust.UnescapeHTML(job.Config)),
		RequestedBy:    job.RequestedBy,
		Channel:        job.Channel,
		OutputFormat:   job.OutputFormat,
		ConversationID: job.ConversationID,
		StartDate:      string(job.StartDate),
		EndDate:        string(job.EndDate),
		AllowEmpty:     job.AllowEmpty,
		SubmittedAt:    instant(job.SubmittedAt),
		UpdatedAt:      instant(job.UpdatedAt),
		CompletedAt:    instant(job.CompletedAt),
		ExecutionTime:  sql.NullInt64{Int64: milliseconds, Valid: milliseconds != 0},
		Attempts:       job.Attempts,
		Message:        job.Message,
		Retryable:      job.Retryable,
		Progress:       progress,
		Report:         job.Report,
		Receipt:        job.Receipt,
		DownloadURLs:   string(urls),
		ReceiptURL:     job.ReceiptURL,
		ExpiresAt:      instant(job.ExpiresAt),
		Parked:         job.Parked,
		Purpose:        job.Purpose,
		From:           string(job.From),
		To:             string(job.To),
	}, nil
}

func (r jobRow) job() (exhaust.Job, error) {
	job := exhaust.Job{
		Request: exhaust.Request{
			ID:             r.RequestID,
			Dataset:        exhaust.Dataset(r.Dataset),
			Tag:            strings.TrimSuffix(r.Tag, ":"+r.Channel),
			Channel:        r.Channel,
			RequestedBy:    r.RequestedBy,
			OutputFormat:   r.OutputFormat,
			ConversationID: r.ConversationID,
			StartDate:      exhaust.Day(r.StartDate),
			EndDate:        exhaust.Day(r.EndDate),
			SubmittedAt:    time.Time(r.SubmittedAt),
			AllowEmpty:     r.AllowEmpty,
			Purpose:        r.Purpose,
		},
		State: exhaust.State{
			Status:        exhaust.Status(r.Status),
			Message:       r.Message,
			Retryable:     r.Retryable,
			Attempts:      r.Attempts,
			Parked:        r.Parked,
			From:          exhaust.Day(r.From),
			To:            exhaust.Day(r.To),
			UpdatedAt:     time.Time(r.UpdatedAt),
			CompletedAt:   time.Time(r.CompletedAt),
			ExecutionTime: time.Duration(r.ExecutionTime.Int64) * time.Millisecond,
			Report:        r.Report,
			Receipt:       r.Receipt,
		},
		ReceiptURL: r.ReceiptURL,
		ExpiresAt:  time.Time(r.ExpiresAt),
	}
	if r.Config != "" {
		job.Config = json.RawMessage(r.Config)
	}
	var err error
	if job.Progress, err = parseProgress(r.Progress); err != nil {
		return exhaust.Job{}, err
	}
	if err := json.Unmarshal([]byte(r.DownloadURLs), &job.DownloadURLs); err != nil {
		return exhaust.Job{}, errors.New("column download_urls is no JSON list of texts")
	}
	return job, nil
}
