package rest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

const summaryPath = "/dataset/v1/request/summary/tag?requestId="

// putSummary writes the summary of a job's report.
func (a *api) putSummary(job exhaust.Job, text string) {
	a.t.Helper()
	file, err := a.reports.Create(a.t.Context(), exhaust.SummaryName(job.Report), "application/json")
	if err == nil {
		_, err = io.WriteString(file, text)
	}
	if err == nil {
		err = file.Commit()
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func TestASummaryIsTheResultOfItsCall(t *testing.T) {
	a := newAPI(t)
	job := a.keep("A", unchanged)
	// As it stands in the file, and larger than any buffer.
	large := `{"version":1,"dataset":"uci-private-exhaust","requestId":"` + job.ID + `","conversationId":"c","conversationName":"<&>` + strings.Repeat("ह", 300_000) +
		`","timezone":"Asia/Kolkata","rows":0,"devices":0,"consent":{"given":0,"refused":0,"unrecorded":0},"consentUnreadable":0}`
	a.putSummary(job, large+"\n")
	got := a.call("GET", summaryPath+job.ID, channel, "")
	if want := success(prefix+".summary", large+"\n"); got.status != http.StatusOK || strings.TrimSpace(got.body) != want {
		t.Errorf("answered %d, %.300s…", got.status, got.body)
	}
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("headers %v", got.header)
	}
	a.awaitAudit(`"action":"summary"`, `"outcome":"done"`, job.ID)
}

// awaitAudit wants a line of the audit log that holds all of these.
func (a *api) awaitAudit(parts ...string) {
	a.t.Helper()
	for line := range strings.Lines(a.audit.String()) {
		missing := false
		for _, part := range parts {
			missing = missing || !strings.Contains(line, part)
		}
		if !missing {
			return
		}
	}
	a.t.Errorf("no line of the audit log has %q:\n%s", parts, a.audit.String())
}

func TestWhatHasNoSummarySaysWhy(t *testing.T) {
	a := newAPI(t)
	failed := a.keep("B", func(j *exhaust.Job) {
		j.Status, j.Report, j.Receipt, j.DownloadURLs, j.ReceiptURL = exhaust.Failed, "", "", nil, ""
	})
	expired := a.keep("C", func(j *exhaust.Job) { j.CompletedAt = time.Date(2022, 4, 6, 12, 0, 0, 0, kolkata) })
	erased := a.keep("D", func(j *exhaust.Job) {
		j.Report, j.Receipt, j.Message, j.DownloadURLs, j.ReceiptURL = "", "", "report erased on 2022-04-07", nil, ""
	})
	earlier := a.keep("E", unchanged)
	lost := a.keep("F", func(j *exhaust.Job) { j.Report = "lost.csv" })
	if err := a.reports.Delete(t.Context(), lost.Report); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		failed.ID:  "the exhaust is FAILED: only a SUCCESS has a summary",
		expired.ID: "there is no summary any more: report expired on 2022-05-06",
		erased.ID:  "there is no summary any more: report erased on 2022-04-07",
		lost.ID:    "there is no summary any more: " + exhaust.LossMessage,
		earlier.ID: "the exhaust was made by a release that wrote no summaries: the same request submitted on another day has one, and so has a retry once the report has expired",
	} {
		got := a.call("GET", summaryPath+id, channel, "")
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, `"errmsg":"`+want+`"`) {
			t.Errorf("%s: answered %d %s, want 400 %q", id[:1], got.status, got.body, want)
		}
	}
	if got := a.call("GET", "/dataset/v1/request/summary/tag", channel, ""); got.status != http.StatusBadRequest || !strings.Contains(got.body, "requestId is empty") {
		t.Errorf("without requestId: %d %s", got.status, got.body)
	}
}

// A summary is written whole, so one of no bytes is damaged.
func TestASummaryThatCannotBeReadIsUnavailable(t *testing.T) {
	a := newAPI(t)
	job := a.keep("A", unchanged)
	a.putSummary(job, "")
	got := a.call("GET", summaryPath+job.ID, channel, "")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "reports store is not available") {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}
