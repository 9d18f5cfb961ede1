package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pieces gives its text in pieces of random sizes.
type pieces struct {
	text   string
	random *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b, p.text[:1+p.random.IntN(min(len(p.text), 1<<p.random.IntN(20)))])
	p.text = p.text[n:]
	return n, nil
}

func TestObjectsAreCutIntoLinesWhateverStandsAroundThem(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	nothingBefore := regexp.MustCompile(`^(?:\x00|[ \t\r]|\x{feff})+`)
	repeat := func(s string) string { return strings.Repeat(s, 1+random.IntN(1<<random.IntN(20))/len(s)) }
	s := NewScanner(filter)
	for range 400 {
		var object strings.Builder
		for range random.IntN(16) {
			switch random.IntN(10) {
			case 0:
				object.WriteString(strings.Replace(belonging, `"mid":"m"`, `"mid":"`+repeat("m")+`"`, 1))
			case 1, 2:
				object.WriteString(belonging)
			case 3:
				object.WriteString(repeat("\x00"))
			case 4:
				object.WriteString(repeat(byteOrderMark))
			case 5:
				object.WriteString(repeat(" "))
			case 6:
				object.WriteString("\r")
			case 7:
				object.WriteString([...]string{"\x00", "x", "\xef", "\xef\xbb", " \x00 "}[random.IntN(5)])
			default:
				object.WriteString("\n")
			}
		}
		var want Counts
		var events []string
		for _, line := range strings.Split(object.String(), "\n") {
			line = strings.TrimRight(line[len(nothingBefore.FindString(line)):], "\x00 \t\r")
			if line == "" {
				continue
			}
			want.Lines++
			if line[0] == '{' && json.Valid([]byte(line)) {
				want.Matched++
				events = append(events, line)
			} else {
				want.Skipped++
			}
		}
		var got []string
		counts, err := s.Scan(t.Context(), "2022-03-01.log", &pieces{object.String(), random}, func(e *Event) error {
			got = append(got, string(e.Line))
			return nil
		})
		if err != nil || counts != want || !slices.Equal(got, events) {
			t.Fatalf("%+v, %v, want %+v of an object of %d bytes that begins with %.200q", counts, err, want, object.Len(), object.String())
		}
	}
}

func TestNULsMayBeginWhereTheBufferEnds(t *testing.T) {
	s := NewScanner(filter)
	head := strings.TrimSuffix(belonging, "}") + `,"pad":"`
	nuls := strings.Repeat("\x00", 1<<20)
	for _, buffer := range []int{chunkSize, longLine, 2 * chunkSize, MaxLine + 1} {
		for before := range 8 {
			size := buffer + 4 - before
			line := head + strings.Repeat("x", size-len(head)-2) + `"}`
			want := Counts{Lines: 2, Matched: 2}
			if size > MaxLine {
				want = Counts{Lines: 2, Matched: 1, Skipped: 1}
			}
			_, counts, err := scanWith(s, strings.NewReader(line+nuls+"\n"+belonging))
			if err != nil || counts != want {
				t.Errorf("a line of %d bytes and NULs: %+v, %v, want %+v", size, counts, err, want)
			}
		}
	}
}

// cancelling cancels its context once many bytes have been read.
type cancelling struct {
	io.Reader
	cancel context.CancelFunc
	read   int
}

func (c *cancelling) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.read += n; c.read > 4<<20 {
		c.cancel()
	}
	return n, err
}

func TestTheContextEndsAScanWithinARunOfNULs(t *testing.T) {
	for name, before := range map[string]string{"before a line": "", "behind a line": belonging, "within a line": "{"} {
		ctx, cancel := context.WithCancel(t.Context())
		source := &cancelling{Reader: io.MultiReader(strings.NewReader(before), endless(0)), cancel: cancel}
		_, err := NewScanner(filter).Scan(ctx, "2022-03-01.log", source, func(*Event) error { return nil })
		if err != context.Canceled {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALostConnectionWithinARunOfNULsIsNotTheEndOfTheLine(t *testing.T) {
	for _, before := range []string{"", belonging, "{"} {
		lost := io.ErrUnexpectedEOF
		object := before + string(bytes.Repeat([]byte{0}, 1<<20))
		counts, err := NewScanner(filter).Scan(t.Context(), "2022-03-01.log", &failingReader{strings.NewReader(object), lost}, func(*Event) error { return nil })
		if err != lost || counts != (Counts{}) {
			t.Errorf("%.10q: %+v, %v", before, counts, err)
		}
	}
}
