package telemetry

import (
	"crypto/sha256"
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

// Event is one event that belongs to the exhaust. All of it is valid only during the call that it is given to.
//
// Its fields from Time to EData are what events are ordered by, in this order, each compared with bytes.Compare; the event's
// own bytes decide what remains. Two events that have the same Identity are one event, delivered twice.
type Event struct {
	// ConversationID is that of the filter's conversations to which it belongs here.
	ConversationID string
	// Time is the sort key of the instant of @timestamp, else of ets. It is empty, and so sorts first, where neither
	// can be read.
	Time []byte
	// MessageID is mid as text, empty where it is missing or null. It is not what the row's cell shows: texts that
	// differ only in lone surrogates, ill-formed bytes or U+0000 differ here.
	MessageID []byte
	// DeviceID is context.did likewise, spelled as it stands.
	DeviceID []byte
	// ETS is the sort key of the instant of ets, empty where that cannot be read.
	ETS []byte
	// EData is edata in canonical form, empty where it is missing.
	EData []byte
	// Line is the event's own bytes: the line without its end, and without byte order marks, NULs and white space
	// around it.
	Line []byte
}

// Identity tells events apart.
type Identity [16]byte

// Identity is the same for two events if and only if mid, context.did in any letter case, ets and edata are all equal.
// It is the beginning of a SHA-256, so that no two others meet in it.
func (e *Event) Identity() (id Identity) {
	h := sha256.New()
	var size [8]byte
	write := func(field []byte) {
		// Each field follows its length, lest fields run into one another.
		binary.BigEndian.PutUint64(size[:], uint64(len(field)))
		h.Write(size[:])
		h.Write(field)
	}
	var space [64]byte
	write(e.MessageID)
	write(appendLower(space[:0], e.DeviceID))
	write(e.ETS)
	write(e.EData)
	var sum [sha256.Size]byte
	copy(id[:], h.Sum(sum[:0]))
	return id
}

// appendLower appends text in lower case. Bytes that are no UTF-8 stand as they are.
func appendLower(dst, text []byte) []byte {
	for i := 0; i < len(text); {
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
