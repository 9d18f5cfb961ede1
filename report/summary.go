package report

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"math/big"
	"strconv"

	"data-exhaust/exhaust"
)

// A summary is one JSON object (docs/summary.md), written member by member: it has no bound, for a bot may ask any number of
// questions.

// SummaryVersion is that of a summary's form.
const SummaryVersion = 1

// SummaryHead says what a summary is of.
type SummaryHead struct {
	Version          int             `json:"version"`
	Dataset          exhaust.Dataset `json:"dataset"`
	RequestID        string          `json:"requestId"`
	ConversationID   string          `json:"conversationId"`
	ConversationName string          `json:"conversationName"`
	// From and To are the days that the exhaust covers; left out of one that is not made from telemetry.
	From     exhaust.Day `json:"from,omitempty"`
	To       exhaust.Day `json:"to,omitempty"`
	Timezone string      `json:"timezone"`
}

// PrivateCounts are those of a private exhaust's rows.
type PrivateCounts struct {
	Rows              int64         `json:"rows"`
	Devices           int64         `json:"devices"`
	Consent           ConsentCounts `json:"consent"`
	ConsentUnreadable int64         `json:"consentUnreadable"`
}

// ConsentCounts are devices by their consent.
type ConsentCounts struct {
	Given      int64 `json:"given"`
	Refused    int64 `json:"refused"`
	Unrecorded int64 `json:"unrecorded"`
}

// ResponseCounts are those of a response exhaust's rows.
type ResponseCounts struct {
	MinDevices            int   `json:"minDevices"`
	Rows                  int64 `json:"rows"`
	RowsWithoutTime       int64 `json:"rowsWithoutTime"`
	Devices               int64 `json:"devices"`
	Sessions              int64 `json:"sessions"`
	RowsWithoutSession    int64 `json:"rowsWithoutSession"`
	SessionsWithoutAnswer int64 `json:"sessionsWithoutAnswer"`
	// Hours are the rows of each hour of the day, MeanDuration is in the unit of the rows.
	Hours        [24]int64 `json:"hours"`
	MeanDuration Mean      `json:"meanDuration"`
}

// DayRows counts the rows of a day.
type DayRows struct {
	Day  exhaust.Day `json:"day"`
	Rows int64       `json:"rows"`
}

// Question is what a summary says of one question.
type Question struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Title        string         `json:"title"`
	Rows         int64          `json:"rows"`
	Answers      int64          `json:"answers"`
	Withheld     int64          `json:"withheld"`
	MeanDuration Mean           `json:"meanDuration"`
	MeanPosition Mean           `json:"meanPosition"`
	Sessions     int64          `json:"sessions"`
	Ended        int64          `json:"sessionsEnded"`
	Listed       []ListedAnswer `json:"listed"`
	Other        OtherAnswers   `json:"other"`
	More         MoreAnswers    `json:"more"`
}

// ListedAnswer is an answer that enough devices gave, and how often they did.
type ListedAnswer struct {
	Answer string `json:"answer"`
	// Option is the key of the option that it is; left out where it is none.
	Option  string `json:"option,omitempty"`
	Answers int64  `json:"answers"`
}

// OtherAnswers are those that too few devices gave to be listed.
type OtherAnswers struct {
	Answers int64 `json:"answers"`
}

// MoreAnswers are those that enough devices gave, but that are less frequent than the listed ones.
type MoreAnswers struct {
	Answers  int64 `json:"answers"`
	Distinct int64 `json:"distinct"`
}

// Mean is a number with two decimals at the most; "", which is null, of nothing.
type Mean string

// MeanOf is a sum divided by a count, rounded half up to two decimals; "" where the count is zero.
func MeanOf(sum *big.Int, count int64) Mean {
	if count == 0 {
		return ""
	}
	divisor := new(big.Int).Mul(big.NewInt(count), big.NewInt(2))
	hundredths := new(big.Int).Mul(sum, big.NewInt(200))
	hundredths.Add(hundredths, big.NewInt(count))
	hundredths.Div(hundredths, divisor) // towards minus infinity, for the divisor is positive
	sign := ""
	if hundredths.Sign() < 0 {
		sign = "-"
		hundredths.Neg(hundredths)
	}
	whole, rest := new(big.Int).QuoRem(hundredths, big.NewInt(100), new(big.Int))
	text := sign + whole.String()
	if n := rest.Int64(); n > 0 {
		text += string(bytes.TrimRight([]byte{'.', byte('0' + n/10), byte('0' + n%10)}, "0"))
	}
	return Mean(text)
}

// MarshalJSON is the number, or null.
func (m Mean) MarshalJSON() ([]byte, error) {
	if m == "" {
		return []byte("null"), nil
	}
	return []byte(m), nil
}

// AppendQuestion appends the JSON of a question, as WriteResponseSummary takes it.
func AppendQuestion(dst []byte, question Question) ([]byte, error) {
	text, err := encode(question)
	return append(dst, text...), err
}

// WritePrivateSummary writes the summary of a private exhaust.
func WritePrivateSummary(w io.Writer, head SummaryHead, counts PrivateCounts) error {
	s := summaryWriter{w: w}
	s.open(head)
	s.members(counts)
	s.write("}\n")
	return s.err
}

// WriteResponseSummary writes the summary of a response exhaust, with the questions in the order in which each gives them to
// its argument.
func WriteResponseSummary(
	w io.Writer, head SummaryHead, counts ResponseCounts, days iter.Seq[DayRows],
	each func(write func(question []byte) error) error,
) error {
	s := summaryWriter{w: w}
	s.open(head)
	s.members(counts)
	s.write(`,"days":[`)
	separator := ""
	for day := range days {
		s.write(separator + `{"day":"` + string(day.Day) + `","rows":` + strconv.FormatInt(day.Rows, 10) + `}`)
		separator = ","
	}
	s.write(`],"questions":[`)
	separator = ""
	err := each(func(question []byte) error {
		s.write(separator + "\n")
		s.write(string(question))
		separator = ","
		return s.err
	})
	if err != nil {
		return err
	}
	s.write("]}\n")
	return s.err
}

// summaryWriter keeps the first error.
type summaryWriter struct {
	w   io.Writer
	err error
}

func (s *summaryWriter) write(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, text)
	}
}

// open begins the object with the members of another one, members goes on with those of one more.
func (s *summaryWriter) open(object any)    { s.splice("{", object) }
func (s *summaryWriter) members(object any) { s.splice(",", object) }

func (s *summaryWriter) splice(before string, object any) {
	text, err := encode(object)
	if s.err == nil {
		s.err = err
	}
	if s.err == nil {
		s.write(before + string(text[1:len(text)-1]))
	}
}

// encode is a value's JSON, in which text stands as it is as far as JSON allows.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}
