package activities_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

const unfinishedName = "2022-03-01-b.json.gz"

// zipped is a gzip object of these lines.
func zipped(lines ...string) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(strings.Join(lines, "\n") + "\n"))
	_ = w.Close()
	return packed.Bytes()
}

// settling is a rig with a whole object and one that is unfinished, which opening may change before it is opened for the
// n-th time, from 1 on.
func settling(t *testing.T, settle time.Duration, opening func(r *rig, n int)) (r *rig, opens *int, fetch func() (activities.Fetched, error)) {
	r = newRig(t)
	whole := zipped(answer("b", "2022-03-01T10:00:00Z", device(1)))
	r.put("2022-03-01-a.json.gz", answer("a", "2022-03-01T10:00:00Z", device(1)))
	r.write(unfinishedName, whole[:len(whole)-9])
	opens = new(int)
	r.deps.Telemetry = &store{Store: r.telemetryStore, opening: func(name string) error {
		if name == unfinishedName {
			*opens++
			if opening != nil {
				opening(r, *opens)
			}
		}
		return nil
	}}
	r.settings.SettleTime = settle
	acts := activities.New(r.deps, r.settings)
	return r, opens, func() (activities.Fetched, error) {
		return r.fetchUntilItEnds(acts, r.fetchInput(r.part("2022-03-01", "2022-03-01")))
	}
}

// fetchUntilItEnds fetches a part in as many attempts as it takes, which follow each other without a pause.
func (r *rig) fetchUntilItEnds(of *activities.Activities, in activities.FetchInput) (fetched activities.Fetched, err error) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterActivity(of)
	env.ExecuteWorkflow(fetchWorkflow, in)
	if err := env.GetWorkflowError(); err != nil {
		return fetched, err
	}
	return fetched, env.GetWorkflowResult(&fetched)
}

func TestAnObjectThatIsFinishedMeanwhileIsReadWhole(t *testing.T) {
	finished := zipped(answer("b", "2022-03-01T10:00:00Z", device(1)), answer("c", "2022-03-01T10:00:01Z", device(1)))
	r, opens, fetch := settling(t, time.Hour, func(r *rig, n int) {
		switch n {
		case 2: // it goes on being written
			r.write(unfinishedName, finished[:len(finished)-4])
		case 3:
			r.write(unfinishedName, finished)
		}
	})
	fetched, err := fetch()
	if err != nil {
		t.Fatal(err)
	}
	if *opens < 4 {
		t.Errorf("opened %d times, want 4 at least: cut, changing, changed, whole", *opens)
	}
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if got := column(rows(t, r.report(built.Report)), 0); got != "a b c" {
		t.Errorf("messages %s, want a b c", got)
	}
	objects := r.readReceipt(built.Receipt).Objects
	info, err := r.telemetryStore.Stat(t.Context(), unfinishedName)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[1].ETag != info.ETag || objects[1].Bytes != int64(len(finished)) || fetched.BytesListed != fetched.BytesRead {
		t.Errorf("the receipt names %+v, want the version that was read, %+v", objects, info)
	}
}

func TestAYoungDamagedObjectIsCorruptOnceItWasLeftAlone(t *testing.T) {
	const settle = 700 * time.Millisecond
	began := time.Now()
	_, opens, fetch := settling(t, settle, nil)
	_, err := fetch()
	failure := applicationError(t, err)
	if want := `telemetry object "` + unfinishedName + `" is corrupt: its gzip data ends early`; failure.Type() != activities.CorruptTelemetry || failure.Message() != want {
		t.Errorf("got %s: %s", failure.Type(), failure.Message())
	}
	if took := time.Since(began); took < settle || *opens < 2 {
		t.Errorf("it was called corrupt after %s and %d looks, not after %s", took, *opens, settle)
	}
}

func TestAnOldDamagedObjectIsCorruptAtOnce(t *testing.T) {
	r, opens, fetch := settling(t, 10*time.Minute, nil)
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(r.telemetryDir, unfinishedName), hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	_, err := fetch()
	if failure := applicationError(t, err); failure.Type() != activities.CorruptTelemetry || *opens != 1 {
		t.Errorf("%s after %d looks", failure.Type(), *opens)
	}
}

func TestADamagedVersionThatIsNoLongerTheObjectIsNotCorrupt(t *testing.T) {
	r, opens, _ := settling(t, 10*time.Minute, nil)
	path := filepath.Join(r.telemetryDir, unfinishedName)
	// The damage is found long before the end, where a reader would notice that the object has changed.
	r.write(unfinishedName, append(zipped()[:12], bytes.Repeat([]byte{0xff}, 8<<20)...))
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	// The producer replaces the object between its being opened and its being found damaged.
	telemetry := r.deps.Telemetry.(*store)
	telemetry.reading = func(name string, source io.ReadCloser) io.ReadCloser {
		if name == unfinishedName && *opens == 1 {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
			r.put(unfinishedName, answer("b", "2022-03-01T10:00:00Z", device(1)))
		}
		return source
	}
	fetched, err := r.fetchUntilItEnds(activities.New(r.deps, r.settings), r.fetchInput(r.part("2022-03-01", "2022-03-01")))
	if err != nil {
		t.Fatal(err)
	}
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if got := column(rows(t, r.report(built.Report)), 0); got != "a b" || *opens != 2 {
		t.Errorf("messages %s after %d looks, want a b after 2", got, *opens)
	}
}

func TestAResumePointDoesNotGrowWithWhatIsStagedBehindIt(t *testing.T) {
	r := newRig(t)
	r.settings.SettleTime = time.Hour
	r.put("2022-03-01-a.json", answer("a", "2022-03-01T10:00:03Z", device(1)))
	r.grow("2022-03-01-a.json", 64<<20) // another attempt can go on behind it
	// What the second object holds is staged before it is found to end early.
	const name, events = "2022-03-01-b.json.gz", 40_000
	var lines []string
	for i := range events {
		lines = append(lines, answer(fmt.Sprintf("b%05d", i), "2022-03-01T10:00:01Z", device(3)))
	}
	whole := zipped(lines...)
	r.write(name, whole[:len(whole)-4])
	opens := 0
	r.deps.Telemetry = &store{Store: r.telemetryStore, opening: func(opened string) error {
		if opened == name {
			if opens++; opens == 3 {
				r.write(name, whole)
			}
		}
		return nil
	}}
	fetched, err := r.fetchUntilItEnds(activities.New(r.deps, r.settings), r.fetchInput(r.part("2022-03-01", "2022-03-01")))
	if err != nil {
		t.Fatal(err)
	}
	if opens < 4 {
		t.Fatalf("opened %d times, want 4 at least: cut, cut, changed, whole", opens)
	}
	if fetched.EventsMatched != events+1 {
		t.Errorf("%d events matched, want %d", fetched.EventsMatched, events+1)
	}
	joined, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if joined.Events != events+1 || built.RowsWritten != events+1 {
		t.Errorf("%d events indexed, %d rows, want %d of each", joined.Events, built.RowsWritten, events+1)
	}
}

func TestAnObjectThatStillChangesEndsTheExhaust(t *testing.T) {
	for name, write := range map[string]func(r *rig, n int){
		"cut gzip": func(r *rig, n int) {
			whole := zipped(answer(strings.Repeat("b", 10+n%500), "2022-03-01T10:00:00Z", device(1)))
			r.write(unfinishedName, whole[:len(whole)-9])
		},
		"each time another whole one": func(r *rig, n int) {
			r.write(unfinishedName, zipped(answer(strings.Repeat("b", 10+n%500), "2022-03-01T10:00:00Z", device(1))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			const settle = 500 * time.Millisecond
			began := time.Now()
			_, _, fetch := settling(t, settle, write)
			_, err := fetch()
			failure := applicationError(t, err)
			want := `telemetry object "` + unfinishedName + `" is still being written: end before today, or retry later`
			if !failure.NonRetryable() || failure.Type() != activities.StillWritten || failure.Message() != want {
				t.Errorf("non-retryable %v, %s: %s\nwant %s", failure.NonRetryable(), failure.Type(), failure.Message(), want)
			}
			if took := time.Since(began); took < settle {
				t.Errorf("it was given up after %s", took)
			}
		})
	}
}

func TestAnObjectThatWasReplacedSinceTheListingIsReadAsItIs(t *testing.T) {
	r := newRig(t)
	r.settings.SettleTime = time.Hour
	r.put("2022-03-01-a.json", answer("a", "2022-03-01T10:00:00Z", device(1)))
	part := r.part("2022-03-01", "2022-03-01")
	r.put("2022-03-01-a.json", answer("b", "2022-03-01T10:00:00Z", device(1)), answer("c", "2022-03-01T10:00:00Z", device(1)))
	_, err := runOf[activities.Fetched](r, activities.New(r.deps, r.settings), r.FetchTelemetry, r.fetchInput(part))
	failure := applicationError(t, err)
	want := `telemetry object "2022-03-01-a.json" is still being written`
	if failure.NonRetryable() || failure.Type() != activities.StillWritten || failure.Message() != want || failure.NextRetryDelay() != time.Second {
		t.Errorf("non-retryable %v, %s: %s, next in %s", failure.NonRetryable(), failure.Type(), failure.Message(), failure.NextRetryDelay())
	}
	info, err := r.telemetryStore.Stat(t.Context(), "2022-03-01-a.json")
	if err != nil {
		t.Fatal(err)
	}
	fetched := r.secondAttempt(r.fetchInput(part), activities.Heartbeat{Fetch: &activities.FetchResume{Watches: []activities.Watch{
		{Index: 0, ETag: info.ETag, Since: time.Now(), SameSince: time.Now(), Changed: true, Looks: 1},
	}}})
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if got := column(rows(t, r.report(built.Report)), 0); got != "b c" {
		t.Errorf("messages %s, want b c", got)
	}
}

func TestAnObjectThatIsGoneSinceTheListingEndsTheExhaust(t *testing.T) {
	r, _, fetch := settling(t, 300*time.Millisecond, func(r *rig, n int) {
		if err := os.RemoveAll(filepath.Join(r.telemetryDir, unfinishedName)); err != nil {
			r.t.Error(err)
		}
	})
	_, err := fetch()
	failure := applicationError(t, err)
	if want := fmt.Sprintf("telemetry object %q is no longer there: end before today, or retry later", unfinishedName); failure.Type() != activities.StillWritten || failure.Message() != want {
		t.Errorf("got %s: %s", failure.Type(), failure.Message())
	}
	if left := r.files("uci-response-exhaust/"); left != nil {
		t.Errorf("files %v", left)
	}
}

func TestALaterAttemptThatFindsTheObjectDifferentWaitsAgain(t *testing.T) {
	// In the end the pauses between looks are long enough not to burden the store, and short beside the settle time.
	r := newRig(t)
	r.settings.SettleTime = 10 * time.Minute
	whole := zipped(answer("b", "2022-03-01T10:00:00Z", device(1)))
	r.write(unfinishedName, whole[:len(whole)-9])
	in := r.fetchInput(r.part("2022-03-01", "2022-03-01"))
	acts := activities.New(r.deps, r.settings)
	for looks, want := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 4: 16 * time.Second, 5: 30 * time.Second, 500: 30 * time.Second} {
		env := r.environment(acts)
		env.SetHeartbeatDetails(activities.Heartbeat{Fetch: &activities.FetchResume{Watches: []activities.Watch{
			{Index: 0, ETag: "another", Since: time.Now(), SameSince: time.Now(), Looks: looks},
		}}})
		_, err := env.ExecuteActivity(r.FetchTelemetry, in)
		if failure := applicationError(t, err); failure.Type() != activities.StillWritten || failure.NextRetryDelay() != want {
			t.Errorf("after %d looks: %s, next in %s, want %s", looks, failure.Type(), failure.NextRetryDelay(), want)
		}
	}
}

func TestWhatIsBeforeAnUnfinishedObjectIsNotReadAtEveryLook(t *testing.T) {
	finished := zipped(answer("b", "2022-03-01T10:00:00Z", device(1)), answer("c", "2022-03-01T10:00:01Z", device(1)))
	var opens opened
	r, looks, fetch := settling(t, time.Hour, func(r *rig, n int) {
		if n < 6 { // it goes on being written
			r.write(unfinishedName, finished[:len(finished)-9+n])
		} else if n == 6 {
			r.write(unfinishedName, finished)
		}
	})
	counted := r.deps.Telemetry.(*store)
	opening := counted.opening
	counted.opening = func(name string) error {
		opens.add(name)
		return opening(name)
	}
	fetched, err := fetch()
	if err != nil {
		t.Fatal(err)
	}
	// The first attempt does not know yet that it will look again.
	if got := opens.times()["2022-03-01-a.json.gz"]; got != 2 || *looks < 7 {
		t.Errorf("the object before was opened %d times at %d looks, want twice", got, *looks)
	}
	if fetched.EventsMatched != 3 || fetched.Objects != 2 {
		t.Errorf("%d events of %d objects, want 3 of 2", fetched.EventsMatched, fetched.Objects)
	}
}
