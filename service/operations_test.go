package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/workflows"
)

// operations are those of the service, of workers without versions.
func (s *service) operations(store Telemetry) *Operations {
	s.t.Helper()
	return s.operationsOf("", store)
}

func (s *service) operationsOf(deployment string, store Telemetry) *Operations {
	s.t.Helper()
	return NewOperations(s.Exhausts, NewDeployment(s.client, "default", deployment, s.name), store, mustLayout(s.t))
}

// numbered saves an exhaust of a number in job_request.
func (s *service) numbered(n int, edit func(*exhaust.Job)) exhaust.Job {
	s.t.Helper()
	at := time.Date(2022, 4, 6, 10, n, 0, 0, time.UTC)
	job := exhaust.Job{
		Request: exhaust.Request{
			ID: fmt.Sprintf("%024X%08X", n, services.Load()), Dataset: exhaust.ResponseExhaust, Tag: "tag", Channel: channel, ConversationID: conversation,
			Config: []byte(`{"conversationId":"` + conversation + `"}`), OutputFormat: "csv", SubmittedAt: at,
		},
		State: exhaust.State{UpdatedAt: at},
	}
	edit(&job)
	if job.Status.HasEnded() {
		job.CompletedAt = at
	}
	e2etest.Must(s.t, s.jobs.Save(s.t.Context(), job))
	return job
}

func ids(jobs []exhaust.Job) (ids []string) {
	for _, job := range jobs {
		ids = append(ids, job.ID)
	}
	return ids
}

func TestAGroupOfFailuresRunsAgainAndNothingElse(t *testing.T) {
	s := newService(t)
	failed := func(n int, sentence string) string {
		return s.numbered(n, func(job *exhaust.Job) {
			job.Status, job.Message, job.Retryable = exhaust.Failed, sentence, true
			job.DownloadURLs = []string{"https://store/old?sig=1"}
		}).ID
	}
	const lost, corrupt = "the database was away for 24h", "2022-03-01/a.gz is corrupt: it ends early"
	first, second, third, fourth := failed(1, lost), failed(2, lost), failed(3, lost), failed(4, lost)
	others := []string{failed(5, corrupt), failed(6, corrupt)}
	s.numbered(7, func(job *exhaust.Job) { job.Status, job.Message = exhaust.Cancelled, lost })

	since := time.Date(2022, 4, 6, 10, 2, 0, 0, time.UTC)
	groups, more, err := s.operations(nil).Failures(t.Context(), since, 10)
	e2etest.Must(t, err)
	if len(groups) != 2 || more != 0 || groups[0].Sentence != lost || groups[0].Count != 3 || groups[0].Retryable != 3 || groups[1].Count != 2 {
		t.Fatalf("got %+v, %d more", groups, more)
	}
	if got, want := ids(groups[0].Examples), []string{fourth, third, second}; !slices.Equal(got, want) {
		t.Errorf("its examples are %q, want %q", got, want)
	}
	for _, example := range groups[0].Examples {
		if len(example.DownloadURLs) > 0 || example.Config != nil {
			t.Errorf("an example is %+v", example)
		}
	}

	replay := Replay{Statuses: []exhaust.Status{exhaust.Failed}, Message: groups[0].Sentence, EndedSince: since, Limit: 2}
	if n, err := s.CountReplay(t.Context(), replay); err != nil || n != 3 {
		t.Errorf("counted %d, %v", n, err)
	}
	for _, isDryRun := range []bool{true, false} {
		replay.DryRun, replay.After = isDryRun, ""
		var met []string
		for {
			page, next, err := s.Replay(t.Context(), replay)
			e2etest.Must(t, err)
			if met = append(met, ids(page)...); next == "" {
				break
			}
			replay.After = next
		}
		if want := []string{second, third, fourth}; !slices.Equal(met, want) {
			t.Errorf("dry run %t: met %q, want %q", isDryRun, met, want)
		}
		for _, id := range []string{second, third, fourth} {
			job, err := s.jobs.Job(t.Context(), id)
			if wantAttempts := map[bool]int{true: 0, false: 1}[isDryRun]; err != nil || job.Attempts != wantAttempts {
				t.Errorf("dry run %t: %+v, %v", isDryRun, job, err)
			}
		}
	}
	for _, id := range append(others, first) {
		if job, err := s.jobs.Job(t.Context(), id); err != nil || job.Status != exhaust.Failed || job.Attempts != 0 {
			t.Errorf("another is now %+v, %v", job, err)
		}
	}
	rest, _, err := s.operations(nil).Failures(t.Context(), time.Time{}, 10)
	if err != nil || len(rest) != 2 || rest[0].Sentence != corrupt || rest[1].Sentence != lost || rest[1].Count != 1 {
		t.Errorf("afterwards the failures are %+v, %v", rest, err)
	}
}

func TestAReplayWithoutALimitIsOfAll(t *testing.T) {
	s := newService(t)
	for n := range 3 {
		s.numbered(n, func(job *exhaust.Job) { job.Status, job.Message = exhaust.Failed, "No data found" })
	}
	found, next, err := s.Replay(t.Context(), Replay{Statuses: []exhaust.Status{exhaust.Failed}, DryRun: true})
	if err != nil || len(found) != 3 || next != "" {
		t.Errorf("found %d, next %q, %v", len(found), next, err)
	}
}

// waitForStore stands for an Exhaust whose step waits for its telemetry store, unless that is "at work".
func (s *service) waitForStore() {
	s.t.Helper()
	w := worker.New(s.client, s.name, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.Input) error {
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond, MaximumInterval: time.Second},
		}), "FetchTelemetry", in.Request.Tag).Get(ctx, nil)
	}, workflow.RegisterOptions{Name: "Exhaust"})
	w.RegisterActivityWithOptions(func(ctx context.Context, tag string) error {
		if tag == "at work" {
			activity.RecordHeartbeat(ctx, exhaust.Heartbeat{BytesRead: 40})
			<-activity.GetWorkerStopChannel(ctx)
			return nil
		}
		return temporal.NewApplicationError(tag, activities.Unavailable)
	}, activity.RegisterOptions{Name: "FetchTelemetry"})
	e2etest.Must(s.t, w.Start())
	s.t.Cleanup(w.Stop)
}

// processing is an exhaust at work that waits for what its tag says.
func (s *service) processing(n int, tag string) string {
	s.t.Helper()
	job := s.numbered(n, func(job *exhaust.Job) {
		job.Status, job.Tag, job.Progress = exhaust.Processing, tag, exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 80}
	})
	_, err := s.client.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: exhaust.WorkflowID(job.ID), TaskQueue: s.name,
		Memo: map[string]any{workflows.RequestMemo: job.Request, workflows.StateMemo: job.State},
	}, "Exhaust", workflows.Input{Request: job.Request})
	e2etest.Must(s.t, err)
	s.t.Cleanup(func() {
		_ = s.client.TerminateWorkflow(context.Background(), exhaust.WorkflowID(job.ID), "", "the test has ended")
	})
	return job.ID
}

func TestWhatIsUnderWaySaysWhatItWaitsFor(t *testing.T) {
	s := newService(t)
	s.waitForStore()
	const refused, away = "telemetry store: permission refused (403)", "database: no answer; tried hard" // which is none of the words behind
	oldest := s.processing(1, refused)
	atWork := s.processing(2, "at work")
	waits := s.processing(3, refused)
	unlike := s.processing(4, away)
	gone := s.numbered(0, func(job *exhaust.Job) { job.Status = exhaust.Processing }) // Temporal has no workflow of it
	s.numbered(5, func(job *exhaust.Job) { job.Status, job.Parked = exhaust.Submitted, true })
	s.numbered(6, func(job *exhaust.Job) { job.Status = exhaust.Success })
	submission := s.submission(exhaust.PrivateExhaust)
	submission.RunAt = exhaust.RunNightly
	parked := s.submitted(submission)
	e2etest.Must(t, s.client.TerminateWorkflow(t.Context(), exhaust.WorkflowID(parked.ID), "", "it counts until the night has recorded it"))

	o := s.operations(nil)
	var got UnderWay
	e2etest.Eventually(t, time.Minute, "all have tried", func() bool {
		var err error
		got, err = o.UnderWay(t.Context(), 10)
		e2etest.Must(t, err)
		return len(got.Jobs) == 4 && len(got.Causes) == 2 && got.Causes[0].Count == 2 && got.Jobs[1].Progress.BytesRead == 40
	})
	var order []string
	for _, job := range got.Jobs {
		order = append(order, job.ID)
		if len(job.DownloadURLs) > 0 || job.Config != nil {
			t.Errorf("%+v", job)
		}
	}
	if want := []string{oldest, atWork, waits, unlike}; !slices.Equal(order, want) || slices.Contains(order, gone.ID) {
		t.Errorf("at work are %q, want %q", order, want)
	}
	if want := []Cause{{refused, 2}, {away, 1}}; !slices.Equal(got.Causes, want) {
		t.Errorf("they wait for %+v, want %+v", got.Causes, want)
	}
	if got.WaitingForNight != 2 || got.More != 0 {
		t.Errorf("%d wait for the night, %d more are at work", got.WaitingForNight, got.More)
	}
	if first := got.Jobs[0]; !strings.HasPrefix(first.Progress.Waiting, refused+"; tried ") || !first.Since.Equal(time.Date(2022, 4, 6, 10, 1, 0, 0, time.UTC)) {
		t.Errorf("the first is %+v", first)
	}
	// What it was shown to have read, read shows too: 40 of 80 bytes are half of the 80 percent of fetching.
	read, err := s.Read(t.Context(), "at work", channel, atWork)
	if err != nil || read.Progress != got.Jobs[1].Progress || read.Progress.Percent != 40 {
		t.Errorf("read shows %+v, %v; under way is %+v", read.Progress, err, got.Jobs[1].Progress)
	}
	if two, err := o.UnderWay(t.Context(), 2); err != nil || len(two.Jobs) != 1 || two.Jobs[0].ID != oldest || two.More != 3 {
		t.Errorf("of two rows, the first of which has ended, %+v, %v", two, err)
	}
}

func TestWithoutTemporalWhatIsUnderWayIsWhatTheRowsSay(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	e2etest.Must(t, err)
	e2etest.Must(t, listener.Close())
	s := newServiceAt(t, listener.Addr().String())
	for n := range 40 {
		s.numbered(n, func(job *exhaust.Job) { job.Status, job.Progress.Percent = exhaust.Processing, 7 })
	}
	got, err := s.operations(nil).UnderWay(t.Context(), 30)
	if err != nil || len(got.Jobs) != 30 || got.More != 10 || got.Jobs[29].Progress.Percent != 7 || got.Jobs[29].Status != exhaust.Processing {
		t.Errorf("got %d and %d more, %v", len(got.Jobs), got.More, err)
	}
	begin := time.Now()
	if _, err := s.operations(nil).Workers(t.Context()); !isUnavailable(err, TemporalDependency) {
		t.Errorf("its workers are %v", err)
	}
	if _, err := s.operations(nil).LastNight(t.Context()); !isUnavailable(err, TemporalDependency) {
		t.Errorf("its night is %v", err)
	}
	if took := time.Since(begin); took > 3*describeTimeout {
		t.Errorf("to learn of neither took %s", took)
	}
}

func TestAWorkerIsOneHoweverManyQueuesItPolls(t *testing.T) {
	s := newService(t)
	s.name = e2etest.Serial("workers-")
	s.Exhausts = s.another()
	o := s.operations(nil)
	if got, err := o.Workers(t.Context()); err != nil || len(got) > 0 {
		t.Errorf("before any there are %+v, %v", got, err)
	}
	s.work()
	another, err := client.Dial(client.Options{
		HostPort: TemporalServer.Address, Identity: "zz another", Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	e2etest.Must(t, err)
	t.Cleanup(another.Close)
	w := worker.New(another, s.name+"-night", worker.Options{DisableWorkflowWorker: true, TaskQueueActivitiesPerSecond: 5})
	w.RegisterActivity(func() error { return nil })
	e2etest.Must(t, w.Start())
	t.Cleanup(w.Stop)

	type queue struct {
		name string
		rate float64
	}
	var got []Worker
	e2etest.Eventually(t, time.Minute, "both poll all their queues", func() bool {
		got, err = o.Workers(t.Context())
		e2etest.Must(t, err)
		return len(got) == 2 && len(got[0].Queues) == 4
	})
	queuesOf := func(w Worker) (queues []queue) {
		for _, q := range w.Queues {
			queues = append(queues, queue{q.Name, q.RatePerSecond})
			if since := time.Since(q.LastPoll); since < 0 || since > PollInterval || q.LastPoll.After(w.LastPoll) {
				t.Errorf("%s has polled %s at %s, all its queues last at %s", w.Identity, q.Name, q.LastPoll, w.LastPoll)
			}
		}
		return queues
	}
	if want := []queue{{s.name, 0}, {s.name + "-scan", 0}, {s.name + "-build", 0}, {s.name + "-night", 0}}; !slices.Equal(queuesOf(got[0]), want) {
		t.Errorf("the first polls %v, want %v", queuesOf(got[0]), want)
	}
	if want := []queue{{s.name + "-night", 5}}; got[1].Identity != "zz another" || got[1].BuildID != "" || !slices.Equal(queuesOf(got[1]), want) {
		t.Errorf("the second is %+v, want %v", got[1], want)
	}
}

func TestWorkersOfADeploymentHaveTheirVersions(t *testing.T) {
	s := newService(t)
	s.name = e2etest.Serial("versioned-")
	s.Exhausts = s.another()
	o := s.operationsOf(s.name, nil)
	for _, buildID := range []string{"", "one", "two"} {
		options := worker.Options{Identity: "worker " + buildID}
		if buildID != "" {
			options.DeploymentOptions = worker.DeploymentOptions{
				UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: s.name, BuildID: buildID},
				DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
			}
		}
		w := worker.New(s.client, s.name, options)
		w.RegisterWorkflow(workflows.Parked)
		w.RegisterActivityWithOptions(func() error { return nil }, activity.RegisterOptions{Name: "Nothing"})
		e2etest.Must(t, w.Start())
		t.Cleanup(w.Stop)
	}
	want := map[string]string{"worker ": "", "worker one": "one", "worker two": "two"}
	var got map[string]string
	e2etest.Eventually(t, time.Minute, "all poll", func() bool {
		workers, err := o.Workers(t.Context())
		e2etest.Must(t, err)
		got = map[string]string{}
		for _, w := range workers {
			got[w.Identity] = w.BuildID
			if len(w.Queues) != 1 {
				t.Errorf("%+v", w)
			}
		}
		return len(workers) == 3
	})
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// storeOf is a telemetry store with one object of so many bytes a day; of a day that is not there it has none.
func storeOf(t *testing.T, bytes map[exhaust.Day]int64) fakeStore {
	layout := mustLayout(t)
	return fakeStore{list: func(_ context.Context, prefix string) ([]blob.Object, error) {
		for day, n := range bytes {
			if layout.Prefix(day) == prefix {
				return []blob.Object{{Name: prefix + "a.gz", Size: n - 1}, {Name: prefix + "_SUCCESS", Size: 1000}, {Name: prefix + "b.gz", Size: 1}}, nil
			}
		}
		return nil, nil
	}}
}

func TestADayOfTelemetryIsThinBelowHalfOfWhatIsUsual(t *testing.T) {
	s := newService(t)
	day := func(ago int) exhaust.Day { return today().Add(-ago) }
	for name, c := range map[string]struct {
		bytes map[exhaust.Day]int64
		want  []TelemetryDay
	}{
		// The one in the middle of 49, 50, 100, 100, 900 is 100. Today would make it 75, and the day before yesterday present.
		"an odd number": {
			map[exhaust.Day]int64{day(5): 900, day(4): 100, day(3): 50, day(2): 49, day(1): 100, day(0): 3, day(6): 1},
			[]TelemetryDay{{day(5), 2, 900, "present", ""}, {day(4), 2, 100, "present", ""}, {day(3), 2, 50, "present", ""},
				{day(2), 2, 49, "thin", ""}, {day(1), 2, 100, "present", ""}, {day(0), 2, 3, "present", ""}},
		},
		// Between 41 and 100 is 70.5, half of which is 35.25.
		"an even number, with some missing": {
			map[exhaust.Day]int64{day(5): 35, day(4): 41, day(2): 100, day(1): 200},
			[]TelemetryDay{{day(5), 2, 35, "thin", ""}, {day(4), 2, 41, "present", ""}, {day(3), 0, 0, "missing", ""},
				{day(2), 2, 100, "present", ""}, {day(1), 2, 200, "present", ""}, {day(0), 0, 0, "missing", ""}},
		},
	} {
		got, err := s.operations(storeOf(t, c.bytes)).TelemetryDays(t.Context(), 6)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, c.want)
		}
	}
	for _, days := range []int{0, -3} {
		if got, err := s.operations(storeOf(t, nil)).TelemetryDays(t.Context(), days); err != nil || len(got) > 0 {
			t.Errorf("the last %d days are %+v, %v", days, got, err)
		}
	}
}

func TestDaysThatAreNotListedInTimeAreUnknown(t *testing.T) {
	s := newService(t)
	hanging, release := hangingStore()
	listed, layout := today().Add(-7), mustLayout(t)
	partly := fakeStore{list: func(_ context.Context, prefix string) ([]blob.Object, error) {
		if prefix == layout.Prefix(listed) {
			return []blob.Object{{Name: prefix + "a.gz", Size: 5}}, nil
		}
		return []blob.Object{{Name: prefix + "a.gz", Size: 4}}, errHangs
	}}
	o := s.operations(hanging)
	for range 5 {
		begin := time.Now()
		got, err := o.TelemetryDays(t.Context(), 60)
		if took := time.Since(begin); err != nil || took > time.Second || len(got) != 60 {
			t.Fatalf("after %s %d days, %v", took, len(got), err)
		}
		for i, day := range got {
			if want := (TelemetryDay{Day: today().Add(i - 59), State: TelemetryUnknown}); day != want {
				t.Fatalf("got %+v, want %+v", day, want)
			}
		}
	}
	// Each call begins 32 listings, until 64 hang.
	if n := goroutinesIn("(*listings).listDay("); n != maxListings {
		t.Errorf("%d listings hang", n)
	}
	if n := goroutinesIn("(*lister).listAll("); n != 0 {
		t.Errorf("%d calls wait for them", n)
	}
	release()
	e2etest.Eventually(t, time.Minute, "no listing hangs", func() bool { return goroutinesIn("(*listings).listDay(") == 0 })
	e2etest.Eventually(t, time.Minute, "a store that answers again is listed again", func() bool {
		got, err := o.TelemetryDays(t.Context(), 60)
		return err == nil && !slices.ContainsFunc(got, func(day TelemetryDay) bool { return day.State != TelemetryPresent })
	})
	got, err := s.operations(partly).TelemetryDays(t.Context(), 8)
	if err != nil || got[0] != (TelemetryDay{listed, 1, 5, TelemetryPresent, ""}) || got[1] != (TelemetryDay{listed.Add(1), 1, 4, TelemetryUnknown, ""}) {
		t.Errorf("partly listed: %+v, %v", got, err)
	}
}

// goroutinesIn counts the goroutines that are in a function of this package.
func goroutinesIn(function string) int {
	stacks := make([]byte, 16<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "service."+function)
}

func TestAStoreThatRefusesHasNoDaysOfTelemetry(t *testing.T) {
	s := newService(t)
	refusing := fakeStore{list: func(context.Context, string) ([]blob.Object, error) { return nil, errors.New("permission refused") }}
	if got, err := s.operations(refusing).TelemetryDays(t.Context(), 60); !isUnavailable(err, TelemetryDependency) {
		t.Errorf("got %+v, %v", got, err)
	}
	forever := fakeStore{list: func(context.Context, string) ([]blob.Object, error) {
		return nil, fmt.Errorf("list in secret.example: %w", &blob.PermanentError{Reason: "the account does not know the service version"})
	}}
	got, err := s.operations(forever).TelemetryDays(t.Context(), 1)
	want := TelemetryDay{today(), 0, 0, TelemetryUnknown, fmt.Sprintf("the telemetry of %s cannot be listed: the account does not know the service version", today())}
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := s.operations(forever).TelemetryDays(ctx, 60); !errors.Is(err, context.Canceled) {
		t.Errorf("where nobody waits: %+v, %v", got, err)
	}
}
