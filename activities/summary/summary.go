// Package summary counts what a summary says of the rows of a response exhaust (contract section 6, docs/summary.md), and
// reads nothing but rows. Its counts are exact and its memory is bounded whatever the rows are.
package summary

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"math/bits"
	"time"

	"data-exhaust/activities/segments"
	"data-exhaust/exhaust"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// How it counts. Rows come once, in output order.
//
//   - What rows say of a question, of its titles and of its answers is added up in memory (accumulators). Where that takes more
//     than its share it is staged, each sum as a record, and adding up begins anew: within a row, too, which may hold millions
//     of answers.
//   - Of each row that has a session a visit is sorted by session and row. Their merge tells where each session ended and which
//     place a row had in it, which is added up by question in the same way.
//   - The merge of all staged sums adds up those of one question and answer, and gives the questions one after the other; these
//     are sorted once more by their usual place.
//
// The invariant: sums of one question, or answer, are merged in the order in which they were staged, so what the last row says
// is what the last of them says, and those of sessions join where one session goes on.

// Settings say how a summary is made.
type Settings struct {
	Timezone *time.Location
	// MinDevices is how many devices have given an answer at least for it to be listed.
	MinDevices int
	// Store keeps what is staged, under names that begin with Scratch, which nobody else uses; the caller removes them.
	Store   segments.Store
	Scratch string
	// Memory is about how many bytes are held in memory of what is added up, and as many by each of the sorts of it, and twice as
	// many of visits, which every row makes; 0 is as many as is usual.
	Memory int
}

const usualMemory = 3 << 20

// Counter counts rows. It is not for concurrent use.
type Counter struct {
	settings Settings
	clock    clock
	devices  []uint64 // a bit for each
	items    itemCache
	sums     accumulators
	visits   visits
	rows     int64
	// record is where records are made.
	record []byte
	sorter segments.Sorter
	// stagings counts how often sums were staged.
	stagings uint32
}

// New makes a counter of rows that are of so many devices at the most.
func New(settings Settings, devices int) *Counter {
	if settings.Memory == 0 {
		settings.Memory = usualMemory
	}
	c := &Counter{
		settings: settings,
		clock:    clock{timezone: settings.Timezone},
		devices:  make([]uint64, (devices+63)/64),
		sorter:   segments.Sorter{Store: settings.Store, Scratch: settings.Scratch + "sums-", Memory: settings.Memory},
	}
	c.items.seed = maphash.MakeSeed()
	c.sums.begin()
	c.visits.sorter = segments.Sorter{Store: settings.Store, Scratch: settings.Scratch + "visits-", Memory: 2 * settings.Memory}
	return c
}

// Row is what is counted of a row beside its cells.
type Row struct {
	// Milliseconds is the instant of its event since the epoch, if HasTime.
	Milliseconds int64
	HasTime      bool
	// Device is the number of its device, from 0 on.
	Device int
	// IsWithheld says that its answers are not shown. They stand in the cells all the same.
	IsWithheld bool
}

// Add counts a row, whose cells are read and not kept.
func (c *Counter) Add(ctx context.Context, cells *exhaust.ResponseRow, row Row) error {
	c.rows++
	c.clock.add(row.Milliseconds, row.HasTime)
	c.devices[row.Device/64] |= 1 << (row.Device % 64)
	i := c.items.find(cells)
	question := c.sums.question(i)
	question.rows++
	question.durations.add(cells.Cells[exhaust.DurationColumn])
	c.countTitle(i, cells.Cells[exhaust.TitleColumn], row)
	entries, err := c.countAnswers(ctx, i, cells.Cells[exhaust.ResponseColumn], row)
	if err != nil {
		return err
	}
	if err := c.visits.add(ctx, cells.Cells[exhaust.SessionIDColumn], c.rows, i, entries > 0); err != nil {
		return err
	}
	return c.stageWhereFull(ctx)
}

// countAnswers counts the answers of a row, and tells how many there are.
func (c *Counter) countAnswers(ctx context.Context, i *item, cell []byte, row Row) (entries int64, err error) {
	if len(cell) == 0 {
		return 0, nil
	}
	memo := c.items.response(i, cell)
	isRead := memo != nil && memo.epoch == c.sums.epoch && memo.isOf(i, cell)
	switch {
	case row.IsWithheld && isRead:
		entries = int64(len(memo.choices))
	case row.IsWithheld:
		entries, err = c.items.countEntries(cell)
	case isRead:
		for _, choice := range memo.choices {
			c.addAnswer(choice, row)
		}
		entries = int64(len(memo.choices))
	default:
		entries, err = c.readAnswers(ctx, i, cell, row, memo)
	}
	question := c.sums.question(i) // which is another one where sums were staged meanwhile
	if row.IsWithheld {
		question.withheld += entries
	} else {
		question.answers += entries
	}
	return entries, err
}

// readAnswers counts the answers in a cell and keeps them in memo, if that is not nil. One cell may hold millions of them.
func (c *Counter) readAnswers(ctx context.Context, i *item, cell []byte, row Row, memo *response) (entries int64, err error) {
	if memo != nil {
		memo.begin(i, cell, c.sums.epoch)
	}
	err = c.items.reader.Read(cell, func(entry *telemetry.Answer) error {
		entries++
		label, option := i.choose(entry)
		next := choice{c.sums.answer(i.key, label), option}
		c.addAnswer(next, row)
		if memo != nil && !memo.add(next) {
			memo = nil
		}
		if !c.isFull() {
			return nil
		}
		memo = nil // it went with the epoch
		return c.stage(ctx)
	})
	return entries, err
}

func (c *Counter) addAnswer(choice choice, row Row) {
	c.sums.memory += choice.answer.add(uint32(row.Device), choice.option, c.settings.MinDevices)
}

func (c *Counter) isFull() bool { return c.sums.memory >= c.settings.Memory }

func (c *Counter) stageWhereFull(ctx context.Context) error {
	if !c.isFull() {
		return nil
	}
	return c.stage(ctx)
}

// ImbalanceError says that counts which were kept independently of each other disagree.
type ImbalanceError struct {
	// Counts is a sentence without a full stop.
	Counts string
}

func (e *ImbalanceError) Error() string { return e.Counts }

// Write writes the summary of the rows that were added, and gives how many rows it speaks of. head is what it is of.
// It writes nothing where the counts disagree, which is an *ImbalanceError.
func (c *Counter) Write(ctx context.Context, w io.Writer, head report.SummaryHead) (rows int64, err error) {
	counts := report.ResponseCounts{
		MinDevices: c.settings.MinDevices, Rows: c.rows, RowsWithoutTime: c.clock.without, Hours: c.clock.hours,
		RowsWithoutSession: c.visits.without,
	}
	for _, word := range c.devices {
		counts.Devices += int64(bits.OnesCount64(word))
	}
	if err := c.stage(ctx); err != nil {
		return 0, err
	}
	sessions, err := c.mergeVisits(ctx)
	if err != nil {
		return 0, err
	}
	counts.Sessions, counts.SessionsWithoutAnswer = sessions.sessions, sessions.withoutAnswer
	questions := segments.Sorter{Store: c.settings.Store, Scratch: c.settings.Scratch + "questions-", Memory: c.settings.Memory}
	total, err := c.mergeSums(ctx, &questions)
	if err != nil {
		return 0, err
	}
	days := c.clock.countDays()
	if days+c.clock.without != c.rows || sessions.rows+c.visits.without != c.rows {
		return 0, &ImbalanceError{fmt.Sprintf(
			"of %d rows the summary has %d with a day and %d without, %d with a session and %d without",
			c.rows, days, c.clock.without, sessions.rows, c.visits.without)}
	}
	counts.MeanDuration = total.durations.mean()
	return total.rows, report.WriteResponseSummary(w, head, counts, c.clock.days(), func(write func([]byte) error) error {
		return questions.Each(ctx, func(record []byte) error {
			question, err := readPlaced(record)
			if err != nil {
				return err
			}
			return write(question)
		})
	})
}
