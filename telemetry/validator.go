package telemetry

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep objects and arrays may nest. It is that of encoding/json.
const maxDepth = 10_000

// validator tells JSON (RFC 8259) from what is none. Like encoding/json it lets invalid UTF-8 in strings pass.
type validator struct {
	// open holds the bracket of every object and array around the current byte.
	open [maxDepth + 1]byte
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops marks, by its lowest set bit, the first of eight bytes that ends the plain run of a string: a quote, a
// backslash or a control character. Bytes above the first may be marked wrongly, for borrows travel upwards.
func stops(w uint64) uint64 {
	// A quote (0x22) with bit 1 flipped is 0x20, a space 0x22: one comparison finds control characters and quotes.
	return (((w ^ 0x02*ones) - 0x21*ones) | ((w ^ '\\'*ones) - ones)) &^ w & highs
}

// check tells whether b[:n] is one JSON value, and whether a string in it may be id: one stands there byte for byte
// or some string is written with \u00XX. b goes on for at least padding bytes behind n, b[n] being white space other
// than a space: that ends every token without asking for n at each byte.
func (v *validator) check(b []byte, n int, id string) (ok, hit bool) {
	var (
		i, start, depth int
		c, kind         byte
		w, m            uint64
	)

value:
	c = b[i]
	if c <= ' ' {
		i = skipSpace(b, i, n)
		if i == n {
			return false, hit
		}
		c = b[i]
	}
	switch c {
	case '"':
		i++
		start = i
	valueRun:
		for {
			w = binary.LittleEndian.Uint64(b[i : i+8])
			if m = stops(w); m != 0 {
				break
			}
			i += 8
		}
		i += bits.TrailingZeros64(m) >> 3
		c = b[i]
		if c == '\\' {
			size, zero := escape(b, i)
			if size == 0 {
				return false, hit
			}
			hit = hit || zero
			i += size
			goto valueRun
		}
		if c != '"' {
			return false, hit
		}
		if i-start == len(id) && string(b[start:i]) == id {
			hit = true
		}
		i++
		goto after
	case '{':
		if depth == maxDepth {
			return false, hit
		}
		v.open[depth] = kind
		depth++
		kind = '{'
		i++
		if b[i] == '"' {
			goto keyQuote
		}
		i = skipSpace(b, i, n)
		if b[i] == '}' {
			goto shut
		}
		goto key
	case '[':
		if depth == maxDepth {
			return false, hit
		}
		v.open[depth] = kind
		depth++
		kind = '['
		i = skipSpace(b, i+1, n)
		if b[i] == ']' {
			goto shut
		}
		goto value
	case 't':
		if string(b[i:i+4]) != "true" {
			return false, hit
		}
		i += 4
		goto after
	case 'f':
		if string(b[i:i+5]) != "false" {
			return false, hit
		}
		i += 5
		goto after
	case 'n':
		if string(b[i:i+4]) != "null" {
			return false, hit
		}
		i += 4
		goto after
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
		return false, hit
	}
	if b[i] == '.' {
		i++
		if b[i]-'0' >= 10 {
			return false, hit
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
			return false, hit
		}
		for b[i]-'0' < 10 {
			i++
		}
	}

after:
	c = b[i]
	if c <= ' ' {
		i = skipSpace(b, i, n)
		if i == n {
			return depth == 0, hit
		}
		c = b[i]
	}
	if kind == '{' {
		if c == ',' {
			i++
			goto key
		}
		if c == '}' {
			goto shut
		}
		return false, hit
	}
	if kind == '[' {
		if c == ',' {
			i++
			goto value
		}
		if c == ']' {
			goto shut
		}
	}
	return false, hit

shut:
	depth--
	kind = v.open[depth]
	i++
	goto after

key:
	if b[i] != '"' {
		i = skipSpace(b, i, n)
		if b[i] != '"' {
			return false, hit
		}
	}
keyQuote:
	i++
keyRun:
	for {
		w = binary.LittleEndian.Uint64(b[i : i+8])
		if m = stops(w); m != 0 {
			break
		}
		i += 8
	}
	i += bits.TrailingZeros64(m) >> 3
	c = b[i]
	if c == '\\' {
		size, zero := escape(b, i)
		if size == 0 {
			return false, hit
		}
		hit = hit || zero
		i += size
		goto keyRun
	}
	if c != '"' {
		return false, hit
	}
	i++
	if b[i] != ':' {
		i = skipSpace(b, i, n)
		if b[i] != ':' {
			return false, hit
		}
	}
	i++
	goto value
}

// escape measures the escape sequence at b[i], a backslash: 0 if it is none. zero says that it is \u00XX.
func escape(b []byte, i int) (size int, zero bool) {
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, false
	case 'u':
		for _, c := range b[i+2 : i+6] {
			if hexDigit[c] > 15 {
				return 0, false
			}
		}
		return 6, b[i+2] == '0' && b[i+3] == '0'
	}
	return 0, false
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
