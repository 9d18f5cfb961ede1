package activities

import (
	"bytes"
	"context"
	"fmt"

	"data-exhaust/activities/segments"
	"data-exhaust/telemetry"
)

// Deduplication: events of one identity (mid, device in any letter case, ets, edata) are one event, and the first of them
// in output order is kept (contract section 3). The invariant: in the merge of events and repeats the repeats of a key
// come right before its events, and an event is kept if and only if no repeat of its key has its identity and the event
// before it is not equal to it in key and edata.
//
//   - FetchTelemetry stages of each event a record (identity, key) in an index, beside the event itself.
//   - JoinDevices merges the index. The first record of an identity is of the event that is kept; of each later one whose
//     key differs (it was received later, or spells its device in other letters) it stages a repeat.
//   - BuildCSV merges events and repeats together. It holds 16 bytes for each repeat of one key.

func appendIndex(record []byte, event *telemetry.Event) []byte {
	identity := event.Identity()
	return appendKey(append(record, identity[:]...), event)
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
	err = segments.Merge(ctx, store, segmentNames(staging, index, indexKind), scratchName(staging, indexKind, attempt), func(record []byte) error {
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

func repeatsName(staging, attempt string, segment int) string {
	return fmt.Sprintf("%srepeats.2-%s-%05d", staging, attempt, segment)
}

// mergeEvents calls each with the bytes of the events that are kept, in output order, and counts the others.
func mergeEvents(ctx context.Context, store segments.Store, staging string, events []SegmentRange, joined *Joined, each func(line []byte) error) (repeats int64, err error) {
	names := segmentNames(staging, events, eventsKind)
	for i := range joined.RepeatSegments {
		names = append(names, repeatsName(staging, joined.Attempt, i))
	}
	var (
		event   telemetry.Event
		last    []byte // key and edata of the last event, or the key of the last repeat
		lastKey int    // the length of its key
		dropped = map[telemetry.Identity]struct{}{}
	)
	err = segments.Merge(ctx, store, names, scratchName(staging, keptKind, newAttempt()), func(record []byte) error {
		rest, err := readKey(record, &event)
		if err != nil {
			return err
		}
		key := record[:len(record)-len(rest)]
		isSameKey := bytes.Equal(key, last[:lastKey])
		if !isSameKey && len(dropped) > 0 {
			clear(dropped)
		}
		if identity, ok := asRepeat(rest); ok {
			last, lastKey = append(last[:0], key...), len(key)
			dropped[identity] = struct{}{}
			return nil
		}
		if err := readEvent(rest, &event); err != nil {
			return err
		}
		compared := record[:len(record)-len(event.Line)]
		isRepeat := isSameKey && bytes.Equal(compared, last)
		last, lastKey = append(last[:0], compared...), len(key)
		if !isRepeat && len(dropped) > 0 {
			_, isRepeat = dropped[event.Identity()]
		}
		if isRepeat {
			repeats++
			return nil
		}
		return each(event.Line)
	})
	return repeats, err
}
