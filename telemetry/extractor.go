package telemetry

// extractor takes an event out of a line of valid JSON. Its buffers serve one line after the other.
type extractor struct {
	walk      walker
	fields    eventFields
	instants  instants
	canonical canonicalizer
	text      []byte // what event holds, one behind the other
	event     Event
}

// eventFields is what an event says that decides whether it belongs, where it comes and what it is the same as: the
// source of each value, nil where it is missing. Where a key stands twice in an object the last one counts, wholly: each
// of the read methods starts from nothing.
type eventFields struct {
	isAssess                   bool
	mid, timestamp, ets, edata []byte
	context                    contextFields
}

type contextFields struct {
	hasChannel, hasProducer, hasConversation bool
	did                                      []byte
}

// extract fills event if the line's event belongs to f, and tells whether it does.
func (x *extractor) extract(line []byte, f *Filter) bool {
	x.walk.line, x.walk.at = line, 0
	x.fields.read(&x.walk, f)
	e, context := &x.fields, &x.fields.context
	if !e.isAssess || !context.hasChannel || !context.hasConversation || !context.hasProducer && f.PdataID != "" {
		return false
	}
	text := x.instants.appendKey(x.text[:0], e.ets)
	ets := len(text)
	text = x.instants.appendKey(text, e.timestamp)
	time := len(text)
	text = appendID(text, e.mid)
	mid := len(text)
	text = appendID(text, context.did)
	did := len(text)
	text = x.canonical.append(text, e.edata)
	x.text = text
	x.event = Event{
		Time:      text[ets:time:time],
		MessageID: text[time:mid:mid],
		DeviceID:  text[mid:did:did],
		ETS:       text[:ets:ets],
		EData:     text[did:],
		Line:      line,
	}
	if len(x.event.Time) == 0 {
		x.event.Time = x.event.ETS
	}
	return true
}

// release drops the line, and the buffers that a large event made larger.
func (x *extractor) release() {
	x.fields, x.event = eventFields{}, Event{}
	x.walk.release()
	x.instants.release()
	x.canonical.release()
	if cap(x.text) > lineBuffer {
		x.text = nil
	}
}

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
			e.edata = w.readValue()
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
