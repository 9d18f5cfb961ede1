package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

// scanned is an event that may be kept, and its row.
type scanned struct {
	Time, MessageID, DeviceID, ETS, EData, Line string
	Identity                                    Identity
	Row                                         row
}

// row is an exhaust.ResponseRow that can be compared and kept.
type row struct {
	MessageID, DeviceID, SessionID, QuestionID, Type, Title, Description, Duration, Score, MaxScore string
	Options, Response, XPath, Eof, Timestamp                                                        string
	Texts                                                                                           exhaust.ColumnSet
}

func readRow(rows *RowReader, line []byte) row {
	var r exhaust.ResponseRow
	rows.Read(line, &r)
	cell := func(column int) string { return string(r.Cells[column]) }
	return row{
		MessageID: cell(exhaust.MessageIDColumn), DeviceID: cell(exhaust.DeviceIDColumn), SessionID: cell(exhaust.SessionIDColumn),
		QuestionID: cell(exhaust.QuestionIDColumn), Type: cell(exhaust.TypeColumn), Title: cell(exhaust.TitleColumn),
		Description: cell(exhaust.DescriptionColumn), Duration: cell(exhaust.DurationColumn), Score: cell(exhaust.ScoreColumn),
		MaxScore: cell(exhaust.MaxScoreColumn), Options: cell(exhaust.OptionsColumn), Response: cell(exhaust.ResponseColumn),
		XPath: cell(exhaust.XPathColumn), Eof: cell(exhaust.EofColumn), Timestamp: cell(exhaust.TimestampColumn), Texts: r.Texts,
	}
}

// keepIn gives an emit that keeps events, each with its row.
func keepIn(events *[]scanned) func(*Event) error {
	var rows RowReader
	var edata EDataReader
	return func(e *Event) error {
		if again := edata.Identify(e); again != e.Identity {
			return fmt.Errorf("an event of the identity %x is identified as %x", e.Identity, again)
		}
		*events = append(*events, scanned{
			string(e.Time), string(e.MessageID), string(e.DeviceID), string(e.ETS), string(edata.AppendCanonical(nil, e.Line)), string(e.Line), e.Identity,
			readRow(&rows, e.Line),
		})
		if again := readRow(&rows, e.Line); again != (*events)[len(*events)-1].Row {
			return fmt.Errorf("a row is read as %+v, and then as %+v", (*events)[len(*events)-1].Row, again)
		}
		return nil
	}
}

// scan reads an object and keeps its events.
func scan(f Filter, r io.Reader) ([]scanned, Counts, error) { return scanWith(NewScanner(f), r) }

func scanWith(s *Scanner, r io.Reader) ([]scanned, Counts, error) {
	var events []scanned
	counts, err := s.Scan(context.Background(), "2022-03-01.json", r, keepIn(&events))
	return events, counts, err
}

// scanText reads a plain object that must be read without an error.
func scanText(t *testing.T, f Filter, text string) ([]scanned, Counts) {
	t.Helper()
	s := NewScanner(f)
	events, counts, err := scanWith(s, strings.NewReader(text))
	if err != nil {
		t.Fatalf("scanning %.200q: %v", text, err)
	}
	if len(text) > 1<<20 {
		return events, counts
	}
	// The scanner has the shapes of the lines now.
	again, countsAgain, err := scanWith(s, strings.NewReader(text))
	if err != nil || countsAgain != counts || !slices.Equal(again, events) {
		t.Fatalf("scanning %.200q: %+v, %+v\nonce more: %+v, %+v, %v", text, counts, events, countsAgain, again, err)
	}
	return events, counts
}

// keyOf is the sort key of an instant, given as JSON; TestSortKeysCompareAsInstants has what keys are.
func keyOf(value string) string {
	var r instants
	return string(r.appendKey(nil, []byte(value)))
}

var filter = Filter{Channel: "tenant", ConversationIDs: []string{"bot-1"}}

func TestAnAnswerBecomesARow(t *testing.T) {
	line := `{"eid":"ASSESS","ets":1646092800123,"ver":"3.1","mid":"ASSESS:8f1","@timestamp":"2022-03-01T05:30:00.500+05:30",
		"actor":{"id":"someone","type":"User"},
		"context":{"channel":"tenant","pdata":{"id":"prod.uci","ver":"1"},"did":"device 1","sid":"session-1",
			"cdata":[{"type":"ConversationSession","id":"x"},{"type":"Conversation","id":"bot-1"}],
			"rollup":{"l1":"bot-1","l2":"s","l3":"/data/q1","l4":"false"}},
		"edata":{"item":{"id":"q1","type":"MCQ","title":"Your \"colour\"?","desc":"\u0930\u0902\u0917","maxscore":2.0,
				"params":[ {"1" : {"text" : "Deep  red\n"}}, {"answer":{"correct":["1"]}} ]},
			"duration":2.5,"score":1.50,"pass":"Yes","resvalues":[ { "1":{"text":"Deep  red\n"} } ]}}`
	line = strings.NewReplacer("\n", "", "\t", " ").Replace(line)
	got, counts := scanText(t, filter, "\xef\xbb\xbf \x00"+line+" \x00\r\n")
	want := []scanned{{
		Time:      keyOf("1646092800500"), // 2022-03-01T00:00:00.5Z
		MessageID: "ASSESS:8f1",
		DeviceID:  "device 1",
		ETS:       keyOf("1646092800123"),
		EData: `{"duration":2.5,"item":{"desc":"रंग","id":"q1","maxscore":2.0,` +
			`"params":[{"1":{"text":"Deep  red\n"}},{"answer":{"correct":["1"]}}],"title":"Your \"colour\"?","type":"MCQ"},` +
			`"pass":"Yes","resvalues":[{"1":{"text":"Deep  red\n"}}],"score":1.50}`,
		Line: line,
		Row: row{
			MessageID: "ASSESS:8f1", DeviceID: "device 1", SessionID: "session-1",
			QuestionID: "q1", Type: "MCQ", Title: `Your "colour"?`, Description: "रंग",
			Duration: "3", Score: "1.5", MaxScore: "2",
			Options:  `[{"1":{"text":"Deep  red\n"}},{"answer":{"correct":["1"]}}]`,
			Response: `[{"1":{"text":"Deep  red\n"}}]`,
			XPath:    "/data/q1", Eof: "false", Timestamp: "2022-03-01T05:30:00.500+05:30",
			Texts: columns(0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16),
		},
	}}
	for i := range got {
		want[i].Identity = got[i].Identity // TestEventsAreOneWhenTheirIdentityIs has what it tells apart
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if counts != (Counts{Lines: 1, Matched: 1}) {
		t.Errorf("counts are %+v", counts)
	}
}

func columns(indexes ...int) (set exhaust.ColumnSet) {
	for _, i := range indexes {
		set |= 1 << i
	}
	return set
}

// belonging is an event that belongs to filter; the cases below change a part of it.
const belonging = `{"eid":"ASSESS","mid":"m","context":{"channel":"tenant","pdata":{"id":"prod.uci"},"cdata":[{"type":"Conversation","id":"bot-1"}]}}`

func TestAnEventBelongsByTheValueOfItsJSON(t *testing.T) {
	id, kind, channel, eid := `"id":"bot-1"`, `"type":"Conversation"`, `"channel":"tenant"`, `"eid":"ASSESS"`
	cdata := `[{"type":"Conversation","id":"bot-1"}]`
	for _, c := range []struct {
		name     string
		old, new string
		want     bool
	}{
		{"as it is", ``, ``, true},
		{"another event", eid, `"eid":"START"`, false},
		{"lower case event", eid, `"eid":"assess"`, false},
		{"event of the wrong type", eid, `"eid":["ASSESS"]`, false},
		{"no event", eid, `"EID":"ASSESS"`, false},
		{"escaped event", eid, `"eid":"\u0041SSESS"`, true},
		{"escaped key of the event", eid, `"\u0065id":"ASSESS"`, true},
		{"key in another case", `"context"`, `"Context"`, false},
		{"another channel", channel, `"channel":"tenant2"`, false},
		{"no channel", channel, `"chan":"tenant"`, false},
		{"channel a number", channel, `"channel":1`, false},
		{"escaped channel", channel, `"channel":"tena\u006Et"`, true},
		{"escaped id", id, `"id":"bot\u002d1"`, true},
		{"wholly escaped id", id, `"id":"\u0062\u006f\u0074\u002d\u0031"`, true},
		{"id after another escape", id, `"id":"bot-1","n":"\"\/\b"`, true},
		{"escaped key of the id", id, `"i\u0064":"bot-1"`, true},
		{"escaped type", kind, `"type":"\u0043onversation"`, true},
		{"type in lower case", kind, `"type":"conversation"`, false},
		{"other type", kind, `"type":"ConversationSession"`, false},
		{"id with more behind it", id, `"id":"bot-12"`, false},
		{"id with more before it", id, `"id":"a bot-1"`, false},
		{"id an array", id, `"id":["bot-1"]`, false},
		{"id elsewhere in the event", `"mid":"m","context":{`, `"mid":"bot-1","context":{"sid":"bot-1","old":` + cdata + `,`, true},
		{"id only elsewhere", cdata, `[{"type":"Conversation","id":"bot-2"},{"type":"Other","id":"bot-1"}]`, false},
		{"type and id in different entries", cdata, `[{"type":"Conversation","id":"x"},{"id":"bot-1"}]`, false},
		{"a later entry", cdata, `[null,1,"bot-1",[],{},{"id":"bot-1"},{"id":"bot-1","type":"Conversation"}]`, true},
		{"entries in an inner array", cdata, `[[{"type":"Conversation","id":"bot-1"}]]`, false},
		{"cdata an object", cdata, `{"type":"Conversation","id":"bot-1"}`, false},
		{"cdata a string", cdata, `"bot-1"`, false},
		{"cdata null", cdata, `null`, false},
		{"cdata empty", cdata, `[ ]`, false},
		{"white space everywhere", cdata, "[\t{ \"type\" : \"Conversation\" ,\r\"id\" :\t\"bot-1\" } ]", true},
		{"context a string", `"context":{`, `"context":"tenant bot-1","c":{`, false},
		{"context twice, the last one empty", `"mid":"m",`, ``, true},
		{"last of two ids counts: right", id, `"id":"x","id":"bot-1"`, true},
		{"last of two ids counts: wrong", id, `"id":"bot-1","id":"x"`, false},
		{"last of two ids counts, spelled differently", id, `"id":"bot-1","\u0069d":"x"`, false},
		{"last of two events counts", eid, `"eid":"ASSESS","eid":null`, false},
		{"last of two contexts counts wholly", `{"eid"`, `{"context":{"did":"d"},"eid"`, true},
		{"last of two contexts lacks the channel", `}]}}`, `}]},"context":{"cdata":[{"type":"Conversation","id":"bot-1"}]}}`, false},
	} {
		line := belonging
		if c.old != "" {
			line = strings.Replace(line, c.old, c.new, 1)
			if line == belonging {
				t.Fatalf("%s: %q is not in the event", c.name, c.old)
			}
		}
		got, counts := scanText(t, filter, line)
		if (len(got) == 1) != c.want || counts.Skipped != 0 {
			t.Errorf("%s: %d events, %d skipped; want it to belong: %v\n%s", c.name, len(got), counts.Skipped, c.want, line)
		}
	}
}

func TestTheProducerIsAskedForWhereItIsSet(t *testing.T) {
	pdata := `{"id":"prod.uci"}`
	for _, c := range []struct {
		pdata, producer string
		want            int
	}{
		{pdata, "", 1}, {pdata, "prod.uci", 1}, {pdata, "prod", 0}, {`null`, "", 1}, {`null`, "prod.uci", 0}, {`[]`, "prod.uci", 0},
		{`{"ID":"prod.uci"}`, "prod.uci", 0}, {`{"id":"prod\u002Euci"}`, "prod.uci", 1}, {`{"id":"prod.uci","id":"x"}`, "prod.uci", 0},
		{`"prod.uci"`, "prod.uci", 0},
	} {
		f := filter
		f.PdataID = c.producer
		got, _ := scanText(t, f, strings.Replace(belonging, pdata, c.pdata, 1))
		if len(got) != c.want {
			t.Errorf("pdata %s, producer %q: %d events, want %d", c.pdata, c.producer, len(got), c.want)
		}
	}
}

func TestAnIDThatCanBeSpelledInManyWaysIsFoundInAllOfThem(t *testing.T) {
	for _, c := range []struct{ id, spelled string }{
		{`a/b`, `a/b`}, {`a/b`, `a\/b`}, {`a/b`, `a\u002fb`},
		{`é`, `é`}, {`é`, `\u00e9`}, {`क`, `\u0915`}, {`😀`, `\ud83d\ude00`},
		{"a\nb", `a\nb`}, {`a"b`, `a\"b`}, {`a\b`, `a\\b`}, {"\ufffd", `\ufffd`}, {"", ""},
	} {
		line := strings.Replace(belonging, "bot-1", c.spelled, 1)
		if got, _ := scanText(t, Filter{Channel: "tenant", ConversationIDs: []string{c.id}}, line); len(got) != 1 {
			t.Errorf("the id %q written as %q is not found", c.id, c.spelled)
		}
	}
}

func TestCellsAreSpelledAsTheContractSays(t *testing.T) {
	const (
		mid, did, sid, id, kind, title, desc, duration = 0, 3, 4, 5, 6, 7, 8, 9
		score, maxscore, l3, l4, timestamp             = 10, 11, 14, 15, 16
	)
	for _, c := range []struct {
		name    string
		top     string // replaces "mid":"m"
		context string // goes into the context
		edata   string
		want    row
		texts   []int // the columns that hold text, but those of the registry
	}{
		{"all missing", `"x":0`, ``, ``, row{}, nil},
		{"all null", `"mid":null,"@timestamp":null,"ets":null`, `"did":null,"sid":null,"rollup":null,`,
			`{"item":null,"duration":null,"score":null,"resvalues":null}`, row{}, nil},
		{"inner nulls", `"x":0`, `"rollup":{"l3":null,"l4":null,"l5":null},`,
			`{"item":{"id":null,"type":null,"title":null,"desc":null,"maxscore":null,"params":null}}`, row{}, nil},
		{"wrong types around", `"x":0`, `"rollup":"l3",`, `[{"item":{"id":"q"}}]`, row{}, nil},
		{"item of the wrong type", `"x":0`, `"rollup":[1],`, `{"item":["id"],"score":"s"}`, row{Score: "s"}, []int{score}},
		{"numbers for texts", `"mid":12345678901234567890`, `"did":2.10e1,"sid":-0,"rollup":{"l3":1e-7,"l4":100,"l5":"s"},`,
			`{"item":{"id":21.0,"type":0.50,"title":1e2,"desc":-2.5,"maxscore":1E+1},"score":2.1e1,"duration":-2.5}`,
			row{MessageID: "12345678901234567890", DeviceID: "21", SessionID: "0", XPath: "0.0000001", Eof: "100",
				QuestionID: "21", Type: "0.5", Title: "100", Description: "-2.5", MaxScore: "10", Score: "21", Duration: "-2"}, nil},
		{"booleans", `"mid":true`, `"did":false,"rollup":{"l4":true},`, `{"item":{"id":false},"duration":true,"resvalues":false}`,
			row{MessageID: "true", DeviceID: "false", Eof: "true", QuestionID: "false", Duration: "true", Response: "false"}, nil},
		{"objects for texts", `"mid":{"a" : [ 1.0, "x y" ]}`, `"sid":[ ],`, `{"item":{"title":[ {} , null ]},"score":{ },"duration":[ 2.5 ]}`,
			row{MessageID: `{"a":[1.0,"x y"]}`, SessionID: "[]", Title: "[{},null]", Score: "{}", Duration: "[2.5]"}, nil},
		{"texts for numbers", `"x":0`, ``, `{"item":{"maxscore":"2.0"},"duration":"two","score":"1.50"}`,
			row{Duration: "two", Score: "1.50", MaxScore: "2.0"}, []int{duration, score, maxscore}},
		{"texts everywhere", `"mid":"a","@timestamp":"b"`, `"did":"c","sid":"d","rollup":{"l3":"e","l4":"f"},`,
			`{"item":{"id":"g","type":"h","title":"i","desc":"j","maxscore":"k","params":"l"},"duration":"m","score":"n","resvalues":"o"}`,
			row{MessageID: "a", Timestamp: "b", DeviceID: "c", SessionID: "d", XPath: "e", Eof: "f", QuestionID: "g", Type: "h", Title: "i",
				Description: "j", MaxScore: "k", Options: `"l"`, Duration: "m", Score: "n", Response: `"o"`},
			[]int{mid, did, sid, id, kind, title, desc, duration, score, maxscore, l3, l4, timestamp}},
		{"escapes", `"mid":"a\"\\\/\b\f\n\r\t\u0001\u0915\uD83D\uDE00"`, ``, ``, row{MessageID: "a\"\\/\b\f\n\r\t\x01क😀"}, []int{mid}},
		{"lone surrogates", `"mid":"\ud800 \udc00\ud83dA\ud83d\ud83d\ude00\ud83d\n\ud83d"`, ``, ``,
			row{MessageID: "\ufffd \ufffd\ufffdA\ufffd😀\ufffd\n\ufffd"}, []int{mid}},
		{"surrogates the wrong way round", `"mid":"\ude00\ud83d"`, ``, ``, row{MessageID: "\ufffd\ufffd"}, []int{mid}},
		{"NULs", `"mid":"\u0000a\u0000"`, ``, `{"item":{"title":"\u0000\u0000","params":["\u0000"]},"resvalues":["\u0000"]}`,
			row{MessageID: "\ufffda\ufffd", Title: "\ufffd\ufffd", Options: `["\u0000"]`, Response: `["\u0000"]`}, []int{mid, title}},
		{"surrogates in JSON cells", `"mid":["\ud800"]`, ``, `{"item":{"params":"\ud800"},"resvalues":{"\udc00":1}}`,
			row{MessageID: `["\ud800"]`, Options: `"\ud800"`, Response: `{"\udc00":1}`}, nil},
		{"invalid UTF-8", "\"mid\":\"a\xffb\xe0\xa4\"", ``, "{\"resvalues\":[ \"\xff\" , {\"\xe2\x82\":\"\xe2\x82\\n\"}]}",
			row{MessageID: "a\ufffdb\ufffd", Response: "[\"\ufffd\",{\"\ufffd\":\"\ufffd\\n\"}]"}, []int{mid}},
		{"source JSON as it stands", `"x":0`, ``,
			`{"item":{"params":{ "b" : "\u0041\/ \" " , "a":[ 1.0 , 2e1,-0 ] ,"b":{ } }},"resvalues":"two  words"}`,
			row{Options: `{"b":"\u0041\/ \" ","a":[1.0,2e1,-0],"b":{}}`, Response: `"two  words"`}, nil},
		{"a number as response", `"x":0`, ``, `{"item":{"params":""},"resvalues":2.10 }`, row{Options: `""`, Response: "2.10"}, nil},
		{"the last of repeated keys", `"mid":"a","mid":"b"`, `"did":"a","did":null,"rollup":{"l3":"a"},"rollup":{"l4":"b"},`,
			`{"item":{"id":"a"},"item":{"type":"b","type":"c"},"score":1,"\u0073core":2}`,
			row{MessageID: "b", Eof: "b", Type: "c", Score: "2"}, []int{mid, l4, kind}},
		{"the last of keys that are spelled differently", `"mid":"a","m\u0069d":"b","@timestamp":"a","\u0040timestamp":"b"`,
			`"sid":"a","\u0073id":"b","rollup":{"l3":"a","\u006c3":"b"},`, `{"item":{"title":"a","titl\u0065":7},"item":{"title":"b","\u0074itle":"c"}}`,
			row{MessageID: "b", Timestamp: "b", SessionID: "b", XPath: "b", Title: "c"}, []int{mid, timestamp, sid, l3, title}},
		{"absurd exponents", `"mid":1e999999999`, ``, `{"score":-1.0e-999999999,"duration":1e999999999}`,
			row{MessageID: "1e999999999", Score: "-1.0e-999999999", Duration: "1e999999999"}, nil},

		{"no session", `"x":0`, `"rollup":{"l5":"s5"},`, ``, row{SessionID: "s5"}, []int{sid}},
		{"an empty session", `"x":0`, `"sid":"","rollup":{"l5":"s5"},`, ``, row{SessionID: "s5"}, []int{sid}},
		{"a null session", `"x":0`, `"sid":null,"rollup":{"l5":5},`, ``, row{SessionID: "5"}, nil},
		{"a session of a blank", `"x":0`, `"sid":" ","rollup":{"l5":"s5"},`, ``, row{SessionID: " "}, []int{sid}},
		{"a session in both places", `"x":0`, `"sid":"s","rollup":{"l5":"s5"},`, ``, row{SessionID: "s"}, []int{sid}},
		{"a session in neither place", `"x":0`, `"sid":"","rollup":{"l5":null},`, ``, row{}, nil},

		{"rounding", `"x":0`, ``, `{"duration":2.5}`, row{Duration: "3"}, nil},
		{"a duration in quotes", `"x":0`, ``, `{"duration":"12.5"}`, row{Duration: "13"}, nil},
		{"a negative duration in quotes", `"x":0`, ``, `{"duration":"-0.5"}`, row{Duration: "0"}, nil},
		{"a whole duration in quotes", `"x":0`, ``, `{"duration":"7"}`, row{Duration: "7"}, nil},
		{"a duration with an exponent in quotes", `"x":0`, ``, `{"duration":"1.25e+1"}`, row{Duration: "13"}, nil},
		{"an escaped duration in quotes", `"x":0`, ``, `{"duration":"\u0031.5"}`, row{Duration: "2"}, nil},
		{"a huge duration in quotes", `"x":0`, ``, `{"duration":"1e999999999"}`, row{Duration: "1e999999999"}, nil},
		{"a duration in quotes with a blank", `"x":0`, ``, `{"duration":" 1"}`, row{Duration: " 1"}, []int{duration}},
		{"a duration in quotes with a blank behind", `"x":0`, ``, `{"duration":"1.5 "}`, row{Duration: "1.5 "}, []int{duration}},
		{"a duration in quotes with a plus", `"x":0`, ``, `{"duration":"+1.5"}`, row{Duration: "+1.5"}, []int{duration}},
		{"a duration in quotes with a zero before", `"x":0`, ``, `{"duration":"01.5"}`, row{Duration: "01.5"}, []int{duration}},
		{"a duration in quotes that breaks off", `"x":0`, ``, `{"duration":"1."}`, row{Duration: "1."}, []int{duration}},
		{"a duration in quotes without a whole part", `"x":0`, ``, `{"duration":".5"}`, row{Duration: ".5"}, []int{duration}},
		{"a duration in quotes of a sign", `"x":0`, ``, `{"duration":"-"}`, row{Duration: "-"}, []int{duration}},
		{"a duration in quotes without digits in its exponent", `"x":0`, ``, `{"duration":"1e-"}`, row{Duration: "1e-"}, []int{duration}},
		{"an empty duration", `"x":0`, ``, `{"duration":""}`, row{}, []int{duration}},

		{"@timestamp as it stands", `"@timestamp":"1 March","ets":0`, ``, ``, row{Timestamp: "1 March"}, []int{timestamp}},
		{"@timestamp with escapes", `"@timestamp":"2022\u002d03","ets":0`, ``, ``, row{Timestamp: "2022-03"}, []int{timestamp}},
		{"@timestamp a number", `"@timestamp":1.6460928e12,"ets":0`, ``, ``, row{Timestamp: "1646092800000"}, nil},
		{"@timestamp empty", `"@timestamp":"","ets":1646092800123`, ``, ``, row{Timestamp: "2022-03-01T00:00:00.123Z"}, nil},
		{"@timestamp null", `"@timestamp":null,"ets":1646092800123`, ``, ``, row{Timestamp: "2022-03-01T00:00:00.123Z"}, nil},
		{"@timestamp an object", `"@timestamp":{"a" : 1},"ets":1646092800123`, ``, ``, row{Timestamp: `{"a":1}`}, nil},
		{"@timestamp a boolean", `"@timestamp":false,"ets":1646092800123`, ``, ``, row{Timestamp: `false`}, nil},
		{"ets a text", `"ets":"1646092800123"`, ``, ``, row{Timestamp: "2022-03-01T00:00:00.123Z"}, nil},
		{"ets a time", `"ets":"2022-03-01T05:30:00.1239+05:30[Asia/Kolkata]"`, ``, ``, row{Timestamp: "2022-03-01T00:00:00.123Z"}, nil},
		{"ets unreadable", `"ets":"soon"`, ``, ``, row{}, nil},
	} {
		edata := c.edata
		if edata == "" {
			edata = "null"
		}
		line := strings.Replace(belonging, `"mid":"m"`, c.top+`,"edata":`+edata, 1)
		line = strings.Replace(line, `"context":{`, `"context":{`+c.context, 1)
		got, _ := scanText(t, filter, line)
		if len(got) != 1 {
			t.Errorf("%s: %d events of %s", c.name, len(got), line)
			continue
		}
		c.want.Texts = columns(append(c.texts, 1, 2)...)
		if got[0].Row != c.want {
			t.Errorf("%s:\n%s\ngot  %+v\nwant %+v", c.name, line, got[0].Row, c.want)
		}
	}
}

func TestAMaximalIllFormedSequenceIsOneReplacementCharacter(t *testing.T) {
	// From Unicode's table of "U+FFFD Substitution of Maximal Subparts", and what decoders get wrong.
	for raw, want := range map[string]string{
		"\xe2\x82A":                            "\ufffdA",
		"\xe2\x82":                             "\ufffd",
		"\xff\xff":                             "\ufffd\ufffd",
		"\xc0\xaf":                             "\ufffd\ufffd",
		"\xc1\x80":                             "\ufffd\ufffd",
		"\xed\xa0\x80":                         "\ufffd\ufffd\ufffd",
		"\xed\x9f":                             "\ufffd",
		"\xf0\x80\x80":                         "\ufffd\ufffd\ufffd",
		"\xf0\x9f\x98":                         "\ufffd",
		"\xf0\x9f\x98A":                        "\ufffdA",
		"\xf0\x9f\xf0\x9f":                     "\ufffd\ufffd",
		"\xf4\x90\x80\x80":                     "\ufffd\ufffd\ufffd\ufffd",
		"\xf4\x8f\xbf":                         "\ufffd",
		"\xf5\x80":                             "\ufffd\ufffd",
		"\xe0\x80\xaf":                         "\ufffd\ufffd\ufffd",
		"\xe0\xa0":                             "\ufffd",
		"\xef\xbf":                             "\ufffd",
		"\x80\xbf":                             "\ufffd\ufffd",
		"\xc3":                                 "\ufffd",
		"\xc3(":                                "\ufffd(",
		"क\xe0\xa4रं\xf0":                      "क\ufffdरं\ufffd",
		"\xf1\x80\x80\xe1z":                    "\ufffd\ufffdz",
		"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41": "\ufffd\ufffd\ufffd\ufffdA",
		"\xef\xbf\xbd":                         "\ufffd",
	} {
		line := strings.Replace(belonging, `"mid":"m"`, `"edata":{"resvalues":"`+raw+`","score":"`+raw+`"}`, 1)
		got, counts := scanText(t, filter, line)
		if counts.Skipped != 0 || got[0].Row.Score != want || got[0].Row.Response != `"`+want+`"` {
			t.Errorf("% x becomes %q in a text cell and %q in a JSON cell, want %q", raw, got[0].Row.Score, got[0].Row.Response, want)
		}
	}
}

func TestIDsAreComparedByTheirExactText(t *testing.T) {
	for value, want := range map[string]string{
		`"a\u0062\n"`:                   "ab\n",
		`"कहानी \ud83d\ude00"`:          "कहानी 😀",
		`"\u0000"`:                      "\x00",
		`"\ud800"`:                      "\xed\xa0\x80",
		`"\udfff"`:                      "\xed\xbf\xbf",
		`"\udbff\udbff\udfff"`:          "\xed\xaf\xbf\U0010ffff",
		"\"\xed\xa0\x80\"":              "\xed\x00\xa0\x80",
		"\"\xed\"":                      "\xed\x00",
		"\"\xed\\u0000\"":               "\xed\x00\x00",
		"\"\xed\x9f\"":                  "\xed\x00\x9f",
		"\"\xed\x9f\xbf\"":              "\ud7ff",
		"\"\xff\xe2\x82\"":              "\xff\xe2\x82",
		"\"\ufffd\"":                    "\ufffd",
		`2.10e1`:                        "21",
		`-0`:                            "0",
		`true`:                          "true",
		`null`:                          "",
		`""`:                            "",
		`{"b" : [ 1.0 ], "a":"\u0041"}`: `{"b":[1.0],"a":"\u0041"}`,
		"[ \"\xff\" ]":                  "[\"\xff\"]",
	} {
		line := strings.Replace(belonging, `"mid":"m"`, `"mid":`+value, 1)
		line = strings.Replace(line, `"context":{`, `"context":{"did":`+value+`,`, 1)
		got, _ := scanText(t, filter, line)
		if got[0].MessageID != want || got[0].DeviceID != want {
			t.Errorf("%s is compared as %q and %q, want %q", value, got[0].MessageID, got[0].DeviceID, want)
		}
	}
}

func TestAnEventIsOrderedByTimestampElseByEts(t *testing.T) {
	const none = "null"
	for fields, want := range map[string]string{
		`"@timestamp":"1970-01-01T05:30:01+05:30","ets":7`:             "1000",
		`"@timestamp":"1970-01-01\u005400:00:01z","ets":7`:             "1000",
		`"@timestamp":"1970-01-01T05:30:01[Asia/Kolkata]","ets":7`:     "1000",
		`"@timestamp":"1970-01-01T00:00:01Z[Asia/Kolkata]","ets":7`:    "1000",
		`"@timestamp":"yesterday","ets":7`:                             "7",
		`"@timestamp":"","ets":7.25`:                                   "7.25",
		`"@timestamp":1000,"ets":7`:                                    "1000",
		`"@timestamp":"1000","ets":7`:                                  "1000",
		`"@timestamp":"1000.5","ets":7`:                                "7",
		`"@timestamp":"-1000","ets":7`:                                 "7",
		`"@timestamp":"\u0031000","ets":7`:                             "1000",
		`"@timestamp":"١٠٠٠","ets":7`:                                  "7",
		`"@timestamp":null,"ets":7`:                                    "7",
		`"@timestamp":true,"ets":7`:                                    "7",
		`"@timestamp":[1000],"ets":7`:                                  "7",
		`"ets":7`:                                                      "7",
		`"ets":"7"`:                                                    "7",
		`"ets":7.0`:                                                    "7",
		`"ets":"1970-01-01T00:00:01Z"`:                                 "1000",
		`"ets":5,"ets":7`:                                              "7",
		`"@timestamp":"yesterday"`:                                     none,
		`"@timestamp":"yesterday","ets":"tomorrow"`:                    none,
		`"@timestamp":"2022-03-01T00:00:00[Nowhere/Town]","ets":null`:  none,
		`"ets":1e17`:                                                   "100000000000000000",
		`"@timestamp":"2022-03-01T00:00:00.0000000000000001Z","ets":7`: "1646092800000.0000000000001",
		`"x":0`: none,
	} {
		got, _ := scanText(t, filter, strings.Replace(belonging, `"mid":"m"`, fields, 1))
		if len(got) != 1 || got[0].Time != keyOf(want) {
			t.Errorf("%s: %+v, want the time %s", fields, got, want)
		}
		if want == none && got[0].Time != "" {
			t.Errorf("%s: the time is %q, want none", fields, got[0].Time)
		}
	}
	// ets on its own, whatever orders the event.
	for fields, want := range map[string]string{
		`"@timestamp":"1970-01-01T00:00:01Z","ets":7`: "7", `"@timestamp":1000`: none, `"@timestamp":1000,"ets":"x"`: none, `"@timestamp":1,"ets":"7.0"`: none,
	} {
		got, _ := scanText(t, filter, strings.Replace(belonging, `"mid":"m"`, fields, 1))
		if got[0].ETS != keyOf(want) {
			t.Errorf("%s: %+v, want the ets %s", fields, got, want)
		}
	}
}

func TestEventsAreOneWhenTheirIdentityIs(t *testing.T) {
	identify := func(top, did, edata string) Identity {
		line := strings.Replace(belonging, `"mid":"m"`, top+`,"edata":`+edata, 1)
		line = strings.Replace(line, `"context":{`, `"context":{"did":`+did+`,`, 1)
		got, _ := scanText(t, filter, line)
		return got[0].Identity
	}
	const (
		top   = `"mid":"ASSESS:1","ets":1646092800000,"@timestamp":"2022-03-01T00:00:00Z"`
		did   = `"B5f0-é"`
		edata = `{"item":{"id":"q","title":"A"},"score":1.0,"resvalues":[{"1":{"text":"a"}}]}`
	)
	want := identify(top, did, edata)
	for _, same := range [][3]string{
		{top, did, edata},
		{`"ets":"1646092800000","mid":"ASSESS:1","@timestamp":"2023-01-01T00:00:00Z"`, did, edata},
		{`"ets":1.6460928e12,"mid":"\u0041SSESS:1"`, did, edata},
		{`"ets":"2022-03-01T05:30:00+05:30","mid":"ASSESS:1","x":1`, did, edata},
		{top, `"b5F0-É"`, edata},
		{top, `"B5F0-\u00c9"`, edata},
		{top, did, `{ "score":1.0, "resvalues":[ {"1":{"text":"\u0061"}} ], "item":{"title":"\u0041","id":"q"} }`},
		{top, did, `{"item":{"id":"x"},"score":2,"item":{"id":"q","title":"A"},"score":1.0,"resvalues":[{"1":{"text":"a"}}]}`},
	} {
		if identify(same[0], same[1], same[2]) != want {
			t.Errorf("%s is another event", same)
		}
	}
	seen := map[Identity][3]string{want: {}}
	for _, other := range [][3]string{
		{`"mid":"assess:1","ets":1646092800000`, did, edata},
		{`"mid":"ASSESS:2","ets":1646092800000`, did, edata},
		{`"mid":"ASSESS:1","ets":1646092800001`, did, edata},
		{`"mid":"ASSESS:1","ets":1646092800000.0000001`, did, edata},
		{`"mid":"ASSESS:1","x":1646092800000`, did, edata},
		{`"x":0`, `""`, `null`}, {`"mid":"a"`, `"b"`, `null`}, {`"mid":"ab"`, `""`, `null`}, {`"mid":""`, `"ab"`, `null`},
		{top, `"B5f0-e"`, edata}, {top, `null`, edata}, {top, `"\ud800"`, edata}, {top, `"\ud801"`, edata}, {top, "\"\xff\"", edata}, {top, "\"\ufffd\"", edata},
		{top, did, `null`}, {top, did, `{}`}, {top, did, `{"item":{"id":"q","title":"A"},"score":1,"resvalues":[{"1":{"text":"a"}}]}`},
		{top, did, `{"item":{"id":"q","title":"A"},"score":"1.0","resvalues":[{"1":{"text":"a"}}]}`},
		{top, did, `{"item":{"id":"q","title":"A"},"score":1.0,"resvalues":[{"1":{"text":"b"}}]}`},
		{top, did, `{"item":{"id":"q","title":"A","x":null},"score":1.0,"resvalues":[{"1":{"text":"a"}}]}`},
		{`"mid":"\ud800"`, did, edata}, {`"mid":"\ud801"`, did, edata}, {"\"mid\":\"\xed\xa0\x80\"", did, edata}, {"\"mid\":\"\xff\"", did, edata},
		{"\"mid\":\"\xfe\"", did, edata}, {`"mid":"\ufffd"`, did, edata}, {`"mid":"\u0000"`, did, edata}, {`"mid":""`, did, edata},
	} {
		id := identify(other[0], other[1], other[2])
		if before, known := seen[id]; known {
			t.Errorf("%s is taken for the same event as %s", other, before)
		}
		seen[id] = other
	}
}

func TestLinesAreCutAndCounted(t *testing.T) {
	for _, c := range []struct {
		name, object            string
		lines, skipped, matched int64
	}{
		{"nothing", "", 0, 0, 0},
		{"only a line end", "\n", 0, 0, 0},
		{"empty lines", "\n\r\n \t \n\r\n", 0, 0, 0},
		{"LF", belonging + "\n" + belonging + "\n", 2, 0, 2},
		{"CRLF", belonging + "\r\n" + belonging + "\r\n", 2, 0, 2},
		{"last line without its end", belonging + "\n" + belonging, 2, 0, 2},
		{"last line with CR only", belonging + "\n" + belonging + "\r", 2, 0, 2},
		{"empty lines between", "\n\n" + belonging + "\n \n\r\n" + belonging + "\n\n", 2, 0, 2},
		{"white space around", " \t" + belonging + " \t\r\n", 1, 0, 1},
		{"byte order mark", "\xef\xbb\xbf" + belonging + "\n" + belonging, 2, 0, 2},
		{"byte order mark alone", "\xef\xbb\xbf", 0, 0, 0},
		{"byte order mark and an empty line", "\xef\xbb\xbf\n" + belonging, 1, 0, 1},
		{"byte order mark of the second line", belonging + "\n\xef\xbb\xbf" + belonging, 2, 0, 2},
		{"byte order marks", "\xef\xbb\xbf\xef\xbb\xbf" + belonging + "\r\n\xef\xbb\xbf\r\n\xef\xbb\xbf \xef\xbb\xbf" + belonging, 2, 0, 2},
		{"byte order mark behind a line", belonging + "\xef\xbb\xbf\n" + belonging, 2, 1, 1},
		{"byte order mark and half of one", "\xef\xbb\xbf\xef\xbb\n" + belonging, 2, 1, 1},
		{"half a byte order mark", "\xef\xbb", 1, 1, 0},
		{"no JSON", "hello\n" + belonging + "\nbot-1\n", 3, 2, 1},
		{"no object", "[1]\nnull\n1\n\"bot-1\"\n" + belonging + "\n[" + belonging + "]\n", 6, 5, 1},
		{"cut event", belonging[:len(belonging)-1] + "\n" + belonging + "\n", 2, 1, 1},
		{"two events in a line", belonging + belonging + "\n" + belonging, 2, 1, 1},
		{"an event over two lines", strings.Replace(belonging, ",", ",\n", 1), 2, 2, 0},
		{"broken line of another conversation", `{"eid":"START",}` + "\n" + `{"eid":"START"}` + "\n", 2, 1, 0},
		{"too deep", strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001) + "\n" + belonging, 2, 1, 1},
		{"deep", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + "\n" + belonging, 2, 0, 1},
		{"NULs alone", "\x00", 0, 0, 0},
		{"a line of NULs", "\x00\x00\n" + belonging, 1, 0, 1},
		{"NULs before a line", "\x00\x00" + belonging + "\n\x00" + belonging + "\r\n", 2, 0, 2},
		{"NULs before the line end", belonging + "\x00\x00\n" + belonging + "\x00", 2, 0, 2},
		{"NULs around CR", belonging + "\x00\r\x00\n" + belonging + "\x00\x00\r\n" + belonging + "\r\x00", 3, 0, 3},
		{"all mixed", "\x00\xef\xbb\xbf\x00 \xef\xbb\xbf\t\x00" + belonging + " \x00\t\x00\r\x00\n\x00\xef\xbb\xbf \x00\r\n", 1, 0, 1},
		{"a NUL within a line", strings.Replace(belonging, ",", ",\x00", 1) + "\n" + belonging, 2, 1, 1},
		{"a NUL within a text", strings.Replace(belonging, "ASS", "ASS\x00", 1) + "\n" + belonging, 2, 1, 1},
		{"NULs between two events of a line", belonging + "\x00\x00" + belonging + "\n" + belonging, 2, 1, 1},
		{"a line of NULs and a byte", "\x00\x00x\x00\n" + belonging, 2, 1, 1},
	} {
		want := Counts{Lines: c.lines, Skipped: c.skipped, Matched: c.matched}
		plain := []byte(c.object)
		for name, object := range map[string][]byte{
			"plain": plain, "byte by byte": plain, "gzip": compressGzip(plain), "zstd": compressZstd(plain),
		} {
			source := bytes.NewReader(object)
			r := io.Reader(source)
			if name == "byte by byte" {
				r = oneByteReader{source}
			}
			events, counts, err := scan(filter, r)
			if err != nil || counts != want || int64(len(events)) != want.Matched || source.Len() != 0 {
				t.Errorf("%s, %s: %d events, %+v, %v, %d bytes not read; want %+v", c.name, name, len(events), counts, err, source.Len(), want)
			}
			if text := decompress(t, object); text != c.object {
				t.Errorf("%s, %s: decompresses to %q", c.name, name, text)
			}
		}
	}
}

type oneByteReader struct{ r io.Reader }

func (o oneByteReader) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestALineOfSixteenMebibytesIsReadAndALongerOneSkippedAndCounted(t *testing.T) {
	padTo := func(size int) string {
		head := strings.TrimSuffix(belonging, "}") + `,"pad":"`
		return head + strings.Repeat("x", size-len(head)-2) + `"}`
	}
	const most = 16 << 20
	nuls := strings.Repeat("\x00", 1<<20)
	marks := strings.Repeat("\xef\xbb\xbf", 100_000)
	blanks := strings.Repeat(" ", most)
	for _, c := range []struct {
		name, object            string
		lines, skipped, matched int64
	}{
		{"16 MiB", padTo(most) + "\n" + belonging, 2, 0, 2},
		{"16 MiB and CRLF", padTo(most) + "\r\n" + belonging, 2, 0, 2},
		{"16 MiB behind a byte order mark", "\xef\xbb\xbf" + padTo(most) + "\r\n" + belonging, 2, 0, 2},
		{"16 MiB behind much", nuls + marks + nuls + padTo(most) + "\r\n" + belonging, 2, 0, 2},
		{"16 MiB behind much of a later line", belonging + "\r\n" + nuls + marks + nuls + padTo(most) + "\r\n" + belonging, 3, 0, 3},
		{"16 MiB and NULs", padTo(most) + nuls + "\n" + belonging, 2, 0, 2},
		{"16 MiB, NULs and CRLF", padTo(most) + nuls + "\r\n" + belonging, 2, 0, 2},
		{"16 MiB, CR, NULs and LF", padTo(most) + "\r" + nuls + "\n" + belonging, 2, 0, 2},
		{"16 MiB, NULs, CR, NULs and LF", padTo(most) + nuls + "\r" + nuls + "\n" + belonging, 2, 0, 2},
		{"16 MiB in the midst of all", "\xef\xbb\xbf" + nuls + padTo(most) + "\x00\r\x00\x00\n" + belonging, 2, 0, 2},
		{"16 MiB at the end", belonging + "\n" + padTo(most), 2, 0, 2},
		{"16 MiB at the end with CR", belonging + "\n" + padTo(most) + "\r", 2, 0, 2},
		{"16 MiB at the end with NULs", belonging + "\n" + padTo(most) + nuls, 2, 0, 2},
		{"16 MiB with its blank", padTo(most-1) + " \n" + belonging, 2, 0, 2},
		{"16 MiB with its blank and NULs", " \x00" + padTo(most-2) + nuls + " \x00\n" + belonging, 2, 0, 2},
		{"16 MiB with its blank and CRLF", padTo(most-1) + " \r\n" + belonging, 2, 0, 2},
		{"16 MiB behind a longer line with much white space", blanks[:1<<20] + padTo(17<<20) + "\n" + padTo(most) + "\n", 2, 1, 1},
		{"16 MiB behind a line among white space and NULs", blanks[:1<<20] + belonging + nuls + "\n" + padTo(most) + "\n", 2, 0, 2},
		{"a byte more by a CR and a blank", padTo(most-1) + "\r \n" + belonging, 2, 1, 1},
		{"a byte behind a NUL, and more NULs", belonging + "\x00x" + nuls + "\n" + belonging, 2, 1, 1},
		{"a byte more", padTo(most+1) + "\n" + belonging, 2, 1, 1},
		{"a byte more with NULs", "\x00" + padTo(most+1) + nuls + "\r\n" + belonging, 2, 1, 1},
		{"a byte more by a blank", padTo(most) + " \n" + belonging, 2, 1, 1},
		{"a byte more by a blank before", " \x00" + padTo(most) + "\n" + belonging, 2, 1, 1},
		{"a byte more by a blank behind NULs", padTo(most) + nuls + " \x00\r\n" + belonging, 2, 1, 1},
		{"a byte more by a second CR", padTo(most) + "\r\x00\r\n" + belonging, 2, 1, 1},
		{"a byte more at the end", belonging + "\n" + padTo(most+1), 2, 1, 1},
		{"17 MiB", belonging + "\n" + padTo(17<<20) + "\r\n" + belonging + "\n", 3, 1, 2},
		{"17 MiB at the end", belonging + "\n" + padTo(17<<20), 2, 1, 1},
		{"50 MiB and 17 MiB", padTo(50<<20) + "\n" + padTo(17<<20) + "\n" + belonging, 3, 2, 1},
		{"32 MiB of white space", blanks + blanks + "\n" + belonging, 1, 0, 1},
		{"16 MiB of white space and an event", blanks + belonging + "\n" + belonging, 2, 1, 1},
		{"a megabyte of NULs within a line", `{"a":` + nuls + "1}\n" + belonging, 2, 1, 1},
		{"32 MiB within NULs", "{" + nuls + blanks + nuls + blanks + "}" + nuls + "\n" + belonging, 2, 1, 1},
		{"a megabyte of NULs alone", nuls + "\n" + belonging + "\n" + nuls, 1, 0, 1},
	} {
		source := strings.NewReader(c.object)
		events, counts, err := scan(filter, source)
		want := Counts{Lines: c.lines, Skipped: c.skipped, Matched: c.matched}
		if err != nil || counts != want || int64(len(events)) != c.matched || source.Len() != 0 {
			t.Errorf("%s: %d events, %+v, %v, %d bytes not read; want %+v", c.name, len(events), counts, err, source.Len(), want)
		}
	}
}

func TestLongRunsOfNULsTakeNoMemory(t *testing.T) {
	s := NewScanner(filter)
	size := 0
	nuls := func() io.Reader { return io.LimitReader(endless(0), 100<<20) }
	r := io.MultiReader(nuls(), strings.NewReader(belonging), nuls(), strings.NewReader("\r\n"+belonging[:20]), nuls(), strings.NewReader(belonging+"\n"+belonging))
	counts, err := s.Scan(context.Background(), "2022-03-01.log", r, func(*Event) error {
		size = max(size, len(s.opener.plain.buf))
		return nil
	})
	if err != nil || counts != (Counts{Lines: 3, Skipped: 1, Matched: 2}) {
		t.Fatalf("%+v, %v", counts, err)
	}
	if size > 2*chunkSize {
		t.Errorf("NULs grew the buffer to %d bytes", size)
	}
}

func TestTheBufferGrowsNoFurtherThanOneLineAndShrinksAgain(t *testing.T) {
	s := NewScanner(filter)
	size := 0
	r := io.MultiReader(strings.NewReader(`{"a":"`), io.LimitReader(endless('x'), 100<<20), strings.NewReader("\"}\n"+belonging))
	counts, err := s.Scan(context.Background(), "2022-03-01.json", r, func(*Event) error { size = len(s.opener.plain.buf); return nil })
	if err != nil || counts != (Counts{Lines: 2, Skipped: 1, Matched: 1}) {
		t.Fatalf("%+v, %v", counts, err)
	}
	if size > MaxLine+MaxLine/4+2*chunkSize {
		t.Errorf("a line of 100 MiB grew the buffer to %d bytes", size)
	}
	if kept := len(s.opener.plain.buf); kept > chunkSize+chunkPadding {
		t.Errorf("%d bytes are kept behind the object", kept)
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestAScannerIsReusedFromObjectToObject(t *testing.T) {
	s := NewScanner(filter)
	plain := belonging + "\n"
	cut := compressGzip([]byte(plain))
	for i, c := range []struct {
		object  []byte
		matched int64
		corrupt bool
	}{
		{[]byte(plain), 1, false}, {compressGzip([]byte(plain)), 1, false}, {cut[:len(cut)-1], 1, true}, {compressZstd([]byte(plain + plain)), 2, false},
		{compressZstd([]byte(plain))[:9], 0, true}, {nil, 0, false}, {compressGzip([]byte("\xef\xbb\xbf" + plain)), 1, false}, {compressZstd([]byte(plain)), 1, false},
	} {
		var mids []string
		counts, err := s.Scan(context.Background(), "2022-03-01", bytes.NewReader(c.object), func(e *Event) error {
			mids = append(mids, string(e.MessageID))
			return nil
		})
		var corrupt *CorruptError
		if counts.Matched != c.matched || int64(len(mids)) != c.matched || errors.As(err, &corrupt) != c.corrupt {
			t.Errorf("object %d: %+v, %v", i, counts, err)
		}
	}
}

func TestNothingIsAllocatedForALine(t *testing.T) {
	var object strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&object, `{"eid":"ASSESS","mid":"%d \u0041","context":{"channel":"tenant","cdata":[{"type":"Conversation","id":"bot-2"}]}}`+"\n", i)
		fmt.Fprintf(&object, `{"eid":"ASSESS","mid":"%d","context":{"channel":"other","cdata":[{"type":"Conversation","id":"bot-1"}]}}`+"\nno JSON\n", i)
		fmt.Fprintf(&object, "\xef\xbb\xbf\x00"+`{"mid":"%d \u0041","eid":"ASSESS","@timestamp":"2022-03-01T00:00:00.%dZ[Asia/Kolkata]","ets":%d.5,`+
			`"context":{"did":"Device \u0041","channel":"tenant","cdata":[{"type":"Conversation","id":"bot-1"}]},`+
			`"edata":{"item":{"title":"\u0041\n","id":"q","desc":"\ud800","\u0061":{},"b":[{}],"b":1e3},"duration":1}}`+"\x00\r\n", i, i, i)
	}
	s := NewScanner(filter)
	text := strings.NewReader(object.String())
	matched := 0
	read := func() {
		text.Reset(object.String())
		if _, err := s.Scan(context.Background(), "2022-03-01.json", text, func(e *Event) error {
			matched++
			if e.Identity == (Identity{}) {
				t.Error("an event has no identity")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if matched != 1000 {
		t.Fatalf("%d events matched", matched)
	}
	if n := testing.AllocsPerRun(10, read); n > 5 {
		t.Errorf("%v allocations for 4,000 lines, 1,000 of them events, want no more than a few an object", n)
	}
}

func TestARowTakesNoAllocation(t *testing.T) {
	line := []byte(strings.Replace(belonging, `"mid":"m"`, `"mid":"m","ets":"2022-03-01T00:00:00[Asia/Kolkata]","edata":{"duration":"1.5","score":1.50,"resvalues":[ "\u0041" ]}`, 1))
	var rows RowReader
	var row exhaust.ResponseRow
	rows.Read(line, &row)
	if string(row.Cells[exhaust.DurationColumn]) != "2" || string(row.Cells[exhaust.TimestampColumn]) != "2022-02-28T18:30:00.000Z" {
		t.Fatalf("%q", row.Cells)
	}
	if n := testing.AllocsPerRun(100, func() { rows.Read(line, &row) }); n > 0 {
		t.Errorf("%v allocations a row, want none", n)
	}
}
