// Package report writes what an exhaust is handed over as, CSV files so far, to an io.Writer: it knows no store, and decides
// nothing about a row.
package report

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

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

// csvBuffer is how many bytes gather before they are written out.
const csvBuffer = 64 << 10

// NewCSVWriter writes records to w.
func NewCSVWriter(w io.Writer, o Options) *CSVWriter {
	c := &CSVWriter{w: w, options: o, buf: make([]byte, 0, csvBuffer)}
	if o.ByteOrderMark {
		c.buf = append(c.buf, "\ufeff"...)
	}
	return c
}

// Records counts the records that were written, a header among them.
func (w *CSVWriter) Records() int64 { return w.records }

// Write adds a record; texts are the columns that hold text, rather than numbers or JSON. The first error of the
// underlying writer is returned by this and by every later call.
func (w *CSVWriter) Write(cells []string, texts exhaust.ColumnSet) error {
	if w.err != nil {
		return w.err
	}
	w.records++
	for i, cell := range cells {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		if w.options.FormulaGuard && texts.Has(i) && isFormula(cell) {
			cell = "'" + cell
		}
		w.cell(cell)
	}
	if len(cells) == 1 && cells[0] == "" {
		w.buf = append(w.buf, '"', '"')
	}
	w.buf = append(w.buf, '\n')
	if len(w.buf) >= csvBuffer {
		return w.Flush()
	}
	return nil
}

// Flush writes what is buffered to the underlying writer.
func (w *CSVWriter) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}

// cell copies the cell first and looks at the copy: most need no quotes, and eight bytes at a time
// is how both are fast.
func (w *CSVWriter) cell(cell string) {
	start := len(w.buf)
	w.buf = append(w.buf, cell...)
	if !needsQuotes(w.buf[start:]) {
		return
	}
	w.buf = append(w.buf[:start], '"')
	special, escape := `"`, byte('"')
	if w.options.Dialect == Spark {
		special, escape = `"\`, '\\'
	}
	for {
		i := strings.IndexAny(cell, special)
		if i < 0 {
			break
		}
		w.buf = append(w.buf, cell[:i]...)
		w.buf = append(w.buf, escape, cell[i])
		cell = cell[i+1:]
	}
	w.buf = append(w.buf, cell...)
	w.buf = append(w.buf, '"')
}

// isFormula tells whether a spreadsheet takes a text for something to run, by its first character.
func isFormula(cell string) bool {
	if cell == "" {
		return false
	}
	switch cell[0] {
	case '=', '+', '-', '@', '\t', '\r':
		return true
	}
	return false
}

func needsQuotes(cell []byte) bool {
	for len(cell) >= 8 {
		word := binary.LittleEndian.Uint64(cell)
		if hasByte(word, ',')|hasByte(word, '"')|hasByte(word, '\n')|hasByte(word, '\r') != 0 {
			return true
		}
		cell = cell[8:]
	}
	for _, b := range cell {
		if b == ',' || b == '"' || b == '\n' || b == '\r' {
			return true
		}
	}
	return false
}

// hasByte is not zero where one of the word's bytes is b: the well-known test for a zero byte, of
// the word's difference from b everywhere.
func hasByte(word uint64, b byte) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	word ^= ones * uint64(b)
	return (word - ones) &^ word & highs
}
