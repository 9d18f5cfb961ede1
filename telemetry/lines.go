package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
)

const (
	lineBuffer = 256 << 10
	// padding lies behind every line so that the validator may load eight bytes at a time, wherever it stands.
	padding = 8
	// maxBuffer holds the longest line with its CRLF.
	maxBuffer = MaxLine + 2 + padding
)

// errLineTooLong stands for one line that is longer than MaxLine. Reading goes on behind it.
var errLineTooLong = errors.New("the line is longer than 16 MiB")

// line is one line without its line end: padded[:size]. padded[size] is the line end itself (or a line feed in its
// place at the end of the object), with at least padding-1 bytes of no meaning behind it.
type line struct {
	padded []byte
	size   int
}

// lineReader cuts an object into lines within one buffer, which grows as lines need it up to maxBuffer.
type lineReader struct {
	r     io.Reader
	buf   []byte
	start int   // buf[start:end] is read and not yet given out
	seen  int   // buf[start:seen] holds no line feed
	end   int   // end <= len(buf)-padding
	err   error // what r ended with
	begun bool
}

func (l *lineReader) reset(r io.Reader) {
	if l.buf == nil {
		l.buf = make([]byte, lineBuffer)
	}
	*l = lineReader{r: r, buf: l.buf}
}

// release forgets the object, and a buffer that a long line has grown.
func (l *lineReader) release() {
	l.r = nil
	if len(l.buf) > lineBuffer {
		l.buf = nil
	}
}

// next is the next line, valid until the next call; errLineTooLong in place of a line; the reader's error, which is
// io.EOF behind the last line.
func (l *lineReader) next(ctx context.Context) (line, error) {
	if !l.begun {
		l.begun = true
		if err := l.skipByteOrderMark(ctx); err != nil {
			return line{}, err
		}
	}
	for {
		if i := bytes.IndexByte(l.buf[l.seen:l.end], '\n'); i >= 0 {
			return l.cut(l.seen+i, l.seen+i+1)
		}
		l.seen = l.end
		if l.end-l.start > MaxLine+1 {
			return line{}, l.skipLine(ctx)
		}
		err := l.fill(ctx)
		if err == io.EOF && l.start < l.end {
			l.buf[l.end] = '\n'
			return l.cut(l.end, l.end)
		}
		if err != nil {
			return line{}, err
		}
	}
}

// cut gives out buf[start:end] as a line and goes on at next.
func (l *lineReader) cut(end, next int) (line, error) {
	start := l.start
	l.start, l.seen = next, next
	if end > start && l.buf[end-1] == '\r' {
		end--
	}
	if end-start > MaxLine {
		return line{}, errLineTooLong
	}
	return line{padded: l.buf[start : end+padding], size: end - start}, nil
}

// skipLine drops what is left of a line that is too long.
func (l *lineReader) skipLine(ctx context.Context) error {
	for {
		l.start, l.seen = l.end, l.end
		err := l.fill(ctx)
		if err == io.EOF {
			return errLineTooLong
		}
		if err != nil {
			return err
		}
		if i := bytes.IndexByte(l.buf[:l.end], '\n'); i >= 0 {
			l.start, l.seen = i+1, i+1
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
		l.start, l.seen = len(mark), len(mark)
	}
	return nil
}

// fill reads more behind buf[:end], or gives the error that r ended with. The context is asked here as well as at
// the source: a few bytes of an object can decompress to very many.
func (l *lineReader) fill(ctx context.Context) error {
	if l.err != nil {
		return l.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.start > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.seen -= l.start
		l.end -= l.start
		l.start = 0
	}
	if l.end == len(l.buf)-padding {
		grown := make([]byte, min(2*len(l.buf), maxBuffer))
		copy(grown, l.buf[:l.end])
		l.buf = grown
	}
	n, err := l.r.Read(l.buf[l.end : len(l.buf)-padding])
	l.end += n
	l.err = err
	if n > 0 {
		return nil
	}
	return err
}
