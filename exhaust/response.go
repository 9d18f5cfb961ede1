package exhaust

import "bytes"

// The columns of a response exhaust (contract section 4), in their order.
const (
	MessageIDColumn        = iota // mid
	ConversationIDColumn          // of the registry
	ConversationNameColumn        // of the registry
	DeviceIDColumn                // context.did
	SessionIDColumn               // context.sid, else context.rollup.l5
	QuestionIDColumn              // edata.item.id
	TypeColumn                    // edata.item.type
	TitleColumn                   // edata.item.title
	DescriptionColumn             // edata.item.desc
	DurationColumn                // edata.duration, rounded half up
	ScoreColumn                   // edata.score
	MaxScoreColumn                // edata.item.maxscore
	OptionsColumn                 // edata.item.params, JSON without white space between tokens
	ResponseColumn                // edata.resvalues, likewise
	XPathColumn                   // context.rollup.l3
	EofColumn                     // context.rollup.l4
	TimestampColumn               // @timestamp, else ets as UTC with milliseconds and Z
	countResponseColumns
)

// ResponseColumns heads a response exhaust.
var ResponseColumns = []string{
	MessageIDColumn: "Message ID", ConversationIDColumn: "Conversation ID", ConversationNameColumn: "Conversation Name",
	DeviceIDColumn: "Device ID", SessionIDColumn: "Session ID",
	QuestionIDColumn: "Question Id", TypeColumn: "Question Type", TitleColumn: "Question Title", DescriptionColumn: "Question Description",
	DurationColumn: "Question Duration", ScoreColumn: "Question Score", MaxScoreColumn: "Question Max Score", OptionsColumn: "Question Options",
	ResponseColumn: "Question Response", XPathColumn: "X Path", EofColumn: "Eof", TimestampColumn: "Timestamp",
}

// The columns of a private exhaust (contract section 5) by which a phone number is told: where it is hidden, the Decrypted
// Device ID is the Device UUID.
const (
	DecryptedIDColumn = 2
	DeviceUUIDColumn  = 4
)

// PrivateColumns heads a private exhaust.
var PrivateColumns = []string{
	"Conversation ID", "Conversation Name", DecryptedIDColumn: "Decrypted Device ID", "Encrypted Device ID", DeviceUUIDColumn: "Device UUID",
}

// ColumnSet is a set of a record's columns: bit i stands for the column with index i.
type ColumnSet uint32

// Has tells whether the column with index i is in the set.
func (s ColumnSet) Has(i int) bool { return s>>i&1 != 0 }

// RegistryTexts are the ResponseColumns that the registry gives. Both are text.
const RegistryTexts ColumnSet = 1<<ConversationIDColumn | 1<<ConversationNameColumn

// ResponseRow is what one event says of an answer, each cell as contract section 4 spells it. The cells that the registry
// gives, and whether an answer is shown, are up to who builds the report.
type ResponseRow struct {
	// Cells are those of the columns.
	Cells [countResponseColumns][]byte
	// Texts are the columns that hold text, whose source is a JSON string or the registry. The others hold numbers, true
	// or false, JSON, or a time that was written from ets.
	Texts ColumnSet
}

// PrivateTexts are the PrivateColumns that hold text, for a row with that Decrypted Device ID: a phone number, a plus and
// digits, is no text that a spreadsheet would run, and the Encrypted Device ID is base64 that has to stay as it is.
func PrivateTexts(visibleID []byte) ColumnSet {
	const always = ColumnSet(1<<0 | 1<<1 | 1<<DeviceUUIDColumn)
	digits, hasPlus := bytes.CutPrefix(visibleID, []byte("+"))
	if hasPlus && len(digits) > 0 && len(bytes.Trim(digits, "0123456789")) == 0 {
		return always
	}
	return always | 1<<DecryptedIDColumn
}
