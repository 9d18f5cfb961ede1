//go:build unix

package telemetry

import (
	"bytes"
	"context"
	"testing"

	"data-exhaust/exhaust"
	"data-exhaust/internal/cputest"
	"data-exhaust/internal/sample"
)

// BenchmarkRow reads the rows of answers as UCI writes them; MB/s are of the rows' cells.
func BenchmarkRow(b *testing.B) {
	set := sample.New(sample.Options{Until: "2022-03-01", EventsPerDay: 20_000, ObjectsPerDay: 1, Conversations: 1, Devices: 2000})
	var day bytes.Buffer
	if err := set.WriteDay(set.Until, 0, &day); err != nil {
		b.Fatal(err)
	}
	var lines [][]byte
	s := NewScanner(Filter{Channel: set.Channel, ConversationIDs: []string{set.Conversations()[0].ID}})
	_, err := s.Scan(context.Background(), "2022-03-01.json", &day, func(e *Event) error {
		lines = append(lines, bytes.Clone(e.Line))
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var (
		rows RowReader
		row  exhaust.ResponseRow
		size int64
	)
	for _, line := range lines {
		rows.Read(line, &row)
		for _, cell := range row.Cells {
			size += int64(len(cell))
		}
	}
	b.SetBytes(size / int64(len(lines)))
	b.ReportAllocs()
	stop := cputest.Watch(b)
	for i := 0; b.Loop(); i++ {
		rows.Read(lines[i%len(lines)], &row)
	}
	stop(size / int64(len(lines)))
}
