package attempts

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"

	"data-exhaust/internal/e2etest"
	"data-exhaust/receipt"
)

// state is what the memo of an exhaust's workflow says of it.
type state struct {
	Status   string `json:"status"`
	Attempts int    `json:"attempts"`
	Report   string `json:"report"`
	Receipt  string `json:"receipt"`
}

// workflow is the latest run of an exhaust's workflow.
type workflow struct {
	// run is its id, status its own, in Temporal's words.
	run, status string
	state       state
}

func (d deployment) workflow(t *testing.T, id string) workflow {
	t.Helper()
	description, err := d.Client.DescribeWorkflowExecution(t.Context(), "exhaust-"+id, "")
	if _, isUnavailable := errors.AsType[*serviceerror.Unavailable](err); isUnavailable {
		return workflow{status: "Running"} // a busy server; the caller asks again
	}
	e2etest.Must(t, err)
	info := description.GetWorkflowExecutionInfo()
	w := workflow{run: info.GetExecution().GetRunId(), status: info.GetStatus().String()}
	if w.status == "ContinuedAsNew" {
		w.status = "Running"
	}
	e2etest.Must(t, converter.GetDefaultDataConverter().FromPayload(info.GetMemo().GetFields()["state"], &w.state))
	return w
}

// describe is all that Temporal tells of an exhaust that does not go on.
func (d deployment) describe(t *testing.T, id string) string {
	t.Helper()
	var text strings.Builder
	description, err := d.Client.DescribeWorkflowExecution(context.WithoutCancel(t.Context()), "exhaust-"+id, "")
	fmt.Fprintln(&text, err, description.GetWorkflowExecutionInfo(), description.GetPendingActivities(), description.GetPendingWorkflowTask())
	const all = false
	history := d.Client.GetWorkflowHistory(context.WithoutCancel(t.Context()), "exhaust-"+id, "", all, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		fmt.Fprintln(&text, err, event.GetEventTime().AsTime(), event.GetEventType())
		if err != nil {
			break
		}
	}
	return text.String()
}

// isAskedToStop tells whether the activity that an exhaust waits for has been asked to stop.
func (d deployment) isAskedToStop(t *testing.T, id string) bool {
	t.Helper()
	description, err := d.Client.DescribeWorkflowExecution(t.Context(), "exhaust-"+id, "")
	e2etest.Must(t, err)
	for _, pending := range description.GetPendingActivities() {
		if pending.GetState() == enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED {
			return true
		}
	}
	return false
}

// row is what job_request says of an exhaust.
type row struct {
	state
	urls, receiptURL string
}

func (d deployment) row(t *testing.T, id string) (r row) {
	t.Helper()
	const query = `SELECT status, iteration, report, receipt, download_urls, receipt_url FROM job_request WHERE request_id = $1`
	var urls, receiptURL sql.NullString
	e2etest.Must(t, d.Jobs.QueryRowContext(t.Context(), query, id).Scan(&r.Status, &r.Attempts, &r.Report, &r.Receipt, &urls, &receiptURL))
	r.urls, r.receiptURL = urls.String, receiptURL.String
	return r
}

// files are the names in the reports store that begin with a prefix.
func (d deployment) files(t *testing.T, prefix string) []string {
	t.Helper()
	return slices.DeleteFunc(d.Reports.Names(t), func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// check finds out whether the file of an exhaust that has ended, its receipt, its row and its workflow agree, or none of the
// files is there where it came to nothing. attempts is how many attempts went before. Nothing may be left staged but, where
// that is not "", under the prefix of a run in which an attempt went on without noticing its end: that the night deletes.
func (d deployment) check(t *testing.T, when string, o e2etest.Order, id, outcome string, attempts int, unnoticed string) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf(when+": "+format, args...)
	}
	staged, files := d.files(t, "staging/"+id+"/"), d.files(t, o.Dataset+"/"+id+"/")
	staged = slices.DeleteFunc(staged, func(name string) bool { return unnoticed != "" && strings.HasPrefix(name, unnoticed) })
	if len(staged) > 0 {
		fail("staged files are left: %q", staged)
	}
	want, row, flow := state{Status: outcome, Attempts: attempts}, d.row(t, id), d.workflow(t, id)
	if outcome == "SUCCESS" {
		want.Report = row.Report
		want.Receipt = row.Report + ".receipt.json"
	}
	if row.state != want || (row.urls != "null" && row.urls != "") != (outcome == "SUCCESS") || (row.receiptURL != "") != (outcome == "SUCCESS") {
		fail("its row is %+v, want %+v", row, want)
	}
	wantStatus := map[string]string{"SUCCESS": "Completed", "FAILED": "Failed", "CANCELLED": "Canceled"}[outcome]
	if flow.state != want || flow.status != wantStatus {
		fail("its workflow is %+v, want %s with %+v", flow, wantStatus, want)
	}
	shown := d.Read(t, o, id)
	if shown.Status != outcome || shown.Attempts != attempts {
		fail("it reads %+v", shown)
	}
	if outcome != "SUCCESS" {
		if len(files) > 0 || len(shown.DownloadURLs) > 0 || shown.ReceiptURL != nil {
			fail("a %s exhaust has the files %q, and reads %+v", outcome, files, shown)
		}
		return
	}
	if name := o.ReportName(id, shown.Completed()); row.Report != name || !slices.Equal(files, []string{name, name + ".receipt.json", name + ".summary.json"}) {
		fail("its files are %q, its row names %q, want %s, its receipt and its summary", files, row.Report, name)
		return
	}
	content := d.Reports.Content(t, row.Report)
	isOlder := attempts == 0 && string(content) == d.report(false) // which attempt has read the consent is not settled
	if !isOlder && string(content) != d.report(true) {
		fail("the file is\n%s\nwant\n%s", content, d.report(true))
	}
	d.checkReceipt(t, fail, d.Reports.Content(t, row.Receipt), content, row.state, id)
	if len(shown.DownloadURLs) != 1 || shown.ReceiptURL == nil {
		fail("it reads %+v", shown)
		return
	}
	for url, want := range map[string][]byte{shown.DownloadURLs[0]: content, *shown.ReceiptURL: d.Reports.Content(t, row.Receipt)} {
		if a := e2etest.Call(t, http.MethodGet, url, "", ""); a.Status != http.StatusOK || !bytes.Equal(a.Body, want) {
			fail("what its URL reads is not in the store: %d %.300s", a.Status, a.Body)
		}
	}
}

// checkReceipt verifies a receipt as anybody could, and that it is the one of this attempt at this exhaust.
func (d deployment) checkReceipt(t *testing.T, fail func(format string, args ...any), text, file []byte, of state, id string) {
	t.Helper()
	keys := e2etest.Result[struct {
		Keys []receipt.PublicKey `json:"keys"`
	}](t, e2etest.Call(t, http.MethodGet, d.URL+"/dataset/v1/receipt-keys", "", "")).Keys
	verified, err := receipt.Read(bytes.NewReader(text), keys)
	if err == nil {
		err = verified.CheckFile(bytes.NewReader(file))
	}
	if err != nil || !verified.IsKeyKnown {
		fail("its receipt: %v, the key is known: %t", err, verified.IsKeyKnown)
		return
	}
	withheld := int64(0)
	if string(file) == d.report(true) {
		withheld = 1
	}
	want := receipt.Losses{AnswersWithheld: withheld}
	if verified.File.Name != of.Report || verified.Request.ID != id || verified.Request.Attempts != of.Attempts || verified.Losses != want {
		pretty, _ := json.Marshal(verified.Receipt)
		fail("its receipt is %s, want one of %+v", pretty, of)
	}
	if age := time.Since(verified.CreatedAt); age > time.Hour {
		fail("its receipt is %s old", age)
	}
}
