package attempts

import (
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"data-exhaust/internal/e2etest"
)

// disturbance is one way to disturb a night.
type disturbance struct {
	activity, point string
	fault           fault
}

func (d disturbance) String() string {
	return strings.ReplaceAll(strings.Join([]string{d.activity, d.point, string(d.fault)}, "/"), " ", "_")
}

var representativesOfNights = []disturbance{
	{"Release", "after", killed},
	{"Look", "after", cutOff},
	{"DeleteExpired", "looking", suspended},
	{"DeleteExpired", "deleting", suspended},
	{"DeleteUnnamed", "deleting", suspended},
}

func disturbances() (all []disturbance) {
	for activity, points := range map[string][]string{
		"ListDue":           {"before", "after"},
		"Release":           {"before", "after"},
		"Look":              {"before", "after"},
		"SettleEnded":       {"before", "after"},
		"DeleteExpired":     {"before", "looking", "deleting", "after"},
		"DeleteLeftStaging": {"before", "deleting", "after"},
		"DeleteUnnamed":     {"before", "deleting", "after"},
	} {
		for _, point := range points {
			for _, fault := range []fault{stopped, suspended, killed, cutOff} {
				all = append(all, disturbance{activity, point, fault})
			}
		}
	}
	return all
}

func TestANightDoesItsWorkOnceWhateverHappensToAnAttempt(t *testing.T) {
	t.Parallel()
	chosen := representativesOfNights
	if *isAll {
		chosen = disturbances()
	}
	for _, disturbance := range chosen {
		t.Run(disturbance.String(), func(t *testing.T) {
			t.Parallel()
			disturbance.test(t)
		})
	}
}

// submitted is an exhaust that was submitted.
type submitted struct {
	order e2etest.Order
	id    string
}

// night is a deployment whose night has something of everything to do.
type night struct {
	deployment
	// parked waits for the night, failed FAILED for a reason that may heal, kept has succeeded two days ago, and expired so
	// long ago that its report has expired. ended was terminated two days ago, when it had written a report and staged files.
	parked, failed, kept, expired, ended submitted
}

// prepareNight makes one with a database of its own. It leaves an api running, and no worker.
func prepareNight(t *testing.T) night {
	t.Helper()
	s := *production(t)
	s.Blobs = nil // Azure gives nobody files that look old
	database := e2etest.Serial("night")
	s.Jobs = s.CreateDatabase(t, database, "")
	t.Cleanup(func() { e2etest.Must(t, s.Jobs.Close()) })
	s.Env = append(s.Env[:len(s.Env):len(s.Env)], "EXHAUST_DATABASE_URL="+s.Postgres.URL(database))
	if out := e2etest.ExecStarter(t, s.Env, "migrate"); out.Code != 0 {
		t.Fatalf("migrate: %+v", out)
	}
	n := night{deployment: deployOn(t, &s)}
	n.withdrawConsent(t)

	n.ended = n.submitAt(t, "")
	e2etest.Must(t, n.Client.TerminateWorkflow(t.Context(), "exhaust-"+n.ended.id, "", "a test"))
	n.exec(t, `UPDATE job_request SET status = 'PROCESSING' WHERE request_id = $1`, n.ended.id)
	// The report has the name of the next attempt's.
	report := n.ended.order.ReportName(n.ended.id, time.Now())
	for _, name := range []string{"staging/" + n.ended.id + "/run/1", report, report + ".receipt.json", report + ".summary.json"} {
		n.Reports.Put(t, name, []byte("left behind"))
		n.age(t, name)
	}
	worker := n.StartWorker(t)
	n.corrupt(t)
	n.failed = n.submitAt(t, "")
	n.wantEnd(t, n.failed.order, n.failed.id, "FAILED", 0)
	n.heal(t)
	n.exec(t, `UPDATE job_request SET may_heal = true WHERE request_id = $1`, n.failed.id)
	n.parked = n.submitAt(t, "nightly")
	n.kept, n.expired = n.submitAt(t, ""), n.submitAt(t, "")
	for _, made := range []submitted{n.kept, n.expired} {
		n.wantEnd(t, made.order, made.id, "SUCCESS", 0)
		for _, name := range n.files(t, made.order.Dataset+"/"+made.id+"/") {
			n.age(t, name)
		}
	}
	// Its file keeps today's name, which the next attempt's has, too.
	n.exec(t, `UPDATE job_request SET dt_job_completed = $1 WHERE request_id = $2`,
		time.Now().Add(-31*24*time.Hour).UTC().Format("2006-01-02 15:04:05.000"), n.expired.id)
	e2etest.Eventually(t, time.Minute, "what is parked waits for nothing but the night", func() bool {
		description, err := n.Client.DescribeWorkflowExecution(t.Context(), "exhaust-"+n.parked.id, "")
		e2etest.Must(t, err)
		return len(description.GetPendingActivities()) == 0 && description.GetPendingWorkflowTask() == nil &&
			description.GetWorkflowExecutionInfo().GetHistoryLength() > 5
	})
	worker.Terminate(t)
	return n
}

func (n night) submitAt(t *testing.T, runAt string) submitted {
	t.Helper()
	o := n.order()
	o.RunAt = runAt
	return submitted{o, n.Submit(t, o).RequestID}
}

func (n night) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	_, err := n.Jobs.ExecContext(t.Context(), query, args...)
	e2etest.Must(t, err)
}

// age makes a file of the reports store two days old.
func (n night) age(t *testing.T, name string) {
	t.Helper()
	at := time.Now().Add(-48 * time.Hour)
	e2etest.Must(t, os.Chtimes(n.Reports.File(name), at, at))
}

func (d disturbance) test(t *testing.T) {
	n := prepareNight(t)
	run, err := n.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "nightly-" + n.Queue, TaskQueue: n.Queue}, "Nightly",
		map[string]any{"concurrency": 4, "watch": time.Hour, "timeout": time.Hour})
	e2etest.Must(t, err)
	old := n.halt(t, d.activity, d.point, d.fault)
	old.strike(t)
	n.StartWorker(t)
	var summary struct{ Problems []string }
	if err := run.Get(t.Context(), &summary); err != nil || len(summary.Problems) > 0 {
		t.Fatalf("the night: %v, %q", err, summary.Problems)
	}
	// The night that is told that an attempt at Release came too late watches for nothing.
	n.wantEnd(t, n.parked.order, n.parked.id, "SUCCESS", 0)
	n.wantEnd(t, n.failed.order, n.failed.id, "SUCCESS", 1)
	n.checkNamed(t, "when the night is over")
	for _, gone := range []submitted{n.expired, n.ended} {
		if files, row := append(n.files(t, gone.order.Dataset+"/"+gone.id), n.files(t, "staging/"+gone.id)...), n.row(t, gone.id); len(files) > 0 || row.Report != "" {
			t.Errorf("when the night is over: the files %q are left, and the row is %+v", files, row)
		}
	}
	if status := n.row(t, n.ended.id).Status; status != "FAILED" {
		t.Errorf("when the night is over: what was terminated is recorded as %s", status)
	}

	if a := n.Post(t, n.expired.order.Path("retry", n.expired.id), n.expired.order.Channel, ""); a.Status != http.StatusOK {
		t.Fatalf("retry answered %d: %s", a.Status, a.Body)
	}
	n.Submit(t, n.ended.order)
	again := []submitted{n.expired, n.ended}
	for _, s := range again {
		n.wantEnd(t, s.order, s.id, "SUCCESS", 1)
	}
	old.goOn(t)
	const when = "when the old attempt is over"
	n.checkNamed(t, when)
	for _, s := range again {
		n.check(t, when, s.order, s.id, "SUCCESS", 1, "")
	}
	n.wantRuns(t, n.parked.id, map[string]int{"Parked": 1, "Exhaust": 1})
	n.wantRuns(t, n.failed.id, map[string]int{"Exhaust": 2})
	n.wantRuns(t, n.expired.id, map[string]int{"Exhaust": 2})
	n.wantRuns(t, n.ended.id, map[string]int{"Exhaust": 2})
}

// checkNamed checks the exhausts whose reports no night may touch.
func (n night) checkNamed(t *testing.T, when string) {
	t.Helper()
	n.check(t, when, n.kept.order, n.kept.id, "SUCCESS", 0, "")
	n.check(t, when, n.parked.order, n.parked.id, "SUCCESS", 0, "")
	n.check(t, when, n.failed.order, n.failed.id, "SUCCESS", 1, "")
}

// wantRuns checks how often the workflow of an exhaust has run, by its types.
func (n night) wantRuns(t *testing.T, id string, want map[string]int) {
	t.Helper()
	total := 0
	for _, runs := range want {
		total += runs
	}
	var got map[string]int
	// Temporal's list is a moment behind.
	e2etest.Eventually(t, time.Minute, "all runs are listed", func() bool {
		page, err := n.Client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId = 'exhaust-" + id + "'"})
		e2etest.Must(t, err)
		got = map[string]int{}
		for _, execution := range page.GetExecutions() {
			got[execution.GetType().GetName()]++
		}
		return len(page.GetExecutions()) >= total
	})
	if !maps.Equal(got, want) {
		t.Errorf("its runs are %v, want %v", got, want)
	}
}
