package main

import (
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

func TestRowsAreComparedOneByOne(t *testing.T) {
	heading := strings.Join(exhaust.ResponseColumns, ",") + "\n"
	row := func(mid, options, response, timestamp string) string {
		return mid + `,bot,Name,device,s,q,mcq,"Title, ""x""",,5,1,1,` + options + "," + response + ",x,true," + timestamp + "\n"
	}
	first, second := row("m1", `"[{""a"":""é""}]"`, "[]", "t1"), row("m2", "[]", "[]", "t2")
	ours := heading + first + second
	for _, c := range []struct{ name, theirs, want string }{
		{"the same", heading + first + second, ""},
		{"quoted otherwise", heading + strings.ReplaceAll(first, "m1,bot", `"m1","bot"`) + second, ""},
		{"JSON with other escapes", heading + row("m1", `"[{""a"":""\u00e9""}]"`, "[]", "t1") + second, ""},
		{"another value in JSON", heading + row("m1", `"[{""a"":""e""}]"`, "[]", "t1") + second, `row 1, Question Options: "[{\"a\":\"é\"}]" and "[{\"a\":\"e\"}]"`},
		{"no answer in place of an empty one", heading + row("m1", `"[{""a"":""é""}]"`, "", "t1") + second, `row 1, Question Response: "[]" and ""`},
		{"another spelling in a column of text", heading + first + strings.ReplaceAll(second, ",x,true", `,\u0078,true`), `row 2, X Path: "x" and "\\u0078"`},
		{"another row", heading + first + row("m2", "[]", "[]", "t3"), `row 2, Timestamp: "t2" and "t3"`},
		{"another order", heading + second + first, `row 1, Message ID: "m1" and "m2"`},
		{"a row less", heading + first, "row 2 stands in the first file only"},
		{"a row more", heading + first + second + second, "row 3 stands in the second file only"},
		{"another heading", strings.Replace(heading, "Eof", "EOF", 1) + first + second, `row 0, Eof: "Eof" and "EOF"`},
	} {
		got := ""
		if err := compareRows(strings.NewReader(ours), strings.NewReader(c.theirs)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	if err := compareRows(strings.NewReader(heading), strings.NewReader(heading)); err == nil {
		t.Error("two files without rows are taken for right answers")
	}
}
