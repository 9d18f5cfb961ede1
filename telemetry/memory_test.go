package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"data-exhaust/exhaust"
)

// repeater gives the same member or frame many times over, and samples the heap as it is read.
type repeater struct {
	part  []byte
	times int
	at    int
	base  uint64
	peak  uint64
}

func (r *repeater) Read(p []byte) (int, error) {
	if r.at == len(r.part) {
		r.at = 0
		r.times--
		r.peak = max(r.peak, heapInUse())
	}
	if r.times == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.part[r.at:])
	r.at += n
	return n, nil
}

// heapInUse counts garbage that is yet to be collected as well.
func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	return heapInUse()
}

// scanRepeatedly scans times copies of one object and gives the heap that this took at its peak, in bytes.
func scanRepeatedly(tb testing.TB, part []byte, times int) (Counts, uint64) {
	r := &repeater{part: part, times: times}
	r.base = liveHeap()
	counts, err := NewScanner(sampleFilter).Scan(context.Background(), "2022-03-01.json", r, func(*Event) error { return nil })
	if err != nil || r.times != 0 {
		tb.Fatalf("%d copies were not read, %v", r.times, err)
	}
	return counts, r.peak - min(r.base, r.peak)
}

func TestALargeObjectTakesNoMoreMemoryThanASmallOne(t *testing.T) {
	const times = 40
	// The last line of each copy is counted, so the counts prove that every copy was read to its end.
	raw := append(sampleTelemetry(4<<20, 1), "no JSON\n"...)
	_, once, err := scan(sampleFilter, bytes.NewReader(raw))
	if err != nil || once.Matched == 0 || once.Skipped != 1 {
		t.Fatal(once, err)
	}
	want := Counts{Lines: times * once.Lines, Skipped: times * once.Skipped, Matched: times * once.Matched}
	for name, part := range map[string][]byte{
		"plain": raw, "gzip": compressGzip(raw), "zstd": compressZstdWithWindow(raw),
		"gzip in gzip": compressGzip(compressGzip(raw)), "zstd in zstd": compressZstdWithWindow(compressZstdWithWindow(raw)),
	} {
		counts, peak := scanRepeatedly(t, part, times)
		if counts != want {
			t.Errorf("%s: %+v, want %+v", name, counts, want)
		}
		if peak > 32<<20 {
			t.Errorf("%s: 160 MiB of telemetry took %d MiB of heap", name, peak>>20)
		}
	}
}

func (s *Scanner) setFilter(f Filter) {
	s.conversations = newConversations(f.ConversationIDs)
	s.extractor.filter, s.extractor.conversations = f, s.conversations
}

func TestAScannerKeepsLittleMemory(t *testing.T) {
	raw := sampleTelemetry(4<<20, 1)
	// The largest events make the buffers larger, but not for good.
	large := strings.Replace(belonging, `"mid":"m"`, `"mid":"`+strings.Repeat("m", 4<<20)+`","edata":{"a":[`+strings.Repeat(`{"":0},`, 1<<20)+`1]}`, 1)
	objects := [][]byte{compressGzip(raw), compressZstdWithWindow(raw), compressGzip(compressGzip(raw)), compressZstdWithWindow(compressZstdWithWindow(raw)), []byte(large), raw}
	before := liveHeap()
	s := NewScanner(sampleFilter)
	for _, object := range objects {
		s.setFilter(sampleFilter)
		if bytes.HasPrefix(object, []byte(large[:20])) {
			s.setFilter(filter)
		}
		if _, _, err := scanWith(s, bytes.NewReader(object)); err != nil {
			t.Fatal(err)
		}
	}
	if growth := int64(liveHeap()) - int64(before); growth > 4<<20 {
		t.Errorf("a scanner keeps %d KiB from object to object, want less than 4 MiB", growth>>10)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(objects)
}

// Lines of more shapes than are kept, with as many tokens and keys as a shape can have, and a row of the longest line.
func TestShapesKeepLittleMemory(t *testing.T) {
	keys := []string{strings.Repeat(`,"a":1`, 100), `,"` + strings.Repeat("k", 8000) + `":1`}
	before := liveHeap()
	s := NewScanner(filter)
	var rows RowReader
	count := 0
	emit := func(e *Event) error {
		count++
		var row exhaust.ResponseRow
		rows.Read(e.Line, &row)
		return nil
	}
	for i := range 4 * maxShapes {
		// The list's numbers and objects spell i.
		list := fmt.Sprintf(`[%b]`, i)
		list = strings.NewReplacer("0", "{},", "1", "1,", "]", strings.Repeat(`"",`, 90)+"1]").Replace(list)
		line := strings.Replace(belonging, `"mid":"m"`, `"mid":"m","list":`+list+keys[i%2], 1)
		if _, err := s.Scan(t.Context(), "2022-03-01.json", strings.NewReader(line+"\n"+line), emit); err != nil {
			t.Fatal(err)
		}
	}
	var row exhaust.ResponseRow
	long := withPadding(belonging)
	rows.Read([]byte(long[:len(long)-1]+strings.Repeat(" ", 8<<20)+"}"), &row)
	rows.Read([]byte(belonging), &row)
	if growth := int64(liveHeap()) - int64(before); count != 8*maxShapes || growth > 4<<20 {
		t.Errorf("after %d events %d KiB are kept, want %d and less than 4 MiB", count, growth>>10, 8*maxShapes)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(&rows)
}

func TestTheLargestEventTakesBoundedMemory(t *testing.T) {
	head, tail, _ := strings.Cut(strings.Replace(belonging, `"mid":"m"`, `"mid":"m","edata":|`, 1), "|")
	fill := func(first, part, last string) string {
		return head + first + strings.Repeat(part, (MaxLine-len(head)-len(first)-len(last)-len(tail))/len(part)) + last + tail
	}
	for name, line := range map[string]string{
		"a long text":    fill(`"`, `x`, `"`),
		"escapes":        fill(`"`, `\u0001`, `"`),
		"many objects":   fill(`[`, `{"":0},`, `1]`),
		"many members":   fill(`{`, `"":0,`, `"a":1}`),
		"empty objects":  fill(`[`, `{},`, `1]`),
		"a long number":  fill(``, `1`, ``),
		"a long mid":     fill(`1,"mid":"`, `m`, `"`),
		"a long instant": fill(`1,"ets":"2022-03-01T00:00:00.`, `1`, `"`),
	} {
		before, held := liveHeap(), uint64(0)
		counts, err := NewScanner(filter).Scan(t.Context(), "2022-03-01.json", strings.NewReader(line), func(*Event) error {
			held = liveHeap()
			return nil
		})
		if err != nil || counts != (Counts{Lines: 1, Matched: 1}) {
			t.Fatalf("%s: %+v, %v", name, counts, err)
		}
		if held -= min(before, held); held > 160<<20 {
			t.Errorf("%s: an event of 16 MiB takes %d MiB", name, held>>20)
		}
	}
}

// compressZstdWithWindow compresses as the zstd command does by default, with a window of 2 MiB.
func compressZstdWithWindow(data []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithWindowSize(2<<20))
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(data, nil)
}
