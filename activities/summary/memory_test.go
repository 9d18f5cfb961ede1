package summary_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"data-exhaust/activities/summary"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/internal/heaptest"
	"data-exhaust/report"
)

// Nothing that rows say is held in memory for each of them: neither questions nor their titles, answers, devices, sessions or
// days.
func TestMemoryIsBoundedWhateverRowsSay(t *testing.T) {
	const rows = 150_000
	for name, vary := range map[string]func(row *exhaust.ResponseRow, n int){
		"sessions":  func(row *exhaust.ResponseRow, n int) { set(row, exhaust.SessionIDColumn, "session %d", n) },
		"answers":   func(row *exhaust.ResponseRow, n int) { set(row, exhaust.ResponseColumn, `[{"text":"answer %d"}]`, n) },
		"questions": func(row *exhaust.ResponseRow, n int) { set(row, exhaust.QuestionIDColumn, "question %d", n) },
		"titles": func(row *exhaust.ResponseRow, n int) {
			set(row, exhaust.TitleColumn, "title %d "+strings.Repeat("long ", 500), n)
		},
		"options": func(row *exhaust.ResponseRow, n int) {
			set(row, exhaust.OptionsColumn, `[{"1":"label %d"},{"2":"`+strings.Repeat("long ", 300)+`"}]`, n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			stop := heaptest.Watch()
			counter := summary.New(summary.Settings{Timezone: time.UTC, MinDevices: 1000, Store: store, Scratch: "scratch/"}, 5000)
			var row exhaust.ResponseRow
			for column, text := range map[int]string{
				exhaust.SessionIDColumn: "s", exhaust.QuestionIDColumn: "q", exhaust.TypeColumn: "mcq", exhaust.TitleColumn: "t",
				exhaust.OptionsColumn: `[{"1":"Yes"}]`, exhaust.ResponseColumn: `[{"1":"x"}]`, exhaust.DurationColumn: "123456789012345678",
			} {
				row.Cells[column] = []byte(text)
			}
			for n := range rows {
				vary(&row, n)
				counted := summary.Row{Milliseconds: int64(n) * 86_400_000, HasTime: true, Device: n % 5000}
				if err := counter.Add(t.Context(), &row, counted); err != nil {
					t.Fatal(err)
				}
			}
			written, err := counter.Write(t.Context(), io.Discard, report.SummaryHead{})
			_, peak := stop()
			if err != nil || written != rows {
				t.Fatalf("%d rows of %d, %v", written, rows, err)
			}
			t.Logf("the heap grew by %d MiB", peak>>20)
			if peak>>20 > 48 {
				t.Errorf("the heap grew by %d MiB over %d rows, want at most 48", peak>>20, rows)
			}
		})
	}
}

func set(row *exhaust.ResponseRow, column int, format string, n int) {
	row.Cells[column] = fmt.Appendf(row.Cells[column][:0], format, n)
}

// One row is a line of telemetry, of up to 16 MiB. What it takes in memory does not grow with what is in it, but for a few
// copies of one entry.
func TestMemoryIsBoundedWhateverOneRowSays(t *testing.T) {
	const size = 15 << 20
	list := func(format string) string {
		text := []byte("[")
		for n := 0; len(text) < size; n++ {
			text = fmt.Appendf(append(text, ','), format, n)
		}
		return "[" + string(text[2:]) + "]"
	}
	long := func() string { return strings.Repeat("long ", size/5) }
	for name, c := range map[string]struct {
		column int
		cell   func() string
	}{
		"answers":                   {exhaust.ResponseColumn, func() string { return list("%d") }},
		"answers of long texts":     {exhaust.ResponseColumn, func() string { return list(`"%d` + strings.Repeat("x", 5000) + `"`) }},
		"one long answer":           {exhaust.ResponseColumn, func() string { return `["` + long() + `"]` }},
		"one answer of many parts":  {exhaust.ResponseColumn, func() string { return `[{"a":` + list(`{"a":%d,"b":1}`) + `}]` }},
		"a long key":                {exhaust.ResponseColumn, func() string { return `[{"` + long() + `":"x"}]` }},
		"a long text within a text": {exhaust.ResponseColumn, func() string { return `[{"1":"{\"text\":\"` + long() + `\"}"}]` }},
		"options":                   {exhaust.OptionsColumn, func() string { return list(`{"%d":"x"}`) }},
		"one long option":           {exhaust.OptionsColumn, func() string { return `[{"1":"` + long() + `"}]` }},
		"a long title":              {exhaust.TitleColumn, long},
		"a long id":                 {exhaust.QuestionIDColumn, long},
	} {
		t.Run(name, func(t *testing.T) {
			row := rowOf(map[int]string{
				exhaust.TypeColumn: "mcq", exhaust.OptionsColumn: `[{"1":"Yes"}]`, exhaust.ResponseColumn: `["1"]`,
			})
			row.Cells[c.column] = []byte(c.cell())
			stop := heaptest.Watch()
			counter := newCounter(t, 0)
			if err := counter.Add(t.Context(), row, summary.Row{}); err != nil {
				t.Fatal(err)
			}
			counted, err := counter.Write(t.Context(), io.Discard, report.SummaryHead{})
			_, peak := stop()
			if err != nil || counted != 1 {
				t.Fatalf("%d rows of 1, %v", counted, err)
			}
			t.Logf("the heap grew by %d MiB", peak>>20)
			if peak>>20 > 48 {
				t.Errorf("the heap grew by %d MiB over one row, want at most 48", peak>>20)
			}
		})
	}
}

// Beyond bounds a question has no options: what is answered to it counts by its text.
func TestAQuestionOfTooManyOptionsCountsByText(t *testing.T) {
	options := func(count, size int) string {
		var text strings.Builder
		for n := range count {
			fmt.Fprintf(&text, `,{"%d":"label %d"}`, n+1, n+1)
		}
		list := "[" + text.String()[1:] + "]"
		return "[" + strings.Repeat(" ", max(0, size-len(list))) + list[1:]
	}
	for name, c := range map[string]struct {
		options string
		want    report.ListedAnswer
	}{
		"1,000 options":                  {options(1000, 0), report.ListedAnswer{Answer: "label 7", Option: "7", Answers: 1}},
		"1,001 options":                  {options(1001, 0), report.ListedAnswer{Answer: "7", Answers: 1}},
		"64 KiB of options":              {options(900, 64<<10), report.ListedAnswer{Answer: "label 7", Option: "7", Answers: 1}},
		"64 KiB of options and one byte": {options(900, 64<<10+1), report.ListedAnswer{Answer: "7", Answers: 1}},
		"1,000 options and other entries": {
			strings.Replace(options(1000, 0), "[", `[{"answer":"1"},{"eval":"x"},`, 1),
			report.ListedAnswer{Answer: "label 7", Option: "7", Answers: 1},
		},
	} {
		counter := newCounter(t, 0)
		row := rowOf(map[int]string{exhaust.TypeColumn: "mcq", exhaust.OptionsColumn: c.options, exhaust.ResponseColumn: `["7"]`})
		if err := counter.Add(t.Context(), row, summary.Row{}); err != nil {
			t.Fatal(err)
		}
		if listed := questionsOf(t, counter)[0].Listed; len(listed) != 1 || listed[0] != c.want {
			t.Errorf("%s: %+v, want %+v", name, listed, c.want)
		}
	}
}
