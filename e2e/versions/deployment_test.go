// Package versions tests Temporal's Worker Deployment Versioning on the server of production: several versions of the
// worker beside each other, as processes of their own, with exhausts in flight.
package versions

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
)

func TestMain(m *testing.M) { os.Exit(e2etest.Main(m)) }

const (
	channel = e2etest.Channel
	bot     = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	device  = "d0000000-0000-4000-8000-000000000001"
	day     = "2022-03-01"
	// heldDay has telemetry that looks as if it were being written, so whatever reads it waits.
	heldDay = "2022-03-02"
)

// server notices within seconds what takes it minutes by default: that a version is drained, and that a worker has gone.
var server = e2etest.Shared(func(t testing.TB) *devstack.Temporal {
	server, err := devstack.StartTemporalServer(context.Background(), devstack.TemporalServerOptions{
		Postgres: e2etest.Postgres(t), Log: os.Stderr,
		DynamicConfig: map[string]string{
			"matching.wv.VersionDrainageStatusVisibilityGracePeriod": "2s",
			"matching.wv.VersionDrainageStatusRefreshInterval":       "2s",
			"matching.longPollExpirationInterval":                    "10s",
			"matching.PollerHistoryTTL":                              "15s",
		},
	})
	e2etest.Must(t, err)
	e2etest.StopAtEnd(server.Stop)
	return server
})

// deployment has a Temporal namespace and a database of its own. Its workers belong to the Worker Deployment exhaust.
type deployment struct {
	*e2etest.Deployment
	namespace string
}

// deploy starts an api, and no worker.
func deploy(t *testing.T) deployment {
	t.Helper()
	name := e2etest.Serial("tenant")
	s := &e2etest.Stack{Temporal: server(t), Postgres: e2etest.Postgres(t)}
	s.Env = s.Settings(name, name, name)
	s.Jobs = s.CreateDatabase(t, name, e2etest.OlderSchema)
	s.Registry = e2etest.OlderRegistry(s.Jobs)
	s.OlderRegistry = s.Registry
	s.SetUp(t, name)
	t.Cleanup(func() {
		s.Client.Close()
		e2etest.Must(t, s.Jobs.Close())
	})
	s.Registry.AddConversation(t, bot, "Helpdesk", channel, "", "")
	s.Registry.Exec(t, `INSERT INTO users VALUES ($1, '{"device":{"consent":true}}')`, device)
	d := deployment{e2etest.NewDeployment(s, "EXHAUST_DEPLOYMENT=exhaust", "EXHAUST_NIGHTLY_CRON=0 0 29 2 *"), name}
	d.Telemetry.Put(t, day+"-0.jsonl", []byte(event(day)))
	d.hold(t)
	d.StartAPI(t)
	return d
}

// startVersion starts a worker of a version, "" for one without, and waits until it asks for work.
func (d deployment) startVersion(t *testing.T, buildID string) *e2etest.Process {
	t.Helper()
	setting := "EXHAUST_BUILD_ID=" + buildID
	if buildID == "" {
		setting = "EXHAUST_DEPLOYMENT="
	}
	p := d.Launch(t, "worker", setting)
	p.WaitForLog(t, "worker is running")
	return p
}

// starter executes a command about the deployment, which has to succeed, and gives what it prints.
func (d deployment) starter(t *testing.T, args ...string) string {
	t.Helper()
	out := d.run(t, args...)
	if out.Code != 0 {
		t.Fatalf("starter deployment %s: %+v", strings.Join(args, " "), out)
	}
	return out.Stdout
}

func (d deployment) run(t *testing.T, args ...string) e2etest.Output {
	t.Helper()
	return e2etest.ExecStarter(t, d.Env, append([]string{"deployment"}, args...)...)
}

// shown is what `starter deployment show` says of a version, its columns after the build id; nil where nothing.
func (d deployment) shown(t *testing.T, buildID string) []string {
	t.Helper()
	for line := range strings.Lines(d.run(t, "show").Stdout) {
		if rest, ok := strings.CutPrefix(line, buildID+" "); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// anyNumber is of others that may have gone on already.
const anyNumber = -1

// awaitShown waits until `show` says of a version its state and how many workers, exhausts and others it has.
func (d deployment) awaitShown(t *testing.T, buildID, state string, workers, exhausts, others int) {
	t.Helper()
	var last []string
	counts := []string{fmt.Sprint(workers), fmt.Sprint(exhausts)}
	if others != anyNumber {
		counts = append(counts, fmt.Sprint(others))
	}
	defer func() {
		if t.Failed() {
			t.Logf("of %s it shows %q", buildID, last)
		}
	}()
	e2etest.Eventually(t, time.Minute, fmt.Sprintf("%s is %s with %v", buildID, state, counts), func() bool {
		last = d.shown(t, buildID)
		if len(last) > 3 && last[0] == state && slices.Equal(last[len(last)-3:][:len(counts)], counts) {
			return true
		}
		time.Sleep(time.Second) // each look is a process
		return false
	})
}

func event(day string) string {
	return fmt.Sprintf(`{"eid":"ASSESS","mid":"m1","@timestamp":"%sT10:00:00Z","context":{"channel":%q,"did":%q,`+
		`"cdata":[{"type":"Conversation","id":%q}]},"edata":{"item":{"id":"q1"}}}`+"\n", day, channel, device, bot)
}

// hold puts telemetry of heldDay that ends early and is young: it is waited for. release puts the whole.
func (d deployment) hold(t *testing.T) {
	t.Helper()
	whole := packed(t)
	d.Telemetry.Put(t, heldDay+"-0.json.gz", whole[:len(whole)-8])
}

func (d deployment) release(t *testing.T) {
	t.Helper()
	d.Telemetry.Put(t, heldDay+"-0.json.gz", packed(t))
}

func packed(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(event(heldDay)))
	e2etest.Must(t, err)
	e2etest.Must(t, w.Close())
	return b.Bytes()
}

// order is an order of a response exhaust of a day.
func order(tag, day string) e2etest.Order {
	return e2etest.Order{Dataset: e2etest.ResponseExhaust, Tag: tag, By: "tester", Channel: channel, Conversation: bot, Start: day, End: day}
}

func (d deployment) begin(t *testing.T, o e2etest.Order) *e2etest.Watch {
	t.Helper()
	return d.Watch(o, d.Submit(t, o).RequestID)
}

// awaitBegun begins exhausts until one begins on a version: Temporal's task queues hear of a change of versions a moment
// after it has been acknowledged.
func (d deployment) awaitBegun(t *testing.T, buildID string) {
	t.Helper()
	e2etest.Eventually(t, time.Minute, "what begins, begins on "+buildID, func() bool {
		w := d.begin(t, order(e2etest.Serial("begun"), day))
		wantSuccess(t, w)
		versions, _ := d.tasks(t, "exhaust-"+w.ID)
		return slices.Equal(versions, []string{buildID})
	})
}

// beginHeld begins an exhaust and waits until it waits for its telemetry.
func (d deployment) beginHeld(t *testing.T, tag string) *e2etest.Watch {
	t.Helper()
	w := d.begin(t, order(tag, heldDay))
	d.awaitHeld(t, w)
	return w
}

func (d deployment) awaitHeld(t *testing.T, w *e2etest.Watch) {
	t.Helper()
	e2etest.Eventually(t, time.Minute, w.Order.Tag+" waits for its telemetry", func() bool {
		return strings.Contains(w.Read(t).Progress.Waiting, "is still being written")
	})
}

// wantSuccess waits for the end of an exhaust, and checks that it is SUCCESS.
func wantSuccess(t *testing.T, w *e2etest.Watch) {
	t.Helper()
	if j := w.End(t, 2*time.Minute); j.Status != "SUCCESS" || j.Progress.RowsWritten != 1 {
		t.Fatalf("%s is %+v", w.Order.Tag, j)
	}
}

// tasks are the versions that completed a workflow's tasks, and the workers that started its activities, in order and
// each once.
func (d deployment) tasks(t *testing.T, workflowID string) (versions, workers []string) {
	t.Helper()
	add := func(all []string, one string) []string {
		if slices.Contains(all, one) {
			return all
		}
		return append(all, one)
	}
	history := d.Client.GetWorkflowHistory(t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		e2etest.Must(t, err)
		switch a := event.GetAttributes().(type) {
		case *historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes:
			versions = add(versions, a.WorkflowTaskCompletedEventAttributes.GetDeploymentVersion().GetBuildId())
		case *historypb.HistoryEvent_ActivityTaskStartedEventAttributes:
			workers = add(workers, a.ActivityTaskStartedEventAttributes.GetIdentity())
		}
	}
	return versions, workers
}

// wantTasks checks which versions completed an exhaust's workflow tasks, and gives the workers that had its activities.
func (d deployment) wantTasks(t *testing.T, w *e2etest.Watch, want ...string) (workers []string) {
	t.Helper()
	versions, workers := d.tasks(t, "exhaust-"+w.ID)
	if !slices.Equal(versions, want) {
		t.Errorf("%s ran on versions %q, want %q", w.Order.Tag, versions, want)
	}
	return workers
}

// reset resets an exhaust to its nth workflow task.
func (d deployment) reset(t *testing.T, w *e2etest.Watch, nth int) {
	t.Helper()
	id := "exhaust-" + w.ID
	history := d.Client.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for nth > 0 {
		event, err := history.Next()
		e2etest.Must(t, err)
		if event.GetEventType() != enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			continue
		}
		if nth--; nth == 0 {
			_, err := d.Client.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
				Namespace: d.namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
				Reason: "a test", WorkflowTaskFinishEventId: event.GetEventId(), RequestId: e2etest.Serial("reset"),
			})
			e2etest.Must(t, err)
		}
	}
}

// wantRerun waits for the end of an exhaust's latest run, and checks which versions completed its workflow tasks.
func (d deployment) wantRerun(t *testing.T, w *e2etest.Watch, want ...string) {
	t.Helper()
	e2etest.Must(t, d.Client.GetWorkflow(t.Context(), "exhaust-"+w.ID, "").Get(t.Context(), nil))
	d.wantTasks(t, w, want...)
}

// beginNight triggers the schedule of the night, and gives the id of its workflow.
func (d deployment) beginNight(t *testing.T) (id string) {
	t.Helper()
	schedule := d.Client.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly")
	e2etest.Must(t, schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	e2etest.Eventually(t, time.Minute, "the schedule starts the night", func() bool {
		description, err := schedule.Describe(t.Context())
		e2etest.Must(t, err)
		for _, action := range description.Info.RecentActions {
			id = action.StartWorkflowResult.WorkflowID
		}
		return id != ""
	})
	return id
}

// wantNight waits for the end of a night, and checks which versions completed its workflow tasks.
func (d deployment) wantNight(t *testing.T, id string, want ...string) {
	t.Helper()
	e2etest.Must(t, d.Client.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
	if versions, _ := d.tasks(t, id); !slices.Equal(versions, want) {
		t.Errorf("the night ran on versions %q, want %q", versions, want)
	}
}
