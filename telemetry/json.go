package telemetry

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions in this file rely on the validator: they only get bytes that it found to be JSON.

// walker goes through a line token by token, every byte once. Between calls it stands before a value, a key, or the
// bracket that closes them.
type walker struct {
	line    []byte
	at      int
	scratch []byte // a decoded key or text that is compared at once
}

// fields yields the key of each field of the next value, if that is an object; a key is valid until the walker moves on.
// The loop over fields must not break. It may read the field's value: fields skips what it has not read.
func (w *walker) fields(yield func(key []byte) bool) {
	if !w.enter('{') {
		return
	}
	for w.more() {
		key := w.readKey()
		value := w.at
		if !yield(key) {
			return
		}
		if w.at == value {
			w.skip()
		}
	}
}

// enter goes into the next value if it is an object, for bracket '{', or an array, for bracket '['. It skips a value of
// any other kind.
func (w *walker) enter(bracket byte) bool {
	w.at = skipSeparator(w.line, w.at)
	if w.line[w.at] != bracket {
		w.skip()
		return false
	}
	w.at++
	return true
}

// more tells whether another key or entry follows; if none does it leaves the object or array.
func (w *walker) more() bool {
	w.at = skipSeparator(w.line, w.at)
	if c := w.line[w.at]; c == '}' || c == ']' {
		w.at++
		return false
	}
	return true
}

// readKey gives the text of the key that the walker stands before.
func (w *walker) readKey() []byte {
	start := w.at + 1
	w.at = skipString(w.line, w.at)
	key := w.line[start : w.at-1]
	for _, c := range key {
		if c == '\\' {
			w.scratch = appendText(w.scratch[:0], key)
			return w.scratch
		}
	}
	return key
}

// readValue gives the source of the next value.
func (w *walker) readValue() []byte {
	start := skipSeparator(w.line, w.at)
	w.at = skipValue(w.line, start)
	return w.line[start:w.at]
}

func (w *walker) skip() { w.at = skipValue(w.line, skipSeparator(w.line, w.at)) }

// equals reads the next value and tells whether it is a string with the text want.
func (w *walker) equals(want string) bool {
	value := w.readValue()
	if !isString(value) {
		return false
	}
	w.scratch = appendText(w.scratch[:0], value[1:len(value)-1])
	return string(w.scratch) == want
}

// skipSeparator is the first position from i on behind white space, commas and colons.
func skipSeparator(b []byte, i int) int {
	for i < len(b) && (b[i] <= ' ' || b[i] == ',' || b[i] == ':') {
		i++
	}
	return i
}

// skipValue is the position behind the value that begins at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(b) && b[i] > ' ' && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

// skipString is the position behind the string whose opening quote is at i.
func skipString(b []byte, i int) int {
	i++
	for {
		for i+8 <= len(b) {
			m := markStops(binary.LittleEndian.Uint64(b[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default:
			i++
		}
	}
}

// appendText appends the text of a string, given the bytes between its quotes. Invalid UTF-8 and lone surrogates
// become U+FFFD.
func appendText(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		start := i
		i = skipASCII(raw, i)
		dst = append(dst, raw[start:i]...)
		if i == len(raw) {
			break
		}
		if raw[i] != '\\' {
			r, size := utf8.DecodeRune(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		if c := raw[i+1]; c != 'u' {
			dst = append(dst, simpleEscapes[c])
			i += 2
			continue
		}
		r := readCodeUnit(raw, i)
		i += 6
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if i < len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				pair = utf16.DecodeRune(r, readCodeUnit(raw, i))
			}
			if r = pair; r != utf8.RuneError {
				i += 6
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
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

// appendJSON appends a value as it stands but for the white space between its tokens; nothing for null or no value.
// Invalid UTF-8 becomes U+FFFD, for the CSV is UTF-8.
func appendJSON(dst, value []byte) []byte {
	if len(value) == 0 || value[0] == 'n' {
		return dst
	}
	valid := utf8.Valid(value)
	for i := 0; i < len(value); {
		switch c := value[i]; {
		case c == '"':
			end := skipString(value, i)
			if valid {
				dst = append(dst, value[i:end]...)
			} else {
				dst = appendValidUTF8(dst, value[i:end])
			}
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

func appendValidUTF8(dst, b []byte) []byte {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		dst = utf8.AppendRune(dst, r)
		b = b[size:]
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

// appendDuration appends a duration's cell: a number rounded half up to a whole one, all else as appendCell has it.
func appendDuration(dst, value []byte) []byte {
	if isNumber(value) {
		return appendRounded(dst, value)
	}
	return appendCell(dst, value)
}

func isString(value []byte) bool { return len(value) > 0 && value[0] == '"' }

func isNumber(value []byte) bool { return len(value) > 0 && (value[0] == '-' || isDigit(value[0])) }

func isDigit(c byte) bool { return c-'0' < 10 }
