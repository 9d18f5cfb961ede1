package activities

import (
	"data-exhaust/activities/runs"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// Two kinds of records are staged of an event, and one of an event that is dropped. Output order is time, then mid (contract section 3);
// device and cells settle what remains, so that the same input gives the same bytes.
//
//	rows:  time, mid, device, the other cells
//	index: mid, time, device
//	repeats: time, mid: how the row begins that is dropped
//
// The first record of a mid in the index is the one of its events that is kept.

func appendRow(record []byte, event *telemetry.Event) []byte {
	record = runs.AppendTime(record, event.Time)
	record = runs.AppendText(record, event.MessageID)
	record = runs.AppendText(record, event.DeviceID)
	for _, cell := range cells(&event.Row) {
		record = runs.AppendCell(record, *cell)
	}
	return record
}

func appendIndex(record []byte, event *telemetry.Event) []byte {
	record = runs.AppendText(record, event.MessageID)
	record = runs.AppendTime(record, event.Time)
	return runs.AppendText(record, event.DeviceID)
}

// appendRepeat begins as appendRow does.
func appendRepeat(record []byte, at int64, mid []byte) []byte {
	return runs.AppendText(runs.AppendTime(record, at), string(mid))
}

// cells are those of a row that no key holds.
func cells(row *exhaust.ResponseRow) [13]*string {
	return [13]*string{
		&row.SessionID, &row.QuestionID, &row.Type, &row.Title, &row.Description,
		&row.Duration, &row.Score, &row.MaxScore, &row.Options, &row.Response,
		&row.XPath, &row.Eof, &row.Timestamp,
	}
}

// rowReader reads records of rows, one after another, with the same memory.
type rowReader struct {
	time        int64
	mid, device []byte
	row         exhaust.ResponseRow
}

func (r *rowReader) read(record []byte) (err error) {
	if r.time, record, err = runs.Time(record); err != nil {
		return err
	}
	if r.mid, record, err = runs.Text(record, r.mid[:0]); err != nil {
		return err
	}
	if r.device, record, err = runs.Text(record, r.device[:0]); err != nil {
		return err
	}
	r.row.MessageID, r.row.DeviceID = string(r.mid), string(r.device)
	text := string(record) // one allocation for all cells
	for _, cell := range cells(&r.row) {
		if *cell, text, err = runs.Cell(text); err != nil {
			return err
		}
	}
	return nil
}

// indexReader reads records of the index.
type indexReader struct {
	time        int64
	mid, device []byte
}

func (r *indexReader) read(record []byte) (err error) {
	if r.mid, record, err = runs.Text(record, r.mid[:0]); err != nil {
		return err
	}
	if r.time, record, err = runs.Time(record); err != nil {
		return err
	}
	r.device, _, err = runs.Text(record, r.device[:0])
	return err
}
