package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// paddedLine is one line without its end: bytes[:size]. Its invariant, which newPaddedLine alone sees to, lets the
// validator load eight bytes wherever it stands, and never ask whether a token goes on behind the line:
// bytes[size] is a line feed, and at least padding-1 more bytes, of no meaning, lie behind that.
type paddedLine struct {
	bytes []byte
	size  int
}

const padding = 8

// newPaddedLine makes a line of buffer[start:end]. It writes the line feed to buffer[end], where the line's own end
// stands or nothing does. buffer reaches at least padding bytes beyond end.
func newPaddedLine(buffer []byte, start, end int) paddedLine {
	buffer[end] = '\n'
	return paddedLine{bytes: buffer[start : end+padding], size: end - start}
}

func (l paddedLine) text() []byte { return l.bytes[:l.size:l.size] }

const (
	lineBuffer = 256 << 10
	// tailBuffer is the least room for what is read behind a line that NULs follow.
	tailBuffer = 4 << 10
	// maxBuffer holds the longest line with its CR, and what is read behind that.
	maxBuffer = MaxLine + 2*tailBuffer + padding
)

// errLineTooLong stands for one line that is longer than MaxLine. Reading goes on behind it.
var errLineTooLong = errors.New("the line is longer than 16 MiB")

// lineReader cuts an object into lines within one buffer, which it enlarges up to maxBuffer where a line needs that.
//
// It drops what is nothing (docs/telemetry.md): white space, NULs and byte order marks before a line, white space and
// NULs behind it, and lines that hold nothing else. However many they are, they take no memory. Only the white space
// counts towards MaxLine.
type lineReader struct {
	r       io.Reader
	buf     []byte
	start   int   // buf[start:end] is what next has yet to give out
	search  int   // buf[start:search] holds no line feed
	end     int   // end <= len(buf)-padding
	spaces  int   // how much white space the line at start had before it that has been dropped already
	err     error // what r ended with
	isFirst bool  // whether next has yet to reach the object's first line end
	last    lastLine
}

// lastLine is where the line that next gave out last stands, with what was dropped behind it.
type lastLine struct {
	start, end int
	feed       int  // where newPaddedLine wrote the line feed
	replaced   byte // what stood there
	isFirst    bool
}

// reset makes r the object to cut.
func (l *lineReader) reset(r io.Reader) {
	if l.buf == nil {
		l.buf = make([]byte, lineBuffer)
	}
	*l = lineReader{r: r, buf: l.buf, isFirst: true}
}

// release drops the object, and the buffer if a long line made it larger.
func (l *lineReader) release() {
	l.r = nil
	if len(l.buf) > lineBuffer {
		l.buf = nil
	}
}

// next gives the next line that is not empty, valid until the next call; errLineTooLong in place of a line that is too
// long; the object's error, which is io.EOF behind the last line.
func (l *lineReader) next(ctx context.Context) (paddedLine, error) {
	for {
		var line paddedLine
		var err error
		if i := bytes.IndexByte(l.buf[l.search:l.end], '\n'); i >= 0 {
			line, err = l.cut(l.search+i, l.search+i+1)
			l.isFirst = false
		} else {
			l.search = l.end
			line, err = l.extend(ctx)
		}
		if err != nil || line.size > 0 {
			return line, err
		}
	}
}

// extend reads more of a line whose end is not in the buffer yet. It gives that line where it finds out what next has to
// give, and otherwise an empty one.
func (l *lineReader) extend(ctx context.Context) (paddedLine, error) {
	l.moveToFront()
	if l.isFull() {
		start, spaces := skipNothing(l.buf, 0, l.end)
		l.start = start
		l.spaces += spaces
		l.moveToFront()
	}
	if l.isFull() {
		if i := bytes.IndexByte(l.buf[:l.end], 0); i >= 0 && i <= MaxLine+1 {
			return l.finish(ctx, i)
		}
		if l.spaces+l.end > MaxLine+1 {
			return paddedLine{}, l.skipLine(ctx)
		}
		l.grow()
	}
	err := l.read(ctx)
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
	l.last = lastLine{start: start, end: whole, feed: end, replaced: l.buf[end], isFirst: l.isFirst}
	return newPaddedLine(l.buf, start, end), nil
}

// finish gives the line whose first NUL is at end, in a full buffer that begins with the line. All that may follow there
// is nothing; anything else makes the line no JSON. Either way finish need not keep what follows, so NULs by the
// gigabyte take no memory.
func (l *lineReader) finish(ctx context.Context, end int) (paddedLine, error) {
	var behind tail
	behind.add(l.buf[end:l.end])
	// What is kept shows whether the line is UTF-16.
	kept := min(end+4, l.end)
	if len(l.buf)-padding-kept < tailBuffer {
		l.grow()
	}
	for isOpen := true; isOpen; {
		l.end = kept
		switch err := l.read(ctx); {
		case err == io.EOF:
			l.start, isOpen = l.end, false
		case err != nil:
			return paddedLine{}, err
		default:
			size := bytes.IndexByte(l.buf[kept:l.end], '\n')
			if isOpen = size < 0; isOpen {
				size = l.end - kept
			}
			behind.add(l.buf[kept : kept+size])
			l.start = kept + size + 1
		}
	}
	isFirst, spaces := l.isFirst, l.spaces
	l.search, l.spaces = l.start, 0
	defer func() { l.isFirst = false }()
	if behind.isMore {
		l.last = lastLine{end: kept, feed: kept, replaced: l.buf[kept], isFirst: isFirst}
		return newPaddedLine(l.buf, 0, kept), nil
	}
	end = behind.trim(l.buf, 0, end)
	return l.give(0, end, spaces+behind.countSpaces(), kept)
}

// skipLine drops what remains of a line that is too long.
func (l *lineReader) skipLine(ctx context.Context) error {
	l.spaces, l.isFirst = 0, false
	for {
		l.start, l.search, l.end = 0, 0, 0
		err := l.read(ctx)
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

func (l *lineReader) moveToFront() {
	if l.start > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.search -= l.start
		l.end -= l.start
		l.start = 0
	}
}

func (l *lineReader) isFull() bool { return l.end == len(l.buf)-padding }

func (l *lineReader) grow() {
	larger := make([]byte, min(2*len(l.buf), maxBuffer))
	copy(larger, l.buf[:l.end])
	l.buf = larger
}

// read reads more behind buf[:end], where there is room, or gives the error that r ended with. It asks the context as
// the source does: a few bytes of an object can decompress to very many.
func (l *lineReader) read(ctx context.Context) error {
	if l.err != nil {
		return l.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := l.r.Read(l.buf[l.end : len(l.buf)-padding])
	l.end += n
	l.err = err
	if n > 0 {
		return nil
	}
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
	l.buf[l.last.feed] = l.last.replaced
	line := l.buf[l.last.start:l.last.end]
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
