package telemetry

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep objects and arrays may nest. It is that of encoding/json.
const maxDepth = 10_000

// validator tells JSON (RFC 8259) from what is none. Like encoding/json it lets invalid UTF-8 in strings pass.
type validator struct {
	shapes shapes
	// open holds the bracket of every object and array around the current byte.
	open [maxDepth + 1]byte
}

// check tells whether line is one JSON value, and whether a string in it may be one of ids: one stands there byte for byte,
// or some string is written with \u00XX.
func (v *validator) check(line paddedLine, ids *conversations) (isValid, mayHoldID bool) {
	verdict, mayHoldID := v.shapes.check(line, ids)
	if verdict == validShape {
		return true, mayHoldID
	}
	isValid, mayHoldID = v.parse(line, ids)
	if isValid && verdict == unknownShape {
		v.shapes.add(line)
	}
	return isValid, mayHoldID
}

// parse is check for a line of whatever shape. Only behind white space does it ask whether the line has ended: anywhere else
// the line feed at the line's end is a byte that does not fit.
//
// The labels of parse are the states of an automaton:
//
//	             [                 :
//	           +---+   +-----------------------+
//	           |   v   v                       |
//	begin ---> value ------------ { ---------> key
//	           |   ^                           ^
//	    scalar |   | , in an array             |
//	           v   |                           |
//	           after --------------------------+
//	           |   ^        , in an object
//	    } or ] |   |
//	           v   |
//	           close
//
// An empty object or array leads from value to close; quote is key at its opening quote. A line that ends in after is
// valid if nothing is open there.
func (v *validator) parse(line paddedLine, ids *conversations) (isValid, mayHoldID bool) {
	var (
		b, n            = line.bytes, line.size
		i, start, depth int
		c, kind         byte
		isLatin1        bool
	)

value:
	c = b[i]
	if c <= ' ' {
		i = skipSpace(b, i, n)
		if i == n {
			return false, false
		}
		c = b[i]
	}
	switch c {
	case '"':
		start = i + 1
		i = skipPlain(b, start)
		if b[i] != '"' {
			if i, isLatin1 = skipEscapes(b, i); b[i] != '"' {
				return false, false
			}
			mayHoldID = mayHoldID || isLatin1
		}
		if ids.hasLength(i - start) {
			_, isThere := ids.find(b[start:i])
			mayHoldID = mayHoldID || isThere
		}
		i++
		goto after
	case '{':
		if depth == maxDepth {
			return false, false
		}
		v.open[depth] = kind
		depth++
		kind = '{'
		i++
		if b[i] == '"' {
			goto quote
		}
		i = skipSpace(b, i, n)
		if b[i] == '}' {
			goto close
		}
		goto key
	case '[':
		if depth == maxDepth {
			return false, false
		}
		v.open[depth] = kind
		depth++
		kind = '['
		i = skipSpace(b, i+1, n)
		if b[i] == ']' {
			goto close
		}
		goto value
	default:
		if i = skipScalar(b, i); i < 0 {
			return false, false
		}
	}

after:
	c = b[i]
	if c <= ' ' {
		i = skipSpace(b, i, n)
		if i == n {
			return depth == 0, mayHoldID
		}
		c = b[i]
	}
	if kind == '{' {
		if c == ',' {
			i++
			goto key
		}
		if c == '}' {
			goto close
		}
		return false, false
	}
	if kind == '[' {
		if c == ',' {
			i++
			goto value
		}
		if c == ']' {
			goto close
		}
	}
	return false, false

close:
	depth--
	kind = v.open[depth]
	i++
	goto after

key:
	if b[i] != '"' {
		i = skipSpace(b, i, n)
		if b[i] != '"' {
			return false, false
		}
	}
quote:
	i = skipPlain(b, i+1)
	if b[i] != '"' {
		if i, isLatin1 = skipEscapes(b, i); b[i] != '"' {
			return false, false
		}
		mayHoldID = mayHoldID || isLatin1
	}
	i++
	if b[i] != ':' {
		i = skipSpace(b, i, n)
		if b[i] != ':' {
			return false, false
		}
	}
	i++
	goto value
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// markStops marks, by its lowest set bit, the first of eight bytes that stops the plain bytes of a string: a quote, a
// backslash or a control character. Bytes above the first may be marked wrongly, for borrows travel upwards.
func markStops(w uint64) uint64 {
	// A quote (0x22) with bit 1 flipped is 0x20, a space 0x22: one comparison finds control characters and quotes.
	return (((w ^ 0x02*ones) - 0x21*ones) | ((w ^ '\\'*ones) - ones)) &^ w & highs
}

// skipPlain is the position of the first byte from i on that stops the plain bytes of a string. The compiler inlines it,
// which it does not do with one function for a whole string: a call for every key and value made a scan of plain
// telemetry 6 to 10 % slower (BenchmarkScan). So check repeats the few lines that call skipPlain and skipEscapes.
func skipPlain(b []byte, i int) int {
	for {
		if m := markStops(binary.LittleEndian.Uint64(b[i : i+8])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
}

// skipEscapes goes on where skipPlain stopped: over escape sequences and what is plain between them, up to the
// first byte that is neither. isLatin1 tells whether one of the sequences is \u00XX.
func skipEscapes(b []byte, i int) (end int, isLatin1 bool) {
	for b[i] == '\\' {
		size := measureEscape(b, i)
		if size == 0 {
			break
		}
		isLatin1 = isLatin1 || size == 6 && b[i+2] == '0' && b[i+3] == '0'
		i = skipPlain(b, i+size)
	}
	return i, isLatin1
}

// skipScalar is the position behind the number, true, false or null that begins at i; -1 if none does.
func skipScalar(b []byte, i int) int {
	c := b[i]
	switch c {
	case 't', 'n':
		if word := string(b[i : i+4]); word != "true" && word != "null" {
			return -1
		}
		return i + 4
	case 'f':
		if string(b[i:i+5]) != "false" {
			return -1
		}
		return i + 5
	case '-':
		i++
		c = b[i]
	}
	// A number; c is its first digit.
	i++
	if c-'1' < 9 {
		for b[i]-'0' < 10 {
			i++
		}
	} else if c != '0' {
		return -1
	}
	if b[i] == '.' {
		i++
		if b[i]-'0' >= 10 {
			return -1
		}
		for b[i]-'0' < 10 {
			i++
		}
	}
	if b[i]|0x20 == 'e' {
		i++
		if b[i] == '+' || b[i] == '-' {
			i++
		}
		if b[i]-'0' >= 10 {
			return -1
		}
		for b[i]-'0' < 10 {
			i++
		}
	}
	return i
}

// measureEscape is the length of the escape sequence at b[i], a backslash: 0 if it is none.
func measureEscape(b []byte, i int) int {
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		for _, c := range b[i+2 : i+6] {
			if hexDigit[c] > 15 {
				return 0
			}
		}
		return 6
	}
	return 0
}

// skipSpace is the first position from i on, at most n, that is no white space of JSON.
func skipSpace(b []byte, i, n int) int {
	for i < n && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// hexDigit is the value of each hexadecimal digit, 255 for other bytes.
var hexDigit = func() (table [256]byte) {
	for i := range table {
		table[i] = 255
	}
	for i := range byte(10) {
		table['0'+i] = i
	}
	for i := range byte(6) {
		table['a'+i] = 10 + i
		table['A'+i] = 10 + i
	}
	return table
}()
