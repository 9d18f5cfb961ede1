package telemetry

import "data-exhaust/exhaust"

// RowReader reads the row out of an event. It keeps its buffers from event to event and is not for concurrent use: each
// goroutine has its own.
type RowReader struct {
	walk     walker
	fields   rowFields
	instants instants
	text     []byte // the cells of one row, one behind the other
}

// rowFields is what an event says for its row: the source of each value, nil where it is missing. Where a key stands
// twice in an object the last one counts, wholly: each of the read methods starts from nothing.
type rowFields struct {
	mid, timestamp, ets []byte
	context             rowContext
	edata               rowData
}

type rowContext struct {
	did, sid []byte
	rollup   rowRollup
}

type rowRollup struct{ l3, l4, l5 []byte }

type rowData struct {
	duration, score, resvalues []byte
	item                       rowItem
}

type rowItem struct{ id, kind, title, desc, maxscore, params []byte }

// Read fills row from line, which is an event's own bytes as Event.Line has them. The row's cells share one block of
// memory, and may be kept.
func (r *RowReader) Read(line []byte, row *exhaust.ResponseRow) {
	r.walk.line, r.walk.at = line, 0
	r.fields.read(&r.walk)
	e, context, item := &r.fields, &r.fields.context, &r.fields.edata.item
	session := context.sid
	if isNull(session) || isEmptyString(session) {
		session = context.rollup.l5
	}
	cells := [...]struct {
		index  int // of ResponseColumns
		column *string
		append func(dst, value []byte) (cell []byte, isText bool)
		value  []byte
	}{
		{0, &row.MessageID, appendTextCell, e.mid},
		{3, &row.DeviceID, appendTextCell, context.did},
		{4, &row.SessionID, appendTextCell, session},
		{5, &row.QuestionID, appendTextCell, item.id},
		{6, &row.Type, appendTextCell, item.kind},
		{7, &row.Title, appendTextCell, item.title},
		{8, &row.Description, appendTextCell, item.desc},
		{9, &row.Duration, appendDuration, e.edata.duration},
		{10, &row.Score, appendTextCell, e.edata.score},
		{11, &row.MaxScore, appendTextCell, item.maxscore},
		{12, &row.Options, appendJSONCell, item.params},
		{13, &row.Response, appendJSONCell, e.edata.resvalues},
		{14, &row.XPath, appendTextCell, context.rollup.l3},
		{15, &row.Eof, appendTextCell, context.rollup.l4},
	}
	const timestamp = 16
	row.Texts = exhaust.RegistryTexts
	var ends [len(cells)]int
	r.text = r.text[:0]
	for i := range cells {
		var isText bool
		r.text, isText = cells[i].append(r.text, cells[i].value)
		ends[i] = len(r.text)
		if isText {
			row.Texts |= 1 << cells[i].index
		}
	}
	var isText bool
	if r.text, isText = r.appendTimestamp(r.text); isText {
		row.Texts |= 1 << timestamp
	}
	text, start := string(r.text), 0
	for i, end := range ends {
		*cells[i].column = text[start:end]
		start = end
	}
	row.Timestamp = text[start:]
	r.release()
}

// appendTextCell appends the cell of a value, and tells whether it is text.
func appendTextCell(dst, value []byte) (cell []byte, isText bool) {
	return appendCell(dst, value), isString(value)
}

func appendJSONCell(dst, value []byte) (cell []byte, isText bool) {
	return appendJSON(dst, value), false
}

// appendTimestamp appends @timestamp, else ets.
func (r *RowReader) appendTimestamp(dst []byte) (cell []byte, isText bool) {
	timestamp := r.fields.timestamp
	if isNull(timestamp) || isEmptyString(timestamp) {
		return r.instants.appendUTC(dst, r.fields.ets), false
	}
	return appendTextCell(dst, timestamp)
}

func isEmptyString(value []byte) bool { return string(value) == `""` }

// release drops the line, and the buffers that a large event made larger.
func (r *RowReader) release() {
	r.fields = rowFields{}
	r.walk.release()
	r.instants.release()
	if cap(r.text) > lineBuffer {
		r.text = nil
	}
}

func (e *rowFields) read(w *walker) {
	*e = rowFields{}
	for key := range w.fields {
		switch string(key) {
		case "mid":
			e.mid = w.readValue()
		case "@timestamp":
			e.timestamp = w.readValue()
		case "ets":
			e.ets = w.readValue()
		case "context":
			e.context.read(w)
		case "edata":
			e.edata.read(w)
		}
	}
}

func (c *rowContext) read(w *walker) {
	*c = rowContext{}
	for key := range w.fields {
		switch string(key) {
		case "did":
			c.did = w.readValue()
		case "sid":
			c.sid = w.readValue()
		case "rollup":
			c.rollup.read(w)
		}
	}
}

func (r *rowRollup) read(w *walker) {
	*r = rowRollup{}
	for key := range w.fields {
		switch string(key) {
		case "l3":
			r.l3 = w.readValue()
		case "l4":
			r.l4 = w.readValue()
		case "l5":
			r.l5 = w.readValue()
		}
	}
}

func (e *rowData) read(w *walker) {
	*e = rowData{}
	for key := range w.fields {
		switch string(key) {
		case "item":
			e.item.read(w)
		case "duration":
			e.duration = w.readValue()
		case "score":
			e.score = w.readValue()
		case "resvalues":
			e.resvalues = w.readValue()
		}
	}
}

func (i *rowItem) read(w *walker) {
	*i = rowItem{}
	for key := range w.fields {
		switch string(key) {
		case "id":
			i.id = w.readValue()
		case "type":
			i.kind = w.readValue()
		case "title":
			i.title = w.readValue()
		case "desc":
			i.desc = w.readValue()
		case "maxscore":
			i.maxscore = w.readValue()
		case "params":
			i.params = w.readValue()
		}
	}
}
