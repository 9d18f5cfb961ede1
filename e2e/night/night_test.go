package night

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"data-exhaust/internal/e2etest"
)

// brokenOrders are three that cannot succeed, with the sentence that each ends with.
func brokenOrders() (orders []e2etest.Order, sentences map[string]string) {
	return []e2etest.Order{
			order("broken-unknown", unknown, day, "nightly"),
			order("broken-silent", silent, day, "nightly"),
			order("broken-corrupt", bot, badDay, "nightly"),
		}, map[string]string{
			"broken-unknown": "No data found for conversation in DB",
			"broken-silent":  "No data found",
			"broken-corrupt": "2022-03-02-0.json.gz",
		}
}

// wantNight checks a night over so many exhausts, three of them broken, from its summary to the files.
func (d deployment) wantNight(t *testing.T, s summary, ids map[string]string) {
	t.Helper()
	good := len(ids) - 3
	if s.Ran != len(ids) || s.Retried != 0 || s.Success != good || s.Failed != 3 || s.Cancelled != 0 || s.Rows != 2*good || len(s.Problems) > 0 {
		t.Errorf("the summary is %+v", s)
	}
	// Those that succeeded, the silent one, and what was read of the corrupt object.
	telemetry := int64(len(event(1)) + len(event(2)) + 2)
	if least := telemetry * int64(good+1); s.Bytes < least || s.Bytes > least+100 {
		t.Errorf("%d bytes are told, want %d or a little more", s.Bytes, least)
	}
	if s.Slowest == nil || s.Slowest.RequestID == "" || !s.Ended.After(s.Began) {
		t.Errorf("the summary is %+v", s)
	}
	_, sentences := brokenOrders()
	failures := map[string]string{}
	for _, f := range s.Failures {
		failures[f.RequestID] = f.Message
		if f.Status != "FAILED" {
			t.Errorf("among the failures is %+v", f)
		}
	}
	if len(s.Failures) != 3 || len(failures) != 3 {
		t.Errorf("the failures are %+v", s.Failures)
	}
	for tag, sentence := range sentences {
		if got := failures[ids[tag]]; got != sentence && (tag != "broken-corrupt" || !strings.Contains(got, sentence)) {
			t.Errorf("of %s the summary says %q, want %q", tag, got, sentence)
		}
	}
	for status, want := range map[string]int{"SUCCESS": good, "FAILED": 3} {
		if got := d.count(t, fmt.Sprintf("status = '%s' AND iteration = 0", status)); got != want {
			t.Errorf("job_request has %d %s in their first attempt, want %d", got, status, want)
		}
	}
	if got := d.count(t, "true"); got != len(ids) {
		t.Errorf("job_request has %d rows, want %d", got, len(ids))
	}
	d.wantOneRunEach(t, ids)
	files := d.Reports.Names(t)
	if len(files) != 3*good {
		t.Errorf("the store holds %d files, want %d and as many receipts and summaries", len(files), good)
	}
	for _, name := range files {
		if of, isBeside := strings.CutSuffix(strings.TrimSuffix(name, ".receipt.json"), ".summary.json"); isBeside || of != name {
			if !slices.Contains(files, of) {
				t.Errorf("%s is beside nothing", name)
			}
			continue
		}
		if got := d.report(t, name); got != report {
			t.Fatalf("%s is\n%s", name, got)
		}
	}
}

// wantOneRunEach checks that each exhaust's workflow has run once, and no other has.
func (d deployment) wantOneRunEach(t *testing.T, ids map[string]string) {
	t.Helper()
	want := map[string]int{}
	for _, id := range ids {
		want["exhaust-"+id] = 1
	}
	d.wantRuns(t, want)
}

// wantRuns checks how often each workflow of an exhaust has run. Waiting for the night and running are one.
func (d deployment) wantRuns(t *testing.T, want map[string]int) {
	t.Helper()
	total := 0
	for _, runs := range want {
		total += runs
	}
	var got map[string]int
	// Temporal's list is a moment behind.
	e2etest.Eventually(t, 30*time.Second, fmt.Sprintf("%d runs are listed as closed", total), func() bool {
		got = map[string]int{}
		count := 0
		var token []byte
		for {
			page, err := d.Client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
				Query: "WorkflowType IN ('Exhaust', 'Parked') AND ExecutionStatus NOT IN ('Running', 'ContinuedAsNew')", NextPageToken: token,
			})
			e2etest.Must(t, err)
			for _, execution := range page.GetExecutions() {
				got[execution.GetExecution().GetWorkflowId()]++
				count++
			}
			if token = page.GetNextPageToken(); len(token) == 0 {
				return count >= total
			}
		}
	})
	if !maps.Equal(got, want) {
		for id, runs := range got {
			if runs != want[id] {
				t.Errorf("%s has %d runs, want %d", id, runs, want[id])
			}
		}
	}
}

func TestANightOverTwoHundredExhaustsRunsAllThoughThreeAreBroken(t *testing.T) {
	d := deploy(t, "EXHAUST_NIGHTLY_CONCURRENCY=16")
	orders, _ := brokenOrders()
	for i := range 197 {
		orders = append(orders, order(fmt.Sprintf("good-%03d", i), bot, day, "nightly"))
	}
	ids := d.parkAll(t, orders)
	if got := d.count(t, "status = 'SUBMITTED'"); got != 200 {
		t.Fatalf("%d wait for the night", got)
	}
	d.wantNight(t, d.endOfNight(t, d.beginNight(t), 5*time.Minute), ids)

	// What failed for good is not tried again, and nothing is left to do.
	if s := d.night(t); s.Ran != 0 {
		t.Errorf("the next night ran %+v", s)
	}
}

func TestWorkerAndServerKilledInTheMiddleOfANightLoseNothingAndRunNothingTwice(t *testing.T) {
	d := prepare(t, "EXHAUST_NIGHTLY_CONCURRENCY=4")
	d.StartAPI(t)
	worker := d.StartWorker(t)
	orders, _ := brokenOrders()
	for i := range 57 {
		orders = append(orders, order(fmt.Sprintf("good-%03d", i), bot, day, "nightly"))
	}
	ids := d.parkAll(t, orders)
	night := d.beginNight(t)
	countEnds := func() int { return d.count(t, "status IN ('SUCCESS', 'FAILED')") }
	e2etest.Eventually(t, time.Minute, "a few exhausts have ended", func() bool { return countEnds() >= 8 })
	worker.Kill(t)
	e2etest.Must(t, d.Temporal.Kill())
	if n := countEnds(); n > 50 {
		t.Fatalf("%d have ended before anything was killed: too late to tell", n)
	}
	e2etest.Must(t, d.Temporal.Restart(t.Context()))
	worker = d.StartWorker(t)
	before := countEnds()
	e2etest.Eventually(t, 2*time.Minute, "the night goes on", func() bool { return countEnds() >= min(before+8, 55) })
	// And once more, the worker alone.
	worker.Kill(t)
	d.StartWorker(t)
	result := d.endOfNight(t, night, 5*time.Minute)
	// What a killed worker was writing is no object. The store keeps it for three days, and then sweeps it.
	e2etest.Must(t, os.RemoveAll(d.Reports.File(".tmp")))
	d.wantNight(t, result, ids)
}

func TestAnExhaustThatWaitsForTheNightHoldsNoWorkerAndEndsAsItIsTold(t *testing.T) {
	d := prepare(t)
	d.StartAPI(t)
	worker := d.StartWorker(t)
	cancelled, run, now, night := d.park(t, "cancelled", bot, day), d.park(t, "run", bot, day), d.park(t, "now", bot, day), d.park(t, "night", bot, day)

	t.Run("nothing is pending for a worker", func(t *testing.T) {
		for _, j := range []e2etest.Job{cancelled, run, now, night} {
			e2etest.Eventually(t, 30*time.Second, "only the signal is waited for", func() bool {
				description, err := d.Client.DescribeWorkflowExecution(t.Context(), "exhaust-"+j.RequestID, "")
				e2etest.Must(t, err)
				// SUBMITTED is recorded, and the workflow has taken notice of that.
				return len(description.GetPendingActivities()) == 0 && description.GetPendingWorkflowTask() == nil &&
					description.GetWorkflowExecutionInfo().GetHistoryLength() > 5 &&
					description.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
			})
		}
	})
	// It outlives the worker that had it in its memory.
	worker.Terminate(t)
	d.StartWorker(t)
	if got := d.read(t, "run", run.RequestID); got.Status != "SUBMITTED" || got.StatusMessage != "" {
		t.Errorf("it is %+v", got)
	}
	t.Run("cancel", func(t *testing.T) {
		got := d.Post(t, order("cancelled", bot, day, "").Path("cancel", cancelled.RequestID), channel, "").Job(t)
		// Its answer comes after three seconds at the latest, however busy the machine is.
		if got.Status == "SUBMITTED" {
			got = d.end(t, "cancelled", cancelled.RequestID)
		}
		if got.Status != "CANCELLED" || got.StatusMessage != "cancelled on request" {
			t.Errorf("it is %+v", got)
		}
	})
	t.Run("starter run", func(t *testing.T) {
		got := d.execStarter(t, "run", run.RequestID, "--wait", "--timeout", "1m")
		if got.Code != 0 || !strings.Contains(got.Stdout, "SUCCESS") {
			t.Errorf("it ended with %+v", got)
		}
		for _, id := range []string{run.RequestID, unknown} {
			want := e2etest.Output{Code: 5, Stderr: "error: no exhaust " + id + " waits for the night\n"}
			if got := d.execStarter(t, "run", id); got != want {
				t.Errorf("of one that does not wait: %+v, want %+v", got, want)
			}
		}
	})
	t.Run("submitted again", func(t *testing.T) {
		for _, runAt := range []string{"", "nightly"} {
			if got := d.submit(t, "now", bot, day, runAt); got.RequestID != now.RequestID || got.Status != "SUBMITTED" {
				t.Errorf("submitted again it is %+v", got)
			}
		}
		if got := d.read(t, "now", now.RequestID).Status; got != "SUBMITTED" {
			t.Errorf("it is %s", got)
		}
		d.submit(t, "now", bot, day, "now")
		if got := d.end(t, "now", now.RequestID); got.Status != "SUCCESS" || got.Attempts != 0 {
			t.Errorf("it is %+v", got)
		}
	})
	t.Run("the night", func(t *testing.T) {
		if s := d.night(t); s.Ran != 1 || s.Success != 1 {
			t.Errorf("the summary is %+v", s)
		}
		if got := d.read(t, "night", night.RequestID); got.Status != "SUCCESS" || got.Attempts != 0 {
			t.Errorf("it is %+v", got)
		}
		d.wantOneRunEach(t, map[string]string{"a": cancelled.RequestID, "b": run.RequestID, "c": now.RequestID, "d": night.RequestID})
	})
	t.Run("another runAt", func(t *testing.T) {
		got := d.Post(t, "submit", channel, order("x", bot, day, "tomorrow").Body())
		if got.Status != http.StatusBadRequest || got.Sentence(t) != `runAt "tomorrow" is unknown: now or nightly is accepted` {
			t.Errorf("answered %d %s", got.Status, got.Sentence(t))
		}
	})
}

func TestInNightlyModeWhatSaysNothingWaitsAndNowRunsNow(t *testing.T) {
	d := deploy(t, "EXHAUST_MODE=nightly")
	waits := d.submit(t, "waits", bot, day, "")
	if got := d.end(t, "now", d.submit(t, "now", bot, day, "now").RequestID).Status; got != "SUCCESS" {
		t.Errorf("runAt now is %s", got)
	}
	if got := d.read(t, "waits", waits.RequestID).Status; got != "SUBMITTED" {
		t.Errorf("without runAt it is %s", got)
	}
	if s := d.night(t); s.Ran != 1 || s.Success != 1 {
		t.Errorf("the summary is %+v", s)
	}
}

// TestTheNightRetriesWhatMayHealUntilItHasRunThreeTimes marks failures as such that may heal by hand:
// those of that kind take a day.
func TestTheNightRetriesWhatMayHealUntilItHasRunThreeTimes(t *testing.T) {
	d := deploy(t)
	ids := map[string]string{}
	for tag, on := range map[string]string{"heals": day, "fails-on": badDay, "for-good": day} {
		j := d.end(t, tag, d.submit(t, tag, silent, on, "").RequestID)
		if j.Status != "FAILED" {
			t.Fatalf("%s is %+v", tag, j)
		}
		ids[tag] = j.RequestID
	}
	d.Telemetry.Put(t, day+"-1.jsonl", []byte(strings.ReplaceAll(event(1), bot, silent)+"\n"))
	for night, want := range []struct{ ran, success, failed, attempts int }{{2, 1, 1, 1}, {1, 0, 1, 2}, {0, 0, 0, 2}} {
		d.exec(t, `UPDATE job_request SET may_heal = true WHERE status = 'FAILED' AND request_id IN ($1, $2)`, ids["heals"], ids["fails-on"])
		if s := d.night(t); s.Ran != want.ran || s.Retried != want.ran || s.Success != want.success || s.Failed != want.failed {
			t.Errorf("the summary of night %d is %+v", night+1, s)
		}
		if got := d.read(t, "fails-on", ids["fails-on"]); got.Status != "FAILED" || got.Attempts != want.attempts {
			t.Errorf("after night %d it is %+v", night+1, got)
		}
	}
	if got := d.read(t, "heals", ids["heals"]); got.Status != "SUCCESS" || got.Attempts != 1 {
		t.Errorf("what could heal is %+v", got)
	}
	if got := d.read(t, "for-good", ids["for-good"]); got.Status != "FAILED" || got.Attempts != 0 {
		t.Errorf("what failed for good is %+v", got)
	}
}
