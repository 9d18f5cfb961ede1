package report

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// readAll is the texts of all records.
func readAll(r *CSVReader) (records [][]string, err error) {
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		var texts []string
		for _, cell := range cells {
			texts = append(texts, cell.Text)
		}
		records = append(records, texts)
	}
}

func TestAReaderReadsTheRecordsOfEitherDialect(t *testing.T) {
	want := [][]string{{"a", "b"}, {"", ""}, {"yes, please", `say "hi" \`}, {"first\r\nsecond", `C:\x`}, {""}}
	for dialect, file := range map[Dialect]string{
		RFC4180: "a,b\n,\n\"yes, please\",\"say \"\"hi\"\" \\\"\n\"first\r\nsecond\",C:\\x\n\"\"\n",
		Spark:   "a,b\n,\n\"yes, please\",\"say \\\"hi\\\" \\\\\"\n\"first\r\nsecond\",C:\\x\n\"\"\n",
	} {
		for _, mark := range []string{"", "\ufeff"} {
			got, err := readAll(NewCSVReader(strings.NewReader(mark+file), dialect, 100))
			if err != nil || !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s: got %q, %v, want %q", dialect, got, err, want)
			}
		}
	}
	for _, nothing := range []string{"", "\ufeff"} {
		if got, err := readAll(NewCSVReader(strings.NewReader(nothing), RFC4180, 100)); err != nil || len(got) > 0 {
			t.Errorf("of %q: %q, %v", nothing, got, err)
		}
	}
}

func TestALongCellIsCutBetweenCharacters(t *testing.T) {
	for cell, want := range map[string]Cell{
		"abc":         {"abc", false},
		"abcd":        {"abc", true},
		"हाँ":         {"हाँ", false},
		"हाँह":        {"हाँ", true},
		"a\nb,":       {"a\nb", true},
		`"""`:         {`"""`, false},
		`""""`:        {`"""`, true},
		"🙂🙂🙂":         {"🙂🙂🙂", false},
		"🙂🙂🙂🙂":        {"🙂🙂🙂", true},
		"":            {"", false},
		"abc\xff\xff": {"abc", true},
	} {
		for _, dialect := range []Dialect{RFC4180, Spark} {
			got, err := NewCSVReader(strings.NewReader(writeCSV(t, dialect, []string{cell, "x"})), dialect, 3).Read()
			if err != nil || !slices.Equal(got, []Cell{want, {"x", false}}) {
				t.Errorf("%q in %s: got %+v, %v, want %+v", cell, dialect, got, err, want)
			}
		}
	}
}

func TestWhatIsNoRecordOrBreaksOffIsAnError(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		file    string
		want    error
	}{
		{RFC4180, "a,b", io.ErrUnexpectedEOF},
		{RFC4180, "a,", io.ErrUnexpectedEOF},
		{RFC4180, `"a`, io.ErrUnexpectedEOF},
		{RFC4180, `"a"`, io.ErrUnexpectedEOF},
		{Spark, `"a\`, io.ErrUnexpectedEOF},
		{RFC4180, "a\"b\n", ErrNoRecord},
		{RFC4180, "a\r\n", ErrNoRecord},
		{RFC4180, `"say \"hi\""` + "\n", ErrNoRecord}, // which is of the other dialect
		{Spark, `"say ""hi"""` + "\n", ErrNoRecord},
		{Spark, `"a\b"` + "\n", ErrNoRecord},
	} {
		if got, err := readAll(NewCSVReader(strings.NewReader(c.file), c.dialect, 100)); !errors.Is(err, c.want) {
			t.Errorf("%q in %s: %q, %v, want %v", c.file, c.dialect, got, err, c.want)
		}
	}
	broken := errors.New("broken")
	if _, err := readAll(NewCSVReader(io.MultiReader(strings.NewReader("a,"), failing{broken}), RFC4180, 100)); !errors.Is(err, broken) {
		t.Errorf("of a reader that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAReaderReadsNoFurtherThanItsBuffer(t *testing.T) {
	file := &countingReader{r: strings.NewReader("a,b\n" + strings.Repeat("c,d\n", 1<<20))}
	r := NewCSVReader(file, RFC4180, 100)
	for range 50 {
		if _, err := r.Read(); err != nil {
			t.Fatal(err)
		}
	}
	if hasMore, err := r.HasMore(); err != nil || !hasMore || file.bytes > csvReadAhead {
		t.Errorf("has more: %v, %v, after %d bytes", hasMore, err, file.bytes)
	}
}

type countingReader struct {
	r     io.Reader
	bytes int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.bytes += n
	return n, err
}

func FuzzWhatIsWrittenIsReadAsItWas(f *testing.F) {
	f.Add("a", "b,c", `d"e`, 3, true)
	f.Add("", "", "", 0, false)
	f.Add(" ", "\n", `\`, 10, true)
	f.Add("\\\"", "x\ty\r", "लंबा पाठ, \"उद्धरण\"", 5, false)
	f.Fuzz(func(t *testing.T, a, b, c string, most int, hasMark bool) {
		for _, dialect := range []Dialect{RFC4180, Spark} {
			var file bytes.Buffer
			w := NewCSVWriter(&file, Options{Dialect: dialect, ByteOrderMark: hasMark})
			records := [][]string{{a, b, c}, {c}, {b, a}}
			for _, cells := range records {
				if err := w.Write(record(cells...), 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if !hasMark && strings.HasPrefix(file.String(), byteOrderMark) {
				continue // which a reader cannot tell from a mark
			}
			whole, err := readAll(NewCSVReader(bytes.NewReader(file.Bytes()), dialect, file.Len()))
			if err != nil || !slices.EqualFunc(whole, records, slices.Equal) {
				t.Errorf("%q came back from %s as %q, %v", records, dialect, whole, err)
			}
			first, err := NewCSVReader(bytes.NewReader(file.Bytes()), dialect, most).Read()
			if err != nil || len(first) != 3 {
				t.Fatalf("cut, %q came back from %s as %+v, %v", records, dialect, first, err)
			}
			for i, cell := range first {
				isCut := cell.Text != records[0][i]
				if cell.IsCut != isCut || !strings.HasPrefix(records[0][i], cell.Text) || utf8.ValidString(records[0][i]) && !utf8.ValidString(cell.Text) {
					t.Errorf("%q is cut to %+v", records[0][i], cell)
				}
			}
		}
	})
}
