package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// ErrNoRecord says that a file holds what a CSVWriter of the dialect does not write. It holds nothing of the file.
var ErrNoRecord = errors.New("no record of this dialect")

// Cell is a cell as it is shown.
type Cell struct {
	Text string
	// IsCut tells that the file's cell is longer than Text.
	IsCut bool
}

// CSVReader reads the records of a file that a CSVWriter wrote, with a byte order mark or without. It reads ahead no more than
// its buffer, and keeps of a cell no more than is shown.
type CSVReader struct {
	r       *bufio.Reader
	dialect Dialect
	most    int
	isBegun bool
}

// csvReadAhead is how many bytes are read at a time.
const csvReadAhead = 32 << 10

// NewCSVReader reads records from r. Of a cell it gives at most that many characters.
func NewCSVReader(r io.Reader, d Dialect, most int) *CSVReader {
	return &CSVReader{r: bufio.NewReaderSize(r, csvReadAhead), dialect: d, most: most}
}

// Read is the next record, or io.EOF behind the last. A record that breaks off is io.ErrUnexpectedEOF, and what is no record
// ErrNoRecord.
func (c *CSVReader) Read() ([]Cell, error) {
	hasMore, err := c.HasMore()
	if err == nil && !hasMore {
		err = io.EOF
	}
	if err != nil {
		return nil, err
	}
	var cells []Cell
	for {
		cell, end, err := c.cell()
		if err != nil {
			return nil, err
		}
		cells = append(cells, cell)
		if end == '\n' {
			return cells, nil
		}
	}
}

// HasMore tells whether there is another record.
func (c *CSVReader) HasMore() (bool, error) {
	if !c.isBegun {
		c.isBegun = true
		if mark, _ := c.r.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
			_, _ = c.r.Discard(len(byteOrderMark)) // which were peeked
		}
	}
	_, err := c.r.Peek(1)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

// byteOrderMark is U+FEFF in UTF-8.
const byteOrderMark = "\ufeff"

// cell reads a cell, and what ends it: a comma or a line feed.
func (c *CSVReader) cell() (cell Cell, end byte, err error) {
	shown := shownText{most: c.most}
	end, err = c.next()
	if err == nil && end == '"' {
		end, err = c.quoted(&shown)
	} else if err == nil {
		end, err = c.plain(end, &shown)
	}
	return Cell{string(shown.text), shown.isCut}, end, err
}

// plain reads a cell without quotes around it from its first byte on.
func (c *CSVReader) plain(b byte, shown *shownText) (end byte, err error) {
	for ; ; b, err = c.next() {
		switch {
		case err != nil:
			return 0, err
		case b == ',' || b == '\n':
			return b, nil
		case b == '"' || b == '\r':
			return 0, fmt.Errorf("%w: a quote or CR in a cell without quotes", ErrNoRecord)
		}
		shown.add(b)
	}
}

// quoted reads a cell from behind its first quote on.
func (c *CSVReader) quoted(shown *shownText) (end byte, err error) {
	for {
		b, err := c.next()
		switch {
		case err != nil:
			return 0, err
		case b == '"':
			if end, err = c.next(); err != nil || end == ',' || end == '\n' {
				return end, err
			}
			if c.dialect == Spark || end != '"' {
				return 0, fmt.Errorf("%w: a cell goes on behind its last quote", ErrNoRecord)
			}
		case b == '\\' && c.dialect == Spark:
			if b, err = c.next(); err != nil {
				return 0, err
			}
			if b != '"' && b != '\\' {
				return 0, fmt.Errorf("%w: a backslash before what needs none", ErrNoRecord)
			}
		}
		shown.add(b)
	}
}

// next is the next byte of a record that has not ended.
func (c *CSVReader) next() (byte, error) {
	b, err := c.r.ReadByte()
	if errors.Is(err, io.EOF) {
		return 0, io.ErrUnexpectedEOF
	}
	return b, err
}

// shownText is a text up to a number of characters.
type shownText struct {
	text        []byte
	most, count int
	isCut       bool
}

func (s *shownText) add(b byte) {
	if utf8.RuneStart(b) {
		s.count++
	}
	if s.isCut = s.isCut || s.count > s.most; !s.isCut {
		s.text = append(s.text, b)
	}
}
