package telemetry

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

var noConversations = newConversations(nil)

// isValid asks the validator as a scan does, with other bytes behind the line.
func isValid(v *validator, data []byte) bool {
	isValid, _ := v.check(newPaddedLine(append(slices.Clone(data), "\n\"}]1234567"+strings.Repeat("\\\"", padding)...), 0, len(data)), noConversations)
	return isValid
}

var validatorCases = []string{
	``, ` `, `{}`, ` { } `, "{}\r", "\t[ ]\r\n", `{"a":1}`, `{"a" : [ 1 , 2 ] }`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1 "b":2}`,
	`{a:1}`, `{'a':1}`, `{"a":1}}`, `{"a":1}{}`, `{"a":1} x`, `[1,]`, `[,1]`, `[1 2]`, `[`, `]`, `{`, `}`, `{]`, `[}`, `[{}]`, `[[],{}]`, `{"a":[}`,
	`0`, `-0`, `-`, `+1`, `01`, `-01`, `1.`, `.5`, `1.5`, `1e`, `1e5`, `1E+5`, `1e-`, `1e-05`, `1.e5`, `0.0e0`, `--1`, `0x10`, `1_000`, `NaN`, `Infinity`, `-Infinity`,
	`true`, `false`, `null`, `True`, `tru`, `truee`, `nul`, `nulll`, `fals`, `t`, `f`, `n`, `falsee`,
	`"`, `""`, `"a`, `"a"b`, `"\"`, `"\""`, `"\\"`, `"\\\"`, `"\/\b\f\n\r\t"`, `"\a"`, `"\'"`, `"\x41"`, `"\u0041"`, `"\u004"`, `"\u004g"`, `"\uD83D\uDE00"`, `"\ud800"`, `"\U0041"`,
	"\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\x80\xff\"", "\"a\tb\"", "\"a\nb\"", "\"0123456\x01\"", "\"01234567\x01\"", "\"\xef\xbb\xbf\"", "\xef\xbb\xbf{}",
	`"0123456789abcdef0123456789abcdef\n0123456789abcdef"`, `"0123456789abcde\"`, `{"0123456\u0078":1}`, `{"\q":1}`, `{"a` + "\x02" + `":1}`,
	"{\"a\":\v1}", "{\"a\":\f1}", "{\"a\":\u00a01}", "\x00", "{}\x00", "{\x00}", "[\x1f]", `[1`, `[1,`, `{"a":1`, `{"a":1,`, `{"a":"\u00`, `{"a":"\`,
	strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
	strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000),
	strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001),
	strings.Repeat("[", 9_999), strings.Repeat("[", 100_000),
}

func TestTheValidatorAgreesWithEncodingJSON(t *testing.T) {
	var v validator
	for _, text := range validatorCases {
		if got, want := isValid(&v, []byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.80q: valid = %v, encoding/json says %v", text, got, want)
		}
	}
	// Every sample, cut at each byte and with each byte replaced, is still judged alike.
	sample := sampleTelemetry(1, 100)
	sample = sample[:len(sample)-1]
	for i := range sample {
		if got, want := isValid(&v, sample[:i]), json.Valid(sample[:i]); got != want {
			t.Errorf("an event cut at byte %d: valid = %v, encoding/json says %v", i, got, want)
		}
		variant := slices.Clone(sample)
		for _, c := range []byte("\x00\t \"\\{}[],:0.e-tu\x80") {
			variant[i] = c
			if got, want := isValid(&v, variant), json.Valid(variant); got != want {
				t.Errorf("an event with %q at byte %d: valid = %v, encoding/json says %v", c, i, got, want)
			}
		}
	}
}

func TestNestingDeeperThanTenThousandIsNoJSON(t *testing.T) {
	var v validator
	for depth, want := range map[int]bool{10_000: true, 10_001: false, 5_000_000: false} {
		text := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		if got := isValid(&v, []byte(text)); got != want {
			t.Errorf("%d arrays in each other: valid = %v, want %v", depth, got, want)
		}
	}
}

func FuzzValidAgainstEncodingJSON(f *testing.F) {
	for _, text := range validatorCases {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	f.Add(sampleTelemetry(1, 100))
	var v validator
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := isValid(&v, data), json.Valid(data); got != want {
			t.Errorf("%q: valid = %v, encoding/json says %v", data, got, want)
		}
	})
}
