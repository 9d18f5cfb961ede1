package activities

import (
	"bytes"
	"encoding/binary"

	"data-exhaust/activities/segments"
	"data-exhaust/telemetry"
)

// An event is staged as time, mid, device and ets, which are its key, its own bytes, and the length of the key. Comparing
// the records byte by byte brings keys into the output order of contract section 3; of events that share one, dedupe.go
// finds the order.

// addEvent adds the record of an event, which it makes in scratch as far as it is not the event's own bytes.
func addEvent(buffer *segments.Buffer, scratch []byte, event *telemetry.Event) []byte {
	key := appendKey(scratch[:0], event)
	scratch = appendKeyLength(key, len(key))
	buffer.AddParts(key, event.Line, scratch[len(key):])
	return scratch
}

const keyLengthSize = 4

func appendKeyLength(record []byte, keyLength int) []byte {
	return binary.BigEndian.AppendUint32(record, uint32(keyLength))
}

// splitKey splits the record of an event, or of a repeat.
func splitKey(record []byte) (key, rest []byte, err error) {
	end := len(record) - keyLengthSize
	if end < 0 {
		return nil, nil, errDamaged
	}
	keyLength := binary.BigEndian.Uint32(record[end:])
	if uint64(keyLength) > uint64(end) {
		return nil, nil, errDamaged
	}
	return record[:keyLength], record[keyLength:end], nil
}

func appendKey(record []byte, event *telemetry.Event) []byte {
	record = segments.AppendText(record, event.Time)
	record = segments.AppendText(record, event.MessageID)
	record = segments.AppendText(record, event.DeviceID)
	return segments.AppendText(record, event.ETS)
}

// readKey reads the key that begins a record, which event's fields become parts of, and gives the rest of the record.
func readKey(record []byte, event *telemetry.Event) (rest []byte, err error) {
	rest = record
	for _, text := range []*[]byte{&event.Time, &event.MessageID, &event.DeviceID, &event.ETS} {
		if *text, rest, err = segments.Text(rest); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// A repeat is staged as the key of the event, the event's identity, and the length of the key. It sorts right before the
// events of its key: no line begins with the mark, for a line begins with a brace.
var repeatMark = []byte{0, 0}

func appendRepeat(record, key []byte, identity telemetry.Identity) []byte {
	record = append(record, key...)
	record = append(record, repeatMark...)
	return appendKeyLength(append(record, identity[:]...), len(key))
}

// asRepeat gives the identity that follows the key of a repeat.
func asRepeat(rest []byte) (identity telemetry.Identity, isRepeat bool) {
	rest, isRepeat = bytes.CutPrefix(rest, repeatMark)
	if !isRepeat || len(rest) != len(identity) {
		return identity, false
	}
	return telemetry.Identity(rest), true
}
