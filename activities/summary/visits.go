package summary

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"data-exhaust/activities/segments"
)

// visits are the rows that have a session, by session.
type visits struct {
	sorter segments.Sorter
	record []byte
	// without counts the rows that have none.
	without int64
	// firstQuestions have numbers: their numbers take less room than their keys.
	firstQuestions []key
	numbers        map[key]int
}

// A visit is staged as its session, the number of its row, whether that has an answer, and its question, by number or by key.
const (
	visitSession = 17
	visitRow     = visitSession + 8
	visitLeast   = visitRow + 1 + 2

	maxNumber = 4096
	noNumber  = 0xffff
)

// add adds the row of that number.
func (v *visits) add(ctx context.Context, session []byte, row int64, i *item, isAnswered bool) error {
	if len(session) == 0 {
		v.without++
		return nil
	}
	record := appendSession(v.record[:0], session)
	record = binary.BigEndian.AppendUint64(record, uint64(row))
	answer := byte(0)
	if isAnswered {
		answer = 1
	}
	record = append(record, answer)
	if !i.hasNumber {
		i.visits, i.hasNumber = v.number(i.key), true
	}
	record = binary.BigEndian.AppendUint16(record, i.visits)
	if i.visits == noNumber {
		record = append(record, i.key[:]...)
	}
	v.record = record
	return v.sorter.Add(ctx, record)
}

// number gives the number of a question, noNumber where too many have one.
func (v *visits) number(question key) uint16 {
	number, ok := v.numbers[question]
	switch {
	case ok:
	case len(v.firstQuestions) == maxNumber:
		return noNumber
	default:
		if v.numbers == nil {
			v.numbers = map[key]int{}
		}
		number = len(v.firstQuestions)
		v.numbers[question] = number
		v.firstQuestions = append(v.firstQuestions, question)
	}
	return uint16(number)
}

// question gives the question of a visit.
func (v *visits) question(record []byte) (key, error) {
	number := int(binary.BigEndian.Uint16(record[visitRow+1:]))
	switch rest := record[visitLeast:]; {
	case number < len(v.firstQuestions) && len(rest) == 0:
		return v.firstQuestions[number], nil
	case number == noNumber && len(rest) == len(key{}):
		return key(rest), nil
	}
	return key{}, errRecord
}

// appendSession appends what stands for a session: a uuid in its usual form as it is, a hash of any other text.
func appendSession(record, session []byte) []byte {
	const uuidSession, otherSession = 1, 2
	if id, isUUID := parseLowerUUID(session); isUUID {
		return append(append(record, id[:]...), uuidSession)
	}
	sum := sha256.Sum256(session)
	return append(append(record, sum[:16]...), otherSession)
}

// parseLowerUUID reads 8-4-4-4-12 hexadecimal digits without capitals, so that only equal texts have one id.
func parseLowerUUID(text []byte) (id [16]byte, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, false
	}
	wrong := byte(0)
	for i, at := range [...]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		high, low := lowerDigits[text[at]], lowerDigits[text[at+1]]
		wrong |= high | low
		id[i] = high<<4 | low&15
	}
	return id, wrong < 16
}

// lowerDigits are the values of hexadecimal digits without capitals, 0xff of any other byte.
var lowerDigits = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		values[c] = byte(i)
	}
	return values
}()

// ofSessions is what sessions say of a question.
type ofSessions struct {
	// places are the places of the question's rows in their sessions, added up, rows how many these are.
	places uint64
	rows   int64
	// sessions counts those that answered it, first and last are the numbers of the first and last of them, or 0.
	sessions    int64
	first, last uint64
	// ended counts those that answered it last.
	ended int64
}

// addLater adds what later sessions say, the first of which may be the last one here.
func (o *ofSessions) addLater(later *ofSessions) {
	o.places += later.places
	o.rows += later.rows
	o.ended += later.ended
	if later.sessions == 0 {
		return
	}
	o.sessions += later.sessions
	if o.last == later.first {
		o.sessions--
	}
	if o.first == 0 {
		o.first = later.first
	}
	o.last = later.last
}

// sessionCounts are of all sessions.
type sessionCounts struct{ rows, sessions, withoutAnswer int64 }

const ofSessionsSize = 200

// mergeVisits goes through the sessions and stages what they say of questions.
func (c *Counter) mergeVisits(ctx context.Context) (counts sessionCounts, err error) {
	var (
		session   [visitSession]byte
		place     uint64
		lastKey   key // of the question that the session answered last, if it has answered one
		hasAnswer bool
		ofKey     = map[key]*ofSessions{}
	)
	of := func(id key) *ofSessions {
		found := ofKey[id]
		if found == nil {
			found = new(ofSessions)
			ofKey[id] = found
		}
		return found
	}
	end := func() {
		switch {
		case counts.sessions == 0:
		case hasAnswer:
			of(lastKey).ended++
		default:
			counts.withoutAnswer++
		}
	}
	err = c.visits.sorter.Each(ctx, func(record []byte) error {
		if len(record) < visitLeast {
			return errRecord
		}
		if counts.sessions == 0 || string(record[:visitSession]) != string(session[:]) {
			end()
			copy(session[:], record)
			counts.sessions++
			place, hasAnswer = 0, false
		}
		counts.rows++
		place++
		id, err := c.visits.question(record)
		if err != nil {
			return err
		}
		question := of(id)
		question.places += place
		question.rows++
		if number := uint64(counts.sessions); record[visitRow] == 1 {
			lastKey, hasAnswer = id, true
			if question.last != number {
				question.sessions++
				question.last = number
			}
			if question.first == 0 {
				question.first = number
			}
		}
		if len(ofKey)*ofSessionsSize < c.settings.Memory {
			return nil
		}
		return c.stageSessions(ctx, ofKey)
	})
	if err != nil {
		return counts, err
	}
	end()
	return counts, c.stageSessions(ctx, ofKey)
}

func (c *Counter) stageSessions(ctx context.Context, ofKey map[key]*ofSessions) error {
	c.stagings++
	for id, o := range ofKey {
		c.beginRecord(id, sessionsRecord, nil)
		for _, count := range [...]uint64{o.places, uint64(o.rows), uint64(o.sessions), o.first, o.last, uint64(o.ended)} {
			c.record = binary.AppendUvarint(c.record, count)
		}
		if err := c.sorter.Add(ctx, c.record); err != nil {
			return err
		}
	}
	clear(ofKey)
	return nil
}
