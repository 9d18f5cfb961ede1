package telemetry

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAnAnswerIsAnEntryInAnyOfItsForms(t *testing.T) {
	var reader AnswerReader
	// Its members change places up to 64 KiB.
	longest := fmt.Sprintf(`{"b":0,"a":[%s]}`, strings.Repeat("1,", 32<<10-8)+"10")
	sorted := `{"a"` + strings.TrimPrefix(strings.TrimSuffix(longest, "}"), `{"b":0,"a"`) + `,"b":0}`
	for cell, want := range map[string][]string{
		``: nil, `[]`: nil,
		`"yes"`: {"text yes"}, `7.0`: {"text 7"}, `false`: {"text false"}, `null`: {"JSON null"},
		`["a",2.50,true,null]`:      {"text a", "text 2.5", "text true", "JSON null"},
		`[{"text":"a\u0062\n"}]`:    {"text ab\n"},
		`[{"text":12,"key":3.0}]`:   {"text 12 of 3"},
		`[{"text":"a","key":{}}]`:   {"text a"},
		`[{"text":"a","text":"b"}]`: {"text b"},
		`[{"1":"a","1":"b"}]`:       {"text b of 1"},
		`[{"1":{"text":"a"}},{"2":"{\"text\":\"b\\u0063\"}"},{"3":" {\"text\":4} "}]`: {"text a of 1", "text bc of 2", "text 4 of 3"},
		`[{"1":"{\"text\":null}"},{"1":"{\"text\""}]`:                                 {`text {"text":null} of 1`, `text {"text" of 1`},
		`[{"1":5},{"2":6.50},{"3":true},{"4":false},{"5":"6"}]`: {
			"text 5 of 1", "text 6.5 of 2", "text true of 3", "text false of 4", "text 6 of 5",
		},
		`[{"1":null},{"1":{"text":[]}},{"b":[1, 2],"a":"\u0041"},["x"],{}]`: {
			`JSON {"1":null}`, `JSON {"1":{"text":[]}}`, `JSON {"a":"A","b":[1,2]}`, `JSON ["x"]`, `JSON {}`,
		},
		`[{"k\u0065y":"x","text":"\u0000\ud800"}]`:          {"text \ufffd\ufffd of x"},
		`[` + longest + `]`:                                 {"JSON " + sorted},
		`[` + strings.Replace(longest, "[", "[1,", 1) + `]`: {"JSON " + strings.Replace(longest, "[", "[1,", 1)},
	} {
		var got []string
		err := reader.Read([]byte(cell), func(a *Answer) error {
			text := "JSON "
			if a.IsText {
				text = "text "
			}
			text += string(a.Text)
			if a.Key != nil {
				text += " of " + string(a.Key)
			}
			got = append(got, text)
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%.90s: %.90q, %v; want %.90q", cell, got, err, want)
		}
	}
	if len(longest) != MaxCanonical {
		t.Errorf("the longest entry has %d bytes, want %d", len(longest), MaxCanonical)
	}
	stop := fmt.Errorf("enough")
	count := 0
	if err := reader.Read([]byte(`[1,2,3]`), func(*Answer) error { count++; return stop }); err != stop || count != 1 {
		t.Errorf("%d answers, %v", count, err)
	}
}
