package telemetry

import (
	"math"
)

// extractor takes an event out of a line of valid JSON. Its buffers serve one line after the other.
type extractor struct {
	walk  walker
	event eventFields
	text  []byte // the cells of one event, one behind the other
}

// eventFields is what an event says that matters here: the source of each value, nil where it is missing. Where a key
// stands twice in an object the last one counts, wholly: each of the read methods starts from nothing.
type eventFields struct {
	isAssess            bool
	mid, timestamp, ets []byte
	context             contextFields
	edata               edataFields
}

type contextFields struct {
	hasChannel, hasProducer, hasConversation bool
	did, sid                                 []byte
	rollup                                   rollupFields
}

type rollupFields struct{ l3, l4 []byte }

type edataFields struct {
	duration, score, resvalues []byte
	item                       itemFields
}

type itemFields struct{ id, kind, title, desc, maxscore, params []byte }

// extract fills event if the line's event belongs to f, and tells whether it does.
func (x *extractor) extract(line []byte, f *Filter, event *Event) bool {
	x.walk.line, x.walk.at = line, 0
	x.event.read(&x.walk, f)
	e, context, item := &x.event, &x.event.context, &x.event.edata.item
	if !e.isAssess || !context.hasChannel || !context.hasConversation || !context.hasProducer && f.PdataID != "" {
		return false
	}
	row := &event.Row
	cells := [...]struct {
		column *string
		append func(dst, value []byte) []byte
		value  []byte
	}{
		{&row.MessageID, appendCell, e.mid},
		{&row.DeviceID, appendCell, context.did},
		{&row.SessionID, appendCell, context.sid},
		{&row.QuestionID, appendCell, item.id},
		{&row.Type, appendCell, item.kind},
		{&row.Title, appendCell, item.title},
		{&row.Description, appendCell, item.desc},
		{&row.Duration, appendDuration, e.edata.duration},
		{&row.Score, appendCell, e.edata.score},
		{&row.MaxScore, appendCell, item.maxscore},
		{&row.Options, appendJSON, item.params},
		{&row.Response, appendJSON, e.edata.resvalues},
		{&row.XPath, appendCell, context.rollup.l3},
		{&row.Eof, appendCell, context.rollup.l4},
	}
	// All cells of an event take one allocation.
	var ends [len(cells)]int
	x.text = x.text[:0]
	for i := range cells {
		x.text = cells[i].append(x.text, cells[i].value)
		ends[i] = len(x.text)
	}
	x.text, event.Time = appendTimestamp(x.text, e.timestamp, e.ets)
	text, start := string(x.text), 0
	for i, end := range ends {
		*cells[i].column = text[start:end]
		start = end
	}
	row.Timestamp = text[start:]
	event.MessageID, event.DeviceID = row.MessageID, row.DeviceID
	return true
}

// appendTimestamp appends the timestamp's cell and gives the instant to order by. The cell shows a number in @timestamp,
// but nothing says in which unit that counts, so ets orders the event then, too.
func appendTimestamp(dst, timestamp, ets []byte) (text []byte, instant int64) {
	text = dst
	if isString(timestamp) || isNumber(timestamp) {
		text = appendCell(dst, timestamp)
	}
	if len(text) == len(dst) {
		return appendEpoch(dst, ets)
	}
	instant, ok := parseInstant(text[len(dst):])
	if !ok {
		_, instant = appendEpoch(text, ets)
	}
	return text, instant
}

// noTime is the time of an event whose time cannot be read.
const noTime = math.MinInt64

func (e *eventFields) read(w *walker, f *Filter) {
	*e = eventFields{}
	for key := range w.fields {
		switch string(key) {
		case "eid":
			e.isAssess = w.equals("ASSESS")
		case "mid":
			e.mid = w.readValue()
		case "@timestamp":
			e.timestamp = w.readValue()
		case "ets":
			e.ets = w.readValue()
		case "context":
			e.context.read(w, f)
		case "edata":
			e.edata.read(w)
		}
	}
}

func (c *contextFields) read(w *walker, f *Filter) {
	*c = contextFields{}
	for key := range w.fields {
		switch string(key) {
		case "channel":
			c.hasChannel = w.equals(f.Channel)
		case "pdata":
			c.hasProducer = readProducer(w, f.PdataID)
		case "cdata":
			c.hasConversation = readConversation(w, f.ConversationID)
		case "did":
			c.did = w.readValue()
		case "sid":
			c.sid = w.readValue()
		case "rollup":
			c.rollup.read(w)
		}
	}
}

// readProducer reads pdata and tells whether it is an object with the producer's id.
func readProducer(w *walker, producer string) (hasID bool) {
	for key := range w.fields {
		if string(key) == "id" {
			hasID = w.equals(producer)
		}
	}
	return hasID
}

// readConversation reads cdata and tells whether an entry of it is an object of type "Conversation" with the
// conversation's id.
func readConversation(w *walker, conversation string) (hasEntry bool) {
	if !w.enter('[') {
		return false
	}
	for w.more() {
		var hasID, hasType bool
		for key := range w.fields {
			switch string(key) {
			case "id":
				hasID = w.equals(conversation)
			case "type":
				hasType = w.equals("Conversation")
			}
		}
		hasEntry = hasEntry || hasID && hasType
	}
	return hasEntry
}

func (r *rollupFields) read(w *walker) {
	*r = rollupFields{}
	for key := range w.fields {
		switch string(key) {
		case "l3":
			r.l3 = w.readValue()
		case "l4":
			r.l4 = w.readValue()
		}
	}
}

func (e *edataFields) read(w *walker) {
	*e = edataFields{}
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

func (i *itemFields) read(w *walker) {
	*i = itemFields{}
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
