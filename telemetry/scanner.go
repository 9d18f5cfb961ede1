package telemetry

import (
	"context"
	"io"

	"data-exhaust/exhaust"
)

// Filter says which events belong to an exhaust (docs/telemetry.md).
type Filter struct {
	Channel        string
	ConversationID string
	PdataID        string // "" takes the events of any producer
}

// Event is one event that belongs to the exhaust.
type Event struct {
	// Time orders events: the instant of @timestamp, else of ets, in nanoseconds since the epoch. It is
	// math.MinInt64, and so sorts first, where neither can be read. Instants beyond the years 1678 to 2262
	// are kept at the end of that range.
	Time int64
	// MessageID is mid as text, "" where it is missing or null.
	MessageID string
	// DeviceID is context.did as it stands.
	DeviceID string
	Row      exhaust.ResponseRow
}

// Counts is what a scan saw, also when it ended with an error.
type Counts struct {
	Skipped int64 // lines that are no JSON object, or longer than MaxLine; not those of white space
	Matched int64 // events that emit got
}

// MaxLine is the longest line that is read, in bytes without its line end. A longer one is skipped and counted.
const MaxLine = 16 << 20

// Scanner finds the events of one exhaust in telemetry objects. It keeps its buffers from object to object and is
// not for concurrent use: each goroutine has its own.
type Scanner struct {
	filter     Filter
	hasPlainID bool // whether a line without the conversation's id, as the validator looks for it, cannot belong
	opener     opener
	lines      lineReader
	validator  validator
	extractor  extractor
}

// NewScanner returns a scanner for the events that f names.
func NewScanner(f Filter) *Scanner {
	return &Scanner{filter: f, hasPlainID: isPlainID(f.ConversationID), opener: newOpener()}
}

// Scan reads one object, gzip (several members), zstd (several frames) or plain, and calls emit with each event
// that belongs, in the object's order. The Event is valid during the call only; its strings may be kept, and share
// one block of memory an event.
//
// An object that ends early, fails its checksum or is damaged gives a *CorruptError; events that stood before the
// damage have been emitted by then. An error of r or of emit is returned as it is, and ctx's own once it is done.
func (s *Scanner) Scan(ctx context.Context, r io.Reader, emit func(*Event) error) (Counts, error) {
	source := &sourceReader{ctx: ctx, r: r}
	defer s.opener.release()
	defer s.lines.release()

	var counts Counts
	object, err := s.opener.open(source)
	if err != nil {
		return counts, source.explain(err)
	}
	if err := s.lines.reset(ctx, object); err != nil {
		return counts, source.explain(err)
	}
	var event Event
	for {
		line, err := s.lines.next(ctx)
		if err == io.EOF {
			// A decoder can take a failure of the source between two frames for the object's end.
			return counts, source.err
		}
		if err == errLineTooLong {
			counts.Skipped++
			continue
		}
		if err != nil {
			return counts, source.explain(err)
		}
		start := skipSpace(line.bytes, 0, line.size)
		if start == line.size {
			continue
		}
		if line.bytes[start] != '{' {
			counts.Skipped++
			continue
		}
		isValid, mayHoldID := s.validator.check(line, s.filter.ConversationID)
		if !isValid {
			counts.Skipped++
			continue
		}
		if s.hasPlainID && !mayHoldID || !s.extractor.extract(line.text(), &s.filter, &event) {
			continue
		}
		counts.Matched++
		if err := emit(&event); err != nil {
			return counts, err
		}
	}
}

// isPlainID tells whether a JSON string that equals id can spell it in two ways only: byte for byte, or with at
// least one \u00XX. That holds for every id that the API accepts.
func isPlainID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '/' {
			return false
		}
	}
	return id != ""
}
