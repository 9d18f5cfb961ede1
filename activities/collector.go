package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

const (
	// bufferBytes is how much of matched events a collector holds before it stages a segment, sharedBufferBytes how much
	// each does while several cores read a part.
	bufferBytes       = 8 << 20
	sharedBufferBytes = 6 << 20
	// spareBytes is how much a collector may hold while no core works with it.
	spareBytes = 1 << 20
)

// collector scans objects, one after the other, and gathers the conversation's events. It is for one goroutine at a time.
type collector struct {
	fetch   *fetch
	scanner *telemetry.Scanner
	events  segments.Buffer
	index   segments.Buffer
	record  []byte
}

func newCollector(f *fetch) *collector {
	return &collector{fetch: f, scanner: telemetry.NewScanner(f.filter)}
}

// scan reads one object to its end. What it finds to be wrong with it is for the verdict to judge.
func (c *collector) scan(ctx context.Context, object blob.Object, index int, source io.Reader) (objectRead, verdict) {
	counter := &countingReader{source: source, beats: c.fetch.beats}
	var notKept error
	counts, err := c.scanner.Scan(ctx, object.Name, counter, func(event *telemetry.Event) error {
		notKept = c.keep(ctx, event)
		return notKept
	})
	if notKept != nil {
		return objectRead{}, endingWith(notKept) // the object is not to blame
	}
	switch corrupt := (*telemetry.CorruptError)(nil); {
	case errors.As(err, &corrupt):
		return objectRead{}, func(ctx context.Context) error { return c.fetch.damaged(ctx, index, object, corrupt.Problem) }
	case errors.Is(err, blob.ErrChanged):
		return objectRead{}, func(ctx context.Context) error { return c.fetch.changed(ctx, index, object) }
	case err != nil:
		return objectRead{}, endingWith(cannotBeRead(object, err))
	}
	c.fetch.beats.update(func(h *Heartbeat) {
		h.EventsMatched += counts.Matched
		h.LinesSkipped += counts.Skipped
	})
	return objectRead{
		name: object.Name, etag: object.ETag, bytes: counter.read, lines: counts.Lines, skipped: counts.Skipped, matched: counts.Matched,
	}, nil
}

func cannotBeRead(object blob.Object, err error) error {
	return failedOf(telemetryStore, err, fmt.Sprintf("telemetry object %q cannot be read", object.Name))
}

func (c *collector) keep(ctx context.Context, event *telemetry.Event) error {
	if c.fetch.in.Dataset == exhaust.ResponseExhaust {
		c.record = addEvent(&c.events, c.record, event)
		c.record = appendIndex(c.record[:0], event)
	} else {
		c.record = appendDeviceIndex(c.record[:0], event)
	}
	c.index.Add(c.record)
	if c.size() < c.fetch.bufferLimit() {
		return nil
	}
	return c.stage(ctx)
}

func (c *collector) size() int { return c.events.Size() + c.index.Size() }

// stage stores what is buffered. The names are this attempt's own, so an attempt that was given up for dead cannot
// disturb it.
func (c *collector) stage(ctx context.Context) error {
	if c.index.Len() == 0 {
		return nil
	}
	f := c.fetch
	number := int(f.stages.Add(1)) - 1
	// A folder waits for the disk, another store for the network, so both are stored at a time.
	var storing sync.WaitGroup
	var indexError error
	var panicked any
	storing.Go(func() {
		panicked = guard(ctx, func() {
			indexError = c.index.Store(ctx, f.store, f.segments(1).name(f.in.Staging, number, indexKind))
		})
	})
	var err error
	if f.in.Dataset == exhaust.ResponseExhaust {
		err = c.events.Store(ctx, f.store, f.segments(1).name(f.in.Staging, number, eventsKind))
	}
	storing.Wait()
	if panicked != nil {
		panic(panicked)
	}
	if err := cmp.Or(err, indexError); err != nil {
		return err
	}
	c.events.Reset()
	c.index.Reset()
	return nil
}

// takeOver moves what another collector holds into this one, so that few events make few segments however many cores
// have found them; what is too much for that the other one stages.
func (c *collector) takeOver(ctx context.Context, other *collector) error {
	if c.size()+other.size() > bufferBytes {
		return other.stage(ctx)
	}
	c.events.Append(&other.events)
	c.index.Append(&other.index)
	return nil
}

// shrink leaves little in memory of a collector that nobody works with.
func (c *collector) shrink(ctx context.Context) error {
	if c.size() <= spareBytes {
		return nil
	}
	return c.stage(ctx)
}

// countingReader counts what is read from a telemetry object, also for the heartbeats.
type countingReader struct {
	source io.Reader
	read   int64
	beats  *heartbeater
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.read += int64(n)
	c.beats.update(func(h *Heartbeat) { h.BytesRead += int64(n) })
	return n, err
}
