package service

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
	"data-exhaust/internal/sample"
	"data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/report"
	"data-exhaust/telemetry"
	"data-exhaust/workflows"
)

const (
	conversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	device       = "d0000000-0000-4000-8000-000000000001"
	channel      = "01309282781705830427"
)

// TemporalServer is the development server that all tests of the package share. TestMain, which stands beside the tests of
// schedules, starts it.
var TemporalServer *devstack.Temporal

// service is the exhausts of one API process with real parts, on a task queue of the test's own.
type service struct {
	*Exhausts
	t       *testing.T
	name    string // no other service of these tests has it
	client  client.Client
	jobs    *jobs.Jobs
	db      *database.DB
	reports *blob.Local
	// ending, where it is not nil, holds up the recording of ends until it can be received from.
	ending chan struct{}
}

// endings is job_request for a worker whose records of ends are held up.
type endings struct {
	*jobs.Jobs
	ending chan struct{}
}

func (e endings) Save(ctx context.Context, job exhaust.Job) error {
	if e.ending != nil && job.Status.HasEnded() {
		select {
		case <-e.ending:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return e.Jobs.Save(ctx, job)
}

func newService(t *testing.T) *service {
	t.Helper()
	return newServiceAt(t, TemporalServer.Address)
}

var services atomic.Int64

func newServiceAt(t *testing.T, address string) *service {
	t.Helper()
	s := &service{t: t, name: fmt.Sprintf("%s %d", t.Name(), services.Add(1))}
	var err error
	s.client, err = client.NewLazyClient(client.Options{HostPort: address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	if s.db, err = database.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "registry.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.db.Close(); err != nil {
			t.Error(err)
		}
	})
	s.jobs = jobs.New(s.db)
	if err := s.jobs.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	options := blob.LocalOptions{BaseURL: "http://exhaust.example/files/reports", Key: bytes.Repeat([]byte("k"), 32)}
	if s.reports, err = blob.NewLocal(t.TempDir(), options); err != nil {
		t.Fatal(err)
	}
	s.Exhausts = s.another()
	return s
}

// another is the exhausts of another API process.
func (s *service) another() *Exhausts {
	return NewExhausts(s.client, s.jobs, s.reports, Settings{
		TaskQueue: s.name, Timezone: time.UTC, MaxDays: 366, URLTTL: 24 * time.Hour, Timeout: time.Hour,
		Mode: exhaust.RunNow, ReportRetention: 30 * 24 * time.Hour, Log: slog.New(slog.DiscardHandler),
	})
}

// work runs a worker until the test ends. One device is registered to the conversation, and there is
// no telemetry: a private exhaust succeeds with one row, a response exhaust fails.
func (s *service) work() {
	s.t.Helper()
	ctx := s.t.Context()
	if err := sample.CreateEmbeddedTables(ctx, s.db); err != nil {
		s.t.Fatal(err)
	}
	for query, args := range map[string][]any{
		`INSERT INTO bot (id, name, ownerorgid) VALUES ($1, 'Helpdesk', $2)`:         {conversation, channel},
		`INSERT INTO user_registrations (users_id, applications_id) VALUES ($1, $2)`: {device, conversation},
	} {
		if _, err := s.db.Exec(ctx, query, args...); err != nil {
			s.t.Fatal(err)
		}
	}
	uci, err := registry.NewUCI(s.db, s.db, registry.Tables{Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities"})
	if err != nil {
		s.t.Fatal(err)
	}
	none, err := blob.NewLocal(s.t.TempDir(), blob.LocalOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	layout, err := telemetry.ParseLayout("{yyyy}-{MM}-{dd}")
	if err != nil {
		s.t.Fatal(err)
	}
	steps := activities.New(
		activities.Dependencies{UCI: uci, Jobs: endings{s.jobs, s.ending}, Telemetry: none, Reports: s.reports},
		activities.Settings{Layout: layout, Timezone: time.UTC, MaxDays: 366, URLTTL: 24 * time.Hour, CSV: report.Options{Dialect: report.RFC4180}, ReceiptKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	)
	for _, queue := range append([]string{s.name}, workflows.LongQueues(s.name)...) {
		w := worker.New(s.client, queue, worker.Options{DisableWorkflowWorker: queue != s.name})
		w.RegisterActivity(steps)
		if queue == s.name {
			w.RegisterWorkflow(workflows.Exhaust)
			w.RegisterWorkflow(workflows.Parked)
		}
		if err := w.Start(); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(w.Stop)
	}
}

// submission is one that no other test sends.
func (s *service) submission(dataset exhaust.Dataset) exhaust.Submission {
	return exhaust.Submission{
		Dataset: string(dataset), Tag: "tag", Channel: channel, RequestedBy: s.name,
		DatasetConfig: json.RawMessage(`{"conversationId":"` + conversation + `"}`),
	}
}

func (s *service) submitted(submission exhaust.Submission) exhaust.Job {
	s.t.Helper()
	job, err := s.Submit(s.t.Context(), submission)
	if err != nil {
		s.t.Fatal(err)
	}
	return job
}

// ended waits for an exhaust to have that status.
func (s *service) ended(job exhaust.Job, status exhaust.Status) exhaust.Job {
	s.t.Helper()
	got, err := s.Wait(s.t.Context(), job.ID)
	if err != nil || got.Status != status {
		s.t.Fatalf("got %+v, error %v, want %s", got, err, status)
	}
	return got
}

// wantRuns checks how many workflows there have been of an exhaust. Temporal counts them with a delay.
func (s *service) wantRuns(job exhaust.Job, want int64) {
	s.t.Helper()
	query := "WorkflowId = '" + exhaust.WorkflowID(job.ID) + "'"
	e2etest.Eventually(s.t, 10*time.Second, fmt.Sprintf("Temporal counts %d runs of %s", want, job.ID), func() bool {
		counted, err := s.client.CountWorkflow(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err != nil {
			s.t.Fatal(err)
		}
		if got := counted.GetCount(); got > want {
			s.t.Fatalf("%d runs, want %d", got, want)
		}
		return counted.GetCount() == want
	})
}

// together calls something from so many goroutines at once and gives all answers.
func together(t *testing.T, n int, call func(i int) (exhaust.Job, error)) []exhaust.Job {
	t.Helper()
	jobs, errs := make([]exhaust.Job, n), make([]error, n)
	var callers sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		callers.Go(func() {
			<-begin
			jobs[i], errs[i] = call(i)
		})
	}
	close(begin)
	callers.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return jobs
}

func TestFiftySubmissionsAtOnceAreOneExhaustWithOneAnswer(t *testing.T) {
	for _, working := range []bool{false, true} {
		t.Run(fmt.Sprintf("worker=%t", working), func(t *testing.T) {
			s := newService(t)
			if working {
				s.work()
			}
			processes := []*Exhausts{s.Exhausts, s.another(), s.another()}
			jobs := together(t, 50, func(i int) (exhaust.Job, error) {
				return processes[i%3].Submit(t.Context(), s.submission(exhaust.PrivateExhaust))
			})
			for _, job := range jobs {
				// With a worker it may have ended before the last ones asked.
				if working && job.Status == exhaust.Success {
					continue
				}
				job.SubmittedAt, job.UpdatedAt = job.SubmittedAt.UTC(), job.UpdatedAt.UTC()
				first := jobs[0]
				first.SubmittedAt, first.UpdatedAt = first.SubmittedAt.UTC(), first.UpdatedAt.UTC()
				if job.Status != exhaust.Submitted || !working && !reflect.DeepEqual(job, first) {
					t.Errorf("got  %+v\nwant %+v", job, first)
				}
			}
			s.wantRuns(jobs[0], 1)
			if working {
				s.ended(jobs[0], exhaust.Success)
			}
			listed, err := s.List(t.Context(), "tag", channel, 10, URLsOfAll)
			if err != nil || len(listed) != 1 || listed[0].ID != jobs[0].ID || listed[0].Attempts != 0 {
				t.Errorf("listed %+v, %v", listed, err)
			}
		})
	}
}

func TestAnExhaustThatFailedRunsOnceMoreHoweverManyAsk(t *testing.T) {
	s := newService(t)
	job := s.submitted(s.submission(exhaust.ResponseExhaust))
	if err := s.client.TerminateWorkflow(t.Context(), exhaust.WorkflowID(job.ID), "", "test"); err != nil {
		t.Fatal(err)
	}
	if got := s.ended(job, exhaust.Failed); got.Message != "terminated by an operator" || got.Attempts != 0 {
		t.Errorf("got %+v", got)
	}
	processes := []*Exhausts{s.Exhausts, s.another(), s.another()}
	for i, again := range together(t, 12, func(i int) (exhaust.Job, error) {
		if i%2 == 0 {
			return processes[i%3].Retry(t.Context(), "tag", channel, job.ID)
		}
		return processes[i%3].Submit(t.Context(), s.submission(exhaust.ResponseExhaust))
	}) {
		if again.ID != job.ID || again.Status != exhaust.Submitted || again.Attempts != 1 {
			t.Errorf("answer %d: %+v", i, again)
		}
	}
	s.wantRuns(job, 2)
	s.work()
	if got := s.ended(job, exhaust.Failed); got.Message != "No data found" || got.Attempts != 1 {
		t.Errorf("got %+v", got)
	}
	if row, err := s.jobs.Job(t.Context(), job.ID); err != nil || row.Attempts != 1 || row.Status != exhaust.Failed || row.Message != "No data found" {
		t.Errorf("recorded %+v, %v", row, err)
	}
}

func TestOnlyItsOwnerReadsCancelsAndRetriesAnExhaust(t *testing.T) {
	s := newService(t)
	job := s.submitted(s.submission(exhaust.PrivateExhaust))
	calls := map[string]func(tag, channel, id string) (exhaust.Job, error){
		"read":   func(tag, channel, id string) (exhaust.Job, error) { return s.Read(t.Context(), tag, channel, id) },
		"cancel": func(tag, channel, id string) (exhaust.Job, error) { return s.Cancel(t.Context(), tag, channel, id) },
		"retry":  func(tag, channel, id string) (exhaust.Job, error) { return s.Retry(t.Context(), tag, channel, id) },
	}
	for name, call := range calls {
		for _, key := range [][3]string{
			{"other", channel, job.ID}, {"tag", "other", job.ID}, {"tag", channel, strings.Repeat("0", 32)},
			{"tag", channel, strings.ToLower(job.ID)}, {"tag", channel, ""}, {"tag:" + channel, channel, job.ID},
		} {
			if got, err := call(key[0], key[1], key[2]); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of %v: %+v, %v", name, key, got, err)
			}
		}
	}
	if ErrNotFound.Error() != "no job available with the given request_id and tag" {
		t.Errorf("the sentence is %q", ErrNotFound)
	}
}

func TestOnlyWhatHasNotEndedIsCancelledAndOnlyWhatCameToNothingIsRetried(t *testing.T) {
	s := newService(t)
	waiting := s.submitted(s.submission(exhaust.PrivateExhaust))
	invalid := func(err error, want string) {
		t.Helper()
		var fault *exhaust.InvalidError
		if !errors.As(err, &fault) || fault.Sentence != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	const retry = "only a FAILED or CANCELLED one, or one whose report has expired, can be retried"
	_, err := s.Retry(t.Context(), "tag", channel, waiting.ID)
	invalid(err, "the exhaust is SUBMITTED: "+retry)
	s.work()
	s.ended(waiting, exhaust.Success)
	_, err = s.Cancel(t.Context(), "tag", channel, waiting.ID)
	invalid(err, "the exhaust is SUCCESS: only one that has not ended can be cancelled")
	_, err = s.Retry(t.Context(), "tag", channel, waiting.ID)
	invalid(err, "the exhaust is SUCCESS: "+retry)
}

func TestACancelledExhaustIsAnsweredAndCanBeSubmittedAgain(t *testing.T) {
	s := newService(t)
	submission := s.submission(exhaust.PrivateExhaust)
	submission.RunAt = exhaust.RunNightly
	job := s.submitted(submission)
	s.work()
	for range 2 { // cancelling twice is as good as once
		cancelled, err := s.Cancel(t.Context(), "tag", channel, job.ID)
		if err != nil || cancelled.Status != exhaust.Cancelled || cancelled.Message != "cancelled on request" {
			t.Fatalf("got %+v, %v", cancelled, err)
		}
	}
	submission.RunAt = ""
	if again := s.submitted(submission); again.Status != exhaust.Submitted || again.Attempts != 1 {
		t.Errorf("got %+v", again)
	}
	s.ended(job, exhaust.Success)
}

func TestURLsAreSignedAfreshWhenLessThanHalfOfTheirTimeIsLeft(t *testing.T) {
	s := newService(t)
	s.work()
	job := s.submitted(s.submission(exhaust.PrivateExhaust))
	s.ended(job, exhaust.Success)
	read := func() exhaust.Job {
		t.Helper()
		got, err := s.Read(t.Context(), "tag", channel, job.ID)
		if err != nil || len(got.DownloadURLs) != 1 {
			t.Fatalf("got %+v, %v", got, err)
		}
		return got
	}
	if in := time.Until(read().ExpiresAt); in < 23*time.Hour || in > 24*time.Hour {
		t.Errorf("it expires in %s, want 24h", in)
	}
	keep := func(left time.Duration) {
		t.Helper()
		kept := read()
		kept.DownloadURLs, kept.ReceiptURL, kept.ExpiresAt = []string{"http://exhaust.example/kept"}, "http://exhaust.example/receipt", time.Now().Add(left)
		kept.CompletedAt = kept.CompletedAt.Add(time.Millisecond) // else the end that is recorded would stand
		if err := s.jobs.Save(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
	}
	keep(12*time.Hour + time.Minute)
	if got := read(); got.DownloadURLs[0] != "http://exhaust.example/kept" || got.ReceiptURL != "http://exhaust.example/receipt" {
		t.Errorf("with 12h01m left it is signed afresh")
	}
	keep(12*time.Hour - time.Minute)
	got := read()
	if in := time.Until(got.ExpiresAt); got.DownloadURLs[0] == "http://exhaust.example/kept" || in < 23*time.Hour || in > 24*time.Hour {
		t.Errorf("with 11h59m left it still is %s, which expires in %s", got.DownloadURLs[0], in)
	}
	if again := read(); again.DownloadURLs[0] != got.DownloadURLs[0] {
		t.Error("it is signed at each reading")
	}
	listed, err := s.List(t.Context(), "tag", channel, 1, URLsOfAll)
	if err != nil || len(listed) != 1 || !reflect.DeepEqual(listed[0].DownloadURLs, got.DownloadURLs) {
		t.Errorf("listed %+v, %v", listed, err)
	}
}

// kept is a row of job_request, whose id begins with that digit.
func (s *service) kept(digit string, status exhaust.Status, completed time.Time) exhaust.Job {
	s.t.Helper()
	id := strings.Repeat(digit, 24) + fmt.Sprintf("%08X", services.Load())
	job := exhaust.Job{
		Request: exhaust.Request{
			ID: id, Dataset: exhaust.PrivateExhaust, Tag: "tag", Channel: channel, ConversationID: conversation,
			Config: json.RawMessage(`{"conversationId":"` + conversation + `"}`), OutputFormat: "csv", SubmittedAt: completed.Add(-time.Minute).Truncate(time.Millisecond),
		},
		State: exhaust.State{Status: status, UpdatedAt: completed.Truncate(time.Millisecond)},
	}
	if status.HasEnded() {
		job.CompletedAt = job.UpdatedAt
	}
	if status == exhaust.Success {
		job.Report = "uci-private-exhaust/" + id + "/x.csv"
		file, err := s.reports.Create(s.t.Context(), job.Report, "text/csv")
		if err == nil {
			err = file.Commit()
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.jobs.Save(s.t.Context(), job); err != nil {
		s.t.Fatal(err)
	}
	return job
}

func TestWhatTemporalHasForgottenIsReadFromItsRow(t *testing.T) {
	s := newService(t)
	made := s.kept("A", exhaust.Success, time.Now().Add(-time.Hour))
	got, err := s.Read(t.Context(), "tag", channel, made.ID)
	if err != nil || got.Status != exhaust.Success || len(got.DownloadURLs) != 1 || !strings.Contains(got.DownloadURLs[0], made.Report) {
		t.Errorf("got %+v, %v", got, err)
	}
	old := s.kept("B", exhaust.Success, time.Now().Add(-31*24*time.Hour))
	got, err = s.Read(t.Context(), "tag", channel, old.ID)
	if want := "report expired on " + old.CompletedAt.Add(30*24*time.Hour).UTC().Format(time.DateOnly); err != nil || got.Message != want || len(got.DownloadURLs) != 0 || got.Report != "" {
		t.Errorf("got %+v, %v, want %s", got, err, want)
	}
	lost := s.kept("C", exhaust.Processing, time.Now())
	got, err = s.Read(t.Context(), "tag", channel, lost.ID)
	if err != nil || got.Status != exhaust.Failed || got.Message != "its workflow is gone from Temporal: submit or retry it to run it again" {
		t.Errorf("got %+v, %v", got, err)
	}
	again, err := s.Retry(t.Context(), "tag", channel, lost.ID)
	if err != nil || again.Status != exhaust.Submitted || again.Attempts != 1 {
		t.Errorf("retried %+v, %v", again, err)
	}
}

func TestWhileTemporalIsAwayWhatHasEndedIsReadFromItsRow(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("it refuses", func(t *testing.T) { newServiceAt(t, refusing).readsWithoutTemporal() })
	t.Run("it hangs", func(t *testing.T) {
		// One of its own: schedules of a server that was stopped answer late, and other tests wait for theirs.
		server, err := devstack.StartTemporal(context.Background(), devstack.TemporalOptions{SearchAttributes: SearchAttributeNames()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
		s := newServiceAt(t, server.Address)
		if _, err := s.client.CheckHealth(t.Context(), &client.CheckHealthRequest{}); err != nil {
			t.Fatal(err)
		}
		signal := func(what syscall.Signal) {
			if err := syscall.Kill(server.PID(), what); err != nil {
				t.Fatal(err)
			}
		}
		signal(syscall.SIGSTOP)
		defer signal(syscall.SIGCONT)
		s.readsWithoutTemporal()
	})
}

func (s *service) readsWithoutTemporal() {
	s.t.Helper()
	made := s.kept("A", exhaust.Success, time.Now().Add(-time.Hour))
	running := s.kept("C", exhaust.Processing, time.Now())
	// As the handler does.
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	began := time.Now()
	got, err := s.Read(ctx, "tag", channel, made.ID)
	if err != nil || got.Status != exhaust.Success || len(got.DownloadURLs) != 1 {
		s.t.Errorf("got %+v, %v", got, err)
	}
	if took := time.Since(began); took > 8*time.Second {
		s.t.Errorf("it took %s", took)
	}
	var away *UnavailableError
	if got, err = s.Read(ctx, "tag", channel, running.ID); !errors.As(err, &away) || away.Dependency != TemporalDependency {
		s.t.Errorf("one that has not ended: %+v, %v", got, err)
	}
}
