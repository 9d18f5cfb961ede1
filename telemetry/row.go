package telemetry

import (
	"bytes"
	"unicode/utf8"

	"data-exhaust/exhaust"
)

// RowReader reads the row out of an event. It keeps its buffers from event to event and is not for concurrent use: each
// goroutine has its own.
type RowReader struct {
	shapes   shapes
	padded   []byte // the line, where nothing can be read behind it
	walk     walker
	fields   rowFields
	items    itemCache[itemCells]
	instants instants
	minute   minute
	text     []byte // the cells of one row that are not parts of its line, one behind the other
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
	// known is the item if an earlier event had the same; else it is read.
	known      *knownItem[itemCells]
	item       rowItem
	itemSource []byte
}

type rowItem struct{ id, kind, title, desc, maxscore, params []byte }

// Read fills row from line, which is an event's own bytes as Event.Line has them, but for the cells that the registry
// gives. The cells are parts of line or of the reader's memory, valid until either changes. It is faster where line's
// capacity reaches 64 bytes, of any content, beyond its end: then it need not be copied.
func (r *RowReader) Read(line []byte, row *exhaust.ResponseRow) {
	r.release()
	r.walk.line, r.walk.at = line, 0
	if t := r.template(line); t != nil {
		r.fields.readTemplate(t, r.walk.line, &r.shapes.tokens, &r.items)
	} else {
		r.fields.read(&r.walk, &r.items)
	}
	e, context := &r.fields, &r.fields.context
	session := context.sid
	if isNull(session) || isEmptyString(session) {
		session = context.rollup.l5
	}
	row.Texts = exhaust.RegistryTexts
	r.readText(row, exhaust.MessageIDColumn, e.mid)
	r.readText(row, exhaust.DeviceIDColumn, context.did)
	r.readText(row, exhaust.SessionIDColumn, session)
	r.readDuration(row, e.edata.duration)
	r.readText(row, exhaust.ScoreColumn, e.edata.score)
	r.readItem(row, &e.edata)
	r.readJSON(row, exhaust.ResponseColumn, e.edata.resvalues)
	r.readText(row, exhaust.XPathColumn, context.rollup.l3)
	r.readText(row, exhaust.EofColumn, context.rollup.l4)
	if isNull(e.timestamp) || isEmptyString(e.timestamp) {
		row.Cells[exhaust.TimestampColumn] = r.keep(r.instants.appendUTC(r.text, e.ets))
	} else {
		r.readText(row, exhaust.TimestampColumn, e.timestamp)
	}
}

// Milliseconds is the instant of the row that was read last, by which contract section 3 orders events, in whole
// milliseconds since the epoch, the last one before it. ok is false where none can be read, or it is outside of the years 0
// to 9999.
func (r *RowReader) Milliseconds() (ms int64, ok bool) {
	for _, value := range [...][]byte{r.fields.timestamp, r.fields.ets} {
		if ms, ok := r.minute.read(value); ok {
			return ms, true
		}
		if d, isInstant := r.instants.read(value); isInstant {
			ms, ok := d.milliseconds()
			if ok {
				r.minute.keep(value, ms)
			}
			return ms, ok
		}
	}
	return 0, false
}

// template gives the line's template, nil if it has none.
func (r *RowReader) template(line []byte) *template {
	if len(line) > maxTokenized {
		return nil
	}
	if cap(line)-len(line) < padding {
		r.padded = append(append(r.padded[:0], line...), make([]byte, padding)...)
		line = r.padded[:len(line)]
	}
	r.walk.line = line
	padded := paddedLine{bytes: line[:len(line)+padding], size: len(line)}
	if !r.shapes.find(padded) {
		return nil
	}
	if r.shapes.current == nil {
		r.shapes.add(padded) // an event's own bytes are JSON
	}
	return r.shapes.template(padded.bytes)
}

// readItem reads the cells of edata.item, or takes those that an earlier event with the same item had.
func (r *RowReader) readItem(row *exhaust.ResponseRow, edata *rowData) {
	if edata.known != nil {
		edata.known.value.fill(row)
		return
	}
	item := &edata.item
	r.readText(row, exhaust.QuestionIDColumn, item.id)
	r.readText(row, exhaust.TypeColumn, item.kind)
	r.readText(row, exhaust.TitleColumn, item.title)
	r.readText(row, exhaust.DescriptionColumn, item.desc)
	r.readText(row, exhaust.MaxScoreColumn, item.maxscore)
	r.readJSON(row, exhaust.OptionsColumn, item.params)
	if cells := r.items.add(edata.itemSource); cells != nil {
		cells.keep(row)
	}
}

// readText reads a cell that is text, if value is a string.
func (r *RowReader) readText(row *exhaust.ResponseRow, column int, value []byte) {
	if !isString(value) {
		if isPlainInteger(value) {
			row.Cells[column] = value
			return
		}
		row.Cells[column] = r.keep(appendCell(r.text, value))
		return
	}
	row.Texts |= 1 << column
	text := value[1 : len(value)-1]
	if !standsForItself(text) {
		text = r.keep(appendText(r.text, text))
	}
	row.Cells[column] = text
}

func (r *RowReader) readDuration(row *exhaust.ResponseRow, value []byte) {
	if isPlainInteger(value) {
		row.Cells[exhaust.DurationColumn] = value
		return
	}
	text, isText := appendDuration(r.text, value)
	row.Cells[exhaust.DurationColumn] = r.keep(text)
	if isText {
		row.Texts |= 1 << exhaust.DurationColumn
	}
}

func (r *RowReader) readJSON(row *exhaust.ResponseRow, column int, value []byte) {
	row.Cells[column] = r.keep(appendJSON(r.text, value))
}

// keep gives what was appended to r.text, which from now on is part of it.
func (r *RowReader) keep(text []byte) (appended []byte) {
	appended = text[len(r.text):len(text):len(text)]
	r.text = text
	return appended
}

// standsForItself tells whether the bytes between the quotes of a string are its text.
func standsForItself(text []byte) bool {
	return skipASCII(text, 0) == len(text) || bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text)
}

func isEmptyString(value []byte) bool { return string(value) == `""` }

// release empties the buffers, and drops those that a large event made larger.
func (r *RowReader) release() {
	r.walk.release()
	r.instants.release()
	r.text = r.text[:0]
	if cap(r.text) > keptBuffer {
		r.text = nil
	}
}

// readTemplate does what read does.
func (e *rowFields) readTemplate(p *template, b []byte, t *tokens, items *itemCache[itemCells]) {
	source := func(f field) []byte { return p.source(f, b, t) }
	*e = rowFields{
		mid: source(fieldMID), timestamp: source(fieldTimestamp), ets: source(fieldETS),
		context: rowContext{
			did: source(fieldDevice), sid: source(fieldSession),
			rollup: rowRollup{l3: source(fieldL3), l4: source(fieldL4), l5: source(fieldL5)},
		},
		edata: rowData{
			duration: source(fieldDuration), score: source(fieldScore), resvalues: source(fieldResponse), itemSource: source(fieldItem),
		},
	}
	if e.edata.known = items.find(e.edata.itemSource); e.edata.known == nil {
		e.edata.item = rowItem{
			id: source(fieldItemID), kind: source(fieldItemType), title: source(fieldItemTitle), desc: source(fieldItemDescription),
			maxscore: source(fieldItemMaxScore), params: source(fieldItemParams),
		}
	}
}

func (e *rowFields) read(w *walker, items *itemCache[itemCells]) {
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
			e.edata.read(w, items)
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

func (e *rowData) read(w *walker, items *itemCache[itemCells]) {
	*e = rowData{}
	for key := range w.fields {
		switch string(key) {
		case "item":
			start := skipSeparator(w.line, w.at)
			if e.known = items.find(w.line[start:]); e.known != nil {
				w.at = start + len(e.known.source)
				continue
			}
			e.item.read(w)
			e.itemSource = w.line[start:w.at]
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

// itemCells are the cells of an edata.item, which own their memory.
type itemCells struct {
	memory []byte
	cells  [len(itemColumns)][]byte
	texts  exhaust.ColumnSet
}

var itemColumns = [...]int{
	exhaust.QuestionIDColumn, exhaust.TypeColumn, exhaust.TitleColumn, exhaust.DescriptionColumn, exhaust.MaxScoreColumn, exhaust.OptionsColumn,
}

// keep copies the item's cells from row.
func (i *itemCells) keep(row *exhaust.ResponseRow) {
	i.memory, i.texts = i.memory[:0], 0
	for _, column := range itemColumns {
		i.memory = append(i.memory, row.Cells[column]...)
		i.texts |= row.Texts & (1 << column)
	}
	start := 0
	for n, column := range itemColumns {
		end := start + len(row.Cells[column])
		i.cells[n] = i.memory[start:end:end]
		start = end
	}
}

func (i *itemCells) fill(row *exhaust.ResponseRow) {
	for n, column := range itemColumns {
		row.Cells[column] = i.cells[n]
	}
	row.Texts |= i.texts
}
