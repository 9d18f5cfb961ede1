package versions

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/e2etest"
)

func TestAnExhaustEndsOnTheVersionThatBeganItWhileOthersBeginOnTheCurrentOne(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	one := d.startVersion(t, "one")
	waiting := d.begin(t, order("early", day))
	d.awaitShown(t, "one", "inactive", 1, 0, 0)
	if j := waiting.Read(t); j.Status != "SUBMITTED" {
		t.Errorf("while no version is current it is %+v", j)
	}
	d.starter(t, "set-current", "one")
	wantSuccess(t, waiting)
	held := d.beginHeld(t, "held")

	d.startVersion(t, "two")
	d.starter(t, "set-current", "two")
	d.awaitShown(t, "one", "draining", 1, 1, 0)
	next := d.begin(t, order("next", day))
	wantSuccess(t, next)
	d.wantNight(t, d.beginNight(t), "two")
	if j := held.Read(t); j.Status != "PROCESSING" {
		t.Fatalf("the held one is %+v", j)
	}
	d.release(t)
	wantSuccess(t, held)

	d.wantTasks(t, waiting, "one")
	heldWorkers, nextWorkers := d.wantTasks(t, held, "one"), d.wantTasks(t, next, "two")
	if len(heldWorkers) != 1 || len(nextWorkers) != 1 || heldWorkers[0] == nextWorkers[0] {
		t.Errorf("activities of the held one ran on %q, of the next one on %q", heldWorkers, nextWorkers)
	}
	d.awaitShown(t, "one", "drained", 1, 0, 0)
	if shown := d.starter(t, "show"); !strings.Contains(shown, "\none is drained: its workers can be stopped.\n") {
		t.Errorf("it shows\n%s", shown)
	}
	one.Terminate(t)
	d.awaitShown(t, "one", "drained", 0, 0, 0)
	d.awaitShown(t, "two", "current", 1, 0, 0)
}

func TestAnExhaustWhoseVersionWasDroppedTooEarlyWaitsUntilItIsMoved(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	one := d.startVersion(t, "one")
	d.starter(t, "set-current", "one")
	held := d.beginHeld(t, "held")
	d.startVersion(t, "two")
	d.starter(t, "set-current", "two")
	if out := d.run(t, "move", "one"); out.Code != 1 || !strings.HasPrefix(out.Stderr, "error: 1 workers of version one have polled within 1m30s") {
		t.Errorf("while its worker polls, move says %+v", out)
	}
	d.awaitShown(t, "one", "draining", 1, 1, 0)

	one.Kill(t)
	d.release(t)
	d.awaitShown(t, "one", "draining", 0, 1, 0)
	const advice = `
one has no worker, and 1 exhausts are pinned to it: they wait, also to be cancelled. Start its workers
again, which is always safe. Where they are gone for good and the current version continues their work
(CHANGELOG.md says where it does not): ` + "`starter deployment move one`" + `.
`
	if shown := d.starter(t, "show"); !strings.HasSuffix(shown, advice) {
		t.Errorf("it shows\n%s", shown)
	}
	if j := held.Read(t); j.Status != "PROCESSING" {
		t.Fatalf("without its worker it is %+v", j)
	}

	moved := d.run(t, "move", "one")
	if want := (e2etest.Output{Stdout: "moved exhaust-" + held.ID + " to two\n", Stderr: "1 exhausts moved\n"}); moved != want {
		t.Fatalf("move says %+v", moved)
	}
	wantSuccess(t, held)
	d.wantTasks(t, held, "one", "two")
	d.awaitShown(t, "one", "drained", 0, 0, 0)
	if again := d.run(t, "move", "one"); again != (e2etest.Output{Stderr: "0 exhausts moved\n"}) {
		t.Errorf("move again says %+v", again)
	}
}

func TestAResetToALaterPointIsPinnedToTheVersionOfThen(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	one := d.startVersion(t, "one")
	d.starter(t, "set-current", "one")
	first, last := d.begin(t, order("first", day)), d.begin(t, order("last", day))
	wantSuccess(t, first)
	wantSuccess(t, last)
	d.startVersion(t, "two")
	d.starter(t, "set-current", "two")
	d.awaitShown(t, "one", "drained", 1, 0, 0)
	one.Terminate(t)

	d.reset(t, first, 1)
	d.wantRerun(t, first, "two")
	d.reset(t, last, 3)
	d.awaitShown(t, "one", "drained", 0, 1, 0)
	d.starter(t, "move", "one")
	d.wantRerun(t, last, "one", "two")
}

func TestAnExhaustWhoseVersionWasDroppedTooEarlyGoesOnWhenItsWorkerIsBack(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	one := d.startVersion(t, "one")
	d.starter(t, "set-current", "one")
	held := d.beginHeld(t, "held")
	d.startVersion(t, "two")
	d.starter(t, "set-current", "two")
	one.Terminate(t)
	d.release(t)
	d.awaitShown(t, "one", "draining", 0, 1, 0)
	d.startVersion(t, "one")
	wantSuccess(t, held)
	d.wantTasks(t, held, "one")
}

func TestANightUnderWayGoesOnOnTheCurrentVersion(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.startVersion(t, "one")
	d.starter(t, "set-current", "one")
	o := order("parked", heldDay)
	o.RunAt = "nightly"
	parked := d.begin(t, o)
	night := d.beginNight(t)
	d.awaitHeld(t, parked)
	d.awaitShown(t, "one", "current", 1, 1, 1)
	d.startVersion(t, "two")
	d.starter(t, "set-current", "two")
	d.awaitShown(t, "one", "draining", 1, 1, anyNumber) // the night goes on by its next look
	d.release(t)
	d.wantNight(t, night, "one", "two")
	wantSuccess(t, parked)
	d.wantTasks(t, parked, "one")
	d.awaitShown(t, "one", "drained", 1, 0, 0)
}

func TestAnExhaustThatWaitedForTheNightBeginsOnTheVersionOfThen(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	one := d.startVersion(t, "one")
	d.starter(t, "set-current", "one")
	o := order("parked", day)
	o.RunAt = "nightly"
	parked := d.begin(t, o)
	e2etest.Eventually(t, time.Minute, "it is parked on one", func() bool {
		versions, workers := d.tasks(t, "exhaust-"+parked.ID)
		return slices.Equal(versions, []string{"one"}) && len(workers) == 1
	})
	d.startVersion(t, "two")
	d.starter(t, "set-current", "two")
	// Nothing holds it to the old version, whose workers may stop, though it ran there last.
	d.awaitShown(t, "one", "drained", 1, 0, 1)
	one.Terminate(t)
	d.beginNight(t)
	wantSuccess(t, parked)
	d.wantTasks(t, parked, "two")
}

func TestVersionsAreTurnedOnAndOffWithExhaustsInFlight(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	plain := d.startVersion(t, "")
	before := d.beginHeld(t, "before")
	d.startVersion(t, "one")
	d.awaitShown(t, "(no version)", "current", 1, 0, 1)
	d.starter(t, "set-current", "one")
	if shown := d.starter(t, "show"); !strings.Contains(shown, "\n1 workers without a version get nothing to do: stop them.\n") {
		t.Errorf("it shows\n%s", shown)
	}
	plain.Terminate(t)
	// What was begun without a version is pinned to the one that its next task came to.
	d.awaitShown(t, "one", "current", 1, 1, 0)
	on := d.beginHeld(t, "on")
	d.awaitShown(t, "one", "current", 1, 2, 0)

	d.startVersion(t, "")
	d.starter(t, "set-current", "--unversioned")
	off := d.begin(t, order("off", day))
	wantSuccess(t, off)
	d.release(t)
	wantSuccess(t, on)
	wantSuccess(t, before)
	d.wantTasks(t, off, "")
	d.wantTasks(t, on, "one")
	d.wantTasks(t, before, "", "one")
}

func TestARampTakesItsShareOfWhatBegins(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.startVersion(t, "one")
	d.starter(t, "set-current", "one")
	d.startVersion(t, "two")
	if got, want := d.starter(t, "ramp", "two", "100"), "100 % of what begins, begins on two\n"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	d.awaitBegun(t, "two")
	if shown := d.shown(t, "two"); len(shown) < 3 || strings.Join(shown[:3], " ") != "ramping 100 %" {
		t.Errorf("it shows %q", shown)
	}
	if got, want := d.starter(t, "ramp", "two", "0"), "two is not ramping any more\n"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	d.awaitBegun(t, "one")
	d.awaitShown(t, "two", "drained", 1, 0, 0)
}

func TestWhatAnOperatorMistypesIsSaid(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	const none = "error: there is no version of deployment exhaust: no worker of it has polled yet\n"
	for _, args := range []string{"show", "set-current one --wait 5s", "ramp one 5 --wait 5s", "move one"} {
		if out := d.run(t, strings.Fields(args)...); out != (e2etest.Output{Code: 5, Stderr: none}) {
			t.Errorf("before there are versions %s says %+v", args, out)
		}
	}
	d.startVersion(t, "one")
	p := d.startVersion(t, "two")
	d.starter(t, "set-current", "one")
	if again := d.starter(t, "set-current", "one"); again != "one is current\n" {
		t.Errorf("it says %q", again)
	}
	d.awaitShown(t, "one", "current", 1, 0, 0)
	p.Terminate(t)
	d.awaitShown(t, "two", "inactive", 0, 0, 0)
	for _, c := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"set-current three --wait 5s", 5, "there is no version three of deployment exhaust: it has two, one"},
		{"set-current two --wait 10s", 1, "no worker of version two has polled task queue " + d.Queue + " within 1m30s: start one first"},
		{"set-current --unversioned --wait 10s", 1, "no worker without a version has polled task queue " + d.Queue + " within 1m30s: start one first"},
		{"set-current", 2, "name a BUILD_ID, or --unversioned"},
		{"set-current one --unversioned", 2, "name a BUILD_ID, or --unversioned"},
		{"ramp one 0", 1, "version one of deployment exhaust is not ramping"},
		{"ramp two 101", 2, `PERCENT is "101": it must be a number from 0 to 100`},
		{"ramp two NaN", 2, `PERCENT is "NaN": it must be a number from 0 to 100`},
		{"move one", 1, "version one is the current one: make another current first"},
		{"move a'b", 2, `the build id is "a'b": it must be 1 to 128 characters of A-Z a-z 0-9 . _ + -, the first a letter or digit`},
		{"move three", 5, "there is no version three of deployment exhaust: it has two, one"},
	} {
		if out, want := d.run(t, strings.Fields(c.args)...), (e2etest.Output{Code: c.code, Stderr: "error: " + c.stderr + "\n"}); out != want {
			t.Errorf("%s says %+v\nwant %+v", c.args, out, want)
		}
	}
	off := e2etest.ExecStarter(t, append(slices.Clone(d.Env), "EXHAUST_DEPLOYMENT="), "deployment", "show")
	if off != (e2etest.Output{Code: 2, Stderr: "error: EXHAUST_DEPLOYMENT is not set: workers have no versions\n"}) {
		t.Errorf("without a deployment it says %+v", off)
	}
}

func TestAVersionedWorkerIsHealthy(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	p := d.startVersion(t, "")
	await := func(what string, code int, settings ...string) {
		t.Helper()
		e2etest.Eventually(t, time.Minute, what, func() bool {
			if e2etest.ExecStarter(t, append(slices.Clone(d.Env), settings...), "health", "--worker").Code == code {
				return true
			}
			time.Sleep(time.Second) // each look is a process
			return false
		})
	}
	await("a worker without a version is healthy", 0)
	await("it is, where there are no versions", 0, "EXHAUST_DEPLOYMENT=")
	p.Terminate(t)
	await("it is missed", 1)
	// Its build id is the code's version, which the starter does not know.
	worker := d.Launch(t, "worker")
	worker.WaitForLog(t, "worker is running")
	await("a worker of a version is healthy", 0)
	await("it is not the one of those without versions", 1, "EXHAUST_DEPLOYMENT=")
	if log := worker.Log(t); !regexp.MustCompile(`"deployment":"exhaust","buildID":"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}"`).MatchString(log) {
		t.Errorf("its log does not name the version:\n%s", log)
	}
}
