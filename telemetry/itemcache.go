package telemetry

import (
	"bytes"
	"hash/maphash"

	"data-exhaust/exhaust"
)

// A conversation asks few questions, so the same edata.item stands in very many events, and is the largest part of them.
// itemCache keeps the cells of those that were read, by their source. An event has a known item if the item's source
// stands where the event's item begins: the source is a whole JSON object, which no longer value begins with.
type itemCache struct {
	seed  maphash.Seed
	items []knownItem // nil until the first is added
}

// knownItem is the source of an edata.item and its cells, which own their memory.
type knownItem struct {
	source []byte
	memory []byte
	cells  [len(itemColumns)][]byte
	texts  exhaust.ColumnSet
}

var itemColumns = [...]int{
	exhaust.QuestionIDColumn, exhaust.TypeColumn, exhaust.TitleColumn, exhaust.DescriptionColumn, exhaust.MaxScoreColumn, exhaust.OptionsColumn,
}

const (
	// maxItems is a power of two. They take 2 MiB at the most, and far less where questions have their usual size.
	maxItems = 256
	maxItem  = 2 << 10
	// itemPrefix is how many bytes of an item choose its place: its id is usually among them.
	itemPrefix = 48
)

func (c *itemCache) place(source []byte) *knownItem {
	return &c.items[maphash.Bytes(c.seed, source[:itemPrefix])%maxItems]
}

// find gives the item that line begins with, nil if it is not known.
func (c *itemCache) find(line []byte) *knownItem {
	if len(line) < itemPrefix || c.items == nil {
		return nil
	}
	if item := c.place(line); len(item.source) > 0 && bytes.HasPrefix(line, item.source) {
		return item
	}
	return nil
}

// add keeps what row has of the item with that source.
func (c *itemCache) add(source []byte, row *exhaust.ResponseRow) {
	if len(source) < itemPrefix || len(source) > maxItem || source[0] != '{' {
		return
	}
	if c.items == nil {
		c.seed, c.items = maphash.MakeSeed(), make([]knownItem, maxItems)
	}
	item := c.place(source)
	item.source = append(item.source[:0], source...)
	item.memory, item.texts = item.memory[:0], 0
	for _, column := range itemColumns {
		item.memory = append(item.memory, row.Cells[column]...)
		item.texts |= row.Texts & (1 << column)
	}
	start := 0
	for i, column := range itemColumns {
		end := start + len(row.Cells[column])
		item.cells[i] = item.memory[start:end:end]
		start = end
	}
}

func (i *knownItem) fill(row *exhaust.ResponseRow) {
	for n, column := range itemColumns {
		row.Cells[column] = i.cells[n]
	}
	row.Texts |= i.texts
}
