package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
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
	Segments []SegmentRange `json:"runs"`
	// Read names the staged lists of what was read; ReadInline is the list itself, of a part whose objects were inline.
	Read          []SegmentRange   `json:"read,omitempty"`
	ReadInline    []receipt.Object `json:"readInline,omitempty"`
	BytesRead     int64            `json:"bytesRead"`
	EventsMatched int64            `json:"eventsMatched"`
	LinesSkipped  int64            `json:"linesSkipped"`
	// Objects are those that were read, BytesListed is what their sizes add up to.
	Objects     int   `json:"objects"`
	BytesListed int64 `json:"bytesListed"`
}

// Counts are those of the part, but for the objects that were listed.
func (f *Fetched) Counts() Counts {
	return Counts{
		ObjectsRead: f.Objects, BytesListed: f.BytesListed, BytesRead: f.BytesRead, EventsMatched: f.EventsMatched, LinesSkipped: f.LinesSkipped,
	}
}

// clone shares nothing with f, whose lists go on growing.
func (f Fetched) clone() Fetched {
	f.Segments, f.Read, f.ReadInline = slices.Clone(f.Segments), slices.Clone(f.Read), slices.Clone(f.ReadInline)
	return f
}

// SegmentRange names staged segments: those of one attempt at one part.
type SegmentRange struct {
	Part    int    `json:"part"`
	Attempt string `json:"attempt"`
	Count   int    `json:"count"`
	// Format is segmentFormat; 0 in what releases before it staged.
	Format int `json:"format,omitempty"`
}

// FetchResume is where another attempt at a part goes on: before an object, when all events of those before are staged.
type FetchResume struct {
	// Next is the object's place in the part.
	Next    int     `json:"next"`
	Fetched Fetched `json:"fetched"`
	// Watches are the part's objects that may still be being written.
	Watches []Watch `json:"watches,omitempty"`
}

// clone shares nothing with r, which a heartbeat may be sending while the scan goes on.
func (r FetchResume) clone() FetchResume {
	r.Fetched = r.Fetched.clone()
	r.Watches = slices.Clone(r.Watches)
	return r
}

const (
	// bufferBytes is how much of matched events a scan holds before it stages a segment.
	bufferBytes = 12 << 20
	// resumeBytes is how much telemetry is read, at the most, between two places to resume at.
	resumeBytes = 64 << 20
)

// FetchTelemetry reads the objects of a part once, keeps the conversation's events, and stages them in sorted segments:
// an index, from which JoinDevices learns the devices and the repeats, and for a response exhaust the events, in output
// order. It reads the objects that PlanFetch has listed, and no others.
func (a *Activities) FetchTelemetry(ctx context.Context, in FetchInput) (Fetched, error) {
	if len(in.Part.Listings)+len(in.Part.Inline) == 0 {
		return Fetched{}, errStagedByAnotherRelease
	}
	return withHeartbeats(ctx, func(ctx context.Context, h *heartbeater) (Fetched, error) {
		free, err := a.takeEarlier(ctx)
		if err != nil {
			return Fetched{}, err
		}
		defer free()
		fetched, err := a.fetch(ctx, in, h, true)
		return fetched, stagingError(err)
	})
}

// fetch reads a part. Where it canResume, another attempt goes on with what this one has staged.
func (a *Activities) fetch(ctx context.Context, in FetchInput, h *heartbeater, canResume bool) (Fetched, error) {
	f := &fetch{
		in:        in,
		canResume: canResume,
		telemetry: a.deps.Telemetry,
		store:     a.deps.Reports,
		settle:    a.settings.SettleTime,
		beats:     h,
		attempt:   newAttempt(),
		scanner: telemetry.NewScanner(telemetry.Filter{
			Channel: in.Channel, ConversationID: in.ConversationID, PdataID: a.settings.PdataID,
		}),
	}
	if h.current.Fetch != nil {
		f.resume = h.current.Fetch.clone()
		f.total = f.resume.Fetched.clone()
		if err := checkFormat(slices.Concat(f.total.Segments, f.total.Read)); err != nil {
			return Fetched{}, err
		}
	}
	err := eachListed(ctx, f.store, in.Staging, in.Part, f.resume.Next, func(index int, listed blob.Object) error {
		return f.object(ctx, index, listed)
	})
	if err != nil {
		return Fetched{}, err
	}
	if err := f.stage(ctx); err != nil {
		return Fetched{}, err
	}
	err = f.stageRead(ctx)
	return f.total, err
}

// fetch is one attempt at one part.
type fetch struct {
	in        FetchInput
	canResume bool
	telemetry blob.Store
	store     blob.Store
	settle    time.Duration
	beats     *heartbeater
	attempt   string
	scanner   *telemetry.Scanner
	events    segments.Buffer
	index     segments.Buffer
	read      []objectRead
	record    []byte
	total     Fetched
	// resume is the last place at which another attempt could go on.
	resume FetchResume
	// stages counts the segments of each kind that this attempt has stored, readStages the lists of what was read.
	stages, readStages int
}

// object scans one object. It heals nothing: an error ends the attempt.
func (f *fetch) object(ctx context.Context, index int, listed blob.Object) error {
	object, err := f.version(ctx, index, listed)
	if err != nil {
		return err
	}
	source, err := f.telemetry.OpenVersion(ctx, object)
	if errors.Is(err, blob.ErrChanged) || errors.Is(err, blob.ErrNotFound) {
		return f.changed(ctx, index, object)
	}
	if err != nil {
		return failedOf(telemetryStore, err, fmt.Sprintf("telemetry object %q cannot be read", object.Name))
	}
	defer func() { _ = source.Close() }()
	counter := &countingReader{source: source, report: func(read int64) {
		f.beats.update(func(h *Heartbeat) { h.BytesRead = f.total.BytesRead + read })
	}}
	var notKept error
	counts, err := f.scanner.Scan(ctx, object.Name, counter, func(event *telemetry.Event) error {
		notKept = f.keep(ctx, event)
		return notKept
	})
	if notKept != nil {
		return notKept // the object is not to blame
	}
	switch corrupt := (*telemetry.CorruptError)(nil); {
	case errors.As(err, &corrupt):
		return f.damaged(ctx, index, object, corrupt.Problem)
	case errors.Is(err, blob.ErrChanged):
		return f.changed(ctx, index, object)
	case err != nil:
		return failedOf(telemetryStore, err, fmt.Sprintf("telemetry object %q cannot be read", object.Name))
	}
	f.total.BytesRead += counter.read
	f.total.BytesListed += object.Size
	f.total.EventsMatched += counts.Matched
	f.total.LinesSkipped += counts.Skipped
	f.total.Objects++
	f.read = append(f.read, objectRead{
		name: object.Name, etag: object.ETag, bytes: counter.read, lines: counts.Lines, skipped: counts.Skipped, matched: counts.Matched,
	})
	f.beats.update(func(h *Heartbeat) {
		h.BytesRead, h.EventsMatched, h.LinesSkipped = f.total.BytesRead, f.total.EventsMatched, f.total.LinesSkipped
	})
	if !f.canResume || f.total.BytesRead-f.resume.Fetched.BytesRead < resumeBytes {
		return nil
	}
	if err := f.stage(ctx); err != nil {
		return err
	}
	if err := f.stageRead(ctx); err != nil {
		return err
	}
	f.resume.Next, f.resume.Fetched = index+1, f.total.clone()
	f.reportResume()
	return nil
}

// reportResume lets the next heartbeat tell where another attempt goes on.
func (f *fetch) reportResume() {
	resume := f.resume.clone()
	f.beats.update(func(h *Heartbeat) { h.Fetch = &resume })
}

func (f *fetch) keep(ctx context.Context, event *telemetry.Event) error {
	f.record = appendIndex(f.record[:0], event)
	f.index.Add(f.record)
	if f.in.Dataset == exhaust.ResponseExhaust {
		f.record = appendEvent(f.record[:0], event)
		f.events.Add(f.record)
	}
	if f.events.Size()+f.index.Size() < bufferBytes {
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
	segment := f.segment()
	if f.in.Dataset == exhaust.ResponseExhaust {
		if err := f.events.Store(ctx, f.store, segment.name(f.in.Staging, f.stages, eventsKind)); err != nil {
			return err
		}
	}
	if err := f.index.Store(ctx, f.store, segment.name(f.in.Staging, f.stages, indexKind)); err != nil {
		return err
	}
	f.events.Reset()
	f.index.Reset()
	f.stages++
	f.total.Segments = addSegment(f.total.Segments, segment)
	return nil
}

// stageRead stores the list of the objects that were read since the last one.
func (f *fetch) stageRead(ctx context.Context) error {
	if len(f.read) == 0 {
		return nil
	}
	if len(f.in.Part.Inline) > 0 {
		for _, object := range f.read {
			f.total.ReadInline = append(f.total.ReadInline, object.forReceipt())
		}
		f.read = f.read[:0]
		return nil
	}
	segment := f.segment()
	err := segments.Write(ctx, f.store, segment.name(f.in.Staging, f.readStages, readKind), func(add func([]byte) error) error {
		for _, object := range f.read {
			f.record = object.append(f.record[:0])
			if err := add(f.record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.read = f.read[:0]
	f.readStages++
	f.total.Read = addSegment(f.total.Read, segment)
	return nil
}

func (f *fetch) segment() SegmentRange {
	return SegmentRange{Part: f.in.Part.Number, Attempt: f.attempt, Count: 1, Format: segmentFormat}
}

// addSegment adds one segment to a list, in which the segments of an attempt are one range.
func addSegment(list []SegmentRange, segment SegmentRange) []SegmentRange {
	if last := len(list) - 1; last >= 0 && list[last].Attempt == segment.Attempt {
		list[last].Count++
		return list
	}
	return append(list, segment)
}

// The kinds of staged segments.
const (
	eventsKind = "events"
	indexKind  = "index.2"
	readKind   = "read"
	// keptKind is of merges of events and repeats.
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
func scratchName(staging, kind, attempt string) string {
	return fmt.Sprintf("%smerge-%s-%s-", staging, kind, attempt)
}

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
