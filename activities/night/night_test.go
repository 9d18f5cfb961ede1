package night_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities/night"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

// temporalSays stands in for the service of exhausts, which asks Temporal. What a test does not set is not to be called.
type temporalSays struct {
	release func(id string, status exhaust.Status, attempts int) (bool, error)
	find    func(id string) (exhaust.Job, error)
}

func (s temporalSays) Release(_ context.Context, id string, status exhaust.Status, attempts int) (bool, error) {
	return s.release(id, status, attempts)
}

func (s temporalSays) Find(_ context.Context, id string) (exhaust.Job, error) { return s.find(id) }

func (temporalSays) Wait(context.Context, string) (exhaust.Job, error) { panic("nothing is awaited") }

// terminated says of these exhausts that they were terminated, and of others that they run.
func terminated(ids ...string) temporalSays {
	return temporalSays{find: func(id string) (exhaust.Job, error) {
		job := jobOf(id, exhaust.Processing)
		if slices.Contains(ids, id) {
			job.Status, job.Message = exhaust.Failed, "terminated by an operator"
		}
		return job, nil
	}}
}

func jobOf(requestID string, status exhaust.Status) exhaust.Job {
	job := exhaust.Job{Request: exhaust.Request{Dataset: exhaust.PrivateExhaust, Tag: "tag", Channel: "channel", Config: []byte(`{}`)}, State: exhaust.State{Status: status}}
	job.ID = requestID
	job.SubmittedAt = time.Date(2022, 4, 5, 10, 0, 0, 0, time.UTC)
	return job
}

const retention = 48 * time.Hour

// began is when the nights of these tests began.
var began = time.Date(2022, 4, 6, 2, 0, 0, 0, time.UTC)

// hours before the night began.
func hours(n int) time.Time { return began.Add(-time.Duration(n) * time.Hour) }

// rig is the activities of the night on an SQLite database and a folder. Its store and its table go wrong where a test wants
// them to.
type rig struct {
	t      *testing.T
	steps  *night.Activities
	table  *table
	store  *store
	folder string
}

// table is job_request; before, where it is not nil, is called before, or after, a call of this name.
type table struct {
	*jobs.Jobs
	before, after func(call string)
}

func (j *table) WithReport(ctx context.Context, endedBefore time.Time, limit int) ([]exhaust.Job, error) {
	found, err := j.Jobs.WithReport(ctx, endedBefore, limit)
	j.after("WithReport")
	return found, err
}

func (j *table) DropReport(ctx context.Context, of exhaust.Job, why string) (bool, error) {
	j.before("DropReport")
	isDropped, err := j.Jobs.DropReport(ctx, of, why)
	j.after("DropReport")
	return isDropped, err
}

// store is the folder of reports; before is called before a call about an object, held tells which cannot be deleted.
type store struct {
	blob.Store
	before    func(call, name string)
	held      func(name string) bool
	deletions atomic.Int64
}

func (s *store) Stat(ctx context.Context, name string) (blob.Object, error) {
	s.before("Stat", name)
	return s.Store.Stat(ctx, name)
}

func (s *store) DeleteVersion(ctx context.Context, object blob.Object) error {
	s.deletions.Add(1)
	s.before("DeleteVersion", object.Name)
	if s.held(object.Name) {
		return fmt.Errorf("delete object %q of https://account.blob.example/container: %w", object.Name, fs.ErrPermission)
	}
	return s.Store.DeleteVersion(ctx, object)
}

func newRig(t *testing.T, exhausts night.Exhausts) *rig {
	t.Helper()
	db, err := database.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "jobs.db"))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	r := &rig{t: t, folder: t.TempDir(), table: &table{Jobs: jobs.New(db), before: func(string) {}, after: func(string) {}}}
	must(t, r.table.Migrate(t.Context()))
	local, err := blob.NewLocal(r.folder, blob.LocalOptions{})
	must(t, err)
	r.store = &store{Store: local, before: func(string, string) {}, held: func(string) bool { return false }}
	r.steps = night.New(exhausts, r.table, r.store, retention, time.UTC)
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var quiet = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))

// do does one activity, without a server.
func do[T any](r *rig, activity any, args ...any) (result T, err error) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet)
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(r.steps)
	value, err := env.ExecuteActivity(activity, args...)
	if err == nil && value.HasValue() {
		err = value.Get(&result)
	}
	return result, err
}

// clean does one of the steps that delete.
func (r *rig) clean(step func(context.Context, time.Time) (night.Cleaned, error)) night.Cleaned {
	r.t.Helper()
	cleaned, err := do[night.Cleaned](r, step, began)
	must(r.t, err)
	return cleaned
}

func (r *rig) wantCleaned(what string, got, want night.Cleaned) {
	r.t.Helper()
	if !reflect.DeepEqual(got, want) {
		r.t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

func (r *rig) save(js ...exhaust.Job) {
	r.t.Helper()
	for _, job := range js {
		must(r.t, r.table.Save(r.t.Context(), job))
	}
}

func (r *rig) job(id string) exhaust.Job {
	r.t.Helper()
	job, err := r.table.Job(r.t.Context(), id)
	must(r.t, err)
	return job
}

// put writes a file of the store that is as old as that.
func (r *rig) put(name, content string, written time.Time) {
	r.t.Helper()
	file := filepath.Join(r.folder, name)
	must(r.t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(r.t, os.WriteFile(file, []byte(content), 0o600))
	must(r.t, os.Chtimes(file, written, written))
}

// putReport saves an exhaust that was completed then, with a report, a receipt and a summary of that time.
func (r *rig) putReport(id string, completed time.Time) exhaust.Job {
	r.t.Helper()
	job := jobOf(id, exhaust.Success)
	job.CompletedAt = completed
	job.Report = job.ReportName("c", exhaust.DayOf(completed))
	job.Receipt = exhaust.ReceiptName(job.Report)
	r.put(job.Report, "report", completed)
	r.put(job.Receipt, "receipt", completed)
	r.put(exhaust.SummaryName(job.Report), "summary", completed)
	r.save(job)
	return job
}

// files are the names in the store.
func (r *rig) files() (names []string) {
	r.t.Helper()
	for object, err := range r.store.List(r.t.Context(), "", "") {
		must(r.t, err)
		names = append(names, object.Name)
	}
	return names
}

func (r *rig) wantFiles(want ...string) {
	r.t.Helper()
	slices.Sort(want)
	if got := r.files(); !slices.Equal(got, want) {
		r.t.Errorf("files %q\nwant  %q", got, want)
	}
}

var errAway = errors.New("no answer from https://temporal.example:7233")

func TestReleaseSaysOfEachExhaustWhatHasBecomeOfIt(t *testing.T) {
	r := newRig(t, temporalSays{release: func(id string, status exhaust.Status, attempts int) (bool, error) {
		switch id {
		case "WAITS":
			return status == exhaust.Submitted && attempts == 0, nil
		case "FAILED":
			return status == exhaust.Failed && attempts == 1, nil
		case "BUSY":
			return false, fmt.Errorf("exhaust %s: %w", id, exhaust.ErrWindingUp)
		case "REMOVED":
			return false, exhaust.ErrNoExhaust
		case "SILENT":
			return false, errAway
		}
		return false, nil
	}})
	got, err := do[[]night.Answer](r, r.steps.Release, []night.Due{
		{RequestID: "WAITS", Status: exhaust.Submitted},
		{RequestID: "FAILED", Status: exhaust.Failed, Attempts: 1},
		{RequestID: "BUSY", Status: exhaust.Failed, Attempts: 1},
		{RequestID: "MOVED", Status: exhaust.Failed, Attempts: 1},
		{RequestID: "REMOVED", Status: exhaust.Submitted},
		{RequestID: "SILENT", Status: exhaust.Submitted},
	})
	want := []night.Answer{night.IsReleased, night.IsReleased, night.IsBusy, night.HasMovedOn, night.HasMovedOn, night.IsUnknown}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestAReleaseThatIsTriedAgainCountsWhatItStartedBefore: no answer to a start does not say that nothing was started.
func TestAReleaseThatIsTriedAgainCountsWhatItStartedBefore(t *testing.T) {
	var (
		mu     sync.Mutex
		starts = map[string]int{}
		calls  = map[string]int{}
	)
	r := newRig(t, temporalSays{release: func(id string, _ exhaust.Status, _ int) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		isFirst := starts[id] == 0
		starts[id] = 1
		if calls[id]++; calls[id] < 3 {
			return false, errAway
		}
		return isFirst, nil
	}, find: func(id string) (exhaust.Job, error) {
		if id == "ID07" {
			return jobOf(id, exhaust.Cancelled), nil
		}
		return jobOf(id, exhaust.Processing), nil
	}})
	due := make([]night.Due, 40) // more than are released at a time
	for i := range due {
		due[i] = night.Due{RequestID: fmt.Sprintf("ID%02d", i), Status: exhaust.Submitted}
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet)
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(r.steps)
	attempts := 0
	env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { attempts++ })
	env.ExecuteWorkflow(func(ctx workflow.Context) (answers []night.Answer, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Millisecond},
		})
		return answers, workflow.ExecuteActivity(ctx, r.steps.Release, due).Get(ctx, &answers)
	})
	var got []night.Answer
	must(t, env.GetWorkflowResult(&got))
	if attempts != 3 || len(starts) != len(due) {
		t.Errorf("after %d attempts %d are started, want 3 and %d", attempts, len(starts), len(due))
	}
	want := slices.Repeat([]night.Answer{night.IsReleased}, len(due))
	want[7] = night.HasMovedOn // somebody has cancelled it meanwhile
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestALookSaysHowExhaustsStandAndSettlesTheRowOfATerminatedOne(t *testing.T) {
	const waiting = "telemetry store: permission refused (403); tried 5 times, next in 30 s"
	succeeded := jobOf("MADE", exhaust.Success)
	succeeded.Progress = exhaust.Progress{BytesRead: 100, RowsWritten: 7}
	succeeded.ExecutionTime = time.Minute
	r := newRig(t, temporalSays{find: func(id string) (exhaust.Job, error) {
		job := jobOf(id, exhaust.Processing)
		switch id {
		case "MADE":
			return succeeded, nil
		case "TERMINATED":
			job.Status, job.Message = exhaust.Failed, "terminated by an operator"
		case "WAITS":
			job.Progress.Waiting = waiting
		case "GONE":
			return exhaust.Job{}, exhaust.ErrNoExhaust
		case "SILENT":
			return exhaust.Job{}, errAway
		}
		return job, nil
	}})
	r.save(succeeded, jobOf("TERMINATED", exhaust.Processing), jobOf("RUNS", exhaust.Processing), jobOf("WAITS", exhaust.Processing))
	got, err := do[[]night.Standing](r, r.steps.Look, []string{"MADE", "RUNS", "WAITS", "TERMINATED", "GONE", "SILENT"})
	must(t, err)
	want := []night.Standing{
		{Outcome: &night.Outcome{RequestID: "MADE", Status: exhaust.Success, Bytes: 100, Rows: 7, Took: time.Minute}},
		{},
		{Waiting: waiting},
		{Outcome: &night.Outcome{RequestID: "TERMINATED", Status: exhaust.Failed, Message: "terminated by an operator"}},
		{Outcome: &night.Outcome{RequestID: "GONE", Status: exhaust.Failed, Message: "it is gone: neither Temporal nor job_request knows it"}},
		{}, // the next look tells
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for id, want := range map[string]exhaust.Status{"RUNS": exhaust.Processing, "WAITS": exhaust.Processing, "TERMINATED": exhaust.Failed} {
		if got := r.job(id).Status; got != want {
			t.Errorf("the row of %s says %s, want %s", id, got, want)
		}
	}
}

func TestALookThatSeesNothingIsAFailure(t *testing.T) {
	r := newRig(t, temporalSays{find: func(string) (exhaust.Job, error) { return exhaust.Job{}, errAway }})
	if _, err := do[[]night.Standing](r, r.steps.Look, []string{"A", "B"}); err == nil || !strings.Contains(err.Error(), errAway.Error()) {
		t.Errorf("it ended with %v", err)
	}
}

// TestWhatNobodyCanTellAnythingAboutHoldsTheNightForAMomentOnly: neither a release nor a look waits until it heals.
func TestWhatNobodyCanTellAnythingAboutHoldsTheNightForAMomentOnly(t *testing.T) {
	r := newRig(t, temporalSays{
		release: func(string, exhaust.Status, int) (bool, error) { return false, errAway },
		find:    func(string) (exhaust.Job, error) { return exhaust.Job{}, errAway },
	})
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet)
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(r.steps)
	type both struct {
		Answers   []night.Answer
		Standings []night.Standing
	}
	env.ExecuteWorkflow(func(ctx workflow.Context) (got both, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		began := workflow.Now(ctx)
		err = workflow.ExecuteActivity(ctx, r.steps.Release, []night.Due{{RequestID: "A", Status: exhaust.Submitted}}).Get(ctx, &got.Answers)
		if err == nil {
			err = workflow.ExecuteActivity(ctx, r.steps.Look, []string{"A", "B"}).Get(ctx, &got.Standings)
		}
		if took := workflow.Now(ctx).Sub(began); err == nil && took > 2*time.Minute {
			err = fmt.Errorf("it took %s", took)
		}
		return got, err
	})
	var got both
	must(t, env.GetWorkflowResult(&got))
	if !slices.Equal(got.Answers, []night.Answer{night.IsUnknown}) || !reflect.DeepEqual(got.Standings, []night.Standing{{}, {}}) {
		t.Errorf("got %+v", got)
	}
}

// TestAnExhaustWhoseRowSomebodyHasRemovedHasEndedAllTheSame: Temporal knows how.
func TestAnExhaustWhoseRowSomebodyHasRemovedHasEndedAllTheSame(t *testing.T) {
	r := newRig(t, temporalSays{find: func(id string) (exhaust.Job, error) { return jobOf(id, exhaust.Success), nil }})
	got, err := do[[]night.Standing](r, r.steps.Look, []string{"A"})
	if err != nil || len(got) != 1 || got[0].Outcome == nil || got[0].Outcome.Status != exhaust.Success {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAReportThatCannotBeDeletedStopsNoOther: a legal hold refuses a deletion for good. A night counts it once: one that is too
// young for the step that looks for what no exhaust names is counted by the other.
func TestAReportThatCannotBeDeletedStopsNoOther(t *testing.T) {
	const held = "uci-private-exhaust/ID4/c_userinfo_20220402.csv"
	once := night.Cleaned{Failed: 1, Failures: []string{held + ": permission refused"}}
	for name, c := range map[string]struct {
		written          time.Time
		expired, unnamed night.Cleaned
	}{
		"an old file":  {hours(25), night.Cleaned{Reports: 6}, once},
		"a young file": {hours(23), night.Cleaned{Reports: 6, Failed: 1, Failures: once.Failures}, night.Cleaned{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			isHeld := true
			r.store.held = func(name string) bool { return isHeld && name == held }
			for i := range 7 {
				r.putReport(fmt.Sprintf("ID%d", i), hours(100-i))
			}
			r.put(held, "report", c.written)
			young := r.putReport("YOUNG", hours(47))
			r.wantCleaned("what has expired", r.clean(r.steps.DeleteExpired), c.expired)
			r.wantFiles(held, young.Report, young.Receipt, exhaust.SummaryName(young.Report))
			for i := range 7 {
				job := r.job(fmt.Sprintf("ID%d", i))
				if until := exhaust.ExpiryMessage(hours(100 - i).Add(retention)); job.Report != "" || job.Receipt != "" || job.Message != until || job.Status != exhaust.Success {
					t.Errorf("%s is %+v, want %q", job.ID, job.State, until)
				}
			}
			r.wantCleaned("what no exhaust names", r.clean(r.steps.DeleteUnnamed), c.unnamed)
			r.put(held, "report", hours(100)) // time goes by
			r.wantCleaned("what has expired by the next night", r.clean(r.steps.DeleteExpired), night.Cleaned{})
			r.wantCleaned("what no exhaust names by the next night", r.clean(r.steps.DeleteUnnamed), once)
			isHeld = false
			r.wantCleaned("when the hold is over", r.clean(r.steps.DeleteUnnamed), night.Cleaned{Unnamed: 1})
			r.wantFiles(young.Report, young.Receipt, exhaust.SummaryName(young.Report))
		})
	}
}

// TestWhereNothingCanBeDeletedTheNightEndsAllTheSame: there are more reports than one listing gives.
func TestWhereNothingCanBeDeletedTheNightEndsAllTheSame(t *testing.T) {
	r := newRig(t, nil)
	r.store.held = func(string) bool { return true }
	for i := range 501 {
		r.putReport(fmt.Sprintf("ID%03d", i), hours(1000-i))
	}
	r.wantCleaned("what has expired", r.clean(r.steps.DeleteExpired), night.Cleaned{})
	got := r.clean(r.steps.DeleteUnnamed)
	if got.Unnamed != 0 || got.Failed != 3*501 || len(got.Failures) != 5 {
		t.Errorf("cleaned %+v", got)
	}
	for _, failure := range got.Failures {
		if !strings.HasSuffix(failure, ": permission refused") {
			t.Errorf("it names %q", failure)
		}
	}
	if left, err := r.table.Jobs.WithReport(t.Context(), began, 0); err != nil || len(left) > 0 {
		t.Errorf("%d rows name a report, %v", len(left), err)
	}
}

func TestTwoNightsAtOnceDeleteAndCountEachReportOnce(t *testing.T) {
	r := newRig(t, nil)
	const reports = 60
	for i := range reports {
		r.putReport(fmt.Sprintf("ID%02d", i), hours(200-i))
	}
	// Both have listed all of them before one deletes any.
	var listed sync.WaitGroup
	listed.Add(2)
	first := make(chan struct{}, 2)
	first <- struct{}{}
	first <- struct{}{}
	r.table.after = func(call string) {
		if call != "WithReport" {
			return
		}
		select {
		case <-first:
			listed.Done()
			listed.Wait()
		default:
		}
	}
	var (
		cleaned [2]night.Cleaned
		errs    [2]error
		nights  sync.WaitGroup
	)
	for i := range cleaned {
		nights.Go(func() { cleaned[i], errs[i] = do[night.Cleaned](r, r.steps.DeleteExpired, began) })
	}
	nights.Wait()
	must(t, errors.Join(errs[:]...))
	if got := cleaned[0].Reports + cleaned[1].Reports; got != reports || cleaned[0].Failed+cleaned[1].Failed > 0 {
		t.Errorf("cleaned %+v, want %d reports", cleaned, reports)
	}
	if got := r.store.deletions.Load(); got != 3*reports {
		t.Errorf("%d deletions, want one of each report, receipt and summary", got)
	}
	r.wantFiles()
}

// retry is another attempt of an exhaust, which makes its report anew under the same name.
type retry struct {
	r   *rig
	job exhaust.Job
}

func (a *retry) begin() {
	a.r.t.Helper()
	a.job.Attempts++
	a.job.State = exhaust.State{Status: exhaust.Submitted, Attempts: a.job.Attempts}
	must(a.r.t, a.r.table.Submit(a.r.t.Context(), a.job))
}

// publish replaces what is there, as an attempt does.
func (a *retry) publish(report string) {
	a.r.t.Helper()
	for name, content := range map[string]string{
		report: "new report", exhaust.ReceiptName(report): "new receipt", exhaust.SummaryName(report): "new summary",
	} {
		previous, err := a.r.store.Store.Stat(a.r.t.Context(), name)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			a.r.t.Fatal(err)
		}
		writer, err := a.r.store.Create(a.r.t.Context(), name, "text/csv")
		must(a.r.t, err)
		_, err = writer.Write([]byte(content))
		must(a.r.t, err)
		_, err = writer.CommitIf(previous.ETag)
		must(a.r.t, err)
	}
}

func (a *retry) end(report string) {
	a.r.t.Helper()
	a.job.State = exhaust.State{
		Status: exhaust.Success, Attempts: a.job.Attempts, CompletedAt: began, Report: report, Receipt: exhaust.ReceiptName(report),
	}
	a.r.save(a.job)
}

// TestARetryInTheMiddleOfADeletionLosesNothing has a retry make the report of an expired exhaust anew, under the name that it
// had, at each point of its deletion. Some record it at once, some when the night is over.
func TestARetryInTheMiddleOfADeletionLosesNothing(t *testing.T) {
	for _, point := range []string{
		"after WithReport", "before Stat of the receipt", "before Stat of the report", "before DropReport", "after DropReport",
		"before DeleteVersion of the receipt", "before DeleteVersion of the report",
		"before Stat of the summary", "before DeleteVersion of the summary",
	} {
		for _, isLate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %t", point, isLate), func(t *testing.T) {
				r := newRig(t, nil)
				old := r.putReport("ID", hours(100))
				other := r.putReport("OTHER", hours(99))
				attempt := &retry{r: r, job: old}
				var once sync.Once
				at := func(now string) {
					if now != point {
						return
					}
					once.Do(func() {
						attempt.begin()
						attempt.publish(old.Report)
						if !isLate {
							attempt.end(old.Report)
						}
					})
				}
				summary := exhaust.SummaryName(old.Report)
				kinds := map[string]string{old.Report: " of the report", old.Receipt: " of the receipt", summary: " of the summary"}
				r.store.before = func(call, name string) {
					if kind, isOfJob := kinds[name]; isOfJob {
						at("before " + call + kind)
					}
				}
				r.table.before = func(call string) { at("before " + call) }
				r.table.after = func(call string) { at("after " + call) }

				cleaned := r.clean(r.steps.DeleteExpired)
				if attempt.job.Attempts == 0 {
					t.Fatal("the night does not come to that point")
				}
				if isLate {
					attempt.end(old.Report)
				}
				if cleaned.Failed > 0 {
					t.Errorf("cleaned %+v", cleaned)
				}
				r.wantCleaned("what no exhaust names", r.clean(r.steps.DeleteUnnamed), night.Cleaned{})
				r.wantFiles(old.Report, old.Receipt, summary)
				for name, want := range map[string]string{old.Report: "new report", old.Receipt: "new receipt", summary: "new summary"} {
					if got, err := os.ReadFile(filepath.Join(r.folder, name)); err != nil || string(got) != want {
						t.Errorf("%s is %q, %v", name, got, err)
					}
				}
				job := r.job("ID")
				if job.Attempts != 1 || job.Status != exhaust.Success || job.Report != old.Report || job.Receipt != old.Receipt || job.Message != "" {
					t.Errorf("the row is %+v", job.State)
				}
				if got := r.job(other.ID); got.Report != "" {
					t.Errorf("the other one's row is %+v", got.State)
				}
			})
		}
	}
}

func TestTheNightDeletesReportsThatNoExhaustNames(t *testing.T) {
	r := newRig(t, nil)
	named := jobOf("NAMED", exhaust.Success)
	named.Report = "uci-private-exhaust/NAMED/kept.csv"
	r.save(named, jobOf("FAILED", exhaust.Failed), jobOf("RUNS", exhaust.Processing))
	for name, written := range map[string]time.Time{
		"uci-private-exhaust/NAMED/kept.csv":               hours(100),
		"uci-private-exhaust/NAMED/kept.csv.receipt.json":  hours(100),
		"uci-private-exhaust/NAMED/kept.csv.summary.json":  hours(100),
		"uci-private-exhaust/NAMED/other.csv.summary.json": hours(25),
		"uci-private-exhaust/NAMED/other.csv":              hours(25),
		"uci-private-exhaust/FAILED/left.csv":              hours(25),
		"uci-private-exhaust/FAILED/young.csv":             hours(23),
		"uci-private-exhaust/RUNS/new.csv":                 hours(25),
		"uci-response-exhaust/UNKNOWN/new.csv":             hours(47),
		"uci-response-exhaust/UNKNOWN/old.csv":             hours(49),
		"some-other-folder/UNKNOWN/of-them.csv":            hours(1000),
	} {
		r.put(name, "a", written)
	}
	r.wantCleaned("the night", r.clean(r.steps.DeleteUnnamed), night.Cleaned{Unnamed: 4})
	r.wantFiles(
		"some-other-folder/UNKNOWN/of-them.csv",
		"uci-private-exhaust/FAILED/young.csv",
		"uci-private-exhaust/NAMED/kept.csv",
		"uci-private-exhaust/NAMED/kept.csv.receipt.json",
		"uci-private-exhaust/NAMED/kept.csv.summary.json",
		"uci-private-exhaust/RUNS/new.csv",
		"uci-response-exhaust/UNKNOWN/new.csv",
	)
}

func TestAnUnnamedReportThatCannotBeDeletedStopsNoOtherAndOneWrittenAnewStays(t *testing.T) {
	r := newRig(t, nil)
	names := []string{
		"uci-private-exhaust/A/held.csv", "uci-private-exhaust/B/x.csv", "uci-private-exhaust/C/anew.csv", "uci-response-exhaust/D/x.csv",
	}
	for _, name := range names {
		r.put(name, "old", hours(100))
	}
	r.store.held = func(name string) bool { return name == names[0] }
	r.store.before = func(call, name string) {
		if call == "DeleteVersion" && name == names[2] {
			r.put(name, "new", hours(0))
		}
	}
	r.wantCleaned("the night", r.clean(r.steps.DeleteUnnamed),
		night.Cleaned{Unnamed: 2, Failed: 1, Failures: []string{names[0] + ": permission refused"}})
	r.wantFiles(names[0], names[2])
}

func TestStagedFilesOfOneThatCannotBeAskedOrDeletedStopNoOthers(t *testing.T) {
	r := newRig(t, temporalSays{find: func(id string) (exhaust.Job, error) {
		if id == "B-SILENT" {
			return exhaust.Job{}, errAway
		}
		return terminated("E-ENDED").find(id)
	}})
	r.save(jobOf("B-SILENT", exhaust.Processing), jobOf("D-RUNS", exhaust.Processing), jobOf("E-ENDED", exhaust.Processing), jobOf("F-FAILED", exhaust.Failed))
	for name, written := range map[string]time.Time{
		"staging/A-NOBODYS/run/held":  hours(25),
		"staging/A-NOBODYS/run/part":  hours(25),
		"staging/B-SILENT/run/part":   hours(25),
		"staging/B-SILENT/run/part-2": hours(25),
		"staging/C-YOUNG/run/part":    hours(23),
		"staging/D-RUNS/run/part":     hours(25),
		"staging/E-ENDED/run/part":    hours(25),
		"staging/F-FAILED/run/anew":   hours(25),
		"staging/F-FAILED/run/part":   hours(25),
	} {
		r.put(name, "old", written)
	}
	r.store.held = func(name string) bool { return name == "staging/A-NOBODYS/run/held" }
	r.store.before = func(_, name string) {
		if name == "staging/F-FAILED/run/anew" {
			r.put(name, "new", hours(0))
		}
	}
	r.wantCleaned("the night", r.clean(r.steps.DeleteLeftStaging), night.Cleaned{
		Staged: 3, Failed: 2, Failures: []string{"staging/A-NOBODYS/run/held: permission refused", "staging/B-SILENT/: it failed"},
	})
	r.wantFiles(
		"staging/A-NOBODYS/run/held", "staging/B-SILENT/run/part", "staging/B-SILENT/run/part-2", "staging/C-YOUNG/run/part",
		"staging/D-RUNS/run/part", "staging/F-FAILED/run/anew",
	)
	if got := r.job("E-ENDED"); got.Status != exhaust.Failed {
		t.Errorf("the row of the terminated one says %s", got.Status)
	}
}

// TestTheNightRecordsTheEndOfExhaustsThatWereTerminated, be it while they ran or while they waited for the night, though
// Temporal says nothing about one that comes before them.
func TestTheNightRecordsTheEndOfExhaustsThatWereTerminated(t *testing.T) {
	r := newRig(t, temporalSays{find: func(id string) (exhaust.Job, error) {
		if strings.HasPrefix(id, "A-SILENT") {
			return exhaust.Job{}, errAway
		}
		return terminated("TERMINATED", "TERMINATED-BEFORE").find(id)
	}})
	want := map[string]exhaust.Status{}
	for id, status := range map[string]exhaust.Status{
		"A-SILENT": exhaust.Processing, "A-SILENT-BEFORE": exhaust.Submitted, "RUNS": exhaust.Processing, "WAITS": exhaust.Submitted,
		"TERMINATED": exhaust.Processing, "TERMINATED-BEFORE": exhaust.Submitted,
	} {
		r.save(jobOf(id, status))
		if want[id] = status; strings.HasPrefix(id, "TERMINATED") {
			want[id] = exhaust.Failed
		}
	}
	cleaned, err := do[night.Cleaned](r, r.steps.SettleEnded)
	if want := (night.Cleaned{Failed: 2, Failures: []string{"A-SILENT-BEFORE: it failed", "A-SILENT: it failed"}}); err != nil || !reflect.DeepEqual(cleaned, want) {
		t.Errorf("it ended with %+v, %v", cleaned, err)
	}
	for id, want := range want {
		if got := r.job(id).Status; got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}
