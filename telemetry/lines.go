package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// paddedLine is one line without its end: bytes[:size]. Its invariant, which newPaddedLine alone sees to, lets the
// validator load a block of bytes wherever it stands, and never ask whether a token goes on behind the line:
// bytes[size] is a line feed, and at least padding-1 more bytes, of no meaning, lie behind that.
type paddedLine struct {
	bytes []byte
	size  int
}

const padding = blockBytes

// newPaddedLine makes a line of buffer[start:end]. It writes the line feed to buffer[end], where the line's own end, other
// white space or a NUL stands, or nothing does: lineReader puts back what stood there. buffer reaches at least padding
// bytes beyond end.
func newPaddedLine(buffer []byte, start, end int) paddedLine {
	buffer[end] = '\n'
	return paddedLine{bytes: buffer[start : end+padding], size: end - start}
}

func (l paddedLine) text() []byte { return l.bytes[:l.size:l.size] }

// longLine is how long a line is at the least before what is nothing in it is dropped while it is read.
const longLine = chunkSize

// errLineTooLong stands for one line that is longer than MaxLine. Reading goes on behind it.
var errLineTooLong = errors.New("the line is longer than 16 MiB")

// lineReader cuts a text into lines within the chunks that it comes in.
//
// It drops what is nothing (docs/telemetry.md): white space, NULs and byte order marks before a line, white space and
// NULs behind it, and lines that hold nothing else. However many they are, they take no memory. Only the white space
// counts towards MaxLine.
type lineReader struct {
	chunks  chunks
	buf     []byte // the current chunk, with the padding behind it
	start   int    // buf[start:end] is what next has yet to give out
	search  int    // buf[start:search] holds no line feed
	end     int    // of the chunk
	spaces  int    // how much white space the line at start had before it that has been dropped already
	isFirst bool   // whether next has yet to reach the text's first line end
	last    lastLine
}

// lastLine is where the line that next gave out last stands, with what was dropped behind it.
type lastLine struct {
	buf        []byte
	start, end int
	feed       int  // where newPaddedLine wrote the line feed
	replaced   byte // what stood there
	isFirst    bool
}

// restore puts back what stood in place of the line feed, for the chunks go on from what they have given.
func (l *lastLine) restore() {
	if l.buf != nil {
		l.buf[l.feed] = l.replaced
	}
}

// reset makes text, of which first is the first chunk or nothing, what is cut.
func (l *lineReader) reset(text chunks, first []byte) {
	*l = lineReader{chunks: text, isFirst: true}
	l.take(first)
}

// take goes on with a chunk, of which nothing is given out yet.
func (l *lineReader) take(chunk []byte) {
	l.start, l.end = 0, len(chunk)
	if len(chunk) > 0 {
		l.buf = chunk[:len(chunk)+chunkPadding]
	}
}

// release drops the text.
func (l *lineReader) release() { *l = lineReader{} }

// next gives the next line that is not empty, valid until the next call; errLineTooLong in place of a line that is too
// long; the text's error, which is io.EOF behind the last line.
func (l *lineReader) next(ctx context.Context) (paddedLine, error) {
	l.last.restore()
	l.last.buf = nil
	for {
		var line paddedLine
		var err error
		if i := bytes.IndexByte(l.buf[l.search:l.end], '\n'); i >= 0 {
			line, err = l.cut(l.search+i, l.search+i+1)
			l.isFirst = false
		} else {
			line, err = l.extend(ctx)
		}
		if err != nil || line.size > 0 {
			return line, err
		}
	}
}

// extend reads more of a line whose end is not in the chunk yet. It gives that line where it finds out what next has to
// give, and otherwise an empty one.
func (l *lineReader) extend(ctx context.Context) (paddedLine, error) {
	if l.end-l.start >= longLine {
		start, spaces := skipNothing(l.buf, l.start, l.end)
		l.start = start
		l.spaces += spaces
	}
	if l.end-l.start >= longLine {
		if i := bytes.IndexByte(l.buf[l.start:l.end], 0); i >= 0 && i <= MaxLine+1 {
			return l.finish(ctx, l.start+i)
		}
		if l.spaces+l.end-l.start > MaxLine+1 {
			return paddedLine{}, l.skipLine(ctx)
		}
	}
	err := l.read(ctx, l.end-l.start)
	if err == io.EOF && l.start < l.end {
		return l.cut(l.end, l.end)
	}
	return paddedLine{}, err
}

// cut gives out buf[start:end] as a line, without what is nothing around it, and goes on at next.
func (l *lineReader) cut(end, next int) (paddedLine, error) {
	start, spaces, whole := l.start, l.spaces, end
	l.start, l.search, l.spaces = next, next, 0
	if start < end && (l.buf[start] <= ' ' || l.buf[start] == byteOrderMark[0]) {
		var dropped int
		start, dropped = skipNothing(l.buf, start, end)
		spaces += dropped
	}
	if start < end && l.buf[end-1] <= ' ' {
		var behind tail
		end = behind.trim(l.buf, start, end)
		spaces += behind.countSpaces()
	}
	return l.give(start, end, spaces, whole)
}

// give makes the line of buf[start:end], with so much white space dropped around it, and other things up to whole.
func (l *lineReader) give(start, end, spaces, whole int) (paddedLine, error) {
	if start == end {
		return paddedLine{}, nil
	}
	if end-start+spaces > MaxLine {
		return paddedLine{}, errLineTooLong
	}
	l.last = lastLine{buf: l.buf, start: start, end: whole, feed: end, replaced: l.buf[end], isFirst: l.isFirst}
	return newPaddedLine(l.buf, start, end), nil
}

// finish gives the long line whose first NUL is at end. All that may follow there is nothing; anything else makes the
// line no JSON. Either way finish need not keep what follows, so NULs by the gigabyte take no memory. What it keeps of
// the line moves to a buffer of its own.
func (l *lineReader) finish(ctx context.Context, end int) (paddedLine, error) {
	var behind tail
	behind.add(l.buf[end:l.end])
	// What is kept behind the line shows whether that is UTF-16.
	own := make([]byte, min(end+4, l.end)-l.start, min(end+4, l.end)-l.start+chunkPadding)
	copy(own, l.buf[l.start:])
	end -= l.start
	for isOpen := true; isOpen; {
		switch err := l.read(ctx, 0); {
		case err == io.EOF:
			isOpen = false
		case err != nil:
			return paddedLine{}, err
		default:
			size := bytes.IndexByte(l.buf[:l.end], '\n')
			if isOpen = size < 0; isOpen {
				size = l.end
			}
			behind.add(l.buf[:size])
			l.start = min(size+1, l.end)
			l.search = l.start
		}
	}
	chunk, isFirst, spaces := l.buf, l.isFirst, l.spaces
	l.spaces = 0
	defer func() { l.buf, l.isFirst = chunk, false }()
	l.buf = own[:cap(own)]
	if behind.isMore {
		l.last = lastLine{buf: l.buf, end: len(own), feed: len(own), isFirst: isFirst}
		return newPaddedLine(l.buf, 0, len(own)), nil
	}
	return l.give(0, behind.trim(l.buf, 0, end), spaces+behind.countSpaces(), len(own))
}

// skipLine drops what remains of a line that is too long.
func (l *lineReader) skipLine(ctx context.Context) error {
	l.spaces, l.isFirst = 0, false
	for {
		err := l.read(ctx, 0)
		if err == io.EOF {
			return errLineTooLong
		}
		if err != nil {
			return err
		}
		if i := bytes.IndexByte(l.buf[:l.end], '\n'); i >= 0 {
			l.start, l.search = i+1, i+1
			return errLineTooLong
		}
	}
}

// read goes on with the next chunk, which begins with the last keep bytes of this one, or gives the text's error. It asks
// the context as the source does: a few bytes of an object can decompress to very many.
func (l *lineReader) read(ctx context.Context, keep int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	chunk, err := l.chunks.Next(keep)
	l.take(chunk)
	l.search = keep
	return err
}

const byteOrderMark = "\xef\xbb\xbf"

// skipNothing is the first position in b[i:end] that is neither white space nor a NUL nor of a byte order mark. spaces
// counts the white space before that.
func skipNothing(b []byte, i, end int) (at, spaces int) {
	for i < end {
		switch {
		case isSpace(b[i]):
			spaces++
			i++
		case b[i] == 0:
			i++
		case bytes.HasPrefix(b[i:end], []byte(byteOrderMark)):
			i += len(byteOrderMark)
		default:
			return i, spaces
		}
	}
	return i, spaces
}

// tail is what stands behind a line, up to its line feed.
type tail struct {
	spaces  int  // white space among it
	hasLast bool // whether anything but NULs stands there
	last    byte // the last byte that is no NUL
	isMore  bool // whether anything but white space and NULs stands there
}

// add takes what follows.
func (t *tail) add(b []byte) {
	for _, c := range b {
		if c == 0 {
			continue
		}
		t.hasLast, t.last = true, c
		if isSpace(c) {
			t.spaces++
		} else {
			t.isMore = true
		}
	}
}

// trim is the end of b[start:end] without white space and NULs at its end, which stand before the rest of the tail.
func (t *tail) trim(b []byte, start, end int) int {
	for ; end > start; end-- {
		c := b[end-1]
		if c != 0 && !isSpace(c) {
			break
		}
		if c == 0 {
			continue
		}
		t.spaces++
		if !t.hasLast {
			t.hasLast, t.last = true, c
		}
	}
	return end
}

// countSpaces is how much white space stands in the tail, without the CR of the line's end.
func (t *tail) countSpaces() int {
	if t.last == '\r' {
		return t.spaces - 1
	}
	return t.spaces
}

// isSpace tells whether c is white space of JSON that can stand in a line.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// isUTF16 tells whether the line that next gave out last, and that is no JSON, is UTF-16. Its byte order mark says so at
// the object's beginning. Elsewhere ASCII must follow the mark, as where files were put one behind the other. Without a
// mark, NULs stand on both sides of what follows the opening brace: one of either neighbour belongs to it, whatever the
// byte order.
func (l *lineReader) isUTF16() bool {
	l.last.restore()
	line := l.last.buf[l.last.start:l.last.end]
	isASCII := func(i int) bool { return line[i]-1 < 0x7f }
	if bytes.HasPrefix(line, []byte("\xff\xfe")) {
		if l.last.isFirst || len(line) >= 4 && isASCII(2) && line[3] == 0 {
			return true
		}
	}
	if bytes.HasPrefix(line, []byte("\xfe\xff")) {
		if l.last.isFirst || len(line) >= 4 && line[2] == 0 && isASCII(3) {
			return true
		}
	}
	if len(line) >= 4 && line[0] == '{' && line[1] == 0 && isASCII(2) && line[3] == 0 {
		return true
	}
	return bytes.Contains(line, []byte("\xff\xfe{\x00")) || bytes.Contains(line, []byte("\xfe\xff\x00{"))
}
