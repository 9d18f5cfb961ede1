// Package segments sorts more records than fit in memory, and knows nothing of what a record means. Records gather in a
// Buffer, which stores them as a segment: an object of records in ascending byte order. Merge reads any number of
// segments as one. Both hold a bounded amount of memory whatever they are given.
package segments

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"data-exhaust/blob"
)

// Store is what segments need of an object store.
type Store interface {
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	Create(ctx context.Context, name, contentType string) (blob.Writer, error)
}

const (
	contentType = "application/octet-stream"
	// fanIn is how many segments one merge reads at a time, at about 70 KiB each. Where records are so long that these
	// would take more than mergeBytes, it reads fewer, but two.
	fanIn      = 256
	mergeBytes = 32 << 20
	// openedAtOnce is how many of them are opened at the same time.
	openedAtOnce = 8
	// maxRecord is far above a line of telemetry (16 MiB): anything longer is a damaged segment.
	maxRecord = 64 << 20
)

// Buffer gathers records until they are stored as a segment. The zero value is ready for use.
type Buffer struct {
	blocks [][]byte
	refs   []ref
	size   int
}

// ref is where a record lies.
type ref struct {
	prefix     uint64 // the record's first 8 bytes: most comparisons end there
	block      uint32
	start, end uint32
}

// bufferBlock is how much memory a buffer takes at a time. It never moves what it holds.
const bufferBlock = 256 << 10

var bufferBlocks = sync.Pool{New: func() any { return new([bufferBlock]byte) }}

// Add copies a record into the buffer. Store refuses records that are empty or longer than 64 MiB.
func (b *Buffer) Add(record []byte) { b.AddParts(record, nil, nil) }

// AddParts adds the record that the parts are together.
func (b *Buffer) AddParts(first, second, third []byte) {
	size := len(first) + len(second) + len(third)
	last := len(b.blocks) - 1
	if last < 0 || len(b.blocks[last])+size > cap(b.blocks[last]) {
		b.blocks = append(b.blocks, newBlock(size))
		last++
	}
	block := b.blocks[last]
	start := len(block)
	block = append(append(append(block, first...), second...), third...)
	b.blocks[last] = block
	b.refs = append(b.refs, ref{prefix: prefixOf(block[start:]), block: uint32(last), start: uint32(start), end: uint32(len(block))})
	b.size += size
}

func newBlock(size int) []byte {
	if size > bufferBlock {
		return make([]byte, 0, size)
	}
	return bufferBlocks.Get().(*[bufferBlock]byte)[:0]
}

// Append moves the records of another buffer behind those of this one.
func (b *Buffer) Append(other *Buffer) {
	offset := uint32(len(b.blocks))
	b.blocks = append(b.blocks, other.blocks...)
	for _, r := range other.refs {
		r.block += offset
		b.refs = append(b.refs, r)
	}
	b.size += other.size
	*other = Buffer{refs: other.refs[:0]}
}

// Size is about how many bytes of memory the records take.
func (b *Buffer) Size() int { return b.size + 24*len(b.refs) }

// Len counts the records.
func (b *Buffer) Len() int { return len(b.refs) }

// Reset empties the buffer.
func (b *Buffer) Reset() {
	for _, block := range b.blocks {
		if cap(block) == bufferBlock {
			bufferBlocks.Put((*[bufferBlock]byte)(block[:bufferBlock]))
		}
	}
	clear(b.blocks)
	b.blocks, b.refs, b.size = b.blocks[:0], b.refs[:0], 0
}

func (b *Buffer) record(r ref) []byte { return b.blocks[r.block][r.start:r.end] }

// Each calls do with the records in ascending order. A record is valid until Reset, and do adds none.
func (b *Buffer) Each(do func(record []byte) error) error {
	b.sort(b.refs, 0)
	for _, r := range b.refs {
		if err := do(b.record(r)); err != nil {
			return err
		}
	}
	return nil
}

// sort sorts records that are alike in their first bytes, so many of them. It moves each to those that have the same next byte,
// in place, and sorts these then (the American flag sort), as long as the prefix goes and there are more than a few.
func (b *Buffer) sort(refs []ref, alike int) {
	const few, prefixSize = 64, 8
	for ; len(refs) > few && alike < prefixSize; alike++ {
		shift := 8 * (prefixSize - 1 - alike)
		var starts, ends [256]int // of the records with each byte; those before starts are in their place
		for i := range refs {
			ends[byte(refs[i].prefix>>shift)]++
		}
		if ends[byte(refs[0].prefix>>shift)] == len(refs) {
			continue
		}
		sum := 0
		for c, count := range ends {
			starts[c] = sum
			sum += count
			ends[c] = sum
		}
		for c := range starts {
			for starts[c] < ends[c] {
				r := refs[starts[c]]
				for other := int(byte(r.prefix >> shift)); other != c; other = int(byte(r.prefix >> shift)) {
					refs[starts[other]], r = r, refs[starts[other]]
					starts[other]++
				}
				refs[starts[c]] = r
				starts[c]++
			}
		}
		start := 0
		for _, end := range ends {
			b.sort(refs[start:end], alike+1)
			start = end
		}
		return
	}
	slices.SortFunc(refs, func(x, y ref) int {
		if x.prefix != y.prefix {
			if x.prefix < y.prefix {
				return -1
			}
			return 1
		}
		return bytes.Compare(b.record(x), b.record(y))
	})
}

// Store writes the records in ascending order as the segment of that name. The segment appears whole or
// not at all. The buffer keeps the records until Reset.
func (b *Buffer) Store(ctx context.Context, store Store, name string) error {
	longest := 0
	for _, r := range b.refs {
		longest = max(longest, int(r.end-r.start))
	}
	return write(ctx, store, name, longest, b.Each)
}

func prefixOf(record []byte) uint64 {
	var head [8]byte
	copy(head[:], record)
	return binary.BigEndian.Uint64(head[:])
}

// Write stores the records that fill adds, in the order in which it adds them, as the segment of that
// name, which is for Read. The segment appears whole or not at all.
func Write(ctx context.Context, store Store, name string, fill func(add func(record []byte) error) error) error {
	return write(ctx, store, name, 0, fill)
}

// write does what Write does, of records the longest of which has so many bytes.
func write(ctx context.Context, store Store, name string, longest int, fill func(add func(record []byte) error) error) (err error) {
	w, err := store.Create(ctx, name, contentType)
	if err != nil {
		return fmt.Errorf("staging %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("staging %s: %w", name, errors.Join(err, w.Abort()))
		}
	}()
	blocks := blockWriters.Get().(*blockWriter)
	defer blocks.release()
	if err := blocks.begin(w, longest); err != nil {
		return err
	}
	if err := fill(blocks.add); err != nil {
		return err
	}
	if err := blocks.end(); err != nil {
		return err
	}
	return w.Commit()
}

// Read calls each with the records of one segment in order. A record is valid during the call only.
func Read(ctx context.Context, store Store, name string, each func(record []byte) error) error {
	r, err := open(ctx, store, name, new(packedBlock))
	if err != nil {
		return err
	}
	defer r.close()
	for {
		if err := r.next(); err != nil || r.isAtEnd {
			return err
		}
		if err := each(r.record); err != nil {
			return err
		}
	}
}

// Merge calls each with the records of all segments, which Buffer.Store has stored, in ascending order. A record is valid
// during the call only. Of more segments than are read at a time some are first merged to one, which is stored under
// scratch, a name prefix that no other merge uses; the caller removes it.
func Merge(ctx context.Context, store Store, names []string, scratch string, each func(record []byte) error) error {
	for number := 0; ; number++ {
		readers, err := openSome(ctx, store, names)
		if err != nil {
			return err
		}
		if len(readers) == len(names) {
			return merge(readers, each)
		}
		name := fmt.Sprintf("%s%05d", scratch, number)
		longest := 0
		for _, r := range readers {
			longest = max(longest, r.longest)
		}
		if err := write(ctx, store, name, longest, func(add func([]byte) error) error { return merge(readers, add) }); err != nil {
			closeAll(readers)
			return err
		}
		// At the end of the list, so that no record is merged much more often than others.
		names = append(names[len(readers):len(names):len(names)], name)
	}
}

// openSome opens as many of the segments, from the first one on, as are merged at a time: all of them, or no more than are
// too many.
func openSome(ctx context.Context, store Store, names []string) (readers []*reader, err error) {
	defer func() {
		if err != nil {
			closeAll(readers)
		}
	}()
	if len(names) > fanIn {
		names = names[:min(fanIn, len(names)-fanIn+1)]
	}
	packed := new(packedBlock)
	memory := 0
	for len(readers) < len(names) {
		// Opening a segment is a round trip to a remote store.
		opened, err := openTogether(ctx, store, names[len(readers):min(len(readers)+openedAtOnce, len(names))], packed)
		for i, r := range opened {
			if memory += r.memory(); memory > mergeBytes && len(readers) >= 2 {
				closeAll(opened[i:])
				return readers, nil
			}
			readers = append(readers, r)
		}
		if err != nil {
			return readers, err
		}
	}
	return readers, nil
}

// openTogether opens segments, up to the first that cannot be opened, and gives the error of that.
func openTogether(ctx context.Context, store Store, names []string, packed *packedBlock) (readers []*reader, err error) {
	type result struct {
		reader   *reader
		err      error
		panicked any
	}
	results := make([]result, len(names))
	var opening sync.WaitGroup
	for i, name := range names {
		opening.Go(func() {
			defer func() { results[i].panicked = recover() }()
			results[i].reader, results[i].err = open(ctx, store, name, packed)
		})
	}
	opening.Wait()
	for i, r := range results {
		switch {
		case r.panicked != nil:
			panic(r.panicked) // where whoever called can recover from it
		case err != nil || r.err != nil:
			if err == nil {
				err = results[i].err
			}
			if r.reader != nil {
				r.reader.close()
			}
		default:
			readers = append(readers, r.reader)
		}
	}
	return readers, err
}

func closeAll(readers []*reader) {
	for _, r := range readers {
		r.close()
	}
}

// merge closes the readers.
func merge(readers []*reader, each func(record []byte) error) error {
	defer closeAll(readers)
	for _, r := range readers {
		if err := r.next(); err != nil {
			return err
		}
	}
	if len(readers) == 0 {
		return nil
	}
	for losers := newLoserTree(readers); ; losers.replay() {
		first := losers.winner()
		if first.isAtEnd {
			return nil
		}
		if err := each(first.record); err != nil {
			return err
		}
		if err := first.next(); err != nil {
			return err
		}
		if first.isAtEnd {
			first.close()
		}
	}
}
