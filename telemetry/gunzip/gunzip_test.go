package gunzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	kgzip "github.com/klauspost/compress/gzip"
)

// writer is what both libraries' writers are.
type writer interface {
	io.WriteCloser
	Reset(io.Writer)
}

// writers are those of every level.
func writers() map[string]writer {
	all := make(map[string]writer)
	for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
		w, err := gzip.NewWriterLevel(nil, level)
		if err != nil {
			panic(err)
		}
		all[fmt.Sprint("standard library, level ", level)] = w
	}
	for level := kgzip.StatelessCompression; level <= kgzip.BestCompression; level++ {
		w, err := kgzip.NewWriterLevel(nil, level)
		if err != nil {
			panic(err)
		}
		all[fmt.Sprint("klauspost, level ", level)] = w
	}
	return all
}

func zip(w writer, data []byte) []byte {
	var b bytes.Buffer
	w.Reset(&b)
	write(w, data)
	return b.Bytes()
}

// data are kinds of data of any size.
var data = map[string]func(size int) []byte{
	"random": func(size int) []byte {
		random := rand.New(rand.NewPCG(1, 1))
		return generate(size, func(int) byte { return byte(random.Uint32()) })
	},
	"lines": func(size int) []byte {
		random := rand.New(rand.NewPCG(2, 2))
		var b bytes.Buffer
		for b.Len() < size {
			fmt.Fprintf(&b, `{"eid":"ASSESS","ets":%d,"uid":"%08x","edata":{"score":%d,"pass":"%v"}}`+"\n",
				1646092800000+random.Int64N(1e9), random.Uint32(), random.IntN(100), random.IntN(3) > 0)
		}
		return b.Bytes()[:size]
	},
	"zeros": func(size int) []byte { return make([]byte, size) },
	"two symbols": func(size int) []byte {
		random := rand.New(rand.NewPCG(3, 3))
		return generate(size, func(int) byte { return "ab"[random.IntN(2)] })
	},
	"skewed symbols": func(size int) []byte {
		// Each symbol is by the golden ratio rarer than the one before, so that the codes are as long as can be.
		random := rand.New(rand.NewPCG(4, 4))
		return generate(size, func(int) byte { return byte(min(200, int(random.ExpFloat64()*2.08))) })
	},
	"far repeats": func(size int) []byte {
		random := rand.New(rand.NewPCG(5, 5))
		all := generate(size, func(int) byte { return byte(random.Uint32()) })
		for at := 100; at < size; at += 20 + random.IntN(20) {
			copy(all[at:min(size, at+4+random.IntN(16))], all[at-1-random.IntN(min(at, maxDistance)):])
		}
		return all
	},
}

func generate(size int, next func(i int) byte) []byte {
	all := make([]byte, size)
	for i := range all {
		all[i] = next(i)
	}
	return all
}

func TestWhatAnyWriterWritesIsDecoded(t *testing.T) {
	few := []int{0, 1, 66, 32769}
	many := []int{2, 63, 64, 65, 1000, 32767, 32768, chunkSize - 300, chunkSize - 1, chunkSize, chunkSize + 1, chunkSize + 300,
		maxDistance + chunkSize - 300, maxDistance + chunkSize, maxDistance + chunkSize + 300}
	if hasRaceDetector {
		few, many = few[3:], many[6:8] // The writers are slower by far than what is tested.
	}
	r := newReader(t)
	check := func(name string, w writer, want []byte) {
		r.Reset(bytes.NewReader(zip(w, want)))
		if got, err := readAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, %d bytes: got %d bytes and %v", name, len(want), len(got), err)
		}
	}
	all := writers()
	for kind, generate := range data {
		if hasRaceDetector && kind != "lines" {
			continue
		}
		for _, size := range few {
			want := generate(size)
			for name, w := range all {
				check(kind+", "+name, w, want)
			}
		}
		for _, size := range many {
			want := generate(size)
			for _, name := range []string{"standard library, level 0", "standard library, level -2", "klauspost, level 1"} {
				check(kind+", "+name, all[name], want)
			}
		}
	}
	check("lines", all["standard library, level 6"], data["lines"](600_000))
	check("skewed symbols", all["klauspost, level 1"], data["skewed symbols"](3<<20))
}

func TestDataOfAnyPeriodIsDecoded(t *testing.T) {
	c := newComparison(t)
	w := writers()["standard library, level 6"]
	for period := 1; period <= 70; period++ {
		for _, size := range []int{period + 3, 300, 5000} {
			want := generate(size, func(i int) byte { return byte(i % period * 7) })
			c.expect(t, zip(w, want), want, nil)
		}
	}
}

// tail is a member behind another one, so that the fast loop decodes all of that.
func tail() []byte {
	var a assembler
	a.stored(true, bytes.Repeat([]byte("tail"), 300))
	return a.member()
}

func TestMatchesOfAnyDistanceAndLengthAreCopied(t *testing.T) {
	r := newReader(t)
	for distance := 1; distance <= 80; distance++ {
		var a assembler
		a.fixed(true)
		for i := range distance {
			a.literals(byte(i*11 + distance))
		}
		for length := 3; length <= 258; length++ {
			a.match(length, distance)
			a.literals(byte(length), byte(distance))
		}
		a.end()
		r.Reset(bytes.NewReader(a.member()))
		if got, err := readAll(r); err != nil || !bytes.Equal(got, a.data) {
			t.Fatalf("distance %d: got %d bytes and %v, want %d", distance, len(got), err, len(a.data))
		}
	}
}

// A chunk's last match may reach beyond the limit, and copies beyond its own end. These are decoded where the window ends.
func TestMatchesAreCopiedWholeAtAChunksEnd(t *testing.T) {
	r := newReader(t)
	limit := len(r.window) - outputSlack - Padding
	behind := tail()
	lengths := []int{3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 66, 127, 129, 193, 194, 195, 256, 257, 258}
	distances := []int{100, 1000, 32768}
	step := 1
	if hasRaceDetector {
		step = 7
	}
	for distance := 1; distance <= 80; distance += step {
		distances = append(distances, distance)
	}
	all := generate(maxDistance, func(i int) byte { return byte(i * i >> 3) })
	// The codes of two literals are so short that one round of the loop decodes five of them before a match.
	short := codes{make([]uint8, 286), randomLengths(rand.New(rand.NewPCG(12, 12)), 30, 30, false)}
	copy(short.literals[256:], repeated(30, 6))
	short.literals['a'], short.literals['b'], short.literals[256], short.literals[285] = 2, 2, 5, 5
	for _, distance := range distances {
		before := all[:distance]
		for _, length := range lengths {
			for _, literals := range []int{0, 1, 2, 5} {
				var a assembler
				a.data = slices.Clone(before)
				a.dynamic(true, short)
				a.literals([]byte("ababa")[:literals]...)
				a.match(length, distance)
				a.literals([]byte("abba")...)
				a.end()

				r.Reset(bytes.NewReader(append(a.member(), behind...)))
				start := limit - 1
				copy(r.window[start-len(before):], before)
				r.out = start
				for r.err == nil && r.out < limit {
					r.err = r.step(limit)
					r.floor = 0
				}
				decoded := r.window[start:r.out]
				if want := a.data[len(before):]; r.err != nil || len(decoded) < literals+length ||
					!bytes.HasPrefix(want, decoded) {
					t.Fatalf("distance %d, length %d: got %q and %v, want the beginning of %q", distance, length, decoded,
						r.err, want)
				}
			}
		}
	}
}

func TestAWindowIsDecodedInStepsOfAnySize(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	r := newReader(t)
	for step := 1; step < 40; step++ {
		var a assembler
		a.randomBlocks(random, 1000)
		r.Reset(bytes.NewReader(a.member()))
		r.makeRoom(0)
		end := len(r.window) - outputSlack - Padding
		for r.err == nil && r.out < end {
			r.err = r.step(min(end, r.out+step))
		}
		if want := a.data[:min(len(a.data), r.out)]; !bytes.Equal(r.window[:r.out], want) ||
			r.err != io.EOF && r.out < end {
			t.Fatalf("in steps of %d: got %d bytes and %v, want %d", step, r.out, r.err, len(a.data))
		}
	}
}

// far is a stream whose matches reach as far back as can be, over many chunks.
func far() *assembler {
	a := new(assembler)
	c := codes{make([]uint8, 286), make([]uint8, 30)}
	for i := range 256 {
		c.literals[i] = 9
	}
	c.literals[256], c.literals[285] = 2, 2 // with 256 codes of 9 bits that makes 1
	c.distances[29], c.distances[0] = 1, 1
	a.dynamic(true, c)
	a.literals(data["random"](maxDistance)...)
	for i := range 3000 {
		a.match(258, 32768)
		if i%7 == 0 {
			a.literals(byte(i))
		}
	}
	a.end()
	return a
}

func TestMatchesReachBack32KiBAcrossChunks(t *testing.T) {
	c := newComparison(t)
	a := far()
	c.expect(t, a.member(), a.data, nil)
}

func TestRandomCodesAndSymbolsAreDecoded(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	c := newComparison(t)
	for i := range 400 {
		var a assembler
		a.randomBlocks(random, 1+random.IntN(300))
		zipped := a.member()
		c.expect(t, zipped, a.data, nil)
		if i%2 == 0 {
			zipped = append(zipped, tail()...)
			c.expect(t, zipped, append(a.data, bytes.Repeat([]byte("tail"), 300)...), nil)
		}
	}
}

// The border between the fast loop and the careful one, which lies near the input's end, wanders over every symbol.
func TestEveryLengthAndDistanceIsDecodedInBothLoops(t *testing.T) {
	c := newComparison(t)
	random := rand.New(rand.NewPCG(8, 8))
	before := data["random"](maxDistance)
	all := codes{randomLengths(random, 286, 286, false), randomLengths(random, 30, 30, true)}
	deep := codes{randomLengths(random, 286, 286, true), randomLengths(random, 30, 30, true)}
	for name, lengths := range map[string]codes{"fixed": fixedCodes, "dynamic": all, "deep": deep} {
		check := func(length, distance int, write func(a *assembler)) {
			for _, behind := range []int{0, 1, 9, 20, 30} {
				var a assembler
				a.stored(false, before)
				if name == "fixed" {
					a.fixed(true)
				} else {
					a.dynamic(true, lengths)
				}
				a.literals('<')
				write(&a)
				a.literals(bytes.Repeat([]byte{'>'}, behind)...)
				a.end()
				zipped := a.member()
				c.reader.Reset(bytes.NewReader(zipped))
				if got, err := readAll(c.reader); err != nil || !bytes.Equal(got, a.data) {
					t.Fatalf("%s, length %d, distance %d, %d literals behind: got %d bytes and %v, want %d",
						name, length, distance, behind, len(got), err, len(a.data))
				}
			}
		}
		for i, first := range firstLengths {
			_, extra, _ := lengthSymbol(first)
			for _, length := range []int{first, first + 1<<extra - 1} {
				check(length, 77, func(a *assembler) {
					a.symbol(a.codes.literals, 257+i)
					a.bits(length-first, extra)
					a.symbol(a.codes.distances, 12)
					a.bits(77-65, 5)
					for range length {
						a.data = append(a.data, a.data[len(a.data)-77])
					}
				})
			}
		}
		for i, first := range firstDistances {
			_, extra, _ := distanceSymbol(first)
			for _, distance := range []int{first, first + 1<<extra - 1} {
				check(10, distance, func(a *assembler) {
					a.symbol(a.codes.literals, 264)
					a.symbol(a.codes.distances, i)
					a.bits(distance-first, extra)
					for range 10 {
						a.data = append(a.data, a.data[len(a.data)-distance])
					}
				})
			}
		}
	}
}

func TestStoredBlocksBeginBehindAnyBit(t *testing.T) {
	c := newComparison(t)
	for literals := range 40 {
		for _, size := range []int{0, 1, 2, 7, 8, 9, 100, 65535} {
			var a assembler
			a.fixed(false)
			for i := range literals {
				a.literals(byte(140 + i*3)) // of 8 or 9 bits
			}
			a.end()
			a.stored(false, data["random"](size))
			a.fixed(true)
			a.end()
			c.expect(t, a.member(), a.data, nil)
		}
	}
}

func TestStoredBlocksOfAnySizeFillChunks(t *testing.T) {
	c := newComparison(t)
	for _, sizes := range [][]int{{65535, 65535, 65535, 65535, 65535, 1, 0, 65535}, {0, 0, 0}, {0}, {1}} {
		var a assembler
		for i, size := range sizes {
			a.stored(i == len(sizes)-1, data["random"](size))
		}
		c.expect(t, a.member(), a.data, nil)
	}
}

func TestMembersAreDecodedOneBehindTheOther(t *testing.T) {
	c := newComparison(t)
	all := kinds()
	for name, zipped := range all {
		t.Run(name, func(t *testing.T) {
			one, err := c.compare(t, zipped)
			if err != nil {
				t.Fatal(err)
			}
			c.expect(t, bytes.Repeat(zipped, 300), bytes.Repeat(one, 300), nil)
		})
	}
	c.expect(t, bytes.Repeat(all["fields"], 10_000), bytes.Repeat([]byte("all fields"), 10_000), nil)
	c.expect(t, bytes.Repeat(all["empty"], 10_000), nil, nil)
}

func TestAChunkSpansMembers(t *testing.T) {
	r := newReader(t)
	r.Reset(bytes.NewReader(bytes.Repeat(kinds()["fields"], 1000)))
	if chunk, err := r.Next(0); err != nil || len(chunk) != 1000*len("all fields") {
		t.Errorf("the chunk has %d bytes (%v), want those of all members", len(chunk), err)
	}
}

func TestHeadersMayHaveFieldsOfAnyLength(t *testing.T) {
	r := newReader(t)
	for _, size := range []int{0, 1, 511, 512, 65535, 300_000} {
		text := bytes.Repeat([]byte("x"), size)
		member := []byte{0x1f, 0x8b, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 255}
		extra := min(size, 65535)
		member = append(append(member, byte(extra), byte(extra>>8)), text[:extra]...)
		member = append(append(member, text...), 0)
		member = append(append(member, text...), 0)
		member = withHeaderChecksum(append(member, kinds()["fixed"][10:]...))
		want, err := new(reference).decode(kinds()["fixed"])
		if err != nil {
			t.Fatal(err)
		}
		r.Reset(bytes.NewReader(append(member, member...)))
		if got, err := readAll(r); err != nil || !bytes.Equal(got, append(want, want...)) {
			t.Errorf("fields of %d bytes: got %q and %v", size, got, err)
		}
	}
}

func TestZerosBehindTheLastMemberArePadding(t *testing.T) {
	c := newComparison(t)
	member := kinds()["fields"]
	for _, test := range []struct {
		name string
		rest []byte
		want error
	}{
		{"a zero", []byte{0}, nil},
		{"zeros", make([]byte, 512), nil},
		{"more zeros than are read at once", make([]byte, 3*inputSize), nil},
		{"zeros and a byte", append(make([]byte, 100), 1), ErrTrailing},
		{"many zeros and a byte", append(make([]byte, 2*inputSize), 1), ErrTrailing},
		{"zeros and a member", append(make([]byte, 100), member...), ErrTrailing},
		{"a byte", []byte{'x'}, ErrTrailing},
		{"text", []byte("text\n"), ErrTrailing},
		{"half a mark", []byte{0x1f}, ErrTruncated},
		{"half a mark and a byte", []byte{0x1f, 0}, ErrTrailing},
		{"a mark", []byte{0x1f, 0x8b}, ErrTruncated},
		{"a mark of another method", append([]byte{0x1f, 0x8b, 7, 0}, make([]byte, 20)...), ErrHeader},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.expect(t, slices.Concat(member, test.rest), []byte("all fields"), test.want)
			c.expect(t, slices.Concat(member, member, test.rest), []byte("all fieldsall fields"), test.want)
		})
	}
}

func TestSourcesMayReadAsTheyLike(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	sources := map[string]func(io.Reader) io.Reader{
		"a byte at a time":          iotest.OneByteReader,
		"half":                      iotest.HalfReader,
		"data and its end at once":  iotest.DataErrReader,
		"a byte, the last with EOF": func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.OneByteReader(r)) },
		"random sizes": func(r io.Reader) io.Reader {
			return readerFunc(func(p []byte) (int, error) { return r.Read(p[:min(len(p), random.IntN(3000))]) })
		},
		"nothing often": func(r io.Reader) io.Reader {
			reads := 0
			return readerFunc(func(p []byte) (int, error) {
				if reads++; reads%maxEmptyReads != 0 {
					return 0, nil
				}
				return r.Read(p[:min(len(p), 1+random.IntN(3000))])
			})
		},
	}
	streams := kinds()
	long := writers()["standard library, level 6"]
	streams["lines"] = zip(long, data["lines"](600_000))
	streams["random"] = zip(long, data["random"](200_000))
	streams["padded"] = append(slices.Clone(streams["fields"]), make([]byte, 100_000)...)
	r := newReader(t)
	for name, source := range sources {
		for kind, zipped := range streams {
			want, err := new(reference).decode(zipped)
			if err != nil {
				t.Fatal(err)
			}
			r.Reset(source(bytes.NewReader(zipped)))
			if got, err := readAll(r); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s by %s: got %d bytes and %v, want %d", kind, name, len(got), err, len(want))
			}
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestASourcesErrorComesThrough(t *testing.T) {
	broken := errors.New("the connection is broken")
	r := newReader(t)
	streams := kinds()
	streams["padded"] = append(slices.Clone(streams["fields"]), make([]byte, 100)...)
	streams["many members"] = bytes.Repeat(streams["members"], 5)
	streams["lines"] = zip(writers()["standard library, level 6"], data["lines"](10_000))
	var a assembler
	a.stored(true, data["lines"](2500))
	streams["long stored"] = a.member()
	streams["long stored, padded"] = append(a.member(), make([]byte, 100)...)
	for kind, zipped := range streams {
		want, err := new(reference).decode(zipped)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(zipped) + 1 {
			behind := io.MultiReader(bytes.NewReader(zipped[:n]), iotest.ErrReader(broken))
			rest := zipped[:n]
			together := readerFunc(func(p []byte) (int, error) {
				read := copy(p[:min(len(p), 1000)], rest)
				if rest = rest[read:]; len(rest) == 0 {
					return read, broken
				}
				return read, nil
			})
			for _, source := range []io.Reader{behind, together} {
				r.Reset(source)
				if got, err := readAll(r); err != broken || !bytes.HasPrefix(want, got) {
					t.Fatalf("%s behind %d bytes: got %q and %v", kind, n, got, err)
				}
			}
		}
	}
}

func TestASourceThatGivesNothingForeverIsAnError(t *testing.T) {
	r := newReader(t)
	r.Reset(io.MultiReader(bytes.NewReader(kinds()["fixed"][:20]), readerFunc(func([]byte) (int, error) { return 0, nil })))
	if got, err := readAll(r); err != io.ErrNoProgress {
		t.Errorf("got %q and %v, want %v", got, err, io.ErrNoProgress)
	}
}

// checkKept reads a stream with the keeps that keep chooses, and writes to each chunk and its padding. Of the padding it puts
// nothing back.
func checkKept(t *testing.T, r *Reader, want []byte, keep func(chunk []byte) int) {
	t.Helper()
	at := 0
	var chunk, saved []byte
	for {
		kept := keep(chunk)
		next, err := r.Next(kept)
		if !bytes.Equal(next[:kept], saved[len(saved)-kept:]) {
			t.Fatalf("the %d bytes that were kept at %d are others", kept, at)
		}
		added := next[kept:]
		if err != nil {
			if err != io.EOF || len(added) > 0 || at != len(want) {
				t.Fatalf("got %d bytes and %v, want %d", at, err, len(want))
			}
			return
		}
		if len(added) == 0 || at+len(added) > len(want) || !bytes.Equal(added, want[at:at+len(added)]) {
			t.Fatalf("the %d bytes at %d are wrong", len(added), at)
		}
		at += len(added)
		if cap(next) != len(next)+Padding {
			t.Fatalf("the chunk's padding has %d bytes", cap(next)-len(next))
		}
		chunk = next
		saved = append(saved[:0], chunk...)
		clear(chunk[:cap(chunk)])
		copy(chunk, saved)
	}
}

func TestTheEndOfAChunkIsKept(t *testing.T) {
	random := rand.New(rand.NewPCG(10, 10))
	far := far()
	streams := []struct {
		kind         string
		zipped, data []byte
	}{
		{"lines", zip(writers()["klauspost, level 1"], data["lines"](1<<20)), data["lines"](1 << 20)},
		{"zeros", zip(writers()["klauspost, level 1"], data["zeros"](1<<20)), data["zeros"](1 << 20)},
		{"far", far.member(), far.data},
		{"members", bytes.Repeat(kinds()["fields"], 40_000), bytes.Repeat([]byte("all fields"), 40_000)},
		{"empty", kinds()["empty"], nil},
	}
	if hasRaceDetector {
		streams = streams[2:3]
	}
	for name, keep := range map[string]func(chunk []byte) int{
		"nothing":       func([]byte) int { return 0 },
		"a line":        func(chunk []byte) int { return len(chunk) - 1 - bytes.LastIndexByte(chunk, '\n') },
		"any part":      func(chunk []byte) int { return random.IntN(len(chunk) + 1) },
		"a little":      func(chunk []byte) int { return random.IntN(min(len(chunk), 2*maxDistance) + 1) },
		"everything":    func(chunk []byte) int { return len(chunk) },
		"now and then":  func(chunk []byte) int { return random.IntN(2) * len(chunk) },
		"all but a bit": func(chunk []byte) int { return max(0, len(chunk)-random.IntN(100)) },
	} {
		for _, stream := range streams {
			t.Run(stream.kind+", "+name, func(t *testing.T) {
				r := newReader(t)
				r.Reset(bytes.NewReader(stream.zipped))
				checkKept(t, r, stream.data, keep)
			})
		}
	}
}

func TestALineOf16MiBIsKept(t *testing.T) {
	size := 16 << 20
	if hasRaceDetector {
		size /= 4
	}
	line := bytes.Repeat([]byte("a line without an end "), size/22)
	want := slices.Concat([]byte("first\n"), line, []byte("\nlast\n"))
	r := newReader(t)
	for range 2 {
		r.Reset(bytes.NewReader(zip(writers()["klauspost, level 1"], want)))
		checkKept(t, r, want, func(chunk []byte) int { return len(chunk) - 1 - bytes.LastIndexByte(chunk, '\n') })
		if len(r.window) > 5*size/2 {
			t.Errorf("the window has %d bytes", len(r.window))
		}
	}
	r.Release()
	if r.window != nil {
		t.Error("the large window is not released")
	}
}

func TestReleaseLeavesAWindowOfTheUsualSize(t *testing.T) {
	r := newReader(t)
	zipped := kinds()["members"]
	r.Reset(bytes.NewReader(zipped))
	if _, err := readAll(r); err != nil {
		t.Fatal(err)
	}
	r.Release()
	if len(r.window) != windowSize {
		t.Errorf("the window has %d bytes", len(r.window))
	}
	r.Reset(bytes.NewReader(zipped))
	if _, err := readAll(r); err != nil {
		t.Error(err)
	}
}

func TestTheZeroReaderIsForReset(t *testing.T) {
	var r Reader
	r.Reset(bytes.NewReader(kinds()["fields"]))
	if got, err := readAll(&r); err != nil || string(got) != "all fields" {
		t.Errorf("got %q and %v", got, err)
	}
}

// Whatever a Reader has decoded, or stopped at, what it decodes next is as if it were new.
func TestResetForgetsTheStreamBefore(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	c := newComparison(t)
	all := kinds()
	long := zip(writers()["klauspost, level 1"], data["lines"](windowSize))
	for before, zipped := range all {
		for after, next := range all {
			want, err := new(reference).decode(next)
			if err != nil {
				t.Fatal(err)
			}
			for range 30 {
				damaged := slices.Clone(zipped)
				switch random.IntN(4) {
				case 0:
					damaged = damaged[:random.IntN(len(damaged))]
				case 1:
					damaged = long
				default:
					damaged[random.IntN(len(damaged))] ^= 1 << random.IntN(8)
				}
				c.reader.Reset(bytes.NewReader(damaged))
				for range random.IntN(3) {
					_, _ = c.reader.Next(0)
				}
				c.reader.Reset(bytes.NewReader(next))
				if got, err := readAll(c.reader); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s behind %s (%x): got %q and %v", after, before, begin(damaged), got, err)
				}
			}
		}
	}
}

// A stream after Reset must not copy from what the window still holds.
func TestAMatchDoesNotReachTheStreamBefore(t *testing.T) {
	c := newComparison(t)
	var a assembler
	a.fixed(true)
	a.literals('a')
	a.badMatch(3, 2)
	for _, zipped := range [][]byte{a.member(), append(a.member(), tail()...)} {
		c.reader.Reset(bytes.NewReader(kinds()["dynamic"]))
		if _, err := readAll(c.reader); err != nil {
			t.Fatal(err)
		}
		c.expect(t, zipped, []byte("a"), ErrData)
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	var r Reader
	var source bytes.Reader
	streams := kinds()
	streams["lines"] = zip(writers()["standard library, level 6"], data["lines"](600_000))
	for kind, zipped := range streams {
		decode := func() {
			source.Reset(zipped)
			r.Reset(&source)
			for {
				if _, err := r.Next(0); err == io.EOF {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := testing.AllocsPerRun(10, decode); n > 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

func TestTheWindowDoesNotGrowWithTheStream(t *testing.T) {
	// A match of 258 zeros takes two bits, so that a member of 8 MiB is small.
	var a assembler
	c := codes{make([]uint8, 286), []uint8{1}}
	c.literals[285], c.literals[0], c.literals[256] = 1, 2, 2
	a.dynamic(true, c)
	a.literals(0)
	for range 8 << 20 / 258 {
		a.match(258, 1)
	}
	a.end()
	member := a.member()
	var members []io.Reader
	size := 1 << 30
	if hasRaceDetector {
		size /= 16
	}
	for range size / len(a.data) {
		members = append(members, bytes.NewReader(member))
	}
	r := newReader(t)
	r.Reset(io.MultiReader(members...))
	size = 0
	for {
		chunk, err := r.Next(0)
		if size += len(chunk); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if want := len(members) * len(a.data); size != want || len(r.window) != windowSize {
		t.Errorf("got %d bytes with a window of %d, want %d", size, len(r.window), want)
	}
}

func TestNextGivesTheErrorAgain(t *testing.T) {
	r := newReader(t)
	zipped := kinds()["fields"]
	r.Reset(bytes.NewReader(append(slices.Clone(zipped), "trailing"...)))
	chunk, err := r.Next(0)
	if string(chunk) != "all fields" || err != nil {
		t.Fatalf("got %q and %v", chunk, err)
	}
	for _, keep := range []int{6, 6, 3, 3, 0, 0} {
		if chunk, err := r.Next(keep); err != ErrTrailing || string(chunk) != "fields"[6-keep:] {
			t.Errorf("got %q and %v, want the last %d bytes and %v", chunk, err, keep, ErrTrailing)
		}
	}
}
