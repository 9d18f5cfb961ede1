package telemetry

import "encoding/binary"

// conversations finds the ids of conversations among the strings of telemetry. Most strings are of another length, or
// their hash has no mark, so that many ids cost hardly more than one.
type conversations struct {
	ids               map[string]string // each id to itself, so that what is found shares its memory
	shortest, longest int
	marks             [markCount / 64]uint64
	// isPlain tells whether a line in which the validator finds no id cannot belong to any of them.
	isPlain bool
}

const markCount = 1 << markBits
const markBits = 14

func newConversations(ids []string) *conversations {
	c := &conversations{ids: make(map[string]string, len(ids)), shortest: -1, isPlain: true}
	for _, id := range ids {
		c.ids[id] = id
		if c.shortest < 0 || len(id) < c.shortest {
			c.shortest = len(id)
		}
		c.longest = max(c.longest, len(id))
		mark := hashOf([]byte(id))
		c.marks[mark/64] |= 1 << (mark % 64)
		c.isPlain = c.isPlain && isPlainID(id)
	}
	return c
}

// hasLength tells whether an id can have so many bytes.
func (c *conversations) hasLength(n int) bool { return c.shortest <= n && n <= c.longest }

// find is the id that text is. There is none of any other text.
func (c *conversations) find(text []byte) (id string, isThere bool) {
	if mark := hashOf(text); c.marks[mark/64]>>(mark%64)&1 == 0 {
		return "", false
	}
	id, isThere = c.ids[string(text)]
	return id, isThere
}

// hashOf is below markCount. It takes the first and the last eight bytes, where ids that differ nearly always do.
func hashOf(text []byte) uint64 {
	if len(text) < 8 {
		var padded [8]byte
		copy(padded[:], text)
		text = padded[:]
	}
	first, last := binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[len(text)-8:])
	return (first ^ last*3) * 0x9e3779b97f4a7c15 >> (64 - markBits)
}

// isPlainID tells whether a JSON string that equals id can spell it in two ways only: byte for byte, or with at
// least one \u00XX. That holds for every id that the API accepts.
func isPlainID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '/' {
			return false
		}
	}
	return id != ""
}
