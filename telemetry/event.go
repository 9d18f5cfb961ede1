package telemetry

// Event is one event that belongs to the exhaust. All of it is valid only during the call that it is given to.
//
// Events are ordered by Time, MessageID, DeviceID, ETS and edata in canonical form (EDataReader), in this order, each
// compared with bytes.Compare; the event's own bytes decide what remains.
type Event struct {
	// ConversationID is that of the filter's conversations to which it belongs here.
	ConversationID string
	// Time is the sort key of the instant of @timestamp, else of ets. It is empty, and so sorts first, where neither
	// can be read.
	Time []byte
	// MessageID is mid as text, empty where it is missing or null. It is not what the row's cell shows: texts that
	// differ only in lone surrogates, ill-formed bytes or U+0000 differ here.
	MessageID []byte
	// DeviceID is context.did likewise, spelled as it stands.
	DeviceID []byte
	// ETS is the sort key of the instant of ets, empty where that cannot be read.
	ETS []byte
	// Identity is what two deliveries of one event have in common, and no other event has.
	Identity Identity
	// Line is the event's own bytes: the line without its end, and without byte order marks, NULs and white space
	// around it.
	Line []byte
}

// EDataReader reads the edata of events that the fields of Event leave equal. It keeps its buffers from event to event and
// is not for concurrent use.
type EDataReader struct {
	walk       walker
	edata      edataFields
	identifier identifier
}

// AppendCanonical appends the edata of an event, of which line has the bytes, in canonical form: nothing where it is
// missing.
func (r *EDataReader) AppendCanonical(dst, line []byte) []byte {
	r.read(line)
	return r.identifier.canonical.append(dst, r.edata.source)
}

// Identify gives the identity of an event whose fields but for that are there.
func (r *EDataReader) Identify(event *Event) Identity {
	r.read(event.Line)
	return r.identifier.identify(event, &r.edata)
}

func (r *EDataReader) read(line []byte) {
	r.walk.release()
	r.identifier.release()
	r.walk.line, r.walk.at = line, 0
	r.edata = edataFields{}
	for key := range r.walk.fields {
		if string(key) == "edata" {
			r.edata.read(&r.walk, &r.identifier.items)
		}
	}
}
