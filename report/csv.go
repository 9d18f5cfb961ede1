// Package report writes what an exhaust is handed over as, CSV files so far, to an io.Writer, and reads it again: it knows no
// store, and decides nothing about a row.
package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"data-exhaust/exhaust"
)

// Dialect is how a CSV file writes what needs quoting (contract section 6).
type Dialect string

const (
	// RFC4180 doubles a quote inside a quoted cell.
	RFC4180 Dialect = "rfc4180"
	// Spark puts a backslash before a quote and before a backslash inside a quoted cell, as the
	// files of Sunbird's Spark jobs did. A cell without quotes around it keeps its backslashes.
	Spark Dialect = "spark"
)

// ParseDialect reads a dialect's name.
func ParseDialect(s string) (Dialect, error) {
	switch d := Dialect(s); d {
	case RFC4180, Spark:
		return d, nil
	}
	return "", fmt.Errorf("%q is no CSV dialect: rfc4180 and spark are", s)
}

// Options say how a CSV file is written.
type Options struct {
	Dialect Dialect
	// ByteOrderMark begins the file with one, by which Excel knows UTF-8.
	ByteOrderMark bool
	// FormulaGuard puts a ' before a cell of text that a spreadsheet would run.
	FormulaGuard bool
}

// CSVWriter writes records in UTF-8 that end in LF. Only cells that need it are quoted: those with a comma, a quote, CR or
// LF, and the empty cell of a record that has no other (it would be an empty line, which is no record). It buffers: Flush
// it in the end.
type CSVWriter struct {
	w       io.Writer
	options Options
	buf     []byte
	records int64
	err     error
}

const (
	// csvBuffer is how many bytes gather before they are written out.
	csvBuffer = 64 << 10
	// maxBuffer is the memory that is kept after a record that took more.
	maxBuffer = 1 << 20
)

// NewCSVWriter writes records to w.
func NewCSVWriter(w io.Writer, o Options) *CSVWriter {
	c := &CSVWriter{w: w, options: o, buf: make([]byte, 0, csvBuffer)}
	if o.ByteOrderMark {
		c.buf = append(c.buf, byteOrderMark...)
	}
	return c
}

// Records counts the records that were written, a header among them.
func (w *CSVWriter) Records() int64 { return w.records }

// WriteHeader adds the record of the columns' names.
func (w *CSVWriter) WriteHeader(columns []string) error {
	cells := make([][]byte, len(columns))
	for i, column := range columns {
		cells[i] = []byte(column)
	}
	return w.Write(cells, 0)
}

// Write adds a record; texts are the columns that hold text, rather than numbers or JSON. The first error of the
// underlying writer is returned by this and by every later call.
func (w *CSVWriter) Write(cells [][]byte, texts exhaust.ColumnSet) error {
	if w.err != nil {
		return w.err
	}
	w.records++
	if !w.options.FormulaGuard {
		texts = 0
	}
	buf := w.buf
	for i, cell := range cells {
		if i > 0 {
			buf = append(buf, ',')
		}
		isGuarded := texts.Has(i) && isFormula(cell)
		if needsQuotes(cell) {
			buf = w.appendQuoted(buf, cell, isGuarded)
			continue
		}
		if isGuarded {
			buf = append(buf, guard)
		}
		buf = append(buf, cell...)
	}
	if len(cells) == 1 && len(cells[0]) == 0 {
		buf = append(buf, '"', '"')
	}
	w.buf = append(buf, '\n')
	if len(w.buf) >= csvBuffer {
		return w.Flush()
	}
	return nil
}

// guard stands before a cell that a spreadsheet would run otherwise.
const guard = '\''

// Flush writes what is buffered to the underlying writer.
func (w *CSVWriter) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
		w.buf = w.buf[:0]
		if cap(w.buf) > maxBuffer {
			w.buf = make([]byte, 0, csvBuffer)
		}
	}
	return w.err
}

func (w *CSVWriter) appendQuoted(buf, cell []byte, isGuarded bool) []byte {
	buf = append(buf, '"')
	if isGuarded {
		buf = append(buf, guard)
	}
	escape, other := byte('"'), byte('"') // what is escaped, beside a quote
	escapes := bytes.Count(cell, []byte{'"'})
	if w.options.Dialect == Spark {
		escape, other = '\\', '\\'
		escapes += bytes.Count(cell, []byte{other})
	}
	buf = slices.Grow(buf, len(cell)+escapes+8) // a word is written whole before it is known how much of it counts
	at, buf := len(buf), buf[:cap(buf)]
	for len(cell) >= 8 {
		word := binary.LittleEndian.Uint64(cell)
		binary.LittleEndian.PutUint64(buf[at:], word)
		special := markByte(word, '"') | markByte(word, other)
		if special == 0 {
			at, cell = at+8, cell[8:]
			continue
		}
		plain := bits.TrailingZeros64(special) / 8
		buf[at+plain], buf[at+plain+1] = escape, cell[plain]
		at, cell = at+plain+2, cell[plain+1:]
	}
	for _, b := range cell {
		if b == '"' || b == other {
			buf[at] = escape
			at++
		}
		buf[at] = b
		at++
	}
	buf[at] = '"'
	return buf[:at+1]
}

// isFormula tells whether a spreadsheet takes a text for something to run, by its first character.
func isFormula(cell []byte) bool {
	if len(cell) == 0 {
		return false
	}
	switch cell[0] {
	case '=', '+', '-', '@', '\t', '\r':
		return true
	}
	return false
}

// needsQuotes looks at eight bytes at a time, and only at those that hold a byte up to the comma more closely: most hold
// none.
func needsQuotes(cell []byte) bool {
	for len(cell) >= 8 {
		word := binary.LittleEndian.Uint64(cell)
		if (word-(','+1)*ones)&^word&highs != 0 &&
			markByte(word, ',')|markByte(word, '"')|markByte(word, '\n')|markByte(word, '\r') != 0 {
			return true
		}
		cell = cell[8:]
	}
	for _, b := range cell {
		if b <= ',' && (b == ',' || b == '"' || b == '\n' || b == '\r') {
			return true
		}
	}
	return false
}

const ones, highs = 0x0101010101010101, 0x8080808080808080

// markByte marks, by its lowest set bit, the first of the word's bytes that is b: the well-known test for a zero byte, of
// the word's difference from b everywhere. Bytes above the first may be marked wrongly.
func markByte(word uint64, b byte) uint64 {
	word ^= ones * uint64(b)
	return (word - ones) &^ word & highs
}
