package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// table is text in columns that breaks its lines rather than leave something out.
type table struct {
	header []string
	rows   [][]string
}

const columnGap = 2

// write writes the table, at most width columns of a terminal wide, as long as each of its columns has room for a letter.
func (t table) write(out io.Writer, width int) error {
	rows := append([][]string{t.header}, t.rows...)
	widths := t.widths(rows, width)
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("─", width)
	}
	for i, row := range rows {
		if err := writeRow(out, row, widths); err != nil {
			return err
		}
		if i == 0 {
			if err := writeRow(out, rule, widths); err != nil {
				return err
			}
		}
	}
	return nil
}

// widths gives each column what it needs. Where that is too much for all, the widest ones share what the others leave.
func (t table) widths(rows [][]string, width int) []int {
	widths := make([]int, len(t.header))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], uniseg.StringWidth(oneLine(cell)))
		}
	}
	room, most := width-columnGap*(len(widths)-1), 0
	for most < width && sumUpTo(widths, most+1) <= room {
		most++
	}
	for i := range widths {
		widths[i] = min(widths[i], max(most, 1))
	}
	return widths
}

// sumUpTo adds the widths, none of them counting more than most.
func sumUpTo(widths []int, most int) (sum int) {
	for _, width := range widths {
		sum += min(width, most)
	}
	return sum
}

// writeRow writes a row of as many lines as the cell with the most has.
func writeRow(out io.Writer, row []string, widths []int) error {
	cells, height := make([][]string, len(row)), 0
	for i, cell := range row {
		cells[i] = wrap(oneLine(cell), widths[i])
		height = max(height, len(cells[i]))
	}
	for n := range height {
		var line strings.Builder
		for i, cell := range cells {
			text := ""
			if n < len(cell) {
				text = cell[n]
			}
			line.WriteString(text + strings.Repeat(" ", max(0, widths[i]-uniseg.StringWidth(text))+columnGap))
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// wrap breaks a text where Unicode allows it into lines of at most width columns, and a word that is wider wherever it must.
func wrap(text string, width int) (lines []string) {
	line, word, state := "", "", -1
	for text != "" {
		word, text, _, state = uniseg.FirstLineSegmentInString(text, state)
		if line != "" && uniseg.StringWidth(strings.TrimRight(line+word, " ")) > width {
			lines, line = append(lines, strings.TrimRight(line, " ")), ""
		}
		for line += word; uniseg.StringWidth(strings.TrimRight(line, " ")) > width; {
			head := beginning(line, width)
			lines, line = append(lines, head), line[len(head):]
		}
	}
	return append(lines, strings.TrimRight(line, " "))
}

// beginning is as much of a text as width columns hold, at least one character.
func beginning(text string, width int) string {
	end, used, state := 0, 0, -1
	for rest := text; rest != ""; {
		var cluster string
		var needed int
		cluster, rest, needed, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if end > 0 && used+needed > width {
			break
		}
		end, used = end+len(cluster), used+needed
	}
	return text[:end]
}

// defaultWidth is that of a table that is written elsewhere than to a terminal.
const defaultWidth = 100

// widthOf is how many columns there are to write to.
func widthOf(out io.Writer) int {
	if file, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return defaultWidth
}
