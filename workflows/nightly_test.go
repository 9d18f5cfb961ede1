package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities/night"
	"data-exhaust/exhaust"
	"data-exhaust/workflows"
)

// nightWorld stands in for the activities of the night: the faults and the numbers that a night must
// stand cannot be had from real ones.
type nightWorld struct {
	mu      sync.Mutex
	due     []night.Due // by ascending id
	outcome func(night.Due) (night.Outcome, error)
	// list, where it is not nil, fails a listing.
	list func(night.DueQuery) error
	// clean, where it is not nil, fails a cleaning.
	clean func(step string) error

	log     []string
	ran     map[string]int
	running int
	most    int
}

// newNightWorld has exhausts w00000, … that wait and f00000, … that FAILED.
func newNightWorld(waiting, failed int) *nightWorld {
	w := &nightWorld{ran: map[string]int{}}
	for i := range failed {
		w.due = append(w.due, night.Due{RequestID: fmt.Sprintf("f%05d", i), Status: exhaust.Failed, Attempts: 1})
	}
	for i := range waiting {
		w.due = append(w.due, night.Due{RequestID: fmt.Sprintf("w%05d", i), Status: exhaust.Submitted})
	}
	return w
}

func (w *nightWorld) listDue(_ context.Context, q night.DueQuery) (page []night.Due, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf("list failed=%t after=%s", q.Failed, q.After))
	if w.list != nil {
		if err := w.list(q); err != nil {
			return nil, err
		}
	}
	for _, d := range w.due {
		if (d.Status == exhaust.Failed) == q.Failed && d.RequestID > q.After && len(page) < q.Limit {
			page = append(page, d)
		}
	}
	return page, nil
}

func (w *nightWorld) runDue(ctx context.Context, d night.Due) (night.Outcome, error) {
	w.mu.Lock()
	w.log = append(w.log, "run "+d.RequestID)
	w.ran[d.RequestID]++
	w.running++
	w.most = max(w.most, w.running)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running--
	}()
	if w.outcome != nil {
		return w.outcome(d)
	}
	return succeeded(d), nil
}

func (w *nightWorld) cleaning(step string, cleaned night.Cleaned) func(context.Context, time.Time) (night.Cleaned, error) {
	return func(context.Context, time.Time) (night.Cleaned, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log = append(w.log, step)
		if w.clean != nil {
			if err := w.clean(step); err != nil {
				return night.Cleaned{}, err
			}
		}
		return cleaned, nil
	}
}

func succeeded(d night.Due) night.Outcome {
	return night.Outcome{RequestID: d.RequestID, Status: exhaust.Success, Bytes: 1000, Rows: 10, Took: time.Second}
}

var nightBegan = time.Date(2022, 4, 2, 2, 0, 0, 0, time.UTC)

func (w *nightWorld) env() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartTime(nightBegan)
	env.SetTestTimeout(time.Minute)
	env.RegisterWorkflow(workflows.Nightly)
	w.register(env)
	return env
}

// register registers what stands in for the activities.
func (w *nightWorld) register(r interface {
	RegisterActivityWithOptions(any, activity.RegisterOptions)
}) {
	settle := w.cleaning("settle", night.Cleaned{})
	for name, f := range map[string]any{
		"ListDue":           w.listDue,
		"RunDue":            w.runDue,
		"DeleteExpired":     w.cleaning("expired", night.Cleaned{Reports: 3}),
		"DeleteLeftStaging": w.cleaning("staging", night.Cleaned{Staged: 4}),
		"DeleteUnnamed":     w.cleaning("unnamed", night.Cleaned{Unnamed: 5}),
		"SettleEnded":       func(ctx context.Context) error { _, err := settle(ctx, nightBegan); return err },
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// night runs a whole night, all runs of its workflow, and gives the number of activities of each.
func (w *nightWorld) night(t *testing.T, concurrency int) (workflows.Summary, []int) {
	t.Helper()
	in := workflows.NightInput{Concurrency: concurrency, Timeout: 24 * time.Hour}
	var runs []int
	for len(runs) < 100 {
		env, activitiesOfRun := w.env(), 0
		env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { activitiesOfRun++ })
		env.ExecuteWorkflow(workflows.Nightly, in)
		if !env.IsWorkflowCompleted() {
			t.Fatal("the night does not end")
		}
		runs = append(runs, activitiesOfRun)
		var next *workflow.ContinueAsNewError
		err := env.GetWorkflowError()
		if !errors.As(err, &next) {
			if err != nil {
				t.Fatal(err)
			}
			var summary workflows.Summary
			if err := env.GetWorkflowResult(&summary); err != nil {
				t.Fatal(err)
			}
			return summary, runs
		}
		in = workflows.NightInput{}
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the night continues as new without an end")
	return workflows.Summary{}, nil
}

func TestANightRunsWhatWaitsThenWhatFailedThenCleansAndSumsUp(t *testing.T) {
	w := newNightWorld(2, 1)
	w.outcome = func(d night.Due) (night.Outcome, error) {
		o := succeeded(d)
		if d.RequestID == "w00001" {
			o.Status, o.Message, o.Rows, o.Took = exhaust.Failed, "No data found", 0, time.Minute
		}
		return o, nil
	}
	summary, _ := w.night(t, 1)
	want := []string{
		"list failed=false after=", "run w00000", "run w00001",
		"list failed=true after=", "run f00000",
		"settle", "expired", "staging", "unnamed",
	}
	// The next listing needs no room, so it may come before the last of those that wait is run.
	if got := w.log; !sameButForTheSecondListing(got, want) {
		t.Errorf("the steps were\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	failure := night.Outcome{RequestID: "w00001", Status: exhaust.Failed, Message: "No data found", Bytes: 1000, Took: time.Minute}
	wantSummary := workflows.Summary{
		StartedAt: nightBegan, EndedAt: nightBegan,
		Starts: 3, Retried: 1, Success: 2, Failed: 1, Bytes: 3000, Rows: 20,
		Slowest: &failure, Failures: []night.Outcome{failure},
		Deleted: night.Cleaned{Reports: 3, Staged: 4, Unnamed: 5},
	}
	if !reflect.DeepEqual(summary, wantSummary) {
		t.Errorf("the summary is\n%+v\nwant\n%+v", summary, wantSummary)
	}
}

func sameButForTheSecondListing(got, want []string) bool {
	without := func(log []string) []string {
		return slices.DeleteFunc(slices.Clone(log), func(step string) bool { return step == "list failed=true after=" })
	}
	return len(got) == len(want) && slices.Equal(without(got), without(want)) &&
		slices.Index(got, "list failed=true after=") < slices.Index(got, "run f00000")
}

func TestANightWithoutAnythingDueCleansAllTheSame(t *testing.T) {
	summary, _ := newNightWorld(0, 0).night(t, 8)
	want := workflows.Summary{StartedAt: nightBegan, EndedAt: nightBegan, Deleted: night.Cleaned{Reports: 3, Staged: 4, Unnamed: 5}}
	if !reflect.DeepEqual(summary, want) {
		t.Errorf("the summary is\n%+v\nwant\n%+v", summary, want)
	}
}

// TestANightRunsAsManyExhaustsAtOnceAsItMayAndNeverMore lets the first ones wait for each other, so
// that fewer than the setting would hang.
func TestANightRunsAsManyExhaustsAtOnceAsItMayAndNeverMore(t *testing.T) {
	const concurrency = 5
	w := newNightWorld(40, 10)
	full, once := make(chan struct{}), sync.Once{}
	w.outcome = func(d night.Due) (night.Outcome, error) {
		w.mu.Lock()
		if w.running == concurrency {
			// One too many would be here within microseconds.
			once.Do(func() { time.AfterFunc(100*time.Millisecond, func() { close(full) }) })
		}
		w.mu.Unlock()
		<-full
		return succeeded(d), nil
	}
	summary, _ := w.night(t, concurrency)
	if w.most != concurrency || summary.Success != 50 {
		t.Errorf("%d ran at once and %d succeeded, want %d and 50", w.most, summary.Success, concurrency)
	}
}

// TestAnExhaustThatTakesLongHoldsUpNoOther: it ends when all others have, though they are more than a
// page of the listing.
func TestAnExhaustThatTakesLongHoldsUpNoOther(t *testing.T) {
	w := newNightWorld(450, 3)
	var others sync.WaitGroup
	others.Add(452)
	w.outcome = func(d night.Due) (night.Outcome, error) {
		o := succeeded(d)
		if d.RequestID == "w00000" {
			others.Wait()
			o.Took = time.Hour
			return o, nil
		}
		others.Done()
		return o, nil
	}
	summary, _ := w.night(t, 4)
	if summary.Success != 453 || summary.Slowest.RequestID != "w00000" {
		t.Errorf("%d succeeded, the slowest was %+v", summary.Success, summary.Slowest)
	}
}

// TestTenThousandExhaustsAreRunOnceEachInRunsOfBoundedHistory counts activities: each takes three
// events, and at the most three more for the workflow task that takes notice of it.
func TestTenThousandExhaustsAreRunOnceEachInRunsOfBoundedHistory(t *testing.T) {
	w := newNightWorld(9_000, 1_000)
	w.outcome = func(d night.Due) (night.Outcome, error) {
		o := succeeded(d)
		if strings.HasSuffix(d.RequestID, "77") {
			o.Status, o.Message = exhaust.Failed, "the reason of "+d.RequestID
		}
		return o, nil
	}
	summary, runs := w.night(t, 8)
	if len(runs) != 10 && len(runs) != 11 {
		t.Errorf("it took %d runs", len(runs))
	}
	for i, n := range runs {
		if n > 1_100 {
			t.Errorf("run %d of the workflow took %d activities", i, n)
		}
	}
	if len(w.ran) != 10_000 {
		t.Errorf("%d exhausts were run", len(w.ran))
	}
	// One that runs when the workflow continues as new is asked for again, to wait for it.
	again := 0
	for id, times := range w.ran {
		again += times - 1
		if times > 2 {
			t.Errorf("%s was asked for %d times", id, times)
		}
	}
	if again > 8*len(runs) {
		t.Errorf("%d were asked for again", again)
	}
	if w.most > 16 {
		t.Errorf("%d activities ran at once", w.most)
	}
	failures := summary.Failures
	summary.Failures, summary.Slowest = nil, nil
	want := workflows.Summary{
		StartedAt: nightBegan, EndedAt: nightBegan, Starts: 10_000, Retried: 1_000, Success: 9_900, Failed: 100,
		Bytes: 10_000_000, Rows: 100_000, Deleted: night.Cleaned{Reports: 3, Staged: 4, Unnamed: 5},
	}
	if !reflect.DeepEqual(summary, want) {
		t.Errorf("the summary is\n%+v\nwant\n%+v", summary, want)
	}
	told := map[string]string{}
	for _, f := range failures {
		told[f.RequestID] = f.Message
	}
	if len(told) != 100 || told["f00077"] != "the reason of f00077" || told["w08977"] != "the reason of w08977" {
		t.Errorf("%d failures are told: %v", len(told), slices.Sorted(maps.Keys(told)))
	}
}

func TestASummaryTellsAHundredFailuresAndCountsTheRest(t *testing.T) {
	w := newNightWorld(130, 0)
	w.outcome = func(d night.Due) (night.Outcome, error) {
		return night.Outcome{RequestID: d.RequestID, Status: exhaust.Cancelled, Message: "cancelled on request"}, nil
	}
	summary, _ := w.night(t, 8)
	if summary.Cancelled != 130 || len(summary.Failures) != 100 {
		t.Errorf("%d CANCELLED, %d of them told", summary.Cancelled, len(summary.Failures))
	}
}

func TestAnExhaustThatCannotBeRunIsToldAndTheOthersAreRun(t *testing.T) {
	w := newNightWorld(3, 1)
	w.outcome = func(d night.Due) (night.Outcome, error) {
		if d.RequestID == "w00001" {
			return night.Outcome{}, errors.New("its memo has no request")
		}
		return succeeded(d), nil
	}
	summary, _ := w.night(t, 2)
	want := []night.Outcome{{RequestID: "w00001", Status: exhaust.Failed, Message: "its memo has no request"}}
	if summary.Starts != 4 || summary.Success != 3 || summary.Failed != 1 || !reflect.DeepEqual(summary.Failures, want) {
		t.Errorf("the summary is %+v", summary)
	}
}

func TestAStepOfTheNightThatFailsIsToldAndTheOthersAreDone(t *testing.T) {
	w := newNightWorld(300, 2)
	w.list = func(q night.DueQuery) error {
		if !q.Failed && q.After != "" {
			return errors.New("the database is away")
		}
		return nil
	}
	w.clean = func(step string) error {
		if step == "expired" {
			return errors.New("the store is away")
		}
		return nil
	}
	summary, _ := w.night(t, 8)
	if summary.Starts != 202 || summary.Success != 202 || summary.Retried != 2 {
		t.Errorf("%d were run (%d succeeded, %d retried), want the 200 that could be listed and the 2 that had FAILED",
			summary.Starts, summary.Success, summary.Retried)
	}
	want := []string{
		`listing the exhausts that are due: those behind "w00199" were not run: the database is away`,
		"deleting expired reports: the store is away",
	}
	if !slices.Equal(summary.Problems, want) {
		t.Errorf("the problems are %q, want %q", summary.Problems, want)
	}
	if summary.Deleted != (night.Cleaned{Staged: 4, Unnamed: 5}) {
		t.Errorf("deleted: %+v", summary.Deleted)
	}
}

func TestADatabaseThatIsAwayForAWhileCostsNoExhaust(t *testing.T) {
	w := newNightWorld(3, 3)
	tries := 0
	w.list = func(night.DueQuery) error {
		if tries++; tries%5 != 0 {
			return errors.New("the database is away")
		}
		return nil
	}
	summary, _ := w.night(t, 8)
	if summary.Success != 6 || len(summary.Problems) > 0 {
		t.Errorf("the summary is %+v", summary)
	}
}

// TestACancelledNightEndsAndDeletesNothing: the exhausts that it has started go on.
func TestACancelledNightEndsAndDeletesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		when time.Duration
		list bool
	}{{"while exhausts run", time.Minute, false}, {"while it lists", time.Minute, true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newNightWorld(10, 0)
			w.outcome = func(night.Due) (night.Outcome, error) { return night.Outcome{}, errors.New("not yet") }
			if c.list {
				w.list = func(night.DueQuery) error { return errors.New("not yet") }
			}
			env := w.env()
			env.RegisterDelayedCallback(env.CancelWorkflow, c.when)
			env.ExecuteWorkflow(workflows.Nightly, workflows.NightInput{Concurrency: 4, Timeout: 24 * time.Hour})
			if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) {
				t.Errorf("it ended with %v", err)
			}
			if slices.Contains(w.log, "expired") || slices.Contains(w.log, "staging") {
				t.Errorf("it went on: %q", w.log)
			}
			if got := env.Now().Sub(nightBegan); got > 2*time.Minute {
				t.Errorf("it ended %s after its start", got)
			}
		})
	}
}
