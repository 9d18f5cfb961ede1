package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/workflows"
)

// counted is a job_request and a Temporal whose calls are counted.
type counted struct {
	Jobs
	database atomic.Int64
	temporal atomic.Int64
}

func (c *counted) Job(ctx context.Context, requestID string) (exhaust.Job, error) {
	c.database.Add(1)
	return c.Jobs.Job(ctx, requestID)
}

func (c *counted) RaiseProgress(ctx context.Context, requestID string, attempts int, p exhaust.Progress) (exhaust.Progress, error) {
	c.database.Add(1)
	return c.Jobs.RaiseProgress(ctx, requestID, attempts, p)
}

func (c *counted) SaveURLs(ctx context.Context, of exhaust.Job) error {
	c.database.Add(1)
	return c.Jobs.SaveURLs(ctx, of)
}

func (c *counted) List(ctx context.Context, tag, channel string, limit int) ([]exhaust.Job, error) {
	c.database.Add(1)
	return c.Jobs.List(ctx, tag, channel, limit)
}

func (c *counted) intercept(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, next grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if !strings.HasSuffix(method, "GetSystemInfo") { // which the client asks once
		c.temporal.Add(1)
	}
	return next(ctx, method, request, answer, connection, options...)
}

// of are the calls that something takes.
func (c *counted) of(do func()) string {
	database, temporal := c.database.Load(), c.temporal.Load()
	do()
	return fmt.Sprintf("%d to the database, %d to Temporal", c.database.Load()-database, c.temporal.Load()-temporal)
}

func TestWhatIsOthersTakesTheSameCallsAsWhatThereIsNot(t *testing.T) {
	s := newService(t)
	c := &counted{Jobs: s.jobs}
	temporalClient, err := client.Dial(client.Options{
		HostPort: TemporalServer.Address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.intercept)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(temporalClient.Close)
	exhausts := NewExhausts(temporalClient, c, s.reports, s.settings)
	a := NewAuthorized(exhausts, NewSchedules(temporalClient, "default", nil, s.settings), nil, nil, nil, nil, nil, access.NewAudit(slog.New(slog.DiscardHandler)))

	// Theirs: in flight, ended in Temporal by its own end and from outside, and known to job_request alone.
	theirs := map[string]string{"nothing": fmt.Sprintf("%032X", 0)}
	for i, name := range []string{"in flight", "terminated", "ended long ago", "a row without its workflow"} {
		job := s.foreign(s.submission(exhaust.PrivateExhaust))
		job.ID, job.Channel = fmt.Sprintf("%032X", time.Now().UnixNano()+int64(i)), channel
		theirs[name] = job.ID
		switch name {
		case "in flight", "terminated":
			job.State = exhaust.State{Status: exhaust.Processing, UpdatedAt: time.Now()}
			run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
				ID: exhaust.WorkflowID(job.ID), TaskQueue: s.name,
				Memo: map[string]any{workflows.RequestMemo: job.Request, workflows.StateMemo: job.State},
			}, workflows.Exhaust, workflows.Input{Request: job.Request})
			if err != nil {
				t.Fatal(err)
			}
			if name == "terminated" {
				if err := s.client.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "a test"); err != nil {
					t.Fatal(err)
				}
			}
		case "a row without its workflow":
			job.State = exhaust.State{Status: exhaust.Processing, UpdatedAt: time.Now()}
		}
		if err := s.jobs.Save(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	mine, err := access.ParseRights([]string{"mine"}, []string{"uci-private-exhaust", "uci-response-exhaust"})
	if err != nil {
		t.Fatal(err)
	}
	caller := access.Caller{Name: "somebody", Rights: mine}
	for _, header := range []string{"mine", channel, "nobody's"} {
		calls := map[string]func(id string) error{
			"read":   func(id string) error { _, err := a.Read(t.Context(), caller, "tag", header, id); return err },
			"look":   func(id string) error { _, _, err := a.Look(t.Context(), caller, "tag", header, id); return err },
			"cancel": func(id string) error { _, err := a.Cancel(t.Context(), caller, "tag", header, id); return err },
			"retry":  func(id string) error { _, err := a.Retry(t.Context(), caller, "tag", header, id); return err },
		}
		for name, call := range calls {
			want := c.of(func() {
				if err := call(theirs["nothing"]); !errors.Is(err, ErrNotFound) {
					t.Errorf("%s of nothing: %v", name, err)
				}
			})
			for of, id := range theirs {
				got := c.of(func() {
					if err := call(id); !errors.Is(err, ErrNotFound) {
						t.Errorf("%s of what is %s: %v", name, of, err)
					}
				})
				if got != want {
					t.Errorf("%s as %q of what is %s takes %s; of nothing %s", name, header, of, got, want)
				}
			}
		}
	}
	// A schedule of theirs, and one that there is not.
	schedules := NewSchedules(s.client, "default", nil, s.settings)
	schedule, err := schedules.Create(t.Context(), ScheduleDraft{
		Submission: exhaust.Submission{Dataset: "uci-private-exhaust", Channel: channel, DatasetConfig: []byte(`{"conversationId":"` + conversation + `"}`)},
		Cron:       "0 6 * * 1", Paused: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = schedules.Delete(context.Background(), channel, schedule.ID) })
	for name, call := range map[string]func(id string) error{
		"read": func(id string) error { _, err := a.ReadSchedule(t.Context(), caller, "mine", id); return err },
		"windows": func(id string) error {
			_, err := a.ScheduleWindows(t.Context(), caller, "mine", id, "2022-01-01", "2022-01-31")
			return err
		},
		"change": func(id string) error {
			_, err := a.ChangeSchedule(t.Context(), caller, "mine", id, SchedulePatch{"note": []byte(`"x"`)})
			return err
		},
		"delete":  func(id string) error { _, err := a.DeleteSchedule(t.Context(), caller, "mine", id); return err },
		"trigger": func(id string) error { _, err := a.TriggerSchedule(t.Context(), caller, "mine", id); return err },
		"backfill": func(id string) error {
			_, err := a.BackfillSchedule(t.Context(), caller, "mine", id, "2022-01-01", "2022-01-02")
			return err
		},
	} {
		takes := func(id string) string {
			return c.of(func() {
				if err := call(id); !errors.Is(err, ErrNoSchedule) {
					t.Errorf("%s of schedule %s: %v", name, id, err)
				}
			})
		}
		if got, want := takes(schedule.ID), takes("aaaaaaaaaaaaaaaa"); got != want {
			t.Errorf("%s of another's schedule takes %s, of none %s", name, got, want)
		}
	}
}
