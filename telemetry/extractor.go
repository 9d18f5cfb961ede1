package telemetry

import (
	"math"

	"data-exhaust/exhaust"
)

// extractor takes an event out of a line of valid JSON. Its buffers serve one line after the other.
type extractor struct {
	walk   walker
	fields eventFields
	text   []byte // the cells of one event, one behind the other
	ends   [cellCount]int
}

// eventFields is what an event says that matters here: the source of each value, nil where it is missing.
type eventFields struct {
	assess              bool
	mid, timestamp, ets []byte
	context             contextFields
	edata               edataFields
}

type contextFields struct {
	inChannel, inConversation, fromProducer bool
	did, sid                                []byte
	rollup                                  rollupFields
}

type rollupFields struct{ l3, l4 []byte }

type edataFields struct {
	duration, score, resvalues []byte
	item                       itemFields
}

type itemFields struct{ id, kind, title, desc, maxscore, params []byte }

// The cells of an event in the order in which they lie in extractor.text.
const (
	messageID = iota
	deviceID
	sessionID
	questionID
	questionType
	title
	description
	duration
	score
	maxScore
	options
	response
	xPath
	eof
	timestamp
	cellCount
)

// extract fills event if the line's event belongs to f, and says whether it does. Where a key stands twice in an
// object the last one counts, wholly: each of the functions below starts from nothing.
func (x *extractor) extract(line []byte, f *Filter, event *Event) bool {
	x.readEvent(line, f)
	e, context, item := &x.fields, &x.fields.context, &x.fields.edata.item
	if !e.assess || !context.inChannel || !context.inConversation || !context.fromProducer && f.PdataID != "" {
		return false
	}
	x.text = x.text[:0]
	x.put(messageID, appendCell(x.text, e.mid))
	x.put(deviceID, appendCell(x.text, context.did))
	x.put(sessionID, appendCell(x.text, context.sid))
	x.put(questionID, appendCell(x.text, item.id))
	x.put(questionType, appendCell(x.text, item.kind))
	x.put(title, appendCell(x.text, item.title))
	x.put(description, appendCell(x.text, item.desc))
	x.put(duration, appendDuration(x.text, e.edata.duration))
	x.put(score, appendCell(x.text, e.edata.score))
	x.put(maxScore, appendCell(x.text, item.maxscore))
	x.put(options, appendJSON(x.text, item.params))
	x.put(response, appendJSON(x.text, e.edata.resvalues))
	x.put(xPath, appendCell(x.text, context.rollup.l3))
	x.put(eof, appendCell(x.text, context.rollup.l4))
	event.Time = x.putTimestamp(e.timestamp, e.ets)
	x.fill(event)
	return true
}

func (x *extractor) readEvent(line []byte, f *Filter) {
	w := &x.walk
	w.line, w.at = line, 0
	x.fields = eventFields{}
	e := &x.fields
	w.enter('{')
	for key, ok := w.key(); ok; key, ok = w.key() {
		switch string(key) {
		case "eid":
			e.assess = w.is("ASSESS")
		case "mid":
			e.mid = w.value()
		case "@timestamp":
			e.timestamp = w.value()
		case "ets":
			e.ets = w.value()
		case "context":
			e.context.read(w, f)
		case "edata":
			e.edata.read(w)
		default:
			w.skip()
		}
	}
}

func (c *contextFields) read(w *walker, f *Filter) {
	*c = contextFields{}
	if !w.enter('{') {
		return
	}
	for key, ok := w.key(); ok; key, ok = w.key() {
		switch string(key) {
		case "channel":
			c.inChannel = w.is(f.Channel)
		case "pdata":
			c.fromProducer = readProducer(w, f.PdataID)
		case "cdata":
			c.inConversation = readConversation(w, f.ConversationID)
		case "did":
			c.did = w.value()
		case "sid":
			c.sid = w.value()
		case "rollup":
			c.rollup.read(w)
		default:
			w.skip()
		}
	}
}

// readProducer tells whether pdata is an object with the id.
func readProducer(w *walker, producer string) (same bool) {
	if !w.enter('{') {
		return false
	}
	for key, ok := w.key(); ok; key, ok = w.key() {
		if string(key) == "id" {
			same = w.is(producer)
		} else {
			w.skip()
		}
	}
	return same
}

// readConversation tells whether an entry of cdata is an object of type "Conversation" with the id.
func readConversation(w *walker, conversation string) (found bool) {
	if !w.enter('[') {
		return false
	}
	for w.more() {
		var sameID, sameType bool
		if !w.enter('{') {
			continue
		}
		for key, ok := w.key(); ok; key, ok = w.key() {
			switch string(key) {
			case "id":
				sameID = w.is(conversation)
			case "type":
				sameType = w.is("Conversation")
			default:
				w.skip()
			}
		}
		found = found || sameID && sameType
	}
	return found
}

func (r *rollupFields) read(w *walker) {
	*r = rollupFields{}
	if !w.enter('{') {
		return
	}
	for key, ok := w.key(); ok; key, ok = w.key() {
		switch string(key) {
		case "l3":
			r.l3 = w.value()
		case "l4":
			r.l4 = w.value()
		default:
			w.skip()
		}
	}
}

func (e *edataFields) read(w *walker) {
	*e = edataFields{}
	if !w.enter('{') {
		return
	}
	for key, ok := w.key(); ok; key, ok = w.key() {
		switch string(key) {
		case "item":
			e.item.read(w)
		case "duration":
			e.duration = w.value()
		case "score":
			e.score = w.value()
		case "resvalues":
			e.resvalues = w.value()
		default:
			w.skip()
		}
	}
}

func (i *itemFields) read(w *walker) {
	*i = itemFields{}
	if !w.enter('{') {
		return
	}
	for key, ok := w.key(); ok; key, ok = w.key() {
		switch string(key) {
		case "id":
			i.id = w.value()
		case "type":
			i.kind = w.value()
		case "title":
			i.title = w.value()
		case "desc":
			i.desc = w.value()
		case "maxscore":
			i.maxscore = w.value()
		case "params":
			i.params = w.value()
		default:
			w.skip()
		}
	}
}

// put takes over text, to which cell has just been appended.
func (x *extractor) put(cell int, text []byte) {
	x.text = text
	x.ends[cell] = len(text)
}

// putTimestamp appends the timestamp's cell and gives the instant to order by. A number in @timestamp is shown, but
// nothing says in which unit it counts, so ets orders the event then, too.
func (x *extractor) putTimestamp(field, ets []byte) int64 {
	start := len(x.text)
	text := x.text
	if len(field) > 0 && (field[0] == '"' || field[0] == '-' || isDigit(field[0])) {
		text = appendCell(text, field)
	}
	if len(text) == start {
		text, instant := appendEpoch(x.text, ets)
		x.put(timestamp, text)
		return instant
	}
	x.put(timestamp, text)
	if instant, ok := parseInstant(text[start:]); ok {
		return instant
	}
	_, instant := appendEpoch(text, ets)
	return instant
}

// fill hands the cells over, all in one allocation.
func (x *extractor) fill(event *Event) {
	text := string(x.text)
	cell := func(i int) string {
		if i == 0 {
			return text[:x.ends[0]]
		}
		return text[x.ends[i-1]:x.ends[i]]
	}
	event.Row = exhaust.ResponseRow{
		MessageID:   cell(messageID),
		DeviceID:    cell(deviceID),
		SessionID:   cell(sessionID),
		QuestionID:  cell(questionID),
		Type:        cell(questionType),
		Title:       cell(title),
		Description: cell(description),
		Duration:    cell(duration),
		Score:       cell(score),
		MaxScore:    cell(maxScore),
		Options:     cell(options),
		Response:    cell(response),
		XPath:       cell(xPath),
		Eof:         cell(eof),
		Timestamp:   cell(timestamp),
	}
	event.MessageID = event.Row.MessageID
	event.DeviceID = event.Row.DeviceID
}

// unreadable is the time of an event whose time cannot be read.
const unreadable = math.MinInt64
