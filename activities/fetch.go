package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/google/uuid"

	"data-exhaust/activities/runs"
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
	Runs          []RunRange `json:"runs"`
	BytesRead     int64      `json:"bytesRead"`
	EventsMatched int64      `json:"eventsMatched"`
	LinesSkipped  int64      `json:"linesSkipped"`
	// Objects are those that were read.
	Objects int `json:"objects"`
}

// RunRange names staged runs: those of one attempt at one part. An attempt goes by a random name
// rather than by its number, which starts anew when an operator resets the activity.
type RunRange struct {
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
	// bufferBytes is how much of matched events a scan holds before it stages a run.
	bufferBytes = 12 << 20
	// resumeBytes is how much telemetry is read, at the most, between two places to resume at.
	resumeBytes = 64 << 20
)

// FetchTelemetry reads the objects of a part once, keeps the conversation's events, and stages them
// in sorted runs: an index, from which JoinDevices learns the devices and the repeated messages, and
// for a response exhaust the rows, in output order.
func (a *Activities) FetchTelemetry(ctx context.Context, in FetchInput) (Fetched, error) {
	ctx, pulse := startPulse(ctx)
	fetched, err := a.fetch(ctx, in, pulse)
	return fetched, pulse.end(err)
}

func (a *Activities) fetch(ctx context.Context, in FetchInput, pulse *pulse) (Fetched, error) {
	free, err := a.scans.take(ctx, pulse)
	if err != nil {
		return Fetched{}, err
	}
	defer free()
	f := &fetch{
		in:      in,
		store:   a.deps.Reports,
		pulse:   pulse,
		attempt: uuid.NewString()[:8],
		scanner: telemetry.NewScanner(telemetry.Filter{
			Channel: in.Channel, ConversationID: in.ConversationID, PdataID: a.settings.PdataID,
		}),
	}
	if pulse.now.Fetch != nil {
		f.resumed = *pulse.now.Fetch
		f.done = f.resumed.Fetched
	}
	for object, err := range a.objects(ctx, in.Part, f.resumed.After) {
		if err != nil {
			return Fetched{}, err
		}
		if err := f.object(ctx, a.deps.Telemetry, object); err != nil {
			return Fetched{}, err
		}
	}
	if missing := in.Part.Objects - f.done.Objects; missing > 0 {
		// Their events would be missing without a word.
		return Fetched{}, fmt.Errorf("%d of the %d telemetry objects from %s to %s are no longer listed", missing, in.Part.Objects, in.Part.Begin.Day, in.Part.End.Day)
	}
	if err := f.stage(ctx); err != nil {
		return Fetched{}, err
	}
	return f.done, nil
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
	pulse   *pulse
	attempt string
	scanner *telemetry.Scanner
	rows    runs.Buffer
	index   runs.Buffer
	record  []byte
	done    Fetched
	// resumed is the last place at which another attempt could go on.
	resumed FetchResume
	staged  int
}

// object scans one object. It heals nothing: an error ends the attempt.
func (f *fetch) object(ctx context.Context, store blob.Store, object positioned) error {
	source, err := store.Open(ctx, object.Name)
	if err != nil {
		return fmt.Errorf("opening telemetry object %q: %w", object.Name, err)
	}
	defer func() { _ = source.Close() }()
	counted := &countingReader{source: source, told: func(read int64) {
		f.pulse.update(func(h *Heartbeat) { h.BytesRead = f.done.BytesRead + read })
	}}
	var matched int64
	counts, err := f.scanner.Scan(ctx, counted, func(event *telemetry.Event) error {
		matched++
		return f.keep(ctx, event)
	})
	if corrupt := (*telemetry.CorruptError)(nil); errors.As(err, &corrupt) {
		return final(CorruptTelemetry, "telemetry object %q is corrupt: %s", object.Name, corrupt.Problem)
	}
	if err != nil {
		return fmt.Errorf("reading telemetry object %q: %w", object.Name, err)
	}
	f.done.BytesRead += counted.read.Load()
	f.done.EventsMatched += counts.Matched
	f.done.LinesSkipped += counts.Skipped
	f.done.Objects++
	f.pulse.update(func(h *Heartbeat) {
		h.BytesRead, h.EventsMatched, h.LinesSkipped = f.done.BytesRead, f.done.EventsMatched, f.done.LinesSkipped
	})
	if f.done.BytesRead-f.resumed.Fetched.BytesRead < resumeBytes {
		return nil
	}
	if err := f.stage(ctx); err != nil {
		return err
	}
	f.resumed = FetchResume{After: Position{Day: object.day, Name: object.Name}, Fetched: f.done}
	f.pulse.update(func(h *Heartbeat) {
		resume := f.resumed
		resume.Fetched.Runs = append([]RunRange(nil), resume.Fetched.Runs...)
		h.Fetch = &resume
	})
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
	run := RunRange{Part: f.in.Part.Number, Attempt: f.attempt}
	if f.in.Dataset == exhaust.ResponseExhaust {
		if err := f.rows.Store(ctx, f.store, run.name(f.in.Staging, f.staged, rowsRun)); err != nil {
			return err
		}
	}
	if err := f.index.Store(ctx, f.store, run.name(f.in.Staging, f.staged, indexRun)); err != nil {
		return err
	}
	f.rows.Reset()
	f.index.Reset()
	f.staged++
	if last := len(f.done.Runs) - 1; last >= 0 && f.done.Runs[last].Attempt == f.attempt {
		f.done.Runs[last].Count++
		return nil
	}
	run.Count = 1
	f.done.Runs = append(f.done.Runs, run)
	return nil
}

// The kinds of staged runs.
const (
	rowsRun  = "rows"
	indexRun = "index"
)

func (r RunRange) name(staging string, number int, kind string) string {
	return fmt.Sprintf("%sp%04d-%s-%05d.%s", staging, r.Part, r.Attempt, number, kind)
}

// runNames lists the runs of a kind.
func runNames(staging string, ranges []RunRange, kind string) []string {
	var names []string
	for _, r := range ranges {
		for i := range r.Count {
			names = append(names, r.name(staging, i, kind))
		}
	}
	return names
}

// countingReader counts what is read from a telemetry object.
type countingReader struct {
	source io.Reader
	read   atomic.Int64
	told   func(read int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.told(c.read.Add(int64(n)))
	return n, err
}
