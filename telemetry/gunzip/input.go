package gunzip

import (
	"errors"
	"io"
)

const (
	inputSize = 64 << 10
	// inputSlack is how much of the input is there before a header of a block is read or the fast loop begins: the longest
	// header has 14+19*3+316*14 bits.
	inputSlack = 1 << 10
	// inputPadding lies behind the input. It is zero behind the input's end, where the careful loop and the headers' codes
	// read on a little before they notice.
	inputPadding = 64
	// maxEmptyReads is how many reads in a row may give nothing.
	maxEmptyReads = 100
)

var errCount = errors.New("gunzip: the source gave an impossible count of bytes")

// input is what is there of the source, and the bits of it that are taken out already.
//
// bits holds, from the lowest bit on, the next count bits of the stream; those above are either zero or the ones that
// follow. They come before buffer[at:end].
type input struct {
	source  io.Reader
	buffer  []byte
	at, end int
	bits    uint64
	count   uint8
	isLast  bool // whether the source has ended behind buffer[:end]
}

func (in *input) reset(source io.Reader) {
	buffer := in.buffer
	if buffer == nil {
		buffer = make([]byte, inputSize+inputPadding)
	}
	*in = input{source: source, buffer: buffer}
}

// ensure reads until at least size bytes are there, or all that the source has.
func (in *input) ensure(size int) error {
	if in.end-in.at >= size || in.isLast {
		return nil
	}
	in.giveBack()
	in.end = copy(in.buffer, in.buffer[in.at:in.end])
	in.at = 0
	for empty := 0; in.end < size && !in.isLast; {
		room := in.buffer[in.end:inputSize]
		n, err := in.source.Read(room)
		if n < 0 || n > len(room) {
			// The fast loop would read what is no input, without a check.
			return errCount
		}
		in.end += n
		switch {
		case err == io.EOF:
			in.isLast = true
			clear(in.buffer[in.end : in.end+inputPadding])
		case err != nil:
			return err
		case n > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// giveBack puts the whole bytes among the bits back into the buffer.
func (in *input) giveBack() {
	in.at -= int(in.count >> 3)
	in.count &= 7
	in.bits &= 1<<in.count - 1
}

// refill makes at least 56 bits available. At the input's end some of them are the padding's.
func (in *input) refill() {
	in.bits |= load64(in.buffer, in.at) << (in.count & 63)
	in.at += int((63 - in.count) >> 3)
	in.count |= 56
}

// take consumes n bits, which are there.
func (in *input) take(n uint8) uint32 {
	taken := uint32(in.bits & (1<<n - 1))
	in.bits >>= n & 63
	in.count -= n
	return taken
}

// isOverrun tells whether bits of the padding were consumed.
func (in *input) isOverrun() bool { return in.at-int(in.count>>3) > in.end }

// nextByte consumes a byte, where the stream stands between two. There is none behind the source's end.
func (in *input) nextByte() (c byte, err error) {
	if in.at == in.end {
		if err := in.ensure(1); err != nil {
			return 0, err
		}
		if in.at == in.end {
			return 0, ErrTruncated
		}
	}
	c = in.buffer[in.at]
	in.at++
	return c, nil
}
