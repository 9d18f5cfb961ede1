package summary

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"slices"

	"data-exhaust/activities/segments"
	"data-exhaust/report"
)

// maxListed is how many answers of a question are listed.
const maxListed = 50

var errRecord = fmt.Errorf("a record of the summary: %w", segments.ErrDamaged)

// merger adds up what was staged, question by question.
type merger struct {
	minDevices int
	questions  *segments.Sorter
	total      question
	record     []byte

	// The question that is added up, if there is one.
	hasQuestion bool
	key         key
	question    question
	sessions    ofSessions
	top         []report.ListedAnswer
	other       report.OtherAnswers
	more        report.MoreAnswers
	titles      titleMerger
	// The answer of it that is added up, if there is one.
	hasAnswer bool
	answerKey key
	answer    answer
}

// mergeSums adds up what was staged, puts the questions into questions, and gives the sum of them all.
func (c *Counter) mergeSums(ctx context.Context, questions *segments.Sorter) (*question, error) {
	m := &merger{minDevices: c.settings.MinDevices, questions: questions}
	err := c.sorter.Each(ctx, func(record []byte) error { return m.add(ctx, record) })
	if err == nil {
		err = m.endQuestion(ctx)
	}
	return &m.total, err
}

func (m *merger) add(ctx context.Context, record []byte) error {
	const least = len(key{}) + 1
	if len(record) < least {
		return errRecord
	}
	id, kind := key(record), record[least-1]
	if !m.hasQuestion || id != m.key {
		if err := m.endQuestion(ctx); err != nil {
			return err
		}
		m.hasQuestion, m.key = true, id
	}
	rest := record[least:]
	text := rest
	if kind == answerRecord || kind == titleRecord {
		if len(rest) < len(key{}) {
			return errRecord
		}
		rest = rest[len(key{}):]
	}
	if len(rest) < stagingSize {
		return errRecord
	}
	r := &recordReader{rest: rest[stagingSize:]}
	switch kind {
	case questionRecord:
		m.addQuestion(r)
	case answerRecord:
		m.addAnswer(key(text), r)
	case sessionsRecord:
		m.addSessions(r)
	case titleRecord:
		m.titles.add(key(text), r, m.minDevices)
	default:
		return errRecord
	}
	return r.err
}

// stagingSize is how many bytes the number of the staging takes.
const stagingSize = 4

func (m *merger) addQuestion(r *recordReader) {
	q := &m.question
	q.rows += r.count()
	q.answers += r.count()
	q.withheld += r.count()
	q.durations.addSum(r.sum())
	q.texts = &questionTexts{id: r.text(), kind: r.text()}
}

func (m *merger) addAnswer(id key, r *recordReader) {
	if !m.hasAnswer || id != m.answerKey {
		m.endAnswer()
		m.hasAnswer, m.answerKey, m.answer = true, id, answer{}
	}
	later := answer{count: r.count(), devices: r.devices(), option: r.text(), label: r.text()}
	m.answer.addAnswer(&later, m.minDevices)
}

func (m *merger) addSessions(r *recordReader) {
	later := ofSessions{places: uint64(r.count()), rows: r.count(), sessions: r.count()}
	later.first, later.last, later.ended = uint64(r.count()), uint64(r.count()), r.count()
	m.sessions.addLater(&later)
}

// endAnswer puts the answer that was added up where it belongs.
func (m *merger) endAnswer() {
	a := &m.answer
	switch {
	case !m.hasAnswer:
	case !a.devices.areEnough:
		m.other.Answers += a.count
	default:
		m.list(report.ListedAnswer{Answer: a.label, Option: a.option, Answers: a.count})
	}
	m.hasAnswer = false
}

// list lists an answer in its place, and counts the one that is one too many for that.
func (m *merger) list(a report.ListedAnswer) {
	at, _ := slices.BinarySearchFunc(m.top, a, compareAnswers)
	if at < maxListed {
		m.top = slices.Insert(m.top, at, a)
		if len(m.top) <= maxListed {
			return
		}
		a = m.top[maxListed]
		m.top = m.top[:maxListed]
	}
	m.more.Answers += a.Answers
	m.more.Distinct++
}

func compareAnswers(x, y report.ListedAnswer) int {
	return cmp.Or(cmp.Compare(y.Answers, x.Answers), cmp.Compare(x.Answer, y.Answer), cmp.Compare(x.Option, y.Option))
}

// endQuestion puts the question that was added up into its place.
func (m *merger) endQuestion(ctx context.Context) error {
	if !m.hasQuestion {
		return nil
	}
	m.endAnswer()
	q := &m.question
	if q.texts == nil || m.titles.count == 0 {
		return errRecord
	}
	m.total.rows += q.rows
	m.total.durations.addSum(q.durations)
	places := new(big.Int).SetUint64(m.sessions.places)
	m.record = appendPlace(m.record[:0], m.sessions.places, uint64(m.sessions.rows))
	m.record = append(segments.AppendText(m.record, []byte(q.texts.id)), m.key[:]...)
	var err error
	m.record, err = report.AppendQuestion(m.record, report.Question{
		ID: q.texts.id, Type: q.texts.kind, Title: m.titles.text(),
		Rows: q.rows, Answers: q.answers, Withheld: q.withheld,
		MeanDuration: q.durations.mean(), MeanPosition: report.MeanOf(places, m.sessions.rows),
		Sessions: m.sessions.sessions, Ended: m.sessions.ended,
		Listed: append([]report.ListedAnswer{}, m.top...), Other: m.other, More: m.more,
	})
	if err != nil {
		return err
	}
	m.hasQuestion, m.question, m.sessions, m.titles = false, question{}, ofSessions{}, titleMerger{}
	m.top, m.other, m.more = m.top[:0], report.OtherAnswers{}, report.MoreAnswers{}
	return m.questions.Add(ctx, m.record)
}

// appendPlace appends the mean place of so many rows such that smaller ones compare less, exactly: its whole part, and 128 bits
// behind the point, which differ for all counts of 64 bits. Of no rows it is greater than any other.
func appendPlace(record []byte, places, rows uint64) []byte {
	if rows == 0 {
		return append(record, bytes.Repeat([]byte{0xff}, placeSize)...)
	}
	record = binary.BigEndian.AppendUint64(record, places/rows)
	rest := places % rows
	for range 2 {
		var digit uint64
		digit, rest = bits.Div64(rest, 0, rows)
		record = binary.BigEndian.AppendUint64(record, digit)
	}
	return record
}

const placeSize = 24

// readPlaced reads the JSON of a question that mergeSums has put into its place.
func readPlaced(record []byte) ([]byte, error) {
	if len(record) < placeSize {
		return nil, errRecord
	}
	_, rest, err := segments.Text(record[placeSize:])
	if err != nil || len(rest) < len(key{}) {
		return nil, errRecord
	}
	return rest[len(key{}):], nil
}

// recordReader reads what is in a record, and keeps the first error.
type recordReader struct {
	rest []byte
	err  error
}

func (r *recordReader) count() int64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.err, r.rest = errRecord, nil
		return 0
	}
	r.rest = r.rest[size:]
	return int64(n)
}

func (r *recordReader) text() string {
	length := r.count()
	if length < 0 || length > int64(len(r.rest)) {
		r.err, r.rest = errRecord, nil
		return ""
	}
	text := string(r.rest[:length])
	r.rest = r.rest[length:]
	return text
}

func (r *recordReader) sum() sum {
	return sum{count: r.count(), high: uint64(r.count()), low: uint64(r.count())}
}
