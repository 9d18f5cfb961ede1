package telemetry

import (
	"bytes"
	"hash/maphash"
)

// The lines of telemetry have few shapes: what a line holds besides the texts of its strings and scalars, which is its
// brackets, commas and colons, and where strings and scalars stand among them. A line is JSON if
//
//   - a line of its shape is,
//   - each of its scalars is a number, true, false or null up to the next byte that is of no scalar,
//   - each of its escapes is one of JSON's, and no control character stands in its strings.
//
// So the grammar is gone through for the first line of a shape only. A shape is compared as it is: its hash is where it is
// looked for, and no more.
type shapes struct {
	tokens tokens
	seed   maphash.Seed
	known  []shape // nil until the first is added
	// current is the shape of the line that was tokenized last, nil if it is not known or the line is no JSON.
	current *shape
}

// shape is what is known of the lines of one shape.
type shape struct {
	kinds []byte // of all its tokens
	// scalars and values are the numbers of the tokens that are scalars, and strings that are no keys.
	scalars, values []uint16
	template        template
}

const (
	// maxShapes is a power of two.
	maxShapes = 256
	// maxTokens is how many tokens a line can have whose shape is kept.
	maxTokens = 512
)

// shapeVerdict is what a line's shape tells of it.
type shapeVerdict int

const (
	// unknownShape is of lines that need to be validated, and whose shape is worth adding if they are valid.
	unknownShape shapeVerdict = iota
	// noShape is of lines that need to be validated.
	noShape
	validShape
)

// find tokenizes a line, and finds its shape. It gives false where the line has none.
func (s *shapes) find(line paddedLine) bool {
	s.current = nil
	b, t := line.bytes, &s.tokens
	if line.size > maxTokenized || b[0] != '{' || !t.read(b, line.size) || t.count > maxTokens {
		return false
	}
	if s.known != nil {
		kinds := t.kinds[:t.count]
		if known := s.place(b, kinds); bytes.Equal(known.kinds, kinds) {
			s.current = known
		}
	}
	return true
}

// check tells whether line is known to be JSON and, if it is, whether a string in it may be one of ids.
func (s *shapes) check(line paddedLine, ids *conversations) (verdict shapeVerdict, mayHoldID bool) {
	if !s.find(line) {
		return noShape, false
	}
	known, b, t := s.current, line.bytes, &s.tokens
	if known == nil {
		return unknownShape, false
	}
	s.current = nil // unless the line turns out to be JSON
	for _, i := range known.scalars {
		if !isScalar(b, int(t.positions[i])) {
			return noShape, false
		}
	}
	for _, at := range t.escapes[:t.escapeCount] {
		size := measureEscape(b, int(at))
		if size == 0 {
			return noShape, false
		}
		mayHoldID = mayHoldID || size == 6 && b[at+2] == '0' && b[at+3] == '0'
	}
	for _, i := range known.values {
		start, next := int(t.positions[i])+1, int(t.positions[i+1])
		if next-start <= ids.shortest {
			continue
		}
		end := next - 1
		for b[end] != '"' {
			end--
		}
		if ids.hasLength(end - start) {
			_, isThere := ids.find(b[start:end])
			mayHoldID = mayHoldID || isThere
		}
	}
	s.current = known
	return validShape, mayHoldID
}

// add makes the shape of the line that was tokenized last, which is a JSON object, known.
func (s *shapes) add(line paddedLine) {
	t := &s.tokens
	if s.known == nil {
		s.seed, s.known = maphash.MakeSeed(), make([]shape, maxShapes)
	}
	kinds := t.kinds[:t.count]
	known := s.place(line.bytes, kinds)
	known.kinds = append(known.kinds[:0], kinds...)
	known.scalars, known.values = known.scalars[:0], known.values[:0]
	known.template.isUsable = false
	s.current = known
	for i, kind := range kinds {
		switch {
		case kind == scalarToken:
			known.scalars = append(known.scalars, uint16(i))
		case kind == '"' && kinds[i+1] != ':':
			known.values = append(known.values, uint16(i))
		}
	}
}

// place is where the shape of those tokens is, or goes. Lines of one shape that begin with different keys, as several
// producers write them, have different places, so that each keeps its template.
func (s *shapes) place(line, kinds []byte) *shape {
	hash := maphash.Bytes(s.seed, kinds) ^ uint64(line[2])<<4 ^ uint64(line[3])
	return &s.known[hash%maxShapes]
}

// isScalar tells whether a number, true, false or null begins at i and ends where a scalar may.
func isScalar(b []byte, i int) bool {
	if i = skipScalar(b, i); i < 0 {
		return false
	}
	switch b[i] {
	case ',', '}', ']', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}
