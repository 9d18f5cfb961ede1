package segments

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
)

// A segment begins with how long its longest record is, in 32 bits, zero where nobody knows. Its records are stored in blocks
// of whole ones, each behind its length. A block has a header, of three numbers of
// 32 bits, the lowest byte first: its size, its size as it is stored, compressed by s2, and its CRC-32C. A header of size
// zero ends the segment: the other 64 bits count its records. So a reader notices what was cut, changed, or lost, needs no
// more memory than one block, and copies no record.

const (
	// blockSize is how large a block is, unless one record alone is larger.
	blockSize  = 64 << 10
	headerSize = 12
	// maxBlock is how large the block of the longest record is.
	maxBlock = maxRecord + binary.MaxVarintLen32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockWriter writes the blocks of one segment.
type blockWriter struct {
	w           io.Writer
	raw, packed []byte
	count       uint64
}

var blockWriters = sync.Pool{New: func() any { return new(blockWriter) }}

func (b *blockWriter) begin(w io.Writer, longest int) error {
	b.w = w
	_, err := w.Write(binary.LittleEndian.AppendUint32(nil, uint32(longest)))
	return err
}

func (b *blockWriter) add(record []byte) error {
	if len(record) == 0 || len(record) > maxRecord {
		return fmt.Errorf("a record of %d bytes cannot be staged", len(record))
	}
	if len(b.raw) > 0 && len(b.raw)+binary.MaxVarintLen32+len(record) > blockSize {
		if err := b.write(); err != nil {
			return err
		}
	}
	b.raw = binary.AppendUvarint(slices.Grow(b.raw, blockSize-len(b.raw)), uint64(len(record)))
	b.raw = append(b.raw, record...)
	b.count++
	return nil
}

func (b *blockWriter) write() error {
	most := headerSize + s2.MaxEncodedLen(len(b.raw))
	b.packed = slices.Grow(b.packed[:0], most)[:most]
	packed := s2.Encode(b.packed[headerSize:], b.raw)
	binary.LittleEndian.PutUint32(b.packed, uint32(len(b.raw)))
	binary.LittleEndian.PutUint32(b.packed[4:], uint32(len(packed)))
	binary.LittleEndian.PutUint32(b.packed[8:], crc32.Checksum(b.raw, castagnoli))
	b.raw = b.raw[:0]
	_, err := b.w.Write(b.packed[:headerSize+len(packed)])
	return err
}

// end writes what is left, and the segment's end.
func (b *blockWriter) end() error {
	if len(b.raw) > 0 {
		if err := b.write(); err != nil {
			return err
		}
	}
	_, err := b.w.Write(binary.LittleEndian.AppendUint64(make([]byte, 4, headerSize), b.count))
	return err
}

// release gives the writer back, but for buffers that a long record made larger.
func (b *blockWriter) release() {
	if cap(b.raw) > 2*blockSize {
		return
	}
	*b = blockWriter{raw: b.raw[:0], packed: b.packed}
	blockWriters.Put(b)
}

// ErrDamaged tells that what the store holds of a segment is not all that was written: a machine may have crashed
// before it was on the disk.
var ErrDamaged = errors.New("it is damaged")

// reader reads the records of one segment.
type reader struct {
	name    string
	source  *sourceReader
	longest int              // of its records, or 0
	header  [headerSize]byte // of the next block
	packed  *packedBlock
	block   []byte
	rest    []byte // of the block, behind the record
	count   uint64
	// record is the present one, valid until next, and prefix that of it. There is none where the reader isAtEnd.
	record  []byte
	prefix  uint64
	isAtEnd bool
}

// packedBlock is a block as it is stored. Readers of one merge share it, as each unpacks its blocks at once.
type packedBlock struct{ bytes []byte }

func open(ctx context.Context, store Store, name string, packed *packedBlock) (*reader, error) {
	source, err := store.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading staged %s: %w", name, err)
	}
	r := &reader{name: name, source: &sourceReader{ReadCloser: source}, packed: packed}
	var beginning [4 + headerSize]byte
	if _, err := io.ReadFull(r.source, beginning[:]); err != nil {
		defer r.close()
		return nil, r.failed(err)
	}
	r.longest = int(binary.LittleEndian.Uint32(beginning[:]))
	copy(r.header[:], beginning[4:])
	return r, nil
}

// memory is about how much memory the reader takes.
func (r *reader) memory() int { return max(r.longest, blockSize) }

// next goes to the next record, or to the end.
func (r *reader) next() error {
	if len(r.rest) == 0 {
		if binary.LittleEndian.Uint32(r.header[:]) == 0 {
			return r.end()
		}
		if err := r.readBlock(); err != nil {
			return r.failed(err)
		}
	}
	length, n := binary.Uvarint(r.rest)
	if n <= 0 || length == 0 || length > uint64(len(r.rest)-n) {
		return r.failed(errRecord)
	}
	end := n + int(length)
	r.record, r.rest = r.rest[n:end:end], r.rest[end:]
	r.prefix = prefixOf(r.record)
	r.count++
	return nil
}

var (
	errBlock    = errors.New("a block that cannot be")
	errChecksum = errors.New("a block does not match its checksum")
)

func (r *reader) readBlock() error {
	size, packedSize, sum := binary.LittleEndian.Uint32(r.header[:]), binary.LittleEndian.Uint32(r.header[4:]), binary.LittleEndian.Uint32(r.header[8:])
	if size > maxBlock || int64(packedSize) > int64(s2.MaxEncodedLen(int(size))) {
		return errBlock
	}
	// The next header is read with the block.
	p := r.packed
	if cap(p.bytes) > 2*blockSize {
		p.bytes = nil // of a long record
	}
	p.bytes = slices.Grow(p.bytes[:0], int(packedSize)+headerSize)[:int(packedSize)+headerSize]
	if _, err := io.ReadFull(r.source, p.bytes); err != nil {
		return err
	}
	copy(r.header[:], p.bytes[packedSize:])
	if cap(r.block) > 2*blockSize {
		r.block = nil // of a long record
	}
	if n, err := s2.DecodedLen(p.bytes[:packedSize]); err != nil || n != int(size) {
		return errBlock
	}
	r.block = slices.Grow(r.block[:0], int(size))[:size]
	if _, err := s2.Decode(r.block, p.bytes[:packedSize]); err != nil {
		return err
	}
	if crc32.Checksum(r.block, castagnoli) != sum {
		return errChecksum
	}
	r.rest = r.block
	return nil
}

// end checks that all records were read, and that nothing follows.
func (r *reader) end() error {
	if count := binary.LittleEndian.Uint64(r.header[4:]); count != r.count {
		return r.failed(fmt.Errorf("%d records of %d", r.count, count))
	}
	if n, err := io.ReadFull(r.source, r.header[:1]); n > 0 || err != io.EOF {
		return r.failed(errBlock)
	}
	r.record, r.prefix, r.isAtEnd = nil, math.MaxUint64, true
	return nil
}

func (r *reader) failed(err error) error {
	if r.source.err != nil {
		return fmt.Errorf("reading staged %s: %w", r.name, r.source.err)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading staged %s: %w: %w", r.name, ErrDamaged, err)
}

// close may be called again.
func (r *reader) close() {
	if r.source != nil {
		_ = r.source.Close()
		r.source, r.block, r.rest = nil, nil, nil
	}
}

// sourceReader keeps the store's own error, which says nothing of the segment.
type sourceReader struct {
	io.ReadCloser
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
