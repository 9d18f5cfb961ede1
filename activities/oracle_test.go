package activities_test

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// oracle is a second implementation of contract sections 3 to 6, as slow and simple as can be: it holds
// everything in memory and shares no code with the program. It reads JSON itself, because encoding/json
// replaces the ill-formed bytes and lone surrogates that tell two ids apart.
type oracle struct {
	channel, conversation, name, pdataID              string
	assumeConsent, spark, byteOrderMark, formulaGuard bool
	// key decrypts phone numbers.
	key []byte
	// days are those of the range, as the names of their objects begin.
	days       []string
	objects    []plainObject
	users      []userRow
	identities []identityRow
	// registered are the devices of user_registrations.
	registered []string
}

// plainObject is a telemetry object before it was compressed.
type plainObject struct {
	name string
	text []byte
}

// userRow is a row of users; data is nil for NULL.
type userRow struct {
	id   string
	data *string
}

// identityRow is a row of identities; username is nil for NULL.
type identityRow struct {
	user     string
	username *string
}

// outcome is the file of an exhaust and what is counted of it.
type outcome struct {
	file string
	// rows are the file's, the header first; sources say what each was made of.
	rows, sources []string
	counts        outcomeCounts
}

type outcomeCounts struct {
	eventsMatched, repeats, rowsWritten, rowsUnknownDevice, linesSkipped, consentUnreadable, undecryptable int64
}

var (
	responseHeader = []string{
		"Message ID", "Conversation ID", "Conversation Name", "Device ID", "Session ID", "Question Id", "Question Type",
		"Question Title", "Question Description", "Question Duration", "Question Score", "Question Max Score",
		"Question Options", "Question Response", "X Path", "Eof", "Timestamp",
	}
	privateHeader = []string{"Conversation ID", "Conversation Name", "Decrypted Device ID", "Encrypted Device ID", "Device UUID"}
)

// response is the response exhaust.
func (o oracle) response() (out outcome) {
	o.begin(&out, responseHeader)
	unreadable := map[string]bool{}
	for _, e := range o.events(&out.counts) {
		if e.isRepeat {
			continue
		}
		user, known := o.user(e.did.text())
		if !known {
			out.counts.rowsUnknownDevice++
			continue
		}
		given := readConsent(user.data)
		if given.unreadable {
			unreadable[strings.ToLower(user.id)] = true
		}
		o.add(&out, e.source, o.responseRow(e.json, given))
	}
	out.counts.consentUnreadable = int64(len(unreadable))
	return out
}

func (o oracle) responseRow(event jsonValue, given consent) []string {
	edata, item, rollup := event.get("edata"), event.get("edata", "item"), event.get("context", "rollup")
	sid := event.get("context", "sid")
	if sid.text() == "" {
		sid = rollup.get("l5")
	}
	response := edata.get("resvalues").jsonCell()
	if given.refused {
		response = ""
	}
	return []string{
		o.cell(event.get("mid")),
		o.textCell(o.conversation),
		o.textCell(o.name),
		o.cell(event.get("context", "did")),
		o.cell(sid),
		o.cell(item.get("id")),
		o.cell(item.get("type")),
		o.cell(item.get("title")),
		o.cell(item.get("desc")),
		o.durationCell(edata.get("duration")),
		o.cell(edata.get("score")),
		o.cell(item.get("maxscore")),
		item.get("params").jsonCell(),
		response,
		o.cell(rollup.get("l3")),
		o.cell(rollup.get("l4")),
		o.timestampCell(event),
	}
}

// private is the private exhaust: of the devices that conversed, or where the request names no date, of
// those that are registered.
func (o oracle) private(fromRegistry bool) (out outcome) {
	o.begin(&out, privateHeader)
	devices := map[string]bool{}
	if fromRegistry {
		for _, id := range o.registered {
			devices[id] = true
		}
	} else {
		for _, e := range o.events(&out.counts) {
			devices[foldUUID(e.did.text())] = true
		}
	}
	var users []userRow
	for id := range devices {
		if user, known := o.user(id); known {
			users = append(users, user)
		} else {
			out.counts.rowsUnknownDevice++
		}
	}
	slices.SortFunc(users, func(a, b userRow) int { return strings.Compare(a.id, b.id) })
	for _, user := range users {
		given := readConsent(user.data)
		if given.unreadable {
			out.counts.consentUnreadable++
		}
		username := o.username(user.id)
		visibleID := o.textCell(user.id)
		if username != "" && !given.refused && (given.given || o.assumeConsent) {
			if phone, ok := decrypt(o.key, username); ok {
				visibleID = o.textCell(phone)
				if regexp.MustCompile(`^\+[0-9]+$`).MatchString(phone) {
					visibleID = phone
				}
			} else {
				out.counts.undecryptable++
			}
		}
		data := "NULL"
		if user.data != nil {
			data = *user.data
		}
		o.add(&out, "users.data "+data, []string{
			o.textCell(o.conversation), o.textCell(o.name), visibleID, finishedText(username), o.textCell(user.id),
		})
	}
	return out
}

// user is the row of users of a device. What is no uuid names no device.
func (o oracle) user(did string) (userRow, bool) {
	if uuidPattern.MatchString(did) {
		for _, user := range o.users {
			if strings.EqualFold(user.id, did) {
				return user, true
			}
		}
	}
	return userRow{}, false
}

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

func foldUUID(did string) string {
	if uuidPattern.MatchString(did) {
		return strings.ToLower(did)
	}
	return did
}

// username is the smallest of a user's identities; "" where there is none.
func (o oracle) username(user string) (smallest string) {
	for _, identity := range o.identities {
		if strings.EqualFold(identity.user, user) && identity.username != nil && *identity.username != "" {
			if smallest == "" || *identity.username < smallest {
				smallest = *identity.username
			}
		}
	}
	return smallest
}

// decrypt reveals a username: base64, AES in ECB mode, PKCS#5 padding. What is no text in one line was not
// encrypted with this key, though the padding is right by chance.
func decrypt(key []byte, username string) (string, bool) {
	data, err := base64.StdEncoding.DecodeString(username)
	if err != nil || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return "", false
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(data); i += aes.BlockSize {
		block.Decrypt(data[i:], data[i:])
	}
	padding := int(data[len(data)-1])
	if padding == 0 || padding > aes.BlockSize || !bytes.HasSuffix(data, bytes.Repeat([]byte{byte(padding)}, padding)) {
		return "", false
	}
	phone := string(data[:len(data)-padding])
	return phone, phone != "" && utf8.ValidString(phone) && !strings.ContainsFunc(phone, unicode.IsControl)
}

// consent is what users.data says.
type consent struct{ given, refused, unreadable bool }

func readConsent(data *string) (c consent) {
	text := ""
	if data != nil {
		text = *data
	}
	if within, ok := parseJSON([]byte(text)); ok && within.kind == '"' {
		text = within.decoded
	}
	if strings.Trim(text, " \t\r\n") == "" {
		return consent{}
	}
	value, ok := parseJSON([]byte(text))
	if !ok {
		return consent{refused: true, unreadable: true}
	}
	places := [][]string{{"device", "consent"}, {"data", "device", "consent"}}
	for _, place := range places {
		c.readPlace(value, place)
	}
	if c.unreadable {
		c.refused = true
	}
	if c.refused {
		c.given = false
	}
	return c
}

func (c *consent) readPlace(value jsonValue, place []string) {
	for _, name := range place {
		switch value.kind {
		case '{':
			value = value.get(name)
		case 0, 'n':
			return
		default:
			c.unreadable = true
			return
		}
	}
	word := value.source
	if value.kind == '"' {
		if word = strings.ToLower(value.decoded); word == "" || word == "null" {
			word = "unreadable"
		}
	}
	switch word {
	case "true":
		c.given = true
	case "false":
		c.refused = true
	case "", "null":
	default:
		c.unreadable = true
	}
}

// oracleEvent is an event that belongs to the exhaust.
type oracleEvent struct {
	json jsonValue
	// source is the event's own bytes.
	source   string
	mid, did jsonValue
	at, ets  *big.Rat // seconds since the epoch, nil where there is no time
	edata    string
	isRepeat bool
}

// events gives the events that belong in output order.
func (o oracle) events(counts *outcomeCounts) (events []oracleEvent) {
	for _, object := range o.objects {
		if !o.isTelemetry(object.name) {
			continue
		}
		for _, line := range strings.Split(string(object.text), "\n") {
			line = strings.TrimSuffix(strings.TrimRight(line, "\x00"), "\r")
			line = strings.TrimRight(line, "\x00")
			for trimmed := ""; trimmed != line; {
				trimmed = line
				line = strings.TrimPrefix(strings.TrimLeft(line, "\x00"), "\ufeff")
			}
			tooLong := len(line) > 16<<20
			line = strings.Trim(line, " \t\r\n")
			if line == "" && !tooLong {
				continue
			}
			event, ok := parseJSON([]byte(line))
			if tooLong || !ok || event.kind != '{' {
				counts.linesSkipped++
				continue
			}
			if !o.belongs(event) {
				continue
			}
			counts.eventsMatched++
			events = append(events, newOracleEvent(event, line))
		}
	}
	slices.SortStableFunc(events, func(a, b oracleEvent) int {
		return cmp.Or(
			compareInstants(a.at, b.at),
			strings.Compare(a.mid.text(), b.mid.text()),
			strings.Compare(a.did.text(), b.did.text()),
			compareInstants(a.ets, b.ets),
			strings.Compare(a.edata, b.edata),
			strings.Compare(a.source, b.source),
		)
	})
	kept := map[string]bool{}
	for i, e := range events {
		if kept[e.identity()] {
			counts.repeats++
			events[i].isRepeat = true
		}
		kept[e.identity()] = true
	}
	return events
}

// isTelemetry says whether an object is read: of a day of the range, with one of telemetry's suffixes.
func (o oracle) isTelemetry(name string) bool {
	for _, day := range o.days {
		for _, suffix := range []string{".gz", ".zst", ".json", ".jsonl", ".ndjson", ".log"} {
			if strings.HasPrefix(name, day) && strings.HasSuffix(name, suffix) {
				return true
			}
		}
	}
	return false
}

func (o oracle) belongs(event jsonValue) bool {
	if !event.get("eid").is("ASSESS") || !event.get("context", "channel").is(o.channel) {
		return false
	}
	if o.pdataID != "" && !event.get("context", "pdata", "id").is(o.pdataID) {
		return false
	}
	for _, entry := range event.get("context", "cdata").elements {
		if entry.get("type").is("Conversation") && entry.get("id").is(o.conversation) {
			return true
		}
	}
	return false
}

func newOracleEvent(event jsonValue, source string) oracleEvent {
	e := oracleEvent{json: event, source: source, mid: event.get("mid"), did: event.get("context", "did")}
	e.ets = instant(event.get("ets"))
	e.at = instant(event.get("@timestamp"))
	if e.at == nil {
		e.at = e.ets
	}
	e.edata = event.get("edata").canonical()
	return e
}

// identity is what makes two events one.
func (e oracleEvent) identity() string {
	ets := ""
	if e.ets != nil {
		ets = e.ets.RatString()
	}
	return strings.Join([]string{
		strconv.Quote(e.mid.text()), strconv.Quote(lowerCase(e.did.text())), ets, e.edata,
	}, "|")
}

// lowerCase leaves ill-formed bytes as they are; strings.ToLower would replace them.
func lowerCase(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError {
			b.WriteString(text[i : i+size])
		} else {
			b.WriteRune(unicode.ToLower(r))
		}
		i += size
	}
	return b.String()
}

func compareInstants(a, b *big.Rat) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Cmp(b)
}

var (
	timestampPattern = regexp.MustCompile(
		`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?(?:\[([^\[\]]+)\])?$`)
	digitsPattern = regexp.MustCompile(`^[0-9]+$`)
)

// instant reads a time in seconds since the epoch, and gives nil where there is none.
func instant(v jsonValue) *big.Rat {
	if v.kind == '0' || v.kind == '"' && digitsPattern.MatchString(v.decoded) {
		literal := v.source
		if v.kind == '"' {
			literal = v.decoded
		}
		milliseconds, ok := new(big.Rat).SetString(literal)
		if !ok {
			panic("no number: " + literal)
		}
		return milliseconds.Quo(milliseconds, big.NewRat(1000, 1))
	}
	if v.kind != '"' {
		return nil
	}
	match := timestampPattern.FindStringSubmatch(v.decoded)
	if match == nil {
		return nil
	}
	wall, fraction, offset, name := match[1], match[2], match[3], match[4]
	zone := time.UTC
	if offset == "" && name != "" {
		var err error
		if zone, err = time.LoadLocation(name); err != nil {
			return nil
		}
	}
	layout := "2006-01-02T15:04:05"
	if offset != "" {
		layout += "Z07:00"
	}
	at, err := time.ParseInLocation(layout, wall+offset, zone)
	if err != nil {
		return nil
	}
	seconds := new(big.Rat).SetInt64(at.Unix())
	if fraction != "" {
		part, _ := new(big.Rat).SetString("0." + fraction)
		seconds.Add(seconds, part)
	}
	return seconds
}

// timestampCell is @timestamp as it stands, else ets as UTC.
func (o oracle) timestampCell(event jsonValue) string {
	if at := event.get("@timestamp"); at.text() != "" {
		return o.cell(at)
	}
	at := instant(event.get("ets"))
	if at == nil {
		return ""
	}
	milliseconds := floor(new(big.Rat).Mul(at, big.NewRat(1000, 1)))
	return time.UnixMilli(milliseconds.Int64()).UTC().Format("2006-01-02T15:04:05.000Z")
}

// floor is the largest whole number that is not greater.
func floor(r *big.Rat) *big.Int {
	return new(big.Int).Div(r.Num(), r.Denom()) // Euclidean, and the denominator is positive
}

// cell shows a value where text is expected.
func (o oracle) cell(v jsonValue) string {
	if v.kind == '"' {
		return o.textCell(v.cellText)
	}
	return v.text()
}

// textCell is a finished text, guarded against a spreadsheet that would run it.
func (o oracle) textCell(text string) string {
	text = finishedText(text)
	if o.formulaGuard && text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// finishedText holds nothing that a spreadsheet does not take.
func finishedText(text string) string {
	return strings.ReplaceAll(replaceIllFormed(text), "\x00", "\ufffd")
}

var numberPattern = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// durationCell rounds a number half up, also one in quotes.
func (o oracle) durationCell(v jsonValue) string {
	literal := v.source
	if v.kind == '"' {
		literal = v.decoded
	}
	if !numberPattern.MatchString(literal) {
		return o.cell(v)
	}
	number, _ := new(big.Rat).SetString(literal)
	return floor(number.Add(number, big.NewRat(1, 2))).String()
}

// begin writes what stands before the rows.
func (o oracle) begin(out *outcome, header []string) {
	if o.byteOrderMark {
		out.file = "\ufeff"
	}
	o.add(out, "the header", header)
	out.counts.rowsWritten = 0
}

// add writes a row.
func (o oracle) add(out *outcome, source string, cells []string) {
	quotes := strings.NewReplacer(`"`, `""`)
	if o.spark {
		quotes = strings.NewReplacer(`"`, `\"`, `\`, `\\`) // Spark escapes its escape as well, within quotes
	}
	var quoted []string
	for _, cell := range cells {
		if strings.ContainsAny(cell, ",\"\r\n") {
			cell = `"` + quotes.Replace(cell) + `"`
		}
		quoted = append(quoted, cell)
	}
	row := strings.Join(quoted, ",") + "\n"
	out.file += row
	out.rows = append(out.rows, row)
	out.sources = append(out.sources, source)
	out.counts.rowsWritten++
}

// jsonValue is a JSON value. The zero value is one that is missing.
type jsonValue struct {
	// kind is the first byte of the source, '0' for any number.
	kind byte
	// source is the value as it stands.
	source string
	// decoded is a string's text, in which lone surrogates are three bytes and ill-formed bytes stand as
	// they are; cellText is the one in which U+FFFD stands for these and for U+0000; canonicalText is the string in
	// canonical form.
	decoded, cellText, canonicalText string
	elements                         []jsonValue
	members                          []jsonMember
}

type jsonMember struct{ name, value jsonValue }

// parseJSON reads one value with white space around it. encoding/json judges the syntax.
func parseJSON(text []byte) (jsonValue, bool) {
	if !json.Valid(text) {
		return jsonValue{}, false
	}
	p := jsonParser{text: string(text)}
	p.skipSpace()
	return p.value(), true
}

// jsonParser reads a text that is known to be JSON.
type jsonParser struct {
	text string
	at   int
}

func (p *jsonParser) skipSpace() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// next consumes a byte of punctuation and the white space behind it, and says whether it stands there.
func (p *jsonParser) next(b byte) bool {
	p.skipSpace()
	if p.text[p.at] != b {
		return false
	}
	p.at++
	p.skipSpace()
	return true
}

// value reads a value that begins here.
func (p *jsonParser) value() (v jsonValue) {
	start := p.at
	switch v.kind = p.text[p.at]; v.kind {
	case '{':
		p.next('{')
		for p.text[p.at] != '}' {
			name := p.value()
			p.next(':')
			v.members = append(v.members, jsonMember{name, p.value()})
			p.next(',')
		}
		p.at++
	case '[':
		p.next('[')
		for p.text[p.at] != ']' {
			v.elements = append(v.elements, p.value())
			p.next(',')
		}
		p.at++
	case '"':
		for p.at++; p.text[p.at] != '"'; p.at++ {
			if p.text[p.at] == '\\' {
				p.at++
			}
		}
		p.at++
		v.readString(p.text[start+1 : p.at-1])
	default:
		for p.at < len(p.text) && strings.IndexByte(" \t\r\n,]}", p.text[p.at]) < 0 {
			p.at++
		}
		if v.kind == '-' || v.kind >= '0' && v.kind <= '9' {
			v.kind = '0'
		}
	}
	v.source = p.text[start:p.at]
	return v
}

// readString decodes the inside of a JSON string.
func (v *jsonValue) readString(inner string) {
	var decoded, canonical strings.Builder
	canonical.WriteByte('"')
	eachUnit(inner, func(text string, loneSurrogate rune) {
		if r := loneSurrogate; r != 0 {
			decoded.Write([]byte{0xe0 | byte(r>>12), 0x80 | byte(r>>6)&0x3f, 0x80 | byte(r)&0x3f})
			fmt.Fprintf(&canonical, `\u%04x`, r)
			return
		}
		decoded.WriteString(text)
		if escape, found := canonicalEscapes[text]; found {
			text = escape
		} else if text[0] < 0x20 {
			text = fmt.Sprintf(`\u%04x`, text[0])
		}
		canonical.WriteString(text)
	})
	canonical.WriteByte('"')
	v.decoded, v.canonicalText = decoded.String(), canonical.String()
	var cellText strings.Builder
	eachUnit(replaceIllFormed(inner), func(text string, loneSurrogate rune) {
		if loneSurrogate != 0 || text == "\x00" {
			text = "\ufffd"
		}
		cellText.WriteString(text)
	})
	v.cellText = cellText.String()
}

var canonicalEscapes = map[string]string{
	`"`: `\"`, `\`: `\\`, "\b": `\b`, "\f": `\f`, "\n": `\n`, "\r": `\r`, "\t": `\t`,
}

// eachUnit hands over each byte that is no escape as it stands, and each escape decoded: as its text, or
// as the lone surrogate that it is.
func eachUnit(inner string, emit func(text string, loneSurrogate rune)) {
	unit := func(s string) rune { // the code unit of \uXXXX, or -1
		if len(s) < 6 || s[:2] != `\u` {
			return -1
		}
		n, err := strconv.ParseUint(s[2:6], 16, 16)
		if err != nil {
			return -1
		}
		return rune(n)
	}
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			emit(inner[i:i+1], 0)
			continue
		}
		first := unit(inner[i:])
		if first < 0 {
			i++
			emit(map[byte]string{
				'"': `"`, '\\': `\`, '/': "/", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t",
			}[inner[i]], 0)
			continue
		}
		i += 5
		second := unit(inner[i+1:])
		switch {
		case first >= 0xd800 && first < 0xdc00 && second >= 0xdc00 && second < 0xe000:
			emit(string(0x10000+(first-0xd800)<<10+(second-0xdc00)), 0)
			i += 6
		case first >= 0xd800 && first < 0xe000:
			emit("", first)
		default:
			emit(string(first), 0)
		}
	}
}

// replaceIllFormed puts U+FFFD for each maximal ill-formed sequence: the longest that begins a well-formed
// one, else a single byte (table 3-7 of the Unicode standard).
func replaceIllFormed(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if r, size := utf8.DecodeRuneInString(text[i:]); r != utf8.RuneError || size == 3 {
			b.WriteString(text[i : i+size])
			i += size
			continue
		}
		size := 1
		for longer := 2; longer < 4 && i+longer <= len(text) && beginsRune(text[i:i+longer]); longer++ {
			size = longer
		}
		b.WriteString("\ufffd")
		i += size
	}
	return b.String()
}

// beginsRune says whether a well-formed sequence of UTF-8 begins so.
func beginsRune(start string) bool {
	for _, rest := range []string{"\x80", "\x80\x80", "\xbf", "\xbf\xbf"} {
		if utf8.ValidString(start+rest) && utf8.RuneCountInString(start+rest) == 1 {
			return true
		}
	}
	return false
}

// get is the member of that path; of a name that stands twice the last counts.
func (v jsonValue) get(path ...string) jsonValue {
	for _, name := range path {
		var found jsonValue
		for _, member := range v.members {
			if member.name.decoded == name {
				found = member.value
			}
		}
		v = found
	}
	return v
}

// is says whether a value is that text.
func (v jsonValue) is(text string) bool { return v.kind == '"' && v.decoded == text }

// text is a value as text: strings decoded, numbers in their shortest form, nothing for null.
func (v jsonValue) text() string {
	switch v.kind {
	case 0, 'n':
		return ""
	case '"':
		return v.decoded
	case '0':
		number, _ := new(big.Rat).SetString(v.source)
		decimals, _ := number.FloatPrec()
		return number.FloatString(decimals)
	}
	return v.jsonCell()
}

// jsonCell is a value as it stands but for the white space between its tokens.
func (v jsonValue) jsonCell() string {
	if v.kind == 0 || v.kind == 'n' {
		return ""
	}
	var b strings.Builder
	inString := false
	for i := 0; i < len(v.source); i++ {
		c := v.source[i]
		switch {
		case inString && c == '\\':
			b.WriteByte(c)
			i++
			c = v.source[i]
		case c == '"':
			inString = !inString
		case !inString && strings.IndexByte(" \t\r\n", c) >= 0:
			continue
		}
		b.WriteByte(c)
	}
	return replaceIllFormed(b.String())
}

// canonical is a value without white space, its keys sorted, each once, its strings without escapes but for
// those that JSON asks for and lone surrogates, its numbers as written; "" for what is missing.
func (v jsonValue) canonical() string {
	switch v.kind {
	case '{':
		members := slices.Clone(v.members)
		slices.SortStableFunc(members, func(a, b jsonMember) int {
			return cmp.Or(strings.Compare(a.name.decoded, b.name.decoded), strings.Compare(a.name.canonicalText, b.name.canonicalText))
		})
		var texts []string
		for i, member := range members {
			if i+1 == len(members) || members[i+1].name.canonicalText != member.name.canonicalText {
				texts = append(texts, member.name.canonicalText+":"+member.value.canonical())
			}
		}
		return "{" + strings.Join(texts, ",") + "}"
	case '[':
		var elements []string
		for _, element := range v.elements {
			elements = append(elements, element.canonical())
		}
		return "[" + strings.Join(elements, ",") + "]"
	case '"':
		return v.canonicalText
	}
	return v.source
}

// encrypt is how UCI keeps a phone number.
func encrypt(key []byte, phone string) string {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	padding := aes.BlockSize - len(phone)%aes.BlockSize
	data := append([]byte(phone), bytes.Repeat([]byte{byte(padding)}, padding)...)
	for i := 0; i < len(data); i += aes.BlockSize {
		block.Encrypt(data[i:], data[i:])
	}
	return base64.StdEncoding.EncodeToString(data)
}
