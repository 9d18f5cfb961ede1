package summary

import (
	"bytes"
	"context"
	"encoding/binary"

	"data-exhaust/activities/segments"
)

// Titles are counted like answers, for bots put what they know of a person into titles. The invariant: of each title of a
// question there are its devices, as far as they are needed, and its last row, in memory or staged.

// title is what rows say of one title of a question, added up.
type title struct {
	devices devices
	// lastRow is the number of the last row with it.
	lastRow int64
	text    string
}

const titleSize = 200

// countTitle counts the title of a row.
func (c *Counter) countTitle(i *item, cell []byte, row Row) {
	t := i.recentTitle(cell)
	if t == nil {
		t = c.sums.title(i.key, cell)
		c.items.remember(i, cell, t)
	}
	t.lastRow = c.rows
	c.sums.memory += t.devices.add(uint32(row.Device), c.settings.MinDevices)
}

// title gives what is added up of a title of a question.
func (a *accumulators) title(question key, cell []byte) *title {
	id := textKey{question, keyOf(cell)}
	t := a.titles[id]
	if t == nil {
		t = &title{text: cut(cell)}
		a.titles[id] = t
		a.memory += titleSize + len(t.text)
	}
	return t
}

// recentTitle is one of the titles that an item had last: most have one, or one in each of a few languages.
type recentTitle struct {
	cell []byte
	// title is what is added up; nil once that is staged.
	title *title
}

const (
	recentTitles = 4
	// maxTitle bounds the titles that are kept as recent ones.
	maxTitle = 4 << 10
)

func (i *item) recentTitle(cell []byte) *title {
	for n := range i.titles {
		if t := &i.titles[n]; t.title != nil && bytes.Equal(t.cell, cell) {
			return t.title
		}
	}
	return nil
}

// remember keeps a title as the item's most recent one.
func (c *itemCache) remember(i *item, cell []byte, t *title) {
	if !i.isKept || len(cell) > maxTitle {
		return
	}
	recent := &i.titles[i.nextTitle%recentTitles]
	i.nextTitle++
	more := len(cell) - len(recent.cell)
	recent.cell, recent.title = append(recent.cell[:0], cell...), t
	i.size += more
	if c.size += more; c.size > maxItems {
		c.clear()
	}
}

// stageTitles stages what was added up of titles.
func (c *Counter) stageTitles(ctx context.Context) error {
	for id, t := range c.sums.titles {
		c.beginRecord(id.question, titleRecord, id.text[:])
		c.record = t.devices.append(c.record)
		c.record = binary.AppendUvarint(c.record, uint64(t.lastRow))
		c.record = segments.AppendCell(c.record, t.text)
		if err := c.sorter.Add(ctx, c.record); err != nil {
			return err
		}
	}
	return nil
}

// titleMerger finds the title of a question that is shown.
type titleMerger struct {
	// count is how many different ones there were, title the one that is merged, of key.
	count int
	key   key
	title title
	// best is the latest one before it that enough devices were shown.
	best title
}

// add adds what was staged of one title.
func (m *titleMerger) add(id key, r *recordReader, minDevices int) {
	if m.count == 0 || id != m.key {
		m.end()
		m.count++
		m.key, m.title = id, title{}
	}
	later := r.devices()
	m.title.devices.addAll(&later, minDevices)
	m.title.lastRow, m.title.text = r.count(), r.text()
}

// end ends the title that was merged last.
func (m *titleMerger) end() {
	if m.title.devices.areEnough && m.title.lastRow > m.best.lastRow {
		m.best = m.title
	}
}

// text gives the title that is shown: the only one, else the last one that enough devices were shown.
func (m *titleMerger) text() string {
	m.end()
	if m.count == 1 {
		return m.title.text
	}
	return m.best.text
}
