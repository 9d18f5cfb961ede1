package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
)

func TestAReportThatIsNotThereIsNoticedSaidAndMadeAgain(t *testing.T) {
	s := newService(t)
	s.work()
	submission := s.submission(exhaust.PrivateExhaust)
	made := s.ended(s.submitted(submission), exhaust.Success)
	if err := s.reports.Delete(t.Context(), made.Report); err != nil {
		t.Fatal(err)
	}
	const want = "its report is no longer in the reports store: retry makes it again"
	for call, ask := range map[string]func() (exhaust.Job, error){
		"read":   func() (exhaust.Job, error) { return s.Read(t.Context(), "tag", channel, made.ID) },
		"submit": func() (exhaust.Job, error) { return s.Submit(t.Context(), submission) },
	} {
		got, err := ask()
		if err != nil || got.Status != exhaust.Success || got.Message != want || len(got.DownloadURLs) != 0 || got.Report != "" || !got.ExpiresAt.IsZero() {
			t.Errorf("%s: %+v, %v", call, got, err)
		}
	}
	// A store that is somewhere else for a while costs no report.
	if row, err := s.jobs.Job(t.Context(), made.ID); err != nil || row.Report != made.Report {
		t.Errorf("recorded %+v, %v", row, err)
	}
	again, err := s.Retry(t.Context(), "tag", channel, made.ID)
	if err != nil || again.Status != exhaust.Submitted || again.Attempts != 1 {
		t.Fatalf("retried: %+v, %v", again, err)
	}
	s.ended(made, exhaust.Success)
	got, err := s.Read(t.Context(), "tag", channel, made.ID)
	if err != nil || len(got.DownloadURLs) != 1 || got.Message != "" || got.Attempts != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := s.reports.Stat(t.Context(), got.Report); err != nil {
		t.Error(err)
	}
}

// TestAskingForAnotherAttemptWhileTheFormerIsBeingWoundUpStartsNothingAndSaysSo: it answered the old FAILED and ran
// nothing.
func TestAskingForAnotherAttemptWhileTheFormerIsBeingWoundUpStartsNothingAndSaysSo(t *testing.T) {
	s := newService(t)
	s.ending = make(chan struct{})
	s.work()
	submission := s.submission(exhaust.ResponseExhaust)
	job := s.submitted(submission)
	e2etest.Eventually(t, 20*time.Second, "it is FAILED", func() bool {
		got, err := s.Find(t.Context(), job.ID)
		return err == nil && got.Status == exhaust.Failed
	})
	ask := map[string]func() error{
		"submit": func() error { _, err := s.Submit(t.Context(), submission); return err },
		"retry":  func() error { _, err := s.Retry(t.Context(), "tag", channel, job.ID); return err },
		"start":  func() error { _, err := s.Start(t.Context(), job.ID, exhaust.Failed, 0); return err },
		"the night": func() error {
			isStarted, err := s.Release(t.Context(), job.ID, exhaust.Failed, 0)
			if isStarted != (err == nil) {
				t.Errorf("started: %v, %v", isStarted, err)
			}
			return err
		},
	}
	ask["replay"] = func() error {
		_, _, err := s.Replay(t.Context(), Replay{Statuses: []exhaust.Status{exhaust.Failed}, RequestID: job.ID, Limit: 10})
		return err
	}
	failed, err := s.Find(t.Context(), job.ID)
	if err == nil {
		err = s.jobs.Save(t.Context(), failed) // its files are still being removed
	}
	if err != nil {
		t.Fatal(err)
	}
	started, next, err := s.Replay(t.Context(), Replay{Statuses: []exhaust.Status{exhaust.Failed}, Tag: job.Tag, Limit: 10})
	if err != nil || next != "" || len(started) != 0 {
		t.Errorf("replaying all answers %+v, %q, %v", started, next, err)
	}
	for name, ask := range ask {
		if err := ask(); !errors.Is(err, exhaust.ErrWindingUp) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.wantRuns(job, 1)
	close(s.ending)
	s.ended(job, exhaust.Failed)
	e2etest.Eventually(t, 20*time.Second, "it can be started", func() bool { return ask["the night"]() == nil || t.Failed() })
}

func TestTheNightDoesNotReleaseWhatWaitsForAWorkerOnly(t *testing.T) {
	s := newService(t)
	job := s.submitted(s.submission(exhaust.PrivateExhaust))
	if isStarted, err := s.Release(t.Context(), job.ID, exhaust.Submitted, 0); err != nil || isStarted {
		t.Errorf("released: %v, %v", isStarted, err)
	}
	s.work()
	s.ended(job, exhaust.Success)
}

func TestTheNightIsToldWhetherItStartedAnExhaust(t *testing.T) {
	s := newService(t)
	submission := s.submission(exhaust.PrivateExhaust)
	submission.RunAt = exhaust.RunNightly
	job := s.submitted(submission)
	release := func(status exhaust.Status, attempts int) bool {
		t.Helper()
		isStarted, err := s.Release(t.Context(), job.ID, status, attempts)
		if err != nil {
			t.Fatal(err)
		}
		return isStarted
	}
	if release(exhaust.Failed, 0) || release(exhaust.Submitted, 1) {
		t.Error("it is started though it is not as it was seen")
	}
	s.work()
	if !release(exhaust.Submitted, 0) {
		t.Error("it is not started")
	}
	s.ended(job, exhaust.Success)
	if release(exhaust.Submitted, 0) {
		t.Error("it is started again")
	}
}

func TestWhetherAnExhaustMayBeEmptyIsOfWhoeverAskedLast(t *testing.T) {
	s := newService(t)
	s.work()
	submission := s.submission(exhaust.ResponseExhaust)
	submission.DatasetConfig = json.RawMessage(`{"conversationId":"` + conversation + `","startDate":"2022-03-01","endDate":"2022-03-01"}`)
	now := time.Now()
	job := s.submitted(submission)
	if got := s.ended(job, exhaust.Failed); got.Message != "No data found" {
		t.Errorf("got %+v", got)
	}
	again, err := s.SubmitAt(t.Context(), submission, now, true)
	if err != nil || again.ID != job.ID || again.Attempts != 1 {
		t.Fatalf("got %+v, %v", again, err)
	}
	if got := s.ended(job, exhaust.Success); got.Progress.RowsWritten != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestProgressNeverGoesBackwardsFromOneAPIToTheOther(t *testing.T) {
	s := newService(t)
	job := s.submitted(s.submission(exhaust.PrivateExhaust)) // no worker: it makes no progress of its own
	shown := exhaust.Progress{Phase: exhaust.Joining, BytesTotal: 10, BytesRead: 5, EventsMatched: 3, Percent: 91}
	if _, err := s.jobs.RaiseProgress(t.Context(), job.ID, 0, shown); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := s.another().Read(t.Context(), "tag", channel, job.ID)
		if err != nil || got.Progress != (exhaust.Progress{Phase: exhaust.Joining, BytesTotal: 10, BytesRead: 5, EventsMatched: 3, Percent: 91}) {
			t.Errorf("got %+v, %v", got.Progress, err)
		}
	}
}

func TestProgressIsReadWhileTheDatabaseIsAway(t *testing.T) {
	s := newService(t)
	job := s.submitted(s.submission(exhaust.PrivateExhaust))
	e := s.another()
	e.jobs = awayForProgress{e.jobs}
	got, err := e.Read(t.Context(), "tag", channel, job.ID)
	if err != nil || got.Status != exhaust.Submitted || got.Progress.Phase != exhaust.Joining {
		t.Errorf("got %+v, %v", got, err)
	}
}

type awayForProgress struct{ Jobs }

func (awayForProgress) RaiseProgress(context.Context, string, int, exhaust.Progress) (exhaust.Progress, error) {
	return exhaust.Progress{}, errors.New("the database is away")
}

// TestAListKnowsWhatWasTerminatedWhileItWaited: nobody has told its row.
func TestAListKnowsWhatWasTerminatedWhileItWaited(t *testing.T) {
	s := newService(t)
	s.work()
	submission := s.submission(exhaust.PrivateExhaust)
	submission.RunAt = exhaust.RunNightly
	job := s.submitted(submission)
	e2etest.Eventually(t, 20*time.Second, "it is recorded that it waits", func() bool {
		row, err := s.jobs.Job(t.Context(), job.ID)
		return err == nil && row.Parked
	})
	if listed, err := s.List(t.Context(), "tag", channel, 10, URLsOfAll); err != nil || len(listed) != 1 || listed[0].Status != exhaust.Submitted {
		t.Errorf("listed %+v, %v", listed, err)
	}
	e2etest.Must(t, s.client.TerminateWorkflow(t.Context(), exhaust.WorkflowID(job.ID), "", "of no use"))
	e2etest.Eventually(t, 20*time.Second, "the list says so", func() bool { // Temporal lists it with a delay
		listed, err := s.List(t.Context(), "tag", channel, 10, URLsOfAll)
		return err == nil && len(listed) == 1 && listed[0].Status == exhaust.Failed && listed[0].Message == "terminated by an operator"
	})
}

func TestWhatWaitsForTheNightIsListedWithoutAskingTemporal(t *testing.T) {
	s := newServiceAt(t, "127.0.0.1:1")
	asked := &askedTemporal{Client: s.client}
	s.Exhausts.temporal = asked
	parked := s.kept("A", exhaust.Submitted, time.Now())
	parked.Parked = true
	if err := s.jobs.Save(t.Context(), parked); err != nil {
		t.Fatal(err)
	}
	begun := s.kept("B", exhaust.Submitted, time.Now()) // as far as its row knows
	for range 3 {
		listed, err := s.List(t.Context(), "tag", channel, 10, URLsOfAll)
		if err != nil || len(listed) != 2 || listed[0].Status != exhaust.Submitted || listed[1].Status != exhaust.Submitted {
			t.Errorf("listed %+v, %v", listed, err)
		}
	}
	one := exhaust.WorkflowID(begun.ID)
	if want := []string{one, one, one}; !slices.Equal(asked.about, want) {
		t.Errorf("Temporal was asked about %v, want %v", asked.about, want)
	}
}

func TestOneListAsksATemporalThatIsAwayAboutAFewExhaustsOnly(t *testing.T) {
	s := newServiceAt(t, "127.0.0.1:1")
	asked := &askedTemporal{Client: s.client}
	s.Exhausts.temporal = asked
	for i := range 3 * maxConcurrency {
		job := s.kept("A", exhaust.Processing, time.Now())
		job.ID = fmt.Sprintf("%032X", i)
		if err := s.jobs.Save(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := s.List(t.Context(), "tag", channel, 1000, URLsOfAll)
	if err != nil || len(listed) != 3*maxConcurrency+1 {
		t.Errorf("listed %d, %v", len(listed), err)
	}
	if len(asked.about) > maxConcurrency {
		t.Errorf("Temporal was asked about %d exhausts, though it was away", len(asked.about))
	}
}

// askedTemporal counts about what it is asked.
type askedTemporal struct {
	client.Client
	mu    sync.Mutex
	about []string
}

func (a *askedTemporal) DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	a.mu.Lock()
	a.about = append(a.about, workflowID)
	a.mu.Unlock()
	return a.Client.DescribeWorkflowExecution(ctx, workflowID, runID)
}
