package exhaust

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

// ResponseRow is what one event says of an answer, each cell as contract section 4 spells it.
// The conversation's name and the device's consent come from the registry when the CSV is built.
type ResponseRow struct {
	MessageID   string // mid
	DeviceID    string // context.did
	SessionID   string // context.sid
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
