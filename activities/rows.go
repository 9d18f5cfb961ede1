package activities

import (
	"data-exhaust/activities/segments"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// A row is staged as time, mid, device and the other cells. Output order is time, then mid (contract section 3); device
// and cells decide what remains, so that the same input gives the same bytes. time and mid are the row's key.

func appendRow(record []byte, event *telemetry.Event) []byte {
	record = appendRowKey(record, event.Time, event.MessageID)
	record = segments.AppendText(record, event.DeviceID)
	for _, cell := range cells(&event.Row) {
		record = segments.AppendCell(record, *cell)
	}
	return record
}

func appendRowKey(record []byte, time int64, mid string) []byte {
	return segments.AppendText(segments.AppendTime(record, time), mid)
}

// cells are those of a row that no key holds.
func cells(row *exhaust.ResponseRow) [13]*string {
	return [13]*string{
		&row.SessionID, &row.QuestionID, &row.Type, &row.Title, &row.Description,
		&row.Duration, &row.Score, &row.MaxScore, &row.Options, &row.Response,
		&row.XPath, &row.Eof, &row.Timestamp,
	}
}

// rowReader reads one staged row after another with the same memory. It reads a row's key first, and the rest only of
// a row that is wanted.
type rowReader struct {
	mid, device []byte
	rest        []byte // of the record behind its key
	row         exhaust.ResponseRow
}

// readKey takes a record and returns its key.
func (r *rowReader) readKey(record []byte) (key []byte, err error) {
	if _, r.rest, err = segments.Time(record); err != nil {
		return nil, err
	}
	if r.mid, r.rest, err = segments.Text(r.rest, r.mid[:0]); err != nil {
		return nil, err
	}
	return record[:len(record)-len(r.rest)], nil
}

// readRow reads the row behind the key that was read last.
func (r *rowReader) readRow() (err error) {
	if r.device, r.rest, err = segments.Text(r.rest, r.device[:0]); err != nil {
		return err
	}
	r.row.MessageID, r.row.DeviceID = string(r.mid), string(r.device)
	text := string(r.rest) // one allocation for all cells
	for _, cell := range cells(&r.row) {
		if *cell, text, err = segments.Cell(text); err != nil {
			return err
		}
	}
	return nil
}
