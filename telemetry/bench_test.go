package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	stdgzip "compress/gzip"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tidwall/gjson"

	"data-exhaust/telemetry/gunzip"
)

const benchmarkBytes = 32 << 20

// BenchmarkScan finds a conversation's answers in objects as they lie in a store; MB/s are of raw telemetry.
func BenchmarkScan(b *testing.B) {
	for _, matching := range []int{1, 100} {
		raw := sampleTelemetry(benchmarkBytes, matching)
		objects := []struct {
			name string
			data []byte
		}{{"plain", raw}, {"gzip", compressGzip(raw)}, {"zstd", compressZstd(raw)}}
		for _, object := range objects {
			b.Run(fmt.Sprintf("%s/matching=%d%%", object.name, matching), func(b *testing.B) {
				s := NewScanner(sampleFilter)
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					_, err := s.Scan(context.Background(), "2022-03-01.json", bytes.NewReader(object.data), func(*Event) error { return nil })
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkConversations finds the answers of one conversation, and of one of many, in one pass over gzip.
func BenchmarkConversations(b *testing.B) {
	raw := sampleTelemetry(benchmarkBytes, 1)
	object := compressGzip(raw)
	for _, count := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			f := sampleFilter
			for i := range count - 1 {
				f.ConversationIDs = append(f.ConversationIDs, fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i))
			}
			s := NewScanner(f)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Scan(context.Background(), "2022-03-01.json", bytes.NewReader(object), func(*Event) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGigabyte scans 1 GiB of raw telemetry in one object and reports the heap at its peak, garbage included.
func BenchmarkGigabyte(b *testing.B) {
	raw := sampleTelemetry(8<<20, 1)
	for name, part := range map[string][]byte{"gzip": compressGzip(raw), "zstd": compressZstdWithWindow(raw)} {
		b.Run(name, func(b *testing.B) {
			var peak uint64
			for b.Loop() {
				_, heap := scanRepeatedly(b, part, 128)
				b.SetBytes(128 * int64(len(raw)))
				peak = max(peak, heap)
			}
			b.ReportMetric(float64(peak)/(1<<20), "MiB-peak-heap")
		})
	}
}

// BenchmarkDecompress is what of BenchmarkScan is decompression alone, next to the peers that could do it.
func BenchmarkDecompress(b *testing.B) {
	raw := sampleTelemetry(benchmarkBytes, 1)
	zipped, packed := compressGzip(raw), compressZstd(raw)
	buffer := make([]byte, chunkSize)
	drain := func(b *testing.B, open func() (io.Reader, error)) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			r, err := open()
			if err != nil {
				b.Fatal(err)
			}
			if n, err := io.CopyBuffer(writerOnly{io.Discard}, readerOnly{r}, buffer); err != nil || n != int64(len(raw)) {
				b.Fatal(n, err)
			}
		}
	}
	b.Run("gunzip", func(b *testing.B) {
		var r gunzip.Reader
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			r.Reset(bytes.NewReader(zipped))
			n := 0
			chunk, err := r.Next(0)
			for ; err == nil; chunk, err = r.Next(0) {
				n += len(chunk)
			}
			if err != io.EOF || n != len(raw) {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("klauspost gzip", func(b *testing.B) {
		var r gzip.Reader
		drain(b, func() (io.Reader, error) { return &r, r.Reset(bytes.NewReader(zipped)) })
	})
	b.Run("standard gzip", func(b *testing.B) {
		var r stdgzip.Reader
		drain(b, func() (io.Reader, error) { return &r, r.Reset(bytes.NewReader(zipped)) })
	})
	b.Run("zstd", func(b *testing.B) {
		drain(b, func() (io.Reader, error) {
			return zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
		})
	})
}

type writerOnly struct{ io.Writer }
type readerOnly struct{ io.Reader }

// BenchmarkLine does what is done with every line of telemetry, next to the peers that could do it.
func BenchmarkLine(b *testing.B) {
	raw := sampleTelemetry(4<<20, 1)
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	buffer := append(bytes.Clone(raw), make([]byte, padding)...)
	each := func(name string, do func(line []byte) bool) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				for _, line := range lines {
					if !do(line) {
						b.Fatal("a valid line was refused")
					}
				}
			}
		})
	}
	ids := newConversations(sampleFilter.ConversationIDs)
	var v validator
	eachPadded := func(name string, check func(paddedLine, *conversations) (isValid, mayHoldID bool)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				at := 0
				for _, line := range lines {
					if isValid, _ := check(newPaddedLine(buffer, at, at+len(line)), ids); !isValid {
						b.Fatal("a valid line was refused")
					}
					at += len(line) + 1
				}
			}
		})
	}
	eachPadded("validate and test for the id", v.check)
	eachPadded("the same, of an unknown shape", v.parse)
	eachPadded("tokenize", func(line paddedLine, _ *conversations) (isValid, mayHoldID bool) {
		return v.shapes.tokens.read(line.bytes, line.size) || !hasAVX512, false
	})
	each("gjson.ValidBytes", gjson.ValidBytes)
	each("json.Valid", json.Valid)
	each("json.Unmarshal into a struct", func(line []byte) bool {
		var event peerEvent
		return json.Unmarshal(line, &event) == nil
	})
	each("json.Unmarshal into a map", func(line []byte) bool {
		var event map[string]any
		return json.Unmarshal(line, &event) == nil
	})
}

// peerEvent is what a plain program would decode each line into.
type peerEvent struct {
	Eid       string
	Ets       float64
	Mid       string
	Timestamp string `json:"@timestamp"`
	Context   struct {
		Channel, Did, Sid string
		Pdata             struct{ ID string }
		Cdata             []struct{ ID, Type string }
		Rollup            struct{ L3, L4 string }
	}
	Edata struct {
		Duration, Score float64
		Resvalues       json.RawMessage
		Item            struct {
			ID, Type, Title, Desc string
			Maxscore              float64
			Params                json.RawMessage
		}
	}
}
