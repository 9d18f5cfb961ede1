package telemetry

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCanonicalFormIsOneForAllSpellingsOfAValue(t *testing.T) {
	for value, want := range map[string]string{
		``:                             ``,
		`null`:                         `null`,
		`1.50e+1`:                      `1.50e+1`,
		`-0`:                           `-0`,
		`{}`:                           `{}`,
		`[ ]`:                          `[]`,
		`{ }`:                          `{}`,
		`[ 1 , [ ] ,{ }, "a" , null ]`: `[1,[],{},"a",null]`,
		`{"b":1,"a":2}`:                `{"a":2,"b":1}`,
		`{ "b" : { "d" : 1 , "c" : 2 } , "a" : [ { "f" : 3 , "e" : 4 } , { } , {"g":{"i":1,"h":2}} ] }`: `{"a":[{"e":4,"f":3},{},{"g":{"h":2,"i":1}}],"b":{"c":2,"d":1}}`,
		`{"a":1,"b":2,"a":3}`:                   `{"a":3,"b":2}`,
		`{"a":{"x":1},"b":2,"a":{"y":3}}`:       `{"a":{"y":3},"b":2}`,
		`{"b":[{"c":1}],"a":{"d":{}},"b":0}`:    `{"a":{"d":{}},"b":0}`,
		`{"a":1,"\u0061":2}`:                    `{"a":2}`,
		`{"\u0062":1,"a":2}`:                    `{"a":2,"b":1}`,
		`{"a":1,"a":2,"a":3,"a":4,"a":5}`:       `{"a":5}`,
		`{"":1,"a":2,"A":3,"aa":4,"é":5,"z":6}`: `{"":1,"A":3,"a":2,"aa":4,"z":6,"é":5}`,
		// By UTF-8 bytes U+FF5E comes before U+1F600, by UTF-16 behind it.
		`{"😀":1,"～":2}`: `{"～":2,"😀":1}`,
		`"\u0041\/\"\\\b\f\n\r\t\u0008\u000c\u000a\u000d\u0009\u0022\u005c\u002f"`: `"A/\"\\\b\f\n\r\t\b\f\n\r\t\"\\/"`,
		`"\u0000\u001F\u007f\u0080\u2028\uD83D\uDE00"`:                             `"\u0000\u001f` + "\x7f\u0080\u2028😀" + `"`,
		`"\uD800 \uDFFF\uDBFF"`:               `"\ud800 \udfff\udbff"`,
		"\"\xff\xe2\x82\\u0041\xed\xa0\x80\"": "\"\xff\xe2\x82A\xed\xa0\x80\"",
		// Ill-formed bytes are no surrogate, in keys as well: neither is the other repeated.
		"{\"\xed\xa0\x80\":1,\"\\ud800\":2}":    "{\"\xed\xa0\x80\":1,\"\\ud800\":2}",
		"{\"\\ud801\":1,\"\\uD800\":2,\"a\":3}": "{\"a\":3,\"\\ud800\":2,\"\\ud801\":1}",
		"{\"\xff\":1,\"\ufffd\":2,\"\xff\":3}":  "{\"\ufffd\":2,\"\xff\":3}",
		`{"duration":2.0,"item":{"id":"q","maxscore":0},"pass":"No","resvalues":[{"1":{"text":"a"}}],"score":1}`: `{"duration":2.0,"item":{"id":"q","maxscore":0},"pass":"No","resvalues":[{"1":{"text":"a"}}],"score":1}`,
	} {
		var c canonicalizer
		for range 2 {
			if got := string(c.append([]byte("x"), []byte(value))); got != "x"+want {
				t.Errorf("%s becomes %s, want %s", value, got[1:], want)
			}
		}
	}
}

func TestALargeObjectIsSortedByItsKeys(t *testing.T) {
	var members, want []string
	for i := range 1000 {
		members = append(members, fmt.Sprintf(`"%03d":%d`, i*7919%1000, i))
		want = append(want, "")
	}
	for i := range 1000 {
		want[i*7919%1000] = members[i]
	}
	// Every key stands twice; the first of each has another value.
	repeated := strings.ReplaceAll(strings.Join(members, ","), `":`, `":1`) + "," + strings.Join(members, ",")
	var c canonicalizer
	if got := string(c.append(nil, []byte("{"+repeated+"}"))); got != "{"+strings.Join(want, ",")+"}" {
		t.Errorf("got %.200s…", got)
	}
}

func TestCanonicalFormOfTheDeepestValueTakesNoLongTime(t *testing.T) {
	// An edata of 8 MiB at the bottom of as many objects as a line can hold is written once, not once a level.
	bottom := `"` + strings.Repeat("x", 8<<20) + `"`
	measure := func(depth int) time.Duration {
		value := strings.Repeat(`{"b":1,"a":`, depth) + bottom + strings.Repeat("}", depth)
		want := strings.Repeat(`{"a":`, depth) + bottom + strings.Repeat(`,"b":1}`, depth)
		line := strings.Replace(belonging, `"mid":"m"`, `"mid":"m","edata":`+value, 1)
		start := time.Now()
		got, counts := scanText(t, filter, line)
		took := time.Since(start)
		if counts.Matched != 1 || got[0].EData != want {
			t.Errorf("%+v, %.100s…", counts, got[0].EData)
		}
		return took
	}
	if shallow, deep := measure(2), measure(9_998); deep > 200*shallow {
		t.Errorf("it took %v at depth 2, and %v at depth 9,998", shallow, deep)
	}
}
