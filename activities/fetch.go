package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// FetchInput says which part to read and for whom.
type FetchInput struct {
	Dataset        exhaust.Dataset `json:"dataset"`
	Channel        string          `json:"channel"`
	ConversationID string          `json:"conversationId"`
	// Staging is the prefix of the names of all that the exhaust stages.
	Staging string `json:"staging"`
	Part    Part   `json:"part"`
}

// Fetched is what one part held.
type Fetched struct {
	Segments      []SegmentRange `json:"runs"`
	BytesRead     int64          `json:"bytesRead"`
	EventsMatched int64          `json:"eventsMatched"`
	LinesSkipped  int64          `json:"linesSkipped"`
	// Objects are those that were read.
	Objects int `json:"objects"`
}

// SegmentRange names staged segments: those of one attempt at one part. An attempt goes by a random name rather than by
// its number, which starts anew when an operator resets the activity.
type SegmentRange struct {
	Part    int    `json:"part"`
	Attempt string `json:"attempt"`
	Count   int    `json:"count"`
}

// FetchResume is where another attempt at a part goes on: after an object all of whose events are
// staged.
type FetchResume struct {
	After   Position `json:"after"`
	Fetched Fetched  `json:"fetched"`
}

const (
	// bufferBytes is how much of matched events a scan holds before it stages a segment.
	bufferBytes = 12 << 20
	// resumeBytes is how much telemetry is read, at the most, between two places to resume at.
	resumeBytes = 64 << 20
)

// FetchTelemetry reads the objects of a part once, keeps the conversation's events, and stages them in sorted segments:
// an index, from which JoinDevices learns the devices and the repeats, and for a response exhaust the rows, in output
// order.
func (a *Activities) FetchTelemetry(ctx context.Context, in FetchInput) (Fetched, error) {
	return withHeartbeats(ctx, func(ctx context.Context, h *heartbeater) (Fetched, error) { return a.fetch(ctx, in, h) })
}

func (a *Activities) fetch(ctx context.Context, in FetchInput, h *heartbeater) (Fetched, error) {
	free, err := a.scans.take(ctx, h)
	if err != nil {
		return Fetched{}, err
	}
	defer free()
	f := &fetch{
		in:      in,
		store:   a.deps.Reports,
		beats:   h,
		attempt: uuid.NewString()[:8],
		scanner: telemetry.NewScanner(telemetry.Filter{
			Channel: in.Channel, ConversationID: in.ConversationID, PdataID: a.settings.PdataID,
		}),
	}
	if h.current.Fetch != nil {
		f.resume = *h.current.Fetch
		f.total = f.resume.Fetched
	}
	for object, err := range a.objects(ctx, in.Part, f.resume.After) {
		if err != nil {
			return Fetched{}, err
		}
		if err := f.object(ctx, a.deps.Telemetry, object); err != nil {
			return Fetched{}, err
		}
	}
	if missing := in.Part.Objects - f.total.Objects; missing > 0 {
		// Their events would be missing without a word.
		return Fetched{}, fmt.Errorf("%d of the %d telemetry objects from %s to %s are no longer listed", missing, in.Part.Objects, in.Part.Begin.Day, in.Part.End.Day)
	}
	if err := f.stage(ctx); err != nil {
		return Fetched{}, err
	}
	return f.total, nil
}

// positioned is a telemetry object and its day.
type positioned struct {
	blob.Object
	day exhaust.Day
}

// objects yields the telemetry objects of a part that come after the place to resume at.
func (a *Activities) objects(ctx context.Context, part Part, resume Position) func(yield func(positioned, error) bool) {
	begin := part.Begin
	if resume.Day != "" {
		begin = resume
	}
	return func(yield func(positioned, error) bool) {
		after := begin.Name
		for day := begin.Day; day <= part.End.Day; day = day.Add(1) {
			for object, err := range a.deps.Telemetry.List(ctx, a.settings.Layout.Prefix(day), after) {
				if err != nil {
					yield(positioned{}, fmt.Errorf("listing the telemetry of %s: %w", day, err))
					return
				}
				if day == part.End.Day && part.End.Name != "" && object.Name > part.End.Name {
					break
				}
				if telemetry.IsTelemetry(object.Name) && !yield(positioned{object, day}, nil) {
					return
				}
			}
			after = ""
		}
	}
}

// fetch is one attempt at one part.
type fetch struct {
	in      FetchInput
	store   blob.Store
	beats   *heartbeater
	attempt string
	scanner *telemetry.Scanner
	rows    segments.Buffer
	index   segments.Buffer
	record  []byte
	total   Fetched
	// resume is the last place at which another attempt could go on.
	resume FetchResume
	// stages counts the segments of each kind that this attempt has stored.
	stages int
}

// object scans one object. It heals nothing: an error ends the attempt.
func (f *fetch) object(ctx context.Context, store blob.Store, object positioned) error {
	source, err := store.Open(ctx, object.Name)
	if err != nil {
		return fmt.Errorf("opening telemetry object %q: %w", object.Name, err)
	}
	defer func() { _ = source.Close() }()
	counter := &countingReader{source: source, report: func(read int64) {
		f.beats.update(func(h *Heartbeat) { h.BytesRead = f.total.BytesRead + read })
	}}
	counts, err := f.scanner.Scan(ctx, counter, func(event *telemetry.Event) error { return f.keep(ctx, event) })
	if corrupt := (*telemetry.CorruptError)(nil); errors.As(err, &corrupt) {
		return NonRetryable(CorruptTelemetry, "telemetry object %q is corrupt: %s", object.Name, corrupt.Problem)
	}
	if err != nil {
		return fmt.Errorf("reading telemetry object %q: %w", object.Name, err)
	}
	f.total.BytesRead += counter.read
	f.total.EventsMatched += counts.Matched
	f.total.LinesSkipped += counts.Skipped
	f.total.Objects++
	f.beats.update(func(h *Heartbeat) {
		h.BytesRead, h.EventsMatched, h.LinesSkipped = f.total.BytesRead, f.total.EventsMatched, f.total.LinesSkipped
	})
	if f.total.BytesRead-f.resume.Fetched.BytesRead < resumeBytes {
		return nil
	}
	if err := f.stage(ctx); err != nil {
		return err
	}
	f.resume = FetchResume{After: Position{Day: object.day, Name: object.Name}, Fetched: f.total}
	resume := f.resume
	resume.Fetched.Segments = slices.Clone(resume.Fetched.Segments)
	f.beats.update(func(h *Heartbeat) { h.Fetch = &resume })
	return nil
}

func (f *fetch) keep(ctx context.Context, event *telemetry.Event) error {
	f.record = appendIndex(f.record[:0], event)
	f.index.Add(f.record)
	if f.in.Dataset == exhaust.ResponseExhaust {
		f.record = appendRow(f.record[:0], event)
		f.rows.Add(f.record)
	}
	if f.rows.Size()+f.index.Size() < bufferBytes {
		return nil
	}
	return f.stage(ctx)
}

// stage stores what is buffered. The names are this attempt's own, so an attempt that was given up
// for dead cannot disturb it.
func (f *fetch) stage(ctx context.Context) error {
	if f.index.Len() == 0 {
		return nil
	}
	segment := SegmentRange{Part: f.in.Part.Number, Attempt: f.attempt, Count: 1}
	if f.in.Dataset == exhaust.ResponseExhaust {
		if err := f.rows.Store(ctx, f.store, segment.name(f.in.Staging, f.stages, rowsKind)); err != nil {
			return err
		}
	}
	if err := f.index.Store(ctx, f.store, segment.name(f.in.Staging, f.stages, indexKind)); err != nil {
		return err
	}
	f.rows.Reset()
	f.index.Reset()
	f.stages++
	if last := len(f.total.Segments) - 1; last >= 0 && f.total.Segments[last].Attempt == f.attempt {
		f.total.Segments[last].Count++
		return nil
	}
	f.total.Segments = append(f.total.Segments, segment)
	return nil
}

// The kinds of staged segments.
const (
	rowsKind  = "rows"
	indexKind = "index"
	// keptKind is of merges of rows and repeats. Releases that merged rows alone called theirs rows.
	keptKind = "kept"
)

func (r SegmentRange) name(staging string, number int, kind string) string {
	return fmt.Sprintf("%sp%04d-%s-%05d.%s", staging, r.Part, r.Attempt, number, kind)
}

// segmentNames lists the segments of a kind.
func segmentNames(staging string, ranges []SegmentRange, kind string) []string {
	var names []string
	for _, r := range ranges {
		for i := range r.Count {
			names = append(names, r.name(staging, i, kind))
		}
	}
	return names
}

// scratchName begins the names of what a merge of more segments than can be open at a time stages.
func scratchName(staging, kind string) string { return staging + "merge-" + kind + "-" }

// countingReader counts what is read from a telemetry object.
type countingReader struct {
	source io.Reader
	read   int64
	report func(read int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.read += int64(n)
	c.report(c.read)
	return n, err
}
