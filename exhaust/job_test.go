package exhaust

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTheColumnsOfAResponseExhaustAreThoseOfTheContract(t *testing.T) {
	want := []string{
		"Message ID", "Conversation ID", "Conversation Name", "Device ID", "Session ID", "Question Id", "Question Type", "Question Title",
		"Question Description", "Question Duration", "Question Score", "Question Max Score", "Question Options", "Question Response", "X Path",
		"Eof", "Timestamp",
	}
	if !reflect.DeepEqual(ResponseColumns, want) || len(ResponseRow{}.Cells) != len(want) {
		t.Errorf("got  %q\nwant %q, as many cells", ResponseColumns, want)
	}
}

func TestTheRegistrysColumnsAreText(t *testing.T) {
	var texts []string
	for i, column := range ResponseColumns {
		if RegistryTexts.Has(i) {
			texts = append(texts, column)
		}
	}
	if want := []string{"Conversation ID", "Conversation Name"}; !reflect.DeepEqual(texts, want) {
		t.Errorf("got %q, want %q", texts, want)
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
		Request:      Request{ID: "1E2A", Config: json.RawMessage(`{}`)},
		State:        State{Status: Success, Report: "r.csv"},
		DownloadURLs: []string{"https://reports.example/secret"}, ExpiresAt: time.Now(),
	}
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"requestId":"1E2A","dataset":"","tag":"","channel":"","requestedBy":"","datasetConfig":{},"outputFormat":"",` +
		`"conversationId":"","submittedAt":"0001-01-01T00:00:00Z","status":"SUCCESS","attempts":0,` +
		`"progress":{"phase":"","bytesTotal":0,"bytesRead":0,"eventsMatched":0,"repeats":0,"rowsWritten":0,"linesSkipped":0,"rowsUnknownDevice":0,"consentUnreadable":0,"undecryptable":0,"percent":0},` +
		`"updatedAt":"0001-01-01T00:00:00Z","report":"r.csv"}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestAnExhaustHasEndedInThreeOfItsStatuses(t *testing.T) {
	var ended []Status
	for _, s := range Statuses {
		if s.HasEnded() {
			ended = append(ended, s)
		}
	}
	if want := []Status{"SUCCESS", "FAILED", "CANCELLED"}; !reflect.DeepEqual(ended, want) {
		t.Errorf("got %v, want %v", ended, want)
	}
}

func TestAJobIsItsRequestAndItsStateAndWhatIsInNeither(t *testing.T) {
	at := time.Date(2022, 4, 6, 9, 32, 0, 0, time.UTC)
	job := Job{
		Request: Request{ID: "1E2A", Dataset: PrivateExhaust, Config: json.RawMessage(`{}`), SubmittedAt: at},
		State: State{
			Status: Failed, Message: "why", Retryable: true, Attempts: 2, From: "2022-03-01", To: "2022-03-31", Progress: Progress{Phase: Joining, BytesTotal: 1, Percent: 7},
			UpdatedAt: at.Add(time.Second), CompletedAt: at.Add(time.Minute), ExecutionTime: time.Second, Report: "r.csv",
		},
	}
	var got Job
	for from, into := range map[any]any{&job.Request: &got.Request, &job.State: &got.State} {
		text, err := json.Marshal(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got, job) {
		t.Errorf("got  %+v\nwant %+v", got, job)
	}
	// Whatever is added to a job has to be published with its state, or be left out on purpose.
	var fields []string
	for field := range reflect.TypeFor[Job]().Fields() {
		fields = append(fields, field.Name)
	}
	if want := []string{"Request", "State", "DownloadURLs", "ReceiptURL", "ExpiresAt"}; !reflect.DeepEqual(fields, want) {
		t.Errorf("the fields are %q, want %q", fields, want)
	}
}

// Histories and memos of before the name Retryable call it mayHeal, and stay readable.
func TestAStateThatWasWrittenEarlierIsUnderstood(t *testing.T) {
	const earlier = `{"status":"FAILED","statusMessage":"gave up","mayHeal":true,"attempts":1,` +
		`"progress":{"phase":"BUILDING","bytesTotal":9,"bytesRead":8,"eventsMatched":7,"rowsWritten":6,"percent":85,"linesSkipped":5,"rowsUnknownDevice":4,"undecryptable":3},` +
		`"updatedAt":"2022-04-06T09:32:00Z","completedAt":"2022-04-06T09:32:00Z","executionTime":1500000000,"report":"r.csv"}`
	at := time.Date(2022, 4, 6, 9, 32, 0, 0, time.UTC)
	want := State{
		Status: Failed, Message: "gave up", Retryable: true, Attempts: 1,
		Progress: Progress{
			Phase: Building, BytesTotal: 9, BytesRead: 8, EventsMatched: 7, RowsWritten: 6, Percent: 85,
			LinesSkipped: 5, RowsUnknownDevice: 4, Undecryptable: 3,
		},
		UpdatedAt: at, CompletedAt: at, ExecutionTime: 1500 * time.Millisecond, Report: "r.csv",
	}
	var got State
	if err := json.Unmarshal([]byte(earlier), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}
