package activities_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

// asked is an oracle with two devices: a given consent and a refused one.
func asked(lines ...string) oracle {
	given, refused := `{"device":{"consent":true}}`, `{"device":{"consent":false}}`
	return oracle{
		channel: channel, conversation: conversation, name: "Helpdesk", days: []string{"2022-03-01"}, formulaGuard: true,
		objects: []plainObject{{"2022-03-01-0.json", []byte(strings.Join(lines, "\n"))}},
		users:   []userRow{{device(1), &given}, {device(2), &refused}},
	}
}

// event is one that belongs, with members behind its own and within its context and its edata. Of a name
// that stands twice the last counts.
func event(members, context, edata string) string {
	return `{"eid":"ASSESS","mid":"m","ets":1646128800175` + members + `,"context":{"channel":"` + channel + `",` +
		`"cdata":[{"type":"Conversation","id":"` + conversation + `"}],"did":"` + device(1) + `"` + context + `},"edata":{"x":1` + edata + `}}`
}

// line is a row whose cells are those of an event without anything but for the given ones, by their columns.
func line(cells map[int]string) string {
	row := []string{"m", conversation, "Helpdesk", device(1), "", "", "", "", "", "", "", "", "", "", "", "", "2022-03-01T10:00:00.175Z"}
	for i, cell := range cells {
		row[i] = cell
	}
	return strings.Join(row, ",")
}

func TestTheOracleShowsEachCellAsTheContractSays(t *testing.T) {
	item := func(members string) string { return event("", "", `,"item":{`+members+`}`) }
	for _, test := range []struct {
		name, event string
		cells       map[int]string
	}{
		{"nothing", event("", "", ""), nil},
		{"null", event("", `,"sid":null,"rollup":null`, `,"item":null,"score":null,"resvalues":null`), nil},
		{"session", event("", `,"sid":"s","rollup":{"l5":"t"}`, ""), map[int]string{4: "s"}},
		{"session of the rollup", event("", `,"sid":"","rollup":{"l3":"x","l4":"e","l5":"t"}`, ""), map[int]string{4: "t", 14: "x", 15: "e"}},
		{"question", item(`"id":"q","type":"t","title":"a, b","desc":"say \"hi\""`), map[int]string{5: "q", 6: "t", 7: `"a, b"`, 8: `"say ""hi"""`}},
		{"last of two keys", item(`"id":"q","\u0069d":"r"`), map[int]string{5: "r"}},
		{"scores", event("", "", `,"score":2.50e1,"item":{"maxscore":-0.0}`), map[int]string{10: "25", 11: "0"}},
		{"small and large scores", event("", "", `,"score":1E-7,"item":{"maxscore":123456789012345678901.10}`), map[int]string{10: "0.0000001", 11: "123456789012345678901.1"}},
		{"half up", event("", "", `,"duration":1.5`), map[int]string{9: "2"}},
		{"half up is towards plus infinity", event("", "", `,"duration":-1.5`), map[int]string{9: "-1"}},
		{"below half", event("", "", `,"duration":-0.4`), map[int]string{9: "0"}},
		{"duration in quotes", event("", "", `,"duration":"2.5e0"`), map[int]string{9: "3"}},
		{"duration that is none", event("", "", `,"duration":"soon"`), map[int]string{9: "soon"}},
		{"options and response", event("", "", `,"item":{"params":[ 1.0, "a \" b\u0000" ]},"resvalues":{ "k" : "\ud800" }`), map[int]string{12: `"[1.0,""a \"" b\u0000""]"`, 13: `"{""k"":""\ud800""}"`}},
		{"ill-formed JSON cell", event("", "", `,"resvalues":"`+"\xf0\x9f\x98"+`"`), map[int]string{13: `"""` + "\ufffd" + `"""`}},
		{"NUL, lone surrogates, a pair", item(`"title":"\u0000|\ud800\ud800|\udc00|\ud83d\ude00"`), map[int]string{7: "\ufffd|\ufffd\ufffd|\ufffd|😀"}},
		{"ill-formed", item(`"title":"` + "\xe2\x82|\xc0\xaf|\xf0\x9f\x98|\xed\xa0\x80|\xff" + `"`), map[int]string{7: "\ufffd|\ufffd\ufffd|\ufffd|\ufffd\ufffd\ufffd|\ufffd"}},
		{"other values as text", item(`"id":true,"type":[ 1.0 ],"title":{"a" : "b"},"desc":7.0`), map[int]string{5: "true", 6: "[1.0]", 7: `"{""a"":""b""}"`, 8: "7"}},
		{"formulas", item(`"id":"=1","type":"+1","title":"-1","desc":"@a"`), map[int]string{5: "'=1", 6: "'+1", 7: "'-1", 8: "'@a"}},
		{"more formulas", item(`"id":"\ta","type":"\ra","title":-1,"desc":"\u0000=1"`), map[int]string{5: "'\ta", 6: "\"'\ra\"", 7: "-1", 8: "\ufffd=1"}},
		{"JSON is no formula", item(`"params":-1`), map[int]string{12: "-1"}},
		{"timestamp", event(`,"@timestamp":"2022-03-01T15:30:00.1+05:30[Asia/Kolkata]"`, "", ""), map[int]string{16: "2022-03-01T15:30:00.1+05:30[Asia/Kolkata]"}},
		{"device in capitals", event("", `,"did":"`+strings.ToUpper(device(1))+`"`, ""), map[int]string{3: strings.ToUpper(device(1))}},
		{"answer withheld", event("", `,"did":"`+device(2)+`"`, `,"resvalues":[1]`), map[int]string{3: device(2)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := asked(test.event).response()
			want := strings.Join(responseHeader, ",") + "\n" + line(test.cells) + "\n"
			if out.file != want {
				t.Errorf("got\n%q\nwant\n%q", out.file, want)
			}
		})
	}
}

func TestTheOracleReadsLinesAsTheContractSays(t *testing.T) {
	belongs := event("", "", "")
	for _, test := range []struct {
		name    string
		text    string
		matched int64
		skipped int64
	}{
		{"last line without end", belongs, 1, 0},
		{"CRLF, empty lines, white space", belongs + "\r\n\r\n\n \t\r\n" + belongs, 2, 0},
		{"marks and NUL", "\ufeff" + belongs + "\n\ufeff\x00\x00" + belongs + "\x00\x00\n\x00\n\x00\ufeff\n" + belongs + "\x00\r\n", 3, 0},
		{"no objects", "[1]\nnull\n1\n\"a\"\n{\n" + belongs + belongs + "\n" + belongs[:40] + "\x00" + belongs[40:], 0, 7},
		{"10,000 levels", event("", "", `,"y":`+strings.Repeat("[", 9998)+strings.Repeat("]", 9998)), 1, 0},
		{"10,001 levels", event("", "", `,"y":`+strings.Repeat("[", 9999)+strings.Repeat("]", 9999)), 0, 1},
		{"other events", event(`,"eid":"INTERACT"`, "", "") + "\n" + event("", `,"channel":"other"`, "") + "\n" + event("", `,"cdata":[{"type":"Session","id":"`+conversation+`"}]`, ""), 0, 0},
		{"the id elsewhere", event("", `,"cdata":[]`, `,"id":"`+conversation+`"`), 0, 0},
		{"escapes", strings.ReplaceAll(event("", "", ""), `"ASSESS"`, `"\u0041SSESS"`), 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := asked(test.text).response().counts
			if got.eventsMatched != test.matched || got.linesSkipped != test.skipped {
				t.Errorf("matched %d and skipped %d, want %d and %d", got.eventsMatched, got.linesSkipped, test.matched, test.skipped)
			}
		})
	}
}

// TestTheOracleKnowsWhichEventsAreOne gives pairs of events: the row of the first in output order comes first.
func TestTheOracleKnowsWhichEventsAreOne(t *testing.T) {
	for _, test := range []struct {
		name, a, b string
		repeats    int64
	}{
		{"the same", event("", "", ""), event("", "", ""), 1},
		{"later", event(`,"@timestamp":"2022-03-01T10:00:00Z"`, "", ""), event(`,"@timestamp":"2022-03-01T10:00:01Z"`, "", ""), 1},
		{"device in capitals", event("", `,"did":"`+strings.ToUpper(device(1))+`"`, ""), event("", "", ""), 1},
		{"another device", event("", "", ""), event("", `,"did":"`+device(2)+`"`, ""), 0},
		{"ets in other spellings", event(`,"ets":"1646128800175"`, "", ""), event(`,"ets":1.646128800175e12`, "", ""), 1},
		{"another ets", event("", "", ""), event(`,"ets":1646128800175.001`, "", ""), 0},
		{"edata in other spellings", event("", "", `, "c" : [ 1.0 ], "\u0061":"b"`), event("", "", `,"a":"\u0062","c":[1.0]`), 1},
		{"edata of which the last counts", event("", "", `,"a":1`), event("", "", `,"a":2,"a":1`), 1},
		{"1.0 and 1", event("", "", `,"a":1`), event("", "", `,"a":1.0`), 0},
		{"lone surrogates", event(`,"mid":"\ud800"`, "", ""), event(`,"mid":"\ud801"`, "", ""), 0},
		{"ill-formed bytes", event(",\"mid\":\"\xfe\"", "", ""), event(",\"mid\":\"\xff\"", "", ""), 0},
		{"mid in other spellings", event("", "", ""), event(`,"mid":"\u006d"`, "", ""), 1},
		{"time before mid", event(`,"mid":"z","@timestamp":"2022-03-01T09:00:00.0000000001Z"`, "", ""), event(`,"mid":"a","@timestamp":"2022-03-01T14:30:00.0000000002+05:30"`, "", ""), 0},
		{"mid before device", event(`,"mid":"a"`, `,"did":"`+device(2)+`"`, ""), event(`,"mid":"b"`, "", ""), 0},
		{"ets before edata", event(`,"@timestamp":"2022-03-01T10:00:00","ets":1`, "", `,"a":2`), event(`,"@timestamp":"2022-03-01T10:00:00Z","ets":2`, "", `,"a":1`), 0},
		{"without a time first", event(`,"@timestamp":"soon","ets":null`, "", ""), event(`,"@timestamp":"0"`, "", ""), 0},
		{"offset before the zone's name", event(`,"@timestamp":"2022-03-01T10:00:00Z[Asia/Kolkata]"`, "", `,"a":2`), event(`,"@timestamp":"2022-03-01T15:30:01[Asia/Kolkata]"`, "", `,"a":1`), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, lines := range [][]string{{test.a, test.b}, {test.b, test.a}} {
				out := asked(lines...).response()
				if out.counts.repeats != test.repeats {
					t.Errorf("%d repeats, want %d", out.counts.repeats, test.repeats)
				}
				if len(out.sources) < 2 || out.sources[1] != test.a {
					t.Errorf("first %s\nwant %s", out.sources[1], test.a)
				}
			}
		})
	}
}

func TestTheOracleReadsConsentAsTheContractSays(t *testing.T) {
	given, refused, unrecorded, unreadable := consent{given: true}, consent{refused: true}, consent{}, consent{refused: true, unreadable: true}
	for _, test := range []struct {
		data string
		want consent
	}{
		{``, unrecorded},
		{`{}`, unrecorded},
		{`{"device":{"consent":null}}`, unrecorded},
		{`{"device":{"consent":true}}`, given},
		{`{"data":{"device":{"consent":"TRUE"}}}`, given},
		{`{"device":{"consent":"False"}}`, refused},
		{`{"device":{"consent":true},"device":{"consent":false}}`, refused},
		{`{"device":{"consent":true},"data":{"device":{"consent":false}}}`, refused},
		{`"{\"device\":{\"consent\":true}}"`, given},
		{`{"device":{"consent":1}}`, unreadable},
		{`{"device":{"consent":true},"data":{"device":{"consent":"yes"}}}`, unreadable},
		{`{"device":[]}`, unreadable},
		{`{"device":{"consent":true},"data":"x"}`, unreadable},
		{`[]`, unreadable},
		{`{"device"`, unreadable},
		{`{"Device":{"consent":false}}`, unrecorded},
	} {
		if got := readConsent(&test.data); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.data, got, test.want)
		}
	}
	if got := readConsent(nil); got != unrecorded {
		t.Errorf("NULL: %+v", got)
	}
}

func TestTheOracleWritesPrivateRowsAsTheContractSays(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	o := asked(event("", "", ""), event("", `,"did":"`+device(2)+`"`, ""), event("", `,"did":"`+device(3)+`"`, ""), event("", `,"did":"none"`, ""))
	o.key, o.name, o.spark, o.byteOrderMark = key, `=a"b`, true, true
	o.users = append(o.users, userRow{device(3), nil})
	plus, minus, none, empty := encrypt(key, "+919999"), encrypt(key, "-1"), "=none", ""
	for user, usernames := range map[string][]*string{device(1): {&plus, nil, &empty}, device(2): {&minus}, device(3): {&none}} {
		for _, username := range usernames {
			o.identities = append(o.identities, identityRow{user, username})
		}
	}
	out := o.private(false)
	name := conversation + `,"'=a\"b",`
	want := "\ufeff" + strings.Join(privateHeader, ",") + "\n" +
		name + "+919999," + plus + "," + device(1) + "\n" +
		name + device(2) + "," + minus + "," + device(2) + "\n" +
		name + device(3) + ",=none," + device(3) + "\n"
	if out.file != want {
		t.Errorf("got\n%s\nwant\n%s", out.file, want)
	}
	if want := (outcomeCounts{eventsMatched: 4, rowsWritten: 3, rowsUnknownDevice: 1}); out.counts != want {
		t.Errorf("counts %+v, want %+v", out.counts, want)
	}
	o.assumeConsent, o.registered = true, []string{device(3)}
	if got := o.private(true); got.counts != (outcomeCounts{rowsWritten: 1, undecryptable: 1}) {
		t.Errorf("registered: counts %+v\n%s", got.counts, got.file)
	}
}
