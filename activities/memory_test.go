package activities_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/internal/heaptest"
)

// matchingStore is telemetry without a disk: one object, every line of which matches.
type matchingStore struct {
	blob.Store
	events int
}

func (s matchingStore) List(_ context.Context, prefix, after string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		if name := prefix + "-0.jsonl"; name > after {
			yield(blob.Object{Name: name, Size: int64(s.events) * int64(len(matchingLine))}, nil)
		}
	}
}

func (s matchingStore) OpenVersion(context.Context, blob.Object) (io.ReadCloser, error) {
	line := matchingLine
	return &matchingReader{events: s.events, line: []byte(line), mid: strings.Index(line, "MMMMMMMM"), at: strings.Index(line, "HHH")}, nil
}

var matchingLine = strings.Replace(answer("MMMMMMMM", "2022-03-01T10:00:00.HHHZ", device(1)),
	`"id":"q"`, `"id":"q","title":"`+strings.Repeat("Have you had a fever? ", 25)+`"`, 1) + "\n"

// matchingReader writes the same line again and again, with other ids and times.
type matchingReader struct {
	events  int
	line    []byte
	mid, at int
	n       int
	rest    []byte
}

func (r *matchingReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.n == r.events {
			return 0, io.EOF
		}
		mixed := uint32(r.n) * 2654435761 // the ids come in no order
		copy(r.line[r.mid:], fmt.Appendf(nil, "%08x", mixed))
		copy(r.line[r.at:], fmt.Appendf(nil, "%03d", mixed%1000))
		r.rest = r.line
		r.n++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (*matchingReader) Close() error { return nil }

// everythingMatches fetches and builds that many bytes of telemetry, in one step or two, and tells by how much the heap
// grew at the most.
func everythingMatches(t testing.TB, megabytes int, isOneStep bool) (peak int64) {
	r := newRig(t)
	events := megabytes * 1_000_000 / len(matchingLine)
	r.deps.Telemetry = matchingStore{events: events}
	acts := activities.New(r.deps, r.settings)
	stop := heaptest.Watch()
	parts, err := runOf[[]activities.Part](r, acts, r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-01"), staging)
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	in, step := buildInput(exhaust.ResponseExhaust), r.MakeReport
	in.Part = &parts[0]
	if !isOneStep {
		fetched, err := runOf[activities.Fetched](r, acts, r.FetchTelemetry, r.fetchInput(parts[0]))
		if err != nil {
			t.Fatal(err)
		}
		in, step = buildInput(exhaust.ResponseExhaust, fetched), r.BuildReport
	}
	in.Request.StartDate, in.Request.EndDate = "2022-03-01", "2022-03-01"
	built, err := runOf[activities.Built](r, acts, step, in)
	_, peak = stop()
	if err != nil {
		t.Fatal(err)
	}
	if built.RowsWritten != int64(events) {
		t.Errorf("%d rows, want %d", built.RowsWritten, events)
	}
	if lines := bytes.Count([]byte(r.report(built.Report)), []byte("\n")); lines != events+1 {
		t.Errorf("%d lines, want %d", lines, events+1)
	}
	return peak
}

func TestMemoryIsBoundedWhereEverythingMatches(t *testing.T) {
	const megabytes = 200
	for _, isOneStep := range []bool{false, true} {
		if peak := everythingMatches(t, megabytes, isOneStep) >> 20; peak > 64 {
			t.Errorf("the heap grew by %d MiB over %d MB of telemetry, in one step is %v; want at most 64", peak, megabytes, isOneStep)
		}
	}
}

// BenchmarkAGigabyteWhereEverythingMatches reports the peak of the heap, which has to stay far below
// 256 MiB.
func BenchmarkAGigabyteWhereEverythingMatches(b *testing.B) {
	b.SetBytes(1_000_000_000)
	for b.Loop() {
		b.ReportMetric(float64(everythingMatches(b, 1000, false))/(1<<20), "peak-MiB")
	}
}
