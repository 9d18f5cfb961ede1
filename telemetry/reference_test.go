package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

// The reference is docs/telemetry.md once more, written plainly on encoding/json, math/big and time.

type fields map[string]json.RawMessage

// fieldsOf decodes an object; encoding/json lets the last of repeated keys win. It is empty for anything else.
func fieldsOf(raw json.RawMessage) fields {
	var f fields
	if json.Unmarshal(raw, &f) != nil {
		return nil
	}
	return f
}

func isText(raw json.RawMessage, want string) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	text, ok := v.(string)
	return ok && text == want
}

func referenceEvent(f Filter, line []byte) (Event, bool) {
	top := fieldsOf(line)
	about := fieldsOf(top["context"])
	if !isText(top["eid"], "ASSESS") || !isText(about["channel"], f.Channel) {
		return Event{}, false
	}
	if f.PdataID != "" && !isText(fieldsOf(about["pdata"])["id"], f.PdataID) {
		return Event{}, false
	}
	var entries []json.RawMessage
	_ = json.Unmarshal(about["cdata"], &entries)
	hasEntry := false
	for _, raw := range entries {
		entry := fieldsOf(raw)
		hasEntry = hasEntry || isText(entry["type"], "Conversation") && isText(entry["id"], f.ConversationID)
	}
	if !hasEntry {
		return Event{}, false
	}
	edata, rollup := fieldsOf(top["edata"]), fieldsOf(about["rollup"])
	item := fieldsOf(edata["item"])
	e := Event{Row: exhaust.ResponseRow{
		MessageID: referenceCell(top["mid"]), DeviceID: referenceCell(about["did"]), SessionID: referenceCell(about["sid"]),
		QuestionID: referenceCell(item["id"]), Type: referenceCell(item["type"]), Title: referenceCell(item["title"]),
		Description: referenceCell(item["desc"]), Duration: referenceDuration(edata["duration"]), Score: referenceCell(edata["score"]),
		MaxScore: referenceCell(item["maxscore"]), Options: referenceJSON(item["params"]), Response: referenceJSON(edata["resvalues"]),
		XPath: referenceCell(rollup["l3"]), Eof: referenceCell(rollup["l4"]),
	}}
	e.MessageID, e.DeviceID = e.Row.MessageID, e.Row.DeviceID
	e.Row.Timestamp, e.Time = referenceTime(top["@timestamp"], top["ets"])
	return e, true
}

func referenceJSON(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		panic(err)
	}
	return string([]rune(b.String()))
}

func referenceCell(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		panic(err)
	}
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		if text, ok := plain(string(v)); ok {
			return text
		}
		return string(v)
	}
	return referenceJSON(raw)
}

// rational is a number's value. Exponents of more than four characters are beyond all limits: so small a number is
// told apart from others by its sign only, and so large a one is not given.
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
		return new(big.Rat).SetFrac64(int64(r.Sign()), math.MaxInt64), false, exponent[0] == '-'
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

func referenceDuration(raw json.RawMessage) string {
	text := referenceCell(raw)
	if !hasNumber(raw) {
		return text
	}
	r, _, ok := rational(string(raw))
	if !ok {
		return text
	}
	whole := floor(r.Add(r, big.NewRat(1, 2))).String()
	if len(strings.TrimPrefix(whole, "-")) > max(400, len(raw)) {
		return text
	}
	return whole
}

func hasNumber(raw json.RawMessage) bool {
	return len(raw) > 0 && strings.ContainsAny(string(raw[:1]), "-0123456789")
}

func referenceTime(timestamp, ets json.RawMessage) (string, int64) {
	text, instant := "", int64(math.MinInt64)
	if hasNumber(ets) {
		if r, _, ok := rational(string(ets)); ok {
			ms := floor(r)
			nanos := floor(r.Mul(r, big.NewRat(1_000_000, 1)))
			if t := time.UnixMilli(ms.Int64()).UTC(); ms.IsInt64() && t.Year() >= 0 && t.Year() <= 9999 {
				text, instant = t.Format("2006-01-02T15:04:05.000Z"), math.MaxInt64
				if nanos.IsInt64() {
					instant = nanos.Int64()
				} else if nanos.Sign() < 0 {
					instant = math.MinInt64 + 1
				}
			}
		}
	}
	if !hasNumber(timestamp) && !bytes.HasPrefix(timestamp, []byte(`"`)) {
		return text, instant
	}
	cell := referenceCell(timestamp)
	if cell == "" {
		return text, instant
	}
	text = cell
	if timestamp[0] != '"' {
		return text, instant
	}
	if parsed, ok := referenceInstant(text); ok {
		return text, parsed
	}
	return text, instant
}

var instantForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(?:[.,](\d+))?([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?$`)

func referenceInstant(text string) (int64, bool) {
	m := instantForm.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	second, leap := m[3], time.Duration(0)
	if second == "60" {
		second, leap = "59", time.Second
	}
	offset := strings.ReplaceAll(strings.ToUpper(m[5]), ":", "")
	switch len(offset) {
	case 0, 1:
		offset = "+0000"
	case 3:
		offset += "00"
	}
	t, err := time.Parse("2006-01-02T15:04:05-0700", m[1]+"T"+m[2]+second+offset)
	if err != nil {
		return 0, false
	}
	nanos, _ := strconv.Atoi((m[4] + "000000000")[:9])
	t = t.Add(leap + time.Duration(nanos))
	switch year := t.UTC().Year(); {
	case year < 1678:
		return math.MinInt64 + 1, true
	case year > 2261:
		return math.MaxInt64, true
	}
	return t.UnixNano(), true
}

// node is a JSON value that is yet to be spelled: a scalar's source text, a string, or an object's or array's parts.
type node struct {
	kind   byte // '"' '{' '[', 0 for a scalar
	text   string
	keys   []string
	values []node
}

func scalar(text string) node { return node{text: text} }
func text(s string) node      { return node{kind: '"', text: s} }

func object(pairs ...any) node {
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
			"0000-01-01t00:00:00", "9999-12-31 23:59:60,5-23:59", "2022-03-01T1:20:30Z"}[g.random.IntN(12)])
	}
	ets := func() node {
		if g.random.IntN(3) == 0 {
			return g.value(1)
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
			"pdata", likely(object("id", likely(text("prod.uci")), "ver", g.value(1))), "rollup", likely(g.some(repeat, "l3", g.value(1), "l4", g.value(1))))),
		"edata", likely(g.some(repeat, "duration", g.value(1), "score", g.value(1), "resvalues", g.value(3),
			"item", likely(g.some(repeat, "id", g.value(1), "type", g.value(1), "title", g.value(1), "desc", g.value(1), "maxscore", g.value(1), "params", g.value(3))))),
		"extra", g.value(3))
}

// some is an object of the pairs, now and then without one of them, or with one of them repeated.
func (g nasty) some(repeat bool, pairs ...any) node {
	n := object(pairs...)
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
	const lines = 8_000
	belong := 0
	for _, f := range []Filter{filter, {Channel: "tenant", ConversationID: "bot-1", PdataID: "prod.uci"}} {
		s := NewScanner(f)
		for range lines {
			var b strings.Builder
			spelling{random, false, random.IntN(2) * 20, random.IntN(2) * 20}.write(&b, g.event(true))
			line := b.String()
			want, belongs := referenceEvent(f, []byte(line))
			var got []Event
			counts, err := s.Scan(t.Context(), strings.NewReader(line), func(e *Event) error {
				got = append(got, *e)
				return nil
			})
			if err != nil || counts.Skipped != 0 || len(got) == 1 != belongs {
				t.Fatalf("%+v, %d events, %v of an event that belongs: %v\n%s", counts, len(got), err, belongs, line)
			}
			if belongs {
				belong++
				if got[0] != want {
					t.Fatalf("%s\ngot  %+v\nwant %+v", line, got[0], want)
				}
			}
		}
	}
	if belong < lines/4 {
		t.Errorf("only %d of the generated events belong", belong)
	}
}

// parseNode reads any JSON, with unique keys as decoding leaves them.
func parseNode(data []byte) node {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		panic(err)
	}
	return nodeOf(v)
}

func nodeOf(v any) node {
	switch v := v.(type) {
	case map[string]any:
		n := node{kind: '{'}
		for key, value := range v {
			n.keys = append(n.keys, key)
			n.values = append(n.values, nodeOf(value))
		}
		return n
	case []any:
		n := node{kind: '['}
		for _, value := range v {
			n.values = append(n.values, nodeOf(value))
		}
		return n
	case string:
		return text(v)
	case json.Number:
		return scalar(string(v))
	}
	return scalar(fmt.Sprint(map[any]string{true: "true", false: "false", nil: "null"}[v]))
}

// sameEvent compares events of two spellings: JSON within cells stands there as it was spelled.
func sameEvent(a, b Event) bool {
	left, right := reflect.ValueOf(a.Row), reflect.ValueOf(b.Row)
	for i := range left.NumField() {
		if !sameCell(left.Field(i).String(), right.Field(i).String()) {
			return false
		}
	}
	return a.Time == b.Time && sameCell(a.MessageID, b.MessageID) && sameCell(a.DeviceID, b.DeviceID)
}

func sameCell(a, b string) bool {
	if a == b {
		return true
	}
	decode := func(s string) (v any, ok bool) {
		decoder := json.NewDecoder(strings.NewReader(s))
		decoder.UseNumber()
		return v, decoder.Decode(&v) == nil
	}
	left, ok := decode(a)
	if !ok {
		return false
	}
	right, ok := decode(b)
	return ok && reflect.DeepEqual(left, right)
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
		trimmed := bytes.TrimLeft(line, " \t\r")
		if !json.Valid(line) || trimmed[0] != '{' {
			_, counts := scanText(t, filter, "{}\n"+string(line))
			if blank := len(trimmed) == 0; counts.Matched != 0 || counts.Skipped == 1 == blank {
				t.Fatalf("%+v of a line that is no JSON object: %q", counts, line)
			}
			return
		}
		want, belongs := referenceEvent(filter, line)
		got, _ := scanText(t, filter, "{}\n"+string(line))
		if len(got) == 1 != belongs || belongs && got[0] != want {
			t.Fatalf("%q\ngot  %+v\nwant %v %+v", line, got, belongs, want)
		}
		random := rand.New(rand.NewPCG(seed, seed))
		var b strings.Builder
		spelling{random, true, random.IntN(100), random.IntN(60)}.write(&b, parseNode(line))
		again, counts := scanText(t, filter, "{}\n"+b.String())
		if counts.Skipped != 0 || len(again) != len(got) || len(got) == 1 && !sameEvent(got[0], again[0]) {
			t.Fatalf("%q\nis read as %+v, but spelled\n%q\nas %+v", line, got, b.String(), again)
		}
	})
}
