package access

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"data-exhaust/exhaust"
)

// Event is something that a caller did or tried to do.
type Event struct {
	// At is when; the zero time is now.
	At     time.Time
	Caller Caller
	// Action is what, such as "exhaust.start".
	Action    string
	Channel   string
	RequestID string
	Dataset   exhaust.Dataset
	// Outcome is what came of it.
	Outcome string
	// Purpose is what the caller said that he does it for.
	Purpose string
	// Subject is the id of the schedule or token acted on.
	Subject string
}

// Audit writes who did what, one JSON object a line, with the members time (RFC 3339, UTC, milliseconds), msg ("audit"), caller,
// tokenId, from, action, channel, dataset, requestId, subject, outcome and purpose; those that are empty are left out. An Audit is
// made by NewAudit or OpenAudit: Write panics on the zero and the nil one, as nothing may go unaudited by mistake.
type Audit struct {
	handler slog.Handler
	file    *auditFile // nil where lines go to a logger
}

// maxAuditText is how many bytes of a text are written; … follows a longer one.
const maxAuditText = 2000

// NewAudit writes lines to a logger, which adds its own members (level) and writes the time as it does. Its level does not matter:
// one that is set to warnings must not silence the audit.
func NewAudit(log *slog.Logger) *Audit { return &Audit{handler: log.Handler()} }

// OpenAudit appends lines to a file, which it creates for its owner alone; the mode of one that exists stays. Where the file is
// moved away or removed, the next line goes to a new one, and where it is truncated, to its beginning: logrotate's create and
// copytruncate need no signal. (copytruncate loses what is written between its copy and its cut, as its manual says.) Several
// processes may share a file on a local disk.
//
// No line is synced: what the machine has not stored when it loses its power is lost, as the answers to the callers may be.
func OpenAudit(path string) (*Audit, error) {
	file := &auditFile{path: path}
	if err := file.open(); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return &Audit{
		handler: slog.NewJSONHandler(file, &slog.HandlerOptions{ReplaceAttr: auditMember}),
		file:    file,
	}, nil
}

// auditMember writes the members of slog as an audit has them.
func auditMember(_ []string, member slog.Attr) slog.Attr {
	switch member.Key {
	case slog.TimeKey:
		return slog.String(slog.TimeKey, member.Value.Time().Format("2006-01-02T15:04:05.000Z07:00"))
	case slog.LevelKey:
		return slog.Attr{}
	}
	return member
}

// Write writes a line. An error is for the caller to act on: what cannot be audited must not be answered. The next Write tries
// again.
func (a *Audit) Write(e Event) error {
	at := e.At
	if at.IsZero() {
		at = time.Now()
	}
	record := slog.NewRecord(at.UTC().Truncate(time.Millisecond), slog.LevelInfo, "audit", 0)
	record.AddAttrs(e.members()...)
	// A Logger's own methods would hide the error, and the line where the level is higher.
	if err := a.handler.Handle(context.Background(), record); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// Close closes the file. A Write after it fails.
func (a *Audit) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

func (e Event) members() []slog.Attr {
	from := ""
	if e.Caller.From.IsValid() {
		from = e.Caller.From.String()
	}
	var members []slog.Attr
	for _, m := range [...]struct{ name, text string }{
		{"caller", e.Caller.Name},
		{"tokenId", e.Caller.TokenID},
		{"from", from},
		{"action", e.Action},
		{"channel", e.Channel},
		{"dataset", string(e.Dataset)},
		{"requestId", e.RequestID},
		{"subject", e.Subject},
		{"outcome", e.Outcome},
		{"purpose", e.Purpose},
	} {
		if m.text != "" {
			members = append(members, slog.String(m.name, auditText(m.text)))
		}
	}
	return members
}

// auditText bounds a text and makes it safe to look at. The handler escapes what JSON escapes, so that no text ends a line.
func auditText(s string) string {
	// No character gets shorter, so one that this cuts in two begins behind the bound.
	s = strings.Map(visible, s[:min(len(s), maxAuditText+utf8.UTFMax)])
	if len(s) <= maxAuditText {
		return s
	}
	end := maxAuditText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// visible replaces, as strings.Map does with invalid bytes, what JSON leaves as it is and what shows a line in a terminal as
// another one: the control characters from DEL on, of which U+0085 ends a line for some readers, and the marks that turn the
// direction of a text. Joiners stay: Indian scripts need them.
func visible(r rune) rune {
	if r >= 0x7f && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		return utf8.RuneError
	}
	return r
}

// auditFile appends lines to what its path names now.
//
// Invariant: a line is one write to a file that is open for appending. So the kernel puts it at the end of the file, truncated or
// not, and whole between the lines of other processes.
type auditFile struct {
	path string

	mu   sync.Mutex
	file *os.File    // nil where the next line opens it
	info os.FileInfo // tells which file that is
	// isMidLine tells that the file ends with a part of a line, because the disk was full or a process was killed.
	isMidLine bool
	isClosed  bool
}

// Write writes a line, which ends with a line feed.
func (f *auditFile) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isClosed {
		return 0, &os.PathError{Op: "write", Path: f.path, Err: os.ErrClosed}
	}
	if err := f.follow(); err != nil {
		return 0, err
	}
	whole := line
	if f.isMidLine {
		whole = append([]byte{'\n'}, line...)
	}
	if _, err := f.file.Write(whole); err != nil {
		// Opening it again looks at how it ends, and may heal what a network's file system broke.
		f.drop()
		return 0, err
	}
	f.isMidLine = false
	return len(line), nil
}

// follow opens the file again where the path names another one, or none.
func (f *auditFile) follow() error {
	if f.file != nil {
		if now, err := os.Stat(f.path); err == nil && os.SameFile(now, f.info) {
			return nil
		}
		f.drop()
	}
	return f.open()
}

func (f *auditFile) open() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file, f.info, f.isMidLine = file, info, endsMidLine(f.path, info)
	return nil
}

// drop closes the file; the next line opens it. Nothing waits to be written, so its error tells nothing.
func (f *auditFile) drop() {
	_ = f.file.Close()
	f.file, f.info = nil, nil
}

// Close closes the file for good.
func (f *auditFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isClosed = true
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file, f.info = nil, nil
	return file.Close()
}

// endsMidLine reports whether a file ends with a part of a line. A file that may be appended to but not read is taken for whole.
// Where another process is writing just now, the answer may be wrong: that costs an empty line.
func endsMidLine(path string, info os.FileInfo) bool {
	if info.Size() == 0 { // that of a device too
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	last := make([]byte, 1)
	n, _ := file.ReadAt(last, info.Size()-1)
	return n == 1 && last[0] != '\n'
}
