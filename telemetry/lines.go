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

func (l paddedLine) text() []byte { return l.bytes[:l.size] }

const (
	lineBuffer = 256 << 10
	// maxBuffer holds the longest line with its CRLF.
	maxBuffer = MaxLine + 2 + padding
)

// errLineTooLong stands for one line that is longer than MaxLine. Reading goes on behind it.
var errLineTooLong = errors.New("the line is longer than 16 MiB")

// lineReader cuts an object into lines within one buffer, which it enlarges up to maxBuffer where a line needs that.
type lineReader struct {
	r      io.Reader
	buf    []byte
	start  int   // buf[start:end] is what next has yet to give out
	search int   // buf[start:search] holds no line feed
	end    int   // end <= len(buf)-padding
	err    error // what r ended with
}

// reset makes r the object to cut, and reads its beginning.
func (l *lineReader) reset(ctx context.Context, r io.Reader) error {
	if l.buf == nil {
		l.buf = make([]byte, lineBuffer)
	}
	*l = lineReader{r: r, buf: l.buf}
	return l.skipByteOrderMark(ctx)
}

// release drops the object, and the buffer if a long line made it larger.
func (l *lineReader) release() {
	l.r = nil
	if len(l.buf) > lineBuffer {
		l.buf = nil
	}
}

// next gives the next line, valid until the next call; errLineTooLong in place of a line that is too long; the object's
// error, which is io.EOF behind the last line.
func (l *lineReader) next(ctx context.Context) (paddedLine, error) {
	for {
		if i := bytes.IndexByte(l.buf[l.search:l.end], '\n'); i >= 0 {
			return l.cut(l.search+i, l.search+i+1)
		}
		l.search = l.end
		if l.end-l.start > MaxLine+1 {
			return paddedLine{}, l.skipLine(ctx)
		}
		err := l.fill(ctx)
		if err == io.EOF && l.start < l.end {
			return l.cut(l.end, l.end)
		}
		if err != nil {
			return paddedLine{}, err
		}
	}
}

// cut gives out buf[start:end] as a line, without the CR that may end it, and goes on at next.
func (l *lineReader) cut(end, next int) (paddedLine, error) {
	start := l.start
	l.start, l.search = next, next
	if end > start && l.buf[end-1] == '\r' {
		end--
	}
	if end-start > MaxLine {
		return paddedLine{}, errLineTooLong
	}
	return newPaddedLine(l.buf, start, end), nil
}

// skipLine drops what remains of a line that is too long.
func (l *lineReader) skipLine(ctx context.Context) error {
	for {
		l.start, l.search = l.end, l.end
		err := l.fill(ctx)
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

// skipByteOrderMark drops the UTF-8 byte order mark that some editors put before the first line.
func (l *lineReader) skipByteOrderMark(ctx context.Context) error {
	const mark = "\xef\xbb\xbf"
	for l.end < len(mark) {
		if err := l.fill(ctx); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if bytes.HasPrefix(l.buf[:l.end], []byte(mark)) {
		l.start, l.search = len(mark), len(mark)
	}
	return nil
}

// fill reads more behind buf[:end], or gives the error that r ended with. It asks the context as the source does: a
// few bytes of an object can decompress to very many.
func (l *lineReader) fill(ctx context.Context) error {
	if l.err != nil {
		return l.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.start > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.search -= l.start
		l.end -= l.start
		l.start = 0
	}
	if l.end == len(l.buf)-padding {
		larger := make([]byte, min(2*len(l.buf), maxBuffer))
		copy(larger, l.buf[:l.end])
		l.buf = larger
	}
	n, err := l.r.Read(l.buf[l.end : len(l.buf)-padding])
	l.end += n
	l.err = err
	if n > 0 {
		return nil
	}
	return err
}
