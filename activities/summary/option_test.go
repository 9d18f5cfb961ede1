package summary_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"data-exhaust/activities/summary"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// rowOf is a row of the cells, by their columns.
func rowOf(cells map[int]string) *exhaust.ResponseRow {
	var row exhaust.ResponseRow
	for column, text := range cells {
		row.Cells[column] = []byte(text)
	}
	return &row
}

// newCounter makes a counter of rows of up to 5,000 devices that lists what one device answered.
func newCounter(t testing.TB, memory int) *summary.Counter {
	t.Helper()
	store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return summary.New(summary.Settings{
		Timezone: time.UTC, MinDevices: 1, Store: store, Scratch: "scratch/", Memory: memory,
	}, 5000)
}

// questionsOf are the questions of what was counted.
func questionsOf(t testing.TB, counter *summary.Counter) []report.Question {
	t.Helper()
	var text bytes.Buffer
	if _, err := counter.Write(t.Context(), &text, report.SummaryHead{}); err != nil {
		t.Fatal(err)
	}
	var document struct {
		Questions []struct {
			report.Question
			MeanDuration, MeanPosition any // numbers, or null
		}
	}
	if err := json.Unmarshal(text.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	var questions []report.Question
	for _, q := range document.Questions {
		questions = append(questions, q.Question)
	}
	return questions
}

func TestTheOptionOfALabelIsItsLastKeyWhateverWasReadBefore(t *testing.T) {
	for _, memory := range []int{0, 300} {
		counter := newCounter(t, memory)
		for _, key := range []string{"1", "2", "1"} {
			row := rowOf(map[int]string{
				exhaust.QuestionIDColumn: "q", exhaust.TypeColumn: "mcq",
				exhaust.OptionsColumn: `[{"` + key + `":"Yes"}]`, exhaust.ResponseColumn: `["Yes"]`,
			})
			if err := counter.Add(t.Context(), row, summary.Row{}); err != nil {
				t.Fatal(err)
			}
		}
		listed := questionsOf(t, counter)[0].Listed
		if len(listed) != 1 || listed[0] != (report.ListedAnswer{Answer: "Yes", Option: "1", Answers: 3}) {
			t.Errorf("with %d bytes of memory: %+v", memory, listed)
		}
	}
}
