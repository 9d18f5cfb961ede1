package report

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

func TestCSVWritesTheseLines(t *testing.T) {
	for _, c := range []struct {
		what    string
		cells   []string
		rfc4180 string
		spark   string
	}{
		{"plain cells", []string{"a", "", "21", "0.5"}, "a,,21,0.5\n", "a,,21,0.5\n"},
		{"Devanagari and Tamil", []string{"आपका नाम?", "உங்கள் பெயர்?"}, "आपका नाम?,உங்கள் பெயர்?\n", "आपका नाम?,உங்கள் பெயர்?\n"},
		{"a comma", []string{"yes, please", "b"}, "\"yes, please\",b\n", "\"yes, please\",b\n"},
		{"a comma as the last of nine bytes", []string{"12345678,"}, "\"12345678,\"\n", "\"12345678,\"\n"},
		{"a comma as the eighth byte", []string{"1234567,"}, "\"1234567,\"\n", "\"1234567,\"\n"},
		{"a quote", []string{`say "hi"`}, `"say ""hi"""` + "\n", `"say \"hi\""` + "\n"},
		{"nothing but a quote", []string{`"`}, `""""` + "\n", `"\""` + "\n"},
		{"a line feed", []string{"a\nb"}, "\"a\nb\"\n", "\"a\nb\"\n"},
		{"a carriage return", []string{"a\rb"}, "\"a\rb\"\n", "\"a\rb\"\n"},
		{"both line breaks", []string{"a\r\nb"}, "\"a\r\nb\"\n", "\"a\r\nb\"\n"},
		{"a space in front", []string{" a", "a b"}, " a,a b\n", " a,a b\n"},
		{"a space behind", []string{"a "}, "a \n", "a \n"},
		{"a tab in front, a tab inside", []string{"\ta", "a\tb"}, "\ta,a\tb\n", "\ta,a\tb\n"},
		{"only an empty cell", []string{""}, "\"\"\n", "\"\"\n"},
		{"two empty cells", []string{"", ""}, ",\n", ",\n"},
		{"a backslash without quotes around", []string{`C:\temp`}, `C:\temp` + "\n", `C:\temp` + "\n"},
		{"a backslash within quotes", []string{`a,b\`}, `"a,b\"` + "\n", `"a,b\\"` + "\n"},
		{"JSON", []string{`[{"text":"No"}]`}, `"[{""text"":""No""}]"` + "\n", `"[{\"text\":\"No\"}]"` + "\n"},
		{"JSON that quotes", []string{`["\"ok\""]`}, `"[""\""ok\""""]"` + "\n", `"[\"\\\"ok\\\"\"]"` + "\n"},
	} {
		for dialect, want := range map[Dialect]string{RFC4180: c.rfc4180, Spark: c.spark} {
			if got := writeCSV(t, dialect, c.cells); got != want {
				t.Errorf("%s in %s:\n got %q\nwant %q", c.what, dialect, got, want)
			}
		}
	}
}

func TestATextThatASpreadsheetWouldRunIsGuarded(t *testing.T) {
	const texts = exhaust.ColumnSet(0b0111)
	for _, c := range []struct{ cell, want string }{
		{"=1+1", "'=1+1"}, {"+91 98", "'+91 98"}, {"-5", "'-5"}, {"@me", "'@me"}, {"\tx", "'\tx"}, {"\rx", "\"'\rx\""},
		{`=HYPERLINK("x","y")`, `"'=HYPERLINK(""x"",""y"")"`}, {"=", "'="},
		{"", ""}, {" =1", " =1"}, {"'=1", "'=1"}, {"a=1", "a=1"}, {"\n=1", "\"\n=1\""}, {"\ufffd=1", "\ufffd=1"}, {"हाँ", "हाँ"},
	} {
		for _, guard := range []bool{true, false} {
			var got bytes.Buffer
			w := NewCSVWriter(&got, Options{Dialect: RFC4180, FormulaGuard: guard})
			// The last cell is a number or JSON, whatever it begins with.
			if err := errors.Join(w.Write(record("a", c.cell, "b", c.cell), texts), w.Flush()); err != nil {
				t.Fatal(err)
			}
			plain := strings.TrimSuffix(writeCSV(t, RFC4180, []string{c.cell, ""}), ",\n")
			want := c.want
			if !guard {
				want = plain
			}
			if want = "a," + want + ",b," + plain + "\n"; got.String() != want {
				t.Errorf("%q, guard %v:\n got %q\nwant %q", c.cell, guard, got.String(), want)
			}
		}
	}
}

func TestAByteOrderMarkBeginsTheFileOnce(t *testing.T) {
	var got bytes.Buffer
	w := NewCSVWriter(&got, Options{Dialect: RFC4180, ByteOrderMark: true})
	if err := errors.Join(w.WriteHeader([]string{"a", "b"}), w.Flush(), w.Write(record("c", "d"), 0), w.Flush()); err != nil {
		t.Fatal(err)
	}
	if want := "\xef\xbb\xbfa,b\nc,d\n"; got.String() != want || w.Records() != 2 {
		t.Errorf("%d records, %q; want 2, %q", w.Records(), got.String(), want)
	}
}

func TestCSVFindsASpecialByteWhereverItStands(t *testing.T) {
	for length := 1; length <= 20; length++ {
		for at := range length {
			for _, special := range []byte(",\"\n\r") {
				cell := bytes.Repeat([]byte{'x'}, length)
				cell[at] = special
				if !needsQuotes(cell) {
					t.Errorf("%q is not quoted", cell)
				}
			}
		}
	}
}

func TestCSVEscapesSpecialBytesWhereverTheyStand(t *testing.T) {
	for length := 1; length <= 20; length++ {
		for first := range length {
			for second := first; second < length; second++ {
				for _, special := range []byte("\"\\,\n\xa2\x23\x21\x5d") {
					cell := bytes.Repeat([]byte{'x'}, length)
					cell[first], cell[second] = special, '"'
					text := string(cell)
					if got, want := writeCSV(t, RFC4180, []string{text}), `"`+strings.ReplaceAll(text, `"`, `""`)+"\"\n"; got != want {
						t.Fatalf("%q: got %q, want %q", text, got, want)
					}
					if got, want := writeCSV(t, Spark, []string{text}), `"`+strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(text)+"\"\n"; got != want {
						t.Fatalf("%q in spark: got %q, want %q", text, got, want)
					}
				}
			}
		}
	}
}

func TestCSVKeepsNoMoreMemoryThanUsualRecordsTake(t *testing.T) {
	w := NewCSVWriter(io.Discard, Options{Dialect: RFC4180})
	if err := w.Write(record(strings.Repeat(`"`, 3<<20)), 0); err != nil {
		t.Fatal(err)
	}
	if cap(w.buf) > maxBuffer {
		t.Errorf("%d bytes are kept after a record of 6 MiB, want at most %d", cap(w.buf), maxBuffer)
	}
}

func TestCSVQuotesNoOtherByte(t *testing.T) {
	for b := range 256 {
		if strings.IndexByte(",\"\n\r", byte(b)) >= 0 {
			continue
		}
		if cell := []byte("123" + string([]byte{byte(b)}) + "5678"); needsQuotes(cell) {
			t.Errorf("%q is quoted", cell)
		}
	}
}

func TestCSVWritesManyRecordsInOrderAndOnce(t *testing.T) {
	var got bytes.Buffer
	var want strings.Builder
	w := NewCSVWriter(&got, Options{Dialect: RFC4180})
	for i := range 20_000 {
		if err := w.Write(record(fmt.Sprint(i), "a record of the file"), 0); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "%d,a record of the file\n", i)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("got %d bytes, want %d, or others", got.Len(), want.Len())
	}
}

func TestCSVReturnsTheWritersErrorFromThenOn(t *testing.T) {
	full := errors.New("no space left")
	w := NewCSVWriter(writerFunc(func(p []byte) (int, error) { return 0, full }), Options{Dialect: RFC4180})
	if err := w.Write(record("small"), 0); err != nil {
		t.Errorf("before the buffer is full: %v", err)
	}
	if err := w.Write(record(strings.Repeat("x", csvBuffer)), 0); err != full {
		t.Errorf("Write: got %v, want %v", err, full)
	}
	if err := w.Write(record("small"), 0); err != full {
		t.Errorf("the next Write: got %v, want %v", err, full)
	}
	if err := w.Flush(); err != full {
		t.Errorf("Flush: got %v, want %v", err, full)
	}
}

func TestParseDialectNamesWhatItAccepts(t *testing.T) {
	for s, want := range map[string]string{
		"rfc4180": "rfc4180 <nil>",
		"spark":   "spark <nil>",
		"":        ` "" is no CSV dialect: rfc4180 and spark are`,
		"Excel":   ` "Excel" is no CSV dialect: rfc4180 and spark are`,
	} {
		d, err := ParseDialect(s)
		if got := fmt.Sprint(string(d), " ", err); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

func FuzzCSVComesBackThroughAReader(f *testing.F) {
	f.Add("a", "b,c", `d"e`)
	f.Add("", "", "")
	f.Add(" ", "\n", `\`)
	f.Add("\\\"", "x\ty", "लंबा पाठ, \"उद्धरण\"")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, record := range [][]string{{a, b, c}, {a}} {
			reader := csv.NewReader(strings.NewReader(writeCSV(t, RFC4180, record)))
			got, err := reader.ReadAll()
			// The reader takes CRLF inside a cell for LF.
			want := make([]string, len(record))
			for i, cell := range record {
				want[i] = strings.ReplaceAll(cell, "\r\n", "\n")
			}
			if err != nil || len(got) != 1 || !slices.Equal(got[0], want) {
				t.Errorf("%q came back as %q, %v", record, got, err)
			}
			if got := readSpark(writeCSV(t, Spark, record)); !slices.Equal(got, record) {
				t.Errorf("%q came back from spark as %q", record, got)
			}
		}
	})
}

// readSpark reads one record as Spark does with its defaults: a backslash escapes inside quotes.
func readSpark(line string) []string {
	var cells []string
	var cell strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case quoted && b == '\\':
			i++
			cell.WriteByte(line[i])
		case b == '"':
			quoted = !quoted
		case !quoted && (b == ',' || b == '\n'):
			cells = append(cells, cell.String())
			cell.Reset()
		default:
			cell.WriteByte(b)
		}
	}
	return cells
}

// BenchmarkCSV writes response rows, once with this package's writer and once with the standard
// library's, its peer.
func BenchmarkCSV(b *testing.B) {
	row := []string{
		"ASSESS:4ca1ce884b8eeb679abe8ec58c0ac763", "fabc64a7-c9b0-4d0b-b8a6-8778757b2bb5", "Vaccination Helpdesk (sample)",
		"6798fa5a-2d83-45c4-9ba6-4d5b96a944b9", "7e7038a8-b92b-44b6-a7f4-738b300b9282",
		"do_31296568773394432011706", "mcq", "क्या आपको टीका लगा है?", "", "12", "1", "1",
		`[{"1":{"text":"Yes"}},{"2":{"text":"No"}}]`, `[{"1":{"text":"Yes"}}]`,
		"question./data/intro_group[1]/preferences[1]", "false", "2020-06-24T07:03:45.289Z",
	}
	size := int64(len(strings.Join(row, ",")))
	cells := record(row...)
	b.Run("exhaust", func(b *testing.B) {
		w := NewCSVWriter(io.Discard, Options{Dialect: RFC4180, FormulaGuard: true})
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if err := w.Write(cells, 1<<17-1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-csv", func(b *testing.B) {
		w := csv.NewWriter(io.Discard)
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if err := w.Write(row); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func writeCSV(t *testing.T, d Dialect, cells []string) string {
	t.Helper()
	var out bytes.Buffer
	w := NewCSVWriter(&out, Options{Dialect: d})
	if err := errors.Join(w.Write(record(cells...), 0), w.Flush()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func record(texts ...string) [][]byte {
	cells := make([][]byte, len(texts))
	for i, text := range texts {
		cells[i] = []byte(text)
	}
	return cells
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
