//go:build unix

package activities

import (
	"bytes"
	"context"
	"io"
	"testing"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/internal/cputest"
	"data-exhaust/internal/sample"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// BenchmarkMerge goes through the staged events of a response exhaust, and does more of what building does each time.
// MB/s are of the CSV that building writes of them.
func BenchmarkMerge(b *testing.B) {
	var (
		ctx    = context.Background()
		store  = newFolder(b)
		staged = stageSample(b, store)
	)
	joined, err := findRepeats(ctx, store, "", "bench", staged, func([]byte) {})
	if err != nil {
		b.Fatal(err)
	}
	names := segmentNames("", staged, eventsKind)
	merge := func(each func(line []byte) error) {
		_, err := mergeEvents(ctx, store, "", staged, &Joined{Attempt: "bench", RepeatSegments: joined.repeatSegments}, each)
		if err != nil {
			b.Fatal(err)
		}
	}
	var (
		reader telemetry.RowReader
		row    exhaust.ResponseRow
	)
	row.Cells[exhaust.ConversationIDColumn] = []byte(sampleConversation.ID)
	row.Cells[exhaust.ConversationNameColumn] = []byte(sampleConversation.Name)
	writeCSV := func(w io.Writer) {
		csv := report.NewCSVWriter(w, report.Options{Dialect: report.RFC4180, FormulaGuard: true})
		merge(func(line []byte) error {
			reader.Read(line, &row)
			return csv.Write(row.Cells[:], row.Texts)
		})
		if err := csv.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	var size counter
	writeCSV(&size)
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"index and find repeats", func() {
			if _, err := findRepeats(ctx, store, "", "bench", staged, func([]byte) {}); err != nil {
				b.Fatal(err)
			}
		}},
		{"merge", func() {
			if err := segments.Merge(ctx, store, names, "scratch-", func([]byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}},
		{"and drop repeats", func() { merge(func([]byte) error { return nil }) }},
		{"and read rows", func() { merge(func(line []byte) error { reader.Read(line, &row); return nil }) }},
		{"and write CSV", func() { writeCSV(io.Discard) }},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			stop := cputest.Watch(b)
			for b.Loop() {
				step.do()
			}
			stop(int64(size))
		})
	}
}

var sampleConversation exhaust.Conversation

// stageSample stages the answers of a made-up day as FetchTelemetry does.
func stageSample(b *testing.B, store segments.Store) []SegmentRange {
	b.Helper()
	set := sample.New(sample.Options{Until: "2022-03-04", EventsPerDay: 150_000, ObjectsPerDay: 4, Conversations: 1, Devices: 20_000})
	sampleConversation = set.Conversations()[0]
	scanner := telemetry.NewScanner(telemetry.Filter{Channel: set.Channel, ConversationIDs: []string{sampleConversation.ID}})
	segment := SegmentRange{Attempt: "bench"}
	var (
		events, index segments.Buffer
		record        []byte
	)
	stage := func() {
		for kind, buffer := range map[string]*segments.Buffer{eventsKind: &events, indexKind: &index} {
			if err := buffer.Store(context.Background(), store, segment.name("", segment.Count, kind)); err != nil {
				b.Fatal(err)
			}
			buffer.Reset()
		}
		segment.Count++
	}
	for object := range set.ObjectsPerDay {
		var day bytes.Buffer
		if err := set.WriteDay(set.Until, object, &day); err != nil {
			b.Fatal(err)
		}
		_, err := scanner.Scan(context.Background(), "object", &day, func(event *telemetry.Event) error {
			record = appendIndex(record[:0], event)
			index.Add(record)
			record = addEvent(&events, record, event)
			if events.Size()+index.Size() >= bufferBytes {
				stage()
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	stage()
	return []SegmentRange{segment}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func newFolder(b *testing.B) *blob.Local {
	b.Helper()
	store, err := blob.NewLocal(b.TempDir(), blob.LocalOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return store
}
