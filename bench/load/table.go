package main

import (
	"cmp"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is plain text with a row a figure, to be pasted into a note.
type table struct{ *tabwriter.Writer }

// newTable begins a table with a line about what was measured, on what.
func newTable(out io.Writer, title string, values ...any) table {
	fmt.Fprintf(out, "\n"+title+"\n", values...)
	fmt.Fprintf(out, "commit %s, %d cores, %s\n\n", commit(), runtime.NumCPU(), time.Now().Format(time.DateTime))
	return table{tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)}
}

// commit is what the api and the worker were built from.
func commit() string {
	output, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(output))
}

// row adds values, each in the same format.
func (t table) row(name, format string, values ...any) {
	cells := []string{"  " + name}
	for _, value := range values {
		cells = append(cells, fmt.Sprintf(format, value))
	}
	fmt.Fprintln(t, strings.Join(cells, "\t"))
}

func (t table) end() error { return t.Flush() }

// percentile is the value that p of a hundred values do not exceed, by the nearest rank.
func percentile[T cmp.Ordered](values []T, p int) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func millis(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }
