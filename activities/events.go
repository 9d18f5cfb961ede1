package activities

import (
	"bytes"

	"data-exhaust/activities/segments"
	"data-exhaust/telemetry"
)

// An event is staged as time, mid, device, ets, edata and its own bytes, in this order, which is the output order of
// contract section 3: comparing the records byte by byte compares the events. The first four are the event's key.

func appendEvent(record []byte, event *telemetry.Event) []byte {
	record = appendKey(record, event)
	record = segments.AppendText(record, event.EData)
	return append(record, event.Line...)
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

// readEvent reads what follows an event's key.
func readEvent(rest []byte, event *telemetry.Event) (err error) {
	event.EData, event.Line, err = segments.Text(rest)
	return err
}

// A repeat is staged as the key of the event and the event's identity. It sorts right before the events of its key: no
// text begins with the mark, for a zero byte is followed by 0x01 where a text ends and by 0xff within one.
var repeatMark = []byte{0, 0}

func appendRepeat(record, key []byte, identity telemetry.Identity) []byte {
	record = append(record, key...)
	record = append(record, repeatMark...)
	return append(record, identity[:]...)
}

// asRepeat gives the identity that follows the key of a repeat.
func asRepeat(rest []byte) (identity telemetry.Identity, isRepeat bool) {
	rest, isRepeat = bytes.CutPrefix(rest, repeatMark)
	if !isRepeat || len(rest) != len(identity) {
		return identity, false
	}
	return telemetry.Identity(rest), true
}
