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

// matchingStore is telemetry without a disk: objects, every line of which matches.
type matchingStore struct {
	blob.Store
	objects int
	events  int // of each object
}

func (s matchingStore) List(_ context.Context, prefix, after string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		for i := range s.objects {
			name := fmt.Sprintf("%s-%04d.jsonl", prefix, i)
			if name > after && !yield(blob.Object{Name: name, Size: int64(s.events) * int64(len(matchingLine))}, nil) {
				return
			}
		}
	}
}

func (s matchingStore) OpenVersion(_ context.Context, object blob.Object) (io.ReadCloser, error) {
	var number int
	if _, err := fmt.Sscanf(object.Name, "2022-03-01-%d.jsonl", &number); err != nil {
		return nil, err
	}
	line := matchingLine
	return &matchingReader{
		n: number * s.events, end: (number + 1) * s.events,
		line: []byte(line), mid: strings.Index(line, "MMMMMMMM"), at: strings.Index(line, "HHH"),
	}, nil
}

var matchingLine = strings.Replace(answer("MMMMMMMM", "2022-03-01T10:00:00.HHHZ", device(1)),
	`"id":"q"`, `"id":"q","title":"`+strings.Repeat("Have you had a fever? ", 25)+`"`, 1) + "\n"

// matchingReader writes the same line again and again, with other ids and times.
type matchingReader struct {
	n, end  int
	line    []byte
	mid, at int
	rest    []byte
}

func (r *matchingReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.n == r.end {
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

// everythingMatches fetches and builds that many bytes of telemetry, of so many objects, on so many cores, in one step or
// two, and tells by how much the heap grew at the most.
func everythingMatches(t testing.TB, megabytes, objects, cores int, isOneStep bool) (peak int64) {
	r := newRig(t)
	r.settings.Cores = cores
	perObject := megabytes * 1_000_000 / len(matchingLine) / objects
	events := perObject * objects
	r.deps.Telemetry = matchingStore{objects: objects, events: perObject}
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
	for name, c := range map[string]struct {
		megabytes, objects, cores int
		isOneStep                 bool
	}{
		"one object":                           {200, 1, 1, false},
		"one object, in one step":              {200, 1, 1, true},
		"many objects on two cores":            {100, 20, 2, false},
		"many objects, two cores, in one step": {60, 20, 2, true},
	} {
		if peak := everythingMatches(t, c.megabytes, c.objects, c.cores, c.isOneStep) >> 20; peak > 64 {
			t.Errorf("%s: the heap grew by %d MiB over %d MB of telemetry, want at most 64", name, peak, c.megabytes)
		}
	}
}

// BenchmarkAGigabyteWhereEverythingMatches reports the peak of the heap, which has to stay far below
// 256 MiB.
func BenchmarkAGigabyteWhereEverythingMatches(b *testing.B) {
	b.SetBytes(1_000_000_000)
	for b.Loop() {
		b.ReportMetric(float64(everythingMatches(b, 1000, 1, 1, false))/(1<<20), "peak-MiB")
	}
}
