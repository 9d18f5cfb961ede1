package telemetry

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// The reference is docs/telemetry.md once more, written plainly: it decodes the whole line into a tree, and computes
// with math/big and time.

// value is a JSON value: nil, bool, number, characters, []value, or object.
type value any

type number string

type object map[string]member

// member is a member of an object, with its key and its value's source, under the key's exact text.
type member struct {
	key    characters
	value  value
	source string
}

type characters []character

// character is what a string holds at one place: a character, a lone surrogate, or bytes that are neither.
type character struct {
	source string // as the string spells it
	r      rune
	isLone bool
	bytes  string
}

// parser decodes valid JSON.
type parser struct {
	text string
	at   int
}

func parse(text string) value { return (&parser{text: text}).value() }

func (p *parser) peek() byte {
	for strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	return p.text[p.at]
}

func (p *parser) value() value {
	switch p.peek() {
	case '{':
		o := object{}
		for p.at++; p.peek() != '}'; {
			key := p.characters()
			p.peek()
			p.at++ // the colon
			p.peek()
			start := p.at
			v := p.value()
			o[key.exact()] = member{key, v, p.text[start:p.at]}
			if p.peek() == ',' {
				p.at++
				p.peek()
			}
		}
		p.at++
		return o
	case '[':
		list := []value{}
		for p.at++; p.peek() != ']'; {
			list = append(list, p.value())
			if p.peek() == ',' {
				p.at++
			}
		}
		p.at++
		return list
	case '"':
		return p.characters()
	}
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n,]}", p.text[p.at]) < 0 {
		p.at++
	}
	switch literal := p.text[start:p.at]; literal {
	case "null":
		return nil
	case "true", "false":
		return literal == "true"
	default:
		return number(literal)
	}
}

func (p *parser) characters() (text characters) {
	for p.at++; p.text[p.at] != '"'; {
		rest := p.text[p.at:]
		var c character
		switch {
		case rest[0] != '\\':
			c = decodeFirst(rest)
		case rest[1] == 'u':
			unit, _ := strconv.ParseUint(rest[2:6], 16, 16)
			c = character{source: rest[:6], r: rune(unit), isLone: utf16.IsSurrogate(rune(unit))}
		default:
			c = character{source: rest[:2], r: rune("\"\\/\b\f\n\r\t"[strings.IndexByte(`"\/bfnrt`, rest[1])])}
		}
		p.at += len(c.source)
		if last := len(text) - 1; c.isLone && last >= 0 && text[last].isLone {
			if pair := utf16.DecodeRune(text[last].r, c.r); pair != utf8.RuneError {
				text[last] = character{source: text[last].source + c.source, r: pair}
				continue
			}
		}
		text = append(text, c)
	}
	p.at++
	return text
}

// decodeFirst decodes the character or the maximal ill-formed sequence that s begins with.
func decodeFirst(s string) character {
	r, size := utf8.DecodeRuneInString(s)
	if r != utf8.RuneError || size != 1 {
		return character{source: s[:size], r: r}
	}
	size = 1
	for n := 2; n <= 3 && n <= len(s); n++ {
		if beginnings()[s[:n]] {
			size = n
		}
	}
	return character{source: s[:size], bytes: s[:size]}
}

// beginnings holds all that an encoded character can begin with, two or three bytes of it, and is more.
var beginnings = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for r := range utf8.MaxRune + 1 {
		if encoded := string(r); len(encoded) > 2 && utf8.ValidRune(r) {
			for n := 2; n < len(encoded); n++ {
				set[encoded[:n]] = true
			}
		}
	}
	return set
})

// exact is the text that is compared.
func (text characters) exact() string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c.isLone:
			b.Write([]byte{0b1110_0000 | byte(c.r>>12), 0b1000_0000 | byte(c.r>>6&0b11_1111), 0b1000_0000 | byte(c.r&0b11_1111)})
		case c.bytes != "":
			b.WriteString(strings.ReplaceAll(c.bytes, "\xed", "\xed\x00"))
		default:
			b.WriteRune(c.r)
		}
	}
	return b.String()
}

// cell is the text that a cell shows.
func (text characters) cell() string {
	var b strings.Builder
	for _, c := range text {
		if c.isLone || c.bytes != "" || c.r == 0 {
			c.r = '\ufffd'
		}
		b.WriteRune(c.r)
	}
	return b.String()
}

// canonical is the string with as few escapes as JSON allows.
func (text characters) canonical() string {
	b := strings.Builder{}
	for _, c := range text {
		short := strings.IndexRune("\"\\\b\f\n\r\t", c.r)
		switch {
		case c.bytes != "":
			b.WriteString(c.bytes)
		case c.isLone:
			fmt.Fprintf(&b, `\u%04x`, c.r)
		case short >= 0:
			b.WriteString(`\` + `"\bfnrt`[short:short+1])
		case c.r < ' ':
			fmt.Fprintf(&b, `\u%04x`, c.r)
		default:
			b.WriteRune(c.r)
		}
	}
	return `"` + b.String() + `"`
}

func canonicalOf(v value) string {
	var parts []string
	switch v := v.(type) {
	case nil:
		return "null"
	case characters:
		return v.canonical()
	case []value:
		for _, entry := range v {
			parts = append(parts, canonicalOf(entry))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case object:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, v[key].key.canonical()+":"+canonicalOf(v[key].value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return fmt.Sprint(v)
}

// get gives what lies at the path within v, a member without value and source if nothing does.
func get(v value, path ...string) (m member) {
	m.value = v
	for _, key := range path {
		o, _ := m.value.(object)
		m = o[key]
	}
	return m
}

// referenceEvent gives the event of a line, without its sort keys, and the instants that these stand for, nil where
// there is none.
func referenceEvent(f Filter, line string) (event scanned, at, ets *moment, belongs bool) {
	decoded := parse(line)
	source := func(path ...string) string { return get(decoded, path...).source }
	is := func(m member, want string) bool {
		text, ok := m.value.(characters)
		return ok && text.exact() == want
	}
	if !is(get(decoded, "eid"), "ASSESS") || !is(get(decoded, "context", "channel"), f.Channel) ||
		f.PdataID != "" && !is(get(decoded, "context", "pdata", "id"), f.PdataID) {
		return event, nil, nil, false
	}
	entries, _ := get(decoded, "context", "cdata").value.([]value)
	for _, entry := range entries {
		belongs = belongs || is(get(entry, "type"), "Conversation") && is(get(entry, "id"), f.ConversationIDs[0])
	}
	if !belongs {
		return event, nil, nil, false
	}
	mid, did := source("mid"), source("context", "did")
	session := source("context", "sid")
	if session == "" || session == "null" || session == `""` {
		session = source("context", "rollup", "l5")
	}
	event.MessageID, event.DeviceID, event.Line = referenceID(mid), referenceID(did), strings.Trim(line, " \t\r")
	if edata := get(decoded, "edata"); edata.source != "" {
		event.EData = canonicalOf(edata.value)
	}
	row := &event.Row
	row.Texts = columns(1, 2)
	text := func(column int, source string) string {
		if strings.HasPrefix(source, `"`) {
			row.Texts |= columns(column)
		}
		return referenceCell(source)
	}
	item := func(key string) string { return source("edata", "item", key) }
	row.MessageID, row.DeviceID, row.SessionID = text(0, mid), text(3, did), text(4, session)
	row.QuestionID, row.Type, row.Title, row.Description = text(5, item("id")), text(6, item("type")), text(7, item("title")), text(8, item("desc"))
	duration := source("edata", "duration")
	row.Duration = text(9, duration)
	if decoded := referenceCell(duration); strings.HasPrefix(duration, `"`) && numberForm.MatchString(decoded) {
		duration = decoded
		row.Texts &^= columns(9)
	}
	if hasNumber(duration) {
		row.Duration = referenceRounded(duration)
	}
	row.Score, row.MaxScore = text(10, source("edata", "score")), text(11, item("maxscore"))
	row.Options, row.Response = referenceJSON(item("params"), true), referenceJSON(source("edata", "resvalues"), true)
	row.XPath, row.Eof = text(14, source("context", "rollup", "l3")), text(15, source("context", "rollup", "l4"))
	timestamp := source("@timestamp")
	at, ets = referenceInstant(timestamp), referenceInstant(source("ets"))
	if timestamp == "" || timestamp == "null" || timestamp == `""` {
		row.Timestamp = ets.utc()
	} else {
		row.Timestamp = text(16, timestamp)
	}
	if at == nil {
		at = ets
	}
	return event, at, ets, true
}

var numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// referenceJSON is a value without the white space between its tokens. Ill-formed bytes become U+FFFD in a cell.
func referenceJSON(source string, isCell bool) string {
	if source == "" || source == "null" {
		return ""
	}
	var b strings.Builder
	for p := (&parser{text: source}); p.at < len(source); {
		if c := source[p.at]; c != '"' {
			if c > ' ' {
				b.WriteByte(c)
			}
			p.at++
			continue
		}
		b.WriteByte('"')
		for _, c := range p.characters() {
			if c.bytes != "" && isCell {
				c.source = "\ufffd"
			}
			b.WriteString(c.source)
		}
		b.WriteByte('"')
	}
	return b.String()
}

func referenceCell(source string) string {
	if strings.HasPrefix(source, `"`) {
		return parse(source).(characters).cell()
	}
	if hasNumber(source) {
		return shortest(source)
	}
	return referenceJSON(source, true)
}

func referenceID(source string) string {
	if strings.HasPrefix(source, `"`) {
		return parse(source).(characters).exact()
	}
	if hasNumber(source) {
		return shortest(source)
	}
	return referenceJSON(source, false)
}

func shortest(number string) string {
	if text, ok := plain(number); ok {
		return text
	}
	return number
}

// rational is a number's value. Exponents of more than four characters are beyond all limits: what has one is not exact,
// and what is so large is not given.
func rational(number string) (r *big.Rat, exact, ok bool) {
	mantissa, exponent, found := strings.Cut(strings.ToLower(number), "e")
	r, valid := new(big.Rat).SetString(mantissa)
	if !valid {
		panic(number)
	}
	if !found || r.Sign() == 0 {
		return r, true, true
	}
	if len(exponent) > 4 {
		return new(big.Rat).SetFrac64(int64(r.Sign()), 1<<62), false, exponent[0] == '-'
	}
	r, _ = r.SetString(number)
	return r, true, true
}

func floor(r *big.Rat) *big.Int { return new(big.Int).Div(r.Num(), r.Denom()) } // the denominator is positive

// plain writes a number without its exponent, unless that would take too many digits.
func plain(number string) (string, bool) {
	r, exact, ok := rational(number)
	if !exact || !ok {
		return "", false
	}
	text := r.FloatString(2000)
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "-0" {
		text = "0"
	}
	return text, len(strings.NewReplacer("-", "", ".", "").Replace(text)) <= max(400, len(number))
}

func referenceRounded(number string) string {
	r, _, ok := rational(number)
	if !ok {
		return number
	}
	whole := floor(r.Add(r, big.NewRat(1, 2))).String()
	if len(strings.TrimPrefix(whole, "-")) > max(400, len(number)) {
		return number
	}
	return whole
}

func hasNumber(source string) bool {
	return source != "" && strings.ContainsAny(source[:1], "-0123456789")
}

// moment is an instant in milliseconds since the epoch.
type moment struct {
	ms      *big.Rat // nil where it is too large
	isExact bool
}

// utc is the instant as UTC with milliseconds, "" for none and outside of the years 0 to 9999.
func (m *moment) utc() string {
	if m == nil || m.ms == nil {
		return ""
	}
	ms := floor(m.ms)
	if !ms.IsInt64() {
		return ""
	}
	t := time.UnixMilli(ms.Int64()).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

func referenceInstant(source string) *moment {
	if strings.HasPrefix(source, `"`) {
		text := referenceID(source)
		if strings.Trim(text, "0123456789") != "" || text == "" {
			return referenceTime(text)
		}
		source = text
	}
	if !hasNumber(source) {
		return nil
	}
	r, exact, ok := rational(source)
	if !ok {
		r = nil
	}
	return &moment{r, exact}
}

var (
	timeForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(?:[.,](\d+))?([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?` +
		`(?:\[([!-Z\\^-~]{1,64})\])?$`)
	zoneForm = regexp.MustCompile(`^(?:UTC|GMT|UT|)([+-])(\d|[01]\d|2[0-3])(?::([0-5]\d))?$`)
)

func referenceTime(text string) *moment {
	m := timeForm.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	second, leap := m[3], int64(0)
	if second == "60" {
		second, leap = "59", 1
	}
	zone := time.UTC
	offset := strings.ReplaceAll(strings.ToUpper(m[5]), ":", "")
	switch len(offset) {
	case 0:
		if zone = referenceZone(m[6]); zone == nil {
			return nil
		}
	case 3, 5:
		minutes, _ := strconv.Atoi((offset[3:] + "00")[:2])
		hours, _ := strconv.Atoi(offset[1:3])
		seconds := hours*3600 + minutes*60
		if offset[0] == '-' {
			seconds = -seconds
		}
		zone = time.FixedZone("", seconds)
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05", m[1]+"T"+m[2]+second, zone)
	if err != nil {
		return nil
	}
	ms, _ := new(big.Rat).SetString("0." + m[4] + "0")
	ms.Add(ms, new(big.Rat).SetInt64(t.Unix()+leap))
	return &moment{ms.Mul(ms, big.NewRat(1000, 1)), true}
}

func referenceZone(name string) *time.Location {
	switch name {
	case "", "Z", "z", "UTC", "GMT", "UT":
		return time.UTC
	case "Local":
		return nil
	}
	if m := zoneForm.FindStringSubmatch(name); m != nil {
		offset, _ := time.ParseDuration(m[1] + m[2] + "h" + "0" + m[3] + "m")
		return time.FixedZone("", int(offset.Seconds()))
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return zone
}

// referenceIdentity identifies an event from what it is compared by.
func referenceIdentity(e scanned) (id Identity) {
	edata, item := e.EData, ""
	if edata != "" {
		if o, isObject := parse(edata).(object); isObject {
			if m, hasItem := o["item"]; hasItem {
				hash := sha256.Sum256([]byte(canonicalOf(m.value)))
				item = string(hash[:])
				m.value = number("0")
				o["item"] = m
				edata = canonicalOf(o)
			}
		}
	}
	var text []byte
	for _, field := range []string{e.MessageID, strings.ToLower(e.DeviceID), e.ETS, edata} {
		text = binary.BigEndian.AppendUint64(text, uint64(len(field)))
		text = append(text, field...)
	}
	sum := sha256.Sum256(append(text, item...))
	copy(id[:], sum[:])
	return id
}

// compareWithReference compares an event with what the reference makes of its line. The keys of got must be there where
// the reference has instants; timeline holds those of all events so far.
func compareWithReference(got, want scanned, at, ets *moment, timeline *timeline) error {
	if (got.Time != "") != (at != nil) || (got.ETS != "") != (ets != nil) {
		return fmt.Errorf("keys %q and %q of the instants %v and %v", got.Time, got.ETS, at, ets)
	}
	for key, m := range map[string]*moment{got.Time: at, got.ETS: ets} {
		if err := timeline.add(key, m); err != nil {
			return err
		}
	}
	want.Time, want.ETS = got.Time, got.ETS
	if utf8.ValidString(got.DeviceID) { // strings.ToLower takes no other text
		want.Identity = referenceIdentity(want)
	} else {
		want.Identity = got.Identity
	}
	if got != want {
		return fmt.Errorf("got  %+v\nwant %+v", got, want)
	}
	return nil
}

// timeline holds sort keys with the instants that they stand for, and checks that both are in one order.
type timeline struct {
	keys    []string
	instant []*big.Rat
}

func (l *timeline) add(key string, m *moment) error {
	if m == nil || m.ms == nil || !m.isExact {
		return nil
	}
	at, found := slices.BinarySearch(l.keys, key)
	if found {
		if l.instant[at].Cmp(m.ms) != 0 {
			return fmt.Errorf("%v and %v have one key", l.instant[at], m.ms)
		}
		return nil
	}
	if at > 0 && l.instant[at-1].Cmp(m.ms) >= 0 || at < len(l.keys) && l.instant[at].Cmp(m.ms) <= 0 {
		return fmt.Errorf("%v sorts to %d of %v", m.ms, at, l.instant)
	}
	l.keys, l.instant = slices.Insert(l.keys, at, key), slices.Insert(l.instant, at, m.ms)
	return nil
}

// node is a JSON value that is yet to be spelled: a scalar's source text, a string, or an object's or array's parts.
type node struct {
	kind   byte // '"' '{' '[', 0 for a scalar
	text   string
	keys   []string
	values []node
}

// scalar is a number, a literal, or a string that is to keep its spelling.
func scalar(text string) node { return node{text: text} }
func text(s string) node      { return node{kind: '"', text: s} }

func members(pairs ...any) node {
	n := node{kind: '{'}
	for i := 0; i < len(pairs); i += 2 {
		n.keys = append(n.keys, pairs[i].(string))
		n.values = append(n.values, pairs[i+1].(node))
	}
	return n
}

// spelling writes nodes in one of many ways.
type spelling struct {
	random  *rand.Rand
	shuffle bool // keys in any order; only where none is repeated
	escapes int  // of a hundred characters, how many are escaped without need
	space   int  // of a hundred gaps, how many hold white space
}

func (s spelling) write(b *strings.Builder, n node) {
	gap := func() {
		for s.random.IntN(100) < s.space {
			b.WriteByte(" \t\r"[s.random.IntN(3)])
		}
	}
	gap()
	switch n.kind {
	case '"':
		s.writeString(b, n.text)
	case '{', '[':
		b.WriteByte(n.kind)
		order := make([]int, len(n.values))
		for i := range order {
			order[i] = i
		}
		if s.shuffle && n.kind == '{' {
			s.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		for i, at := range order {
			if i > 0 {
				b.WriteByte(',')
			}
			if n.kind == '{' {
				gap()
				s.writeString(b, n.keys[at])
				gap()
				b.WriteByte(':')
			}
			s.write(b, n.values[at])
		}
		gap()
		b.WriteByte(n.kind + 2)
	default:
		b.WriteString(n.text)
	}
	gap()
}

func (s spelling) writeString(b *strings.Builder, text string) {
	b.WriteByte('"')
	for _, r := range text {
		escape := s.random.IntN(100) < s.escapes
		short := strings.IndexRune("\"\\/\b\f\n\r\t", r)
		switch {
		case short >= 0 && (escape || r != '/') && s.random.IntN(4) > 0:
			b.WriteByte('\\')
			b.WriteByte(`"\/bfnrt`[short])
		case r > 0xffff && escape:
			high, low := 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff
			fmt.Fprintf(b, `\u%04x\u%04X`, high, low)
		case r < 0x20 || r == '"' || r == '\\' || escape && r <= 0xffff:
			format := `\u%04x`
			if s.random.IntN(2) == 0 {
				format = `\u%04X`
			}
			fmt.Fprintf(b, format, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// nasty makes values that events should not hold and may hold all the same.
type nasty struct{ random *rand.Rand }

func (g nasty) pick(options ...node) node { return options[g.random.IntN(len(options))] }

func (g nasty) number() node {
	n := [...]string{"0", "-0", "0.0", "21", "21.0", "2.1e1", "0.50", "1e-7", "-2.5", "2.5", "-2.51", "12345678901234567890.5", "1E+3", "5e-1",
		"1e500", "-1e999999999", "1e-99999999999", "0e99999999999", "9.5", "-0.5"}
	if i := g.random.IntN(2 * len(n)); i < len(n) {
		return scalar(n[i])
	}
	return scalar(fmt.Sprintf("%d.%de%d", g.random.IntN(2000)-1000, g.random.IntN(100000), g.random.IntN(40)-20))
}

func (g nasty) string() node {
	if g.random.IntN(8) == 0 {
		return g.pick(scalar(`"\ud800"`), scalar(`"\uDFFF\uD800"`), scalar("\"\xff\xfe\""), scalar("\"a\xe2\x82b\""), scalar("\"\xed\xa0\x80\""),
			scalar("\"\xf0\x9f\x98\""), scalar("\"\xed\\u0000\""), scalar("\"\xf0\x80\x80\\n\""), scalar(`"\u0000"`))
	}
	return text([...]string{"", "a", "m-1", "two words", `q"uo\te/`, "कहानी 😀", "line\nbreak\r\t\b\f\x00\x1f", "\ufffd", "Conversation", "bot-1",
		"tenant", "ASSESS", "null", "<b>&amp;</b>", "\u2028\u007f", strings.Repeat("long ", 50)}[g.random.IntN(16)])
}

func (g nasty) value(depth int) node {
	switch g.random.IntN(8) {
	case 0:
		return g.pick(scalar("true"), scalar("false"))
	case 1:
		return scalar("null")
	case 2, 3:
		return g.number()
	case 4, 5:
		return g.string()
	}
	if depth == 0 {
		return g.string()
	}
	n := node{kind: g.kind()}
	for range g.random.IntN(4) {
		n.keys = append(n.keys, g.string().text)
		n.values = append(n.values, g.value(depth-1))
	}
	return n
}

func (g nasty) kind() byte { return "{["[g.random.IntN(2)] }

// event makes an event that may belong to filter. repeat lets keys stand twice.
func (g nasty) event(repeat bool) node {
	likely := func(n node) node {
		if g.random.IntN(12) == 0 {
			return g.value(2)
		}
		return n
	}
	entry := func() node {
		return likely(g.some(repeat, "type", likely(text("Conversation")), "id", likely(text("bot-1")), "x", g.value(1)))
	}
	instant := func() node {
		if g.random.IntN(4) == 0 {
			return g.value(1)
		}
		return text([...]string{"2022-03-01T10:20:30Z", "2022-03-01t10:20:30.123456789z", "2022-03-01T10:20:30.5+05:30", "2022-03-01T10:20:30-0530",
			"2022-03-01T10:20:30.25+05", "2022-03-01T10:20:30.000", "2022-02-30T10:20:30Z", "2022-03-01", "1969-12-31T23:59:59.9Z",
			"0000-01-01t00:00:00", "9999-12-31 23:59:60,5-23:59", "2022-03-01T1:20:30Z", "2022-03-01T10:20:30Z[UTC]", "2022-03-01T10:20:30.75[Asia/Kolkata]",
			"2022-03-01T10:20:30+01:00[Nowhere]", "2022-03-01T10:20:30[Nowhere]", "2022-03-01T10:20:30[GMT+5:30]", "2022-03-01T10:20:30[]",
			"1969-12-31T23:59:59.00000000000000000000001[Z]", "1646130030000", "007", ""}[g.random.IntN(22)])
	}
	ets := func() node {
		switch g.random.IntN(6) {
		case 0:
			return g.value(1)
		case 1:
			return instant()
		}
		return scalar(fmt.Sprintf("%d", g.random.Int64N(1<<42)-1<<40) + [...]string{"", "", ".0", ".75", "e0", "e-3", "e3"}[g.random.IntN(7)])
	}
	cdata := node{kind: '['}
	for range 1 + g.random.IntN(3) {
		cdata.values = append(cdata.values, entry())
	}
	return g.some(repeat,
		"eid", likely(text("ASSESS")), "mid", g.value(1), "ets", ets(), "@timestamp", instant(), "Eid", text("START"),
		"context", likely(g.some(repeat, "channel", likely(text("tenant")), "did", g.value(1), "sid", g.value(1), "cdata", likely(cdata),
			"pdata", likely(members("id", likely(text("prod.uci")), "ver", g.value(1))), "rollup", likely(g.some(repeat, "l3", g.value(1), "l4", g.value(1), "l5", g.value(1))))),
		"edata", likely(g.some(repeat, "duration", g.pick(g.value(1), text("12.5"), text("-0.5"), text(" 1"), text("1e3"), text("01")), "score", g.value(1), "resvalues", g.value(3),
			"item", likely(g.some(repeat, "id", g.value(1), "type", g.value(1), "title", g.value(1), "desc", g.value(1), "maxscore", g.value(1), "params", g.value(3))))),
		"extra", g.value(3))
}

// some is an object of the pairs, now and then without one of them, or with one of them repeated.
func (g nasty) some(repeat bool, pairs ...any) node {
	n := members(pairs...)
	if g.random.IntN(6) == 0 {
		at := g.random.IntN(len(n.keys))
		n.keys = append(n.keys[:at:at], n.keys[at+1:]...)
		n.values = append(n.values[:at:at], n.values[at+1:]...)
	}
	if repeat && g.random.IntN(6) == 0 {
		at, behind := g.random.IntN(len(n.keys)), g.value(2)
		if g.random.IntN(2) == 0 {
			behind = n.values[at]
			n.values[at] = g.value(2)
		}
		n.keys = append(n.keys, n.keys[at])
		n.values = append(n.values, behind)
	}
	return n
}

func TestEventsAreWhatTheReferenceMakesOfThem(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	g := nasty{random}
	const lines = 5_000
	belong := 0
	var times timeline
	for _, f := range []Filter{filter, {Channel: "tenant", ConversationIDs: []string{"bot-1"}, PdataID: "prod.uci"}} {
		s := NewScanner(f)
		for i := range lines {
			var b strings.Builder
			spelling{random, false, random.IntN(2) * 20, random.IntN(2) * 20}.write(&b, g.event(true))
			line := b.String()
			want, at, ets, belongs := referenceEvent(f, line)
			if belongs {
				belong++
			}
			// Some are made long enough to be read without tokens; the second time the scanner has the line's shape.
			long := ""
			if i%4 == 0 {
				long = withPadding(line)
			}
			for _, text := range []string{line, line, long} {
				if text == "" {
					continue
				}
				got, counts, err := scanWith(s, strings.NewReader(text))
				if len(got) == 1 && text == long {
					got[0].Line = strings.Trim(line, " \t\r")
				}
				if err != nil || counts.Lines != 1 || counts.Skipped != 0 || len(got) == 1 != belongs {
					t.Fatalf("%+v, %d events, %v of an event that belongs: %v\n%s", counts, len(got), err, belongs, line)
				}
				if !belongs {
					continue
				}
				if err := compareWithReference(got[0], want, at, ets, &times); err != nil {
					t.Fatalf("%s\n%v", line, err)
				}
			}
		}
	}
	if belong < lines/4 || len(times.keys) < belong/2 {
		t.Errorf("only %d of the generated events belong, of %d instants", belong, len(times.keys))
	}
}

// withPadding is a line that begins with an object, with another member, which makes it too long to be tokenized.
func withPadding(line string) string {
	behind := strings.TrimLeft(strings.TrimLeft(line, " \t\r")[1:], " \t\r")
	separator := ","
	if behind[0] == '}' {
		separator = ""
	}
	return `{"padding":"` + strings.Repeat("x", maxTokenized) + `"` + separator + behind
}

// nodeOf is a value that is yet to be spelled, with unique keys. Text that JSON cannot hold otherwise keeps its spelling.
func nodeOf(v value) node {
	switch v := v.(type) {
	case object:
		n := node{kind: '{'}
		for _, m := range v {
			n.keys = append(n.keys, m.key.cell())
			n.values = append(n.values, nodeOf(m.value))
		}
		return n
	case []value:
		n := node{kind: '['}
		for _, entry := range v {
			n.values = append(n.values, nodeOf(entry))
		}
		return n
	case characters:
		if v.exact() == strings.ToValidUTF8(v.exact(), "") {
			return text(v.exact())
		}
		return scalar(v.canonical())
	}
	return scalar(canonicalOf(v))
}

// hasPlainKeys tells whether the text of every key within v is what its cell would show.
func hasPlainKeys(v value) bool {
	switch v := v.(type) {
	case object:
		for key, m := range v {
			if m.key.cell() != key || !hasPlainKeys(m.value) {
				return false
			}
		}
	case []value:
		return !slices.ContainsFunc(v, func(entry value) bool { return !hasPlainKeys(entry) })
	}
	return true
}

// sameEvent compares events of two spellings: JSON within cells and ids stands there as it was spelled.
func sameEvent(a, b scanned) bool {
	left, right := reflect.ValueOf(a.Row), reflect.ValueOf(b.Row)
	for i := range left.NumField() {
		if left.Field(i).Kind() == reflect.String && !sameCell(left.Field(i).String(), right.Field(i).String()) {
			return false
		}
	}
	return a.Time == b.Time && a.ETS == b.ETS && a.EData == b.EData && a.Row.Texts == b.Row.Texts &&
		sameCell(a.MessageID, b.MessageID) && sameCell(a.DeviceID, b.DeviceID)
}

func sameCell(a, b string) bool {
	if a == b {
		return true
	}
	if !json.Valid([]byte(a)) || !json.Valid([]byte(b)) {
		return false
	}
	return canonicalOf(parse(a)) == canonicalOf(parse(b))
}

func FuzzReencode(f *testing.F) {
	g := nasty{rand.New(rand.NewPCG(3, 3))}
	for seed := range uint64(200) {
		var b strings.Builder
		spelling{g.random, false, 5, 5}.write(&b, g.event(seed%2 == 0))
		f.Add([]byte(b.String()), seed)
	}
	f.Add([]byte(belonging), uint64(1))
	f.Add(sampleTelemetry(1, 100), uint64(1))
	f.Fuzz(func(t *testing.T, line []byte, seed uint64) {
		line = bytes.ReplaceAll(line, []byte("\n"), []byte(" "))
		// What is nothing at the ends of a line is none of JSON's business.
		line = bytes.TrimRight(line, " \t\r\x00")
		for trimmed := line; ; line = trimmed {
			trimmed = bytes.TrimLeft(bytes.TrimPrefix(line, []byte(byteOrderMark)), " \t\r\x00")
			if len(trimmed) == len(line) {
				break
			}
		}
		object := "{}\n" + string(line)
		if !json.Valid(line) || line[0] != '{' {
			_, counts, err := scan(filter, strings.NewReader(object))
			if err == error(errUTF16) && (bytes.IndexByte(line, 0) >= 0 || bytes.IndexByte(line, 0xff) >= 0) {
				return
			}
			if err != nil || counts.Matched != 0 || counts.Skipped == 1 == (len(line) == 0) {
				t.Fatalf("%+v, %v of a line that is no JSON object: %q", counts, err, line)
			}
			return
		}
		want, at, ets, belongs := referenceEvent(filter, string(line))
		got, _ := scanText(t, filter, object)
		if len(got) == 1 != belongs {
			t.Fatalf("%q: %+v of an event that belongs: %v", line, got, belongs)
		}
		if belongs {
			if err := compareWithReference(got[0], want, at, ets, new(timeline)); err != nil {
				t.Fatalf("%q\n%v", line, err)
			}
		}
		decoded := parse(string(line))
		if !hasPlainKeys(decoded) {
			return // the keys cannot be spelled in other ways
		}
		random := rand.New(rand.NewPCG(seed, seed))
		var b strings.Builder
		spelling{random, true, random.IntN(100), random.IntN(60)}.write(&b, nodeOf(decoded))
		again, counts := scanText(t, filter, "{}\n"+b.String())
		if counts.Skipped != 0 || len(again) != len(got) || len(got) == 1 && !sameEvent(got[0], again[0]) {
			t.Fatalf("%q\nis read as %+v, but spelled\n%q\nas %+v", line, got, b.String(), again)
		}
	})
}
