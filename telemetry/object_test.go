package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// chain is members or frames, one behind the other, and where each ends.
type chain struct {
	data []byte
	ends []int
}

func join(parts ...[]byte) chain {
	var c chain
	for _, part := range parts {
		c.data = append(c.data, part...)
		c.ends = append(c.ends, len(c.data))
	}
	return c
}

// compressGzipWithName has every optional field that a gzip header can have but its checksum.
func compressGzipWithName(data string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name, w.Comment, w.Extra = "2022-03-01.json", "telemetry", []byte("extra")
	io.WriteString(w, data)
	w.Close()
	return b.Bytes()
}

// compressZstdInBlocks is written as a stream is: of unknown size, in several blocks.
func compressZstdInBlocks(data string) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	for _, part := range strings.SplitAfter(data, ",") {
		io.WriteString(w, part)
		w.Flush()
	}
	w.Close()
	return b.Bytes()
}

// decompress gives all that an object holds, as a scan reads it.
func decompress(t *testing.T, object []byte) string {
	t.Helper()
	o := newOpener()
	r, err := o.open(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnObjectCutAnywhereIsCorruptUnlessAMemberEndsThere(t *testing.T) {
	line := belonging + "\n"
	s := NewScanner(filter)
	skippable := []byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}
	for name, object := range map[string]chain{
		"gzip": join(compressGzipWithName(line), compressGzip([]byte(line+line)), compressGzip(nil), compressGzipWithName(line)),
		"zstd": join(compressZstdInBlocks(line), compressZstd([]byte(line+line)), skippable, compressZstdInBlocks(line)),
	} {
		problem := "its " + name + " data ends early"
		for cut := range len(object.data) + 1 {
			for kind, r := range map[string]io.Reader{
				"whole": bytes.NewReader(object.data[:cut]), "byte by byte": oneByteReader{bytes.NewReader(object.data[:cut])},
			} {
				_, _, err := scanWith(s, r)
				if cut == 0 || slices.Contains(object.ends, cut) {
					if err != nil {
						t.Errorf("%s, %s, cut at the end of a part (%d): %v", name, kind, cut, err)
					}
					continue
				}
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.Problem != problem {
					t.Errorf("%s, %s, cut at %d of %d: %v, want it to be corrupt: %s", name, kind, cut, len(object.data), err, problem)
				}
			}
		}
		events, counts, err := scan(filter, bytes.NewReader(object.data))
		if err != nil || len(events) != 4 || counts.Matched != 4 || decompress(t, object.data) != strings.Repeat(line, 4) {
			t.Errorf("%s: %d events, %+v, %v; want the 4 events of all parts", name, len(events), counts, err)
		}
	}
}

func TestNoFlippedBitChangesWhatIsReadWithoutAnError(t *testing.T) {
	line := belonging + "\n"
	s := NewScanner(filter)
	want, _ := scanText(t, filter, line+line)
	for name, c := range map[string]struct {
		object []byte
		from   int // behind the mark: without it an object is taken for plain text
	}{
		"gzip": {slices.Concat(compressGzipWithName(line), compressGzip([]byte(line))), 2},
		"zstd": {slices.Concat(compressZstdInBlocks(line), compressZstd([]byte(line))), 4},
	} {
		refusals := 0
		for i := c.from; i < len(c.object); i++ {
			for bit := range 8 {
				object := slices.Clone(c.object)
				object[i] ^= 1 << bit
				events, counts, err := scanWith(s, bytes.NewReader(object))
				var corrupt *CorruptError
				if errors.As(err, &corrupt) {
					refusals++
					if strings.Contains(corrupt.Problem, "bot-1") || strings.Contains(corrupt.Problem, "tenant") {
						t.Errorf("%s: the error tells of the content: %v", name, err)
					}
				} else if err != nil || !reflect.DeepEqual(events, want) || decompress(t, object) != line+line {
					t.Errorf("%s: bit %d of byte %d flipped: %d events, %+v, %v", name, bit, i, len(events), counts, err)
				}
			}
		}
		if refusals < len(c.object)*4 {
			t.Errorf("%s: only %d of %d flipped bits were noticed", name, refusals, len(c.object)*8)
		}
	}
}

func TestADamagedObjectIsToldByItsProblem(t *testing.T) {
	line := []byte(belonging + "\n")
	flip := func(object []byte, fromEnd int) []byte {
		object = slices.Clone(object)
		object[len(object)-fromEnd] ^= 0x10
		return object
	}
	zipped, packed := compressGzip(line), compressZstd(line)
	wideWindow := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (28 - 10) << 3, 0x01, 0x00, 0x00}
	for _, c := range []struct {
		name    string
		object  []byte
		problem string
	}{
		{"gzip's checksum", flip(zipped, 8), "its gzip data does not match its checksum"},
		{"gzip's checksum, last byte", flip(zipped, 5), "its gzip data does not match its checksum"},
		{"gzip's length", flip(zipped, 4), "its gzip data does not match its checksum"},
		{"gzip's length, last byte", flip(zipped, 1), "its gzip data does not match its checksum"},
		{"gzip's method", slices.Concat([]byte{0x1f, 0x8b, 7}, zipped[3:]), "the header of a gzip member is damaged"},
		{"gzip's method in the second member", slices.Concat(zipped, []byte{0x1f, 0x8b, 7}, zipped[3:]), "the header of a gzip member is damaged"},
		{"gzip's block type", slices.Concat(zipped[:10], []byte{0xff}, zipped[11:]), "its gzip data is damaged"},
		{"text behind gzip", slices.Concat(zipped, line), "bytes that are neither gzip nor zero padding follow its last gzip member"},
		{"zeros and text behind gzip", slices.Concat(zipped, make([]byte, 512), line), "bytes that are neither gzip nor zero padding follow its last gzip member"},
		{"a member behind zeros", slices.Concat(zipped, make([]byte, 512), zipped), "bytes that are neither gzip nor zero padding follow its last gzip member"},
		{"one byte behind gzip", slices.Concat(zipped, []byte{'\n'}), "bytes that are neither gzip nor zero padding follow its last gzip member"},
		{"zstd's checksum", flip(packed, 1), "its zstd data does not match its checksum"},
		{"zstd's checksum, first byte", flip(packed, 4), "its zstd data does not match its checksum"},
		{"text behind zstd", slices.Concat(packed, line), "bytes that are no zstd follow its last zstd frame"},
		{"zeros behind zstd", slices.Concat(packed, make([]byte, 512)), "bytes that are no zstd follow its last zstd frame"},
		{"a window of 256 MiB", wideWindow, "its zstd window is larger than 128 MiB, as zstd --long makes it; compress it with --long=27 or less"},
	} {
		_, _, err := scan(filter, bytes.NewReader(c.object))
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || err.Error() != c.problem {
			t.Errorf("%s: %v, want it to be corrupt: %s", c.name, err, c.problem)
		}
	}
}

func TestZeroPaddingBehindGzipIsNoDamage(t *testing.T) {
	for _, size := range []int{1, 2, 10, 512, 200_000} {
		object := slices.Concat(compressGzip([]byte(belonging)), make([]byte, size))
		events, _, err := scan(filter, bytes.NewReader(object))
		if err != nil || len(events) != 1 {
			t.Errorf("%d zero bytes: %d events, %v", size, len(events), err)
		}
	}
}

func TestAZstdObjectMayBeginWithASkippableFrame(t *testing.T) {
	object := slices.Concat([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}, compressZstd([]byte(belonging)))
	events, counts, err := scan(filter, bytes.NewReader(object))
	if err != nil || len(events) != 1 || counts != (Counts{Matched: 1}) {
		t.Errorf("%d events, %+v, %v", len(events), counts, err)
	}
}

func TestEventsBeforeTheDamageAreEmittedAndCounted(t *testing.T) {
	// The last line is counted, so the counts prove that everything before the damage was read.
	raw := append(sampleTelemetry(1<<20, 10), "no JSON\n"...)
	want, whole, err := scan(sampleFilter, bytes.NewReader(raw))
	if err != nil || whole.Matched == 0 || whole.Skipped != 1 {
		t.Fatal(whole, err)
	}
	object := compressGzip(raw)
	events, counts, err := scan(sampleFilter, bytes.NewReader(object[:len(object)-4]))
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || counts != whole || !reflect.DeepEqual(events, want) {
		t.Errorf("%d events, %+v, %v; want %+v and an error", len(events), counts, err, whole)
	}
}

// failingReader gives the data, then the error.
type failingReader struct {
	data io.Reader
	err  error
}

func (f *failingReader) Read(p []byte) (int, error) {
	n, err := f.data.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func TestALostConnectionIsNeverTakenForDamage(t *testing.T) {
	raw := sampleTelemetry(300<<10, 10)
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", errors.New("connection reset by peer"))}
	for name, object := range map[string][]byte{"plain": raw, "gzip": compressGzip(raw), "zstd": compressZstd(raw)} {
		for _, fault := range []error{reset, io.ErrUnexpectedEOF, fmt.Errorf("reading the body: %w", io.ErrUnexpectedEOF), gzip.ErrChecksum, io.ErrNoProgress} {
			for _, at := range []int{0, 1, 2, 3, 5, 11, len(object) / 3, len(object) / 2, len(object) - 1, len(object)} {
				_, _, err := scan(sampleFilter, &failingReader{bytes.NewReader(object[:at]), fault})
				if err != fault {
					t.Errorf("%s, the reader fails at byte %d with %v: Scan gives %v", name, at, fault, err)
				}
			}
		}
	}
}

func TestAReaderThatGivesNothingEndsTheScan(t *testing.T) {
	for name, object := range map[string][]byte{"plain": []byte(belonging), "gzip": compressGzip([]byte(belonging)), "zstd": compressZstd([]byte(belonging))} {
		_, _, err := scan(filter, io.MultiReader(bytes.NewReader(object[:20]), stuckReader{}))
		if err != io.ErrNoProgress {
			t.Errorf("%s: %v, want io.ErrNoProgress", name, err)
		}
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func TestTheErrorOfEmitEndsTheScan(t *testing.T) {
	full := errors.New("the disk is full")
	calls := 0
	object := belonging + "\nno JSON\n" + belonging
	counts, err := NewScanner(filter).Scan(context.Background(), strings.NewReader(object), func(*Event) error {
		calls++
		return full
	})
	if err != full || calls != 1 || counts != (Counts{Matched: 1}) {
		t.Errorf("%d calls, %+v, %v; want one call and its error", calls, counts, err)
	}
}

func TestACancelledScanEndsWithTheContextsError(t *testing.T) {
	raw := sampleTelemetry(2<<20, 10)
	for name, object := range map[string][]byte{"plain": raw, "gzip": compressGzip(raw), "zstd": compressZstd(raw)} {
		ctx, cancel := context.WithCancel(context.Background())
		calls := 0
		source := bytes.NewReader(object)
		counts, err := NewScanner(sampleFilter).Scan(ctx, source, func(*Event) error {
			calls++
			cancel()
			return nil
		})
		if err != context.Canceled || source.Len() == 0 || calls == 0 {
			t.Errorf("%s, cancelled by the first event: %d events, %+v, %v", name, calls, counts, err)
		}
		if _, err := NewScanner(sampleFilter).Scan(ctx, bytes.NewReader(object), nil); err != context.Canceled {
			t.Errorf("%s, cancelled before: %v", name, err)
		}
		// A reader that notices first may fail with whatever it likes.
		ctx, cancel = context.WithCancel(context.Background())
		r := &failingReader{bytes.NewReader(object[:len(object)/2]), errors.New("use of closed network connection")}
		_, err = NewScanner(sampleFilter).Scan(ctx, readerFunc(func(p []byte) (int, error) {
			n, err := r.Read(p)
			if err != nil {
				cancel()
			}
			return n, err
		}), func(*Event) error { return nil })
		if err != context.Canceled {
			t.Errorf("%s, cancelled while the reader fails: %v", name, err)
		}
	}
}

func TestACancelledScanEndsAlsoBehindTheLastByteOfASmallObject(t *testing.T) {
	const lines = 20_000
	object := compressGzip([]byte(strings.Repeat(belonging+"\n", lines)))
	if len(object) >= sourceBuffer {
		t.Fatalf("the object has %d bytes, too many to be read at once", len(object))
	}
	ctx, cancel := context.WithCancel(t.Context())
	counts, err := NewScanner(filter).Scan(ctx, bytes.NewReader(object), func(*Event) error { cancel(); return nil })
	if err != context.Canceled || counts.Matched > lines/2 {
		t.Errorf("%+v, %v; want the scan to end at once", counts, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
