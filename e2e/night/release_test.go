package night

import (
	"crypto/md5"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"data-exhaust/internal/e2etest"
)

// sickDay is a day whose telemetry cannot be read.
const sickDay = "2022-03-03"

// sicken has the telemetry of sickDay listed, though it cannot be opened, as where a volume is not mounted.
func (d deployment) sicken(t *testing.T) {
	t.Helper()
	e2etest.Must(t, os.MkdirAll(filepath.Dir(d.Telemetry.File("x")), 0o755))
	e2etest.Must(t, os.Symlink("nowhere", d.Telemetry.File(sickDay+"-0.jsonl")))
}

// heal has it read.
func (d deployment) heal(t *testing.T) {
	t.Helper()
	e2etest.Must(t, os.Remove(d.Telemetry.File(sickDay+"-0.jsonl")))
	d.Telemetry.Put(t, sickDay+"-0.jsonl", []byte(strings.ReplaceAll(event(1)+"\n"+event(2)+"\n", day, sickDay)))
}

// requestID is the contract's section 1 of an order of today.
func requestID(o e2etest.Order) string {
	today := time.Now().In(e2etest.India).Format(time.DateOnly)
	return fmt.Sprintf("%X", md5.Sum([]byte(strings.Join([]string{o.Tag, o.Dataset, o.By, o.Channel, today, "csv", o.Config()}, "|"))))
}

// sickAndGood are an order of sickDay and n of day, which a night lists behind it: it goes by id.
func sickAndGood(n int) (sick e2etest.Order, good []e2etest.Order) {
	var all []e2etest.Order
	for i := range 20 {
		all = append(all, order(fmt.Sprintf("sick-%d", i), bot, sickDay, "nightly"))
	}
	sick = slices.MinFunc(all, func(x, y e2etest.Order) int { return strings.Compare(requestID(x), requestID(y)) })
	for i := 0; len(good) < n; i++ {
		if o := order(fmt.Sprintf("good-%d", i), bot, day, "nightly"); requestID(o) > requestID(sick) {
			good = append(good, o)
		}
	}
	return sick, good
}

var waitsForTelemetry = regexp.MustCompile(`^telemetry store: a symbolic link leads to nothing inside it; tried (once|[0-9]+ times), (next in [0-9]+ s|trying again)$`)

// wantStillRunning checks that a night names the sick one, and nothing else, as still running.
func wantStillRunning(t *testing.T, s summary, id string) {
	t.Helper()
	if len(s.StillRunning) != 1 || s.StillRunning[0].RequestID != id || !waitsForTelemetry.MatchString(s.StillRunning[0].Waiting) {
		t.Errorf("still running are %+v, want %s", s.StillRunning, id)
	}
}

func TestAnExhaustWhoseTelemetryCannotBeReadHoldsUpNoOtherAndTheNextNightCountsIt(t *testing.T) {
	const watch = 15 * time.Second
	d := prepare(t, "EXHAUST_NIGHTLY_WATCH="+watch.String(), "EXHAUST_NIGHTLY_CONCURRENCY=1", "EXHAUST_SETTLE_TIME=3s")
	d.StartAPI(t)
	d.StartWorker(t)
	d.sicken(t)
	sickOrder, good := sickAndGood(5)
	ids := d.parkAll(t, append(slices.Clone(good), sickOrder))
	sick := ids[sickOrder.Tag]
	if first := slices.Min(slices.Collect(maps.Values(ids))); first != sick || sick != requestID(sickOrder) {
		t.Fatalf("the night lists %s first, not the sick %s", first, sick)
	}

	s := d.night(t)
	if s.Ran != 6 || s.Success != 5 || s.Failed+s.Cancelled+s.Retried+s.Earlier != 0 || len(s.Problems) > 0 {
		t.Errorf("the summary is %+v", s)
	}
	wantStillRunning(t, s, sick)
	// The last look is up to 15 s after the one before, and the machine may be busy.
	if took := s.Ended.Sub(s.Began); took < watch || took > watch+30*time.Second {
		t.Errorf("the night took %s, want %s and a little", took, watch)
	}
	for _, o := range good {
		got := d.read(t, o.Tag, ids[o.Tag])
		if got.Status != "SUCCESS" || !got.Completed().Before(s.Began.Add(watch)) {
			t.Errorf("%s is %s since %s, and the sick one was watched until %s", o.Tag, got.Status, got.Completed(), s.Began.Add(watch))
		}
	}
	if got := d.read(t, sickOrder.Tag, sick); got.Status != "PROCESSING" || !waitsForTelemetry.MatchString(got.Progress.Waiting) {
		t.Errorf("the sick one reads %+v", got)
	}

	d.heal(t)
	if got := d.end(t, sickOrder.Tag, sick); got.Status != "SUCCESS" || got.Attempts != 0 {
		t.Errorf("healed it is %+v", got)
	}
	if s := d.night(t); s.Earlier != 1 || s.Success != 1 || s.Rows != 2 || s.Ran != 0 || len(s.StillRunning)+len(s.Problems) > 0 {
		t.Errorf("the summary of the next night is %+v", s)
	}
	if s := d.night(t); s.Earlier != 0 || s.Success != 0 {
		t.Errorf("the night after counts it again: %+v", s)
	}
	d.wantOneRunEach(t, ids)
}

func TestANightThatComesWhileOneStillWatchesBeginsBehindItAndRunsNothingTwice(t *testing.T) {
	d := prepare(t, "EXHAUST_NIGHTLY_WATCH=8s", "EXHAUST_NIGHTLY_CONCURRENCY=2", "EXHAUST_SETTLE_TIME=3s")
	d.StartAPI(t)
	d.StartWorker(t)
	d.sicken(t)
	sick, _ := sickAndGood(0)
	ids := d.parkAll(t, []e2etest.Order{sick, order("early", bot, day, "nightly")})
	before := d.nights(t)
	d.trigger(t)
	first := d.nightAfter(t, before)
	d.end(t, "early", ids["early"])
	late := d.parkAll(t, []e2etest.Order{order("late", bot, day, "nightly")})
	before = d.nights(t)
	d.trigger(t)
	d.trigger(t) // one waits, no more
	one := d.endOfNight(t, first, time.Minute)
	second := d.nightAfter(t, before)
	two := d.endOfNight(t, second, time.Minute)

	if one.Ran != 2 || one.Success != 1 {
		t.Errorf("the summary of the first is %+v", one)
	}
	wantStillRunning(t, one, ids[sick.Tag])
	if two.Began.Before(one.Ended) || two.Ran != 1 || two.Success != 1 || two.Earlier != 0 {
		t.Errorf("the summary of the second is %+v; the first ended at %s", two, one.Ended)
	}
	wantStillRunning(t, two, ids[sick.Tag])
	// The sick one is cancelled, for it would be tried for a day.
	d.Post(t, sick.Path("cancel", ids[sick.Tag]), channel, "")
	d.end(t, sick.Tag, ids[sick.Tag])
	maps.Copy(ids, late)
	d.wantOneRunEach(t, ids)
	list, err := d.Client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = 'Nightly'"})
	e2etest.Must(t, err)
	for _, execution := range list.GetExecutions() {
		if execution.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			t.Errorf("%s is %s", execution.GetExecution().GetWorkflowId(), execution.GetStatus())
		}
	}
	if n := len(list.GetExecutions()); n != 2 {
		t.Errorf("there were %d nights", n)
	}
	if s := d.night(t); s.Earlier != 1 || s.Cancelled != 1 || s.Ran != 0 {
		t.Errorf("the summary of the third is %+v", s)
	}
}

// TestARequestOfTheDayDoesNotWaitForTheNightsWork: the night has more of it than the machine has cores.
func TestARequestOfTheDayDoesNotWaitForTheNightsWork(t *testing.T) {
	const heavyDay, events, exhausts = "2022-03-04", 150_000, 8
	d := deploy(t, "EXHAUST_NIGHTLY_CONCURRENCY=8")
	var heavy strings.Builder
	for i := range events {
		heavy.WriteString(strings.Replace(strings.ReplaceAll(event(1), day, heavyDay), `"m1"`, fmt.Sprintf(`"m%d"`, i), 1) + "\n")
	}
	d.Telemetry.Put(t, heavyDay+"-0.jsonl", []byte(heavy.String()))
	var orders []e2etest.Order
	for i := range exhausts {
		orders = append(orders, order(fmt.Sprintf("heavy-%d", i), bot, heavyDay, "nightly"))
	}
	d.parkAll(t, orders)
	id := d.beginNight(t)
	e2etest.Eventually(t, time.Minute, "the night is at work", func() bool { return d.count(t, "status = 'PROCESSING'") == exhausts })
	d.produce(t, "by-day")
	if n := d.count(t, "status = 'PROCESSING'"); n == 0 {
		t.Error("the request of the day ended when the night's had")
	}
	if s := d.endOfNight(t, id, 3*time.Minute); s.Success != exhausts || s.Rows != events*exhausts {
		t.Errorf("the summary is %+v", s)
	}
}
