package gunzip

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// assembler writes a deflate stream bit by bit, crooked ones too, and beside it the data that it decodes to.
type assembler struct {
	stream []byte
	free   int // how many bits of the stream's last byte are free
	codes  codes
	// assigned are the codes of the last literals, and of the last distances or code lengths.
	assigned [2]assigned
	data     []byte
}

// codes are the lengths of a block's codes, by symbol.
type codes struct{ literals, distances []uint8 }

// fixedCodes are those of fixed blocks, which give codes to symbols that stand for nothing, too.
var fixedCodes = codes{
	append(repeated(144, 8), append(repeated(112, 9), append(repeated(24, 7), repeated(8, 8)...)...)...),
	repeated(32, 5),
}

func repeated(n int, length uint8) []uint8 {
	lengths := make([]uint8, n)
	for i := range lengths {
		lengths[i] = length
	}
	return lengths
}

// bits writes the lowest bits of value, the lowest one first.
func (a *assembler) bits(value, count int) {
	for i := range count {
		if a.free == 0 {
			a.stream = append(a.stream, 0)
			a.free = 8
		}
		a.stream[len(a.stream)-1] |= byte(value>>i&1) << (8 - a.free)
		a.free--
	}
}

// block begins a block of a type.
func (a *assembler) block(isFinal bool, kind int) {
	final := 0
	if isFinal {
		final = 1
	}
	a.bits(final, 1)
	a.bits(kind, 2)
}

func (a *assembler) stored(isFinal bool, data []byte) {
	a.storedHeader(isFinal, len(data), ^len(data))
	a.stream = append(a.stream, data...)
	a.data = append(a.data, data...)
}

func (a *assembler) storedHeader(isFinal bool, size, complement int) {
	a.block(isFinal, storedBlock)
	a.free = 0
	a.bits(size, 16)
	a.bits(complement, 16)
}

func (a *assembler) fixed(isFinal bool) {
	a.block(isFinal, fixedBlock)
	a.codes = fixedCodes
}

// lengthItem is a symbol of a dynamic block's header with the value of its extra bits.
type lengthItem struct{ symbol, extra int }

// flatLengths is a code for code lengths that has all of them.
var flatLengths = append(repeated(13, 4), repeated(6, 5)...)

// dynamic begins a dynamic block, each of whose lengths the header gives by itself.
func (a *assembler) dynamic(isFinal bool, c codes) {
	var items []lengthItem
	for _, lengths := range [][]uint8{c.literals, c.distances} {
		for _, length := range lengths {
			items = append(items, lengthItem{symbol: int(length)})
		}
	}
	a.dynamicHeader(isFinal, len(c.literals), len(c.distances), flatLengths, items)
	a.codes = c
}

// dynamicHeader writes the header of a dynamic block that need not make sense. lengths is the code for code lengths.
func (a *assembler) dynamicHeader(isFinal bool, literals, distances int, lengths []uint8, items []lengthItem) {
	a.block(isFinal, dynamicBlock)
	a.bits(literals-257, 5)
	a.bits(distances-1, 5)
	a.bits(len(lengthCodes)-4, 4)
	for _, symbol := range lengthCodes {
		a.bits(int(lengths[symbol]), 3)
	}
	for _, item := range items {
		a.symbol(lengths, item.symbol)
		if item.symbol >= repeatLast {
			a.bits(item.extra, []int{2, 3, 7}[item.symbol-repeatLast])
		}
	}
}

// symbol writes the code of a symbol.
func (a *assembler) symbol(lengths []uint8, symbol int) {
	if lengths[symbol] == 0 {
		panic("the symbol has no code")
	}
	assigned := &a.assigned[0]
	if len(lengths) < 257 {
		assigned = &a.assigned[1]
	}
	if !bytes.Equal(assigned.lengths, lengths) {
		*assigned = assign(lengths)
	}
	a.bits(assigned.codes[symbol], int(lengths[symbol]))
}

// assigned are codes by symbol, the first bit lowest.
type assigned struct {
	lengths []uint8
	codes   []int
}

// assign gives symbols their codes (RFC 1951, 3.2.2).
func assign(lengths []uint8) assigned {
	codes := make([]int, len(lengths))
	next := 0
	for length := uint8(1); length <= maxCode; length++ {
		next <<= 1
		for symbol, l := range lengths {
			if l == length {
				codes[symbol] = int(bits.Reverse16(uint16(next)) >> (16 - length))
				next++
			}
		}
	}
	return assigned{slices.Clone(lengths), codes}
}

func (a *assembler) literals(data ...byte) {
	for _, c := range data {
		a.symbol(a.codes.literals, int(c))
	}
	a.data = append(a.data, data...)
}

func (a *assembler) match(length, distance int) {
	a.badMatch(length, distance)
	for range length {
		a.data = append(a.data, a.data[len(a.data)-distance])
	}
}

// badMatch writes a match that need not be possible.
func (a *assembler) badMatch(length, distance int) {
	symbol, extra, value := lengthSymbol(length)
	a.symbol(a.codes.literals, symbol)
	a.bits(value, extra)
	symbol, extra, value = distanceSymbol(distance)
	a.symbol(a.codes.distances, symbol)
	a.bits(value, extra)
}

func (a *assembler) end() { a.symbol(a.codes.literals, 256) }

// lengthSymbol is the symbol of a match's length, how many extra bits follow it, and their value.
func lengthSymbol(length int) (symbol, extra, value int) {
	if length == 258 {
		return 285, 0, 0
	}
	symbol, extra, value = rangeSymbol(length-3, 3)
	return 257 + symbol, extra, value
}

// distanceSymbol is the same of a match's distance.
func distanceSymbol(distance int) (symbol, extra, value int) {
	return rangeSymbol(distance-1, 2)
}

// rangeSymbol is the symbol of a value where each power of two has 1<<(precision-1) symbols.
func rangeSymbol(value, precision int) (symbol, extra, rest int) {
	extra = max(0, bits.Len(uint(value))-precision)
	return value>>extra + extra<<(precision-1), extra, value & (1<<extra - 1)
}

// member is the stream as a member with a header of no fields.
func (a *assembler) member() []byte {
	zipped := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, a.stream...)
	zipped = binary.LittleEndian.AppendUint32(zipped, crc32.ChecksumIEEE(a.data))
	return binary.LittleEndian.AppendUint32(zipped, uint32(len(a.data)))
}

// randomLengths are those of a complete code of so many of the symbols below limit, the required ones among them. Of a
// deep code many are long.
func randomLengths(random *rand.Rand, limit, symbols int, isDeep bool, required ...int) []uint8 {
	tree := []uint8{1, 1}
	for len(tree) < symbols {
		i := random.IntN(len(tree))
		if isDeep && random.IntN(4) > 0 {
			i = len(tree) - 1
		}
		if tree[i] < maxCode {
			tree[i]++
			tree = append(tree, tree[i])
		}
	}
	random.Shuffle(len(tree), func(i, j int) { tree[i], tree[j] = tree[j], tree[i] })
	lengths := make([]uint8, limit)
	for _, symbol := range append(required, random.Perm(limit)...) {
		if len(tree) > 0 && lengths[symbol] == 0 {
			lengths[symbol] = tree[0]
			tree = tree[1:]
		}
	}
	return lengths
}

// randomBlocks writes several blocks of all types, whose codes and symbols are random.
func (a *assembler) randomBlocks(random *rand.Rand, symbols int) {
	for isFinal := false; !isFinal; {
		isFinal = random.IntN(4) == 0
		switch random.IntN(5) {
		case 0:
			data := make([]byte, random.IntN(40))
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			a.stored(isFinal, data)
			continue
		case 1:
			a.fixed(isFinal)
		default:
			isDeep := random.IntN(2) == 0
			a.dynamic(isFinal, codes{
				randomLengths(random, 286, 2+random.IntN(285), isDeep, 256, random.IntN(256)),
				randomLengths(random, 30, 2+random.IntN(29), isDeep),
			})
		}
		a.randomSymbols(random, symbols)
		a.end()
	}
}

// randomSymbols writes so many literals and matches that the codes have.
func (a *assembler) randomSymbols(random *rand.Rand, count int) {
	var literals, lengths, distances []int
	for symbol, length := range a.codes.literals[:286] {
		switch {
		case length > 0 && symbol < 256:
			literals = append(literals, symbol)
		case length > 0 && symbol > 256:
			lengths = append(lengths, symbol)
		}
	}
	for symbol, length := range a.codes.distances[:30] {
		if length > 0 {
			distances = append(distances, symbol)
		}
	}
	for range count {
		if len(literals) > 0 && (len(lengths) == 0 || random.IntN(3) > 0) {
			a.literals(byte(literals[random.IntN(len(literals))]))
			continue
		}
		if len(lengths) == 0 {
			return
		}
		length := firstLengths[lengths[random.IntN(len(lengths))]-257]
		_, extra, _ := lengthSymbol(length)
		length += random.IntN(1 << extra)
		distance := firstDistances[distances[random.IntN(len(distances))]]
		_, extra, _ = distanceSymbol(distance)
		distance += random.IntN(1 << extra)
		if length == 258 && a.codes.literals[285] == 0 {
			length-- // which has the symbol before
		}
		if distance <= len(a.data) {
			a.match(length, distance)
		}
	}
}

// firstLengths and firstDistances are the smallest values of each symbol, as the tables of RFC 1951, 3.2.5 give them.
var (
	firstLengths = [...]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
		131, 163, 195, 227, 258}
	firstDistances = [...]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025,
		1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
)
