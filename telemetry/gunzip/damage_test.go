package gunzip

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAStreamThatIsCutIsTruncated(t *testing.T) {
	c := newComparison(t)
	streams := kinds()
	random := rand.New(rand.NewPCG(1, 1))
	var a assembler
	a.randomBlocks(random, 200)
	streams["random blocks"] = a.member()
	streams["lines"] = zip(writers()["standard library, level 6"], data["lines"](5000))
	for kind, zipped := range streams {
		t.Run(kind, func(t *testing.T) {
			data, err := c.compare(t, zipped)
			if err != nil {
				t.Fatal(err)
			}
			if kind == "members" {
				zipped = zipped[:len(zipped)-len(streams["stored"])+5]
			}
			for n := range len(zipped) {
				got, err := c.compare(t, zipped[:n])
				isWhole := kind == "members" && err == nil
				if err != ErrTruncated && !isWhole || !bytes.HasPrefix(data, got) {
					t.Fatalf("at %d of %d: got %q and %v", n, len(zipped), got, err)
				}
			}
		})
	}
}

// The fast loop stops while the input still has all that a round can consume: here that is close to the most.
func TestAStreamOfLongCodesAndFarMatchesThatIsCutIsTruncated(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	r := newReader(t)
	for range 10 {
		var a assembler
		a.stored(false, data["random"](maxDistance))
		// 257 to 284 have long codes and extra bits, and so have the distances.
		c := codes{make([]uint8, 286), make([]uint8, 30)}
		for i, symbol := range []int{'a', 'b', 'c', 256, 258, 259, 270, 271, 275, 276, 277, 279, 280, 281, 282, 283} {
			c.literals[symbol] = uint8(min(i+1, maxCode))
		}
		for symbol := range 16 {
			c.distances[14+symbol] = uint8(min(symbol+1, maxCode))
		}
		a.dynamic(true, c)
		start := len(a.stream)
		for range 60 {
			a.literals([]byte("ccc")[:random.IntN(4)]...)
			a.match(131+random.IntN(90), 16385+random.IntN(16384))
		}
		a.end()
		zipped := a.member()
		for n := start + 20; n < len(zipped); n++ {
			r.Reset(bytes.NewReader(zipped[:n]))
			if got, err := readAll(r); err != ErrTruncated || !bytes.HasPrefix(a.data, got) {
				t.Fatalf("at %d of %d: got %d bytes and %v", n, len(zipped), len(got), err)
			}
		}
	}
}

func TestASymbolThatIsCutIsTruncatedThoughItCannotBeRight(t *testing.T) {
	c := newComparison(t)
	var a assembler
	a.fixed(true)
	a.literals(200, 201, 202, 203, 204, 205) // Six codes of nine bits and
	a.bits(0b1100011, 7)                     // what symbols 286 and 287 begin with end with a byte.
	c.expect(t, a.member()[:10+len(a.stream)], a.data, ErrTruncated)
}

func TestAMatchAcrossChunksDoesNotReachTheMemberBefore(t *testing.T) {
	c := newComparison(t)
	var first assembler
	first.stored(false, data["random"](65535))
	for range (maxDistance + chunkSize - 65535 - 50) / 100 {
		first.stored(false, data["lines"](100))
	}
	first.stored(true, nil)
	for beyond, want := range []error{nil, ErrData} {
		var a assembler
		a.fixed(true)
		a.literals(data["lines"](300)...)
		all := slices.Concat(first.data, a.data)
		if want == nil {
			a.match(3, 300)
			all = slices.Concat(first.data, a.data)
		} else {
			a.badMatch(3, 300+beyond)
		}
		a.end()
		for _, behind := range []int{0, 1} {
			rest := bytes.Repeat(tail(), behind)
			if want == nil {
				all = append(all, bytes.Repeat([]byte("tail"), 300*behind)...)
			}
			c.expect(t, slices.Concat(first.member(), a.member(), rest), all, want)
		}
	}
}

func TestAStreamThatIsCutWhereTheInputIsReadIsTruncated(t *testing.T) {
	r := newReader(t)
	want := data["lines"](900_000)
	zipped := zip(writers()["standard library, level 6"], want)
	for _, around := range []int{inputSize, 2*inputSize - inputSlack} {
		for n := around - 12; n < around+12; n++ {
			r.Reset(bytes.NewReader(zipped[:n]))
			if got, err := readAll(r); err != ErrTruncated || !bytes.HasPrefix(want, got) || len(got) < n {
				t.Fatalf("at %d: got %d bytes and %v", n, len(got), err)
			}
		}
	}
}

func TestAFlippedBitIsJudgedAsTheStandardLibraryDoes(t *testing.T) {
	c := newComparison(t)
	behind := tail()
	for kind, zipped := range kinds() {
		t.Run(kind, func(t *testing.T) {
			step := 1
			if hasRaceDetector {
				step = 5
			}
			for i := 0; i < len(zipped)*8; i += step {
				damaged := slices.Clone(zipped)
				damaged[i/8] ^= 1 << (i % 8)
				c.compare(t, damaged)
				c.compare(t, append(damaged, behind...))
			}
		})
	}
}

func TestDamagedBlocksAreJudgedAsTheStandardLibraryDoes(t *testing.T) {
	c := newComparison(t)
	random := rand.New(rand.NewPCG(2, 2))
	for range 1000 {
		var a assembler
		a.randomBlocks(random, 1+random.IntN(100))
		damaged := a.member()
		for range 1 + random.IntN(3) {
			damaged[10+random.IntN(len(damaged)-10)] = byte(random.Uint32())
		}
		c.compare(t, damaged)
	}
}

// literalLengths are the lengths of a code for literals: 'a', 'b', the end of a block, and lengths 3 and 258.
func literalLengths() []uint8 {
	return slices.Clone(skewed(286, 'a', 'b', 256, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 268, 285))
}

func TestCrookedStreamsAreJudgedAsTheStandardLibraryDoes(t *testing.T) {
	// with changes the lengths of a code for literals.
	with := func(change func(lengths []uint8)) []uint8 {
		lengths := literalLengths()
		change(lengths)
		return lengths
	}
	good := literalLengths()
	one := []uint8{1}
	// items give all lengths of the codes good and one in a header, one by one.
	var items []lengthItem
	for _, length := range append(slices.Clone(good), one...) {
		items = append(items, lengthItem{symbol: int(length)})
	}
	behind, first := tail(), kinds()["fields"]
	for _, test := range []struct {
		name  string
		want  error
		write func(a *assembler)
	}{
		{"type 3", ErrData, func(a *assembler) { a.block(true, 3) }},
		{"a complement that is wrong", ErrData, func(a *assembler) { a.storedHeader(true, 5, 5) }},
		{"a complement that is wrong by a bit", ErrData, func(a *assembler) { a.storedHeader(true, 5, ^5^0x8000) }},
		{"a code of one literal", nil, func(a *assembler) {
			a.dynamic(false, codes{append(make([]uint8, 256), 1), one})
			a.end()
			a.dynamic(true, codes{append(make([]uint8, 256), 1), []uint8{0}})
			a.end()
		}},
		{"the other bit of a code of one literal", ErrData, func(a *assembler) {
			a.dynamic(true, codes{append(make([]uint8, 256), 1), one})
			a.bits(1, 1)
		}},
		{"a code of one literal, which is not the end", ErrData, func(a *assembler) {
			a.dynamic(true, codes{append(append(make([]uint8, 'a'), 1), make([]uint8, 256-'a')...), one})
			a.literals([]byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")...)
			a.bits(1, 1)
		}},
		{"a code of one literal of two bits", ErrData, func(a *assembler) {
			a.dynamic(true, codes{append(make([]uint8, 256), 2), one})
			a.end()
		}},
		{"no literals", ErrData, func(a *assembler) { a.dynamic(true, codes{make([]uint8, 257), one}) }},
		{"a code of one distance", nil, func(a *assembler) {
			a.dynamic(true, codes{good, one})
			a.literals('a')
			a.match(3, 1)
			a.end()
		}},
		{"a code of one distance, which is not the first", nil, func(a *assembler) {
			a.dynamic(true, codes{good, []uint8{0, 0, 1}})
			a.literals('a', 'b', 'b')
			a.match(3, 3)
			a.end()
		}},
		{"the other bit of a code of one distance", ErrData, func(a *assembler) {
			a.dynamic(true, codes{good, one})
			a.literals('a')
			a.symbol(good, 257)
			a.bits(1, 1)
		}},
		{"a code of one distance of two bits", ErrData, func(a *assembler) {
			a.dynamic(true, codes{good, []uint8{2}})
			a.end()
		}},
		{"no distances and no match", nil, func(a *assembler) {
			a.dynamic(true, codes{good, []uint8{0}})
			a.literals('a')
			a.end()
		}},
		{"no distances but a match", ErrData, func(a *assembler) {
			a.dynamic(true, codes{good, []uint8{0}})
			a.literals('a')
			a.symbol(good, 257)
			a.bits(0, 1)
		}},
		{"an incomplete code of literals", ErrData, func(a *assembler) {
			a.dynamic(true, codes{with(func(l []uint8) { l[285] = 0 }), one})
			a.end()
		}},
		{"a code of literals that is incomplete early", ErrData, func(a *assembler) {
			a.dynamic(true, codes{with(func(l []uint8) { l['a'] = 0 }), one})
			a.end()
		}},
		{"an oversubscribed code of literals", ErrData, func(a *assembler) {
			a.dynamic(true, codes{with(func(l []uint8) { l['c'] = 15 }), one})
			a.end()
		}},
		{"a code of literals that is oversubscribed early", ErrData, func(a *assembler) {
			a.dynamic(true, codes{with(func(l []uint8) { l['c'], l['d'], l['e'] = 1, 1, 1 }), one})
			a.end()
		}},
		{"an incomplete code of distances", ErrData, func(a *assembler) {
			a.dynamic(true, codes{good, []uint8{1, 2}})
			a.end()
		}},
		{"an oversubscribed code of distances", ErrData, func(a *assembler) {
			a.dynamic(true, codes{good, []uint8{1, 1, 15}})
			a.end()
		}},
		{"an incomplete code for code lengths", ErrData, func(a *assembler) {
			a.dynamicHeader(true, 257, 1, append(repeated(13, 4), repeated(6, 6)...), nil)
		}},
		{"an oversubscribed code for code lengths", ErrData, func(a *assembler) {
			a.dynamicHeader(true, 257, 1, repeated(19, 4), nil)
		}},
		{"no code for code lengths", ErrData, func(a *assembler) {
			a.dynamicHeader(true, 257, 1, make([]uint8, 19), nil)
		}},
		{"a code for code lengths of one", ErrData, func(a *assembler) {
			lengths := make([]uint8, 19)
			lengths[18] = 1
			a.dynamicHeader(true, 257, 1, lengths, []lengthItem{{18, 127}, {18, 109}}) // all zero
		}},
		{"the other bit of a code for code lengths of one", ErrData, func(a *assembler) {
			lengths := make([]uint8, 19)
			lengths[18] = 1
			a.dynamicHeader(true, 257, 1, lengths, []lengthItem{{18, 127}})
			a.bits(1, 1)
		}},
		{"the other bit of such a code, which the block before has", ErrData, func(a *assembler) {
			lengths := make([]uint8, 19)
			lengths[1], lengths[18] = 1, 1
			a.dynamicHeader(false, 257, 1, lengths, []lengthItem{{18, 127}, {18, 107}, {1, 0}, {1, 0}})
			a.codes = codes{append(make([]uint8, 256), 1), one}
			a.end()
			lengths[18] = 0
			a.dynamicHeader(true, 257, 1, lengths, nil)
			a.bits(1|127<<1, 8)
			a.bits(1|107<<1, 8)
			a.bits(0, 2)
			a.end()
		}},
		{"286 literals and 30 distances", nil, func(a *assembler) {
			a.dynamic(true, codes{good, append(slices.Clone(one), make([]uint8, 29)...)})
			a.end()
		}},
		{"287 literals", ErrData, func(a *assembler) {
			a.dynamic(true, codes{append(slices.Clone(good), 0), one})
			a.end()
		}},
		{"288 literals", ErrData, func(a *assembler) {
			a.dynamic(true, codes{append(slices.Clone(good), 0, 0), one})
			a.end()
		}},
		{"31 distances", ErrData, func(a *assembler) {
			a.dynamic(true, codes{good, append(slices.Clone(one), make([]uint8, 30)...)})
			a.end()
		}},
		{"32 distances", ErrData, func(a *assembler) {
			a.dynamic(true, codes{good, append(slices.Clone(one), make([]uint8, 31)...)})
			a.end()
		}},
		{"a repeated length before the first", ErrData, func(a *assembler) {
			a.dynamicHeader(true, 286, 1, flatLengths, []lengthItem{{16, 0}})
		}},
		{"lengths that repeat from literals to distances", nil, func(a *assembler) {
			lengths := append(make([]uint8, 256), 2, 2, 2, 2)
			a.dynamicHeader(true, 260, 4, flatLengths, []lengthItem{{18, 127}, {18, 107}, {2, 0}, {16, 0}, {16, 1}})
			a.codes = codes{lengths, repeated(4, 2)}
			a.end()
		}},
		{"zeros that end with the last length", nil, func(a *assembler) {
			a.dynamicHeader(true, 257, 11, flatLengths, []lengthItem{{18, 127}, {18, 107}, {1, 0}, {1, 0}, {17, 7}})
			a.codes = codes{append(make([]uint8, 256), 1), one}
			a.end()
		}},
		{"a repeated length past the last", ErrData, func(a *assembler) {
			a.dynamicHeader(true, 286, 1, flatLengths, append(slices.Clone(items[:len(items)-2]), lengthItem{16, 0}))
		}},
		{"zeros past the last", ErrData, func(a *assembler) {
			a.dynamicHeader(true, 286, 1, flatLengths, append(slices.Clone(items[:len(items)-2]), lengthItem{17, 0}))
		}},
		{"many zeros past the last", ErrData, func(a *assembler) {
			a.dynamicHeader(true, 286, 1, flatLengths, append(slices.Clone(items[:len(items)-2]), lengthItem{18, 0}))
		}},
		{"the longest zeros past all lengths", ErrData, func(a *assembler) {
			a.dynamicHeader(true, 286, 30, flatLengths, []lengthItem{{18, 127}, {18, 127}, {18, 127}})
		}},
		{"symbol 286 in a fixed block", ErrData, func(a *assembler) {
			a.fixed(true)
			a.literals('a', 'b')
			a.symbol(a.codes.literals, 286)
		}},
		{"symbol 287 in a fixed block", ErrData, func(a *assembler) {
			a.fixed(true)
			a.symbol(a.codes.literals, 287)
		}},
		{"distance symbol 30 in a fixed block", ErrData, func(a *assembler) {
			a.fixed(true)
			a.literals('a', 'b')
			a.symbol(a.codes.literals, 257)
			a.symbol(a.codes.distances, 30)
		}},
		{"distance symbol 31 in a fixed block", ErrData, func(a *assembler) {
			a.fixed(true)
			a.literals('a', 'b')
			a.symbol(a.codes.literals, 285)
			a.symbol(a.codes.distances, 31)
		}},
		{"258 as symbol 284 with extra bits", nil, func(a *assembler) {
			a.fixed(true)
			a.literals('a')
			a.symbol(a.codes.literals, 284)
			a.bits(31, 5)
			a.symbol(a.codes.distances, 0)
			a.data = bytes.Repeat([]byte("a"), 259)
			a.end()
		}},
		{"a match before the first byte", ErrData, func(a *assembler) {
			a.fixed(true)
			a.badMatch(3, 1)
		}},
		{"a match to the first byte", nil, func(a *assembler) {
			a.fixed(true)
			a.literals([]byte("first")...)
			a.match(3, 5)
			a.end()
		}},
		{"a match beyond the first byte by one", ErrData, func(a *assembler) {
			a.fixed(true)
			a.literals([]byte("first")...)
			a.badMatch(3, 6)
		}},
		{"a match beyond the first byte by all", ErrData, func(a *assembler) {
			a.fixed(true)
			a.literals([]byte("first")...)
			a.badMatch(258, 32768)
		}},
		{"a literal and a match in one entry, which reaches too far", ErrData, func(a *assembler) {
			a.dynamic(true, codes{good, []uint8{1, 1}})
			a.literals('a')
			a.badMatch(3, 2)
		}},
		{"a match through stored bytes", nil, func(a *assembler) {
			a.stored(false, []byte("stored"))
			a.fixed(true)
			a.match(258, 6)
			a.end()
		}},
		{"the longest header", nil, func(a *assembler) {
			lengths := []uint8{0: 1, 1: 2, 2: 3, 3: 4, 6: 5, 4: 7, 5: 7, 8: 7, 9: 7, 18: 0}
			c := codes{append(repeated(226, 8), repeated(60, 9)...), append(repeated(2, 4), repeated(28, 5)...)}
			for range 3 {
				var items []lengthItem
				for _, length := range append(slices.Clone(c.literals), c.distances...) {
					items = append(items, lengthItem{symbol: int(length)})
				}
				a.dynamicHeader(false, 286, 30, lengths, items)
				a.codes = c
				a.literals([]byte("header")...)
				a.match(258, 6)
				a.end()
			}
			a.stored(true, nil)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newComparison(t)
			// Empty blocks before it move it to every bit of a byte. What is behind it makes that the fast loop decodes it.
			for _, before := range []int{0, 1, 2, 3, 100} {
				for _, behind := range [][]byte{nil, behind} {
					var a assembler
					for range before {
						a.fixed(false)
						a.end()
					}
					test.write(&a)
					zipped := append(a.member(), behind...)
					want := a.data
					if test.want == nil && behind != nil {
						want = append(want, bytes.Repeat([]byte("tail"), 300)...)
					}
					c.expect(t, zipped, want, test.want)
					// No match reaches the member before.
					c.expect(t, append(slices.Clone(first), zipped...), append([]byte("all fields"), want...), test.want)
				}
			}
		})
	}
}

func TestABlockNeedsNoCodeForItsEndButHasNone(t *testing.T) {
	c := newComparison(t)
	lengths := literalLengths()
	lengths['c'], lengths[256] = lengths[256], 0
	for _, behind := range [][]byte{nil, tail()} {
		var a assembler
		a.dynamic(true, codes{lengths, []uint8{1}})
		a.literals([]byte("abcabc")...)
		if got, err := c.compare(t, append(a.member(), behind...)); err == nil || !bytes.HasPrefix(got, a.data) {
			t.Errorf("got %q and %v", got, err)
		}
	}
}

func TestAChecksumOrSizeThatIsWrongIsAnError(t *testing.T) {
	c := newComparison(t)
	for kind, zipped := range kinds() {
		if kind == "members" {
			continue
		}
		want, err := c.compare(t, zipped)
		if err != nil {
			t.Fatal(err)
		}
		for i := range trailerSize {
			damaged := slices.Clone(zipped)
			damaged[len(damaged)-1-i]++
			c.expect(t, damaged, want, ErrChecksum)
			c.expect(t, append(damaged, zipped...), want, ErrChecksum)
		}
	}
}

func TestWhatIsNoGzipIsAnError(t *testing.T) {
	c := newComparison(t)
	for _, test := range []struct {
		name, stream string
		want         error
	}{
		{"nothing", "", ErrTruncated},
		{"a byte", "x", ErrTruncated},
		{"zeros", string(make([]byte, 100)), ErrHeader},
		{"text", "this is no gzip at all", ErrHeader},
		{"zip", "PK\x03\x04 and so on", ErrHeader},
		{"another second mark", "\x1f\x8c\x08\x00and so on", ErrHeader},
		{"another method", "\x1f\x8b\x07\x00and so on", ErrHeader},
	} {
		t.Run(test.name, func(t *testing.T) { c.expect(t, []byte(test.stream), nil, test.want) })
	}
}

func TestAHeadersChecksumIsCompared(t *testing.T) {
	c := newComparison(t)
	zipped := kinds()["fields"]
	end := bytes.Index(zipped, []byte("comment\x00")) + len("comment\x00")
	for _, i := range []int{4, 12, end - 2, end, end + 1} {
		damaged := slices.Clone(zipped)
		damaged[i] ^= 0x40
		c.expect(t, damaged, nil, ErrHeader)
	}
}

// A source that counts wrongly must not make the fast loop read what is no input.
func TestACountThatIsImpossibleIsAnError(t *testing.T) {
	for _, wrong := range []int{-1, inputSize + 1, math.MaxInt} {
		for _, read := range []int{0, 30} {
			r := newReader(t)
			r.Reset(io.MultiReader(bytes.NewReader(kinds()["fixed"][:read]),
				readerFunc(func([]byte) (int, error) { return wrong, nil })))
			if got, err := readAll(r); err != errCount {
				t.Errorf("a count of %d: got %q and %v", wrong, got, err)
			}
		}
	}
}
