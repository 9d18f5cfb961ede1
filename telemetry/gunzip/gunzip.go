// Package gunzip decodes gzip (RFC 1952 and 1951), hands out its window in place of copying it, and knows nothing of what
// the bytes mean.
//
// It is fast in the way that libdeflate and ISA-L are: a 64-bit bit buffer that is refilled by whole words, tables whose
// entries hold two symbols, matches that are copied by words, and a loop without bounds checks where input and output
// have slack (loop.go). The end of the input is decoded with care (careful.go). What is unsafe stands in memory.go.
package gunzip

import (
	"errors"
	"hash/crc32"
	"io"
)

// What is wrong with data that cannot be decoded. The errors of the source come through as they are.
var (
	ErrTruncated = errors.New("gunzip: the data ends early")
	ErrChecksum  = errors.New("gunzip: the data does not match its checksum")
	ErrHeader    = errors.New("gunzip: the header of a member is damaged")
	ErrData      = errors.New("gunzip: the data is damaged")
	ErrTrailing  = errors.New("gunzip: bytes that are neither gzip nor zero padding follow the last member")
)

const (
	// Padding is how many bytes behind a chunk belong to it: the caller may read and write them.
	Padding = 64

	maxDistance = 32 << 10
	// chunkSize is how much Next decodes at a time: as much as stays in a core's own cache beside the tables.
	chunkSize = 256 << 10
	// outputSlack is how far the output can exceed its limit: by what one round of the loop writes (three pairs of literals
	// and a match of 258 bytes, by 64 bytes), so that no match is ever split.
	outputSlack = 6 + 258 + 64 + 16
)

// Reader decodes all members of a gzip stream one behind the other. Its zero value is for Reset.
type Reader struct {
	input
	member
	tables

	window []byte
	out    int // window[:out] is decoded
	floor  int // where the member begins that is being decoded: no match reaches before it
	state  state
	err    error // what follows behind the window
}

// state is what comes next in the input.
type state uint8

const (
	inHeader state = iota
	inBlockHeader
	inStored
	inCodes
	inTrailer
)

// Reset makes source the stream to decode.
func (r *Reader) Reset(source io.Reader) {
	r.input.reset(source)
	r.member = member{}
	r.out, r.floor, r.state, r.err = 0, 0, inHeader, nil
}

// Release drops the stream, and the window if a caller's keep made it larger.
func (r *Reader) Release() {
	r.input.source = nil
	if len(r.window) > windowSize {
		r.window = nil
	}
}

const windowSize = maxDistance + chunkSize + outputSlack + Padding

// Next gives the last keep bytes of the previous chunk and at least one byte that follows them. In place of more bytes it
// gives an error, which is io.EOF behind the last member, with the kept bytes alone. A chunk is valid until the next call.
//
// The next call looks back into it: the caller may write into a chunk if it has put back what stood there by then. Bytes
// are given before their checksum is read.
func (r *Reader) Next(keep int) ([]byte, error) {
	r.makeRoom(keep)
	start := r.out
	limit := len(r.window) - outputSlack - Padding
	for r.err == nil && r.out < limit {
		r.err = r.step(limit)
	}
	r.hash()
	chunk := r.window[start-keep : r.out : r.out+Padding]
	if r.out == start {
		return chunk, r.err
	}
	return chunk, nil
}

// step goes on with what comes next, up to its end, or the limit of the output, or the end of the input that is there.
func (r *Reader) step(limit int) error {
	switch r.state {
	case inHeader:
		return r.readHeader()
	case inBlockHeader:
		return r.readBlockHeader()
	case inStored:
		return r.copyStored(limit)
	case inCodes:
		return r.decode(limit)
	}
	return r.readTrailer()
}

// decode decodes a block of codes.
func (r *Reader) decode(limit int) error {
	if err := r.ensure(inputSlack); err != nil {
		return err
	}
	if r.end-r.at >= fastInput {
		return r.decodeFast(limit)
	}
	return r.decodeCarefully(limit)
}

// makeRoom sees to it that a chunk has room behind the window, and before it keep bytes and all that a match can reach.
func (r *Reader) makeRoom(keep int) {
	if r.window == nil {
		r.window = make([]byte, windowSize)
	}
	if r.roomBehind(r.out) >= chunkSize {
		return
	}
	retained := max(min(r.out, maxDistance), keep)
	from := r.window[r.out-retained : r.out]
	if r.roomBehind(retained) < max(chunkSize, retained/8) {
		// Where more and more is kept it is moved a few times only.
		r.window = make([]byte, retained+max(chunkSize, retained/4)+outputSlack+Padding)
	}
	copy(r.window, from)
	r.floor = max(0, r.floor-(r.out-retained))
	r.hashed -= r.out - retained
	r.out = retained
}

func (r *Reader) roomBehind(at int) int { return len(r.window) - Padding - outputSlack - at }

// hash takes what was decoded since the last time into the member's checksum.
func (r *Reader) hash() {
	decoded := r.window[r.hashed:r.out]
	r.checksum = crc32.Update(r.checksum, crc32.IEEETable, decoded)
	r.size += uint32(len(decoded))
	r.hashed = r.out
}
