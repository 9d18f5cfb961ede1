package telemetry

import (
	"math"

	"data-exhaust/exhaust"
)

// extractor takes an event out of a line of valid JSON. Its buffers serve one line after the other.
type extractor struct {
	scratch []byte // a decoded key or value that is compared at once
	text    []byte // the cells of one event, one behind the other
	ends    [cellCount]int
}

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
// object the last one counts, wholly.
func (x *extractor) extract(line []byte, f *Filter, event *Event) bool {
	var eid, context, edata, mid, timestampField, ets []byte
	for m := membersOf(line); m.next(); {
		switch string(x.key(m.key)) {
		case "eid":
			eid = m.value
		case "context":
			context = m.value
		case "edata":
			edata = m.value
		case "mid":
			mid = m.value
		case "@timestamp":
			timestampField = m.value
		case "ets":
			ets = m.value
		}
	}
	if !x.equals(eid, "ASSESS") {
		return false
	}
	var channel, pdata, cdata, did, sid, rollup []byte
	for m := membersOf(context); m.next(); {
		switch string(x.key(m.key)) {
		case "channel":
			channel = m.value
		case "pdata":
			pdata = m.value
		case "cdata":
			cdata = m.value
		case "did":
			did = m.value
		case "sid":
			sid = m.value
		case "rollup":
			rollup = m.value
		}
	}
	if !x.equals(channel, f.Channel) || !x.holdsConversation(cdata, f.ConversationID) {
		return false
	}
	if f.PdataID != "" && !x.equals(x.member(pdata, "id"), f.PdataID) {
		return false
	}

	var item, durationField, scoreField, resvalues []byte
	for m := membersOf(edata); m.next(); {
		switch string(x.key(m.key)) {
		case "item":
			item = m.value
		case "duration":
			durationField = m.value
		case "score":
			scoreField = m.value
		case "resvalues":
			resvalues = m.value
		}
	}
	var id, kind, titleField, desc, maxscore, params []byte
	for m := membersOf(item); m.next(); {
		switch string(x.key(m.key)) {
		case "id":
			id = m.value
		case "type":
			kind = m.value
		case "title":
			titleField = m.value
		case "desc":
			desc = m.value
		case "maxscore":
			maxscore = m.value
		case "params":
			params = m.value
		}
	}
	var l3, l4 []byte
	for m := membersOf(rollup); m.next(); {
		switch string(x.key(m.key)) {
		case "l3":
			l3 = m.value
		case "l4":
			l4 = m.value
		}
	}

	x.text = x.text[:0]
	x.put(messageID, appendCell(x.text, mid))
	x.put(deviceID, appendCell(x.text, did))
	x.put(sessionID, appendCell(x.text, sid))
	x.put(questionID, appendCell(x.text, id))
	x.put(questionType, appendCell(x.text, kind))
	x.put(title, appendCell(x.text, titleField))
	x.put(description, appendCell(x.text, desc))
	x.put(duration, appendDuration(x.text, durationField))
	x.put(score, appendCell(x.text, scoreField))
	x.put(maxScore, appendCell(x.text, maxscore))
	x.put(options, appendJSON(x.text, params))
	x.put(response, appendJSON(x.text, resvalues))
	x.put(xPath, appendCell(x.text, l3))
	x.put(eof, appendCell(x.text, l4))
	event.Time = x.putTimestamp(timestampField, ets)
	x.fill(event)
	return true
}

// holdsConversation tells whether an entry of cdata is an object of type "Conversation" with the id.
func (x *extractor) holdsConversation(cdata []byte, conversation string) bool {
	for e := elementsOf(cdata); e.next(); {
		var kind, id []byte
		for m := membersOf(e.value); m.next(); {
			switch string(x.key(m.key)) {
			case "type":
				kind = m.value
			case "id":
				id = m.value
			}
		}
		if x.equals(id, conversation) && x.equals(kind, "Conversation") {
			return true
		}
	}
	return false
}

// member is the value of an object's key, nil where it has none.
func (x *extractor) member(object []byte, key string) (value []byte) {
	for m := membersOf(object); m.next(); {
		if string(x.key(m.key)) == key {
			value = m.value
		}
	}
	return value
}

// key is a key's text, given the bytes between its quotes. It is valid until the next call.
func (x *extractor) key(raw []byte) []byte {
	for _, c := range raw {
		if c == '\\' {
			x.scratch = appendText(x.scratch[:0], raw)
			return x.scratch
		}
	}
	return raw
}

// equals tells whether value is a string and its text is want.
func (x *extractor) equals(value []byte, want string) bool {
	if len(value) == 0 || value[0] != '"' {
		return false
	}
	x.scratch = appendText(x.scratch[:0], value[1:len(value)-1])
	return string(x.scratch) == want
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
	if instant, ok := parseInstant(text[start:]); ok && field[0] == '"' {
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
