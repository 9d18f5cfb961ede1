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
	"math"
	"slices"
	"sync"

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
	blockSize   = 64 << 10 // of s2: what each open segment costs in memory, three times
	// sourceBuffer is what is read of a segment at a time, before it is unpacked.
	sourceBuffer = 32 << 10
	// fanIn is how many segments one merge reads at a time, at about 230 KiB each.
	fanIn = 128
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
func (b *Buffer) Add(record []byte) {
	last := len(b.blocks) - 1
	if last < 0 || len(b.blocks[last])+len(record) > cap(b.blocks[last]) {
		b.blocks = append(b.blocks, newBlock(len(record)))
		last++
	}
	start := len(b.blocks[last])
	b.blocks[last] = append(b.blocks[last], record...)
	b.refs = append(b.refs, ref{prefix: prefixOf(record), block: uint32(last), start: uint32(start), end: uint32(start + len(record))})
	b.size += len(record)
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
		return bytes.Compare(b.record(x), b.record(y))
	})
	return Write(ctx, store, name, func(add func([]byte) error) error {
		for _, r := range b.refs {
			if err := add(b.record(r)); err != nil {
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
		if err := r.next(); err != nil || r.isAtEnd {
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
	readers := make([]*reader, 0, len(names))
	defer func() {
		for _, r := range readers {
			r.close()
		}
	}()
	for _, name := range names {
		r, err := open(ctx, store, name)
		if err != nil {
			return err
		}
		readers = append(readers, r)
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

type reader struct {
	name   string
	source io.Closer
	in     *bufio.Reader
	// record is the present one, valid until next, and prefix that of it. There is none where the reader isAtEnd.
	record  []byte
	prefix  uint64
	isAtEnd bool
	count   uint64
	long    []byte // the memory of a record that in's buffer cannot hold
}

func open(ctx context.Context, store Store, name string) (*reader, error) {
	source, err := store.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading staged %s: %w", name, err)
	}
	// s2 reads the head of each block by itself, which is to be no call of the system's.
	packed := s2.NewReader(bufio.NewReaderSize(source, sourceBuffer), s2.ReaderMaxBlockSize(blockSize), s2.ReaderAllocBlock(blockSize))
	return &reader{name: name, source: source, in: bufio.NewReaderSize(packed, blockSize)}, nil
}

// next goes to the next record, or to the end.
func (r *reader) next() error {
	length, err := binary.ReadUvarint(r.in)
	if err != nil {
		return r.failed(err)
	}
	if length == 0 {
		count, err := binary.ReadUvarint(r.in)
		if err != nil {
			return r.failed(err)
		}
		if count != r.count {
			return r.failed(fmt.Errorf("%d records of %d", r.count, count))
		}
		r.record, r.prefix, r.isAtEnd = nil, math.MaxUint64, true
		return nil
	}
	if length > maxRecord {
		return r.failed(fmt.Errorf("a record of %d bytes", length))
	}
	if err := r.read(int(length)); err != nil {
		return r.failed(err)
	}
	r.prefix = prefixOf(r.record)
	r.count++
	return nil
}

// read reads a record of that length, where it can without a copy: what is in the buffer stays there until next reads on.
func (r *reader) read(length int) (err error) {
	if length > r.in.Size() {
		r.long = slices.Grow(r.long[:0], length)[:length]
		r.record = r.long
		_, err = io.ReadFull(r.in, r.record)
		return err
	}
	if r.record, err = r.in.Peek(length); err != nil {
		return err
	}
	_, err = r.in.Discard(length)
	return err
}

func (r *reader) failed(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading staged %s: %w", r.name, err)
}

// close may be called again.
func (r *reader) close() {
	if r.source != nil {
		_ = r.source.Close()
		r.source, r.in, r.long = nil, nil, nil
	}
}
