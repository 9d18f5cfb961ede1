package jobs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"data-exhaust/exhaust"
)

// Search says which exhausts are wanted; a zero value wants any.
type Search struct {
	Dataset exhaust.Dataset
	Channel string
	// Tag is the client's, without a channel, and ConversationID is in any letter case where it is a uuid. Both want a Channel:
	// the indexes have them by channel, and Channels tells which have any.
	Tag, ConversationID string
	Statuses            []exhaust.Status
	// From and To bound the time of submission: From <= submitted < To.
	From, To time.Time
	// After goes on behind an exhaust.
	After Position
	Limit int
}

// Position is where an exhaust stands in the order of List. What is submitted later stands before it.
type Position struct {
	SubmittedAt time.Time
	RequestID   string
}

// Search is the exhausts wanted, in the order of List.
func (j *Jobs) Search(ctx context.Context, s Search) ([]exhaust.Job, error) {
	query, args := s.query()
	return j.query(ctx, "search", query, args)
}

// query asks the index for each dataset and status on its own. Within one the index is in the
// order wanted, so that any search reads no more than its limit of each, however many jobs match
// and however few of them are of the wanted kind. Only a tag together with a conversation takes
// more: the rows of one of them are read, of which most are of the other.
func (s Search) query() (string, []any) {
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	limit, wanted, places := arg(atMost(s.Limit)), s.conditions(arg), s.After.conditions(arg)
	var parts []string
	for _, dataset := range someOr(exhaust.Datasets, s.Dataset) {
		for _, status := range someOr(exhaust.Statuses, s.Statuses...) {
			of := `SELECT * FROM (SELECT request_id, dt_job_submitted FROM job_request
				WHERE job_id = ` + arg(string(dataset)) + ` AND status = ` + arg(string(status)) + wanted
			for _, place := range places {
				parts = append(parts, of+place+newestFirst+`LIMIT `+limit+`) AS part`)
			}
		}
	}
	return `SELECT ` + listColumns + ` FROM job_request WHERE request_id IN (
			SELECT request_id FROM (` + strings.Join(parts, " UNION ALL ") + `) AS found` + newestFirst + `LIMIT ` + limit + `)` + newestFirst, args
}

// conditions are those on what is wanted, beside the dataset and the status.
func (s Search) conditions(arg func(any) string) string {
	var where strings.Builder
	if s.Channel != "" {
		where.WriteString(" AND requested_channel = " + arg(s.Channel))
	}
	switch {
	case s.Tag != "" && s.Channel != "":
		where.WriteString(" AND tag = " + arg(exhaust.Request{Tag: s.Tag, Channel: s.Channel}.ChannelTag()))
	case s.Tag != "":
		where.WriteString(" AND tag = " + arg(s.Tag) + " || ':' || requested_channel")
	}
	if s.ConversationID != "" {
		where.WriteString(" AND lower(conversation_id) = " + arg(strings.ToLower(s.ConversationID)))
		if _, isUUID := exhaust.ParseDeviceID(s.ConversationID); !isUUID {
			where.WriteString(" AND conversation_id = " + arg(s.ConversationID)) // the index is of those in lower case
		}
	}
	if !s.From.IsZero() {
		where.WriteString(" AND dt_job_submitted >= " + arg(instant(s.From)))
	}
	if !s.To.IsZero() {
		where.WriteString(" AND dt_job_submitted < " + arg(instant(s.To)))
	}
	return where.String()
}

// conditions are those that together hold for what stands behind the position, each a range of the index: a single condition
// for both would have it read from the newest on.
func (p Position) conditions(arg func(any) string) []string {
	if p == (Position{}) {
		return []string{""}
	}
	submitted := arg(instant(p.SubmittedAt))
	return []string{
		" AND dt_job_submitted < " + submitted,
		" AND dt_job_submitted = " + submitted + " AND request_id > " + arg(p.RequestID),
	}
}

// someOr are those that are given, or else all. The zero value is none that is given.
func someOr[T ~string](all []T, given ...T) []T {
	if len(given) == 0 || given[0] == "" {
		return all
	}
	return given
}

// Channels are the channels that have exhausts, at most limit of them, ascending as the database sorts them; where tag or
// conversationID is not "", those that have exhausts of it. It leaps through the index from channel to channel, however many
// exhausts each has.
func (j *Jobs) Channels(ctx context.Context, tag, conversationID string, limit int) (channels []string, err error) {
	query, args := channelsQuery(tag, conversationID, limit)
	if err := j.db.Select(ctx, &channels, query, args...); err != nil {
		return nil, j.failed("list the channels in", err)
	}
	return channels, nil
}

func channelsQuery(tag, conversationID string, limit int) (query string, args []any) {
	args = []any{limit}
	var where strings.Builder
	// A subquery for each channel, where EXISTS would let PostgreSQL join it with the whole table, in the order of the index of
	// what is asked for: else it reads the table, for the first row that has it, where a channel has none.
	has := func(condition string, value any) {
		args = append(args, value)
		where.WriteString(` AND (SELECT 1 FROM job_request WHERE requested_channel = channel AND ` + fmt.Sprintf(condition, len(args)) + ` ORDER BY job_id LIMIT 1) = 1`)
	}
	if tag != "" {
		has(`tag = $%d || ':' || channel`, tag)
	}
	if conversationID != "" {
		has(`lower(conversation_id) = $%d`, strings.ToLower(conversationID))
	}
	return `WITH RECURSIVE found (channel) AS (
			SELECT min(requested_channel) FROM job_request WHERE requested_channel > ''
			UNION ALL
			SELECT (SELECT min(requested_channel) FROM job_request WHERE requested_channel > channel) FROM found WHERE channel IS NOT NULL)
		SELECT channel FROM found WHERE channel IS NOT NULL` + where.String() + ` LIMIT $1`, args
}
