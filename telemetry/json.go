package telemetry

import (
	"encoding/binary"
	"math/bits"
)

// The functions in this file rely on the validator: they only get bytes that it found to be JSON.

// walker goes through a line token by token, every byte once. Between calls it stands before a value, a key, or the
// bracket that closes them.
type walker struct {
	line    []byte
	at      int
	scratch []byte // a decoded key or text that is compared at once
}

// release drops the line, and the buffer that a long text made larger.
func (w *walker) release() {
	w.line = nil
	if cap(w.scratch) > keptBuffer {
		w.scratch = nil
	}
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

// readKey gives the text of the key that the walker stands before. Only keys of well-formed text are of use to the caller.
func (w *walker) readKey() []byte {
	start := w.at + 1
	if start+8 <= len(w.line) { // nearly every key is short and without escapes
		if m := markStops(binary.LittleEndian.Uint64(w.line[start : start+8])); m != 0 {
			if end := start + bits.TrailingZeros64(m)>>3; w.line[end] == '"' {
				w.at = end + 1
				return w.line[start:end]
			}
		}
	}
	w.at = skipString(w.line, w.at)
	key := w.line[start : w.at-1]
	for _, c := range key {
		if c == '\\' {
			w.scratch = appendExact(w.scratch[:0], key)
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
func (w *walker) equals(want string) bool { return w.isText(w.readValue(), want) }

// readText reads the next value and gives its text, if that is a string; the text is valid until the walker moves on.
func (w *walker) readText() (text []byte, isText bool) { return w.textOf(w.readValue()) }

// isText tells whether value is a string with the text want.
func (w *walker) isText(value []byte, want string) bool {
	text, isText := w.textOf(value)
	return isText && string(text) == want
}

// textOf gives the text of a value, if that is a string.
func (w *walker) textOf(value []byte) (text []byte, isText bool) {
	if !isString(value) {
		return nil, false
	}
	text = value[1 : len(value)-1]
	if skipASCII(text, 0) == len(text) {
		return text, true
	}
	w.scratch = appendExact(w.scratch[:0], text)
	return w.scratch, true
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

// isNull tells whether a value is null or missing.
func isNull(value []byte) bool { return len(value) == 0 || value[0] == 'n' }

func isString(value []byte) bool { return len(value) > 0 && value[0] == '"' }

func isNumber(value []byte) bool { return len(value) > 0 && (value[0] == '-' || isDigit(value[0])) }

func isDigit(c byte) bool { return c-'0' < 10 }
