// Package night tests what Data Exhaust does at night, and what an operator does for it by day, on the
// parts of production: Temporal's server on PostgreSQL, the api, the worker and the starter as
// processes of their own. Schedules are triggered, and times in the database are moved: no test waits for a
// clock but for that of EXHAUST_NIGHTLY_WATCH.
package night

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"data-exhaust/internal/e2etest"
)

func TestMain(m *testing.M) { os.Exit(e2etest.Main(m)) }

const (
	channel = e2etest.Channel
	bot     = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	// silent is a conversation without any telemetry; unknown is none at all.
	silent  = "5d1f6a0e-3a4b-4c5d-8e6f-0a1b2c3d4e5f"
	unknown = "00000000-0000-4000-8000-000000000000"
	device  = "d0000000-0000-4000-8000-000000000001"
	day     = "2022-03-01"
	badDay  = "2022-03-02" // its telemetry is corrupt
)

// deployment has a Temporal namespace and a database of its own: there is one schedule of the night in
// a namespace.
type deployment struct{ *e2etest.Deployment }

// prepare makes a deployment of which nothing runs yet.
func prepare(t *testing.T, settings ...string) deployment {
	t.Helper()
	return prepareOn(t, startTenant(t), settings...)
}

func prepareOn(t *testing.T, s *e2etest.Stack, settings ...string) deployment {
	t.Helper()
	s.Registry.AddConversation(t, bot, "Helpdesk", channel, "", "")
	s.Registry.AddConversation(t, silent, "Silent", channel, "", "")
	s.Registry.Exec(t, `INSERT INTO users VALUES ($1, '{"device":{"consent":true}}')`, device)
	// The night comes when a test triggers it. The corrupt object is as young as the test, and not waited for.
	d := deployment{e2etest.NewDeployment(s, append([]string{"EXHAUST_NIGHTLY_CRON=0 0 29 2 *", "EXHAUST_SETTLE_TIME=0s"}, settings...)...)}
	d.Telemetry.Put(t, day+"-0.jsonl", []byte(event(1)+"\n"+event(2)+"\n"))
	d.Telemetry.Put(t, badDay+"-0.json.gz", []byte("\x1f\x8b\x08\x00this is no gzip"))
	return d
}

// startTenant gives the test a Temporal namespace and a database of its own on the servers of
// production. Stores are folders.
func startTenant(t *testing.T, parts ...func(*testing.T, *e2etest.Stack)) *e2etest.Stack {
	t.Helper()
	name := e2etest.Serial("tenant")
	s := &e2etest.Stack{Temporal: e2etest.TemporalServer(t), Postgres: e2etest.Postgres(t)}
	s.Env = s.Settings(name, name, name)
	for _, add := range parts {
		add(t, s)
	}
	s.Jobs = s.CreateDatabase(t, name, e2etest.OlderSchema)
	s.Registry = e2etest.OlderRegistry(s.Jobs)
	s.OlderRegistry = s.Registry
	s.SetUp(t, name)
	t.Cleanup(func() {
		s.Client.Close()
		_ = s.Jobs.Close() // its error tells that a test has restarted the server
	})
	return s
}

// deploy starts an api and a worker.
func deploy(t *testing.T, settings ...string) deployment {
	t.Helper()
	d := prepare(t, settings...)
	d.StartAPI(t)
	d.StartWorker(t)
	return d
}

// event is one that a made-up device answered.
func event(n int) string {
	return fmt.Sprintf(`{"eid":"ASSESS","mid":"m%d","@timestamp":"2022-03-01T10:00:0%d.000Z",`+
		`"context":{"channel":%q,"did":%q,"cdata":[{"type":"Conversation","id":%q}]},`+
		`"edata":{"item":{"id":"q%d"},"resvalues":[{"1":"yes"}]}}`, n, n, channel, device, bot, n)
}

// report is the file of bot's exhaust of day, by the contract's section 4.
const report = `Message ID,Conversation ID,Conversation Name,Device ID,Session ID,Question Id,Question Type,Question Title,` +
	`Question Description,Question Duration,Question Score,Question Max Score,Question Options,Question Response,X Path,Eof,Timestamp
m1,c63b6faa-11a9-4259-b941-11cd2f8446c6,Helpdesk,d0000000-0000-4000-8000-000000000001,,q1,,,,,,,,"[{""1"":""yes""}]",,,2022-03-01T10:00:01.000Z
m2,c63b6faa-11a9-4259-b941-11cd2f8446c6,Helpdesk,d0000000-0000-4000-8000-000000000001,,q2,,,,,,,,"[{""1"":""yes""}]",,,2022-03-01T10:00:02.000Z
`

// execStarter executes a command of the starter with the deployment's settings.
func (d deployment) execStarter(t *testing.T, args ...string) e2etest.Output {
	t.Helper()
	return e2etest.ExecStarter(t, d.Env, args...)
}

func (d deployment) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	_, err := d.Jobs.ExecContext(t.Context(), query, args...)
	e2etest.Must(t, err)
}

// count is the number of rows of job_request that match.
func (d deployment) count(t *testing.T, where string) (n int) {
	t.Helper()
	e2etest.Must(t, d.Jobs.QueryRowContext(t.Context(), `SELECT count(*) FROM job_request WHERE `+where).Scan(&n))
	return n
}

// age makes a file of the reports store older.
func (d deployment) age(t *testing.T, name string, by time.Duration) {
	t.Helper()
	at := time.Now().Add(-by)
	e2etest.Must(t, os.Chtimes(d.Reports.File(name), at, at))
}

func (d deployment) report(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(d.Reports.File(name))
	e2etest.Must(t, err)
	return string(content)
}

// order is an order of a response exhaust; runAt is left out where it is "".
func order(tag, conversation, day, runAt string) e2etest.Order {
	return e2etest.Order{
		Dataset: e2etest.ResponseExhaust, Tag: tag, By: "tester", Channel: channel,
		Conversation: conversation, Start: day, End: day, RunAt: runAt,
	}
}

func (d deployment) submit(t *testing.T, tag, conversation, day, runAt string) e2etest.Job {
	t.Helper()
	return d.Submit(t, order(tag, conversation, day, runAt))
}

// park submits an exhaust for the night and waits until it is parked.
func (d deployment) park(t *testing.T, tag, conversation, day string) e2etest.Job {
	t.Helper()
	j := d.submit(t, tag, conversation, day, "nightly")
	if j.Status != "SUBMITTED" {
		t.Fatalf("submitted for the night it is %+v", j)
	}
	return j
}

// parkAll submits exhausts for the night, several at a time, and gives their ids by tag.
func (d deployment) parkAll(t *testing.T, orders []e2etest.Order) map[string]string {
	t.Helper()
	var (
		answers = make([]e2etest.Answer, len(orders))
		errs    = make([]error, len(orders))
		wait    sync.WaitGroup
		slots   = make(chan struct{}, 8)
	)
	for i, o := range orders {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i], errs[i] = e2etest.TryCall(t.Context(), http.MethodPost, d.RequestURL("submit"), channel, o.Body())
		})
	}
	wait.Wait()
	ids := map[string]string{}
	for i, o := range orders {
		e2etest.Must(t, errs[i])
		j := answers[i].Job(t)
		if j.Status != "SUBMITTED" {
			t.Fatalf("submitted for the night %s is %+v", o.Tag, j)
		}
		ids[o.Tag] = j.RequestID
	}
	return ids
}

func (d deployment) read(t *testing.T, tag, requestID string) e2etest.Job {
	t.Helper()
	return d.Get(t, e2etest.Order{Tag: tag}.Path("read", requestID), channel).Job(t)
}

// end waits for the end of an exhaust.
func (d deployment) end(t *testing.T, tag, requestID string) e2etest.Job {
	t.Helper()
	return d.Watch(e2etest.Order{Tag: tag, Channel: channel}, requestID).End(t, time.Minute)
}

// produce submits an exhaust of bot and day for now and waits for its SUCCESS.
func (d deployment) produce(t *testing.T, tag string) e2etest.Job {
	t.Helper()
	o := order(tag, bot, day, "")
	j := d.Watch(o, d.Submit(t, o).RequestID).End(t, time.Minute)
	if j.Status != "SUCCESS" {
		t.Fatalf("the exhaust is %+v", j)
	}
	return j
}

// summary is the result of a night, in Go's own words so that the field names are part of the test.
type summary struct {
	Began, Ended                                   time.Time
	Ran, Retried, Success, Failed, Cancelled, Rows int
	Earlier                                        int
	Bytes                                          int64
	Slowest                                        *outcome
	Failures                                       []outcome
	StillRunning                                   []running
	Deleted                                        struct{ Reports, Staged, Unnamed, Failed int }
	Problems                                       []string
}

// running is an exhaust that had not ended when the night did.
type running struct {
	RequestID, Waiting string
	At                 time.Time
}

type outcome struct {
	RequestID, Status, Message string
	Rows                       int
}

// beginNight triggers the schedule and gives the id of the night's workflow.
func (d deployment) beginNight(t *testing.T) string {
	t.Helper()
	before := d.nights(t)
	d.trigger(t)
	return d.nightAfter(t, before)
}

func (d deployment) trigger(t *testing.T) {
	t.Helper()
	schedule := d.Client.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly")
	e2etest.Must(t, schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
}

// nightAfter waits for the night that comes after these.
func (d deployment) nightAfter(t *testing.T, before []string) (id string) {
	t.Helper()
	e2etest.Eventually(t, time.Minute, "the schedule starts the night", func() bool {
		now := d.nights(t)
		if len(now) > len(before) {
			id = now[len(now)-1]
		}
		return id != ""
	})
	return id
}

// nights are the ids of the nights that the schedule has started.
func (d deployment) nights(t *testing.T) (ids []string) {
	t.Helper()
	description, err := d.Client.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly").Describe(t.Context())
	e2etest.Must(t, err)
	for _, action := range description.Info.RecentActions {
		ids = append(ids, action.StartWorkflowResult.WorkflowID)
	}
	return ids
}

func (d deployment) endOfNight(t *testing.T, id string, within time.Duration) (s summary) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := d.Client.GetWorkflow(ctx, id, "").Get(ctx, &s); err != nil {
		t.Fatalf("the night %s: %v", id, err)
	}
	return s
}

func (d deployment) night(t *testing.T) summary {
	t.Helper()
	return d.endOfNight(t, d.beginNight(t), 2*time.Minute)
}
