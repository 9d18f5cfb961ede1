package console

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"data-exhaust/exhaust"
)

// summary is what charts are made of, as docs/summary.md says it. Of the questions, of which there may be any number, it holds
// those that are wanted.
type summary struct {
	// From and To are the days that the exhaust covers; "" where it is of everybody registered.
	From, To exhaust.Day
	// MinDevices is how many devices have given an answer at least that is listed.
	MinDevices                                                                   int
	Rows, RowsWithoutTime, Devices, Sessions, RowsWithoutSession, SilentSessions int64
	MeanDuration                                                                 *float64
	// Days are the rows of each day from From to To that has any, RowsElsewhere those of all other days.
	Days          map[exhaust.Day]int64
	RowsElsewhere int64
	Hours         [24]int64
	// Path are the first questions in their usual order, for the funnel, without their answers.
	Path []question
	// Questions are those wanted, the first of which is the one with that number in the usual order.
	Questions []question
	// QuestionCount is how many there are in all.
	QuestionCount     int
	Consent           struct{ Given, Refused, Unrecorded int64 }
	ConsentUnreadable int64
}

// question is what a summary says of one question.
type question struct {
	// Number is its place in the usual order, from 1 on.
	Number        int            `json:"-"`
	ID            string         `json:"id"`
	Title         string         `json:"title"`
	Answers       int64          `json:"answers"`
	Withheld      int64          `json:"withheld"`
	MeanDuration  *float64       `json:"meanDuration"`
	Sessions      int64          `json:"sessions"`
	SessionsEnded int64          `json:"sessionsEnded"`
	Listed        []listedAnswer `json:"listed"`
	Other         struct {
		Answers int64 `json:"answers"`
	} `json:"other"`
	More struct {
		Answers  int64 `json:"answers"`
		Distinct int64 `json:"distinct"`
	} `json:"more"`
}

// listedAnswer is an answer that enough devices gave.
type listedAnswer struct {
	Answer  string `json:"answer"`
	Answers int64  `json:"answers"`
}

// pathLength is how many questions a funnel has at the most.
const pathLength = 100

// readSummary reads a summary, with the questions whose numbers are from first on, at most count of them. It keeps no more of the
// file in memory than that, reads the members in the order in which a summary is written, and stops when the context ends.
func readSummary(ctx context.Context, file io.Reader, first, count int) (summary, error) {
	s := summary{Days: map[exhaust.Day]int64{}}
	members := map[string]any{
		"from": &s.From, "to": &s.To, "minDevices": &s.MinDevices, "rows": &s.Rows, "rowsWithoutTime": &s.RowsWithoutTime,
		"devices": &s.Devices, "sessions": &s.Sessions, "rowsWithoutSession": &s.RowsWithoutSession,
		"sessionsWithoutAnswer": &s.SilentSessions, "meanDuration": &s.MeanDuration, "hours": &s.Hours, "consent": &s.Consent,
		"consentUnreadable": &s.ConsentUnreadable,
	}
	decoder := json.NewDecoder(contextReader{ctx, file})
	if err := enter(decoder, '{'); err != nil {
		return s, err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return s, fmt.Errorf("read the summary: %w", err)
		}
		switch name {
		case "days":
			err = each(decoder, func() error { return s.readDay(decoder) })
		case "questions":
			err = each(decoder, func() error { return s.readQuestion(decoder, first, count) })
		default:
			var other json.RawMessage
			into, isWanted := members[fmt.Sprint(name)]
			if !isWanted {
				into = &other
			}
			err = decoder.Decode(into)
		}
		if err != nil {
			return s, fmt.Errorf("read %v of the summary: %w", name, err)
		}
	}
	return s, nil
}

// dayRows are the rows of a day.
type dayRows struct {
	Day  exhaust.Day `json:"day"`
	Rows int64       `json:"rows"`
}

func (s *summary) readDay(decoder *json.Decoder) error {
	var d dayRows
	if err := decoder.Decode(&d); err != nil {
		return err
	}
	if d.Day < s.From || d.Day > s.To {
		s.RowsElsewhere += d.Rows
		return nil
	}
	s.Days[d.Day] = d.Rows
	return nil
}

// readQuestion reads the next question, and passes over one that is not wanted.
func (s *summary) readQuestion(decoder *json.Decoder, first, count int) error {
	s.QuestionCount++
	q := question{Number: s.QuestionCount}
	isOfPage, isOfPath := q.Number >= first && q.Number < first+count, q.Number <= pathLength
	if !isOfPage && !isOfPath {
		return decoder.Decode(&struct{}{})
	}
	if err := decoder.Decode(&q); err != nil {
		return err
	}
	if isOfPage {
		s.Questions = append(s.Questions, q)
	}
	if isOfPath {
		q.Listed = nil
		s.Path = append(s.Path, q)
	}
	return nil
}

// contextReader reads until its context ends.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// enter reads the sign that an object or a list begins with.
func enter(decoder *json.Decoder, sign json.Delim) error {
	token, err := decoder.Token()
	if err == nil && token != sign {
		err = fmt.Errorf("there is %v in place of %v", token, sign)
	}
	return err
}

// each has the entries of a list read one by one.
func each(decoder *json.Decoder, read func() error) error {
	if err := enter(decoder, '['); err != nil {
		return err
	}
	for decoder.More() {
		if err := read(); err != nil {
			return err
		}
	}
	_, err := decoder.Token()
	return err
}
