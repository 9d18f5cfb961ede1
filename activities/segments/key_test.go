package segments_test

import (
	"bytes"
	"cmp"
	"strings"
	"testing"

	"data-exhaust/activities/segments"
)

// key is what the records of these tests begin with.
type key struct{ first, second string }

func (k key) record() []byte {
	return segments.AppendText(segments.AppendText(nil, []byte(k.first)), []byte(k.second))
}

func (k key) compare(other key) int {
	return cmp.Or(strings.Compare(k.first, other.first), strings.Compare(k.second, other.second))
}

func FuzzRecordsCompareAsTheirKeysDo(f *testing.F) {
	f.Add("", "", "", "")
	f.Add("a", "", "a\x00", "")
	f.Add("a\x00", "", "a\x00\x00", "")
	f.Add("a\x00", "", "a\x01", "")
	f.Add("a\x00\x01", "", "a", "")
	f.Add("a\x00\xff", "", "a\x00", "")
	f.Add("\xff", "", "\xff\xff", "")
	f.Add("a", "z", "a", "a")
	f.Add("a", "b", "a", "b\x00")
	f.Fuzz(func(t *testing.T, f1, s1, f2, s2 string) {
		x, y := key{f1, s1}, key{f2, s2}
		if got, want := bytes.Compare(x.record(), y.record()), x.compare(y); got != want {
			t.Errorf("%+v and %+v compare %d as records, %d as keys", x, y, got, want)
		}
		first, rest, err := segments.Text(x.record())
		if err != nil {
			t.Fatal(err)
		}
		second, rest, err := segments.Text(rest)
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != f1 || string(second) != s1 || len(rest) != 0 {
			t.Errorf("%+v is read back as %q, %q and %q", x, first, second, rest)
		}
	})
}

func FuzzCellsAreReadAsTheyWereWritten(f *testing.F) {
	f.Add("", "")
	f.Add("a", strings.Repeat("x", 127))
	f.Add(strings.Repeat("x", 128), "\x00\xff")
	f.Add(strings.Repeat("y", 16384), "z")
	f.Fuzz(func(t *testing.T, a, b string) {
		record := string(segments.AppendCell(segments.AppendCell(nil, a), b))
		gotA, rest, err := segments.Cell(record)
		if err != nil {
			t.Fatal(err)
		}
		gotB, rest, err := segments.Cell(rest)
		if err != nil {
			t.Fatal(err)
		}
		if gotA != a || gotB != b || rest != "" {
			t.Errorf("%q and %q are read back as %q, %q and %q", a, b, gotA, gotB, rest)
		}
		for cut := range record {
			x, rest, err := segments.Cell(record[:cut])
			if err == nil {
				_, _, err = segments.Cell(rest)
			}
			if err == nil {
				t.Fatalf("the first %d bytes of %d are read without an error, first cell %q", cut, len(record), x)
			}
			if cut > 300 {
				break
			}
		}
	})
}

func TestADamagedKeyIsAnError(t *testing.T) {
	for _, record := range []string{"", "a", "a\x00", "a\x00\x02", "a\x00\xff", "\x00"} {
		if text, rest, err := segments.Text([]byte(record)); err == nil {
			t.Errorf("%q is read as the text %q and the rest %q", record, text, rest)
		}
	}
	for _, record := range []string{"", "\x05abcd", "\xff", "\xff\xff\xff\xff\xff\xff\x01", "\x80\x80\x80\x80\x80\x80"} {
		if cell, _, err := segments.Cell(record); err == nil {
			t.Errorf("%q is read as the cell %q", record, cell)
		}
	}
}
