package gunzip

import "math/bits"

// An entry of the table of literals and lengths stands for the next bits of the input: for two literals, a literal and a
// length, a length, or a literal, as far as literalBits say. Its fields are sums of what its symbols add, for two symbols
// are combined by adding their entries:
//
//	bits  0–5   how many bits it consumes, extra bits included
//	bits  8–9   how many literals it writes
//	bits 10–13  how many of the consumed bits are codes
//	bit  14     isSpecial: it consumes nothing, and the bits from 16 on say what it is
//	bit  15     hasLength, which special entries have, too
//	bits 16–23  the first literal
//	bits 24–31  the second literal, or the length less 3
//
// An entry of the table of distances has the distance without its extra bits from bit 16 on, and no literals.
//
// Where codes are longer than the table's bits, the entry of what they begin with is special: its bits from 16 on are
// where its second table begins, which is as large as the longest code of the block needs.
const (
	consumedMask  = 63
	literalShift  = 8
	literalMask   = 3
	codeShift     = 10
	codeMask      = 15
	isSpecial     = 1 << 14
	hasLength     = 1 << 15
	firstShift    = 16
	secondShift   = 24
	oneLiteral    = 1 << literalShift
	endOfBlock    = isSpecial | hasLength                 // a second table never begins at 0
	invalid       = isSpecial | hasLength | 1<<firstShift // nor at 1
	literalBits   = 10
	distanceBits  = 8
	maxCode       = 15
	maxLengthCode = 7
	minLength     = 3
	// Each second table serves two codes at least.
	literalEntries  = 1<<literalBits + 288/2<<(maxCode-literalBits)
	distanceEntries = 1<<distanceBits + 32/2<<(maxCode-distanceBits)
)

// tables are those of the current block. Their sizes are powers of two, so that a masked index needs no check.
type tables struct {
	literals  [8 << 10]uint32
	distances [4 << 10]uint32
	// literalSecond and distanceSecond mask the index into a second table.
	literalSecond, distanceSecond uint64
	lengthTable                   [1 << maxLengthCode]uint8 // symbol<<3 | length, 0 for none
	lengths                       [maxLiterals + maxDistances]uint8
	rest                          [1 << literalBits]uint32
	isFixed                       bool // whether the tables are those of fixed blocks
	code                          code
}

const (
	_ = uint(8<<10 - literalEntries)
	_ = uint(4<<10 - distanceEntries)
)

// literalSymbols and distanceSymbols are what each symbol adds to an entry, but for the length of its code.
var (
	literalSymbols  = makeLiteralSymbols()
	distanceSymbols = makeDistanceSymbols()
)

func makeLiteralSymbols() (entries [288]uint32) {
	for i := range entries {
		entries[i] = invalid
	}
	for i := range uint32(256) {
		entries[i] = oneLiteral | i<<firstShift
	}
	entries[256] = endOfBlock
	length := uint32(0)
	for i := range uint32(28) {
		var extra uint32
		if i >= 8 {
			extra = i/4 - 1
		}
		entries[257+i] = extra | hasLength | length<<secondShift
		length += 1 << extra
	}
	// The longest match has a symbol of its own.
	entries[285] = hasLength | (258-minLength)<<secondShift
	return entries
}

func makeDistanceSymbols() (entries [32]uint32) {
	distance := uint32(1)
	for i := range uint32(maxDistances) {
		var extra uint32
		if i >= 4 {
			extra = i/2 - 1
		}
		entries[i] = extra | distance<<firstShift
		distance += 1 << extra
	}
	entries[30], entries[31] = invalid, invalid
	return entries
}

// code is a canonical Huffman code.
type code struct {
	sorted  [288]uint16 // the symbols that have a code, by the length of that, then by number
	reverse [288]uint16 // their codes, the first bit lowest
	ends    [maxCode + 1]int
	symbols int
	longest int
}

// assign gives the symbols their codes (RFC 1951, 3.2.2), and tells whether that is possible: like the other decoders
// it takes codes that leave bits unused only where there is at most one symbol, of one bit.
func (c *code) assign(lengths []uint8) bool {
	var counts [maxCode + 1]int
	for _, length := range lengths {
		counts[length&15]++
	}
	counts[0] = 0
	var first [maxCode + 1]uint32
	next, at := uint32(0), 0
	c.longest = 0
	for length := 1; length <= maxCode; length++ {
		next <<= 1
		first[length] = next
		next += uint32(counts[length])
		c.ends[length] = at // moves to the end below
		at += counts[length]
		if counts[length] > 0 {
			c.longest = length
		}
	}
	c.symbols = at
	if next != 1<<maxCode && at != 0 && !(at == 1 && c.longest == 1) {
		return false
	}
	for symbol, length := range lengths {
		if length == 0 {
			continue
		}
		length &= 15
		i := c.ends[length]
		c.ends[length]++
		c.sorted[i] = uint16(symbol)
		c.reverse[i] = bits.Reverse16(uint16(first[length])) >> (16 - length)
		first[length]++
	}
	return true
}

// buildFixed builds the tables of fixed blocks (RFC 1951, 3.2.6).
func (t *tables) buildFixed() {
	if t.isFixed {
		return
	}
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	t.buildLiterals(lengths[:])
	for i := range 32 {
		lengths[i] = 5
	}
	t.buildDistances(lengths[:32])
	t.isFixed = true
}

// buildLengths builds the table of the code for code lengths.
func (t *tables) buildLengths(lengths []uint8) bool {
	c := &t.code
	if !c.assign(lengths) {
		return false
	}
	t.lengthTable = [1 << maxLengthCode]uint8{}
	for i, symbol := range c.sorted[:c.symbols] {
		length := lengths[symbol]
		for at := int(c.reverse[i]); at < len(t.lengthTable); at += 1 << length {
			t.lengthTable[at] = uint8(symbol)<<3 | length
		}
	}
	return true
}

// buildLiterals builds the table of literals and lengths.
//
// A literal with a code of n bits leaves literalBits-n bits of the index to what follows it. rest has what those say: the
// entry of the symbol whose code they begin with, as a second one, or nothing where that is longer. As n grows, rest
// loses its upper half and the entries of codes that are too long now.
func (t *tables) buildLiterals(lengths []uint8) bool {
	c := &t.code
	if !c.assign(lengths) {
		return false
	}
	if c.symbols < 2 {
		fill(t.literals[:1<<literalBits], invalid)
	}
	t.literalSecond = 1<<max(c.longest-literalBits, 0) - 1

	shortest := 1
	for shortest < literalBits && c.ends[shortest] == 0 {
		shortest++
	}
	restBits := literalBits - shortest
	fill(t.rest[:1<<restBits], 0)
	start := 0
	for length := shortest; length <= restBits; length++ {
		for i := start; i < c.ends[length]; i++ {
			entry := literalSymbols[c.sorted[i]] + uint32(length)<<codeShift + uint32(length)
			if entry&isSpecial != 0 {
				continue
			}
			if entry&hasLength == 0 {
				entry = entry&0xffff | entry>>firstShift<<secondShift
			}
			for at := int(c.reverse[i]); at < 1<<restBits; at += 1 << length {
				t.rest[at] = entry
			}
		}
		start = c.ends[length]
	}

	start = 0
	for length := shortest; length <= literalBits; length++ {
		rest := t.rest[:1<<(literalBits-length)]
		for i := start; i < c.ends[length]; i++ {
			symbol, at := c.sorted[i], int(c.reverse[i])
			entry := literalSymbols[symbol] + uint32(length)<<codeShift
			switch {
			case symbol < 256:
				entry += uint32(length)
				for _, second := range rest {
					t.literals[at&(1<<literalBits-1)] = entry + second
					at += 1 << length
				}
			case symbol == 256 || symbol > 285:
				for ; at < 1<<literalBits; at += 1 << length {
					t.literals[at] = entry
				}
			default:
				entry += uint32(length)
				for ; at < 1<<literalBits; at += 1 << length {
					t.literals[at] = entry
				}
			}
		}
		start = c.ends[length]
		for i, entry := range rest[:len(rest)/2] {
			if int(entry>>codeShift&codeMask) == literalBits-length {
				rest[i] = 0
			}
		}
	}
	t.addSecond(t.literals[:], literalBits, literalSymbols[:], start, lengths)
	return true
}

// buildDistances builds the table of distances.
func (t *tables) buildDistances(lengths []uint8) bool {
	c := &t.code
	if !c.assign(lengths) {
		return false
	}
	if c.symbols < 2 {
		fill(t.distances[:1<<distanceBits], invalid)
	}
	t.distanceSecond = 1<<max(c.longest-distanceBits, 0) - 1
	i := 0
	for ; i < c.symbols; i++ {
		length := int(lengths[c.sorted[i]])
		if length > distanceBits {
			break
		}
		entry := entryOf(distanceSymbols[c.sorted[i]], length)
		for at := int(c.reverse[i]); at < 1<<distanceBits; at += 1 << length {
			t.distances[at] = entry
		}
	}
	t.addSecond(t.distances[:], distanceBits, distanceSymbols[:], i, lengths)
	return true
}

// entryOf is the entry of a symbol whose code has so many bits.
func entryOf(symbol uint32, length int) uint32 {
	symbol += uint32(length) << codeShift
	if symbol&isSpecial == 0 {
		symbol += uint32(length)
	}
	return symbol
}

// addSecond builds the second tables behind a table of so many bits, for the codes from c.sorted[i] on.
func (t *tables) addSecond(table []uint32, tableBits int, symbols []uint32, i int, lengths []uint8) {
	c := &t.code
	secondBits := c.longest - tableBits
	end := 1 << tableBits
	begin, last := 0, -1
	for ; i < c.symbols; i++ {
		symbol, reverse := c.sorted[i], int(c.reverse[i])
		// Codes that begin alike follow one another.
		if first := reverse & (1<<tableBits - 1); first != last {
			last, begin = first, end
			end += 1 << secondBits
			table[first] = isSpecial | hasLength | uint32(begin)<<firstShift
		}
		length := int(lengths[symbol])
		entry := entryOf(symbols[symbol], length)
		for at := reverse >> tableBits; at < 1<<secondBits; at += 1 << (length - tableBits) {
			table[begin+at] = entry
		}
	}
}

func fill(table []uint32, entry uint32) {
	for i := range table {
		table[i] = entry
	}
}
