package summary

import (
	"context"
	"encoding/binary"

	"data-exhaust/activities/segments"
)

// accumulators are what rows say of questions and of answers, added up.
type accumulators struct {
	questions map[key]*question
	answers   map[textKey]*answer
	titles    map[textKey]*title
	// memory is about how many bytes they take.
	memory int
	// epoch counts how often adding up began anew.
	epoch uint64
}

// textKey stands for a text of a question: the label of an answer, or a title.
type textKey struct{ question, text key }

type question struct {
	rows, answers, withheld int64
	durations               sum
	// texts are those of its last row, but for the title.
	texts *questionTexts
}

type answer struct {
	count   int64
	devices devices
	label   string
	// option is the key of the option that it is; "" where it is none.
	option string
}

// What the members of the maps take, beside their texts.
const (
	questionSize = 300
	answerSize   = 220
)

func (a *accumulators) begin() {
	a.questions, a.answers = map[key]*question{}, map[textKey]*answer{}
	a.titles = map[textKey]*title{}
	a.memory = 0
	a.epoch++
}

// question gives what is added up of the question of an item.
func (a *accumulators) question(i *item) *question {
	if i.epoch != a.epoch {
		q := a.questions[i.key]
		if q == nil {
			q = &question{texts: new(questionTexts)}
			a.questions[i.key] = q
			a.memory += questionSize
		}
		i.question, i.epoch = q, a.epoch
	}
	q := i.question
	if q.texts != i.texts {
		a.memory += i.texts.size() - q.texts.size()
		q.texts = i.texts
	}
	return q
}

// answer gives what is added up of an answer to a question.
func (a *accumulators) answer(question key, label []byte) *answer {
	id := textKey{question, keyOf(label)}
	entry := a.answers[id]
	if entry == nil {
		entry = &answer{label: cut(label)}
		a.answers[id] = entry
		a.memory += answerSize + len(entry.label)
	}
	return entry
}

// add counts the answer of a device, by that option, and tells how many bytes of memory that took.
func (a *answer) add(device uint32, option string, minDevices int) (bytes int) {
	a.count++
	if option != "" && a.option != option {
		bytes = len(option) - len(a.option)
		a.option = option
	}
	return bytes + a.devices.add(device, minDevices)
}

// addAnswer adds what was added up later of the same answer.
func (a *answer) addAnswer(later *answer, minDevices int) {
	a.count += later.count
	a.devices.addAll(&later.devices, minDevices)
	if later.option != "" {
		a.option = later.option
	}
	a.label = later.label
}

// What is staged is, of each question, answer or title, a record: the question's key, which sum it is, of an answer or title its
// key, the number of the staging, and the sum itself.
const (
	questionRecord = 1 + iota
	answerRecord
	sessionsRecord
	titleRecord
)

// stage stages what was added up, and begins anew.
func (c *Counter) stage(ctx context.Context) error {
	c.stagings++
	for id, q := range c.sums.questions {
		c.beginRecord(id, questionRecord, nil)
		for _, count := range [...]int64{q.rows, q.answers, q.withheld} {
			c.record = binary.AppendUvarint(c.record, uint64(count))
		}
		c.record = q.durations.append(c.record)
		for _, text := range [...]string{q.texts.id, q.texts.kind} {
			c.record = segments.AppendCell(c.record, text)
		}
		if err := c.sorter.Add(ctx, c.record); err != nil {
			return err
		}
	}
	for id, a := range c.sums.answers {
		c.beginRecord(id.question, answerRecord, id.text[:])
		c.record = binary.AppendUvarint(c.record, uint64(a.count))
		c.record = a.devices.append(c.record)
		c.record = segments.AppendCell(c.record, a.option)
		c.record = segments.AppendCell(c.record, a.label)
		if err := c.sorter.Add(ctx, c.record); err != nil {
			return err
		}
	}
	if err := c.stageTitles(ctx); err != nil {
		return err
	}
	c.sums.begin()
	c.items.forget()
	return nil
}

func (c *Counter) beginRecord(question key, kind byte, id []byte) {
	c.record = append(append(c.record[:0], question[:]...), kind)
	c.record = append(c.record, id...)
	c.record = binary.BigEndian.AppendUint32(c.record, c.stagings)
}
