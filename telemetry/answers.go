package telemetry

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Answer is what one entry of resvalues says, or of params, whose entries have the same forms. It is valid during the call
// that it is given to.
type Answer struct {
	// Key is that of the option which the entry names, as cells hold text; nil where it names none.
	Key []byte
	// Text is what the entry says, as cells hold text; the JSON of an entry without text, which is in canonical form up to
	// MaxCanonical bytes, and as it stands if it is longer.
	Text   []byte
	IsText bool
}

// MaxCanonical bounds what putting one entry into canonical form takes in memory, which is several times its size.
const MaxCanonical = 64 << 10

// AnswerReader reads the answers in a row's cells. It keeps its buffers from cell to cell and is not for concurrent use.
//
// An entry is a string, a number, true or false, which is its text; an object whose member text is one of these, beside
// which the member key may be one, too; or an object of one member, which is the key, and whose value is one of these, an
// object with a text as above, or a string that holds such an object as JSON: {"1":"Yes"}, {"1":5}, {"1":{"text":"Yes"}},
// {"1":"{\"text\":\"Yes\"}"}. Any other has no text.
type AnswerReader struct {
	entries, members, inner walker
	canonical               canonicalizer
	answer                  Answer
	text, key, only, nested []byte
}

// Read calls each with the answers in a cell of ResponseColumn, or OptionsColumn, up to the first error. What is no array is
// one entry.
func (r *AnswerReader) Read(cell []byte, each func(*Answer) error) error {
	if len(cell) == 0 {
		return nil
	}
	defer r.release()
	if cell[0] != '[' {
		return each(r.read(cell))
	}
	r.entries.line, r.entries.at = cell, 1
	for r.entries.more() {
		if err := each(r.read(r.entries.readValue())); err != nil {
			return err
		}
	}
	return nil
}

// read reads one entry.
func (r *AnswerReader) read(entry []byte) *Answer {
	r.answer = Answer{}
	if hasText := isText(entry) && r.setText(entry) || entry[0] == '{' && r.readObject(entry); !hasText {
		if len(entry) > MaxCanonical {
			r.answer = Answer{Text: entry}
			return &r.answer
		}
		r.text = r.canonical.append(r.text[:0], entry)
		r.answer = Answer{Text: r.text}
	}
	return &r.answer
}

// isText tells whether a value is one that has a text of its own.
func isText(value []byte) bool {
	return len(value) > 0 && value[0] != '{' && value[0] != '[' && value[0] != 'n'
}

func (r *AnswerReader) setText(value []byte) bool {
	r.text = appendCell(r.text[:0], value)
	r.answer.Text, r.answer.IsText = r.text, true
	return true
}

func (r *AnswerReader) setKey(key []byte) {
	r.key = key
	r.answer.Key = key
}

// appendClean appends CleanText of a text, which may be long, without a copy of nearly any.
func appendClean(dst, text []byte) []byte {
	if utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 {
		return append(dst, text...)
	}
	return append(dst, CleanText(string(text))...)
}

func (r *AnswerReader) readObject(object []byte) (hasText bool) {
	o := r.membersOf(&r.members, object)
	switch {
	case isText(o.text):
		if isText(o.key) {
			r.setKey(appendCell(r.key[:0], o.key))
		}
		return r.setText(o.text)
	case o.only == nil:
		return false
	}
	r.setKey(appendClean(r.key[:0], r.only))
	if isString(o.only) {
		r.nested = appendText(r.nested[:0], o.only[1:len(o.only)-1])
		if bytes.HasPrefix(bytes.TrimLeft(r.nested, " \t\r\n"), []byte("{")) && json.Valid(r.nested) {
			if held := r.membersOf(&r.inner, r.nested); isText(held.text) {
				return r.setText(held.text)
			}
		}
	}
	if isText(o.only) {
		return r.setText(o.only)
	}
	if o.only[0] == '{' {
		if held := r.membersOf(&r.inner, o.only); isText(held.text) {
			return r.setText(held.text)
		}
	}
	return false
}

// answerMembers are the members of an object that may be an answer: the source of each value, nil where it is missing.
type answerMembers struct {
	text, key []byte
	// only is the value of the object's only member; nil where it has none, or several.
	only []byte
}

// membersOf reads an object's members with a walker. The key of its only member is in r.only, if that walker is r.members.
func (r *AnswerReader) membersOf(w *walker, object []byte) (o answerMembers) {
	w.line, w.at = object, 0
	count := 0
	for key := range w.fields {
		value := w.readValue()
		switch string(key) {
		case "text":
			o.text = value
		case "key":
			o.key = value
		}
		o.only = value
		switch {
		case w != &r.members:
		case count == 0:
			r.only, count = append(r.only[:0], key...), 1
		case !bytes.Equal(key, r.only):
			count = 2
		}
	}
	if count != 1 {
		o.only = nil
	}
	return o
}

// release drops the cell, and the buffers that a large one made larger.
func (r *AnswerReader) release() {
	r.entries.release()
	r.members.release()
	r.inner.release()
	r.canonical.release()
	if cap(r.text)+cap(r.key)+cap(r.only)+cap(r.nested) > keptBuffer {
		r.text, r.key, r.only, r.nested = nil, nil, nil, nil
	}
}
