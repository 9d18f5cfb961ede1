package activities_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// randomSeeds is how many random telemetries, registries and settings are compared.
const randomSeeds = 50

// TestAnExhaustIsWhatASimpleProgramMakesOfTheSameTelemetry compares whole files, and what is counted of
// them, with those that the oracle makes of the same telemetry, registry and settings.
func TestAnExhaustIsWhatASimpleProgramMakesOfTheSameTelemetry(t *testing.T) {
	r := newRig(t)
	r.exec(`DROP TABLE identities`) // the embedded one allows no NULL
	r.exec(`CREATE TABLE identities (users_id TEXT, username TEXT)`)
	counts := map[string]int{}
	var total outcomeCounts
	for seed := range uint64(randomSeeds) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), rig: r, seed: seed, counts: counts}
		for _, c := range g.compare() {
			total.eventsMatched += c.eventsMatched
			total.repeats += c.repeats
			total.rowsWritten += c.rowsWritten
			total.rowsUnknownDevice += c.rowsUnknownDevice
			total.linesSkipped += c.linesSkipped
			total.consentUnreadable += c.consentUnreadable
			total.undecryptable += c.undecryptable
		}
		if t.Failed() {
			break
		}
	}
	if t.Failed() {
		return
	}
	checkKinds(t, counts)
	least := outcomeCounts{
		eventsMatched: 8000, repeats: 1200, rowsWritten: 3000, rowsUnknownDevice: 1000, linesSkipped: 700, consentUnreadable: 300, undecryptable: 80,
	}
	if total.eventsMatched < least.eventsMatched || total.repeats < least.repeats || total.rowsWritten < least.rowsWritten ||
		total.rowsUnknownDevice < least.rowsUnknownDevice || total.linesSkipped < least.linesSkipped ||
		total.consentUnreadable < least.consentUnreadable || total.undecryptable < least.undecryptable {
		t.Errorf("all seeds together have %+v, want at least %+v", total, least)
	}
}

// checkKinds fails where the generator no longer makes a kind of thing.
func checkKinds(t *testing.T, counts map[string]int) {
	t.Helper()
	var wanted []string
	for _, group := range strings.Split(strings.TrimSpace(randomKinds), "\n") {
		name, kinds, _ := strings.Cut(group, ": ")
		for _, kind := range strings.Split(kinds, ", ") {
			wanted = append(wanted, name+": "+kind)
		}
	}
	for _, kind := range wanted {
		if counts[kind] == 0 {
			t.Errorf("no seed has %s", kind)
		}
	}
	for kind := range counts {
		if !slices.Contains(wanted, kind) {
			t.Errorf("randomKinds does not name %s", kind)
		}
	}
}

// randomKinds are the kinds of things that the seeds together must have.
const randomKinds = `
consent: NULL, given, given in both places, refused, given and refused, given and null, given and unreadable, refused and unreadable, in quotes, blanks in quotes, null in quotes, duplicate, JSON in JSON, JSON in JSON in JSON, no JSON in JSON, other keys, null, missing, empty, number, text, empty text, object, array, device is no object, data is no object, no JSON object, null around it, white space that is none of JSON, lone surrogates, U+0000, white space, digits, no JSON
registered: without users row
identities: none, digits, several, several with empty and NULL, NULL, empty, blank, no base64, no blocks, no padding, the smallest does not decrypt, undecryptable formula, ill-formed, plus and digits, plus and more, decrypts to a formula, decrypts to minus and digits, decrypts to a tab first, decrypts to NUL, decrypts to ill-formed text, decrypts to nothing, decrypts to 32 bytes
object: empty and plain, of NUL only, of a byte order mark only, without a line's end, plain, gzip, several gzip members, gzip and zeros, zstd, several zstd frames, gzip in gzip, gzip members in gzip members, zstd in gzip, gzip in zstd, zstd in zstd
before a line: byte order mark, several byte order marks, NUL, many NUL, byte order mark and NUL, NUL and byte order mark
behind a line: NUL, many NUL, white space, CR and NUL
line: the last without an end, LF, CRLF, empty, white space, NUL only, byte order mark only
name: of a day outside, dash, folder, folders, a digit behind the day, backslash and tab, no telemetry, capitals, .gz, .zst, .json, .jsonl, .ndjson, .log
event: white space before it, 10000 levels
answer: in some order
damaged: cut, no white space of JSON, NUL inside, byte order mark inside, byte order mark behind, control character inside, two objects, object in an array, no object, no JSON, 10001 levels
mid: of the second, its own, missing, null, empty, lone surrogate, ill-formed, U+0000, U+FFFD, number, digits, true, object, formula, Hindi, beyond U+FFFF
ets: missing, null, empty, unreadable, text of a time, float, exponent, digits, before the epoch, zero
@timestamp: missing, null, empty, offset, whole seconds, digits behind nanoseconds, number, before the epoch, digits, zone's name, zone's name without offset, zone's name that is another's, zone's name that is none's, without zone, unreadable, formula, other values
did: known, capitals, unknown, no uuid, lone surrogate, ill-formed, number, letters beyond ASCII, missing, null, empty
sid: empty, missing, null
edata: missing, null, array, text, empty, item is no object
text: missing, null, empty, comma, quotes, line breaks, blanks at the edges, backslash, formula, formula behind something, U+0000, lone surrogates, ill-formed, Hindi, beyond U+FFFF, noncharacters, digits, words of JSON, solidus, number, true, false, object, array
number: missing, null, whole, fraction, exponent, negative, zero, long, true, in quotes, text, object, array
duration: half, near half, in quotes, no number in quotes
json: missing, null, empty array, empty object, white space, numbers as written, object, duplicate keys, keys in another order, escapes, ill-formed, text, number, true, nested, Hindi
other: eid, channel, conversation, id elsewhere, type, id and type apart, cdata is an object, no cdata, the last of two ids
pdata: other, missing, no object, id is no text
conversation: escaped, among others, the last of two ids
duplicate: context that does not count, context that counts, mid, did, edata, eid
again: as it was, many answers at one instant, another @timestamp, did in another letter case, edata in another spelling, mid in another spelling, ets in another spelling, edata with 1.0 for 1, other session, of another device within the second, whole event in another spelling
settings: pdata id true, pdata id false, assume consent true, assume consent false, spark true, spark false, byte order mark true, byte order mark false, formula guard true, formula guard false
`

// generator makes the telemetry, the registry and the settings of one seed.
type generator struct {
	*rand.Rand
	rig  *rig
	seed uint64
	// counts is how many of each kind of thing there are, in all seeds.
	counts map[string]int

	oracle oracle
	known  []string // devices with a row in users
	events []randomEvent
	serial int // of mids and names that nothing else has
}

// choice is a way to spell something, and what it is called.
type choice struct{ kind, source string }

func (g *generator) choose(choices []choice) string {
	c := choices[g.IntN(len(choices))]
	g.count(c.kind)
	return c.source
}

func (g *generator) count(kind string) { g.counts[kind]++ }

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// compare makes the exhausts of a seed and compares them; it gives what is counted of them.
func (g *generator) compare() []outcomeCounts {
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		g.rig.t.Fatal(err)
	}
	g.oracle = oracle{
		channel: channel, conversation: conversation, key: key,
		name:          pick(g, `Helpdesk, "Sahayak"`, "=SUM(A1)", "सहायक", "two\nlines", "a\x00b", "\xe2\x82 x\xff"),
		pdataID:       pick(g, "", "", "prod.uci"),
		assumeConsent: g.oneIn(2), spark: g.oneIn(2), byteOrderMark: g.oneIn(2), formulaGuard: g.oneIn(2),
	}
	o := &g.oracle
	g.count(fmt.Sprintf("settings: pdata id %t", o.pdataID != ""))
	g.count(fmt.Sprintf("settings: assume consent %t", o.assumeConsent))
	g.count(fmt.Sprintf("settings: spark %t", o.spark))
	g.count(fmt.Sprintf("settings: byte order mark %t", o.byteOrderMark))
	g.count(fmt.Sprintf("settings: formula guard %t", o.formulaGuard))
	prefix := fmt.Sprintf("seed%d/", g.seed)
	days := []exhaust.Day{"2022-03-01", "2022-03-02", "2022-03-03"}[g.IntN(3):]
	for _, day := range days {
		o.days = append(o.days, prefix+string(day))
	}
	g.fillRegistry()
	g.fillTelemetry(prefix)

	settings := g.rig.settings
	settings.Layout = mustLayout(g.rig.t, prefix+"{yyyy}-{MM}-{dd}")
	settings.PdataID, settings.AssumeConsent = o.pdataID, o.assumeConsent
	settings.CSV = report.Options{Dialect: report.RFC4180, ByteOrderMark: o.byteOrderMark, FormulaGuard: o.formulaGuard}
	if o.spark {
		settings.CSV.Dialect = report.Spark
	}
	if g.seed%2 == 1 { // as few objects and devices are handled; else as many are
		settings.InlineObjects, settings.DevicesInMemory = 64, 1000
	}
	seeded := *g.rig
	seeded.settings = settings
	seeded.Activities = activities.New(g.rig.deps, settings)

	response, private, registered := o.response(), o.private(false), o.private(true)
	g.compareOne(&seeded, exhaust.ResponseExhaust, days, response)
	g.compareOne(&seeded, exhaust.PrivateExhaust, days, private)
	g.compareOne(&seeded, exhaust.PrivateExhaust, nil, registered)
	return []outcomeCounts{response.counts, private.counts, registered.counts}
}

// compareOne makes one exhaust, of the registered devices where there are no days.
func (g *generator) compareOne(r *rig, dataset exhaust.Dataset, days []exhaust.Day, want outcome) {
	r.t.Helper()
	label := fmt.Sprintf("seed %d, %s of %v", g.seed, dataset, days)
	staging := fmt.Sprintf("staging/%d/%s%d/", g.seed, dataset, len(days))
	var fetched []activities.Fetched
	if len(days) > 0 {
		for _, part := range g.mergeParts(must[[]activities.Part](r, r.PlanFetch, days[0], days[len(days)-1], staging)) {
			in := r.fetchInput(part)
			in.Dataset, in.Staging = dataset, staging
			fetched = append(fetched, must[activities.Fetched](r, r.FetchTelemetry, in))
		}
	}
	in := buildInput(dataset, fetched...)
	r.exec(`UPDATE bot SET name = $1 WHERE id = $2`, g.oracle.name, conversation)
	asked := request(dataset)
	asked.SubmittedAt = in.Completed
	in.Conversation = must[activities.Resolved](r, r.ResolveConversation, asked).Conversation
	in.Request.ID, in.Staging = fmt.Sprintf("%X", g.seed), staging
	g.Shuffle(len(in.Segments), func(i, j int) { in.Segments[i], in.Segments[j] = in.Segments[j], in.Segments[i] })
	var (
		joined activities.Joined
		built  activities.Built
	)
	switch {
	case r.settings.DevicesInMemory > 0:
		if len(days) > 0 {
			in.Request.StartDate, in.Request.EndDate = days[0], days[len(days)-1]
		}
		built = must[activities.Built](r, r.BuildReport, in)
		joined = built.Joined
	case len(days) > 0:
		joined = r.joinInto(&in)
		built = must[activities.Built](r, r.BuildCSV, in)
	default:
		joined = r.joinRegistered(&in)
		built = must[activities.Built](r, r.BuildCSV, in)
	}
	got := countsOf(dataset, in.Counts, joined, built)
	if got != want.counts {
		r.t.Errorf("%s: counts\ngot  %+v\nwant %+v", label, got, want.counts)
	}
	if difference := firstDifference(r.report(built.Report), want); difference != "" {
		r.t.Errorf("%s: %s\nsettings %+v", label, difference, r.settings.CSV)
	}
	if len(days) > 0 {
		g.compareOneStep(r, label, days, in, got, want)
	}
}

func countsOf(dataset exhaust.Dataset, read activities.Counts, joined activities.Joined, built activities.Built) outcomeCounts {
	counts := outcomeCounts{
		eventsMatched: read.EventsMatched, repeats: joined.Repeats, rowsWritten: built.RowsWritten,
		rowsUnknownDevice: built.RowsUnknownDevice, linesSkipped: read.LinesSkipped,
		consentUnreadable: joined.ConsentUnreadable, undecryptable: built.Undecryptable,
	}
	if dataset == exhaust.PrivateExhaust {
		counts.rowsUnknownDevice = joined.Unknown // its rows are devices, those unknown are left out when they are looked up
	}
	return counts
}

// compareOneStep makes the exhaust once more, of telemetry that is not staged.
func (g *generator) compareOneStep(r *rig, label string, days []exhaust.Day, in activities.BuildInput, counts outcomeCounts, want outcome) {
	r.t.Helper()
	part := r.partIn(in.Staging, days[0], days[len(days)-1])
	if part.Objects == 0 {
		return
	}
	staged := len(r.files(in.Staging))
	in.Segments, in.Read, in.ReadInline, in.Counts, in.Joined, in.Part = nil, nil, nil, activities.Counts{}, nil, &part
	in.Request.ID += "ONE"
	in.Request.AllowEmpty = true
	in.Request.StartDate, in.Request.EndDate = days[0], days[len(days)-1]
	built := must[activities.Built](r, r.MakeReport, in)
	got := countsOf(in.Request.Dataset, built.Read, built.Joined, built)
	if got != counts {
		r.t.Errorf("%s in one step: counts\ngot  %+v\nwant %+v", label, got, counts)
	}
	if difference := firstDifference(r.report(built.Report), want); difference != "" {
		r.t.Errorf("%s in one step: %s", label, difference)
	}
	if now := len(r.files(in.Staging)); !built.IsInMemory || now != staged {
		r.t.Errorf("%s in one step: %d files were staged, %d are now", label, staged, now)
	}
}

// firstDifference shows the first row that differs, and what it was made of.
func firstDifference(got string, want outcome) string {
	if got == want.file {
		return ""
	}
	rest := strings.TrimPrefix(got, "\ufeff")
	for i, row := range want.rows {
		var found bool
		if rest, found = strings.CutPrefix(rest, row); !found {
			return fmt.Sprintf("row %d of %d\ngot  %.2000q\nwant %q\nfrom %q", i, len(want.rows), rest, row, want.sources[i])
		}
	}
	return fmt.Sprintf("behind the last of %d rows, or a byte order mark: %.2000q", len(want.rows), rest)
}

// mergeParts puts some of the parts that stand behind each other together.
func (g *generator) mergeParts(parts []activities.Part) (merged []activities.Part) {
	for _, part := range parts {
		if len(merged) == 0 || g.oneIn(2) {
			part.Number = len(merged)
			merged = append(merged, part)
			continue
		}
		last := &merged[len(merged)-1]
		last.Listings = append(last.Listings, part.Listings...)
		last.Inline = append(last.Inline, part.Inline...)
		last.LastDay = part.LastDay
		last.Objects += part.Objects
		last.Bytes += part.Bytes
	}
	return merged
}

// joinRegistered looks up the devices that are registered to the conversation.
func (r *rig) joinRegistered(in *activities.BuildInput) activities.Joined {
	r.t.Helper()
	joined := must[activities.Joined](r, r.JoinDevices, activities.JoinInput{
		Dataset: in.Request.Dataset, ConversationID: conversation, Staging: in.Staging, FromRegistry: true,
	})
	in.Joined = &joined
	return joined
}

// fillRegistry makes the rows of a seed's devices. Each seed goes on in the lists of what a person may have
// where the one before stopped.
func (g *generator) fillRegistry() {
	for _, table := range []string{"users", "identities", "user_registrations"} {
		g.rig.exec(`DELETE FROM ` + table)
	}
	const persons = 10
	for n := range persons {
		at := int(g.seed)*persons + n
		id := fmt.Sprintf("%08x-abcd-4000-8000-%012x", g.Uint32(), at)
		g.known = append(g.known, id)
		c := consents[at%len(consents)]
		g.count(c.kind)
		user := userRow{id: id}
		if c.kind != "consent: NULL" {
			user.data = &c.source
		}
		g.oracle.users = append(g.oracle.users, user)
		g.rig.exec(`INSERT INTO users (id, data) VALUES ($1, $2)`, id, user.data)
		g.addIdentities(id, at)
		if !g.oneIn(4) {
			g.register(id)
		}
	}
	g.register(unknownDevice)
	g.count("registered: without users row")
}

func (g *generator) register(id string) {
	g.oracle.registered = append(g.oracle.registered, id)
	g.rig.exec(`INSERT INTO user_registrations (users_id, applications_id) VALUES ($1, $2)`, id, conversation)
}

const unknownDevice = "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee"

func (g *generator) addIdentities(user string, at int) {
	phone := func(text string) *string {
		username := encrypt(g.oracle.key, text)
		return &username
	}
	text := func(s string) *string { return &s }
	digits := func() *string { return phone(fmt.Sprintf("9%09d", g.IntN(1e9))) }
	kinds := []struct {
		kind      string
		usernames []*string
	}{
		{"identities: none", nil},
		{"identities: digits", []*string{digits()}},
		{"identities: several", []*string{digits(), digits(), digits()}},
		{"identities: several with empty and NULL", []*string{digits(), text(""), nil, digits()}},
		{"identities: NULL", []*string{nil}},
		{"identities: empty", []*string{text("")}},
		{"identities: blank", []*string{text(" "), digits()}},
		{"identities: no base64", []*string{text("not encrypted")}},
		{"identities: no blocks", []*string{text("YWJj")}},
		{"identities: no padding", []*string{text(base64.StdEncoding.EncodeToString(make([]byte, 16)))}},
		{"identities: the smallest does not decrypt", []*string{digits(), text("!")}},
		{"identities: undecryptable formula", []*string{text(`=1+"1", 2`)}},
		{"identities: ill-formed", []*string{text("\x00=\xff\xe2\x82")}},
		{"identities: plus and digits", []*string{phone("+919999912345")}},
		{"identities: plus and more", []*string{phone("+91 99999 12345")}},
		{"identities: decrypts to a formula", []*string{phone(`=HYPERLINK("x")`)}},
		{"identities: decrypts to minus and digits", []*string{phone("-1")}},
		{"identities: decrypts to a tab first", []*string{phone("\t=1")}},
		{"identities: decrypts to NUL", []*string{phone("\x0099999")}},
		{"identities: decrypts to ill-formed text", []*string{phone("99\xe2\x82|\xc0\xaf")}},
		{"identities: decrypts to nothing", []*string{phone("")}},
		{"identities: decrypts to 32 bytes", []*string{phone(strings.Repeat("9", 32))}},
	}
	k := kinds[at%len(kinds)]
	g.count(k.kind)
	for _, username := range k.usernames {
		g.oracle.identities = append(g.oracle.identities, identityRow{user, username})
		g.rig.exec(`INSERT INTO identities (users_id, username) VALUES ($1, $2)`, user, username)
	}
}

// consents are contents of users.data.
var consents = []choice{
	{"consent: given", `{"device":{"consent":true}}`},
	{"consent: given", `{"device":{"consent":true}}`},
	{"consent: given", `{"device":{"consent":true},"data":{}}`},
	{"consent: given", `{"data":{"device":{"consent":true}}}`},
	{"consent: given in both places", ` {"device" : {"consent":true} , "data":{"device":{"consent":true}}}`},
	{"consent: refused", `{"device":{"consent":false}}`},
	{"consent: refused", `{"data":{"device":{"consent":false}}}`},
	{"consent: given and refused", `{"device":{"consent":true},"data":{"device":{"consent":false}}}`},
	{"consent: given and refused", `{"device":{"consent":false},"data":{"device":{"consent":true}}}`},
	{"consent: given and null", `{"device":{"consent":null},"data":{"device":{"consent":true}}}`},
	{"consent: given and unreadable", `{"device":{"consent":true},"data":{"device":{"consent":"yes"}}}`},
	{"consent: given and unreadable", `{"device":{"consent":0},"data":{"device":{"consent":true}}}`},
	{"consent: given and unreadable", `{"device":{"consent":true},"data":[]}`},
	{"consent: given and unreadable", `{"device":{"consent":true},"data":{"device":"x"}}`},
	{"consent: refused and unreadable", `{"device":{"consent":false},"data":"x"}`},
	{"consent: in quotes", `{"device":{"consent":"true"}}`},
	{"consent: in quotes", `{"device":{"consent":"TrUe"}}`},
	{"consent: in quotes", `{"data":{"device":{"consent":"FALSE"}}}`},
	{"consent: in quotes", `{"device":{"consent":"\u0074rue"}}`},
	{"consent: blanks in quotes", `{"device":{"consent":" true"}}`},
	{"consent: null in quotes", `{"device":{"consent":"null"}}`},
	{"consent: duplicate", `{"device":{"consent":true},"device":{"consent":false}}`},
	{"consent: duplicate", `{"device":{"consent":false},"d\u0065vice":{"consent":true}}`},
	{"consent: duplicate", `{"device":{"consent":true,"consent":false}}`},
	{"consent: duplicate", `{"device":{"consent":false,"consent":null}}`},
	{"consent: duplicate", `{"data":{"device":{"consent":true}},"data":{}}`},
	{"consent: duplicate", `{"device":{"consent":true},"device":{}}`},
	{"consent: JSON in JSON", `"{\"device\":{\"consent\":true}}"`},
	{"consent: JSON in JSON", `"{\"device\":{\"consent\":false}}"`},
	{"consent: JSON in JSON", `"{\"data\":{\"device\":{\"consent\":\"true\"}}}"`},
	{"consent: JSON in JSON in JSON", `"\"{\\\"device\\\":{\\\"consent\\\":true}}\""`},
	{"consent: no JSON in JSON", `"true"`},
	{"consent: no JSON in JSON", `"{"`},
	{"consent: other keys", `{"Device":{"consent":false},"device":{"Consent":false}}`},
	{"consent: other keys", `{"consent":true}`},
	{"consent: null", `{"device":{"consent":null}}`},
	{"consent: missing", `{}`},
	{"consent: missing", `{"device":{},"data":{"device":{}}}`},
	{"consent: empty", ``},
	{"consent: NULL", ``},
	{"consent: number", `{"device":{"consent":1}}`},
	{"consent: text", `{"device":{"consent":"yes"}}`},
	{"consent: empty text", `{"device":{"consent":""}}`},
	{"consent: object", `{"device":{"consent":{}}}`},
	{"consent: array", `{"data":{"device":{"consent":[true]}}}`},
	{"consent: device is no object", `{"device":[]}`},
	{"consent: device is no object", `{"device":true}`},
	{"consent: data is no object", `{"data":"{\"device\":{\"consent\":true}}"}`},
	{"consent: data is no object", `{"data":7}`},
	{"consent: no JSON object", `[{"device":{"consent":true}}]`},
	{"consent: no JSON object", `true`},
	{"consent: null around it", `{"device":null}`},
	{"consent: null around it", `{"device":{"consent":true},"data":null}`},
	{"consent: null around it", `{"data":{"device":null}}`},
	{"consent: null around it", `null`},
	{"consent: null around it", `"null"`},
	{"consent: empty", `""`},
	{"consent: empty", " \n"},
	{"consent: no JSON", `{"device":{"consent":true}`},
	{"consent: no JSON", `{"device":{"consent":01}}`},
	{"consent: white space that is none of JSON", "\u00a0{\"device\":{\"consent\":true}}"},
	{"consent: lone surrogates", `{"device":{"consent":"\ud800"}}`},
	{"consent: lone surrogates", `{"device":{"consent":true,"consen\ud800":false},"device\udc00":{"consent":false}}`},
	{"consent: U+0000", `{"device":{"consent":"true\u0000"}}`},
	{"consent: white space", " {\n\t\"device\": {\"consent\": true}\r\n}\n"},
	{"consent: digits", `{"device":{"consent":"1"}}`},
	{"consent: no JSON", `{"device":{"consent":true}} x`},
	{"consent: no JSON", `{'device':{'consent':true}}`},
}

// fillTelemetry makes the objects of a seed's telemetry: first the lines of each, then, as each is written,
// what stands around lines.
func (g *generator) fillTelemetry(prefix string) {
	lines := make([][]string, 6+g.IntN(6))
	for range 250 + g.IntN(100) {
		i := g.IntN(len(lines))
		lines[i] = append(lines[i], g.line())
	}
	g.count("again: many answers at one instant")
	base := g.newEvent()
	for range 25 {
		e := base
		e.edata = g.restyled(object("item", object("params", g.choose(answers))))
		i := g.IntN(len(lines))
		lines[i] = append(lines[i], e.text())
	}
	for i := range lines {
		g.putObject(prefix, i, g.join(lines[i]))
	}
	for _, extra := range []choice{
		{"object: empty and plain", ""}, {"object: of NUL only", "\x00\x00\x00\x00"}, {"object: of a byte order mark only", "\ufeff"}, {"object: without a line's end", "{}"},
	} {
		if g.oneIn(5) {
			g.count(extra.kind)
			g.serial++
			name := fmt.Sprintf("%s2022-03-0%d-x%d.json", prefix, 1+g.IntN(3), g.serial)
			g.rig.write(name, []byte(extra.source))
			g.oracle.objects = append(g.oracle.objects, plainObject{name, []byte(extra.source)})
		}
	}
}

// join puts lines together, with what may stand around them.
func (g *generator) join(lines []string) []byte {
	var b bytes.Buffer
	for i, line := range lines {
		if g.oneIn(8) {
			b.WriteString(g.choose([]choice{
				{"before a line: byte order mark", "\ufeff"},
				{"before a line: NUL", "\x00"},
				{"before a line: many NUL", strings.Repeat("\x00", 5000)},
				{"before a line: several byte order marks", "\ufeff\ufeff"},
				{"before a line: byte order mark and NUL", "\ufeff\x00\x00"},
				{"before a line: NUL and byte order mark", "\x00\x00\ufeff"},
			}))
		}
		b.WriteString(line)
		if g.oneIn(8) {
			b.WriteString(g.choose([]choice{
				{"behind a line: NUL", "\x00"},
				{"behind a line: many NUL", strings.Repeat("\x00", 70000)},
				{"behind a line: white space", " \t"},
				{"behind a line: CR and NUL", "\r\x00\x00"},
			}))
		}
		if i == len(lines)-1 && g.oneIn(2) {
			g.count("line: the last without an end")
			break
		}
		b.WriteString(g.choose([]choice{{"line: LF", "\n"}, {"line: CRLF", "\r\n"}}))
	}
	return b.Bytes()
}

// putObject writes an object under some name in some compression, and tells the oracle.
func (g *generator) putObject(prefix string, n int, text []byte) {
	day := pick(g, "2022-02-28", "2022-03-01", "2022-03-01", "2022-03-02", "2022-03-02", "2022-03-03", "2022-03-03", "2022-03-04")
	if day < "2022-03-01" || day > "2022-03-03" {
		g.count("name: of a day outside")
	}
	stem := g.choose([]choice{
		{"name: dash", "-%d-1646092800000"}, {"name: folder", "/part-%d"}, {"name: folders", "/a/b c/%d"},
		{"name: a digit behind the day", "%d"}, {"name: backslash and tab", "-%d\\a\tb"},
	})
	name := prefix + day + fmt.Sprintf(stem, n)
	switch {
	case g.oneIn(12):
		name += g.choose([]choice{
			{"name: no telemetry", ".txt"}, {"name: capitals", ".JSON"}, {"name: capitals", ".GZ"}, {"name: no telemetry", ".json.tmp"}, {"name: no telemetry", ""},
		})
	case len(text) == 0:
		name += ".json"
	default:
		name += g.choose([]choice{
			{"name: .gz", ".gz"}, {"name: .gz", ".json.gz"}, {"name: .zst", ".zst"}, {"name: .json", ".json"},
			{"name: .jsonl", ".jsonl"}, {"name: .ndjson", ".ndjson"}, {"name: .log", ".log"},
		})
	}
	compressions := []struct {
		kind string
		pack func([]byte) []byte
	}{
		{"object: plain", func(b []byte) []byte { return b }},
		{"object: gzip", g.gzip},
		{"object: several gzip members", func(b []byte) []byte { return g.cut(b, g.gzip) }},
		{"object: gzip and zeros", func(b []byte) []byte { return append(g.gzip(b), make([]byte, 1+g.IntN(2000))...) }},
		{"object: zstd", g.zstd},
		{"object: several zstd frames", func(b []byte) []byte { return g.cut(b, g.zstd) }},
		{"object: gzip in gzip", func(b []byte) []byte { return g.gzip(g.gzip(b)) }},
		{"object: gzip members in gzip members", func(b []byte) []byte { return g.cut(g.cut(b, g.gzip), g.gzip) }},
		{"object: zstd in gzip", func(b []byte) []byte { return g.gzip(g.cut(b, g.zstd)) }},
		{"object: gzip in zstd", func(b []byte) []byte { return g.cut(g.gzip(b), g.zstd) }},
		{"object: zstd in zstd", func(b []byte) []byte { return g.zstd(g.zstd(b)) }},
	}
	c := compressions[g.IntN(len(compressions))]
	g.count(c.kind)
	g.rig.write(name, c.pack(text))
	g.oracle.objects = append(g.oracle.objects, plainObject{name, text})
}

// cut packs a text in several pieces.
func (g *generator) cut(text []byte, pack func([]byte) []byte) (packed []byte) {
	for range 1 + g.IntN(4) {
		n := g.IntN(len(text) + 1)
		packed = append(packed, pack(text[:n])...)
		text = text[n:]
	}
	return append(packed, pack(text)...)
}

func (g *generator) gzip(text []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, pick(g, gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression))
	if err != nil {
		g.rig.t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		g.rig.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		g.rig.t.Fatal(err)
	}
	return b.Bytes()
}

func (g *generator) zstd(text []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10), zstd.WithEncoderCRC(g.oneIn(2)), zstd.WithZeroFrames(true))
	if err != nil {
		g.rig.t.Fatal(err)
	}
	return w.EncodeAll(text, nil)
}

// line is an event, one that was delivered before, or no event at all.
func (g *generator) line() string {
	switch {
	case g.oneIn(15):
		return g.choose([]choice{
			{"line: empty", ""}, {"line: white space", " \t "}, {"line: NUL only", "\x00\x00"}, {"line: byte order mark only", "\ufeff"},
		})
	case g.oneIn(12):
		return g.damagedLine()
	case len(g.events) > 0 && g.oneIn(3):
		return g.deliverAgain()
	}
	e := g.newEvent()
	g.events = append(g.events, e)
	text := e.text()
	switch {
	case g.oneIn(40):
		g.count("event: white space before it")
		text = " \t" + text
	case g.oneIn(400):
		g.count("event: 10000 levels")
		text = text[:len(text)-1] + `,"deep":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + "}"
	}
	return text
}

// damagedLine is no JSON object, though it holds all that an event would.
func (g *generator) damagedLine() string {
	event := g.newEvent().text()
	middle := strings.Index(event, "ASSESS") + 3
	if middle < 3 {
		middle = len(event) / 2
	}
	return g.choose([]choice{
		{"damaged: cut", event[:len(event)-1]},
		{"damaged: cut", event[:middle]},
		{"damaged: NUL inside", event[:middle] + "\x00" + event[middle:]},
		{"damaged: byte order mark inside", "{\ufeff" + event[1:]},
		{"damaged: byte order mark behind", event + "\ufeff"},
		{"damaged: control character inside", event[:middle] + "\x01" + event[middle:]},
		{"damaged: two objects", event + event},
		{"damaged: object in an array", "[" + event + "]"},
		{"damaged: no object", "null"},
		{"damaged: no white space of JSON", "\f"},
		{"damaged: no white space of JSON", "\u00a0"},
		{"damaged: no object", "7"},
		{"damaged: no object", `"` + conversation + `"`},
		{"damaged: no JSON", "x\xff\xfe" + conversation},
		{"damaged: no JSON", `{'eid':'ASSESS'}`},
		{"damaged: no JSON", event[:len(event)-1] + ",}"},
		{"damaged: no JSON", event[:len(event)-1] + `,"n":01}`},
		{"damaged: no JSON", event[:len(event)-1] + `,"n":NaN}`},
		{"damaged: no JSON", event[:len(event)-1] + `,"n":"\x41"}`},
		{"damaged: no JSON", event[:len(event)-1] + `,"n":+1}`},
		{"damaged: 10001 levels", event[:len(event)-1] + `,"deep":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + "}"},
	})
}

// randomEvent is an event in the making: sources of JSON values, "" for what is missing.
type randomEvent struct {
	eid, mid, at, ets, channel, pdata, cdata, did, sid, l3, l4, l5, edata string
	// wrap changes the finished text, for instance by giving it a second context.
	wrap func(string) string
}

func (e randomEvent) text() string {
	context := object(
		"channel", e.channel, "pdata", e.pdata, "env", `"prod"`, "cdata", e.cdata, "did", e.did, "sid", e.sid,
		"rollup", object("l1", `"x"`, "l3", e.l3, "l4", e.l4, "l5", e.l5),
	)
	text := object("ver", `"3.0"`, "eid", e.eid, "mid", e.mid, "ets", e.ets, "@timestamp", e.at, "context", context, "edata", e.edata)
	if e.wrap != nil {
		text = e.wrap(text)
	}
	return text
}

// object writes names and values, without those that are missing.
func object(namesAndValues ...string) string {
	var members []string
	for i := 0; i < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] != "" {
			members = append(members, `"`+namesAndValues[i]+`":`+namesAndValues[i+1])
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// newEvent makes an event. Few seconds, devices and answers meet often.
func (g *generator) newEvent() randomEvent {
	second := time.Date(2022, 3, 1, 10, 0, g.IntN(8), 0, time.UTC)
	at := second.Add(pick[time.Duration](g, 0, 175, 640, 900) * time.Millisecond)
	e := randomEvent{
		eid: `"ASSESS"`, channel: `"` + channel + `"`, cdata: `[{"type":"Conversation","id":"` + conversation + `"}]`,
		mid: g.mid(second), ets: g.ets(at), at: g.timestamp(at), did: g.did(),
		sid: g.sid(), l3: g.text(), l4: g.text(), l5: pick(g, `"session"`, `"other session"`, "", g.text()),
		edata: g.edata(),
	}
	if g.oracle.pdataID != "" || g.oneIn(3) {
		e.pdata = `{"id":"prod.uci"}`
	}
	g.vary(&e)
	if g.oneIn(6) {
		return e
	}
	e.mid, e.did, e.edata = g.restyled(e.mid), g.restyled(e.did), g.restyled(e.edata)
	return e
}

// mid is mostly UCI's: all events of one second share it.
func (g *generator) mid(second time.Time) string {
	uci := fmt.Sprintf(`"ASSESS:%x"`, md5.Sum([]byte(second.Format("2006-01-02T15:04:05Z"))))
	if !g.oneIn(4) {
		g.count("mid: of the second")
		return uci
	}
	g.serial++
	return g.choose([]choice{
		{"mid: its own", fmt.Sprintf(`"m%d"`, g.serial)},
		{"mid: missing", ""}, {"mid: null", "null"}, {"mid: empty", `""`},
		{"mid: lone surrogate", `"m\ud800"`}, {"mid: lone surrogate", `"m\udbff"`}, {"mid: lone surrogate", `"m\udc00"`},
		{"mid: ill-formed", "\"m\xff\""}, {"mid: ill-formed", "\"m\xfe\""}, {"mid: ill-formed", "\"m\xe2\x82\""},
		{"mid: U+0000", `"m\u0000"`}, {"mid: U+FFFD", `"m\ufffd"`},
		{"mid: number", "7"}, {"mid: digits", `"7"`}, {"mid: true", "true"}, {"mid: object", `{"m" : 1.0}`}, {"mid: formula", `"=m"`}, {"mid: Hindi", `"हिन्दी"`}, {"mid: beyond U+FFFF", `"m\ud83d\ude00"`},
	})
}

func (g *generator) ets(at time.Time) string {
	milliseconds := at.UnixMilli()
	number := fmt.Sprint(milliseconds)
	if !g.oneIn(4) {
		return number
	}
	return g.choose([]choice{
		{"ets: missing", ""}, {"ets: null", "null"}, {"ets: empty", `""`},
		{"ets: float", number + ".0"}, {"ets: float", number + ".25"}, {"ets: float", number + ".00000000000000000001"},
		{"ets: exponent", number[:1] + "." + number[1:] + "e12"}, {"ets: exponent", number + "0E-1"}, {"ets: exponent", "1e12"},
		{"ets: digits", `"` + number + `"`}, {"ets: digits", `"0` + number + `"`},
		{"ets: unreadable", `"soon"`}, {"ets: unreadable", "true"}, {"ets: unreadable", `"\ud800"`}, {"ets: text of a time", `"` + at.Format("2006-01-02T15:04:05.000Z") + `"`},
		{"ets: before the epoch", "-1"}, {"ets: before the epoch", "-1.05"}, {"ets: before the epoch", "-10.5"}, {"ets: before the epoch", "-10"}, {"ets: zero", "-0"},
	})
}

func (g *generator) timestamp(at time.Time) string {
	plain := at.Format("2006-01-02T15:04:05.000")
	india := at.Add(5*time.Hour + 30*time.Minute).Format("2006-01-02T15:04:05.000")
	number := fmt.Sprint(at.UnixMilli())
	if !g.oneIn(3) {
		return `"` + plain + `Z"`
	}
	return g.choose([]choice{
		{"@timestamp: missing", ""}, {"@timestamp: missing", ""}, {"@timestamp: missing", ""}, {"@timestamp: null", "null"}, {"@timestamp: empty", `""`},
		{"@timestamp: offset", `"` + india + `+05:30"`}, {"@timestamp: whole seconds", `"` + plain[:19] + `Z"`},
		{"@timestamp: digits behind nanoseconds", `"` + plain + `0000000001Z"`}, {"@timestamp: digits behind nanoseconds", `"` + plain + `0000000000Z"`},
		{"@timestamp: number", number}, {"@timestamp: number", number + ".5"}, {"@timestamp: number", number + "00e-2"}, {"@timestamp: before the epoch", "-10"}, {"@timestamp: before the epoch", "-10.05"}, {"@timestamp: before the epoch", "-10.0501"}, {"@timestamp: before the epoch", `"1969-12-31T23:59:59.99Z"`},
		{"@timestamp: digits", `"` + number + `"`},
		{"@timestamp: zone's name", `"` + plain + `Z[UTC]"`}, {"@timestamp: zone's name", `"` + india + `+05:30[Asia/Kolkata]"`},
		{"@timestamp: zone's name without offset", `"` + india + `[Asia/Kolkata]"`},
		{"@timestamp: zone's name that is another's", `"` + plain + `+00:00[Asia/Kolkata]"`}, {"@timestamp: zone's name that is none's", `"` + plain + `Z[nowhere]"`},
		{"@timestamp: without zone", `"` + plain + `"`},
		{"@timestamp: unreadable", `"yesterday, or so"`}, {"@timestamp: unreadable", `"2022-02-30T10:00:00Z"`}, {"@timestamp: unreadable", `"2022-03-01T25:00:00Z"`},
		{"@timestamp: unreadable", `"` + plain + `Z\u0000"`}, {"@timestamp: unreadable", `"\ud800"`}, {"@timestamp: unreadable", `"१६४६१२८८००१७५"`},
		{"@timestamp: formula", `"=1+1"`}, {"@timestamp: other values", "true"}, {"@timestamp: other values", `{"a" : "=1"}`}, {"@timestamp: other values", "[1.0]"},
	})
}

func (g *generator) did() string {
	known := g.known[g.IntN(len(g.known))]
	if !g.oneIn(4) {
		g.count("did: known")
		return `"` + known + `"`
	}
	return g.choose([]choice{
		{"did: capitals", `"` + strings.ToUpper(known) + `"`}, {"did: capitals", `"` + strings.ToUpper(known[:9]) + known[9:] + `"`},
		{"did: unknown", `"` + unknownDevice + `"`}, {"did: unknown", `"` + strings.ToUpper(unknownDevice) + `"`},
		{"did: no uuid", `"no-uuid"`}, {"did: no uuid", `"=no-uuid"`}, {"did: no uuid", `"{` + known + `}"`}, {"did: no uuid", `"urn:uuid:` + known + `"`},
		{"did: no uuid", `"` + strings.ReplaceAll(known, "-", "") + `"`}, {"did: no uuid", `" ` + known + `"`}, {"did: no uuid", `"` + known + `\u0000"`},
		{"did: no uuid", `"` + known[:35] + `"`}, {"did: no uuid", `"` + known[:35] + `g"`}, {"did: lone surrogate", `"\ud800"`}, {"did: lone surrogate", `"\ud801"`},
		{"did: ill-formed", "\"\xfe\""}, {"did: ill-formed", "\"\xff\""}, {"did: number", "7"}, {"did: letters beyond ASCII", `"हिé"`}, {"did: letters beyond ASCII", `"हिÉ"`}, {"did: missing", ""}, {"did: null", "null"}, {"did: empty", `""`},
	})
}

func (g *generator) sid() string {
	return pick(g, `"s1"`, `"s2"`, g.choose([]choice{{"sid: empty", `""`}, {"sid: missing", ""}, {"sid: null", "null"}}), g.text())
}

func (g *generator) edata() string {
	switch g.IntN(60) {
	case 0:
		g.count("edata: missing")
		return ""
	case 1:
		return g.choose([]choice{
			{"edata: null", "null"}, {"edata: array", `[{"item":{"id":"q"}}]`}, {"edata: text", `"{\"item\":1}"`}, {"edata: empty", `{}`}, {"edata: item is no object", `{"item":[{"id":"q"}],"resvalues":[1]}`},
		})
	}
	item := object("id", g.text(), "type", g.text(), "title", g.text(), "desc", g.text(), "maxscore", g.number(), "params", g.json())
	return object("duration", g.duration(), "score", g.number(), "item", item, "resvalues", g.json())
}

// text is what may stand where text is expected.
func (g *generator) text() string {
	if g.oneIn(3) {
		return pick(g, `"plain"`, `"q1"`, `"q2"`)
	}
	return g.choose([]choice{
		{"text: missing", ""}, {"text: null", "null"}, {"text: empty", `""`},
		{"text: comma", `"a, b"`}, {"text: quotes", `"say \"hi\""`}, {"text: quotes", `"\""`}, {"text: line breaks", `"two\nlines"`}, {"text: line breaks", `"\r\n, \r"`},
		{"text: blanks at the edges", `" blanks "`}, {"text: blanks at the edges", `"\u00a0"`}, {"text: backslash", `"C:\\dir\\\"x\""`}, {"text: backslash", `"\\."`},
		{"text: formula", `"=1+1"`}, {"text: formula", `"+1"`}, {"text: formula", `"-1"`}, {"text: formula", `"@SUM(A1)"`}, {"text: formula", `"\t=1"`},
		{"text: formula", `"\r=1"`}, {"text: formula", `"\u003d\"1\", 2"`}, {"text: formula behind something", `" =1"`}, {"text: formula behind something", `"\n=1"`}, {"text: formula behind something", `"\u0000=1"`},
		{"text: U+0000", `"a\u0000b"`}, {"text: lone surrogates", `"\ud800"`}, {"text: lone surrogates", `"\udc00\ud800"`}, {"text: lone surrogates", `"\ud800\ud83d\ude00\uDFFFx"`},
		{"text: lone surrogates", `"\ud800` + "\xff" + `\n"`},
		{"text: ill-formed", "\"\xff\xfe\""}, {"text: ill-formed", "\"\xe2\x82\""}, {"text: ill-formed", "\"a\xf0\x9f\x98b\xf0\x80\x80c\""}, {"text: ill-formed", "\"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\""},
		{"text: ill-formed", "\"\x80\xe0\x9f\xbf\xe0\xa0\""},
		{"text: Hindi", `"हिन्दी में"`}, {"text: Hindi", `"\u0939\u093f"`}, {"text: beyond U+FFFF", `"\ud83d\ude00😀"`}, {"text: noncharacters", `"\ufffe\uffff\ufeff\u2028\u0085"`},
		{"text: digits", `"007"`}, {"text: digits", `"1.0"`}, {"text: words of JSON", `"null"`}, {"text: solidus", `"a\/b</script>"`},
		{"text: number", "7"}, {"text: number", "7.50"}, {"text: number", "-7"}, {"text: true", "true"}, {"text: false", "false"},
		{"text: object", `{ "a" : [1.0, "\u0041\ud800"], "a":"` + "\xff" + `" }`}, {"text: array", `[ ]`}, {"text: array", `["=1", -1]`},
	})
}

// number is what may stand where a number is expected.
func (g *generator) number() string {
	if g.oneIn(3) {
		return pick(g, "1", "0", "1.0")
	}
	return g.choose([]choice{
		{"number: missing", ""}, {"number: null", "null"}, {"number: whole", "21"}, {"number: fraction", "21.0"}, {"number: exponent", "2.1e1"}, {"number: exponent", "21E+2"},
		{"number: exponent", "1E-7"}, {"number: exponent", "100e-2"}, {"number: fraction", "0.50"}, {"number: negative", "-0.25"}, {"number: zero", "-0"}, {"number: zero", "-0.0e5"},
		{"number: zero", "0e99"}, {"number: long", "123456789012345678901234567890.10"}, {"number: long", "1e40"}, {"number: long", "0.1000000000000000055511151231257827"},
		{"number: negative", "-1e-3"}, {"number: true", "true"}, {"number: in quotes", `"21.0"`}, {"number: in quotes", `"-1"`}, {"number: text", `"much, \"very\" much"`}, {"number: object", `{"n" : 1.0}`}, {"number: array", `[ 1.0 ]`},
	})
}

func (g *generator) duration() string {
	if g.oneIn(2) {
		return g.number()
	}
	return g.choose([]choice{
		{"duration: half", "1499.5"}, {"duration: half", "1500.5"}, {"duration: half", "-1.5"}, {"duration: half", "-0.5"}, {"duration: half", "0.5"}, {"duration: half", "25e-1"},
		{"duration: near half", "0.49999999999999999999"}, {"duration: near half", "-0.50000000000000000001"}, {"duration: near half", "9007199254740993.5"},
		{"duration: in quotes", `"12"`}, {"duration: in quotes", `"1.5"`}, {"duration: in quotes", `"-2.5e0"`}, {"duration: in quotes", `"\u0031e2"`},
		{"duration: no number in quotes", `"soon"`}, {"duration: no number in quotes", `""`}, {"duration: no number in quotes", `" 5"`}, {"duration: no number in quotes", `"05"`}, {"duration: no number in quotes", `"05.5"`}, {"duration: no number in quotes", `"+5"`}, {"duration: no number in quotes", `".5"`},
		{"duration: no number in quotes", `"5."`}, {"duration: no number in quotes", `"0x10"`}, {"duration: no number in quotes", `"1_0"`}, {"duration: no number in quotes", `"५"`}, {"duration: no number in quotes", `"-x"`}, {"duration: no number in quotes", `"1,5"`}, {"duration: no number in quotes", `"NaN"`},
	})
}

// json is what may stand where JSON is shown.
func (g *generator) json() string {
	if g.oneIn(3) {
		return pick(g, `[{"1":"yes"}]`, `[{"2":"no"}]`)
	}
	return g.choose([]choice{
		{"json: missing", ""}, {"json: null", "null"}, {"json: empty array", "[ ]"}, {"json: empty object", "{\t}"}, {"json: white space", `[{"1" : "yes, \"a b\"" } , { "2":"no" }]`},
		{"json: numbers as written", `[1.0, 2e3, -0,null ]`}, {"json: object", `{"k" :"v"}`}, {"json: duplicate keys", `{"b":1,"a":2,"b":3}`}, {"json: keys in another order", `{"b":3,"a":2}`},
		{"json: escapes", `["\u0041\/\ud83d\ude00\u0000\ud800\n"]`}, {"json: ill-formed", "[\"\xff\xe2\x82\", {\"\xff\":1,\"\xfe\":2}]"}, {"json: text", `"=1"`}, {"json: text", `"a \\\" b"`}, {"json: number", "-5"},
		{"json: true", "true"}, {"json: nested", `[[[{"a":[{}]}]]]`}, {"json: Hindi", `[{"1":"हाँ"}]`},
	})
}

// vary makes some events ones that do not belong, and gives some a second member of one name.
func (g *generator) vary(e *randomEvent) {
	replace := func(kind, before, after string) {
		g.count(kind)
		e.wrap = func(text string) string { return strings.Replace(text, before, after, 1) }
	}
	good := `{"channel":"` + channel + `","pdata":{"id":"prod.uci"},"cdata":[{"type":"Conversation","id":"` + conversation + `"}],"did":"` + g.known[0] + `","sid":"second"}`
	bad := pick(g, `{"channel":"other","cdata":[]}`, `{"channel":"`+channel+`"}`, `{"cdata":[{"type":"Conversation","id":"`+conversation+`"}]}`, "{}", "null", "[]", `"context"`)
	switch g.IntN(60) {
	case 0:
		e.eid = g.choose([]choice{{"other: eid", `"INTERACT"`}, {"other: eid", `"assess"`}, {"other: eid", `["ASSESS"]`}, {"other: eid", ""}})
	case 1:
		e.channel = g.choose([]choice{{"other: channel", `"other"`}, {"other: channel", channel}, {"other: channel", "null"}, {"other: channel", ""}, {"other: channel", `"` + channel + `\u0000"`}})
	case 2, 3:
		e.cdata = g.choose([]choice{
			{"other: conversation", `[{"type":"Conversation","id":"c63b6faa-11a9-4259-b941-11cd2f8446c7"}]`},
			{"other: conversation", `[{"type":"Conversation","id":"` + strings.ToUpper(conversation) + `"}]`},
			{"other: conversation", `[{"type":"Conversation","id":"` + conversation + ` "}]`},
			{"other: id elsewhere", `[{"type":"Session","id":"` + conversation + `"},{"type":"Conversation","id":"other"}]`},
			{"other: id elsewhere", `[{"type":"Conversation","x":{"id":"` + conversation + `"}}]`},
			{"other: id elsewhere", `[[{"type":"Conversation","id":"` + conversation + `"}]]`},
			{"other: id elsewhere", `["Conversation","` + conversation + `"]`},
			{"other: type", `[{"type":"conversation","id":"` + conversation + `"}]`},
			{"other: cdata is an object", `{"type":"Conversation","id":"` + conversation + `"}`},
			{"other: id and type apart", `[{"type":"Conversation"},{"id":"` + conversation + `"}]`},
			{"other: no cdata", ""}, {"other: no cdata", "[]"}, {"other: no cdata", "null"},
			{"other: the last of two ids", `[{"type":"Conversation","id":"` + conversation + `","id":"other"}]`},
		})
	case 4:
		e.pdata = g.choose([]choice{{"pdata: other", `{"id":"other"}`}, {"pdata: missing", ""}, {"pdata: no object", `"prod.uci"`}, {"pdata: id is no text", `{"id":["prod.uci"]}`}})
	case 5, 6, 7:
		e.cdata = g.choose([]choice{
			{"conversation: escaped", `[{"type":"\u0043onversation","id":"\u0063` + conversation[1:] + `"}]`},
			{"conversation: escaped", `[{"t\u0079pe":"Conversation","\u0069d":"` + strings.ReplaceAll(conversation, "-", `\u002D`) + `"}]`},
			{"conversation: among others", `[null, 7, "x", {"type":"Session","id":"s"}, {"id":"other","type":"Conversation"}, {"id" : "` + conversation + `" , "type": "Conversation"}]`},
			{"conversation: among others", `[{"type":"Conversation","id":"` + conversation + `"}, {"id":"` + conversation + `"}, {"type":"Conversation"}, {}]`},
			{"conversation: the last of two ids", `[{"type":"x","type":"Conversation","id":"other","id":"` + conversation + `"}]`},
		})
	case 8:
		replace("duplicate: context that does not count", `"context":`, `"context":`+pick(g, good, bad)+`,"context":`)
	case 9:
		g.count("duplicate: context that counts")
		second := pick(g, good, bad, bad)
		e.wrap = func(text string) string { return text[:len(text)-1] + `,"context":` + second + "}" }
	case 10:
		replace("duplicate: mid", `"ver":"3.0"`, `"ver":"3.0","mid":"first"`)
	case 11:
		replace("duplicate: did", `"env":"prod"`, `"env":"prod","d\u0069d":"`+unknownDevice+`"`)
	case 12:
		g.count("duplicate: edata")
		second := pick(g, `{"item":{"title":"second"}}`, "{}", "null", `{"item":{"id":"first","title":"first"},"item":{"id":"second"}}`, `{"item":{"id":"first"},"item":null,"score":1,"score":null}`)
		e.wrap = func(text string) string { return text[:len(text)-1] + `,"edata":` + second + "}" }
	case 13:
		replace("duplicate: eid", `"ver":"3.0"`, `"eid":"INTERACT","ver":"3.0"`)
	}
}

// deliverAgain is an event that was delivered before, as it was or with some change that makes it the same
// event in another spelling, or another event.
func (g *generator) deliverAgain() string {
	e := g.events[g.IntN(len(g.events))]
	plain := fmt.Sprintf(`"2022-03-01T10:00:%02d.%03dZ"`, g.IntN(10), g.IntN(3))
	switch g.IntN(12) {
	case 0:
		g.count("again: as it was")
	case 1, 2:
		g.count("again: another @timestamp")
		e.at = plain
	case 3:
		g.count("again: did in another letter case")
		e.did = pick(g, strings.ToUpper, strings.ToLower)(e.did)
		e.did = strings.NewReplacer("NULL", "null", `\U`, `\u`).Replace(e.did)
	case 4, 5:
		g.count("again: edata in another spelling")
		e.edata, e.at = g.restyled(e.edata), pick(g, e.at, plain)
	case 6:
		g.count("again: mid in another spelling")
		e.mid = g.restyled(e.mid)
	case 7:
		if number, found := strings.CutPrefix(e.ets, "1646128"); found && len(number) == 6 {
			g.count("again: ets in another spelling")
			e.ets = pick(g, e.ets+".0", `"`+e.ets+`"`, "1.646128"+number+"e12", e.ets+"00E-2")
		}
	case 8:
		g.count("again: edata with 1.0 for 1")
		e.edata = pick(g, strings.Replace(e.edata, ":1,", ":1.0,", 1), strings.Replace(e.edata, ":1.0,", ":1,", 1), strings.Replace(e.edata, ":0,", ":-0,", 1))
	case 9:
		g.count("again: other session")
		e.sid, e.l3 = `"again"`, `"again"`
	case 10:
		g.count("again: of another device within the second")
		e.did = `"` + g.known[g.IntN(len(g.known))] + `"`
	case 11:
		g.count("again: whole event in another spelling")
		return g.restyled(e.text())
	}
	return e.text()
}

// answers follow each other in an order that depends on how a value is written in canonical form.
var answers = func() (choices []choice) {
	for _, source := range []string{
		``, `""`, `"\b"`, `"\n"`, `"\u000b"`, `"\u000c"`, `"\u000e"`, `"\u001f"`, `" "`, `"!"`, `"\""`, `"/"`, `"0"`, `"<"`, `"\\"`, `"]"`, `"a"`, `"\u007f"`, "\"\x7f\"", `"\u0080"`,
		`"é"`, `"\u2028"`, `"\ud7ff"`, `"\ue000"`, `"\ufffd"`, `"\ud83d\ude00"`, `"\ud800"`, `"\udfff"`, "\"\x80\"", "\"\xff\"", `0`, `-0`, `1`, `1.0`, `1e0`, `1E0`, `10`, `2`, `true`, `null`,
		`[]`, `[[]]`, `[1]`, `[1,2]`, `[10]`, `{}`, `{"":1}`, `{"a":1}`, `{"a":1,"b":2}`, `{"a":1,"a!":2}`, `{"a":2,"a\u0000":1}`, `{"b":0}`, `{"B":0}`, `{"é":1,"z":2}`,
		`{"\ue000":1,"\ud83d\ude00":2}`, `{"\ud83d\ude00":3,"\ue000":0}`, "{\"\xfe\":1}", "{\"\xff\":1}", `{"\ud800":1}`, `{"\ud801":1}`, `{"\udfff":1,"\ud800":2}`, `{"a":1,"a":2}`, `{"a":2}`, `{"a":"\n","b":"\""}`,
	} {
		choices = append(choices, choice{"answer: in some order", source})
	}
	return choices
}()

// restyled spells a JSON value in another way.
func (g *generator) restyled(source string) string {
	v, ok := parseJSON([]byte(source))
	if !ok {
		return source // missing
	}
	return g.restyle(v, !g.oneIn(3), !g.oneIn(3), !g.oneIn(3))
}

func (g *generator) restyle(v jsonValue, order, space, escapes bool) string {
	gap := func() string {
		if !space {
			return ""
		}
		return pick(g, "", "", " ", "\t", "  ")
	}
	var parts []string
	switch v.kind {
	case '{':
		members := slices.Clone(v.members)
		once := map[string]bool{}
		for _, m := range members {
			once[m.name.decoded] = true
		}
		if order && len(once) == len(members) {
			g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		}
		for _, m := range members {
			name := g.respell(m.name.source, escapes)
			parts = append(parts, gap()+name+gap()+":"+gap()+g.restyle(m.value, order, space, escapes)+gap())
		}
		return "{" + strings.Join(parts, ",") + gap() + "}"
	case '[':
		for _, element := range v.elements {
			parts = append(parts, gap()+g.restyle(element, order, space, escapes)+gap())
		}
		return "[" + strings.Join(parts, ",") + gap() + "]"
	case '"':
		return g.respell(v.source, escapes)
	}
	return v.source
}

// respell writes a JSON string with other escapes.
func (g *generator) respell(source string, escapes bool) string {
	if !escapes {
		return source
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 1; i < len(source)-1; i++ {
		c := source[i]
		switch {
		case c == '\\' && source[i+1] == 'u':
			digits := source[i+2 : i+6]
			b.WriteString(`\u` + pick(g, strings.ToUpper, strings.ToLower)(digits))
			i += 5
		case c == '\\':
			i++
			b.WriteString(`\` + string(source[i]))
		case c == '/':
			b.WriteString(pick(g, "/", `\/`))
		case c < 0x80 && g.oneIn(6):
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
