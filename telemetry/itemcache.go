package telemetry

import (
	"bytes"
	"hash/maphash"
)

// A conversation asks few questions, so the same edata.item stands in very many events, and is the largest part of them.
// itemCache keeps what was made of those that were read, by their source. An event has a known item if the item's source
// stands where the event's item begins: the source is a whole JSON object, which no longer value begins with.
type itemCache[V any] struct {
	seed  maphash.Seed
	items []knownItem[V] // nil until the first is added
}

// knownItem is the source of an edata.item, in memory of its own, and what was made of it.
type knownItem[V any] struct {
	source []byte
	value  V
}

const (
	// maxItems is a power of two. They take 2 MiB at the most, and far less where questions have their usual size.
	maxItems = 256
	maxItem  = 2 << 10
	// itemPrefix is how many bytes of an item choose its place: its id is usually among them.
	itemPrefix = 48
)

func (c *itemCache[V]) place(source []byte) *knownItem[V] {
	return &c.items[maphash.Bytes(c.seed, source[:itemPrefix])%maxItems]
}

// find gives the item that line begins with, nil if it is not known. It is valid until another one is added.
func (c *itemCache[V]) find(line []byte) *knownItem[V] {
	if len(line) < itemPrefix || c.items == nil {
		return nil
	}
	if item := c.place(line); len(item.source) > 0 && bytes.HasPrefix(line, item.source) {
		return item
	}
	return nil
}

// add gives the place for what is made of the item with that source, which is another one's up to now; nil if it is
// not worth keeping.
func (c *itemCache[V]) add(source []byte) *V {
	if len(source) < itemPrefix || len(source) > maxItem || source[0] != '{' {
		return nil
	}
	if c.items == nil {
		c.seed, c.items = maphash.MakeSeed(), make([]knownItem[V], maxItems)
	}
	item := c.place(source)
	item.source = append(item.source[:0], source...)
	return &item.value
}
