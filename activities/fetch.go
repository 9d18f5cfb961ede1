package activities

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
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
		a.cores.take()
		defer a.cores.giveBack()
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
		cores:     a.cores,
		beats:     h,
		attempt:   newAttempt(),
		filter:    telemetry.Filter{Channel: in.Channel, ConversationIDs: []string{in.ConversationID}, PdataID: a.settings.PdataID},
	}
	f.own = newCollector(f)
	if h.current.Fetch != nil {
		f.resume = h.current.Fetch.clone()
		f.total = f.resume.Fetched.clone()
		if err := checkFormat(slices.Concat(f.total.Segments, f.total.Read)); err != nil {
			return Fetched{}, err
		}
	}
	h.update(func(h *Heartbeat) {
		h.BytesRead, h.EventsMatched, h.LinesSkipped = f.total.BytesRead, f.total.EventsMatched, f.total.LinesSkipped
	})
	stretch := f.newStretch(f.resume.Next)
	readOn := func() error {
		full := stretch
		stretch = f.newStretch(full.end())
		return f.readToResume(ctx, full)
	}
	err := eachListed(ctx, f.store, in.Staging, in.Part, f.resume.Next, func(listed blob.Object) error {
		// What may still be being written is looked at several times, and what is before it is to be read once.
		if f.watch(stretch.end()) != nil && len(stretch.objects) > 0 {
			if err := readOn(); err != nil {
				return err
			}
		}
		stretch.add(listed)
		if !stretch.isFull() {
			return nil
		}
		return readOn()
	})
	if err != nil {
		return Fetched{}, err
	}
	if err := stretch.read(ctx); err != nil {
		return Fetched{}, err
	}
	err = f.stage(ctx)
	return f.total, err
}

// fetch is one attempt at one part.
type fetch struct {
	in        FetchInput
	canResume bool
	telemetry blob.Store
	store     blob.Store
	settle    time.Duration
	cores     *cores
	beats     *heartbeater
	attempt   string
	filter    telemetry.Filter
	// own is the collector of the activity's goroutine. It holds, between two stretches, all that is not staged.
	own   *collector
	read  []objectRead
	total Fetched
	// resume is the last place at which another attempt could go on.
	resume FetchResume
	// helpers counts the cores that work on a stretch beside the activity's own.
	helpers atomic.Int32
	// stages counts the segments of each kind that this attempt has begun to store, all of which are there unless it has
	// failed, and readStages the lists of what was read.
	stages     atomic.Int32
	readStages int
}

// bufferLimit is how much a collector holds before it stages a segment.
func (f *fetch) bufferLimit() int {
	if f.helpers.Load() > 0 {
		return sharedBufferBytes
	}
	return bufferBytes
}

// count adds an object that was read.
func (f *fetch) count(object blob.Object, read objectRead) {
	f.total.BytesRead += read.bytes
	f.total.BytesListed += object.Size
	f.total.EventsMatched += read.matched
	f.total.LinesSkipped += read.skipped
	f.total.Objects++
	f.read = append(f.read, read)
}

// readToResume reads a stretch, behind which another attempt can go on.
func (f *fetch) readToResume(ctx context.Context, s *stretch) error {
	if err := s.read(ctx); err != nil || !f.canResume {
		return err
	}
	if err := f.stage(ctx); err != nil {
		return err
	}
	f.resume.Next, f.resume.Fetched = s.end(), f.total.clone()
	f.reportResume()
	return nil
}

// reportResume lets the next heartbeat tell where another attempt goes on.
func (f *fetch) reportResume() {
	resume := f.resume.clone()
	f.beats.update(func(h *Heartbeat) { h.Fetch = &resume })
}

// stage stores all that is not staged yet of what was read.
func (f *fetch) stage(ctx context.Context) error {
	if err := f.own.stage(ctx); err != nil {
		return err
	}
	f.total.Segments = withSegments(f.total.Segments, f.segments(int(f.stages.Load())))
	return f.stageRead(ctx)
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
	name := f.segments(1).name(f.in.Staging, f.readStages, readKind)
	err := segments.Write(ctx, f.store, name, func(add func([]byte) error) error {
		var record []byte
		for _, object := range f.read {
			record = object.append(record[:0])
			if err := add(record); err != nil {
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
	f.total.Read = withSegments(f.total.Read, f.segments(f.readStages))
	return nil
}

// segments names so many segments of this attempt.
func (f *fetch) segments(count int) SegmentRange {
	return SegmentRange{Part: f.in.Part.Number, Attempt: f.attempt, Count: count, Format: segmentFormat}
}

// withSegments is a list with all segments that an attempt has staged so far, which are one range.
func withSegments(list []SegmentRange, staged SegmentRange) []SegmentRange {
	if staged.Count == 0 {
		return list
	}
	if last := len(list) - 1; last >= 0 && list[last].Attempt == staged.Attempt {
		list[last] = staged
		return list
	}
	return append(list, staged)
}

// The kinds of staged segments.
const (
	eventsKind = "events.3"
	indexKind  = "index.3"
	readKind   = "read"
	// keptKind is of merges of events and repeats.
	keptKind = "kept"
	// tiedKind is of events of one key.
	tiedKind = "tied"
	// summaryKind is of what a summary adds up.
	summaryKind = "summary"
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
