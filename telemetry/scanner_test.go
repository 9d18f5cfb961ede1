package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

// scan reads an object and keeps its events.
func scan(f Filter, r io.Reader) ([]Event, Counts, error) { return scanWith(NewScanner(f), r) }

func scanWith(s *Scanner, r io.Reader) ([]Event, Counts, error) {
	var events []Event
	counts, err := s.Scan(context.Background(), r, func(e *Event) error {
		events = append(events, *e)
		return nil
	})
	return events, counts, err
}

// scanText reads a plain object that must be read without an error.
func scanText(t *testing.T, f Filter, text string) ([]Event, Counts) {
	t.Helper()
	events, counts, err := scan(f, strings.NewReader(text))
	if err != nil {
		t.Fatalf("scanning %.200q: %v", text, err)
	}
	return events, counts
}

var filter = Filter{Channel: "tenant", ConversationID: "bot-1"}

func TestAnAnswerBecomesARow(t *testing.T) {
	line := `{"eid":"ASSESS","ets":1646092800123,"ver":"3.1","mid":"ASSESS:8f1","@timestamp":"2022-03-01T05:30:00.500+05:30",
		"actor":{"id":"someone","type":"User"},
		"context":{"channel":"tenant","pdata":{"id":"prod.uci","ver":"1"},"did":"device 1","sid":"session-1",
			"cdata":[{"type":"ConversationSession","id":"x"},{"type":"Conversation","id":"bot-1"}],
			"rollup":{"l1":"bot-1","l2":"s","l3":"/data/q1","l4":"false"}},
		"edata":{"item":{"id":"q1","type":"MCQ","title":"Your \"colour\"?","desc":"\u0930\u0902\u0917","maxscore":2.0,
				"params":[ {"1" : {"text" : "Deep  red\n"}}, {"answer":{"correct":["1"]}} ]},
			"duration":2.5,"score":1.50,"pass":"Yes","resvalues":[ { "1":{"text":"Deep  red\n"} } ]}}`
	got, counts := scanText(t, filter, strings.NewReplacer("\n", "", "\t", " ").Replace(line)+"\n")
	want := []Event{{
		Time:      time.Date(2022, 3, 1, 0, 0, 0, 500_000_000, time.UTC).UnixNano(),
		MessageID: "ASSESS:8f1",
		DeviceID:  "device 1",
		Row: exhaust.ResponseRow{
			MessageID: "ASSESS:8f1", DeviceID: "device 1", SessionID: "session-1",
			QuestionID: "q1", Type: "MCQ", Title: `Your "colour"?`, Description: "रंग",
			Duration: "3", Score: "1.5", MaxScore: "2",
			Options:  `[{"1":{"text":"Deep  red\n"}},{"answer":{"correct":["1"]}}]`,
			Response: `[{"1":{"text":"Deep  red\n"}}]`,
			XPath:    "/data/q1", Eof: "false", Timestamp: "2022-03-01T05:30:00.500+05:30",
		},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if counts != (Counts{Matched: 1}) {
		t.Errorf("counts are %+v", counts)
	}
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
		{"a\nb", `a\nb`}, {`a"b`, `a\"b`}, {`a\b`, `a\\b`}, {"\ufffd", "\xff"}, {"\ufffd", `\udc00`}, {"", ""},
	} {
		line := strings.Replace(belonging, "bot-1", c.spelled, 1)
		if got, _ := scanText(t, Filter{Channel: "tenant", ConversationID: c.id}, line); len(got) != 1 {
			t.Errorf("the id %q written as %q is not found", c.id, c.spelled)
		}
	}
}

func TestCellsAreSpelledAsTheContractSays(t *testing.T) {
	type row = exhaust.ResponseRow
	for _, c := range []struct {
		name    string
		mid     string // replaces "mid":"m"
		context string // goes into the context
		edata   string
		want    row
	}{
		{"all missing", `"x":0`, ``, ``, row{}},
		{"all null", `"mid":null,"@timestamp":null,"ets":null`, `"did":null,"sid":null,"rollup":null,`,
			`{"item":null,"duration":null,"score":null,"resvalues":null}`, row{}},
		{"inner nulls", `"x":0`, `"rollup":{"l3":null,"l4":null},`,
			`{"item":{"id":null,"type":null,"title":null,"desc":null,"maxscore":null,"params":null}}`, row{}},
		{"wrong types around", `"x":0`, `"rollup":"l3",`, `[{"item":{"id":"q"}}]`, row{}},
		{"item of the wrong type", `"x":0`, `"rollup":[1],`, `{"item":["id"],"score":"s"}`, row{Score: "s"}},
		{"numbers for texts", `"mid":12345678901234567890`, `"did":2.10e1,"sid":-0,"rollup":{"l3":1e-7,"l4":100},`,
			`{"item":{"id":21.0,"type":0.50,"title":1e2,"desc":-2.5,"maxscore":1E+1},"score":2.1e1,"duration":-2.5}`,
			row{MessageID: "12345678901234567890", DeviceID: "21", SessionID: "0", XPath: "0.0000001", Eof: "100",
				QuestionID: "21", Type: "0.5", Title: "100", Description: "-2.5", MaxScore: "10", Score: "21", Duration: "-2"}},
		{"booleans", `"mid":true`, `"did":false,"rollup":{"l4":true},`, `{"item":{"id":false},"duration":true,"resvalues":false}`,
			row{MessageID: "true", DeviceID: "false", Eof: "true", QuestionID: "false", Duration: "true", Response: "false"}},
		{"objects for texts", `"mid":{"a" : [ 1.0, "x y" ]}`, `"sid":[ ],`, `{"item":{"title":[ {} , null ]},"score":{ },"duration":[ 2.5 ]}`,
			row{MessageID: `{"a":[1.0,"x y"]}`, SessionID: "[]", Title: "[{},null]", Score: "{}", Duration: "[2.5]"}},
		{"texts for numbers", `"x":0`, ``, `{"item":{"maxscore":"2.0"},"duration":"2.5","score":"1.50"}`,
			row{Duration: "2.5", Score: "1.50", MaxScore: "2.0"}},
		{"escapes", `"mid":"a\"\\\/\b\f\n\r\t\u0001\u0915\uD83D\uDE00"`, ``, ``, row{MessageID: "a\"\\/\b\f\n\r\t\x01क😀"}},
		{"lone surrogates", `"mid":"\ud800 \udc00\ud83dA\ud83d\ud83d\ude00\ud83d\n\ud83d"`, ``, ``,
			row{MessageID: "\ufffd \ufffd\ufffdA\ufffd😀\ufffd\n\ufffd"}},
		{"invalid UTF-8", "\"mid\":\"a\xffb\xe0\xa4\"", ``, "{\"resvalues\":[ \"\xff\" ]}", row{MessageID: "a\ufffdb\ufffd\ufffd", Response: "[\"\ufffd\"]"}},
		{"source JSON as it stands", `"x":0`, ``,
			`{"item":{"params":{ "b" : "\u0041\/ \" " , "a":[ 1.0 , 2e1,-0 ] ,"b":{ } }},"resvalues":"two  words"}`,
			row{Options: `{"b":"\u0041\/ \" ","a":[1.0,2e1,-0],"b":{}}`, Response: `"two  words"`}},
		{"a number as response", `"x":0`, ``, `{"item":{"params":""},"resvalues":2.10 }`, row{Options: `""`, Response: "2.10"}},
		{"the last of repeated keys", `"mid":"a","mid":"b"`, `"did":"a","did":null,"rollup":{"l3":"a"},"rollup":{"l4":"b"},`,
			`{"item":{"id":"a"},"item":{"type":"b","type":"c"},"score":1,"\u0073core":2}`, row{MessageID: "b", Eof: "b", Type: "c", Score: "2"}},
		{"absurd exponents", `"mid":1e999999999`, ``, `{"score":-1.0e-999999999,"duration":1e999999999}`,
			row{MessageID: "1e999999999", Score: "-1.0e-999999999", Duration: "1e999999999"}},
		{"rounding", `"x":0`, ``, `{"duration":2.5}`, row{Duration: "3"}},
		{"@timestamp as it stands", `"@timestamp":"1 March","ets":0`, ``, ``, row{Timestamp: "1 March"}},
		{"@timestamp with escapes", `"@timestamp":"2022\u002d03","ets":0`, ``, ``, row{Timestamp: "2022-03"}},
		{"@timestamp a number", `"@timestamp":1.6460928e12,"ets":0`, ``, ``, row{Timestamp: "1646092800000"}},
		{"@timestamp empty", `"@timestamp":"","ets":1646092800123`, ``, ``, row{Timestamp: "2022-03-01T00:00:00.123Z"}},
		{"@timestamp null", `"@timestamp":null,"ets":1646092800123`, ``, ``, row{Timestamp: "2022-03-01T00:00:00.123Z"}},
		{"@timestamp an object", `"@timestamp":{"a":1},"ets":1646092800123`, ``, ``, row{Timestamp: "2022-03-01T00:00:00.123Z"}},
		{"ets a text", `"ets":"1646092800123"`, ``, ``, row{}},
	} {
		edata := c.edata
		if edata == "" {
			edata = "null"
		}
		line := strings.Replace(belonging, `"mid":"m"`, c.mid+`,"edata":`+edata, 1)
		line = strings.Replace(line, `"context":{`, `"context":{`+c.context, 1)
		got, _ := scanText(t, filter, line)
		if len(got) != 1 {
			t.Errorf("%s: %d events of %s", c.name, len(got), line)
			continue
		}
		if got[0].Row != c.want {
			t.Errorf("%s:\n%s\ngot  %+v\nwant %+v", c.name, line, got[0].Row, c.want)
		}
		if got[0].MessageID != c.want.MessageID || got[0].DeviceID != c.want.DeviceID {
			t.Errorf("%s: the event's own ids are %q and %q", c.name, got[0].MessageID, got[0].DeviceID)
		}
	}
}

func TestAnEventIsOrderedByTimestampElseByEts(t *testing.T) {
	for fields, want := range map[string]int64{
		`"@timestamp":"1970-01-01T05:30:01+05:30","ets":7`: 1_000_000_000,
		`"@timestamp":"1970-01-01\u005400:00:01z","ets":7`: 1_000_000_000,
		`"@timestamp":"yesterday","ets":7`:                 7_000_000,
		`"@timestamp":"","ets":7.25`:                       7_250_000,
		`"@timestamp":1000,"ets":7`:                        7_000_000,
		`"@timestamp":null,"ets":7`:                        7_000_000,
		`"ets":7`:                                          7_000_000,
		`"@timestamp":"yesterday"`:                         math.MinInt64,
		`"@timestamp":"yesterday","ets":"7"`:               math.MinInt64,
		`"@timestamp":1000`:                                math.MinInt64,
		`"ets":1e17`:                                       math.MinInt64,
		`"x":0`:                                            math.MinInt64,
	} {
		got, _ := scanText(t, filter, strings.Replace(belonging, `"mid":"m"`, fields, 1))
		if len(got) != 1 || got[0].Time != want {
			t.Errorf("%s: %+v, want the time %d", fields, got, want)
		}
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
		{"byte order mark of the second line", belonging + "\n\xef\xbb\xbf" + belonging, 2, 1, 1},
		{"half a byte order mark", "\xef\xbb", 1, 1, 0},
		{"no JSON", "hello\n" + belonging + "\nbot-1\n", 3, 2, 1},
		{"no object", "[1]\nnull\n1\n\"bot-1\"\n" + belonging + "\n[" + belonging + "]\n", 6, 5, 1},
		{"cut event", belonging[:len(belonging)-1] + "\n" + belonging + "\n", 2, 1, 1},
		{"two events in a line", belonging + belonging + "\n" + belonging, 2, 1, 1},
		{"an event over two lines", strings.Replace(belonging, ",", ",\n", 1), 2, 2, 0},
		{"broken line of another conversation", `{"eid":"START",}` + "\n" + `{"eid":"START"}` + "\n", 2, 1, 0},
		{"too deep", strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001) + "\n" + belonging, 2, 1, 1},
		{"deep", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000) + "\n" + belonging, 2, 0, 1},
		{"zero bytes", "\x00\x00\n" + belonging, 2, 1, 1},
	} {
		want := Counts{Skipped: c.skipped, Matched: c.matched}
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
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(c.object), "byte by byte": oneByteReader{strings.NewReader(c.object)}} {
			if lines := countLines(t, r); lines != c.lines {
				t.Errorf("%s, %s: %d lines hold more than white space, want %d", c.name, name, lines, c.lines)
			}
		}
	}
}

// countLines counts the lines that hold anything but white space.
func countLines(t *testing.T, r io.Reader) (lines int64) {
	t.Helper()
	var reader lineReader
	err := reader.reset(t.Context(), r)
	for err == nil {
		var line paddedLine
		line, err = reader.next(t.Context())
		if err == nil && len(bytes.TrimSpace(line.text())) > 0 {
			lines++
		}
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	return lines
}

type oneByteReader struct{ r io.Reader }

func (o oneByteReader) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestALineOfSixteenMebibytesIsReadAndALongerOneSkippedAndCounted(t *testing.T) {
	padTo := func(size int) string {
		head := strings.TrimSuffix(belonging, "}") + `,"pad":"`
		return head + strings.Repeat("x", size-len(head)-2) + `"}`
	}
	const most = 16 << 20
	for _, c := range []struct {
		name, object     string
		skipped, matched int64
	}{
		{"16 MiB", padTo(most) + "\n" + belonging, 0, 2},
		{"16 MiB and CRLF", padTo(most) + "\r\n" + belonging, 0, 2},
		{"16 MiB behind a byte order mark", "\xef\xbb\xbf" + padTo(most) + "\r\n" + belonging, 0, 2},
		{"16 MiB at the end", belonging + "\n" + padTo(most), 0, 2},
		{"16 MiB at the end with CR", belonging + "\n" + padTo(most) + "\r", 0, 2},
		{"a byte more", padTo(most+1) + "\n" + belonging, 1, 1},
		{"a byte more at the end", belonging + "\n" + padTo(most+1), 1, 1},
		{"17 MiB", belonging + "\n" + padTo(17<<20) + "\r\n" + belonging + "\n", 1, 2},
		{"17 MiB at the end", belonging + "\n" + padTo(17<<20), 1, 1},
		{"50 MiB and 17 MiB", padTo(50<<20) + "\n" + padTo(17<<20) + "\n" + belonging, 2, 1},
	} {
		source := strings.NewReader(c.object)
		events, counts, err := scan(filter, source)
		want := Counts{Skipped: c.skipped, Matched: c.matched}
		if err != nil || counts != want || int64(len(events)) != c.matched || source.Len() != 0 {
			t.Errorf("%s: %d events, %+v, %v, %d bytes not read; want %+v", c.name, len(events), counts, err, source.Len(), want)
		}
	}
}

func TestTheBufferGrowsNoFurtherThanOneLineAndShrinksAgain(t *testing.T) {
	s := NewScanner(filter)
	size := 0
	r := io.MultiReader(strings.NewReader(`{"a":"`), io.LimitReader(endless('x'), 100<<20), strings.NewReader("\"}\n"+belonging))
	counts, err := s.Scan(context.Background(), r, func(*Event) error { size = len(s.lines.buf); return nil })
	if err != nil || counts != (Counts{Skipped: 1, Matched: 1}) {
		t.Fatalf("%+v, %v", counts, err)
	}
	if size > 16<<20+64 {
		t.Errorf("a line of 100 MiB grew the buffer to %d bytes", size)
	}
	if len(s.lines.buf) > lineBuffer {
		t.Errorf("%d bytes are kept behind the object", len(s.lines.buf))
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
		counts, err := s.Scan(context.Background(), bytes.NewReader(c.object), func(e *Event) error {
			mids = append(mids, e.MessageID)
			return nil
		})
		var corrupt *CorruptError
		if counts.Matched != c.matched || int64(len(mids)) != c.matched || errors.As(err, &corrupt) != c.corrupt {
			t.Errorf("object %d: %+v, %v", i, counts, err)
		}
	}
}

func TestNothingIsAllocatedForLinesThatDoNotMatch(t *testing.T) {
	var object strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&object, `{"eid":"ASSESS","mid":"%d \u0041","context":{"channel":"tenant","cdata":[{"type":"Conversation","id":"bot-2"}]}}`+"\n", i)
		fmt.Fprintf(&object, `{"eid":"ASSESS","mid":"%d","context":{"channel":"other","cdata":[{"type":"Conversation","id":"bot-1"}]}}`+"\nno JSON\n", i)
	}
	s := NewScanner(filter)
	text := strings.NewReader(object.String())
	read := func() {
		text.Reset(object.String())
		if _, err := s.Scan(context.Background(), text, func(*Event) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if n := testing.AllocsPerRun(10, read); n > 5 {
		t.Errorf("%v allocations for 3,000 lines without a match, want no more than a few an object", n)
	}
}
