package gunzip

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"
)

// reference decodes with the standard library's flate what one call is given. It reads the members' headers and trailers
// itself, for compress/gzip differs there on purpose:
//   - no data at all is no gzip for us, where compress/gzip takes it for a stream of no members;
//   - zeros behind the last member are padding for us, and for compress/gzip a damaged header;
//   - other bytes behind it are trailing for us, and for compress/gzip a damaged or cut header;
//   - names and comments may be of any length for us, and of 511 bytes for compress/gzip.
type reference struct {
	flate io.ReadCloser
	gzip  gzip.Reader
}

func (f *reference) decode(zipped []byte) ([]byte, error) {
	in := bytes.NewReader(zipped)
	var data bytes.Buffer
	for isFollowing := false; ; isFollowing = true {
		if isFollowing {
			switch next := zipped[len(zipped)-in.Len():]; {
			case len(bytes.TrimLeft(next, "\x00")) == 0:
				return data.Bytes(), nil
			case next[0] != firstMark, len(next) > 1 && next[1] != secondMark:
				return data.Bytes(), ErrTrailing
			}
		}
		if err := f.readHeader(in); err != nil {
			return data.Bytes(), err
		}
		if f.flate == nil {
			f.flate = flate.NewReader(in)
		} else if err := f.flate.(flate.Resetter).Reset(in, nil); err != nil {
			return nil, err
		}
		start := data.Len()
		switch _, err := data.ReadFrom(f.flate); err.(type) {
		case nil:
		case flate.CorruptInputError:
			return data.Bytes(), ErrData
		default:
			return data.Bytes(), ErrTruncated
		}
		var trailer [8]byte
		if _, err := io.ReadFull(in, trailer[:]); err != nil {
			return data.Bytes(), ErrTruncated
		}
		decoded := data.Bytes()[start:]
		want := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(decoded))
		want = binary.LittleEndian.AppendUint32(want, uint32(len(decoded)))
		if !bytes.Equal(trailer[:], want) {
			return data.Bytes(), ErrChecksum
		}
	}
}

func (f *reference) readHeader(in *bytes.Reader) error {
	var header []byte
	isCut := false
	next := func() byte {
		c, err := in.ReadByte()
		isCut = isCut || err != nil
		header = append(header, c)
		return c
	}
	for range 4 {
		next()
	}
	if !isCut && !bytes.Equal(header[:3], []byte{0x1f, 0x8b, 8}) {
		return ErrHeader
	}
	for range 6 {
		next()
	}
	flags := header[3]
	if flags&4 != 0 {
		for range int(next()) | int(next())<<8 {
			next()
		}
	}
	for _, flag := range []byte{8, 16} {
		for flags&flag != 0 && next() != 0 {
		}
	}
	if flags&2 != 0 {
		want := uint16(crc32.ChecksumIEEE(header))
		if got := uint16(next()) | uint16(next())<<8; got != want && !isCut {
			return ErrHeader
		}
	}
	if isCut {
		return ErrTruncated
	}
	return nil
}

// decodeGzip decodes with compress/gzip.
func (f *reference) decodeGzip(zipped []byte) ([]byte, error) {
	if err := f.gzip.Reset(bytes.NewReader(zipped)); err != nil {
		return nil, err
	}
	return io.ReadAll(&f.gzip)
}

// comparison compares what a Reader makes of streams with what the reference makes of them.
type comparison struct {
	reader      *Reader
	checkGuards func(testing.TB)
	reference   reference
}

func newComparison(t testing.TB) *comparison {
	t.Helper()
	var c comparison
	c.reader, c.checkGuards = newGuardedReader(t)
	return &c
}

// compare tells what a Reader makes of a stream, and fails where that is not what the reference makes of it.
func (c *comparison) compare(t *testing.T, zipped []byte) ([]byte, error) {
	t.Helper()
	want, wantErr := c.reference.decode(zipped)
	// What the buffer holds of the stream before is not to be taken for the end of this one.
	stale := c.reader.buffer[:min(len(zipped)+inputPadding, len(c.reader.buffer))]
	copy(stale, bytes.Repeat([]byte{0xff}, len(stale)))
	c.reader.Reset(bytes.NewReader(zipped))
	got, err := readAll(c.reader)
	c.checkGuards(t)
	switch {
	case err == wantErr && err != ErrTruncated:
		if !bytes.Equal(got, want) {
			t.Fatalf("%x: got %d bytes %s, want %d bytes %s (%v)", begin(zipped), len(got), begin(got), len(want),
				begin(want), err)
		}
	case err != nil && wantErr != nil:
		// Where data is cut, a decoder may notice sooner or later that a symbol is not there as a whole, and whether what
		// is there of it can be right. Ours takes out two symbols at once.
		isCut := (err == ErrTruncated || err == ErrData) && (wantErr == ErrTruncated || wantErr == ErrData)
		if n := min(len(got), len(want)); !isCut || !bytes.Equal(got[:n], want[:n]) || len(want)-n > 1 {
			t.Fatalf("%x: got %d bytes %s and %v, want %d bytes %s and %v", begin(zipped), len(got), begin(got), err,
				len(want), begin(want), wantErr)
		}
	default:
		t.Fatalf("%x: got %d bytes and %v, want %d bytes and %v", begin(zipped), len(got), err, len(want), wantErr)
	}
	std, stdErr := c.reference.decodeGzip(zipped)
	switch {
	case len(zipped) == 0:
	case err == nil && stdErr != nil:
		isPadded := zipped[len(zipped)-1] == 0
		hasLongText := len(zipped) > 512
		if !isPadded && !hasLongText {
			t.Fatalf("%x: compress/gzip says %v", begin(zipped), stdErr)
		}
	case err != nil && stdErr == nil:
		t.Fatalf("%x: %v, but compress/gzip takes it", begin(zipped), err)
	case err == nil && !bytes.Equal(got, std):
		t.Fatalf("%x: got %d bytes %s, compress/gzip %d bytes %s", begin(zipped), len(got), begin(got), len(std),
			begin(std))
	}
	return got, err
}

// expect fails where a Reader does not make data and err of a stream, or differs from the reference.
func (c *comparison) expect(t *testing.T, zipped, data []byte, want error) {
	t.Helper()
	if got, err := c.compare(t, zipped); err != want || !bytes.Equal(got, data) {
		t.Fatalf("%x: got %d bytes %q and %v, want %d bytes %q and %v", begin(zipped), len(got), begin(got), err,
			len(data), begin(data), want)
	}
}

func begin(b []byte) []byte { return b[:min(len(b), 300)] }

const canary = 0xc5

// newReader is a Reader whose window and input lie between guards, which are intact when the test ends.
func newReader(t testing.TB) *Reader {
	t.Helper()
	r, checkGuards := newGuardedReader(t)
	t.Cleanup(func() { checkGuards(t) })
	return r
}

func newGuardedReader(t testing.TB) (r *Reader, checkGuards func(testing.TB)) {
	t.Helper()
	r = new(Reader)
	var windowFront, bufferFront []byte
	r.window, windowFront = guarded(t, windowSize)
	r.buffer, bufferFront = guarded(t, inputSize+inputPadding)
	fronts := [][]byte{windowFront, bufferFront}
	for _, front := range fronts {
		copy(front, bytes.Repeat([]byte{canary}, len(front)))
	}
	return r, func(t testing.TB) {
		t.Helper()
		for _, front := range fronts {
			if bytes.Count(front, []byte{canary}) < len(front) {
				t.Error("the memory before the window or the input was written to")
			}
		}
	}
}

// hasRaceDetector tells whether the tests are so slow that they try less.
var hasRaceDetector = func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

// readAll reads a Reader's stream to its end, and once more. The error is nil at io.EOF.
func readAll(r *Reader) ([]byte, error) {
	var data []byte
	for {
		chunk, err := r.Next(0)
		data = append(data, chunk...)
		if err == nil && len(chunk) > 0 {
			continue
		}
		if more, again := r.Next(0); len(chunk) > 0 || len(more) > 0 || err == nil || again != err {
			panic("Next gives something behind an error, or neither an error nor data")
		}
		if err == io.EOF {
			err = nil
		}
		return data, err
	}
}

// kinds are short streams of every kind.
func kinds() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 40)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	assembled := func(write func(a *assembler)) []byte {
		var a assembler
		write(&a)
		return a.member()
	}
	all := map[string][]byte{
		"stored": assembled(func(a *assembler) {
			a.stored(false, noise)
			a.stored(true, nil)
		}),
		"fixed": assembled(func(a *assembler) {
			a.fixed(true)
			a.literals([]byte("a fixed block ")...)
			a.literals(noise...)
			a.match(9, 14)
			a.match(258, 3)
			a.literals('.')
			a.end()
		}),
		"dynamic": assembled(func(a *assembler) {
			a.dynamic(true, codes{randomLengths(random, 286, 40, false, 256, 'a', 'b', 'c', 'd', 257, 285),
				randomLengths(random, 20, 9, false, 0, 1, 2, 10)})
			for range 5 {
				a.literals([]byte("abcdabddcaabc")...)
				a.match(3, 2)
				a.match(258, 3)
				a.match(3, 40)
			}
			a.end()
		}),
		"long codes": assembled(func(a *assembler) {
			a.dynamic(true, codes{skewed(286, 'a', 'b', 'c', 'd', 257, 'e', 'f', 'g', 'h', 258, 'i', 'j', 'k', 'l', 256, 285),
				skewed(30, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)})
			a.literals([]byte("alabakbalfabeklabckdlelgllhijlk")...)
			for _, distance := range []int{1, 2, 3, 4, 5, 7, 9, 13} {
				a.match(258, distance)
				a.literals('a', 'l')
				a.match(4, 193+distance)
			}
			a.end()
		}),
		"one distance": assembled(func(a *assembler) {
			a.dynamic(true, codes{skewed(286, 256, 257, 'a', 'b', 'c', 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 285),
				[]uint8{0, 1}})
			a.literals([]byte("ab")...)
			for i := range 40 {
				a.match(3+i%9, 2)
				a.literals([]byte("abc")[:i%4]...)
			}
			a.end()
		}),
		"fields": func() []byte {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			w.Name, w.Comment, w.Extra = "name", "comment", []byte("extra")
			write(w, []byte("all fields"))
			return withHeaderChecksum(b.Bytes())
		}(),
		"empty": assembled(func(a *assembler) {
			a.fixed(true)
			a.end()
		}),
	}
	all["members"] = slices.Concat(all["fixed"], all["empty"], all["fields"], all["stored"])
	all["blocks"] = assembled(func(a *assembler) {
		for i := range 8 {
			a.fixed(false)
			a.literals(noise[:i]...)
			a.end()
			a.stored(false, noise[:i])
		}
		a.dynamic(true, codes{randomLengths(random, 286, 4, false, 256, 'x', 'y', 285), []uint8{1}})
		a.literals('x', 'y')
		a.match(258, 1)
		a.end()
	})
	return all
}

// skewed are the lengths of a code whose symbols have 1, 2, 3 … bits, up to 15 twice.
func skewed(limit int, symbols ...int) []uint8 {
	lengths := make([]uint8, limit)
	for i, symbol := range symbols {
		lengths[symbol] = uint8(min(i+1, maxCode))
	}
	return lengths
}

func write(w io.WriteCloser, data []byte) {
	if _, err := w.Write(data); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
}

// withHeaderChecksum is a member whose header has the fields that gzip.Writer writes, with the checksum that it does not.
func withHeaderChecksum(member []byte) []byte {
	member = slices.Clone(member)
	member[3] |= 2
	end := 10
	if member[3]&4 != 0 {
		end += 2 + int(binary.LittleEndian.Uint16(member[10:]))
	}
	for _, flag := range []byte{8, 16} {
		if member[3]&flag != 0 {
			end += bytes.IndexByte(member[end:], 0) + 1
		}
	}
	checksum := binary.LittleEndian.AppendUint16(nil, uint16(crc32.ChecksumIEEE(member[:end])))
	return slices.Insert(member, end, checksum...)
}
