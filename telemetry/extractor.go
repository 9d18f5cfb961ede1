package telemetry

import "slices"

// extractor takes an event out of a line of valid JSON. Its buffers serve one line after the other.
type extractor struct {
	filter        Filter
	conversations *conversations
	walk          walker
	fields        eventFields
	instants      instants
	identifier    identifier
	text          []byte // what event holds, one behind the other
	event         Event
}

// eventFields is what an event says that decides whether it belongs, where it comes and what it is the same as: the
// source of each value, nil where it is missing. Where a key stands twice in an object the last one counts, wholly: each
// of the read methods starts from nothing.
type eventFields struct {
	isAssess            bool
	mid, timestamp, ets []byte
	context             contextFields
	edata               edataFields
}

type contextFields struct {
	hasChannel, hasProducer bool
	conversations           []string // those of the filter to which the event belongs
	did                     []byte
}

// extract gives those of the filter's conversations to which the line's event belongs. If there are any it fills event.
// The line's template is nil where it has none.
func (x *extractor) extract(line []byte, p *template, t *tokens) (conversations []string) {
	x.walk.line, x.walk.at = line, 0
	if p != nil {
		x.readTemplate(p, t)
	} else {
		x.readEvent()
	}
	e, context := &x.fields, &x.fields.context
	if !e.isAssess || !context.hasChannel || !context.hasProducer && x.filter.PdataID != "" || len(context.conversations) == 0 {
		return nil
	}
	text := x.instants.appendKey(x.text[:0], e.ets)
	ets := len(text)
	text = x.instants.appendKey(text, e.timestamp)
	time := len(text)
	text = appendID(text, e.mid)
	mid := len(text)
	text = appendID(text, context.did)
	x.text = text
	x.event = Event{
		Time:      text[ets:time:time],
		MessageID: text[time:mid:mid],
		DeviceID:  text[mid:],
		ETS:       text[:ets:ets],
		Line:      line,
	}
	if len(x.event.Time) == 0 {
		x.event.Time = x.event.ETS
	}
	x.event.Identity = x.identifier.identify(&x.event, &e.edata)
	return context.conversations
}

// keptBuffer is how large a buffer may be to be kept from object to object.
const keptBuffer = 256 << 10

// release drops the line, and the buffers that a large event made larger.
func (x *extractor) release() {
	x.fields = eventFields{context: contextFields{conversations: x.fields.context.conversations[:0]}}
	x.event = Event{}
	x.walk.release()
	x.instants.release()
	x.identifier.release()
	if cap(x.text) > keptBuffer {
		x.text = nil
	}
}

func (x *extractor) readEvent() {
	w, e := &x.walk, &x.fields
	*e = eventFields{context: contextFields{conversations: e.context.conversations[:0]}}
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
			x.readContext()
		case "edata":
			e.edata.read(w, &x.identifier.items)
		}
	}
}

// readTemplate does what readEvent does.
func (x *extractor) readTemplate(p *template, t *tokens) {
	w, e, b := &x.walk, &x.fields, x.walk.line
	*e = eventFields{context: contextFields{conversations: e.context.conversations[:0]}}
	e.isAssess = w.isText(p.source(fieldEID, b, t), "ASSESS")
	e.context.hasChannel = w.isText(p.source(fieldChannel, b, t), x.filter.Channel)
	if !e.isAssess || !e.context.hasChannel {
		return
	}
	for _, c := range p.correlations {
		if !w.isText(c.kind.source(b, t), "Conversation") {
			continue
		}
		text, isText := w.textOf(c.id.source(b, t))
		if !isText {
			continue
		}
		if id, isOurs := x.conversations.find(text); isOurs && !slices.Contains(e.context.conversations, id) {
			e.context.conversations = append(e.context.conversations, id)
		}
	}
	if len(e.context.conversations) == 0 {
		return
	}
	e.context.hasProducer = w.isText(p.source(fieldProducer, b, t), x.filter.PdataID)
	e.mid = p.source(fieldMID, b, t)
	e.timestamp = p.source(fieldTimestamp, b, t)
	e.ets = p.source(fieldETS, b, t)
	e.context.did = p.source(fieldDevice, b, t)
	e.edata = edataFields{source: p.source(fieldEData, b, t), template: p, line: b, tokens: t}
	if e.edata.item = p.source(fieldItem, b, t); e.edata.item != nil {
		e.edata.itemAt = int(t.positions[p.fields[fieldItem].first]) - int(t.positions[p.fields[fieldEData].first])
		e.edata.known = x.identifier.items.find(e.edata.item)
	}
}

func (x *extractor) readContext() {
	w, c := &x.walk, &x.fields.context
	*c = contextFields{conversations: c.conversations[:0]}
	for key := range w.fields {
		switch string(key) {
		case "channel":
			c.hasChannel = w.equals(x.filter.Channel)
		case "pdata":
			c.hasProducer = readProducer(w, x.filter.PdataID)
		case "cdata":
			c.conversations = x.conversations.read(w, c.conversations[:0])
		case "did":
			c.did = w.readValue()
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

// read reads cdata and adds to found, once each, the conversations that an entry of it names: an object of type
// "Conversation" with the conversation's id.
func (c *conversations) read(w *walker, found []string) []string {
	if !w.enter('[') {
		return found
	}
	for w.more() {
		var id string
		var hasID, hasType bool
		for key := range w.fields {
			switch string(key) {
			case "id":
				if text, isText := w.readText(); isText {
					id, hasID = c.find(text)
				} else {
					hasID = false
				}
			case "type":
				hasType = w.equals("Conversation")
			}
		}
		if hasID && hasType && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	return found
}
