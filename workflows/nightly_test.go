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
	mu  sync.Mutex
	due []night.Due // by ascending id
	// ends says how an exhaust has ended by the look-th look at it; a Standing without an Outcome is one that has not. nil
	// ends each by the first look, as SUCCESS.
	ends func(requestID string, look int) night.Standing
	// answer, where it is not nil, is the try-th answer to the release of an exhaust.
	answer func(d night.Due, try int) night.Answer
	// release, look, list and clean, where they are not nil, fail these steps.
	release func([]night.Due) error
	look    func([]string) error
	list    func(night.DueQuery) error
	clean   func(step string) error
	cleaned map[string]night.Cleaned

	log      []string
	released map[string]int
	tries    map[string]int
	looks    map[string]int
	inFlight map[string]bool
	// most is how many were in flight at once, watched how many the night looked at at once.
	most, watched int
}

// newNightWorld has exhausts w00000, … that wait and f00000, … that FAILED.
func newNightWorld(waiting, failed int) *nightWorld {
	w := &nightWorld{
		released: map[string]int{}, tries: map[string]int{}, looks: map[string]int{}, inFlight: map[string]bool{},
		cleaned: map[string]night.Cleaned{"expired": {Reports: 3}, "staging": {Staged: 4}, "unnamed": {Unnamed: 5}},
	}
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

func (w *nightWorld) releaseAll(_ context.Context, due []night.Due) ([]night.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.release != nil {
		if err := w.release(due); err != nil {
			return nil, err
		}
	}
	answers := make([]night.Answer, len(due))
	for i, d := range due {
		w.tries[d.RequestID]++
		answers[i] = night.IsReleased
		if w.answer != nil {
			answers[i] = w.answer(d, w.tries[d.RequestID])
		}
		if answers[i] == night.IsReleased {
			w.log = append(w.log, "release "+d.RequestID)
			w.released[d.RequestID]++
			w.inFlight[d.RequestID] = true
			w.most = max(w.most, len(w.inFlight))
		}
	}
	return answers, nil
}

func (w *nightWorld) lookAt(_ context.Context, ids []string) ([]night.Standing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched = max(w.watched, len(ids))
	if w.look != nil {
		if err := w.look(ids); err != nil {
			return nil, err
		}
	}
	standings := make([]night.Standing, len(ids))
	for i, id := range ids {
		w.looks[id]++
		standings[i] = succeeded(id)
		if w.ends != nil {
			standings[i] = w.ends(id, w.looks[id])
		}
		if standings[i].Outcome != nil {
			delete(w.inFlight, id)
		}
	}
	return standings, nil
}

func (w *nightWorld) cleaning(step string) func(context.Context, time.Time) (night.Cleaned, error) {
	return func(context.Context, time.Time) (night.Cleaned, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log = append(w.log, step)
		if w.clean != nil {
			if err := w.clean(step); err != nil {
				return night.Cleaned{}, err
			}
		}
		return w.cleaned[step], nil
	}
}

func succeeded(id string) night.Standing {
	return night.Standing{Outcome: &night.Outcome{RequestID: id, Status: exhaust.Success, Bytes: 1000, Rows: 10, Took: time.Second}}
}

func failedAs(id string, status exhaust.Status, message string, took time.Duration) night.Standing {
	return night.Standing{Outcome: &night.Outcome{RequestID: id, Status: status, Message: message, Bytes: 1000, Took: took}}
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
	settle := w.cleaning("settle")
	for name, f := range map[string]any{
		"ListDue":           w.listDue,
		"Release":           w.releaseAll,
		"Look":              w.lookAt,
		"DeleteExpired":     w.cleaning("expired"),
		"DeleteLeftStaging": w.cleaning("staging"),
		"DeleteUnnamed":     w.cleaning("unnamed"),
		"SettleEnded":       func(ctx context.Context) (night.Cleaned, error) { return settle(ctx, nightBegan) },
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// aNight are the settings of most nights here.
func aNight(concurrency int) workflows.NightInput {
	return workflows.NightInput{Concurrency: concurrency, Watch: 2 * time.Hour, Timeout: 24 * time.Hour}
}

// night runs a whole night, all runs of its workflow, and gives the number of activities of each, and how long it took.
func (w *nightWorld) night(t *testing.T, in workflows.NightInput, last ...workflows.Summary) (workflows.Summary, []int, time.Duration) {
	t.Helper()
	var (
		runs []int
		now  = nightBegan
	)
	for len(runs) < 100 {
		env, activitiesOfRun := w.env(), 0
		env.SetStartTime(now)
		if len(runs) == 0 && len(last) > 0 {
			env.SetLastCompletionResult(last[0])
		}
		env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { activitiesOfRun++ })
		env.ExecuteWorkflow(workflows.Nightly, in)
		if !env.IsWorkflowCompleted() {
			t.Fatal("the night does not end")
		}
		runs, now = append(runs, activitiesOfRun), env.Now()
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
			if summary.StartedAt != nightBegan || summary.EndedAt.Sub(now).Abs() > time.Second {
				t.Errorf("it tells that it was from %s to %s", summary.StartedAt, summary.EndedAt)
			}
			summary.StartedAt, summary.EndedAt = time.Time{}, time.Time{}
			return summary, runs, now.Sub(nightBegan)
		}
		in = workflows.NightInput{}
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the night continues as new without an end")
	return workflows.Summary{}, nil, 0
}

func TestANightReleasesWhatWaitsThenWhatFailedThenCleansAndSumsUp(t *testing.T) {
	w := newNightWorld(2, 1)
	w.ends = func(id string, _ int) night.Standing {
		if id == "w00001" {
			return failedAs(id, exhaust.Failed, "No data found", time.Minute)
		}
		return succeeded(id)
	}
	summary, _, _ := w.night(t, aNight(1))
	want := []string{
		"list failed=false after=", "release w00000", "release w00001",
		"list failed=true after=", "release f00000",
		"settle", "expired", "staging", "unnamed",
	}
	if !slices.Equal(w.log, want) {
		t.Errorf("the steps were\n%s\nwant\n%s", strings.Join(w.log, "\n"), strings.Join(want, "\n"))
	}
	failure := night.Outcome{RequestID: "w00001", Status: exhaust.Failed, Message: "No data found", Bytes: 1000, Took: time.Minute}
	wantSummary := workflows.Summary{
		Starts: 3, Retried: 1, Success: 2, Failed: 1, Bytes: 3000, Rows: 20,
		Slowest: &failure, Failures: []night.Outcome{failure},
		Deleted: night.Cleaned{Reports: 3, Staged: 4, Unnamed: 5},
	}
	if !reflect.DeepEqual(summary, wantSummary) {
		t.Errorf("the summary is\n%+v\nwant\n%+v", summary, wantSummary)
	}
}

func TestANightWithoutAnythingDueCleansAllTheSame(t *testing.T) {
	summary, _, took := newNightWorld(0, 0).night(t, aNight(8))
	want := workflows.Summary{Deleted: night.Cleaned{Reports: 3, Staged: 4, Unnamed: 5}}
	if !reflect.DeepEqual(summary, want) || took > time.Second {
		t.Errorf("the summary is\n%+v\nwant\n%+v, after %s", summary, want, took)
	}
}

func TestANightHasAsManyExhaustsAtWorkAsItMayAndNeverMore(t *testing.T) {
	w := newNightWorld(40, 10)
	w.ends = func(id string, look int) night.Standing {
		if look < 3 {
			return night.Standing{}
		}
		return succeeded(id)
	}
	summary, _, _ := w.night(t, aNight(5))
	if w.most != 5 || summary.Success != 50 {
		t.Errorf("%d ran at once and %d succeeded, want 5 and 50", w.most, summary.Success)
	}
}

// TestSickExhaustsHoldUpNoOtherAndNotTheNight: eight of them are as many as the night has at work at once.
func TestSickExhaustsHoldUpNoOtherAndNotTheNight(t *testing.T) {
	const waiting = "telemetry store: permission refused (403); tried 5 times, next in 30 s"
	isSick := func(id string) bool { return strings.HasPrefix(id, "w0000") && id < "w00008" }
	for name, standing := range map[string]night.Standing{
		"they wait for something to heal": {Waiting: waiting},
		"they seem to be at work":         {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newNightWorld(300, 3)
			w.ends = func(id string, _ int) night.Standing {
				if isSick(id) {
					return standing
				}
				return succeeded(id)
			}
			summary, _, took := w.night(t, aNight(8))
			if summary.Starts != 303 || summary.Success != 295 || summary.Failed+summary.Cancelled != 0 || summary.Deleted.Reports != 3 {
				t.Errorf("the summary is %+v", summary)
			}
			var named []string
			for _, released := range summary.StillRunning {
				named = append(named, released.RequestID+released.Waiting)
			}
			var want []string
			for i := range 8 {
				want = append(want, fmt.Sprintf("w%05d", i)+standing.Waiting)
			}
			if slices.Sort(named); !slices.Equal(named, want) {
				t.Errorf("still running are %q, want %q", named, want)
			}
			if took < 2*time.Hour || took > 2*time.Hour+10*time.Minute {
				t.Errorf("the night took %s, want two hours and a little", took)
			}
		})
	}
}

func TestTheNextNightCountsWhatTheLastOneLeftRunning(t *testing.T) {
	w := newNightWorld(1, 0)
	w.ends = func(id string, _ int) night.Standing {
		switch id {
		case "x2":
			return failedAs(id, exhaust.Failed, "gave up after 24h0m0s", 24*time.Hour)
		case "x3":
			return night.Standing{Waiting: "registry: no answer; tried 9 times, next in 3 s"}
		}
		return succeeded(id)
	}
	released := nightBegan.Add(-24 * time.Hour)
	summary, _, _ := w.night(t, aNight(8), workflows.Summary{StillRunning: []workflows.Released{
		{RequestID: "x1", At: released}, {RequestID: "x2", At: released, Waiting: "x"}, {RequestID: "x3", At: released},
	}})
	failure := night.Outcome{RequestID: "x2", Status: exhaust.Failed, Message: "gave up after 24h0m0s", Bytes: 1000, Took: 24 * time.Hour}
	want := workflows.Summary{
		Starts: 1, Success: 2, Failed: 1, Earlier: 2, Bytes: 3000, Rows: 20, Slowest: &failure, Failures: []night.Outcome{failure},
		StillRunning: []workflows.Released{{RequestID: "x3", At: released, Waiting: "registry: no answer; tried 9 times, next in 3 s"}},
		Deleted:      night.Cleaned{Reports: 3, Staged: 4, Unnamed: 5},
	}
	if !reflect.DeepEqual(summary, want) {
		t.Errorf("the summary is\n%+v\nwant\n%+v", summary, want)
	}
}

func TestWhatIsStillBeingWoundUpIsAskedForAgainAndNeverCountedAsRetried(t *testing.T) {
	w := newNightWorld(2, 3)
	w.answer = func(d night.Due, try int) night.Answer {
		switch {
		case d.RequestID == "f00000" && try < 4:
			return night.IsBusy
		case d.RequestID == "f00001":
			return night.IsBusy // for ever
		case d.RequestID == "w00001":
			return night.HasMovedOn
		}
		return night.IsReleased
	}
	summary, _, took := w.night(t, aNight(8))
	if summary.Starts != 3 || summary.Retried != 2 || summary.Success != 3 || w.tries["f00000"] != 4 || w.tries["f00001"] < 10 {
		t.Errorf("the summary is %+v after %v", summary, w.tries)
	}
	if took < 2*time.Hour || took > 2*time.Hour+time.Minute {
		t.Errorf("the night took %s, want two hours", took)
	}
	want := []string{"f00001 could not be released: its attempt before is still being wound up; the next night tries again"}
	if !slices.Equal(summary.Problems, want) {
		t.Errorf("the problems are %q, want %q", summary.Problems, want)
	}
}

// TestOneThatIsStillBeingWoundUpHoldsUpNoOther, be they more than one listing gives.
func TestOneThatIsStillBeingWoundUpHoldsUpNoOther(t *testing.T) {
	w := newNightWorld(3, 450)
	others := 0
	w.answer = func(d night.Due, try int) night.Answer {
		if d.RequestID != "f00000" {
			return night.IsReleased
		}
		if try == 10 {
			others = len(w.released)
		}
		return night.IsBusy
	}
	summary, _, _ := w.night(t, aNight(8))
	if others != 452 || summary.Success != 452 || len(summary.Problems) != 1 {
		t.Errorf("%d others were released by then; the summary is %+v", others, summary)
	}
}

// TestANightOfAScheduleBeforeWatchWatchesAllTheSame: one that is not watched takes no room, so all would be at work at once.
func TestANightOfAScheduleBeforeWatchWatchesAllTheSame(t *testing.T) {
	w := newNightWorld(40, 0)
	w.ends = func(id string, look int) night.Standing {
		if look < 3 {
			return night.Standing{}
		}
		return succeeded(id)
	}
	summary, _, _ := w.night(t, workflows.NightInput{Concurrency: 5, Timeout: 24 * time.Hour})
	if w.most != 5 || summary.Success != 40 || len(summary.StillRunning) > 0 {
		t.Errorf("%d ran at once, and the summary is %+v", w.most, summary)
	}
}

func TestThousandsThatSomebodyElseHasStartedAreLeftAloneInRunsOfBoundedHistory(t *testing.T) {
	w := newNightWorld(3_000, 0)
	w.answer = func(night.Due, int) night.Answer { return night.HasMovedOn }
	summary, runs, took := w.night(t, aNight(1))
	for i, n := range runs {
		if n > 700 {
			t.Errorf("run %d of the workflow took %d activities", i, n)
		}
	}
	if len(w.tries) != 3_000 || summary.Starts != 0 || took > time.Minute {
		t.Errorf("%d were asked for in %s, and the summary is %+v", len(w.tries), took, summary)
	}
}

func TestOneOfWhichNobodyCanTellHowItStandsHoldsUpNoOther(t *testing.T) {
	w := newNightWorld(20, 0)
	w.answer = func(d night.Due, try int) night.Answer {
		switch {
		case d.RequestID == "w00000":
			return night.IsUnknown // for ever
		case d.RequestID == "w00001" && try < 3:
			return night.IsUnknown
		case d.RequestID == "w00001":
			return night.HasMovedOn // its start had no answer
		}
		return night.IsReleased
	}
	summary, _, took := w.night(t, aNight(8))
	if summary.Starts != 19 || summary.Success != 19 || summary.Unreleased != 1 || took > 2*time.Hour+time.Minute {
		t.Errorf("after %s the summary is %+v", took, summary)
	}
	want := []string{"w00000 could not be released: nobody can tell how it stands, and the worker's log says why; the next night tries again"}
	if !slices.Equal(summary.Problems, want) {
		t.Errorf("the problems are %q, want %q", summary.Problems, want)
	}
}

// TestManySickExhaustsHoldUpNeitherTheOthersNorTheNextNight: one unreadable object is in the way of every conversation of its
// day.
func TestManySickExhaustsHoldUpNeitherTheOthersNorTheNextNight(t *testing.T) {
	for name, c := range map[string]struct {
		waiting         string
		sick, moreThere int
		within          time.Duration
	}{
		"they wait": {"telemetry store: permission refused (403); tried once, trying again", 1400, 400, 3 * time.Hour},
		"they hang": {"", 300, 0, 11 * time.Hour}, // 64 at a time, for two hours
	} {
		t.Run(name, func(t *testing.T) {
			w := newNightWorld(c.sick+100, 0)
			first := fmt.Sprintf("w%05d", c.sick)
			w.ends = func(id string, _ int) night.Standing {
				if id < first {
					return night.Standing{Waiting: c.waiting}
				}
				return succeeded(id)
			}
			summary, _, took := w.night(t, aNight(8))
			if summary.Success != 100 || len(summary.StillRunning) != c.sick-c.moreThere || summary.MoreRunning != c.moreThere || len(summary.Problems) > 0 {
				t.Errorf("%d succeeded, %d and %d more run, problems %q", summary.Success, len(summary.StillRunning), summary.MoreRunning, summary.Problems)
			}
			if took > c.within {
				t.Errorf("the night took %s", took)
			}
		})
	}
}

// TestANightReleasesNoMoreThanWorkersCanTake: all of what takes longer than the workers have time for would end at its timeout.
func TestANightReleasesNoMoreThanWorkersCanTake(t *testing.T) {
	w := newNightWorld(200, 0)
	w.ends = func(id string, look int) night.Standing {
		if look < 240 { // an hour: a look comes every 15 s at the latest
			return night.Standing{}
		}
		return succeeded(id)
	}
	summary, _, _ := w.night(t, aNight(4))
	if w.most != 32 || summary.Success != 200 || len(summary.StillRunning) > 0 {
		t.Errorf("%d ran at once, and the summary is %+v", w.most, summary)
	}
}

func TestANightThatNothingHealsKeepsABoundedNumberInFlight(t *testing.T) {
	w := newNightWorld(400, 0)
	w.ends = func(string, int) night.Standing {
		return night.Standing{Waiting: "database: no answer; tried 9 times, next in 3 s"}
	}
	summary, _, took := w.night(t, aNight(2))
	if w.watched > 64 || len(summary.StillRunning) != 400 {
		t.Errorf("%d were watched at once, %d are still running", w.watched, len(summary.StillRunning))
	}
	if took > 2*time.Hour+15*time.Minute {
		t.Errorf("the night took %s", took)
	}
}

// TestTenThousandExhaustsAreReleasedOnceEachInRunsOfBoundedHistory counts activities: each takes three events, and at the
// most three more for the workflow task that takes notice of it.
func TestTenThousandExhaustsAreReleasedOnceEachInRunsOfBoundedHistory(t *testing.T) {
	w := newNightWorld(9_000, 1_000)
	w.ends = func(id string, _ int) night.Standing {
		if strings.HasSuffix(id, "77") {
			return failedAs(id, exhaust.Failed, "the reason of "+id, 0)
		}
		return succeeded(id)
	}
	summary, runs, took := w.night(t, aNight(8))
	for i, n := range runs {
		if n > 700 {
			t.Errorf("run %d of the workflow took %d activities", i, n)
		}
	}
	if len(w.released) != 10_000 {
		t.Errorf("%d exhausts were released", len(w.released))
	}
	for id, times := range w.released {
		if times > 1 {
			t.Errorf("%s was released %d times", id, times)
		}
	}
	if w.most > 8 || took > 45*time.Minute {
		t.Errorf("%d were in flight at once, for %s", w.most, took)
	}
	failures := summary.Failures
	summary.Failures, summary.Slowest = nil, nil
	want := workflows.Summary{
		Starts: 10_000, Retried: 1_000, Success: 9_900, Failed: 100,
		Bytes: 10_000_000, Rows: 99_000, Deleted: night.Cleaned{Reports: 3, Staged: 4, Unnamed: 5},
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
	w.ends = func(id string, _ int) night.Standing {
		return failedAs(id, exhaust.Cancelled, "cancelled on request", 0)
	}
	summary, _, _ := w.night(t, aNight(8))
	if summary.Cancelled != 130 || len(summary.Failures) != 100 {
		t.Errorf("%d CANCELLED, %d of them told", summary.Cancelled, len(summary.Failures))
	}
}

func TestAStepOfTheNightThatFailsIsToldAndTheOthersAreDone(t *testing.T) {
	broken := func(text string) error { return temporal.NewNonRetryableApplicationError(text, "Test", nil) }
	w := newNightWorld(300, 2)
	w.list = func(q night.DueQuery) error {
		if !q.Failed && q.After != "" {
			return broken("the database is away")
		}
		return nil
	}
	w.release = func(due []night.Due) error {
		if due[0].RequestID == "w00008" {
			return broken("Temporal is away")
		}
		return nil
	}
	w.look = func(ids []string) error {
		if slices.Contains(ids, "w00016") {
			return broken("nothing is there")
		}
		return nil
	}
	w.clean = func(step string) error {
		if step == "expired" {
			return broken("the store is away")
		}
		return nil
	}
	w.cleaned["unnamed"] = night.Cleaned{Unnamed: 1, Failed: 7, Failures: []string{"a/b.csv: permission refused (403)", "c/d.csv: it failed"}}
	summary, _, _ := w.night(t, aNight(8))
	if summary.Starts != 194 || summary.Success != 186 || summary.Retried != 2 || len(summary.StillRunning) != 8 {
		t.Errorf("the summary is %+v", summary)
	}
	want := []string{
		"releasing 8 exhausts, w00008 the first: the next night tries again: Temporal is away",
		"looking at 8 exhausts: the next night counts them: nothing is there",
		`listing the exhausts that are due: those behind "w00199" were not released: the database is away`,
		"deleting expired reports: the store is away",
		"deleting reports that no exhaust names: 7 could not be deleted, such as a/b.csv: permission refused (403); c/d.csv: it failed",
	}
	if !slices.Equal(summary.Problems, want) {
		t.Errorf("the problems are\n%s\nwant\n%s", strings.Join(summary.Problems, "\n"), strings.Join(want, "\n"))
	}
	if want := (night.Cleaned{Staged: 4, Unnamed: 1, Failed: 7}); !reflect.DeepEqual(summary.Deleted, want) {
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
	summary, _, _ := w.night(t, aNight(8))
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
			w.ends = func(string, int) night.Standing { return night.Standing{} }
			if c.list {
				w.list = func(night.DueQuery) error { return errors.New("not yet") }
			}
			env := w.env()
			env.RegisterDelayedCallback(env.CancelWorkflow, c.when)
			env.ExecuteWorkflow(workflows.Nightly, aNight(4))
			if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) {
				t.Errorf("it ended with %v", err)
			}
			if slices.Contains(w.log, "unnamed") || slices.Contains(w.log, "expired") || slices.Contains(w.log, "staging") {
				t.Errorf("it went on: %q", w.log)
			}
			if got := env.Now().Sub(nightBegan); got > 2*time.Minute {
				t.Errorf("it ended %s after its start", got)
			}
		})
	}
}
