// Package attempts tests that an attempt which was stopped, killed or cut off from Temporal does no harm to the next one:
// workers are held up at every activity, as processes of their own on the servers of production, and a program looks whether
// an exhaust's file, receipt, row and workflow agree. No test relies on when an attempt notices that it has been given up.
package attempts

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/e2etest"
)

func TestMain(m *testing.M) { os.Exit(e2etest.Main(m)) }

// isAll is set by make chaos.
var isAll = flag.Bool("all", false, "test every combination, rather than some that stand for the others")

// combination is one way to disturb an exhaust.
type combination struct {
	// activity and point are where the first attempt is held up: the points are those of haltingworker.
	activity, point string
	fault           fault
	// outcome is how the exhaust ends. The client submits one that comes to nothing again.
	outcome string
	// isLate says that the held-up attempt goes on behind the end of the exhaust that was submitted again; else it does so
	// before that is.
	isLate bool
	// store is where reports are kept, azure or folder.
	store string
}

func (c combination) String() string {
	parts := []string{c.store, c.activity, c.point, string(c.fault), c.outcome}
	if c.isLate {
		parts = append(parts, "late")
	}
	return strings.ReplaceAll(strings.Join(parts, "/"), " ", "_")
}

// representatives stand for the other combinations in every run of the tests: each harms something where one of the steps of
// activities/attempt.go, or the guard of the row, is missing.
var representatives = []combination{
	{"PlanExhaust", "before", suspended, "FAILED", true, "folder"},
	{"FetchTelemetry", "after", cutOff, "SUCCESS", false, "folder"},
	{"BuildReport", "looking", suspended, "CANCELLED", true, "azure"},
	{"BuildReport", "confirmed", suspended, "CANCELLED", false, "azure"},
	{"MakeReport", "confirmed", suspended, "CANCELLED", true, "folder"},
	{"BuildReport", "half published", suspended, "CANCELLED", true, "azure"},
	{"MakeReport", "published", cutOff, "CANCELLED", false, "azure"},
	{"MakeReport", "before", killed, "FAILED", false, "folder"},
	{"BuildReport", "after", killed, "FAILED", false, "azure"},
	{"EndExhaust", "before", suspended, "CANCELLED", true, "azure"},
	{"EndExhaust", "deleting", suspended, "FAILED", true, "azure"},
	{"EndExhaust", "deleting", suspended, "CANCELLED", true, "folder"},
	{"EndExhaust", "after", killed, "SUCCESS", false, "azure"},
}

// combinations are all there are.
func combinations() (all []combination) {
	add := func(c combination) {
		for _, c.fault = range []fault{stopped, suspended, killed, cutOff} {
			c.isLate = false
			all = append(all, c)
			if c.fault != killed && c.outcome != "SUCCESS" {
				c.isLate = true
				all = append(all, c)
			}
		}
	}
	for _, at := range []struct {
		activity, points string
		stores           []string
	}{
		{"RecordJob", "before,after", []string{"folder"}},
		{"PlanExhaust", "before,after", []string{"azure"}},
		{"FetchTelemetry", "before,after", []string{"azure"}},
		{"BuildReport", "before,looking,confirmed,half published,published,after", []string{"azure", "folder"}},
		{"MakeReport", "before,looking,confirmed,half published,published,after", []string{"azure", "folder"}},
		{"EndExhaust", "before,deleting,after", []string{"azure", "folder"}},
		{"RemoveLeftovers", "before,deleting,after", []string{"azure"}},
	} {
		for point := range strings.SplitSeq(at.points, ",") {
			for _, store := range at.stores {
				for _, outcome := range []string{"SUCCESS", "FAILED", "CANCELLED"} {
					if point == "deleting" && outcome == "SUCCESS" {
						continue // it deletes nothing that attempts share
					}
					add(combination{activity: at.activity, point: point, outcome: outcome, store: store})
				}
			}
		}
	}
	return all
}

func TestFileReceiptRowAndWorkflowAgreeWhateverHappensToAnAttempt(t *testing.T) {
	t.Parallel()
	chosen := representatives
	if *isAll {
		chosen = combinations()
	}
	for _, c := range chosen {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

func (c combination) test(t *testing.T) {
	d := deploy(t, c.store)
	o, id, release := c.submit(t, d)
	run := "staging/" + id + "/" + d.workflow(t, id).run + "/"
	old := d.halt(t, c.activity, c.point, c.fault)
	release()
	c.disturb(t, d, old, o, id)
	d.StartWorker(t)
	if c.activity == "RecordJob" {
		o.RunAt = "now"
		if c.outcome != "CANCELLED" {
			d.Submit(t, o)
		}
	}
	d.wantEnd(t, o, id, c.outcome, 0)
	d.check(t, "when it has ended", o, id, c.outcome, 0, "")
	if c.fault == killed {
		run = "" // the others may have been given a task that they begin when they go on, and stage before they notice
	}
	if !c.isLate {
		old.goOn(t)
		d.check(t, "when the old attempt is over", o, id, c.outcome, 0, run)
	}
	if c.outcome == "SUCCESS" {
		return
	}

	d.heal(t)
	if again := d.Submit(t, o); again.RequestID != id || again.Attempts != 1 || again.Status != "SUBMITTED" {
		t.Fatalf("submitted again it is %+v", again)
	}
	d.wantEnd(t, o, id, "SUCCESS", 1)
	d.check(t, "when it was made again", o, id, "SUCCESS", 1, run)
	if c.isLate {
		old.goOn(t)
		d.check(t, "when the old attempt is over", o, id, "SUCCESS", 1, run)
	}
}

// isStaged tells whether the exhaust is one of two parts, which are staged: MakeReport makes one of one.
func (c combination) isStaged() bool {
	return c.activity == "FetchTelemetry" || c.activity == "BuildReport"
}

// isOfEnd tells whether the activity is of an exhaust whose outcome is settled.
func (c combination) isOfEnd() bool {
	return c.activity == "EndExhaust" || c.activity == "RemoveLeftovers"
}

// submit submits the exhaust to a deployment without a worker, and sees to it that it comes to the activity. release makes
// what the activity cannot do possible.
func (c combination) submit(t *testing.T, d deployment) (o e2etest.Order, id string, release func()) {
	t.Helper()
	if c.outcome == "FAILED" && c.activity != "BuildReport" && c.activity != "MakeReport" {
		d.corrupt(t)
	}
	o = d.order()
	if c.isStaged() {
		d.Telemetry.Put(t, nextDay+"-0.jsonl", []byte(`{"eid":"START"}`+"\n"))
		o.End = nextDay
	}
	if c.activity == "RecordJob" {
		o.RunAt = "nightly"
	}
	id = d.Submit(t, o).RequestID
	leftover := "staging/" + id + "/" + d.workflow(t, id).run + "/leftover"
	if c.isOfEnd() && c.outcome != "SUCCESS" {
		// What an attempt has left whose worker died: the exhaust's end has something to delete.
		leftover = o.ReportName(id, time.Now())
		d.Reports.Put(t, leftover, []byte("left behind"))
		d.Reports.Put(t, leftover+".receipt.json", []byte("left behind"))
		d.Reports.Put(t, leftover+".summary.json", []byte("left behind"))
	}
	if c.isOfEnd() && c.outcome == "CANCELLED" {
		d.cancel(t, o, id)
	}
	if c.activity == "RemoveLeftovers" {
		return o, id, d.lease(t, leftover)
	}
	return o, id, func() {}
}

// disturb brings the outcome about, and does to the worker what is to happen to it.
func (c combination) disturb(t *testing.T, d deployment, old *oldWorker, o e2etest.Order, id string) {
	t.Helper()
	d.withdrawConsent(t)
	isWaitedFor := !c.isOfEnd() && c.activity != "RecordJob"
	if c.outcome == "FAILED" && c.activity == "BuildReport" {
		// Somebody clears what was staged, so that the next attempt reads the telemetry again, which is corrupt by now.
		d.clearStaging(t, id)
		d.corrupt(t)
	}
	if c.outcome == "FAILED" && c.activity == "MakeReport" {
		d.Telemetry.Remove(t, telemetry) // the next attempt finds it gone
	}
	if c.outcome == "CANCELLED" && isWaitedFor {
		d.cancel(t, o, id)
		e2etest.Eventually(t, time.Minute, "the workflow has asked the activity to stop", func() bool { return d.isAskedToStop(t, id) })
	}
	old.strike(t)
	if c.outcome == "CANCELLED" && c.activity == "RecordJob" {
		d.cancel(t, o, id)
	}
}

func (d deployment) cancel(t *testing.T, o e2etest.Order, id string) {
	t.Helper()
	if a := e2etest.OnceAvailable(t, func() e2etest.Answer { return d.Post(t, o.Path("cancel", id), o.Channel, "") }); a.Status != http.StatusOK {
		t.Fatalf("cancel answered %d: %s", a.Status, a.Body)
	}
}

// wantEnd waits until the exhaust and its workflow have ended.
func (d deployment) wantEnd(t *testing.T, o e2etest.Order, id, outcome string, attempts int) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("it stands at\n%s", d.describe(t, id))
		}
	}()
	// An attempt at EndExhaust has 20 s, and a frozen worker may have been given the next one, too.
	e2etest.Eventually(t, 4*time.Minute, fmt.Sprintf("attempt %d at exhaust %s ends", attempts, id), func() bool {
		w := d.workflow(t, id)
		return w.state.Attempts == attempts && w.status != "Running"
	})
	if j := d.Read(t, o, id); j.Status != outcome || j.Attempts != attempts {
		t.Fatalf("it has ended as %+v, want %s", j, outcome)
	}
}

// TestWhoAsksForAnotherAttemptWhileTheFormerIsWoundUpIsToldToTryAgain: it was answered 200 with the old FAILED, and nothing
// ran.
func TestWhoAsksForAnotherAttemptWhileTheFormerIsWoundUpIsToldToTryAgain(t *testing.T) {
	t.Parallel()
	d := deploy(t, "folder")
	d.corrupt(t)
	o := d.order()
	id := d.Submit(t, o).RequestID
	old := d.halt(t, "EndExhaust", "before", killed)
	if j := d.Read(t, o, id); j.Status != "FAILED" || j.Attempts != 0 {
		t.Fatalf("while its end is recorded it reads %+v", j)
	}
	for _, call := range []struct{ path, body string }{{"submit", o.Body()}, {o.Path("retry", id), ""}} {
		a := d.Post(t, call.path, o.Channel, call.body)
		const sentence = "the attempt before is still being wound up: try again in a few seconds"
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "5" || a.Sentence(t) != sentence {
			t.Errorf("%s answers %d, Retry-After %q: %s", call.path, a.Status, a.Header.Get("Retry-After"), a.Body)
		}
	}
	d.heal(t)
	e2etest.Must(t, os.Remove(old.marker))
	if again := d.Submit(t, o); again.Status != "SUBMITTED" || again.Attempts != 1 {
		t.Errorf("once it is wound up it is %+v", again)
	}
	d.wantEnd(t, o, id, "SUCCESS", 1)
}
