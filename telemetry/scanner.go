package telemetry

import (
	"context"
	"io"
)

// Filter says which events belong to an exhaust (docs/telemetry.md).
type Filter struct {
	Channel string
	// ConversationIDs are one exhaust's conversation, or those of several exhausts, for all of which telemetry is read in one
	// pass.
	ConversationIDs []string
	PdataID         string // "" takes the events of any producer
}

// Counts is what a scan saw, also when it ended with an error.
type Counts struct {
	Lines   int64 // lines that are not empty: those that hold a JSON object, and those that were skipped
	Skipped int64 // lines that are no JSON object, or longer than MaxLine
	Matched int64 // events that emit got
}

// MaxLine is the longest line that is read, in bytes without its line end and without byte order marks and NULs around
// it. A longer one is skipped and counted.
const MaxLine = 16 << 20

// Scanner finds the events of an exhaust, or of several, in telemetry objects. It keeps its buffers from object to object and is
// not for concurrent use: each goroutine has its own.
type Scanner struct {
	conversations *conversations
	opener        opener
	lines         lineReader
	validator     validator
	extractor     extractor
}

// NewScanner returns a scanner for the events that f names.
func NewScanner(f Filter) *Scanner {
	c := newConversations(f.ConversationIDs)
	return &Scanner{conversations: c, opener: newOpener(), extractor: extractor{filter: f, conversations: c}}
}

// Scan reads one object, plain or compressed once or twice with gzip (several members) or zstd (several frames), and
// calls emit with each event that belongs, in the object's order, once for each of the filter's conversations that it
// belongs to. name is the object's: one of no bytes has ended early if its name says that it is compressed.
//
// An object that ends early, fails its checksum, is damaged or is UTF-16 gives a *CorruptError; events that stood before
// the damage have been emitted by then. An error of r or of emit is returned as it is, and ctx's own once it is done.
func (s *Scanner) Scan(ctx context.Context, name string, r io.Reader, emit func(*Event) error) (Counts, error) {
	source := &sourceReader{ctx: ctx, r: r}
	defer s.opener.release()
	defer s.lines.release()
	defer s.extractor.release()

	var counts Counts
	text, first, err := s.opener.open(name, source)
	if err != nil {
		return counts, s.explain(source, err)
	}
	s.lines.reset(text, first)
	for {
		line, err := s.lines.next(ctx)
		if err == errLineTooLong {
			counts.Lines++
			counts.Skipped++
			continue
		}
		if err == io.EOF {
			// A decoder can take a failure of its source between two frames for the object's end.
			return counts, s.explain(source, nil)
		}
		if err != nil {
			return counts, s.explain(source, err)
		}
		isValid, mayHoldID := false, false
		if line.bytes[0] == '{' {
			isValid, mayHoldID = s.validator.check(line, s.conversations)
		}
		if !isValid && s.lines.isUTF16() {
			return counts, errUTF16
		}
		counts.Lines++
		if !isValid {
			counts.Skipped++
			continue
		}
		if s.conversations.isPlain && !mayHoldID {
			continue
		}
		for _, id := range s.extractor.extract(line.text(), s.validator.shapes.template(line.bytes), &s.validator.shapes.tokens) {
			counts.Matched++
			s.extractor.event.ConversationID = id
			if err := emit(&s.extractor.event); err != nil {
				return counts, err
			}
		}
	}
}

var errUTF16 = &CorruptError{"it is UTF-16; telemetry is accepted in UTF-8"}

// explain gives the error to report where reading ended with err, nil for the object's end.
func (s *Scanner) explain(source *sourceReader, err error) error {
	if err != nil && source.ctx.Err() != nil {
		return source.ctx.Err()
	}
	if source.err != nil {
		return source.err
	}
	if damage := s.opener.damage(); damage != nil {
		return damage
	}
	return err
}
