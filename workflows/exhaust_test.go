package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
	"data-exhaust/workflows"
)

// trial is a run of the workflow without a server, in which a day of waiting takes no time.
type trial struct {
	*testsuite.TestWorkflowEnvironment
	// states and statuses are what it told by memo and search attribute.
	states   []exhaust.State
	statuses []string
	memos    []map[string]any
}

func newTrial(s *standIn) *trial {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	t := &trial{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment()}
	t.SetTestTimeout(time.Minute)
	t.SetStartTime(submitted.Add(time.Second))
	t.RegisterActivity(s)
	t.OnUpsertMemo(mock.Anything).Run(func(args mock.Arguments) {
		memo := args[0].(map[string]any)
		t.memos = append(t.memos, memo)
		t.states = append(t.states, memo[workflows.StateMemo].(exhaust.State))
	}).Return(nil)
	t.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		status, _ := args[0].(temporal.SearchAttributes).GetKeyword(workflows.StatusAttribute)
		t.statuses = append(t.statuses, status)
	}).Return(nil)
	return t
}

func (t *trial) run(r exhaust.Request) {
	t.ExecuteWorkflow(workflows.Exhaust, workflows.Input{Request: r, Attempts: 1, Timeout: 24 * time.Hour})
}

// phases lists what was told, each run of equal ones once.
func (t *trial) phases() string {
	var told []string
	for _, s := range t.states {
		told = append(told, string(s.Status)+" "+string(s.Progress.Phase))
	}
	return strings.Join(slices.Compact(told), ", ")
}

func TestAResponseExhaustIsPlannedFetchedBuiltAndEnded(t *testing.T) {
	s := &standIn{parts: threeParts()}
	e := newTrial(s)
	e.run(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"))
	var result workflows.Result
	if err := e.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	want := workflows.Result{
		Report: "uci-response-exhaust/" + requestID + "/" + conversation + "_response_20220406.csv",
		Progress: exhaust.Progress{
			Phase: exhaust.Done, BytesTotal: 300, BytesRead: 300, EventsMatched: 6, RowsWritten: 5, Percent: 100,
			LinesSkipped: 3, RowsUnknownDevice: 1, Undecryptable: 2, Repeats: 1,
		},
	}
	if result != want {
		t.Errorf("got  %+v\nwant %+v", result, want)
	}
	order := "PlanExhaust,FetchTelemetry,BuildReport,EndExhaust SUCCESS"
	if got := strings.Join(s.names(), ","); got != order {
		t.Errorf("order\n got %s\nwant %s", got, order)
	}
	if got, want := e.phases(), "PROCESSING FETCHING, PROCESSING JOINING, PROCESSING SIGNING, SUCCESS DONE"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if want := []string{"PROCESSING", "SUCCESS"}; !reflect.DeepEqual(e.statuses, want) {
		t.Errorf("statuses %v, want %v", e.statuses, want)
	}
	var percents []int
	for _, state := range e.states {
		percents = append(percents, state.Progress.Percent)
	}
	if want := []int{0, 0, 26, 53, 80, 98, 100}; !reflect.DeepEqual(percents, want) {
		t.Errorf("percent %v, want %v", percents, want)
	}
	if len(s.ended) != 1 || s.ended[0].Staging != staging || len(s.removed) != 0 {
		t.Errorf("ended %+v, removed %+v", s.ended, s.removed)
	}
	runs := []activities.SegmentRange{{Part: 0, Attempt: "a", Count: 1}, {Part: 1, Attempt: "a", Count: 1}, {Part: 2, Attempt: "a", Count: 1}}
	if !reflect.DeepEqual(s.built[0].Segments, runs) || s.built[0].Staging != staging || s.built[0].Conversation.Name != "Helpdesk" {
		t.Errorf("built %+v", s.built[0])
	}
	// What is recorded in the end is what was told.
	job := s.last()
	if got := job.State; !sameState(got, e.states[len(e.states)-1]) {
		t.Errorf("recorded %+v\ntold     %+v", got, e.states[len(e.states)-1])
	}
	if job.Status != exhaust.Success || job.Report != want.Report || job.Attempts != 1 || !job.CompletedAt.Equal(job.UpdatedAt) {
		t.Errorf("recorded %+v", job)
	}
}

func sameState(x, y exhaust.State) bool {
	a, errA := json.Marshal(x)
	b, errB := json.Marshal(y)
	return errA == nil && errB == nil && string(a) == string(b)
}

// staging is where the run of a trial stages its files.
const staging = "staging/" + requestID + "/default-test-run-id/"

func TestAPrivateExhaustWithoutDaysAsksTheRegistryOnly(t *testing.T) {
	s := &standIn{}
	e := newTrial(s)
	e.run(request(exhaust.PrivateExhaust, "", ""))
	var result workflows.Result
	if err := e.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	if got, order := strings.Join(s.names(), ","), "PlanExhaust,BuildReport,EndExhaust SUCCESS"; got != order {
		t.Errorf("order\n got %s\nwant %s", got, order)
	}
	if got, want := e.phases(), "PROCESSING JOINING, PROCESSING SIGNING, SUCCESS DONE"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if got := result.Progress; got.RowsUnknownDevice != 3 || got.Undecryptable != 2 || got.RowsWritten != 5 {
		t.Errorf("progress %+v", got)
	}
}

func TestTheDaysThatAnExhaustCoversArePublishedAndRecordedOnceTheyAreSettled(t *testing.T) {
	nothing := func(context.Context, activities.FetchInput) (activities.Fetched, error) {
		return activities.Fetched{}, nil
	}
	for name, c := range map[string]struct {
		dataset exhaust.Dataset
		fetch   func(context.Context, activities.FetchInput) (activities.Fetched, error)
		want    []string // each once, as they are published
		end     exhaust.Status
	}{
		"a success":                   {exhaust.ResponseExhaust, nil, []string{"-", "2022-03-01-2022-03-03"}, exhaust.Success},
		"one that fails":              {exhaust.ResponseExhaust, nothing, []string{"-", "2022-03-01-2022-03-03"}, exhaust.Failed},
		"one not made from telemetry": {exhaust.PrivateExhaust, nil, []string{"-"}, exhaust.Success},
	} {
		s := &standIn{parts: threeParts(), fetch: c.fetch}
		e := newTrial(s)
		e.run(request(c.dataset, "", ""))
		var published []string
		for _, state := range e.states {
			published = append(published, string(state.From+"-"+state.To))
		}
		if published = slices.Compact(published); !slices.Equal(published, c.want) {
			t.Errorf("%s publishes %q, want %q", name, published, c.want)
		}
		if last := s.last(); last.Status != c.end || string(last.From+"-"+last.To) != c.want[len(c.want)-1] {
			t.Errorf("%s is recorded as %+v", name, last)
		}
	}
}

func TestAPrivateExhaustOfDaysReadsTelemetry(t *testing.T) {
	s := &standIn{parts: threeParts()}
	var datasets atomic.Int32
	s.fetch = func(_ context.Context, in activities.FetchInput) (activities.Fetched, error) {
		if in.Dataset == exhaust.PrivateExhaust {
			datasets.Add(1)
		}
		return fetched(in), nil
	}
	e := newTrial(s)
	e.run(request(exhaust.PrivateExhaust, "2022-03-01", ""))
	if err := e.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if datasets.Load() != 3 || len(s.built[0].Segments) != 3 {
		t.Errorf("%d parts fetched for it, built %+v", datasets.Load(), s.built[0])
	}
}

func TestSmallTelemetryIsReadByTheStepThatWritesTheReport(t *testing.T) {
	one := func(bytes int64, change func(*activities.Part)) []activities.Part {
		part := activities.Part{
			Inline: []activities.ListedObject{{Name: "2022-03-01-a.json"}}, ListedAt: submitted, FirstDay: "2022-03-01", LastDay: "2022-03-01", Objects: 1, Bytes: bytes,
		}
		if change != nil {
			change(&part)
		}
		return []activities.Part{part}
	}
	small := []string{"PlanExhaust", "MakeReport", "EndExhaust SUCCESS"}
	large := []string{"PlanExhaust", "FetchTelemetry", "BuildReport", "EndExhaust SUCCESS"}
	for name, test := range map[string]struct {
		parts   []activities.Part
		inStore bool
		want    []string
	}{
		"small":                  {one(100, nil), false, small},
		"small, much of it kept": {one(100, nil), true, small},
		"as large as may be":     {one(32<<20, nil), false, small},
		"larger":                 {one(32<<20+1, nil), false, large},
		"of many objects":        {one(100, func(p *activities.Part) { p.Inline, p.Listings = nil, []string{"l"} }), false, large},
		"of several parts":       {partsOf(2), false, large},
	} {
		t.Run(name, func(t *testing.T) {
			s := &standIn{parts: test.parts, isInMemory: !test.inStore}
			e := newTrial(s)
			e.run(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"))
			if err := e.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if got := s.names(); !slices.Equal(got, test.want) {
				t.Errorf("the steps were %q, want %q", got, test.want)
			}
			var total int64
			for _, part := range test.parts {
				total += part.Bytes
			}
			parts := int64(len(test.parts))
			p := s.last().Progress
			if p.Phase != exhaust.Done || p.Percent != 100 || p.BytesTotal != total || p.BytesRead != total || p.EventsMatched != 2*parts || p.LinesSkipped != parts || p.RowsWritten != 5 {
				t.Errorf("progress %+v", p)
			}
			isOneStep := len(test.want) == 3
			if in := s.built[0]; (in.Part != nil) != isOneStep || in.ListedAt != submitted {
				t.Errorf("built of %+v", in)
			}
			if in := s.ended[0]; in.IsUnstaged != (isOneStep && !test.inStore) || !strings.HasPrefix(in.Staging, "staging/") {
				t.Errorf("ended with %+v", s.ended[0])
			}
			if queue := s.queues[test.want[len(test.want)-2]]; queue != "default-test-taskqueue-scan" {
				t.Errorf("the report was written by %s", queue)
			}
		})
	}
}

func TestFewPartsAreInTheQueueAtATimeAndFewerOfANight(t *testing.T) {
	for name, test := range map[string]struct {
		isNight bool
		events  int64 // of each part
		most    int32
		queues  map[string]string
	}{
		"by day": {false, 2_500, 4, map[string]string{
			"PlanExhaust": "default-test-taskqueue", "FetchTelemetry": "default-test-taskqueue-scan",
			"BuildReport": "default-test-taskqueue-build", "EndExhaust SUCCESS": "default-test-taskqueue",
		}},
		"by day and small": {false, 2_499, 4, map[string]string{
			"PlanExhaust": "default-test-taskqueue", "FetchTelemetry": "default-test-taskqueue-scan",
			"BuildReport": "default-test-taskqueue-scan", "EndExhaust SUCCESS": "default-test-taskqueue",
		}},
		"of a night": {true, 2_500, 2, map[string]string{
			"PlanExhaust": "default-test-taskqueue", "FetchTelemetry": "default-test-taskqueue-night",
			"BuildReport": "default-test-taskqueue-night", "EndExhaust SUCCESS": "default-test-taskqueue",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var now, most, all atomic.Int32
			full := make(chan struct{})
			s := &standIn{parts: partsOf(40)}
			s.fetch = func(_ context.Context, in activities.FetchInput) (activities.Fetched, error) {
				n := now.Add(1)
				defer now.Add(-1)
				for {
					m := most.Load()
					if n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				// The first ones wait for each other, and a moment for one more that must not come.
				if all.Add(1) == test.most {
					time.AfterFunc(200*time.Millisecond, func() { close(full) })
				}
				select {
				case <-full:
				case <-time.After(20 * time.Second):
					return activities.Fetched{}, temporal.NewNonRetryableApplicationError("fewer run at a time", "Test", nil)
				}
				part := fetched(in)
				part.EventsMatched = test.events
				return part, nil
			}
			e := newTrial(s)
			e.ExecuteWorkflow(workflows.Exhaust, workflows.Input{
				Request: request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"), Timeout: 24 * time.Hour, Night: test.isNight,
			})
			if err := e.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if most.Load() != test.most || s.count("FetchTelemetry") != 40 {
				t.Errorf("at most %d at a time, %d in all; want %d and 40", most.Load(), s.count("FetchTelemetry"), test.most)
			}
			// The segments are in the order of the parts, however the parts ended.
			for i, r := range s.built[0].Segments {
				if r.Part != i {
					t.Fatalf("segment %d is of part %d", i, r.Part)
				}
			}
			if !reflect.DeepEqual(s.queues, test.queues) {
				t.Errorf("the queues were %v, want %v", s.queues, test.queues)
			}
		})
	}
}

func final(kind, sentence string) func(context.Context) error {
	return func(context.Context) error { return temporal.NewNonRetryableApplicationError(sentence, kind, nil) }
}

func TestAFailedExhaustSaysWhyAndLeavesNoFiles(t *testing.T) {
	const corrupt = `telemetry object "2022-03-02-0.json.gz" is corrupt: its gzip data ends early`
	days, none := request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"), request(exhaust.PrivateExhaust, "", "")
	for _, test := range []struct {
		name     string
		request  exhaust.Request
		s        *standIn
		kind     string
		sentence string
		phase    exhaust.Phase
	}{
		{"no such conversation", days, &standIn{plan: final(activities.NoConversation, "No data found for conversation in DB")},
			"NoConversation", "No data found for conversation in DB", exhaust.Fetching},
		{"a range without telemetry", days, &standIn{}, "NoData", "No data found", exhaust.Fetching},
		{"telemetry in which nothing matches", days, &standIn{parts: threeParts(), fetch: func(_ context.Context, in activities.FetchInput) (activities.Fetched, error) {
			return activities.Fetched{BytesRead: in.Part.Bytes}, nil
		}}, "NoData", "No data found", exhaust.Fetching},
		{"a corrupt object", days, &standIn{parts: threeParts(), fetch: func(ctx context.Context, in activities.FetchInput) (activities.Fetched, error) {
			if in.Part.Number == 1 {
				return activities.Fetched{}, final(activities.CorruptTelemetry, corrupt)(ctx)
			}
			return fetched(in), nil
		}}, "CorruptTelemetry", corrupt, exhaust.Fetching},
		{"an object that is still being written", days, &standIn{parts: threeParts(), fetch: func(ctx context.Context, _ activities.FetchInput) (activities.Fetched, error) {
			return activities.Fetched{}, final(activities.StillWritten, "still being written")(ctx)
		}}, "StillWritten", "still being written", exhaust.Fetching},
		{"counts that do not balance", days, &standIn{parts: threeParts(), build: final(activities.Unbalanced, "counts do not balance: 1, 2")},
			"Unbalanced", "counts do not balance: 1, 2", exhaust.Joining},
		{"nobody is registered", none, &standIn{build: final(activities.NoData, "No data found")}, "NoData", "No data found", exhaust.Joining},
		{"building", days, &standIn{parts: threeParts(), build: final("Test", "building is wrong")}, "Test", "building is wrong", exhaust.Joining},
		{"signing", none, &standIn{end: once(final("Test", "signing is wrong"))}, "Test", "signing is wrong", exhaust.Signing},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newTrial(test.s)
			e.run(test.request)
			var failure *temporal.ApplicationError
			if err := e.GetWorkflowError(); !errors.As(err, &failure) {
				t.Fatalf("error %v", err)
			}
			if failure.Message() != test.sentence || failure.Type() != test.kind || !failure.NonRetryable() {
				t.Errorf("the workflow fails with %q of type %s, want %q of type %s", failure.Message(), failure.Type(), test.sentence, test.kind)
			}
			if want := []string{"PROCESSING", "FAILED"}; !reflect.DeepEqual(e.statuses, want) {
				t.Errorf("statuses %v, want %v", e.statuses, want)
			}
			told := e.states[len(e.states)-1]
			// The night tries again what may be whole by then.
			if told.Retryable != (test.kind == activities.StillWritten) {
				t.Errorf("retryable: %v", told.Retryable)
			}
			if told.Status != exhaust.Failed || told.Message != test.sentence || told.Progress.Phase != test.phase || told.Report != "" || told.Progress.Percent == 100 {
				t.Errorf("told %+v", told)
			}
			if got := test.s.last().State; !sameState(got, told) {
				t.Errorf("recorded %+v\ntold     %+v", got, told)
			}
			if ended := test.s.ended; len(ended) != 1 || ended[0].Staging != staging || ended[0].Job.Status != exhaust.Failed {
				t.Errorf("ended %+v", ended)
			}
		})
	}
}

// once says it the first time only.
func once(say func(context.Context) error) func(context.Context) error {
	var said atomic.Bool
	return func(ctx context.Context) error {
		if said.Swap(true) {
			return nil
		}
		return say(ctx)
	}
}

func TestWhatCanHealIsTriedAgain(t *testing.T) {
	var failures atomic.Int32
	flaky := func(context.Context) error {
		if failures.Add(1)%4 != 0 {
			return errAway
		}
		return nil
	}
	s := &standIn{parts: threeParts(), plan: flaky, build: flaky, end: flaky, remove: flaky, isLeft: true}
	s.fetch = func(ctx context.Context, in activities.FetchInput) (activities.Fetched, error) {
		if err := flaky(ctx); err != nil {
			return activities.Fetched{}, err
		}
		return fetched(in), nil
	}
	e := newTrial(s)
	e.run(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"))
	if err := e.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if s.last().Status != exhaust.Success {
		t.Errorf("recorded %+v", s.last())
	}
	if s.count("RemoveLeftovers") != 4 || s.removed[0].Staging != staging || s.removed[0].Job.Status != exhaust.Success {
		t.Errorf("removed %+v", s.removed)
	}
	if failures.Load() < 4*7 {
		t.Errorf("only %d attempts", failures.Load())
	}
}

func TestStagedFilesThatAreGoneAreFetchedAnewOnce(t *testing.T) {
	gone := final(activities.StagingGone, "reading staged x: there is no such object")
	for name, s := range map[string]*standIn{
		"when the report is built": {parts: threeParts(), build: once(gone)},
		"when they are planned":    {parts: threeParts(), plan: once(gone)},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTrial(s)
			e.run(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"))
			var result workflows.Result
			if err := e.GetWorkflowResult(&result); err != nil {
				t.Fatal(err)
			}
			if s.count("PlanExhaust") != 2 || s.count("EndExhaust SUCCESS") != 1 {
				t.Errorf("calls %v", s.names())
			}
			// Nothing is counted twice.
			want := exhaust.Progress{
				Phase: exhaust.Done, BytesTotal: 300, BytesRead: 300, EventsMatched: 6, RowsWritten: 5, Percent: 100,
				LinesSkipped: 3, RowsUnknownDevice: 1, Undecryptable: 2, Repeats: 1,
			}
			if result.Progress != want {
				t.Errorf("progress %+v\nwant     %+v", result.Progress, want)
			}
			var before exhaust.Progress
			for _, state := range e.states {
				raised := state.Progress
				if raised.Raise(before); raised != state.Progress {
					t.Errorf("progress went back from %+v to %+v", before, state.Progress)
				}
				before = state.Progress
			}
		})
	}
	t.Run("and again, while workers of two releases are there", func(t *testing.T) {
		var builds int
		s := &standIn{parts: threeParts(), build: func(ctx context.Context) error {
			if builds++; builds <= 3 {
				return gone(ctx)
			}
			return nil
		}}
		e := newTrial(s)
		e.run(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"))
		if err := e.GetWorkflowError(); err != nil || s.count("BuildReport") != 4 || s.last().Status != exhaust.Success {
			t.Errorf("error %v, calls %v, recorded %+v", err, s.names(), s.last())
		}
	})
	t.Run("but not for ever", func(t *testing.T) {
		s := &standIn{parts: threeParts(), build: gone}
		e := newTrial(s)
		e.run(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"))
		var failure *temporal.ApplicationError
		if err := e.GetWorkflowError(); !errors.As(err, &failure) || failure.Message() != "reading staged x: there is no such object" {
			t.Errorf("error %v", err)
		}
		if s.count("BuildReport") != 8 || s.last().Status != exhaust.Failed {
			t.Errorf("calls %v, recorded %+v", s.names(), s.last())
		}
	})
}

func TestTheMemoHoldsNoRequestAndNoURL(t *testing.T) {
	s := &standIn{parts: threeParts()}
	e := newTrial(s)
	e.run(request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03"))
	if len(e.memos) == 0 {
		t.Fatal("nothing was told")
	}
	for _, memo := range e.memos {
		text, err := json.Marshal(memo)
		if err != nil {
			t.Fatal(err)
		}
		if len(memo) != 1 || strings.Contains(string(text), "only-in-the-request") || strings.Contains(string(text), "http") {
			t.Errorf("memo %s", text)
		}
	}
}

func TestTheStateCanBeAskedFor(t *testing.T) {
	s := &standIn{parts: threeParts()}
	e := newTrial(s)
	r := request(exhaust.ResponseExhaust, "2022-03-01", "2022-03-03")
	e.run(r)
	answer, err := e.QueryWorkflow(workflows.StateQuery)
	if err != nil {
		t.Fatal(err)
	}
	var job exhaust.Job
	if err := answer.Get(&job); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(job.Request, r) || !sameState(job.State, s.last().State) {
		t.Errorf("asked %+v\nrecorded %+v", job, s.last())
	}
}
