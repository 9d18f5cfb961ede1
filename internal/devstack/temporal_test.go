package devstack

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/durationpb"
)

var tag = temporal.NewSearchAttributeKeyKeyword("ExhaustTag")

// servers are the two kinds of Temporal server, which promise the same.
var servers = map[string]func(ctx context.Context, dir string) (*Temporal, error){
	"development server": func(ctx context.Context, dir string) (*Temporal, error) {
		return StartTemporal(ctx, TemporalOptions{DBFile: filepath.Join(dir, "temporal.db"), SearchAttributes: []string{tag.GetName()}})
	},
	"production server": func(ctx context.Context, dir string) (*Temporal, error) {
		return StartTemporalServer(ctx, TemporalServerOptions{Dir: dir, SearchAttributes: []string{tag.GetName()}})
	},
}

func TestTemporalRunsWorkflowsAndKeepsThemOverACrash(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := start(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer stop(t, server.Child)
			c := dial(t, server)
			runWorker(t, c)
			run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
				ID: "letter-1", TaskQueue: "letters", TypedSearchAttributes: temporal.NewSearchAttributes(tag.ValueSet("blue")),
			}, Letter)
			if err != nil {
				t.Fatal(err)
			}
			if got := askState(t, c); got != "waiting" {
				t.Errorf("the workflow's state is %q, want waiting", got)
			}

			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}

			if err := c.SignalWorkflow(t.Context(), "letter-1", "", "send", "Ada"); err != nil {
				t.Fatal(err)
			}
			var letter string
			if err := run.Get(t.Context(), &letter); err != nil || letter != "Dear Ada" {
				t.Errorf("the workflow returned %q, %v; want Dear Ada", letter, err)
			}
			waitListed(t, c, "ExhaustTag = 'blue' AND ExecutionStatus = 'Completed'", "letter-1")
		})
	}
}

// Letter waits for a name and has an activity write to it.
func Letter(ctx workflow.Context) (string, error) {
	state := "waiting"
	if err := workflow.SetQueryHandler(ctx, "state", func() (string, error) { return state, nil }); err != nil {
		return "", err
	}
	var name, letter string
	workflow.GetSignalChannel(ctx, "send").Receive(ctx, &name)
	state = "writing"
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	err := workflow.ExecuteActivity(ctx, Write, name).Get(ctx, &letter)
	return letter, err
}

func Write(_ context.Context, name string) (string, error) { return "Dear " + name, nil }

func dial(t *testing.T, server *Temporal) client.Client {
	t.Helper()
	c, err := server.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func runWorker(t *testing.T, c client.Client) {
	t.Helper()
	w := worker.New(c, "letters", worker.Options{})
	w.RegisterWorkflow(Letter)
	w.RegisterActivity(Write)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

func askState(t *testing.T, c client.Client) string {
	t.Helper()
	answer, err := c.QueryWorkflow(t.Context(), "letter-1", "", "state")
	if err != nil {
		t.Fatal(err)
	}
	var state string
	if err := answer.Get(&state); err != nil {
		t.Fatal(err)
	}
	return state
}

// waitListed waits until the visibility store, which follows the history, lists the workflow.
func waitListed(t *testing.T, c client.Client, query, want string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Executions) == 1 && list.Executions[0].Execution.WorkflowId == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s lists %v, want %s", query, list.Executions, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestTemporalGivesAWorkerTheActivitiesThatItSchedules(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := start(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer stop(t, server.Child)
			c := dial(t, server)
			if _, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "by-hand"}, "Any"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			queue := &taskqueuepb.TaskQueue{Name: "by-hand"}
			task, err := c.WorkflowService().PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
				Namespace: server.Namespace, TaskQueue: queue,
			})
			if err != nil {
				t.Fatal(err)
			}
			answer, err := c.WorkflowService().RespondWorkflowTaskCompleted(ctx, &workflowservice.RespondWorkflowTaskCompletedRequest{
				Namespace: server.Namespace,
				TaskToken: task.TaskToken,
				Commands: []*commandpb.Command{{
					CommandType: enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
					Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{
						ScheduleActivityTaskCommandAttributes: &commandpb.ScheduleActivityTaskCommandAttributes{
							ActivityId: "eager", ActivityType: &commonpb.ActivityType{Name: "Write"}, TaskQueue: queue,
							StartToCloseTimeout: durationpb.New(time.Minute), RequestEagerExecution: true,
						},
					},
				}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(answer.ActivityTasks) != 1 || answer.ActivityTasks[0].ActivityId != "eager" {
				t.Errorf("with the answer came %v, want the activity eager", answer.ActivityTasks)
			}
		})
	}
}

func TestTemporalServesItsUIAndItsNamespaceUntilItStops(t *testing.T) {
	t.Parallel()
	server, err := StartTemporal(t.Context(), TemporalOptions{UI: true, Namespace: "exhausts"})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, server)
	described, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "exhausts"})
	if err != nil || described.NamespaceInfo.State != enumspb.NAMESPACE_STATE_REGISTERED {
		t.Errorf("namespace exhausts: %v, %v", described, err)
	}
	answer, err := http.Get(server.UI)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s", server.UI, answer.Status)
	}
	stop(t, server.Child)
	waitGone(t, server.PID())
	if conn, err := net.Dial("tcp", server.Address); err == nil {
		conn.Close()
		t.Errorf("%s still serves", server.Address)
	}
}

func TestTemporalServesWhatAFormerRunKept(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first, err := start(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := dial(t, first).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "kept", TaskQueue: "none"}, "Any"); err != nil {
				t.Fatal(err)
			}
			stop(t, first.Child)

			second, err := start(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer stop(t, second.Child)
			described, err := dial(t, second).DescribeWorkflowExecution(t.Context(), "kept", "")
			if err != nil {
				t.Fatal(err)
			}
			if status := described.WorkflowExecutionInfo.Status; status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				t.Errorf("the workflow is %v, want Running", status)
			}
		})
	}
}
