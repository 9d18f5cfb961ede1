package exhaust

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestResponseCellsStandUnderTheirHeadings(t *testing.T) {
	// Each cell says which heading it belongs to.
	row := ResponseRow{
		MessageID: "Message ID", DeviceID: "Device ID", SessionID: "Session ID", QuestionID: "Question Id",
		Type: "Question Type", Title: "Question Title", Description: "Question Description",
		Duration: "Question Duration", Score: "Question Score", MaxScore: "Question Max Score",
		Options: "Question Options", Response: "Question Response", XPath: "X Path", Eof: "Eof", Timestamp: "Timestamp",
	}
	if got := row.Cells("Conversation ID", "Conversation Name", false); !reflect.DeepEqual(got, ResponseColumns) {
		t.Errorf("got  %q\nwant %q", got, ResponseColumns)
	}
	hidden := append([]string(nil), ResponseColumns...)
	hidden[13] = ""
	if got := row.Cells("Conversation ID", "Conversation Name", true); !reflect.DeepEqual(got, hidden) {
		t.Errorf("hiding the answer: got  %q\nwant %q", got, hidden)
	}
}

func TestHeadingsAreThoseOfTheContract(t *testing.T) {
	const response = "Message ID,Conversation ID,Conversation Name,Device ID,Session ID,Question Id,Question Type," +
		"Question Title,Question Description,Question Duration,Question Score,Question Max Score,Question Options," +
		"Question Response,X Path,Eof,Timestamp"
	if got := strings.Join(ResponseColumns, ","); got != response {
		t.Errorf("got %s", got)
	}
	const private = "Conversation ID,Conversation Name,Decrypted Device ID,Encrypted Device ID,Device UUID"
	if got := strings.Join(PrivateColumns, ","); got != private {
		t.Errorf("got %s", got)
	}
}

func TestAJobNeverTakesItsURLsIntoJSON(t *testing.T) {
	job := Job{
		Request: Request{ID: "1E2A", Config: json.RawMessage(`{}`)},
		Status:  Success, Report: "r.csv",
		DownloadURLs: []string{"https://reports.example/secret"}, ExpiresAt: time.Now(),
	}
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"requestId":"1E2A","dataset":"","tag":"","channel":"","requestedBy":"","datasetConfig":{},"outputFormat":"",` +
		`"conversationId":"","submittedAt":"0001-01-01T00:00:00Z","status":"SUCCESS","attempts":0,` +
		`"progress":{"phase":"","bytesTotal":0,"bytesRead":0,"eventsMatched":0,"rowsWritten":0,"percent":0,"linesSkipped":0,"rowsUnknownDevice":0,"undecryptable":0},` +
		`"updatedAt":"0001-01-01T00:00:00Z","report":"r.csv"}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestAnExhaustHasEndedInThreeOfItsStatuses(t *testing.T) {
	var ended []Status
	for _, s := range Statuses {
		if s.Ended() {
			ended = append(ended, s)
		}
	}
	if want := []Status{"SUCCESS", "FAILED", "CANCELLED"}; !reflect.DeepEqual(ended, want) {
		t.Errorf("got %v, want %v", ended, want)
	}
}
