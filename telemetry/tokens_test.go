package telemetry

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// referenceTokens reads a line byte by byte.
func referenceTokens(line []byte) (positions []uint16, kinds []byte, escapes []uint16, isSound bool) {
	isInString, isEscaped, isInScalar := false, false, false
	isSound = true
	add := func(i int, kind byte) { positions, kinds = append(positions, uint16(i)), append(kinds, kind) }
	for i, c := range line {
		wasEscaped := isEscaped
		isEscaped = c == '\\' && !wasEscaped
		if isEscaped {
			escapes = append(escapes, uint16(i))
		}
		if isInString {
			isSound = isSound && c >= ' '
			isInString = c != '"' || wasEscaped
			continue
		}
		wasInScalar := isInScalar
		isInScalar = false
		switch {
		case c == '"' && !wasEscaped:
			isInString = true
			add(i, c)
		case strings.IndexByte("{}[],:\f\x1a", c) >= 0: // two of the control characters are tokens that no JSON has
			add(i, c)
		case strings.IndexByte(" \t\r\n", c) >= 0:
		default:
			isInScalar = true
			if !wasInScalar {
				add(i, scalarToken)
			}
		}
	}
	return positions, kinds, escapes, isSound && !isInString
}

func TestTokensAreThoseThatAReaderOfEachByteFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	// What a line is made of: much of what makes tokens, of what comes in pairs, and of what looks like it.
	alphabets := []string{
		`"\`, `{}[],:" `, "{}[],:\"\\ \t\r\na1\x00\x1f\x7f\x80\xff", `"abcdefgh12345678`, "\x0c\x1a,:;[{]}\\<>=", `{"a":1,"b":[true,null]}`,
	}
	var got tokens
	for range 100_000 {
		size := 1 + random.IntN(200)
		alphabet := alphabets[random.IntN(len(alphabets))]
		buffer := make([]byte, size+padding)
		for i := range buffer {
			buffer[i] = alphabet[random.IntN(len(alphabet))]
		}
		line := buffer[:size]
		positions, kinds, escapes, isSound := referenceTokens(line)
		if is := got.read(buffer, size); is != (isSound && hasAVX512) {
			t.Fatalf("%q is sound: %v, want %v", line, is, isSound)
		}
		if !isSound || !hasAVX512 {
			continue
		}
		if p, k, e := got.positions[:got.count], got.kinds[:got.count], got.escapes[:got.escapeCount]; !slices.Equal(p, positions) ||
			string(k) != string(kinds) || !slices.Equal(e, escapes) {
			t.Fatalf("%q\ngot  %v %q %v\nwant %v %q %v", line, p, k, e, positions, kinds, escapes)
		}
	}
}

// The longest line that is tokenized, of nothing but tokens or nothing but escapes, fills the memory that is there for them.
func TestTheLongestLineOfTokens(t *testing.T) {
	for _, text := range []string{strings.Repeat("[", maxTokenized), `"` + strings.Repeat(`\\`, maxTokenized/2-1) + `"`, strings.Repeat(`\`, maxTokenized)} {
		var got tokens
		buffer := append([]byte(text), make([]byte, padding)...)
		positions, _, escapes, isSound := referenceTokens([]byte(text))
		if is := got.read(buffer, len(text)); is != (isSound && hasAVX512) {
			t.Errorf("%.10q… is sound: %v", text, is)
		}
		if hasAVX512 && (!slices.Equal(got.positions[:got.count], positions) || !slices.Equal(got.escapes[:got.escapeCount], escapes)) {
			t.Errorf("%.10q…: %d tokens and %d escapes, want %d and %d", text, got.count, got.escapeCount, len(positions), len(escapes))
		}
	}
}

// A validator that knows the shapes of many lines judges each line as one that knows none.
func TestAKnownShapeChangesNoVerdict(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	lines := strings.Split(strings.TrimSpace(string(sampleTelemetry(200_000, 1))), "\n")
	ids := newConversations(append([]string{"b"}, sampleFilter.ConversationIDs...))
	var known, none validator
	judge := func(text []byte) {
		line := newPaddedLine(append(slices.Clone(text), strings.Repeat("\n\\\"]1", padding)...), 0, len(text))
		isValid, mayHoldID := known.check(line, ids)
		wantValid, wantMayHoldID := none.parse(line, ids)
		if isValid != wantValid || isValid && mayHoldID != wantMayHoldID || isValid != json.Valid(text) {
			t.Fatalf("%q\nis valid: %v, may hold an id: %v; want %v, %v; encoding/json says %v", text, isValid, mayHoldID, wantValid, wantMayHoldID, json.Valid(text))
		}
	}
	spellings := []string{`\u00e9`, `\n`, `\q`, `\u00`, `\"`, "\x01", `"b"`, "-", "1.", "e5", "tru", "nul", " ", "\t", `,"b":1`, `b`, "", "0", "\\"}
	for range 30_000 {
		text := []byte(lines[random.IntN(len(lines))])
		judge(text)
		for range 1 + random.IntN(3) {
			at := random.IntN(len(text))
			end := at + random.IntN(min(3, len(text)-at)+1)
			text = slices.Replace(text, at, end, []byte(spellings[random.IntN(len(spellings))])...)
		}
		if len(text) > 0 && text[0] == '{' {
			judge(text)
		}
	}
}

// Lines of one shape whose keys differ are read as if the scanner and the reader of rows had seen none before.
func TestATemplateHoldsForTheSameKeysOnly(t *testing.T) {
	const line = `{"eid":"ASSESS","mid":"m1","@timestamp":"2022-03-01T10:00:00Z","ets":1646128800000,"other":"x","context":{"channel":"tenant",` +
		`"pdata":{"id":"prod.uci","pid":"p"},"did":"d","sid":"s","cdata":[{"type":"Conversation","id":"bot-1"},{"type":"x","id":"y"}],` +
		`"rollup":{"l1":"1","l3":"3","l4":"4","l5":"5"}},"edata":{"item":{"id":"q","type":"t","title":"T","desc":"D","maxscore":1,"params":[1, 2]},` +
		`"duration":1.5,"score":0.5,"resvalues":[{"text":"a"}],"pass":"No"}}`
	keys := []string{"eid", "mid", "@timestamp", "ets", "other", "context", "channel", "pdata", "id", "pid", "did", "sid", "cdata", "type", "rollup",
		"l1", "l3", "l4", "l5", "edata", "item", "title", "desc", "maxscore", "params", "duration", "score", "resvalues", "pass", `e\u0069d`, "m", "midi", "@timestamq", "@timestamps", "resvaluez", "\xed\xa0\x80"}
	for _, length := range []int{7, 8, 63, 64, 65, 200, 1200, 4000} {
		keys = append(keys, strings.Repeat("k", length))
	}
	f := Filter{Channel: "tenant", ConversationIDs: []string{"bot-1"}, PdataID: "prod.uci"}
	s := NewScanner(f)
	var rows RowReader
	check := func(text string) (events int) {
		got, counts, err := scanWith(s, strings.NewReader(text))
		want, wantCounts, wantErr := scanWith(NewScanner(f), strings.NewReader(text))
		if err != nil || wantErr != nil || counts != wantCounts || !slices.Equal(got, want) {
			t.Fatalf("%s\ngot  %+v, %+v, %v\nwant %+v, %+v, %v", text, counts, got, err, wantCounts, want, wantErr)
		}
		// Long lines are read without a template.
		long, longCounts, err := scanWith(s, strings.NewReader(withPadding(text)))
		if len(long) == 1 {
			long[0].Line = text
		}
		if err != nil || longCounts != counts || !slices.Equal(got, long) {
			t.Fatalf("%s\ngot  %+v, %+v, %v\nwith padding %+v, %+v", text, counts, got, err, longCounts, long)
		}
		row, want1, want2 := readRow(&rows, []byte(text)), readRow(new(RowReader), []byte(text)), readRow(new(RowReader), []byte(withPadding(text)))
		if row != want1 || row != want2 {
			t.Fatalf("%s\ngot  %+v\nwant %+v\nor   %+v", text, row, want1, want2)
		}
		return len(got)
	}
	lines, belong := 0, 0
	for _, key := range keys {
		places := strings.SplitAfter(line, fmt.Sprintf("%q:", key))
		for at := 1; at < len(places); at++ {
			before, behind := strings.TrimSuffix(strings.Join(places[:at], ""), fmt.Sprintf("%q:", key)), strings.Join(places[at:], "")
			for _, other := range keys {
				lines++
				belong += check(before + `"` + other + `":` + behind)
				if check(line) != 1 {
					t.Fatal("the line belongs no more")
				}
			}
		}
	}
	if belong < lines/2 || belong == lines {
		t.Errorf("%d of %d lines with another key belong", belong, lines)
	}
}
