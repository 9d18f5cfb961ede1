package telemetry

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// A template tells where the fields of a line stand among its tokens. It holds for all lines of one shape that have the same
// keys, which are all that has to be compared to find the fields.
//
// What is wanted of a line is the value of each field: of a key that stands twice in an object the last one counts,
// wholly, and where an object or array is expected anything else has none.
type template struct {
	// isUsable is false where there is none yet, and of a line whose keys are too long, or not spelled plainly.
	isUsable bool
	keys     []templateKey
	fields   [fieldCount]span
	// correlations are the entries of context.cdata.
	correlations []correlation
	// edata are edata's members in the order of their keys, the last one of each.
	edata []templateMember
}

// maxTemplateKeys bounds the memory of a template. It is twice as many as events have.
const maxTemplateKeys = 128

// templateKey is up to eight bytes of a key, with its closing quote.
type templateKey struct {
	token, offset uint16
	bytes, mask   uint64
}

// span is the tokens of a value: the first one, and the one behind the last. The zero span is of no value.
type span struct{ first, end uint16 }

type correlation struct{ id, kind span }

type templateMember struct {
	token     uint16 // the key's
	keyLength uint16 // of its source
	value     span
}

type field int

// The fields of a line that somebody wants.
const (
	fieldEID field = iota
	fieldMID
	fieldTimestamp
	fieldETS
	fieldChannel
	fieldProducer
	fieldDevice
	fieldSession
	fieldL3
	fieldL4
	fieldL5
	fieldEData
	fieldDuration
	fieldScore
	fieldResponse
	fieldItem
	fieldItemID
	fieldItemType
	fieldItemTitle
	fieldItemDescription
	fieldItemMaxScore
	fieldItemParams
	fieldCount
)

// template gives the template of the line that was tokenized last; nil where it has none.
func (s *shapes) template(b []byte) *template {
	if s.current == nil {
		return nil
	}
	p := &s.current.template
	if !p.isUsable || !p.fits(b, &s.tokens) {
		p.make(b, &s.tokens)
	}
	if !p.isUsable {
		return nil
	}
	return p
}

// fits tells whether a line of the shape has the same keys.
func (p *template) fits(b []byte, t *tokens) bool {
	var differ uint64
	for i := range p.keys {
		k := &p.keys[i]
		at := int(t.positions[k.token]) + int(k.offset)
		if at+8 > len(b) {
			return false // a long key would go on behind the line and its padding
		}
		differ |= (binary.LittleEndian.Uint64(b[at:]) ^ k.bytes) & k.mask
	}
	return differ == 0
}

// source gives the source of a field's value, nil where there is none.
func (p *template) source(f field, b []byte, t *tokens) []byte { return p.fields[f].source(b, t) }

// source gives the source of a value, nil where there is none.
func (s span) source(b []byte, t *tokens) []byte {
	if s.end == 0 {
		return nil
	}
	start, end := int(t.positions[s.first]), int(t.positions[s.end-1])+1
	if s.end-s.first == 1 {
		// A string or a scalar goes on up to the white space before the next token.
		for end = int(t.positions[s.end]); b[end-1] <= ' '; end-- {
		}
	}
	return b[start:end:end]
}

// make takes the template from a line.
func (p *template) make(b []byte, t *tokens) {
	*p = template{isUsable: true, keys: p.keys[:0], correlations: p.correlations[:0], edata: p.edata[:0]}
	m := templateMaker{b: b, t: t, p: p}
	m.members(func(key []byte) {
		switch string(key) {
		case "eid":
			p.fields[fieldEID] = m.value()
		case "mid":
			p.fields[fieldMID] = m.value()
		case "@timestamp":
			p.fields[fieldTimestamp] = m.value()
		case "ets":
			p.fields[fieldETS] = m.value()
		case "context":
			m.context()
		case "edata":
			m.edata()
		}
	})
}

// templateMaker goes through a line token by token: at is before a value or a key.
type templateMaker struct {
	b  []byte
	t  *tokens
	at int
	p  *template
}

// members calls each with the key of each member of the next value if that is an object. each may go through the
// member's value.
func (m *templateMaker) members(each func(key []byte)) {
	if m.t.kinds[m.at] != '{' {
		m.value()
		return
	}
	for m.at++; m.t.kinds[m.at] != '}'; {
		if m.t.kinds[m.at] == ',' {
			m.at++
		}
		key := m.key()
		value := m.at
		if each(key); m.at == value {
			m.value()
		}
	}
	m.at++
}

// key reads a key and goes to its value.
func (m *templateMaker) key() []byte {
	start := int(m.t.positions[m.at]) + 1
	end := start + bytes.IndexByte(m.b[start:], '"')
	key := m.b[start:end]
	m.p.isUsable = m.p.isUsable && isPlainKey(key)
	m.p.isUsable = m.p.isUsable && len(m.p.keys)+len(key)/8 < maxTemplateKeys
	for i := 0; i <= len(key) && m.p.isUsable; i += 8 {
		k := templateKey{token: uint16(m.at), offset: uint16(1 + i), mask: 1<<64 - 1}
		if n := len(key) + 1 - i; n < 8 {
			k.mask = 1<<(8*n) - 1
		}
		k.bytes = binary.LittleEndian.Uint64(m.b[start+i:]) & k.mask
		m.p.keys = append(m.p.keys, k)
	}
	m.at += 2
	return key
}

// value goes behind the next value and gives its span.
func (m *templateMaker) value() span {
	first := m.at
	for depth := 0; ; {
		switch m.t.kinds[m.at] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		m.at++
		if depth == 0 {
			return span{uint16(first), uint16(m.at)}
		}
	}
}

func (m *templateMaker) context() {
	f := &m.p.fields
	f[fieldChannel], f[fieldProducer], f[fieldDevice], f[fieldSession] = span{}, span{}, span{}, span{}
	f[fieldL3], f[fieldL4], f[fieldL5] = span{}, span{}, span{}
	m.p.correlations = m.p.correlations[:0]
	m.members(func(key []byte) {
		switch string(key) {
		case "channel":
			f[fieldChannel] = m.value()
		case "pdata":
			f[fieldProducer] = span{}
			m.members(func(key []byte) {
				if string(key) == "id" {
					f[fieldProducer] = m.value()
				}
			})
		case "cdata":
			m.cdata()
		case "did":
			f[fieldDevice] = m.value()
		case "sid":
			f[fieldSession] = m.value()
		case "rollup":
			f[fieldL3], f[fieldL4], f[fieldL5] = span{}, span{}, span{}
			m.members(func(key []byte) {
				switch string(key) {
				case "l3":
					f[fieldL3] = m.value()
				case "l4":
					f[fieldL4] = m.value()
				case "l5":
					f[fieldL5] = m.value()
				}
			})
		}
	})
}

func (m *templateMaker) cdata() {
	m.p.correlations = m.p.correlations[:0]
	if m.t.kinds[m.at] != '[' {
		m.value()
		return
	}
	for m.at++; m.t.kinds[m.at] != ']'; {
		if m.t.kinds[m.at] == ',' {
			m.at++
		}
		var c correlation
		m.members(func(key []byte) {
			switch string(key) {
			case "id":
				c.id = m.value()
			case "type":
				c.kind = m.value()
			}
		})
		if m.p.isUsable && c.id.end > 0 && c.kind.end > 0 {
			m.p.correlations = append(m.p.correlations, c)
		}
	}
	m.at++
}

func (m *templateMaker) edata() {
	f := &m.p.fields
	for i := fieldEData; i < fieldCount; i++ {
		f[i] = span{}
	}
	m.p.edata = m.p.edata[:0]
	first := m.at
	m.members(func(key []byte) {
		token, value := m.at-2, m.at
		switch string(key) {
		case "duration":
			f[fieldDuration] = m.value()
		case "score":
			f[fieldScore] = m.value()
		case "resvalues":
			f[fieldResponse] = m.value()
		case "item":
			m.item()
		default:
			m.value()
		}
		if m.p.isUsable {
			m.addEData(key, templateMember{uint16(token), uint16(len(key) + 2), span{uint16(value), uint16(m.at)}})
		}
	})
	f[fieldEData] = span{uint16(first), uint16(m.at)}
}

// addEData adds a member in its place, which may be that of one before.
func (m *templateMaker) addEData(key []byte, member templateMember) {
	at, isThere := slices.BinarySearchFunc(m.p.edata, key, func(other templateMember, key []byte) int {
		start := int(m.t.positions[other.token])
		return bytes.Compare(m.b[start+1:start+int(other.keyLength)-1], key)
	})
	if isThere {
		m.p.edata[at] = member
	} else {
		m.p.edata = slices.Insert(m.p.edata, at, member)
	}
}

// appendItemless appends edata in canonical form with 0 for its item, nothing where edata is missing.
func (p *template) appendItemless(dst, b []byte, t *tokens, c *canonicalizer) []byte {
	edata, item := p.fields[fieldEData], p.fields[fieldItem]
	if edata.end == 0 || t.kinds[edata.first] != '{' || len(p.edata) == 0 {
		return c.append(dst, edata.source(b, t))
	}
	separator := byte('{')
	for i := range p.edata {
		m := &p.edata[i]
		start := int(t.positions[m.token])
		dst = append(append(append(dst, separator), b[start:start+int(m.keyLength)]...), ':')
		separator = ','
		source := m.value.source(b, t)
		switch {
		case m.value == item:
			dst = append(dst, '0')
		case source[0] == '"':
			dst = appendCanonicalString(dst, source)
		case m.value.end-m.value.first == 1:
			dst = append(dst, source...)
		default:
			dst = c.append(dst, source)
		}
	}
	return append(dst, '}')
}

func (m *templateMaker) item() {
	f := &m.p.fields
	for i := fieldItem; i < fieldCount; i++ {
		f[i] = span{}
	}
	first := m.at
	m.members(func(key []byte) {
		switch string(key) {
		case "id":
			f[fieldItemID] = m.value()
		case "type":
			f[fieldItemType] = m.value()
		case "title":
			f[fieldItemTitle] = m.value()
		case "desc":
			f[fieldItemDescription] = m.value()
		case "maxscore":
			f[fieldItemMaxScore] = m.value()
		case "params":
			f[fieldItemParams] = m.value()
		}
	})
	f[fieldItem] = span{uint16(first), uint16(m.at)}
}
