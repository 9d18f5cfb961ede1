package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/workflows"
)

// foreign is an exhaust of another tenant with the id that a submission gets. Releases that took a | in a channel made such.
func (s *service) foreign(submission exhaust.Submission) exhaust.Job {
	s.t.Helper()
	request, err := s.check(submission, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	request.Channel, request.RequestedBy = "user1|"+request.Channel, "auth0"
	now := time.Now().Truncate(time.Millisecond)
	return exhaust.Job{
		Request: request,
		State:   exhaust.State{Status: exhaust.Success, UpdatedAt: now, CompletedAt: now, Report: "theirs.csv"},
		// Theirs, and nobody else's.
		DownloadURLs: []string{"http://exhaust.example/theirs"}, ExpiresAt: now.Add(20 * time.Hour),
	}
}

func (s *service) wantForeign(job exhaust.Job, err error) {
	s.t.Helper()
	const want = "the requestId of this request is that of another exhaust: send another tag or requestedBy"
	var invalid *exhaust.InvalidError
	if !errors.As(err, &invalid) || err.Error() != want || len(job.DownloadURLs) > 0 {
		s.t.Errorf("got %+v, %v, want %s", job, err, want)
	}
}

func TestAnExhaustOfAnotherTenantWithTheSameIDIsNotAnswered(t *testing.T) {
	s := newService(t)
	ended := s.submission(exhaust.PrivateExhaust)
	theirs := s.foreign(ended)
	if err := s.jobs.Save(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	s.wantForeign(s.Submit(t.Context(), ended))
	s.wantForeign(s.SubmitAt(t.Context(), ended, time.Now(), true))
	if _, err := s.Read(t.Context(), ended.Tag, ended.Channel, theirs.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("reading theirs: %v", err)
	}
	if _, err := s.Retry(t.Context(), ended.Tag, ended.Channel, theirs.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("retrying theirs: %v", err)
	}
	if found, err := s.FindAll(t.Context(), []exhaust.Request{s.requestOf(ended)}); err != nil || len(found) > 0 {
		t.Errorf("among others it is found: %+v, %v", found, err)
	}
	// One that is in flight, which only Temporal knows.
	running := s.submission(exhaust.ResponseExhaust)
	flying := s.foreign(running)
	flying.State = exhaust.State{Status: exhaust.Submitted, UpdatedAt: time.Now()}
	_, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: exhaust.WorkflowID(flying.ID), TaskQueue: s.name, TypedSearchAttributes: workflows.SearchAttributes(flying.Request),
		Memo: map[string]any{workflows.RequestMemo: flying.Request, workflows.StateMemo: flying.State},
	}, workflows.Exhaust, workflows.Input{Request: flying.Request, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s.wantForeign(s.Submit(t.Context(), running))
	// And one that begins between looking and starting.
	s.wantForeign(s.startWorkflow(t.Context(), exhaust.Job{Request: s.requestOf(running)}, startOptions{}))
	if _, err := s.Cancel(t.Context(), running.Tag, running.Channel, flying.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("cancelling theirs: %v", err)
	}
	if row, err := s.jobs.Job(t.Context(), flying.ID); !errors.Is(err, jobs.ErrNoJob) {
		t.Errorf("their exhaust got a row of %s: %v", row.Channel, err)
	}
}

func (s *service) requestOf(submission exhaust.Submission) exhaust.Request {
	s.t.Helper()
	request, err := s.check(submission, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return request
}

func TestAnExhaustThatCannotBeAskedAboutHidesNoOther(t *testing.T) {
	s := newService(t)
	var log bytes.Buffer // a slog handler writes one line at a time, and nobody else reads before the list is answered
	s.Exhausts.settings.Log = slog.New(slog.NewTextHandler(&log, nil))
	strange, foreign, ended := s.foreign(s.submission(exhaust.PrivateExhaust)), s.foreign(s.submission(exhaust.ResponseExhaust)), s.foreign(s.submission(exhaust.PrivateExhaust))
	ended.ID = fmt.Sprintf("%032s", "E")
	for _, job := range []*exhaust.Job{&strange, &foreign, &ended} {
		job.Channel = channel
	}
	for _, job := range []*exhaust.Job{&strange, &foreign} {
		job.State = exhaust.State{Status: exhaust.Processing, UpdatedAt: job.SubmittedAt}
	}
	theirs := foreign.Request
	theirs.Channel = "theirs"
	for _, workflow := range []struct {
		id   string
		memo map[string]any
	}{
		{strange.ID, map[string]any{}},
		{foreign.ID, map[string]any{workflows.RequestMemo: theirs, workflows.StateMemo: exhaust.State{Status: exhaust.Success}}},
	} {
		_, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
			ID: exhaust.WorkflowID(workflow.id), TaskQueue: s.name, Memo: workflow.memo,
		}, workflows.Exhaust, workflows.Input{})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, job := range []exhaust.Job{strange, foreign, ended} {
		if err := s.jobs.Save(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := s.List(t.Context(), "tag", channel, 10, URLsOfAll)
	got := map[string]string{}
	for _, job := range listed {
		got[job.ID] = job.Channel + " " + string(job.Status)
	}
	want := map[string]string{strange.ID: channel + " PROCESSING", foreign.ID: channel + " PROCESSING", ended.ID: channel + " SUCCESS"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("listed %v, %v, want %v", got, err, want)
	}
	if !strings.Contains(log.String(), "its memo has no request") {
		t.Errorf("the log says nothing of it: %s", log.String())
	}
}

// unsigned is a reports store that cannot sign now.
type unsigned struct{ Reports }

func (unsigned) SignURL(context.Context, string, time.Time) (string, error) {
	return "", errors.New("no answer")
}

func TestAListIsAnsweredThoughNoURLCanBeSigned(t *testing.T) {
	s := newService(t)
	now := time.Now().Truncate(time.Second)
	for id, expires := range map[string]time.Time{"A": now.Add(20 * time.Hour), "B": now.Add(time.Hour), "C": now.Add(-time.Hour)} {
		job := s.foreign(s.submission(exhaust.PrivateExhaust))
		job.ID, job.Channel, job.ExpiresAt = fmt.Sprintf("%032s", id), channel, expires
		job.DownloadURLs[0] = "http://exhaust.example/" + id
		if err := s.jobs.Save(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	s.Exhausts.reports = unsigned{s.reports}
	got := map[string]string{}
	listed, err := s.List(t.Context(), "tag", channel, 10, URLsOfAll)
	if err != nil || len(listed) != 3 {
		t.Fatalf("listed %+v, %v", listed, err)
	}
	for _, job := range listed {
		got[job.ID[31:]] = fmt.Sprint(job.DownloadURLs, job.Message)
	}
	// What still works is shown though it is due to be replaced; what works no more is not.
	for id, want := range map[string]string{
		"A": "[http://exhaust.example/A]", "B": "[http://exhaust.example/B]",
		"C": "[]its download URLs cannot be signed now: the reports store is not available",
	} {
		if got[id] != want {
			t.Errorf("%s is listed with %s, want %s", id, got[id], want)
		}
	}
}

func TestOnlyWhatALaterTryMayHealIsCalledUnavailable(t *testing.T) {
	tooLarge := serviceerror.NewInvalidArgument("Blob data size exceeds limit.")
	for _, test := range []struct {
		err           error
		isUnavailable bool
	}{
		{tooLarge, false},
		{fmt.Errorf("starting: %w", tooLarge), false},
		{serviceerror.NewInvalidArgument("Namespace default has no mapping defined for search attribute ExhaustStatus"), true},
		{serviceerror.NewUnavailable("connection refused"), true},
		{serviceerror.NewResourceExhausted(0, "too many"), true},
		{serviceerror.NewNamespaceNotFound("default"), true},
		{serviceerror.NewPermissionDenied("denied", ""), true},
		{context.DeadlineExceeded, true},
	} {
		var unavailable *UnavailableError
		if got := errors.As(temporalFailure(test.err), &unavailable); got != test.isUnavailable {
			t.Errorf("%v is called unavailable: %t", test.err, got)
		}
		if !errors.Is(temporalFailure(test.err), test.err) {
			t.Errorf("%v is lost", test.err)
		}
	}
}

func TestARequestThatTemporalRefusesIsNoOutage(t *testing.T) {
	s := newService(t)
	request := s.requestOf(s.submission(exhaust.ResponseExhaust))
	// More than Temporal takes in a message: the check of a submission keeps it out.
	request.Config = []byte(`"` + strings.Repeat("x", 3<<20) + `"`)
	_, err := s.startWorkflow(t.Context(), exhaust.Job{Request: request}, startOptions{})
	var unavailable *UnavailableError
	if err == nil || errors.As(err, &unavailable) {
		t.Errorf("got %v", err)
	}
}
