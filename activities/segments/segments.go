// Package segments sorts more records than fit in memory, and knows nothing of what a record means. Records gather in a
// Buffer, which stores them as a segment: an object of records in ascending byte order. Merge reads any number of
// segments as one. Both hold a bounded amount of memory whatever they are given.
package segments

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/s2"

	"data-exhaust/blob"
)

// Store is what segments need of an object store.
type Store interface {
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	Create(ctx context.Context, name, contentType string) (blob.Writer, error)
}

const (
	contentType = "application/octet-stream"
	blockSize   = 64 << 10 // of s2: what each open segment costs in memory, twice
	// fanIn is how many segments one merge reads at a time, at about 200 KiB each.
	fanIn = 128
	// maxRecord is far above a line of telemetry (16 MiB): anything longer is a damaged segment.
	maxRecord = 64 << 20
)

// Buffer gathers records until they are stored as a segment. The zero value is ready for use.
type Buffer struct {
	slab []byte
	refs []ref
}

type ref struct {
	prefix     uint64 // the record's first 8 bytes: most comparisons end there
	start, end int
}

// Add copies a record into the buffer. Store refuses records that are empty or longer than 64 MiB.
func (b *Buffer) Add(record []byte) {
	start := len(b.slab)
	b.slab = append(b.slab, record...)
	b.refs = append(b.refs, ref{prefix: prefixOf(record), start: start, end: len(b.slab)})
}

// Size is about how many bytes of memory the records take.
func (b *Buffer) Size() int { return len(b.slab) + 24*len(b.refs) }

// Len counts the records.
func (b *Buffer) Len() int { return len(b.refs) }

// Reset empties the buffer and keeps its memory.
func (b *Buffer) Reset() { b.slab, b.refs = b.slab[:0], b.refs[:0] }

// Store writes the records in ascending order as the segment of that name. The segment appears whole or
// not at all. The buffer keeps the records until Reset.
func (b *Buffer) Store(ctx context.Context, store Store, name string) error {
	slices.SortFunc(b.refs, func(x, y ref) int {
		if x.prefix != y.prefix {
			if x.prefix < y.prefix {
				return -1
			}
			return 1
		}
		return bytes.Compare(b.slab[x.start:x.end], b.slab[y.start:y.end])
	})
	return Write(ctx, store, name, func(add func([]byte) error) error {
		for _, r := range b.refs {
			if err := add(b.slab[r.start:r.end]); err != nil {
				return err
			}
		}
		return nil
	})
}

func prefixOf(record []byte) uint64 {
	var head [8]byte
	copy(head[:], record)
	return binary.BigEndian.Uint64(head[:])
}

// Write stores the records that fill adds, in the order in which it adds them, as the segment of that
// name. The segment appears whole or not at all.
func Write(ctx context.Context, store Store, name string, fill func(add func(record []byte) error) error) (err error) {
	w, err := store.Create(ctx, name, contentType)
	if err != nil {
		return fmt.Errorf("staging %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("staging %s: %w", name, errors.Join(err, w.Abort()))
		}
	}()
	packed := s2.NewWriter(w, s2.WriterBlockSize(blockSize), s2.WriterConcurrency(1))
	var length [binary.MaxVarintLen64]byte
	var count uint64
	add := func(record []byte) error {
		if len(record) == 0 || len(record) > maxRecord {
			return fmt.Errorf("a record of %d bytes cannot be staged", len(record))
		}
		count++
		if _, err := packed.Write(length[:binary.PutUvarint(length[:], uint64(len(record)))]); err != nil {
			return err
		}
		_, err := packed.Write(record)
		return err
	}
	if err := fill(add); err != nil {
		return err
	}
	// A zero length and the count end the segment, so that a reader notices one that is cut short.
	end := append([]byte{0}, length[:binary.PutUvarint(length[:], count)]...)
	if _, err := packed.Write(end); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return w.Commit()
}

// Read calls each with the records of one segment in order. A record is valid during the call only.
func Read(ctx context.Context, store Store, name string, each func(record []byte) error) error {
	r, err := open(ctx, store, name)
	if err != nil {
		return err
	}
	defer r.close()
	for {
		more, err := r.next()
		if err != nil || !more {
			return err
		}
		if err := each(r.record); err != nil {
			return err
		}
	}
}

// Merge calls each with the records of all segments in ascending order. A record is valid during the
// call only. More segments than are read at a time are first merged to fewer, which are stored under
// scratch, a name prefix that no other merge uses; the caller removes them.
func Merge(ctx context.Context, store Store, names []string, scratch string, each func(record []byte) error) error {
	for level := 0; len(names) > fanIn; level++ {
		var fewer []string
		for group := range slices.Chunk(names, fanIn) {
			name := fmt.Sprintf("%s%d-%05d", scratch, level, len(fewer))
			err := Write(ctx, store, name, func(add func([]byte) error) error {
				return mergeOnce(ctx, store, group, add)
			})
			if err != nil {
				return err
			}
			fewer = append(fewer, name)
		}
		names = fewer
	}
	return mergeOnce(ctx, store, names, each)
}

func mergeOnce(ctx context.Context, store Store, names []string, each func(record []byte) error) error {
	var queue heap
	defer func() {
		for _, r := range queue {
			r.close()
		}
	}()
	for _, name := range names {
		r, err := open(ctx, store, name)
		if err != nil {
			return err
		}
		more, err := r.next()
		if err != nil || !more {
			r.close()
			if err != nil {
				return err
			}
			continue
		}
		queue = append(queue, r)
	}
	queue.order()
	for len(queue) > 0 {
		first := queue[0]
		if err := each(first.record); err != nil {
			return err
		}
		more, err := first.next()
		if err != nil {
			return err
		}
		if !more {
			first.close()
			last := len(queue) - 1
			queue[0] = queue[last]
			queue = queue[:last]
		}
		queue.sink(0)
	}
	return nil
}

// heap holds the open segments, the one with the smallest record first.
type heap []*reader

func (h heap) order() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
}

func (h heap) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && bytes.Compare(h[right].record, h[child].record) < 0 {
			child = right
		}
		if bytes.Compare(h[i].record, h[child].record) <= 0 {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

type reader struct {
	name   string
	source io.Closer
	in     *bufio.Reader
	record []byte
	count  uint64
}

func open(ctx context.Context, store Store, name string) (*reader, error) {
	source, err := store.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading staged %s: %w", name, err)
	}
	packed := s2.NewReader(source, s2.ReaderMaxBlockSize(blockSize), s2.ReaderAllocBlock(blockSize))
	return &reader{name: name, source: source, in: bufio.NewReaderSize(packed, 16<<10)}, nil
}

// next reads the next record; it is false after the last.
func (r *reader) next() (bool, error) {
	length, err := binary.ReadUvarint(r.in)
	if err != nil {
		return false, r.failed(err)
	}
	if length == 0 {
		count, err := binary.ReadUvarint(r.in)
		if err != nil {
			return false, r.failed(err)
		}
		if count != r.count {
			return false, r.failed(fmt.Errorf("%d records of %d", r.count, count))
		}
		return false, nil
	}
	if length > maxRecord {
		return false, r.failed(fmt.Errorf("a record of %d bytes", length))
	}
	r.record = slices.Grow(r.record[:0], int(length))[:length]
	if _, err := io.ReadFull(r.in, r.record); err != nil {
		return false, r.failed(err)
	}
	r.count++
	return true, nil
}

func (r *reader) failed(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading staged %s: %w", r.name, err)
}

func (r *reader) close() { _ = r.source.Close() }
