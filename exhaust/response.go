package exhaust

import "strings"

// ResponseColumns heads a response exhaust (contract section 4).
var ResponseColumns = []string{
	"Message ID", "Conversation ID", "Conversation Name", "Device ID", "Session ID",
	"Question Id", "Question Type", "Question Title", "Question Description",
	"Question Duration", "Question Score", "Question Max Score", "Question Options",
	"Question Response", "X Path", "Eof", "Timestamp",
}

// PrivateColumns heads a private exhaust (contract section 5).
var PrivateColumns = []string{
	"Conversation ID", "Conversation Name", "Decrypted Device ID", "Encrypted Device ID", "Device UUID",
}

// ColumnSet is a set of a record's columns: bit i stands for the column with index i.
type ColumnSet uint32

// Has tells whether the column with index i is in the set.
func (s ColumnSet) Has(i int) bool { return s>>i&1 != 0 }

// RegistryTexts are the ResponseColumns that the registry gives, Conversation ID and Conversation Name. Both are text.
const RegistryTexts ColumnSet = 1<<1 | 1<<2

// ResponseRow is what one event says of an answer, each cell as contract section 4 spells it.
// The conversation's name and the device's consent come from the registry when the CSV is built.
type ResponseRow struct {
	MessageID   string // mid
	DeviceID    string // context.did
	SessionID   string // context.sid, else context.rollup.l5
	QuestionID  string // edata.item.id
	Type        string // edata.item.type
	Title       string // edata.item.title
	Description string // edata.item.desc
	Duration    string // edata.duration, rounded half up
	Score       string // edata.score
	MaxScore    string // edata.item.maxscore
	Options     string // edata.item.params, JSON without white space between tokens
	Response    string // edata.resvalues, likewise
	XPath       string // context.rollup.l3
	Eof         string // context.rollup.l4
	Timestamp   string // @timestamp, else ets as UTC with milliseconds and Z

	// Texts are the ResponseColumns that hold text, whose source is a JSON string or the registry. The others hold
	// numbers, true or false, JSON, or a time that was written from ets.
	Texts ColumnSet
}

// Cells is the row in the order of ResponseColumns. hideResponse empties the answer of a device
// that refused consent.
func (r *ResponseRow) Cells(conversationID, conversationName string, hideResponse bool) []string {
	response := r.Response
	if hideResponse {
		response = ""
	}
	return []string{
		r.MessageID, conversationID, conversationName, r.DeviceID, r.SessionID,
		r.QuestionID, r.Type, r.Title, r.Description,
		r.Duration, r.Score, r.MaxScore, r.Options,
		response, r.XPath, r.Eof, r.Timestamp,
	}
}

// PrivateTexts are the PrivateColumns that hold text, for a row with that Decrypted Device ID: a phone number, a plus and
// digits, is no text that a spreadsheet would run, and the Encrypted Device ID is base64 that has to stay as it is.
func PrivateTexts(visibleID string) ColumnSet {
	const always = ColumnSet(1<<0 | 1<<1 | 1<<4)
	digits, hasPlus := strings.CutPrefix(visibleID, "+")
	if hasPlus && digits != "" && strings.Trim(digits, "0123456789") == "" {
		return always
	}
	return always | 1<<2
}
