package summary_test

import (
	"fmt"
	"strings"
	"testing"

	"data-exhaust/activities/summary"
	"data-exhaust/exhaust"
)

func districts(size int) string {
	var text strings.Builder
	for n := 1; text.Len() < size; n++ {
		fmt.Fprintf(&text, `,{"%d":{"text":"District number %d"}}`, n, n)
	}
	return "[" + text.String()[1:] + "]"
}

// Options are read once, and not for every row, whatever their size, and whatever the title is.
func TestTheOptionsOfAQuestionAreReadOnce(t *testing.T) {
	counter := newCounter(t, 0)
	row := rowOf(map[int]string{
		exhaust.QuestionIDColumn: "q", exhaust.TypeColumn: "mcq",
		exhaust.OptionsColumn: districts(60_000), exhaust.ResponseColumn: `["1"]`,
	})
	n := 0
	allocations := testing.AllocsPerRun(1000, func() {
		set(row, exhaust.TitleColumn, "Namaste %d, where do you live?", n)
		if err := counter.Add(t.Context(), row, summary.Row{}); err != nil {
			t.Fatal(err)
		}
		n++
	})
	if allocations > 10 {
		t.Errorf("a row takes %.0f allocations, want at most 10", allocations)
	}
}

// BenchmarkAdd counts rows of 1,000 devices that answer an mcq, by the size of its item.
func BenchmarkAdd(b *testing.B) {
	const rows = 4000
	for _, c := range []struct {
		name    string
		options string
		title   func(n int) string
	}{
		{"small item", districts(300), func(int) string { return "Where do you live?" }},
		{"item of 6 KB", districts(6000), func(int) string { return "Where do you live?" }},
		{"a title per person", districts(6000), func(n int) string { return fmt.Sprintf("Namaste %d, where do you live?", n%1000) }},
		{"a title per row", districts(300), func(n int) string { return fmt.Sprintf("Namaste %d, where do you live?", n) }},
		{"two titles in turns", districts(300), func(n int) string { return fmt.Sprintf("Where do you live? (%d)", n%2) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			all := make([]*exhaust.ResponseRow, rows)
			for n := range all {
				all[n] = rowOf(map[int]string{
					exhaust.SessionIDColumn: fmt.Sprintf("5e550000-0000-4000-8000-%012d", n%1000), exhaust.QuestionIDColumn: "q",
					exhaust.TypeColumn: "mcq", exhaust.TitleColumn: c.title(n), exhaust.OptionsColumn: c.options,
					exhaust.ResponseColumn: fmt.Sprintf(`[{"text":"%d"}]`, 1+n%5), exhaust.DurationColumn: "12",
				})
			}
			counter := newCounter(b, 0)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := counter.Add(b.Context(), all[n%rows], summary.Row{HasTime: true, Device: n % 1000}); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
