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
	text, chunk, err := o.open("2022-03-01.json", bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for err == nil {
		all = append(all, chunk...)
		chunk, err = text.Next(0)
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	return string(all)
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

func TestAnObjectOfNoBytesHasEndedEarlyIfItsNameSaysThatItIsCompressed(t *testing.T) {
	s := NewScanner(filter)
	for name, problem := range map[string]string{
		"2022-03-01-0.json.gz":  "its gzip data ends early",
		"2022-03-01/0.zst":      "its zstd data ends early",
		"2022-03-01-0.json":     "",
		"2022-03-01-0.jsonl":    "",
		"2022-03-01-0.log":      "",
		"2022-03-01.gz/0.json":  "",
		"2022-03-01-0.gz.json":  "",
		"2022-03-01-0.zst.json": "",
	} {
		_, err := s.Scan(t.Context(), name, strings.NewReader(""), nil)
		var corrupt *CorruptError
		if problem == "" && err != nil || problem != "" && (!errors.As(err, &corrupt) || corrupt.Problem != problem) {
			t.Errorf("%s of no bytes: %v, want %q", name, err, problem)
		}
		// What holds something is told by its first bytes, whatever its name.
		for _, object := range []string{"\n", belonging, string(compressGzip(nil)), string(compressZstd([]byte(belonging)))} {
			if _, err := s.Scan(t.Context(), name, strings.NewReader(object), func(*Event) error { return nil }); err != nil {
				t.Errorf("%s, %.10q: %v", name, object, err)
			}
		}
		lost := errors.New("connection reset by peer")
		if _, err := s.Scan(t.Context(), name, &failingReader{strings.NewReader(""), lost}, nil); err != lost {
			t.Errorf("%s, the connection is lost before the first byte: %v", name, err)
		}
	}
}

// twice is the content compressed twice, in all four ways.
func twice(content string) map[string][]byte {
	once := map[string][]byte{"gzip": compressGzip([]byte(content)), "zstd": compressZstd([]byte(content))}
	return map[string][]byte{
		"gzip in gzip": compressGzip(once["gzip"]), "gzip in zstd": compressZstd(once["gzip"]),
		"zstd in gzip": compressGzip(once["zstd"]), "zstd in zstd": compressZstd(once["zstd"]),
	}
}

func TestAnObjectThatIsCompressedTwiceIsUnwrappedTwice(t *testing.T) {
	raw := string(append(sampleTelemetry(1<<20, 10), "no JSON\n"...))
	s := NewScanner(sampleFilter)
	want, counts, err := scanWith(s, strings.NewReader(raw))
	if err != nil || counts.Matched == 0 || counts.Skipped != 1 {
		t.Fatal(counts, err)
	}
	for round := range 2 { // the second time with the decoders of the first
		for name, object := range twice(raw) {
			got, again, err := scanWith(s, bytes.NewReader(object))
			if err != nil || again != counts || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, round %d: %d events, %+v, %v; want %+v", name, round, len(got), again, err, counts)
			}
		}
	}
	parts := strings.SplitAfterN(raw, "\n", 3)
	for name, object := range map[string][]byte{
		"members of members":         slices.Concat(compressGzip(slices.Concat(compressGzip([]byte(parts[0])), compressGzip([]byte(parts[1])))), compressGzip(compressGzip([]byte(parts[2])))),
		"a member cut in two":        slices.Concat(compressGzip(compressGzip([]byte(raw))[:777]), compressGzip(compressGzip([]byte(raw))[777:])),
		"padding within and without": slices.Concat(compressGzip(slices.Concat(compressGzip([]byte(raw)), make([]byte, 1000))), make([]byte, 1000)),
	} {
		got, again, err := scanWith(s, bytes.NewReader(object))
		if err != nil || again != counts || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d events, %+v, %v; want %+v", name, len(got), again, err, counts)
		}
	}
	for name, object := range twice("") {
		if got, counts, err := scanWith(s, bytes.NewReader(object)); err != nil || counts != (Counts{}) || len(got) != 0 {
			t.Errorf("%s of nothing: %+v, %v", name, counts, err)
		}
	}
}

func TestAnObjectThatIsCompressedThreeTimesIsCorrupt(t *testing.T) {
	const problem = "it is compressed more than twice; what is compressed once or twice is accepted"
	s := NewScanner(filter)
	for name, object := range twice(belonging) {
		for outer, compress := range map[string]func([]byte) []byte{"gzip": compressGzip, "zstd": compressZstd} {
			_, counts, err := scanWith(s, bytes.NewReader(compress(object)))
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || corrupt.Problem != problem || counts != (Counts{}) {
				t.Errorf("%s in %s: %+v, %v", name, outer, counts, err)
			}
		}
	}
}

func TestAnObjectThatIsCompressedTwiceIsCorruptWhereverItIsCut(t *testing.T) {
	line := belonging + "\n"
	s := NewScanner(filter)
	check := func(name string, object []byte, problems ...string) {
		t.Helper()
		for kind, r := range map[string]io.Reader{"whole": bytes.NewReader(object), "byte by byte": oneByteReader{bytes.NewReader(object)}} {
			_, _, err := scanWith(s, r)
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || !slices.Contains(problems, corrupt.Problem) {
				t.Errorf("%s, %s: %v, want one of %q", name, kind, err, problems)
			}
		}
	}
	compress := map[string]func([]byte) []byte{"gzip": compressGzip, "zstd": compressZstd}
	for inner := range compress {
		within := compress[inner]([]byte(line))
		for outer := range compress {
			object := compress[outer](within)
			for cut := 1; cut < len(object); cut++ {
				check(fmt.Sprintf("%s in %s, cut at %d", inner, outer, cut), object[:cut], "its "+outer+" data ends early")
			}
			for cut := 1; cut < len(within); cut++ {
				check(fmt.Sprintf("%s cut at %d, in %s", inner, cut, outer), compress[outer](within[:cut]), "its "+inner+" data ends early")
			}
			flipped := slices.Clone(object)
			flipped[len(flipped)-1-4*strings.Count(outer, "gzip")] ^= 1
			check(inner+" in "+outer+" with another checksum", flipped, "its "+outer+" data does not match its checksum")
			broken := slices.Clone(within)
			broken[len(broken)-1-4*strings.Count(inner, "gzip")] ^= 1
			check(inner+" with another checksum, in "+outer, compress[outer](broken), "its "+inner+" data does not match its checksum")
		}
	}
	check("text behind gzip, in zstd", compressZstd(slices.Concat(compressGzip([]byte(line)), []byte(line))),
		"bytes that are neither gzip nor zero padding follow its last gzip member")
	// The scanner that found all this damage still reads what is whole.
	if events, counts, err := scanWith(s, strings.NewReader(line)); err != nil || len(events) != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
}

// inUTF16 encodes ASCII.
func inUTF16(text string, isBig bool) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if isBig {
			b.Write([]byte{0, c})
		} else {
			b.Write([]byte{c, 0})
		}
	}
	return b.String()
}

func TestUTF16EndsTheScan(t *testing.T) {
	little, big := inUTF16(belonging+"\r\n"+belonging, false), inUTF16(belonging+"\r\n"+belonging, true)
	utf8 := belonging + "\n"
	long := strings.Replace(belonging, `"mid":"m"`, `"mid":"`+strings.Repeat("m", 9<<20)+`"`, 1)
	for _, c := range []struct {
		name, object string
		matched      int64
	}{
		{"little endian with a mark", "\xff\xfe" + little, 0},
		{"big endian with a mark", "\xfe\xff" + big, 0},
		{"little endian", little, 0},
		{"big endian", big, 0},
		{"a mark alone", "\xff\xfe", 0},
		{"a big endian mark alone", "\xfe\xff", 0},
		{"a mark and no ASCII", "\xff\xfe\x15\x09", 0},
		{"a big endian mark and no ASCII", "\xfe\xff\x09\x15", 0},
		{"a mark and an empty line", "\xfe\xff\x00\r\x00\n" + big, 0},
		{"no mark and an empty line", "\r\x00\n\x00" + little, 0},
		{"behind UTF-8", utf8 + little, 1},
		{"big endian behind UTF-8", utf8 + utf8 + big, 2},
		{"with a mark behind UTF-8", utf8 + "\xff\xfe" + little, 1},
		{"big endian with a mark behind UTF-8", utf8 + "\xfe\xff" + big, 1},
		{"one line behind UTF-8 without its end", belonging + "\xff\xfe" + inUTF16(belonging, false), 0},
		{"one big endian line behind UTF-8 without its end", belonging + "\xfe\xff" + inUTF16(belonging, true), 0},
		{"braces on lines of their own", utf8 + inUTF16("{\r\n\"eid\":1\r\n}", false), 1},
		{"braces on lines of their own, big endian", utf8 + inUTF16("{\r\n\"eid\":1\r\n}", true), 1},
		{"an empty object", utf8 + inUTF16("{}", false), 1},
		{"white space before", utf8 + inUTF16(`  {"a":1}`, true), 1},
		{"behind NULs", "\x00\x00\x00" + little, 0},
		{"a line of 18 MiB", utf8 + inUTF16(long, false), 1},
		{"a big endian line of 18 MiB with a mark", "\xfe\xff" + inUTF16(long, true), 0},
	} {
		for compression, object := range map[string][]byte{"plain": []byte(c.object), "gzip": compressGzip([]byte(c.object))} {
			events, counts, err := scan(filter, bytes.NewReader(object))
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || corrupt.Problem != "it is UTF-16; telemetry is accepted in UTF-8" {
				t.Errorf("%s, %s: %+v, %v", c.name, compression, counts, err)
			}
			if counts.Matched != c.matched || int64(len(events)) != c.matched {
				t.Errorf("%s, %s: %d events before it, want %d", c.name, compression, len(events), c.matched)
			}
		}
	}
}

func TestLinesThatAreNoUTF16AreSkipped(t *testing.T) {
	object := strings.Join([]string{"{}", "\xff\xfe", "\xfe\xffx", "\xff\xfe\x00\x00", "{\x00\x00\x00", "{\x00", "{\x00\"", "{\x00\xe0\x00", "a\x00b\x00", "\xff{\x00", belonging}, "\n")
	_, counts, err := scan(filter, strings.NewReader(object))
	if err != nil || counts != (Counts{Lines: 11, Skipped: 9, Matched: 1}) {
		t.Errorf("%+v, %v", counts, err)
	}
	// What would be a byte order mark at the beginning is none behind a first line of any kind.
	for name, first := range map[string]string{"short": "{}", "empty": "", "too long": strings.Repeat("x", 17<<20), "with NULs": "{}" + strings.Repeat("\x00", 1<<20)} {
		for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
			if _, counts, err := scan(filter, strings.NewReader(first+"\n"+mark)); err != nil || counts.Skipped == 0 {
				t.Errorf("% x behind a first line that is %s: %+v, %v", mark, name, counts, err)
			}
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
	if err != nil || len(events) != 1 || counts != (Counts{Lines: 1, Matched: 1}) {
		t.Errorf("%d events, %+v, %v", len(events), counts, err)
	}
}

func TestEventsBeforeTheDamageAreEmittedAndCounted(t *testing.T) {
	// The last line is counted, so the counts prove that everything before the damage was read.
	raw := append(sampleTelemetry(1<<20, 10), "no JSON\n"...)
	want, whole, err := scan(sampleFilter, bytes.NewReader(raw))
	if err != nil || whole.Matched == 0 || whole.Skipped != 1 || whole.Lines < whole.Matched+1 {
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
	counts, err := NewScanner(filter).Scan(context.Background(), "2022-03-01.json", strings.NewReader(object), func(*Event) error {
		calls++
		return full
	})
	if err != full || calls != 1 || counts != (Counts{Lines: 1, Matched: 1}) {
		t.Errorf("%d calls, %+v, %v; want one call and its error", calls, counts, err)
	}
}

func TestACancelledScanEndsWithTheContextsError(t *testing.T) {
	raw := sampleTelemetry(2<<20, 10)
	for name, object := range map[string][]byte{"plain": raw, "gzip": compressGzip(raw), "zstd": compressZstd(raw)} {
		ctx, cancel := context.WithCancel(context.Background())
		calls := 0
		source := bytes.NewReader(object)
		counts, err := NewScanner(sampleFilter).Scan(ctx, "2022-03-01.json", source, func(*Event) error {
			calls++
			cancel()
			return nil
		})
		if err != context.Canceled || source.Len() == 0 || calls == 0 {
			t.Errorf("%s, cancelled by the first event: %d events, %+v, %v", name, calls, counts, err)
		}
		if _, err := NewScanner(sampleFilter).Scan(ctx, "2022-03-01.json", bytes.NewReader(object), nil); err != context.Canceled {
			t.Errorf("%s, cancelled before: %v", name, err)
		}
		// A reader that notices first may fail with whatever it likes.
		ctx, cancel = context.WithCancel(context.Background())
		r := &failingReader{bytes.NewReader(object[:len(object)/2]), errors.New("use of closed network connection")}
		_, err = NewScanner(sampleFilter).Scan(ctx, "2022-03-01.json", readerFunc(func(p []byte) (int, error) {
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
	if len(object) >= 64<<10 {
		t.Fatalf("the object has %d bytes, too many to be read at once", len(object))
	}
	ctx, cancel := context.WithCancel(t.Context())
	counts, err := NewScanner(filter).Scan(ctx, "2022-03-01.json", bytes.NewReader(object), func(*Event) error { cancel(); return nil })
	if err != context.Canceled || counts.Matched > lines/2 {
		t.Errorf("%+v, %v; want the scan to end at once", counts, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
