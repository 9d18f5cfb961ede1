package telemetry

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// piece is a part of a string's source, as splitText cuts it.
type piece int

const (
	plainPiece     piece = iota // well-formed UTF-8 that stands for itself
	escapePiece                 // an escape, or two of them, for one character
	surrogatePiece              // the escape of a lone surrogate
	illFormedPiece              // a maximal ill-formed sequence of bytes
)

// splitText gives the piece of raw, which are bytes between the quotes of a string, that begins at i, and where that
// ends. r is the character or surrogate that an escape writes.
func splitText(raw []byte, i int) (kind piece, r rune, end int) {
	start := i
	for {
		i = skipASCII(raw, i)
		if i == len(raw) || raw[i] == '\\' {
			break
		}
		character, size := utf8.DecodeRune(raw[i:])
		if character == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	switch {
	case i > start:
		return plainPiece, 0, i
	case raw[i] != '\\':
		return illFormedPiece, 0, i + measureIllFormed(raw[i:])
	case raw[i+1] != 'u':
		return escapePiece, rune(simpleEscapes[raw[i+1]]), i + 2
	}
	r = readCodeUnit(raw, i)
	i += 6
	if !utf16.IsSurrogate(r) {
		return escapePiece, r, i
	}
	if i < len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
		if pair := utf16.DecodeRune(r, readCodeUnit(raw, i)); pair != utf8.RuneError {
			return escapePiece, pair, i + 6
		}
	}
	return surrogatePiece, r, i
}

// measureIllFormed is the length of the maximal ill-formed sequence that b begins with: as much of it as begins some
// character, else one byte. So Unicode recommends it ("Substitution of Maximal Subparts", section 3.9).
func measureIllFormed(b []byte) int {
	low, high, size := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xe0 && c <= 0xef:
		size = 2
		switch c {
		case 0xe0:
			low = 0xa0
		case 0xed:
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		size = 3
		switch c {
		case 0xf0:
			low = 0x90
		case 0xf4:
			high = 0x8f
		}
	}
	i := 1
	for i < size && i < len(b) && b[i] >= low && b[i] <= high {
		low, high = 0x80, 0xbf
		i++
	}
	return i
}

// skipASCII is the position of the first backslash or byte beyond ASCII from i on, else the end.
func skipASCII(raw []byte, i int) int {
	for ; i+8 <= len(raw); i += 8 {
		w := binary.LittleEndian.Uint64(raw[i:])
		if m := ((w ^ '\\'*ones) - ones | w) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(raw) && raw[i] != '\\' && raw[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// simpleEscapes is what the byte behind a backslash stands for.
var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// readCodeUnit gives the UTF-16 code unit that the \uXXXX at i writes.
func readCodeUnit(b []byte, i int) rune {
	return rune(hexDigit[b[i+2]])<<12 | rune(hexDigit[b[i+3]])<<8 | rune(hexDigit[b[i+4]])<<4 | rune(hexDigit[b[i+5]])
}

// appendText appends the text of a string as a cell shows it, given the bytes between its quotes. Neither databases nor
// spreadsheets take U+0000, ill-formed UTF-8 and lone surrogates; each becomes U+FFFD.
func appendText(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		kind, r, end := splitText(raw, i)
		switch {
		case kind == plainPiece:
			dst = append(dst, raw[i:end]...)
		case kind == escapePiece && r != 0:
			dst = utf8.AppendRune(dst, r)
		default:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		i = end
	}
	return dst
}

// appendExact appends the text of a string such that different texts remain different, given the bytes between its
// quotes. Well-formed text is itself. A lone surrogate is encoded as a character would be, which begins with ED, and
// ill-formed bytes stand as they are, but a NUL goes with each ED among them to tell it from a surrogate's.
func appendExact(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		kind, r, end := splitText(raw, i)
		switch kind {
		case plainPiece:
			dst = append(dst, raw[i:end]...)
		case escapePiece:
			dst = utf8.AppendRune(dst, r)
		case surrogatePiece:
			dst = append(dst, 0xed, 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
		case illFormedPiece:
			for _, c := range raw[i:end] {
				if dst = append(dst, c); c == 0xed {
					dst = append(dst, 0)
				}
			}
		}
		i = end
	}
	return dst
}

// appendCell appends a value as a cell has it: text decoded, a number in its shortest form, true and false, an
// object or array as JSON; nothing for null or no value.
func appendCell(dst, value []byte) []byte {
	switch {
	case isNumber(value):
		return appendShortest(dst, value)
	case isString(value):
		return appendText(dst, value[1:len(value)-1])
	}
	return appendJSON(dst, value)
}

// appendID appends a value as appendCell does, but such that different values remain different.
func appendID(dst, value []byte) []byte {
	switch {
	case isNumber(value):
		return appendShortest(dst, value)
	case isString(value):
		return appendExact(dst, value[1:len(value)-1])
	case isNull(value):
		return dst
	}
	return appendCompact(dst, value)
}

// appendDuration appends a duration's cell: a number rounded half up to a whole one, also where it stands in quotes;
// all else as appendCell has it. isText tells whether it is text.
func appendDuration(dst, value []byte) (text []byte, isText bool) {
	if isNumber(value) {
		return appendRounded(dst, value), false
	}
	text = appendCell(dst, value)
	if !isString(value) || !isNumberText(text[len(dst):]) {
		return text, isString(value)
	}
	// The decoded number makes room for the rounded one behind it, which then takes its place.
	size := len(text)
	text = appendRounded(text, text[len(dst):])
	return append(dst, text[size:]...), false
}

// isNumberText tells whether all of b is one JSON number.
func isNumberText(b []byte) bool {
	i := 0
	digits := func() bool {
		start := i
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		return i > start
	}
	accept := func(c byte) bool {
		if i < len(b) && b[i] == c {
			i++
			return true
		}
		return false
	}
	accept('-')
	if !accept('0') && !digits() {
		return false
	}
	if accept('.') && !digits() {
		return false
	}
	if accept('e') || accept('E') {
		if !accept('+') {
			accept('-')
		}
		if !digits() {
			return false
		}
	}
	return i == len(b)
}

// appendJSON appends a value as it stands but for the white space between its tokens; nothing for null or no value.
// Ill-formed UTF-8 becomes U+FFFD, for the CSV is UTF-8.
func appendJSON(dst, value []byte) []byte {
	if isNull(value) {
		return dst
	}
	if !utf8.Valid(value) {
		value = appendWellFormed(nil, value) // ill-formed bytes stand in strings only
	}
	return appendCompact(dst, value)
}

// appendCompact appends a value as it stands but for the white space between its tokens.
func appendCompact(dst, value []byte) []byte {
	for i := 0; i < len(value); {
		switch c := value[i]; {
		case c == '"':
			end := skipString(value, i)
			dst = append(dst, value[i:end]...)
			i = end
		case c <= ' ':
			i++
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// CleanText is text as cells hold it: U+0000 and each maximal ill-formed sequence of UTF-8 become U+FFFD (contract section 4).
// It is for what the registry gives; RowReader does so itself.
func CleanText(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(string(appendWellFormed(nil, []byte(text))), "\x00", "\ufffd")
}

func appendWellFormed(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			size = measureIllFormed(b[i:])
		}
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return dst
}
