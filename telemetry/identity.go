package telemetry

import (
	"crypto/sha256"
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

// Identity tells events apart. It is the same for two events if and only if mid, context.did in any letter case, ets and
// edata are all equal: it is the beginning of a SHA-256, so that no two others meet in it.
type Identity [16]byte

// edataFields is an event's edata, and edata.item within it: the source of each, nil where it is missing.
type edataFields struct {
	source, item []byte
	itemAt       int // where the item begins in source
	// known is what is known of the item; nil if it has not been seen before.
	known *knownItem[itemHash]
	// template is that of the line, nil if it has none; then line and tokens are not needed.
	template *template
	line     []byte
	tokens   *tokens
}

// itemHash is the SHA-256 of an item in canonical form.
type itemHash [sha256.Size]byte

// read reads edata. Where item stands twice in it the last one counts.
func (e *edataFields) read(w *walker, items *itemCache[itemHash]) {
	*e = edataFields{}
	start := skipSeparator(w.line, w.at)
	for key := range w.fields {
		if string(key) != "item" {
			continue
		}
		at := skipSeparator(w.line, w.at)
		if e.known = items.find(w.line[at:]); e.known != nil {
			w.at = at + len(e.known.source)
		} else {
			w.readValue()
		}
		e.item, e.itemAt = w.line[at:w.at], at-start
	}
	e.source = w.line[start:w.at]
}

// identifier identifies events. Of edata it hashes the canonical form of all but the item, and the hash of the item's,
// which most events have in common with others: so few items are brought into canonical form.
type identifier struct {
	canonical canonicalizer
	items     itemCache[itemHash]
	text      []byte // what is hashed
	itemless  []byte // edata with 0 for its item
}

// identify gives the identity of an event with that edata.
func (i *identifier) identify(event *Event, edata *edataFields) (id Identity) {
	var hash itemHash
	if edata.item != nil {
		hash = i.hashItem(edata)
	}
	// Each field follows its size, lest fields run into one another; the item's hash is there or not.
	text, start := append(beginSized(i.text[:0]), event.MessageID...), 0
	text, start = endSized(text, start)
	text, start = endSized(appendLower(beginSized(text), event.DeviceID), start)
	text, start = endSized(append(beginSized(text), event.ETS...), start)
	text, _ = endSized(i.appendItemless(beginSized(text), edata), start)
	if edata.item != nil {
		text = append(text, hash[:]...)
	}
	i.text = text
	sum := sha256.Sum256(text)
	copy(id[:], sum[:])
	return id
}

// appendItemless appends edata in canonical form with 0 for its item.
func (i *identifier) appendItemless(dst []byte, edata *edataFields) []byte {
	source := edata.source
	switch {
	case edata.template != nil:
		return edata.template.appendItemless(dst, edata.line, edata.tokens, &i.canonical)
	case edata.item != nil:
		// Of the members named item this is the one that counts, so canonical form has no other.
		i.itemless = append(append(append(i.itemless[:0], source[:edata.itemAt]...), '0'), source[edata.itemAt+len(edata.item):]...)
		source = i.itemless
	}
	return i.canonical.append(dst, source)
}

func beginSized(text []byte) []byte { return append(text, 0, 0, 0, 0, 0, 0, 0, 0) }

// endSized sets the size of the field that begins at start, and gives where the next one does.
func endSized(text []byte, start int) ([]byte, int) {
	binary.BigEndian.PutUint64(text[start:], uint64(len(text)-start-8))
	return text, len(text)
}

func (i *identifier) hashItem(edata *edataFields) itemHash {
	if edata.known != nil {
		return edata.known.value
	}
	i.text = i.canonical.append(i.text[:0], edata.item)
	hash := itemHash(sha256.Sum256(i.text))
	if known := i.items.add(edata.item); known != nil {
		*known = hash
	}
	return hash
}

// release drops the buffers that a large event made larger.
func (i *identifier) release() {
	i.canonical.release()
	if cap(i.text)+cap(i.itemless) > keptBuffer {
		i.text, i.itemless = nil, nil
	}
}

// appendLower appends text in lower case. Bytes that are no UTF-8 stand as they are.
func appendLower(dst, text []byte) []byte {
	start := len(dst)
	dst = append(dst, text...)
	lower := dst[start:]
	i := 0
	for ; i < len(lower) && lower[i] < utf8.RuneSelf; i++ {
		if lower[i]-'A' < 26 {
			lower[i] += 'a' - 'A'
		}
	}
	dst = dst[:start+i]
	for i < len(text) {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, text[i])
		} else {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
		i += size
	}
	return dst
}
