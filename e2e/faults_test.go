package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/klauspost/compress/gzip"
	enumspb "go.temporal.io/api/enums/v1"

	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
)

func TestACorruptObjectEndsTheExhaustAtOnceAndIsNamed(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		// Else an object that was written just now would be waited for.
		d := deploy(t, s, "EXHAUST_SETTLE_TIME=0s")
		bot := d.addBot(t, "Corrupt")
		event, _ := simpleEvent("ASSESS:1", bot, "2022-05-01T10:00:00Z")
		whole := packGzip(t, 1, []byte(strings.Repeat(event, 50)))
		flipped := slices.Clone(whole)
		flipped[len(flipped)-8] ^= 1 // of the checksum, which stands before the length
		for day, c := range map[string]struct {
			name    string
			content []byte
		}{
			"2022-05-01": {"2022-05-01-cut.json.gz", whole[:len(whole)/2]},
			"2022-05-02": {"2022-05-02-sum.json.gz", flipped},
			"2022-05-03": {"2022-05-03-cut.json.zst", packZstd(t, 1, []byte(strings.Repeat(event, 50)))[:40]},
			"2022-05-04": {"2022-05-04-none.json.gz", nil},
			"2022-05-05": {"2022-05-05-wide.json", []byte("\xff\xfe{\x00}\x00\n\x00")},
			"2022-05-06": {"2022-05-06-thrice.gz", packGzip(t, 1, packZstd(t, 1, whole))},
		} {
			d.say(t, bot, "Corrupt", day, 1)
			d.Telemetry.Put(t, c.name, c.content)
			start := time.Now()
			j := d.submitAndWatch(t, orderOf(response, bot, day, day)).End(t, time.Minute)
			if j.Status != "FAILED" || !strings.Contains(j.StatusMessage, c.name) || len(j.DownloadURLs) != 0 {
				t.Errorf("%s: %s %q", c.name, j.Status, j.StatusMessage)
			}
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("%s: it failed after %s, not at once", c.name, took)
			}
			if status := d.workflowStatus(t, j.RequestID); status != enumspb.WORKFLOW_EXECUTION_STATUS_FAILED {
				t.Errorf("%s: the workflow is %s", c.name, status)
			}
			events, _ := d.history(t, j.RequestID)
			if got := attempts(events, "MakeReport"); !slices.Equal(got, []int32{1}) {
				t.Errorf("%s: it was read in attempts %v, want one", c.name, got)
			}
		}
		if names := d.Reports.Names(t); len(names) > 0 {
			t.Errorf("left in the reports store: %q", names)
		}
	})
}

func TestALineOf17MiBIsSkippedAndCounted(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		bot := d.addBot(t, "Long lines")
		var lines bytes.Buffer
		want := responseHeader
		for i, padding := range []int{0, 17 << 20, 1 << 20, 0} {
			event, row := simpleEvent(fmt.Sprintf("ASSESS:%d", i), bot, fmt.Sprintf("2022-05-01T10:00:%02dZ", i))
			lines.WriteString(strings.Replace(event, `{"eid"`, `{"padding":"`+strings.Repeat("x", padding)+`","eid"`, 1))
			if padding < 16<<20 {
				want += fmt.Sprintf(row, "Long lines")
			}
		}
		d.Telemetry.Put(t, "2022-05-01-0.json.gz", packGzip(t, 1, lines.Bytes()))
		j, file := d.produce(t, orderOf(response, bot, "2022-05-01", "2022-05-01"))
		sameFile(t, "the exhaust", file, []byte(want))
		if j.Progress.LinesSkipped != 1 || j.Progress.EventsMatched != 3 || j.Progress.RowsWritten != 3 {
			t.Errorf("progress is %+v", j.Progress)
		}
	})
}

// TestAnObjectThatCannotBeReadIsWaitedFor makes an object unreadable as it happens: a link whose target is not mounted.
func TestAnObjectThatCannotBeReadIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := stacks["embedded"](t)
	d := deploy(t, s)
	bot := d.addBot(t, "Heals")
	want := d.say(t, bot, "Heals", "2022-05-01", 3)
	file := d.Telemetry.File("2022-05-01-0.json.gz")
	e2etest.Must(t, os.Rename(file, file+".away"))
	e2etest.Must(t, os.Symlink(filepath.Base(file)+".mounted", file))
	w := d.submitAndWatch(t, orderOf(response, bot, "2022-05-01", "2022-05-01"))
	maxAttempt := func() (attempt int32) {
		for _, pending := range d.describe(t, w.ID).GetPendingActivities() {
			attempt = max(attempt, pending.GetAttempt())
		}
		return attempt
	}
	until(t, w, time.Minute, "it was tried three times", func(j e2etest.Job) bool { return j.Status == "PROCESSING" && maxAttempt() >= 3 })
	if j := w.Read(t); !strings.HasPrefix(j.Progress.Waiting, "telemetry store: a symbolic link leads to nothing inside it; tried ") {
		t.Errorf("it waits for %q", j.Progress.Waiting)
	}
	e2etest.Must(t, os.Rename(file+".away", file+".mounted"))
	end := w.End(t, time.Minute)
	sameFile(t, "the exhaust", d.download(t, w.Order, end), want)
}

// TestWhatNoWaitingHealsEndsTheExhaustAtOnce: in Azure a blob that was moved to the archive.
func TestWhatNoWaitingHealsEndsTheExhaustAtOnce(t *testing.T) {
	t.Parallel()
	s := stacks["production"](t)
	d := deploy(t, s)
	bot := d.addBot(t, "Archived")
	d.say(t, bot, "Archived", "2022-05-01", 3)
	const name = "2022-05-01-0.json.gz"
	_, err := s.Blobs.ServiceClient().NewContainerClient(d.Telemetry.Container).NewBlobClient(d.Telemetry.Prefix+"/"+name).SetTier(t.Context(), blob.AccessTierArchive, nil)
	e2etest.Must(t, err)
	j := d.submitAndWatch(t, orderOf(response, bot, "2022-05-01", "2022-05-01")).End(t, time.Minute)
	const want = `telemetry object "2022-05-01-0.json.gz" cannot be read: it is in the archive tier: rehydrate it first`
	if j.Status != "FAILED" || j.StatusMessage != want {
		t.Errorf("%s: %s\nwant %s", j.Status, j.StatusMessage, want)
	}
	events, _ := d.history(t, j.RequestID)
	if got := attempts(events, "MakeReport"); !slices.Equal(got, []int32{1}) {
		t.Errorf("attempts %v, want one", got)
	}
	d.workflowStatus(t, j.RequestID) // it cleans up after it has failed
	if names := d.Reports.Names(t); len(names) > 0 {
		t.Errorf("left in the reports store: %q", names)
	}
}

// The SDK's own service version is one that Azurite does not know.
func TestAServiceVersionThatTheAccountDoesNotKnowIsSaidWhereverItMatters(t *testing.T) {
	t.Parallel()
	const (
		want = "the storage account does not know the service version 2026-12-06 that was sent in x-ms-version: " +
			"set EXHAUST_AZURE_API_VERSION to one that it knows"
		unset = "EXHAUST_AZURE_API_VERSION="
	)
	d := prepare(stacks["production"](t))
	d.StartAPI(t)
	d.Launch(t, "worker", unset).WaitForLog(t, "worker is running")

	bot := d.addBot(t, "Older")
	d.say(t, bot, "Older", "2022-05-01", 3)
	j := d.submitAndWatch(t, orderOf(response, bot, "2022-05-01", "2022-05-01")).End(t, time.Minute)
	if sentence := "the telemetry of 2022-05-01 cannot be listed: " + want; j.Status != "FAILED" || j.StatusMessage != sentence {
		t.Errorf("%s: %s\nwant %s", j.Status, j.StatusMessage, sentence)
	}
	events, _ := d.history(t, j.RequestID)
	if got := attempts(events, "PlanExhaust"); !slices.Equal(got, []int32{1}) {
		t.Errorf("attempts %v, want one", got)
	}

	port, err := devstack.FreePort()
	e2etest.Must(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	api := d.Launch(t, "api", unset, "EXHAUST_ADDR="+address)
	e2etest.Eventually(t, time.Minute, "/health names the stores", func() bool {
		health, err := e2etest.TryCall(t.Context(), http.MethodGet, "http://"+address+"/health", "", "")
		return err == nil && health.Status == http.StatusServiceUnavailable && strings.Contains(health.Sentence(t), "down: telemetry store, reports store")
	})
	if !strings.Contains(api.Log(t), want) {
		t.Errorf("the api's log does not say why")
	}

	out := e2etest.ExecStarter(t, append(slices.Clone(d.Env), unset), "setup", "--wait=30s")
	if log := out.Stdout + out.Stderr; out.Code == 0 || !strings.Contains(log, "EXHAUST_TELEMETRY_STORE: list ") || !strings.Contains(log, want) || strings.Contains(log, "waiting") {
		t.Errorf("setup ended with %d and waited, or does not say why: %s", out.Code, log)
	}
}

func TestACancelledExhaustStopsAndLeavesNothing(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		d.StartAPI(t)
		bot := d.addBot(t, "Cancelled")
		want := d.sayBehindFiller(t, bot, "Cancelled", "2022-05-01", 3)

		// Before there is a worker: it does nothing once there is one.
		early := orderOf(response, bot, "2022-05-01", "2022-05-01")
		waiting := d.submitAndWatch(t, early)
		if j := d.Post(t, early.Path("cancel", waiting.ID), channel, "").Job(t); j.Status != "SUBMITTED" && j.Status != "CANCELLED" {
			t.Errorf("without a worker cancel answered %s", j.Status)
		}
		d.StartWorker(t)
		if j := waiting.End(t, time.Minute); j.Status != "CANCELLED" || j.StatusMessage == "" {
			t.Errorf("cancelled before there was a worker: %s %q", j.Status, j.StatusMessage)
		}
		d.workflowStatus(t, waiting.ID)
		if events, _ := d.history(t, waiting.ID); len(starts(events, "MakeReport"))+len(starts(events, "FetchTelemetry")) > 0 {
			t.Error("telemetry was read for it")
		}

		// While it runs.
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		w := d.submitAndWatch(t, o)
		until(t, w, time.Minute, "it runs", isMidway)
		start := time.Now()
		d.Post(t, o.Path("cancel", w.ID), channel, "").Job(t)
		j := w.End(t, 20*time.Second)
		if j.Status != "CANCELLED" || j.StatusMessage == "" || len(j.DownloadURLs) != 0 || j.JobStats.Completed == nil {
			t.Errorf("it is %+v", j)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it was CANCELLED %s after it was asked to be", took)
		}
		if status := d.workflowStatus(t, w.ID); status != enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED {
			t.Errorf("its workflow is %s", status)
		}
		if names := d.Reports.Names(t); len(names) > 0 {
			t.Errorf("left in the reports store: %q", names)
		}
		// Cancelling it again changes nothing.
		again := d.Post(t, o.Path("cancel", w.ID), channel, "").Job(t)
		if again.Status != "CANCELLED" || again.LastUpdated != j.LastUpdated {
			t.Errorf("cancelled again: %+v", again)
		}
		// It runs again when it is submitted again, and what has succeeded cannot be cancelled.
		if again := d.Submit(t, o); again.Status != "SUBMITTED" || again.Attempts != 1 {
			t.Errorf("submitted again: %+v", again)
		}
		sameFile(t, "the second run", d.download(t, o, w.End(t, 2*time.Minute)), want)
		refused := d.Post(t, o.Path("cancel", w.ID), channel, "")
		if sentence := refused.Sentence(t); refused.Status != 400 || !strings.Contains(sentence, "SUCCESS") {
			t.Errorf("cancel of a SUCCESS answered %d: %s", refused.Status, sentence)
		}
	})
}

// putLongTelemetry puts telemetry of a conversation that takes some seconds to fetch and a moment to
// build: a plain object of more than 64 MiB, and one behind it that is mostly filler. It returns the
// first object, and the file of the exhaust.
func putLongTelemetry(t *testing.T, d deployment, bot string) (first object, file []byte) {
	t.Helper()
	events, more, padding := 190_000, 60_000, 10
	if e2etest.HasRaceDetector { // ten times slower, so a tenth of the events in as many bytes
		events, more, padding = 19_000, 6_000, 3_300
	}
	padded := `{"padding":"` + strings.Repeat("x", padding) + `","eid"`
	var plain, rest bytes.Buffer
	packed := gzip.NewWriter(&rest)
	rows := bytes.NewBufferString(responseHeader)
	for i := range events + more {
		event, row := simpleEvent(fmt.Sprintf("ASSESS:%06d", i), bot, time.Unix(1651363200, 0).UTC().Add(time.Duration(i)*time.Millisecond).Format("2006-01-02T15:04:05.000Z"))
		fmt.Fprintf(rows, row, "Long")
		if i < events {
			plain.WriteString(strings.Replace(event, `{"eid"`, padded, 1))
		} else {
			_, err := packed.Write([]byte(event))
			e2etest.Must(t, err)
		}
	}
	e2etest.Must(t, packed.Close())
	if plain.Len() < 64<<20 {
		t.Fatalf("the first object has only %d bytes", plain.Len())
	}
	first = object{"2022-05-01-0.json", plain.Bytes()}
	d.Telemetry.Put(t, first.name, first.content)
	d.Telemetry.Put(t, "2022-05-01-1.json.gz", slices.Concat(filler(), filler(), rest.Bytes()))
	return first, rows.Bytes()
}

// isPast returns a predicate: telemetry is being read that comes after its first object.
func isPast(first object) func(e2etest.Job) bool {
	return func(j e2etest.Job) bool { return isMidway(j) && j.Progress.BytesRead > int64(len(first.content)) }
}

func TestAWorkerThatDiesIsReplacedAndTheFileIsTheSame(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		d.StartAPI(t)
		bot := d.addBot(t, "Long")
		first, want := putLongTelemetry(t, d, bot)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		fetching := d.StartWorker(t)
		w := d.submitAndWatch(t, o)
		until(t, w, 2*time.Minute, "the first object is read", isPast(first))
		fetching.Kill(t)

		start := time.Now()
		j := w.Read(t)
		if took := time.Since(start); took > time.Second || j.Status != "PROCESSING" || j.Progress.Phase != "FETCHING" {
			t.Errorf("without a worker read answered %s in phase %s after %s", j.Status, j.Progress.Phase, took)
		}

		building := d.StartWorker(t)
		isBuilding := func(j e2etest.Job) bool { return j.Progress.Phase == "JOINING" || j.Progress.Phase == "BUILDING" }
		until(t, w, 2*time.Minute, "the report is built", func(j e2etest.Job) bool {
			return isBuilding(j) && d.isWorking(t, w.ID, "BuildReport")
		})
		building.Kill(t)
		if j := w.Read(t); j.Status != "PROCESSING" || !isBuilding(j) {
			t.Fatalf("the worker had gone on to %s, %s before it was killed", j.Status, j.Progress.Phase)
		}
		for _, name := range d.Reports.Names(t) {
			if strings.HasPrefix(name, response+"/") {
				t.Errorf("a file that is not whole is there: %s", name)
			}
		}
		d.StartWorker(t)
		end := w.End(t, 2*time.Minute)
		sameFile(t, "the exhaust", d.download(t, o, end), want)
		if rows := int64(bytes.Count(want, []byte("\n")) - 1); end.Attempts != 0 || end.Progress.RowsWritten != rows || end.Progress.Percent != 100 {
			t.Errorf("in the end: attempts %d, %+v", end.Attempts, end.Progress)
		}
		d.workflowStatus(t, w.ID)
		events, _ := d.history(t, w.ID)
		for _, activity := range []string{"FetchTelemetry", "BuildReport"} {
			if numbers := attempts(events, activity); !slices.Equal(numbers, []int32{2}) {
				t.Errorf("%s took the attempts %v, want one activity with its second attempt", activity, numbers)
			}
		}
	})
}

func TestAFetchResumesBehindWhatItHasRead(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		d.StartAPI(t)
		bot := d.addBot(t, "Long")
		first, want := putLongTelemetry(t, d, bot)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		worker := d.StartWorker(t)
		w := d.submitAndWatch(t, o)
		until(t, w, 2*time.Minute, "the first object is read", isPast(first))
		worker.Kill(t)
		// Who reads the first object again finds nothing in it any more.
		d.Telemetry.Put(t, first.name, []byte("\n"))
		d.StartWorker(t)
		sameFile(t, "the exhaust", d.download(t, o, w.End(t, 2*time.Minute)), want)
	})
}

func TestWorkersShareAnExhaust(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		d.StartAPI(t)
		bot := d.addBot(t, "Shared")
		want := bytes.NewBufferString(responseHeader)
		for day := range 30 {
			on := fmt.Sprintf("2022-06-%02d", day+1)
			event, row := simpleEvent("ASSESS:"+on, bot, on+"T10:00:00Z")
			fmt.Fprintf(want, row, "Shared")
			d.Telemetry.Put(t, on+"-0.json", []byte(event))
		}
		for range 2 {
			d.StartWorker(t)
		}
		d.waitForPollers(t, 2)
		j, file := d.produce(t, orderOf(response, bot, "2022-06-01", "2022-06-30"))
		sameFile(t, "the exhaust", file, want.Bytes())
		events, _ := d.history(t, j.RequestID)
		workers := map[string]int{}
		for _, start := range starts(events, "FetchTelemetry") {
			workers[start.GetActivityTaskStartedEventAttributes().GetIdentity()]++
		}
		if len(workers) != 2 {
			t.Errorf("the days were read by %v, want two workers", workers)
		}
	})
}

func TestAWorkerThatIsToldToStopHandsItsWorkOver(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := prepare(s)
		d.StartAPI(t)
		bot := d.addBot(t, "Handed over")
		want := d.sayBehindFiller(t, bot, "Handed over", "2022-05-01", 3)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		workers := []*e2etest.Process{d.StartWorker(t), d.StartWorker(t)}
		d.waitForPollers(t, 2)
		w := d.submitAndWatch(t, o)
		until(t, w, time.Minute, "it runs", isMidway)
		reading := d.readingWorker(t, w.ID)
		stop := time.Now()
		for _, worker := range workers {
			if strings.HasPrefix(reading, worker.Identity()) {
				worker.Terminate(t)
			}
		}
		end := w.End(t, 2*time.Minute)
		sameFile(t, "the exhaust", d.download(t, o, end), want)
		events, _ := d.history(t, w.ID)
		if numbers := attempts(events, "MakeReport"); !slices.Equal(numbers, []int32{2}) {
			t.Fatalf("the day was read in attempts %v, want the second", numbers)
		}
		// A worker taken for dead is replaced after ten seconds of silence.
		if after := starts(events, "MakeReport")[0].GetEventTime().AsTime().Sub(stop); after > 5*time.Second {
			t.Errorf("the other worker went on %s after this one was told to stop", after)
		}
	})
}

// TestAnExhaustOutlivesEveryServer takes a server of the stack down while telemetry is read. No other
// test runs meanwhile: it is not parallel.
func TestAnExhaustOutlivesEveryServer(t *testing.T) {
	s := stacks["production"](t)
	for _, c := range []struct {
		name string
		// kill is a crash; the emulator of Azure, which would forget what it was given last, stops in
		// order within back.
		kill, back func() error
		// down is what /health names meanwhile.
		down string
	}{
		{"temporal", s.Temporal.Kill, func() error { return s.Temporal.Restart(t.Context()) }, "temporal"},
		{"postgres", s.Postgres.Kill, func() error { return s.Postgres.Restart(t.Context()) }, "database"},
		{"azurite", nil, func() error { return s.Azurite.Restart(t.Context()) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t, s)
			bot := d.addBot(t, "Survivor")
			want := responseHeader
			for day := 1; day <= 4; day++ {
				rows := d.sayBehindFiller(t, bot, "Survivor", fmt.Sprintf("2022-05-%02d", day), 3*day)
				want += strings.TrimPrefix(string(rows), responseHeader)
			}
			o := orderOf(response, bot, "2022-05-01", "2022-05-04")
			w := d.submitAndWatch(t, o)
			until(t, w, time.Minute, "it runs", isMidway)
			before := w.Last
			if c.kill != nil {
				e2etest.Must(t, c.kill())
				// What it says may be a second old.
				e2etest.Eventually(t, 5*time.Second, "/health and /health/ready name "+c.down, func() bool {
					health, ready := e2etest.Call(t, "GET", d.URL+"/health", "", ""), e2etest.Call(t, "GET", d.URL+"/health/ready", "", "")
					return health.Status == 503 && strings.Contains(health.Sentence(t), c.down) &&
						ready.Status == 503 && strings.Contains(ready.Sentence(t), c.down)
				})
				if live := e2etest.Call(t, "GET", d.URL+"/health/live", "", ""); live.Status != 200 {
					t.Errorf("/health/live answered %d: %s", live.Status, live.Body)
				}
				if a := d.Get(t, o.Path("read", w.ID), channel); a.Status != 503 {
					t.Errorf("read answered %d: %s", a.Status, a.Body)
				}
			}
			e2etest.Must(t, c.back())
			e2etest.Eventually(t, time.Minute, "the api answers again", func() bool {
				a, err := e2etest.TryCall(t.Context(), "GET", d.RequestURL(o.Path("read", w.ID)), channel, "")
				return err == nil && a.Status == 200
			})
			w.Last = before
			end := w.End(t, 2*time.Minute)
			sameFile(t, "the exhaust", d.download(t, o, end), []byte(want))
			if end.Attempts != 0 {
				t.Errorf("attempts is %d", end.Attempts)
			}
			if status := d.workflowStatus(t, w.ID); status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
				t.Errorf("its workflow is %s", status)
			}
		})
	}
}
