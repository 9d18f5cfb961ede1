package activities

import (
	"bytes"
	"context"
	"fmt"

	"data-exhaust/activities/segments"
	"data-exhaust/telemetry"
)

// Deduplication: events of one mid are one event, and the first of them in output order is kept (contract section 3).
// The invariant: in the merge of rows and repeats, a repeat comes right before the rows of its key, and a row is kept if
// and only if it has no mid or the record before it has another key.
//
//   - FetchTelemetry stages of each event a record (mid, time, device) in an index, beside the row (time, mid, …).
//   - JoinDevices merges the index. The first record of a mid is of the event that is kept; of each later one whose time
//     differs it stages a repeat, which is the key (time, mid) of rows to drop and nothing else.
//   - BuildCSV merges rows and repeats together.

func appendIndex(record []byte, event *telemetry.Event) []byte {
	record = segments.AppendText(record, event.MessageID)
	record = segments.AppendTime(record, event.Time)
	return segments.AppendText(record, event.DeviceID)
}

// indexReader reads one record of the index after another with the same memory.
type indexReader struct {
	time        int64
	mid, device []byte
}

func (r *indexReader) read(record []byte) (err error) {
	if r.mid, record, err = segments.Text(record, r.mid[:0]); err != nil {
		return err
	}
	if r.time, record, err = segments.Time(record); err != nil {
		return err
	}
	r.device, _, err = segments.Text(record, r.device[:0])
	return err
}

// findRepeats merges the index, calls keep with the device of each event that is kept, and stages the repeats. It
// returns how many segments they are.
func findRepeats(ctx context.Context, store segments.Store, staging string, index []SegmentRange, keep func(device []byte)) (int, error) {
	var (
		event    indexReader
		keptMid  []byte
		keptTime int64
		repeats  segments.Buffer
		repeat   []byte
		stored   int
	)
	flush := func() error {
		if repeats.Len() == 0 {
			return nil
		}
		defer repeats.Reset()
		stored++
		return repeats.Store(ctx, store, repeatsName(staging, stored-1))
	}
	err := segments.Merge(ctx, store, segmentNames(staging, index, indexKind), scratchName(staging, indexKind), func(record []byte) error {
		if err := event.read(record); err != nil {
			return err
		}
		if len(event.mid) == 0 || !bytes.Equal(event.mid, keptMid) {
			keptMid, keptTime = append(keptMid[:0], event.mid...), event.time
			keep(event.device)
			return nil
		}
		if event.time == keptTime {
			return nil // its row has the key of the row that is kept
		}
		repeat = appendRowKey(repeat[:0], event.time, string(event.mid))
		repeats.Add(repeat)
		if repeats.Size() < bufferBytes {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return stored, err
}

func repeatsName(staging string, segment int) string {
	return fmt.Sprintf("%srepeats-%05d", staging, segment)
}

// mergeRows calls each with the rows that are kept, in output order.
func mergeRows(ctx context.Context, store segments.Store, staging string, rows []SegmentRange, repeatSegments int, each func(*rowReader) error) error {
	names := segmentNames(staging, rows, rowsKind)
	for i := range repeatSegments {
		names = append(names, repeatsName(staging, i))
	}
	var (
		row     rowReader
		lastKey []byte
	)
	return segments.Merge(ctx, store, names, scratchName(staging, keptKind), func(record []byte) error {
		key, err := row.readKey(record)
		if err != nil {
			return err
		}
		isRepeat := len(row.rest) == 0
		isKept := !isRepeat && (len(row.mid) == 0 || !bytes.Equal(key, lastKey))
		lastKey = append(lastKey[:0], key...)
		if !isKept {
			return nil
		}
		if err := row.readRow(); err != nil {
			return err
		}
		return each(&row)
	})
}
