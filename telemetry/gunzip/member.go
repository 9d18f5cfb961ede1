package gunzip

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// member is what is known of the member that is being decoded.
type member struct {
	isFollowing bool // whether it follows another one
	isFinal     bool // whether its last block has begun
	checksum    uint32
	size        uint32 // modulo 1<<32
	hashed      int    // the window up to here is in checksum and size
	stored      int    // how many bytes of a stored block are to come
}

const (
	firstMark, secondMark = 0x1f, 0x8b
	methodDeflate         = 8
)

// The fixed fields of a member's header that say nothing about its content.
const timeSize, levelSize, systemSize = 4, 1, 1

// The flags of a member's header.
const (
	hasHeaderChecksum = 1 << 1
	hasExtra          = 1 << 2
	hasName           = 1 << 3
	hasComment        = 1 << 4
)

// readHeader reads the header of the member that follows, or the padding behind the last one.
func (r *Reader) readHeader() error {
	if r.isFollowing {
		if err := r.ensure(2); err != nil {
			return err
		}
		switch next := r.buffer[r.at:r.end]; {
		case len(next) == 0:
			return io.EOF
		case next[0] == 0:
			return r.skipPadding()
		case next[0] != firstMark, len(next) > 1 && next[1] != secondMark:
			return ErrTrailing
		}
	}
	h := header{in: &r.input}
	h.read()
	if h.err != nil {
		return h.err
	}
	r.member = member{isFollowing: true, hashed: r.out}
	r.floor = r.out
	r.state = inBlockHeader
	return nil
}

// skipPadding reads the zeros that fill up a tape's or a disk's block, as gzip(1) does.
func (r *Reader) skipPadding() error {
	for {
		c, err := r.nextByte()
		switch {
		case err == ErrTruncated:
			return io.EOF
		case err != nil:
			return err
		case c != 0:
			return ErrTrailing
		}
	}
}

// header reads the header of a member, of any length, up to its first error.
type header struct {
	in       *input
	checksum uint32
	err      error
}

func (h *header) read() {
	first, second, method, flags := h.next(), h.next(), h.next(), h.next()
	if h.err == nil && (first != firstMark || second != secondMark || method != methodDeflate) {
		h.err = ErrHeader
	}
	h.skip(timeSize + levelSize + systemSize)
	if flags&hasExtra != 0 {
		h.skip(h.next16())
	}
	if flags&hasName != 0 {
		h.skipText()
	}
	if flags&hasComment != 0 {
		h.skipText()
	}
	if flags&hasHeaderChecksum != 0 {
		want := int(h.checksum & 0xffff)
		if h.next16() != want && h.err == nil {
			h.err = ErrHeader
		}
	}
}

func (h *header) next() byte {
	if h.err != nil {
		return 0
	}
	var c byte
	if c, h.err = h.in.nextByte(); h.err != nil {
		return 0
	}
	// The byte's place in the buffer, for a copy of it would be allocated.
	h.checksum = crc32.Update(h.checksum, crc32.IEEETable, h.in.buffer[h.in.at-1:h.in.at])
	return c
}

func (h *header) next16() int {
	low, high := h.next(), h.next()
	return int(low) | int(high)<<8
}

func (h *header) skip(n int) {
	for ; n > 0 && h.err == nil; n-- {
		h.next()
	}
}

func (h *header) skipText() {
	for h.next() != 0 {
	}
}

// readTrailer compares the member with its checksum and size.
func (r *Reader) readTrailer() error {
	r.hash()
	r.take(r.count & 7)
	r.giveBack()
	if err := r.ensure(trailerSize); err != nil {
		return err
	}
	if r.end-r.at < trailerSize {
		return ErrTruncated
	}
	trailer := r.buffer[r.at : r.at+trailerSize]
	if binary.LittleEndian.Uint32(trailer) != r.checksum || binary.LittleEndian.Uint32(trailer[4:]) != r.size {
		return ErrChecksum
	}
	r.at += trailerSize
	r.state = inHeader
	return nil
}

const trailerSize = 8
