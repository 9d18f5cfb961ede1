package activities

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"

	"data-exhaust/activities/segments"
	"data-exhaust/telemetry"
)

// Deduplication: events of one identity (mid, device in any letter case, ets, edata) are one event, and the first of them
// in output order is kept (contract section 3). The invariant: in the merge of events and repeats the repeats of a key
// come right before its events, and an event is kept if and only if no repeat of its key has its identity and no event
// before it is equal to it in key and edata.
//
//   - FetchTelemetry stages of each event a record (identity, key) in an index, beside the event itself.
//   - JoinDevices merges the index. The first record of an identity is of the event that is kept; of each later one whose
//     key differs (it was received later, or spells its device in other letters) it stages a repeat.
//   - BuildCSV merges events and repeats together. It holds 16 bytes for each repeat of one key. Few events share a key,
//     and only those are brought into the order of their edata: in memory, or where they are many once more by segments.

func appendIndex(record []byte, event *telemetry.Event) []byte {
	return appendKey(append(record, event.Identity[:]...), event)
}

// A private exhaust keeps no event and drops none, so its index has of each event a record (identity, device) only.

func appendDeviceIndex(record []byte, event *telemetry.Event) []byte {
	id, isUUID := keyOfDevice(event.DeviceID)
	record = append(record, event.Identity[:]...)
	if isUUID {
		return append(append(record, uuidDevice), id[:]...)
	}
	return append(append(record, otherDevice), id[:]...)
}

const uuidDevice, otherDevice = 1, 2

// countRepeats merges the index of a private exhaust, and adds the device of each event to devices.
func countRepeats(ctx context.Context, store segments.Store, staging, attempt string, index []SegmentRange, devices *deviceSet) (found indexed, err error) {
	var identity []byte
	err = mergeIndex(ctx, store, staging, attempt, index, func(record []byte) error {
		if len(record) != identitySize+1+len(uuid.UUID{}) {
			return errDamaged
		}
		found.events++
		// A repeat can spell its device in other letters, which make another one of an id that is no uuid.
		devices.addKey(uuid.UUID(record[identitySize+1:]), record[identitySize] == uuidDevice)
		if found.events > 1 && bytes.Equal(record[:identitySize], identity) {
			found.repeats++
			return nil
		}
		identity = append(identity[:0], record[:identitySize]...)
		return nil
	})
	return found, err
}

const identitySize = len(telemetry.Identity{})

// indexed counts what the index holds.
type indexed struct {
	events, repeats int64
	// repeatSegments counts the segments of repeats that were staged.
	repeatSegments int
}

// findRepeats merges the index, calls each with the device of each event, and stages the repeats.
func findRepeats(ctx context.Context, store segments.Store, staging, attempt string, index []SegmentRange, each func(device []byte)) (found indexed, err error) {
	var (
		event         telemetry.Event
		identity, key []byte // of the event that is kept
		repeats       segments.Buffer
		repeat        []byte
		isFirst       = true
		flush         = func() error {
			if repeats.Len() == 0 {
				return nil
			}
			defer repeats.Reset()
			found.repeatSegments++
			return repeats.Store(ctx, store, repeatsName(staging, attempt, found.repeatSegments-1))
		}
	)
	err = mergeIndex(ctx, store, staging, attempt, index, func(record []byte) error {
		if len(record) < identitySize {
			return errDamaged
		}
		if _, err := readKey(record[identitySize:], &event); err != nil {
			return err
		}
		found.events++
		each(event.DeviceID)
		if isFirst || !bytes.Equal(record[:identitySize], identity) {
			isFirst = false
			identity, key = append(identity[:0], record[:identitySize]...), append(key[:0], record[identitySize:]...)
			return nil
		}
		found.repeats++
		if bytes.Equal(record[identitySize:], key) {
			return nil // it comes right behind the event that is kept
		}
		repeat = appendRepeat(repeat[:0], record[identitySize:], telemetry.Identity(identity))
		repeats.Add(repeat)
		if repeats.Size() < bufferBytes {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return found, err
}

// mergeIndex calls each with the records of the index, while the next ones are merged.
func mergeIndex(ctx context.Context, store segments.Store, staging, attempt string, index []SegmentRange, each func(record []byte) error) error {
	merge := func(ctx context.Context, each func(record []byte) error) error {
		return segments.Merge(ctx, store, segmentNames(staging, index, indexKind), scratchName(staging, indexKind, attempt), each)
	}
	return mergeAhead(ctx, merge, each)
}

func repeatsName(staging, attempt string, segment int) string {
	return fmt.Sprintf("%srepeats.3-%s-%05d", staging, attempt, segment)
}

// mergeEvents calls each with the bytes of the events that are kept, in output order, and counts the others.
func mergeEvents(ctx context.Context, store segments.Store, staging string, events []SegmentRange, joined *Joined, each func(line []byte) error) (repeats int64, err error) {
	names := segmentNames(staging, events, eventsKind)
	for i := range joined.RepeatSegments {
		names = append(names, repeatsName(staging, joined.Attempt, i))
	}
	attempt := newAttempt()
	d := &deduper{each: each, dropped: map[telemetry.Identity]struct{}{}, tied: tied{
		events: segments.Sorter{Store: store, Scratch: scratchName(staging, tiedKind, attempt), Memory: tiedBytes},
	}}
	err = segments.Merge(ctx, store, names, scratchName(staging, keptKind, attempt), func(record []byte) error { return d.add(ctx, record) })
	if err == nil {
		err = d.endKey(ctx)
	}
	return d.repeats, err
}

// deduper gets events and repeats in the order of their records, and calls each with the lines that are kept.
type deduper struct {
	each    func(line []byte) error
	repeats int64
	// The key of the last record, and the line of its last event if it has one yet.
	last    []byte
	lastKey int // where the line begins in last
	hasLine bool
	// dropped are the identities of the key's repeats, tied its events before the last one.
	dropped map[telemetry.Identity]struct{}
	tied    tied
}

func (d *deduper) add(ctx context.Context, record []byte) error {
	key, rest, err := splitKey(record)
	if err != nil {
		return err
	}
	if !bytes.Equal(key, d.last[:d.lastKey]) {
		if err := d.endKey(ctx); err != nil {
			return err
		}
		d.last, d.lastKey = append(d.last[:0], key...), len(key)
	}
	if identity, ok := asRepeat(rest); ok {
		d.dropped[identity] = struct{}{}
		return nil
	}
	if d.hasLine {
		if bytes.Equal(rest, d.last[d.lastKey:]) {
			d.repeats++ // of an event that was delivered twice, as it is
			return nil
		}
		if err := d.tied.add(ctx, d.last[d.lastKey:]); err != nil {
			return err
		}
	}
	d.last, d.hasLine = append(d.last[:d.lastKey], rest...), true
	return nil
}

// endKey keeps the events of the last key.
func (d *deduper) endKey(ctx context.Context) error {
	line := d.last[d.lastKey:]
	switch {
	case !d.hasLine:
	case d.tied.isEmpty() && len(d.dropped) > 0:
		d.repeats++ // every repeat is of an event of its key, and there is no other one
	case d.tied.isEmpty():
		if err := d.each(line); err != nil {
			return err
		}
	default:
		if err := d.tied.add(ctx, line); err != nil {
			return err
		}
		if err := d.keepTied(ctx); err != nil {
			return err
		}
	}
	d.hasLine = false
	clear(d.dropped)
	return nil
}

func (d *deduper) keepTied(ctx context.Context) error {
	var before []byte // the edata of the event before
	isFirst := true
	var event telemetry.Event
	if _, err := readKey(d.last[:d.lastKey], &event); err != nil {
		return err
	}
	return d.tied.each(ctx, func(edata, line []byte) error {
		isRepeat := !isFirst && bytes.Equal(edata, before)
		isFirst, before = false, append(before[:0], edata...)
		if !isRepeat && len(d.dropped) > 0 {
			event.Line = line
			_, isRepeat = d.dropped[d.tied.reader.Identify(&event)]
		}
		if isRepeat {
			d.repeats++
			return nil
		}
		return d.each(line)
	})
}

// tied brings the events of one key into the order of edata in canonical form and of their bytes.
type tied struct {
	reader telemetry.EDataReader
	events segments.Sorter
	edata  []byte
	record []byte
}

// tiedBytes is how much of events of one key is held in memory.
const tiedBytes = 2 << 20

func (t *tied) isEmpty() bool { return t.events.IsEmpty() }

func (t *tied) add(ctx context.Context, line []byte) error {
	t.edata = t.reader.AppendCanonical(t.edata[:0], line)
	t.record = append(segments.AppendText(t.record[:0], t.edata), line...)
	err := t.events.Add(ctx, t.record)
	if cap(t.record) > tiedBytes {
		t.edata, t.record = nil, nil
	}
	return err
}

// each calls do with the events, and forgets them.
func (t *tied) each(ctx context.Context, do func(edata, line []byte) error) error {
	return t.events.Each(ctx, func(record []byte) error {
		edata, line, err := segments.Text(record)
		if err != nil {
			return err
		}
		return do(edata, line)
	})
}
