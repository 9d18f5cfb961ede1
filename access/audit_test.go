package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

// wholeEvent has every member; wholeLine is its line.
var wholeEvent = Event{
	At: time.Date(2026, 3, 1, 17, 30, 0, 7_999_999, time.FixedZone("IST", 5*3600+1800)),
	Caller: Caller{
		Name: "reports", TokenID: "tok_1", From: netip.MustParseAddr("2001:db8::7"),
		Rights: Rights{Operator: true, Channels: []string{"0131"}}, ExpiresAt: noon,
	},
	Action: "file.url", Channel: "0130", Dataset: exhaust.PrivateExhaust, RequestID: "REQ1",
	Subject: "sched_1", Outcome: "accepted", Purpose: "the audit of May",
}

const wholeLine = `{"time":"2026-03-01T12:00:00.007Z","msg":"audit","caller":"reports","tokenId":"tok_1","from":"2001:db8::7",` +
	`"action":"file.url","channel":"0130","dataset":"uci-private-exhaust","requestId":"REQ1","subject":"sched_1",` +
	`"outcome":"accepted","purpose":"the audit of May"}` + "\n"

// event is one whose line is line(n).
func event(n int) Event { return Event{At: noon, Action: "test", RequestID: fmt.Sprint(n)} }

func line(n int) string {
	return fmt.Sprintf(`{"time":"2026-03-01T12:00:00.000Z","msg":"audit","action":"test","requestId":"%d"}`+"\n", n)
}

func openAudit(t *testing.T, path string) *Audit {
	t.Helper()
	a, err := OpenAudit(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func mustWrite(t *testing.T, a *Audit, e Event) {
	t.Helper()
	if err := a.Write(e); err != nil {
		t.Fatal(err)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: %v\ngot\n%s\nwant\n%s", filepath.Base(path), err, got, want)
	}
}

func TestALineSaysWhoDidWhatAndLeavesOutWhatIsEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a := openAudit(t, path)
	mustWrite(t, a, wholeEvent)
	mustWrite(t, a, Event{At: noon})
	mustWrite(t, a, Event{At: noon, Caller: Anybody(netip.MustParseAddr("192.0.2.1")), Action: "exhaust.list", Outcome: "refused"})
	mustWrite(t, a, Event{At: noon.Add(120 * time.Millisecond), Purpose: "<a href='/'>ಪರೀಕ್ಷೆ & क्\u200dष 🙂</a>"})
	wantFile(t, path, wholeLine+
		`{"time":"2026-03-01T12:00:00.000Z","msg":"audit"}`+"\n"+
		`{"time":"2026-03-01T12:00:00.000Z","msg":"audit","from":"192.0.2.1","action":"exhaust.list","outcome":"refused"}`+"\n"+
		`{"time":"2026-03-01T12:00:00.120Z","msg":"audit","purpose":"<a href='/'>ಪರೀಕ್ಷೆ & क्`+"\u200d"+`ष 🙂</a>"}`+"\n")
}

func TestAnEventWithoutATimeHappensNow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	before := time.Now().Truncate(time.Millisecond)
	mustWrite(t, openAudit(t, path), Event{})
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Time time.Time }
	if err := json.Unmarshal(written, &got); err != nil || got.Time.Before(before) || got.Time.After(time.Now()) {
		t.Errorf("got %s, %v", written, err)
	}
}

// TestALoggersLevelDoesNotSilenceTheAudit: the members are those of a file's line, beside the logger's own.
func TestALoggersLevelDoesNotSilenceTheAudit(t *testing.T) {
	var written bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&written, &slog.HandlerOptions{Level: slog.LevelError})).With("process", "api")
	a := NewAudit(log)
	mustWrite(t, a, wholeEvent)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	want := strings.Replace(wholeLine, `"msg":"audit",`, `"level":"INFO","msg":"audit","process":"api",`, 1)
	if written.String() != want {
		t.Errorf("got\n%s\nwant\n%s", written.String(), want)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestALoggerThatCannotWriteIsAnError(t *testing.T) {
	a := NewAudit(slog.New(slog.NewJSONHandler(brokenPipe{}, nil)))
	if err := a.Write(event(1)); err == nil || err.Error() != "audit log: broken pipe" {
		t.Errorf("got %v", err)
	}
	if err := NewAudit(slog.New(slog.DiscardHandler)).Write(event(1)); err != nil {
		t.Error(err)
	}
}

func TestNobodyForgesALine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a line feed", "x\"}\n{\"time\":\"2026\"}\r\n", `x\"}\n{\"time\":\"2026\"}\r\n`},
		{"a backslash", `\","caller":"root`, `\\\",\"caller\":\"root`},
		{"Unicode's line ends", "a\u2028b\u2029c\u0085d\ve\ff", `a\u2028b\u2029c` + "\ufffd" + `d\u000be\u000cf`},
		{"control characters", "\x00\x1b[2K\x7f\u009b2K", `\u0000\u001b[2K` + "\ufffd\ufffd2K"},
		{"no UTF-8", "a\xffb\xe2\x80", "a\ufffdb\ufffd\ufffd"},
		{"an encoded surrogate", "\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
		{"right to left", "a\u202egnp.exe\u2066b\u200f", "a\ufffdgnp.exe\ufffdb\ufffd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			mustWrite(t, openAudit(t, path), Event{
				At: noon, Caller: Caller{Name: c.text, TokenID: c.text}, Action: c.text, Channel: c.text, Dataset: exhaust.Dataset(c.text),
				RequestID: c.text, Subject: c.text, Outcome: c.text, Purpose: c.text,
			})
			wantFile(t, path, strings.ReplaceAll(`{"time":"2026-03-01T12:00:00.000Z","msg":"audit","caller":"?","tokenId":"?","action":"?",`+
				`"channel":"?","dataset":"?","requestId":"?","subject":"?","outcome":"?","purpose":"?"}`+"\n", "?", c.want))
		})
	}
}

func TestALongTextIsCutBetweenCharacters(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct{ name, text, want string }{
		{"as long as may be", x(2000), x(2000)},
		{"one more", x(2001), x(2000) + "…"},
		{"ends with a character of 3 bytes", x(1997) + "क", x(1997) + "क"},
		{"a character of 3 bytes is cut", x(1998) + "क", x(1998) + "…"},
		{"a character of 4 bytes is cut", x(1999) + "🙂🙂", x(1999) + "…"},
		{"a character is cut where reading ends", x(2000) + "🙂🙂", x(2000) + "…"},
		{"invalid bytes grow", strings.Repeat("\xff", 667), strings.Repeat("\ufffd", 666) + "…"},
		{"a megabyte", x(1 << 20), x(2000) + "…"},
	} {
		if got := auditText(c.text); got != c.want {
			t.Errorf("%s: got %d bytes, %q, want %d", c.name, len(got), got[max(len(got)-10, 0):], len(c.want))
		}
	}
}

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a := openAudit(t, path)
	wantMode := func(want fs.FileMode) {
		t.Helper()
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("got %v, %v", info.Mode(), err)
		}
	}
	wantMode(0o600)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, a, event(1))
	wantMode(0o600)
	// What its owner made of it stays: perhaps a group reads it.
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, openAudit(t, path), event(2))
	wantMode(0o640)
	wantFile(t, path, line(1)+line(2))
}

func TestAMovedFileIsFollowedByANewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a := openAudit(t, path)
	mustWrite(t, a, event(1))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, a, event(2))
	mustWrite(t, a, event(3))
	wantFile(t, path+".1", line(1))
	wantFile(t, path, line(2)+line(3))
	// logrotate's create makes the new file itself.
	if err := os.Rename(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, a, event(4))
	wantFile(t, path+".2", line(2)+line(3))
	wantFile(t, path, line(4))
}

func TestATruncatedFileIsWrittenFromItsBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a := openAudit(t, path)
	for i := range 3 {
		mustWrite(t, a, event(i))
		wantFile(t, path, line(i))
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFileThatIsRemovedIsMadeAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "audit.log")
	a := openAudit(t, path)
	mustWrite(t, a, event(1))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, a, event(2))
	wantFile(t, path, line(2))
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	want := "audit log: open " + path + ": no such file or directory"
	for range 2 {
		if err := a.Write(event(3)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, a, event(4))
	wantFile(t, path, line(4))
}

func TestAFileThatCannotBeOpenedIsAnErrorThatNamesIt(t *testing.T) {
	folder := t.TempDir()
	for path, want := range map[string]string{
		folder: "audit log: open " + folder + ": is a directory",
		filepath.Join(folder, "none", "audit.log"): "audit log: open " + filepath.Join(folder, "none", "audit.log") + ": no such file or directory",
	} {
		if a, err := OpenAudit(path); a != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestAFullDiskIsAnErrorUntilThereIsRoom(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	a := openAudit(t, path)
	for range 2 {
		err := a.Write(event(1))
		if want := "audit log: write " + path + ": no space left on device"; !errors.Is(err, syscall.ENOSPC) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, a, event(2))
	wantFile(t, path, line(2))
}

// TestALineAfterAPartOfOneBeginsAnew: a disk that filled up within a line, or a process that was killed, leaves such a part.
func TestALineAfterAPartOfOneBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	part := `{"time":"2026-03-01T11:59`
	if err := os.WriteFile(path, []byte(line(1)+part), 0o600); err != nil {
		t.Fatal(err)
	}
	a := openAudit(t, path)
	mustWrite(t, a, event(2))
	mustWrite(t, a, event(3))
	wantFile(t, path, line(1)+part+"\n"+line(2)+line(3))
	mustWrite(t, openAudit(t, path), event(4))
	wantFile(t, path, line(1)+part+"\n"+line(2)+line(3)+line(4))
}

func TestAClosedAuditWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a := openAudit(t, path)
	mustWrite(t, a, event(1))
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		err := a.Write(event(2))
		if want := "audit log: write " + path + ": file already closed"; !errors.Is(err, os.ErrClosed) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	wantFile(t, path, line(1))
}

func TestClosingWhileOthersWriteTearsNoLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a := openAudit(t, path)
	var all sync.WaitGroup
	var lines sync.Map
	for w := range 4 {
		all.Go(func() {
			for i := range 1000 {
				if err := a.Write(event(w)); err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Error(err)
					}
					return
				}
				lines.Store(w, i+1)
				if w == 0 && i == 100 {
					_ = a.Close()
				}
			}
		})
	}
	all.Wait()
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for w := range 4 {
		want, _ := lines.LoadOrStore(w, 0)
		if n := strings.Count(string(written), line(w)); n != want {
			t.Errorf("writer %d: %d lines are there, want %d", w, n, want)
		}
	}
}

func TestAnAuditThatNobodyMadePanics(t *testing.T) {
	for name, a := range map[string]*Audit{"nil": nil, "zero": {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nothing was written, and nobody noticed", name)
				}
			}()
			_ = a.Write(event(1))
		}()
	}
}

// TestLinesOfConcurrentWritersNeverMix: two audits on one file are as two processes are. The file is moved away again and again.
func TestLinesOfConcurrentWritersNeverMix(t *testing.T) {
	const writers, each = 4, 250
	path := filepath.Join(t.TempDir(), "audit.log")
	audits := []*Audit{openAudit(t, path), openAudit(t, path)}
	var all sync.WaitGroup
	for w := range 2 * writers {
		all.Go(func() {
			for i := range each {
				e := event(w*each + i)
				e.Purpose = strings.Repeat("\n", i%500) // lines of 100 bytes to 1 kB
				if err := audits[w%2].Write(e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	moved := 0
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	for isDone := false; !isDone; {
		select {
		case <-done:
			isDone = true
		default:
		}
		if err := os.Rename(path, fmt.Sprint(path, ".", moved)); err == nil {
			moved++
		}
		runtime.Gosched()
	}
	t.Logf("%d files", moved)
	seen := map[string]int{}
	for i := range moved {
		written, err := os.ReadFile(fmt.Sprint(path, ".", i))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.SplitAfter(string(written), "\n") {
			// An audit that opens the file while the other writes may take it for one that ends within a line.
			if l = strings.TrimPrefix(l, "\n"); l != "" {
				seen[l]++
			}
		}
	}
	for n := range 2 * writers * each {
		want := line(n)
		if i := n % each; i > 0 {
			want = strings.TrimSuffix(want, "}\n") + `,"purpose":"` + strings.Repeat(`\n`, i%500) + "\"}\n"
		}
		if seen[want] != 1 {
			t.Errorf("line %d is there %d times", n, seen[want])
		}
	}
	if len(seen) != 2*writers*each {
		t.Errorf("got %d lines, want %d", len(seen), 2*writers*each)
	}
}

func BenchmarkAuditToAFile(b *testing.B) {
	a, err := OpenAudit(filepath.Join(b.TempDir(), "audit.log"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := a.Write(wholeEvent); err != nil {
			b.Fatal(err)
		}
	}
}
