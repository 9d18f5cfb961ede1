package telemetry

import (
	"bytes"
	"unicode/utf8"
)

// canonicalizer writes JSON values in canonical form: members in the order of their keys, the last of repeated ones, no
// white space, strings with as few escapes as JSON allows, numbers as they stand. Two values are equal as JSON values,
// numbers by their digits, if and only if their canonical forms are the same bytes.
//
// It goes over a value twice. The first time it lists the members of each object and sorts each list; the second time it
// writes every byte once. So the time does not grow with the depth.
type canonicalizer struct {
	value       []byte
	objects     []sortedObject // of each object that is not empty, in the order of their opening braces
	members     []objectMember
	left, right []byte // keys that are compared
}

type sortedObject struct {
	first int32 // the member with the smallest key
	end   int32 // the position behind the closing brace
	next  int32 // how many objects open before end
}

type objectMember struct {
	key, end int32 // the positions of the key's quote, and behind its other quote
	isPlain  bool  // whether the bytes between them are the key's text
	object   int32 // how many objects open before the member's value
	next     int32 // the member with the next key, else none
}

const none = -1

// append appends value, nothing where that is missing.
func (c *canonicalizer) append(dst, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	c.value, c.objects, c.members = value, c.objects[:0], c.members[:0]
	c.list(0)
	dst, _, _ = c.write(dst, 0, 0)
	c.value = nil
	return dst
}

// release drops the buffers if a large value made them larger.
func (c *canonicalizer) release() {
	const most = keptBuffer / 32
	if cap(c.objects) > most || cap(c.members) > most || cap(c.left)+cap(c.right) > keptBuffer {
		*c = canonicalizer{}
	}
}

// list lists the members of the objects within the value that begins at i, and gives the position behind that.
func (c *canonicalizer) list(i int) (end int) {
	switch c.value[i] {
	case '{':
		return c.listMembers(i)
	case '[':
		i = skipSeparator(c.value, i+1)
		for c.value[i] != ']' {
			i = skipSeparator(c.value, c.list(i))
		}
		return i + 1
	}
	return skipValue(c.value, i)
}

func (c *canonicalizer) listMembers(i int) (end int) {
	i = skipSeparator(c.value, i+1)
	if c.value[i] == '}' {
		return i + 1
	}
	number := len(c.objects)
	c.objects = append(c.objects, sortedObject{})
	first, last, isSorted := int32(none), int32(none), true
	for c.value[i] != '}' {
		keyEnd := skipString(c.value, i)
		m := int32(len(c.members))
		c.members = append(c.members, objectMember{
			key: int32(i), end: int32(keyEnd), isPlain: isPlainKey(c.value[i:keyEnd]), object: int32(len(c.objects)), next: none,
		})
		if last == none {
			first = m
		} else {
			isSorted = isSorted && c.compare(last, m) < 0
			c.members[last].next = m
		}
		last = m
		i = skipSeparator(c.value, c.list(skipSeparator(c.value, keyEnd)))
	}
	if !isSorted {
		first = c.sort(first)
	}
	c.objects[number] = sortedObject{first: first, end: int32(i + 1), next: int32(len(c.objects))}
	return i + 1
}

// isPlainKey tells whether the bytes between the quotes surely are the key's text. Those that need to be decoded have
// escapes, or ED among ill-formed bytes.
func isPlainKey(key []byte) bool {
	for _, c := range key {
		if c == '\\' || c == 0xed {
			return false
		}
	}
	return true
}

func (c *canonicalizer) compare(a, b int32) int {
	return bytes.Compare(c.readKey(&c.members[a], &c.left), c.readKey(&c.members[b], &c.right))
}

func (c *canonicalizer) readKey(m *objectMember, buffer *[]byte) []byte {
	raw := c.value[m.key+1 : m.end-1]
	if m.isPlain {
		return raw
	}
	*buffer = appendExact((*buffer)[:0], raw)
	return *buffer
}

// sort sorts the members that follow each other from list on, and drops all but the last of those with one key. It
// merges lists of equal length, as a binary counter carries; those in higher bins stood before those in lower ones.
func (c *canonicalizer) sort(list int32) (first int32) {
	var bins [32]int32
	for i := range bins {
		bins[i] = none
	}
	for list != none {
		member := list
		list = c.members[member].next
		c.members[member].next = none
		i := 0
		for ; bins[i] != none; i++ {
			member = c.merge(bins[i], member)
			bins[i] = none
		}
		bins[i] = member
	}
	first = none
	for _, bin := range bins {
		first = c.merge(bin, first)
	}
	return first
}

// merge merges two sorted lists. Of members with one key it takes that of b, which stood behind that of a.
func (c *canonicalizer) merge(a, b int32) (first int32) {
	end := &first
	for a != none && b != none {
		switch order := c.compare(a, b); {
		case order == 0:
			a = c.members[a].next
		case order < 0:
			*end, end = a, &c.members[a].next
			a = *end
		default:
			*end, end = b, &c.members[b].next
			b = *end
		}
	}
	if a == none {
		a = b
	}
	*end = a
	return first
}

// write appends the value that begins at i, before which object objects open. It gives the position behind the value,
// and how many objects open before that.
func (c *canonicalizer) write(dst []byte, i, object int) (_ []byte, end, next int) {
	switch c.value[i] {
	case '{':
		i = skipSeparator(c.value, i+1)
		if c.value[i] == '}' {
			return append(dst, "{}"...), i + 1, object
		}
		o := c.objects[object]
		separator := byte('{')
		for at := o.first; at != none; at = c.members[at].next {
			m := &c.members[at]
			dst = append(dst, separator)
			separator = ','
			dst = appendCanonicalString(dst, c.value[m.key:m.end])
			dst = append(dst, ':')
			dst, _, _ = c.write(dst, skipSeparator(c.value, int(m.end)), int(m.object))
		}
		return append(dst, '}'), int(o.end), int(o.next)
	case '[':
		i = skipSeparator(c.value, i+1)
		if c.value[i] == ']' {
			return append(dst, "[]"...), i + 1, object
		}
		separator := byte('[')
		for c.value[i] != ']' {
			dst = append(dst, separator)
			separator = ','
			dst, i, object = c.write(dst, i, object)
			i = skipSeparator(c.value, i)
		}
		return append(dst, ']'), i + 1, object
	case '"':
		end = skipString(c.value, i)
		return appendCanonicalString(dst, c.value[i:end]), end, object
	}
	end = skipValue(c.value, i)
	return append(dst, c.value[i:end]...), end, object
}

// appendCanonicalString appends a string, given with its quotes.
func appendCanonicalString(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\\') < 0 {
		return append(dst, value...)
	}
	dst = append(dst, '"')
	raw := value[1 : len(value)-1]
	for i := 0; i < len(raw); {
		kind, r, end := splitText(raw, i)
		switch kind {
		case escapePiece, surrogatePiece:
			dst = appendLeastEscaped(dst, r, kind == surrogatePiece)
		default:
			dst = append(dst, raw[i:end]...)
		}
		i = end
	}
	return append(dst, '"')
}

// appendLeastEscaped appends a character as itself where a string can hold it so.
func appendLeastEscaped(dst []byte, r rune, isSurrogate bool) []byte {
	if isSurrogate || r < ' ' || r == '"' || r == '\\' {
		if r < 0x80 && shortEscapes[r] != 0 {
			return append(dst, '\\', shortEscapes[r])
		}
		const digits = "0123456789abcdef"
		return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// shortEscapes is what stands behind the backslash for a character that must be escaped and has a short escape.
var shortEscapes = [0x80]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}
