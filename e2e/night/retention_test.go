package night

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
)

// reportName is contract section 6's, of an exhaust of bot.
func reportName(j e2etest.Job) string {
	return order(j.Tag, bot, day, "").ReportName(j.RequestID, j.Completed())
}

// receiptOf and summaryOf are contract section 6's, too.
func receiptOf(report string) string { return report + ".receipt.json" }

func summaryOf(report string) string { return report + ".summary.json" }

// backdate moves the time at which an exhaust was completed and its file's name with it, as if all had
// happened then.
func (d deployment) backdate(t *testing.T, j e2etest.Job, by time.Duration) (until time.Time, name string) {
	t.Helper()
	at := time.Now().Add(-by)
	name = order(j.Tag, bot, day, "").ReportName(j.RequestID, at)
	e2etest.Must(t, os.Rename(d.Reports.File(reportName(j)), d.Reports.File(name)))
	e2etest.Must(t, os.Rename(d.Reports.File(receiptOf(reportName(j))), d.Reports.File(receiptOf(name))))
	e2etest.Must(t, os.Rename(d.Reports.File(summaryOf(reportName(j))), d.Reports.File(summaryOf(name))))
	d.age(t, name, by)
	d.age(t, receiptOf(name), by)
	d.age(t, summaryOf(name), by)
	d.exec(t, `UPDATE job_request SET dt_job_completed = $1, report = $2, receipt = $3 WHERE request_id = $4`,
		at.UTC().Format("2006-01-02 15:04:05.000"), name, receiptOf(name), j.RequestID)
	return at.Add(720 * time.Hour), name
}

func TestAReportLivesThirtyDaysAndCanBeMadeAgain(t *testing.T) {
	d := deploy(t)
	expired, retried, kept := d.produce(t, "expired"), d.produce(t, "retried"), d.produce(t, "kept")
	const month = 720 * time.Hour
	until, name := d.backdate(t, expired, month+48*time.Hour)
	_, retriedName := d.backdate(t, retried, month+time.Minute)
	_, keptName := d.backdate(t, kept, month-5*time.Minute)
	sentence := "report expired on " + until.In(e2etest.India).Format(time.DateOnly)
	wantExpired := func(when string) {
		t.Helper()
		got := d.read(t, "expired", expired.RequestID)
		if got.Status != "SUCCESS" || got.StatusMessage != sentence || got.DownloadURLs == nil || len(got.DownloadURLs) != 0 || got.ReceiptURL != nil {
			t.Errorf("%s it reads %+v, want %q and no URL", when, got, sentence)
		}
		list := d.Get(t, "list/expired", channel)
		if body := string(list.Body); !strings.Contains(body, `"statusMessage":"`+sentence+`"`) || !strings.Contains(body, `"downloadUrls":[]`) {
			t.Errorf("%s the list is %s", when, body)
		}
	}

	wantExpired("before the night")
	// Made again before the night has deleted the old file, which no row names any more then.
	retry := d.Post(t, order("retried", bot, day, "").Path("retry", retried.RequestID), channel, "").Job(t)
	if retry.Status != "SUBMITTED" || retry.Attempts != 1 {
		t.Errorf("the retry answers %+v", retry)
	}
	again := d.end(t, "retried", retried.RequestID)
	if again.Status != "SUCCESS" || again.StatusMessage != "" || len(again.DownloadURLs) != 1 || again.Attempts != 1 {
		t.Errorf("made again it is %+v", again)
	}

	if s := d.night(t); s.Deleted.Reports != 1 || s.Deleted.Unnamed != 3 || s.Ran != 0 || len(s.Problems) != 0 {
		t.Errorf("the summary is %+v", s)
	}
	want := []string{
		keptName, receiptOf(keptName), summaryOf(keptName), reportName(again), receiptOf(reportName(again)), summaryOf(reportName(again)),
	}
	slices.Sort(want)
	if got := d.Reports.Names(t); !slices.Equal(got, want) {
		t.Errorf("the store holds\n%q, want\n%q without %s and %s", got, want, name, retriedName)
	}
	if got := d.read(t, "kept", kept.RequestID); got.StatusMessage != "" || len(got.DownloadURLs) != 1 || got.ReceiptURL == nil {
		t.Errorf("what is not due yet reads %+v", got)
	}
	wantExpired("after the night")
	// In another namespace Temporal knows nothing of it, as after its retention.
	d.Env, d.URL = append(d.Env, "TEMPORAL_NAMESPACE=another"), ""
	if out := d.execStarter(t, "setup"); out.Code != 0 {
		t.Fatalf("setup: %+v", out)
	}
	d.StartAPI(t)
	d.StartWorker(t)
	wantExpired("when Temporal has forgotten it")

	j := d.Post(t, order("expired", bot, day, "").Path("retry", expired.RequestID), channel, "").Job(t)
	if j.Status != "SUBMITTED" || j.Attempts != 1 {
		t.Errorf("the retry answers %+v", j)
	}
	j = d.end(t, "expired", expired.RequestID)
	if j.Status != "SUCCESS" || j.StatusMessage != "" || len(j.DownloadURLs) != 1 {
		t.Fatalf("made again it is %+v", j)
	}
	if got := d.report(t, reportName(j)); got != report {
		t.Errorf("the report is\n%s", got)
	}
	refused := d.Post(t, order("kept", bot, day, "").Path("retry", kept.RequestID), channel, "")
	if want := "the exhaust is SUCCESS: only a FAILED or CANCELLED one, or one whose report has expired, can be retried"; refused.Sentence(t) != want {
		t.Errorf("retrying what is kept answers %d %q", refused.Status, refused.Sentence(t))
	}
}

// withAzurite has the stores in containers of Azurite.
func withAzurite(t *testing.T, s *e2etest.Stack) {
	t.Helper()
	var err error
	s.Azurite, err = devstack.StartAzurite(t.Context(), devstack.AzuriteOptions{})
	e2etest.Must(t, err)
	t.Cleanup(func() { e2etest.Must(t, s.Azurite.Stop()) })
	s.Blobs, err = s.Azurite.Client()
	e2etest.Must(t, err)
	for _, container := range []string{"telemetry", "reports"} {
		_, err := s.Blobs.CreateContainer(t.Context(), container, nil)
		e2etest.Must(t, err)
	}
	s.Env = append(s.Env, s.Azurite.Settings()...)
}

func TestAnExpiredReportThatIsLeasedIsNamedAndTheOthersAreDeleted(t *testing.T) {
	d := prepareOn(t, startTenant(t, withAzurite))
	d.StartAPI(t)
	d.StartWorker(t)
	var jobs []e2etest.Job
	for _, tag := range []string{"one", "leased", "three"} {
		jobs = append(jobs, d.produce(t, tag))
	}
	leased := reportName(jobs[1])
	blob := d.Blobs.ServiceClient().NewContainerClient(d.Reports.Container).NewBlobClient(d.Reports.Prefix + "/" + leased)
	hold, err := lease.NewBlobClient(blob, nil)
	e2etest.Must(t, err)
	_, err = hold.AcquireLease(t.Context(), -1, nil)
	e2etest.Must(t, err)
	at := time.Now().Add(-721 * time.Hour)
	d.exec(t, `UPDATE job_request SET dt_job_completed = $1`, at.UTC().Format("2006-01-02 15:04:05.000"))

	s := d.night(t)
	want := []string{"deleting expired reports: 1 could not be deleted, such as " + leased + ": somebody else has leased it (412)"}
	if s.Deleted.Reports != 2 || s.Deleted.Failed != 1 || !slices.Equal(s.Problems, want) {
		t.Errorf("the summary is %+v", s)
	}
	if got := d.Reports.Names(t); !slices.Equal(got, []string{leased}) {
		t.Errorf("the store holds %q", got)
	}
	sentence := "report expired on " + at.Add(720*time.Hour).In(e2etest.India).Format(time.DateOnly)
	for _, j := range jobs {
		tag, _, _ := strings.Cut(j.Tag, ":")
		if got := d.read(t, tag, j.RequestID); got.StatusMessage != sentence || len(got.DownloadURLs) != 0 {
			t.Errorf("%s reads %+v", tag, got)
		}
	}
	if s := d.night(t); s.Deleted.Reports != 0 || s.Deleted.Failed != 0 || len(s.Problems) != 0 {
		t.Errorf("the summary of the next night, which it is too young for, is %+v", s)
	}

	another := d.produce(t, "another")
	out := d.execStarter(t, "erase", "--conversation", bot)
	if out.Code != 1 || !strings.Contains(out.Stderr, "could not be removed: 1, such as\nremoving "+leased+": ") {
		t.Errorf("erase: %+v", out)
	}
	if got := d.Reports.Names(t); !slices.Equal(got, []string{leased}) {
		t.Errorf("after erase the store holds %q", got)
	}
	if got := d.read(t, "another", another.RequestID); !strings.HasPrefix(got.StatusMessage, "report erased on ") || len(got.DownloadURLs) != 0 {
		t.Errorf("what was erased reads %+v", got)
	}
}

func TestANightDeletesStagedAndUnnamedFilesThatAreADayOldUnlessTheirExhaustRuns(t *testing.T) {
	d := deploy(t)
	success := d.produce(t, "made")
	runs := d.park(t, "runs", bot, day)
	// One that was terminated while it waited, and one while it ran.
	waited, terminated := d.park(t, "waited", bot, day), d.park(t, "terminated", bot, day)
	for _, id := range []string{waited.RequestID, terminated.RequestID} {
		e2etest.Must(t, d.Client.TerminateWorkflow(t.Context(), "exhaust-"+id, "", "the machine was on fire"))
	}
	staged := func(id string, age time.Duration) string {
		name := "staging/" + id + "/a-run/part"
		d.Reports.Put(t, name, []byte("x"))
		d.age(t, name, age)
		return name
	}
	const old, young = 25 * time.Hour, 23 * time.Hour
	gone := []string{staged(success.RequestID, old), staged(terminated.RequestID, old), staged("NOBODYS", old)}
	// What is PROCESSING the night does not run, so one that waits can stand for it.
	d.exec(t, `UPDATE job_request SET status = 'PROCESSING' WHERE request_id IN ($1, $2)`, runs.RequestID, terminated.RequestID)
	report := func(id string, age time.Duration) string {
		name := "uci-response-exhaust/" + id + "/" + bot + "_response_20210101.csv"
		d.Reports.Put(t, name, []byte("x"))
		d.age(t, name, age)
		return name
	}
	const month = 30 * 24 * time.Hour
	report(success.RequestID, old) // it names another
	report("NOBODYS", month+time.Hour)
	d.age(t, receiptOf(reportName(success)), old) // both belong to the report
	d.age(t, summaryOf(reportName(success)), old)
	kept := []string{
		staged(runs.RequestID, old), staged("YOUNG", young), reportName(success), receiptOf(reportName(success)), summaryOf(reportName(success)),
		report(runs.RequestID, old), report(waited.RequestID, young), report("UNRECORDED", month-time.Hour),
	}

	s := d.night(t)
	if s.Deleted.Staged != len(gone) || s.Deleted.Unnamed != 2 || len(s.Problems) != 0 {
		t.Errorf("the summary is %+v", s)
	}
	slices.Sort(kept)
	if got := d.Reports.Names(t); !slices.Equal(got, kept) {
		t.Errorf("the store holds\n%q, want\n%q", got, kept)
	}
	// What the terminated ones could not tell job_request themselves, the night has. It did not run them.
	if s.Ran != 0 || len(s.Failures) > 0 {
		t.Errorf("the summary is %+v", s)
	}
	for _, id := range []string{waited.RequestID, terminated.RequestID} {
		if d.count(t, "status = 'FAILED' AND err_message = 'terminated by an operator' AND request_id = '"+id+"'") != 1 {
			t.Errorf("job_request does not know that %s was terminated", id)
		}
	}
	if s := d.night(t); s.Ran != 0 {
		t.Errorf("the next night meets it again: %+v", s)
	}
}

func TestEraseRemovesAllFilesOfAConversationAndNothingElse(t *testing.T) {
	d := deploy(t)
	d.Telemetry.Put(t, day+"-1.jsonl", []byte(strings.ReplaceAll(event(1), bot, silent)+"\n"))
	var names, ids []string
	for _, o := range []struct{ tag, conversation string }{{"one", bot}, {"two", bot}, {"other", silent}} {
		j := d.end(t, o.tag, d.submit(t, o.tag, o.conversation, day, "").RequestID)
		if j.Status != "SUCCESS" {
			t.Fatalf("%+v", j)
		}
		ids = append(ids, j.RequestID)
		names = append(names, order(o.tag, o.conversation, day, "").ReportName(j.RequestID, j.Completed()))
	}
	kept := []string{
		names[2], receiptOf(names[2]), summaryOf(names[2]), "staging/" + ids[2] + "/a-run/part", "slices/" + silent + "/2022-03-01-0.jsonl.zst",
		// Of a conversation whose name begins like a report of the one to erase.
		"slices/" + bot + "_response_b/2022-03-01-0.jsonl.zst",
		"uci-response-exhaust/OTHERS/" + bot + "_response_b_response_20210101.csv",
	}
	for _, name := range append([]string{
		"staging/" + ids[0] + "/a-run/part", "slices/" + bot + "/2022-03-01-0.jsonl.zst",
		"uci-response-exhaust/FORGOTTEN/" + bot + "_response_20210101.csv",
		"uci-private-exhaust/FORGOTTEN/" + bot + "_userinfo_20210101.csv",
	}, kept[3:]...) {
		d.Reports.Put(t, name, []byte("x"))
	}
	slices.Sort(kept)

	waits := d.park(t, "waits", bot, day)
	all := d.Reports.Names(t)
	got := d.execStarter(t, "erase", "--conversation", bot)
	want := e2etest.Output{Code: 1, Stderr: "error: exhaust " + waits.RequestID + " of tag waits is SUBMITTED: wait for its end or cancel it first\n"}
	if got != want {
		t.Errorf("while one waits:\n%+v, want\n%+v", got, want)
	}
	if got := d.Reports.Names(t); !slices.Equal(got, all) {
		t.Errorf("it removed something before it refused: left are %q", got)
	}
	// Terminated, it cannot tell job_request of its end: Temporal knows.
	e2etest.Must(t, d.Client.TerminateWorkflow(t.Context(), "exhaust-"+waits.RequestID, "", "of no use"))

	got = d.execStarter(t, "erase", "--conversation", bot)
	removed := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(kept, name) })
	lines := strings.Split(strings.TrimSuffix(got.Stdout, "\n"), "\n")
	slices.Sort(lines)
	var wantLines []string
	for _, name := range removed {
		wantLines = append(wantLines, "removed "+name)
	}
	if got.Code != 0 || got.Stderr != "10 files removed\n" || !slices.Equal(lines, wantLines) {
		t.Errorf("it ended with %d and said\n%s%s, want\n%s", got.Code, got.Stdout, got.Stderr, strings.Join(wantLines, "\n"))
	}
	if got := d.Reports.Names(t); !slices.Equal(got, kept) {
		t.Errorf("left are\n%q, want\n%q", got, kept)
	}
	sentence := "report erased on " + time.Now().In(e2etest.India).Format(time.DateOnly)
	for i, tag := range []string{"one", "two"} {
		if j := d.read(t, tag, ids[i]); j.Status != "SUCCESS" || j.StatusMessage != sentence || len(j.DownloadURLs) != 0 {
			t.Errorf("%s reads %+v, want %q", tag, j, sentence)
		}
	}
	if j := d.read(t, "other", ids[2]); j.StatusMessage != "" || len(j.DownloadURLs) != 1 {
		t.Errorf("the other conversation's reads %+v", j)
	}
	if got := d.execStarter(t, "erase", "--conversation", bot); got != (e2etest.Output{Stderr: "0 files removed\n"}) {
		t.Errorf("once more: %+v", got)
	}
	if got := d.execStarter(t, "erase"); got != (e2etest.Output{Code: 2, Stderr: "error: --conversation is needed\n"}) {
		t.Errorf("without a conversation: %+v", got)
	}
}
