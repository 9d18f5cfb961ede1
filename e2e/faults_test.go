package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/klauspost/compress/gzip"
	enumspb "go.temporal.io/api/enums/v1"
)

func TestACorruptObjectEndsTheExhaustAtOnceAndIsNamed(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		bot := s.bot(t, "Corrupt")
		event, _ := simpleEvent("ASSESS:1", bot, "2022-05-01T10:00:00Z")
		whole := gzipped(t, 1, []byte(strings.Repeat(event, 50)))
		flipped := slices.Clone(whole)
		flipped[len(flipped)-8] ^= 1 // of the checksum, which stands before the length
		for day, c := range map[string]struct {
			name    string
			content []byte
		}{
			"2022-05-01": {"2022-05-01-cut.json.gz", whole[:len(whole)/2]},
			"2022-05-02": {"2022-05-02-sum.json.gz", flipped},
			"2022-05-03": {"2022-05-03-cut.json.zst", zstandard(t, 1, []byte(strings.Repeat(event, 50)))[:40]},
		} {
			d.say(t, bot, "Corrupt", day, 1)
			d.telemetry.put(t, c.name, c.content)
			began := time.Now()
			j := d.order(t, orderOf(response, bot, day, day)).end(t, time.Minute)
			if j.Status != "FAILED" || !strings.Contains(j.StatusMessage, c.name) || len(j.DownloadURLs) != 0 {
				t.Errorf("%s: %s %q", c.name, j.Status, j.StatusMessage)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("%s: it failed after %s, not at once", c.name, took)
			}
			if status := s.workflowStatus(t, j.RequestID); status != enumspb.WORKFLOW_EXECUTION_STATUS_FAILED {
				t.Errorf("%s: the workflow is %s", c.name, status)
			}
			events, _ := s.history(t, j.RequestID)
			for _, start := range started(events, "FetchTelemetry") {
				if attempt := start.GetActivityTaskStartedEventAttributes().GetAttempt(); attempt != 1 {
					t.Errorf("%s: it was read %d times", c.name, attempt)
				}
			}
		}
		if names := d.reports.names(t); len(names) > 0 {
			t.Errorf("left in the reports store: %q", names)
		}
	})
}

func TestALineOf17MiBIsSkippedAndCounted(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		bot := s.bot(t, "Long lines")
		var lines bytes.Buffer
		want := responseHeader
		for i, padding := range []int{0, 17 << 20, 1 << 20, 0} {
			event, row := simpleEvent(fmt.Sprintf("ASSESS:%d", i), bot, fmt.Sprintf("2022-05-01T10:00:%02dZ", i))
			lines.WriteString(strings.Replace(event, `{"eid"`, `{"padding":"`+strings.Repeat("x", padding)+`","eid"`, 1))
			if padding < 16<<20 {
				want += fmt.Sprintf(row, "Long lines")
			}
		}
		d.telemetry.put(t, "2022-05-01-0.json.gz", gzipped(t, 1, lines.Bytes()))
		j, file := d.make(t, orderOf(response, bot, "2022-05-01", "2022-05-01"))
		sameFile(t, "the exhaust", file, []byte(want))
		if j.Progress.LinesSkipped != 1 || j.Progress.EventsMatched != 3 || j.Progress.RowsWritten != 3 {
			t.Errorf("progress is %+v", j.Progress)
		}
	})
}

// TestAnObjectThatCannotBeReadIsWaitedFor makes an object unreadable as it happens: in a folder a link
// whose target is not mounted, in Azure a blob that was moved to the archive.
func TestAnObjectThatCannotBeReadIsWaitedFor(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := deploy(t, s)
		bot := s.bot(t, "Heals")
		want := d.say(t, bot, "Heals", "2022-05-01", 3)
		const name = "2022-05-01-0.json.gz"
		var heal func()
		if s.blobs == nil {
			file := filepath.Join(d.telemetry.folder, name)
			if err := os.Rename(file, file+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(name+".mounted", file); err != nil {
				t.Fatal(err)
			}
			heal = func() {
				if err := os.Rename(file+".away", file+".mounted"); err != nil {
					t.Fatal(err)
				}
			}
		} else {
			client := s.blobs.ServiceClient().NewContainerClient("telemetry").NewBlobClient(d.telemetry.prefix + "/" + name)
			if _, err := client.SetTier(t.Context(), blob.AccessTierArchive, nil); err != nil {
				t.Fatal(err)
			}
			heal = func() {
				if _, err := client.SetTier(t.Context(), blob.AccessTierHot, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		w := d.order(t, orderOf(response, bot, "2022-05-01", "2022-05-01"))
		tried := func() (attempt int32) {
			description, err := s.client.DescribeWorkflowExecution(t.Context(), "exhaust-"+w.id, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, pending := range description.GetPendingActivities() {
				attempt = max(attempt, pending.GetAttempt())
			}
			return attempt
		}
		w.until(t, time.Minute, "it was tried three times", func(j job) bool { return j.Status == "PROCESSING" && tried() >= 3 })
		heal()
		done := w.end(t, time.Minute)
		sameFile(t, "the exhaust", d.file(t, w.o, done), want)
	})
}

func TestACancelledExhaustStopsAndLeavesNothing(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		d.startAPI(t)
		bot := s.bot(t, "Cancelled")
		want := d.sayBehindFiller(t, bot, "Cancelled", "2022-05-01", 3)

		// Before there is a worker: it does nothing once there is one.
		early := orderOf(response, bot, "2022-05-01", "2022-05-01")
		waiting := d.order(t, early)
		if j := d.cancel(t, early, waiting.id).job(t); j.Status != "SUBMITTED" && j.Status != "CANCELLED" {
			t.Errorf("without a worker cancel answered %s", j.Status)
		}
		d.startWorker(t)
		if j := waiting.end(t, time.Minute); j.Status != "CANCELLED" || j.StatusMessage == "" {
			t.Errorf("cancelled before there was a worker: %s %q", j.Status, j.StatusMessage)
		}
		s.workflowStatus(t, waiting.id)
		if events, _ := s.history(t, waiting.id); len(started(events, "FetchTelemetry")) > 0 {
			t.Error("telemetry was read for it")
		}

		// While it runs.
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		w := d.order(t, o)
		w.until(t, time.Minute, "it runs", midway)
		began := time.Now()
		d.cancel(t, o, w.id).job(t)
		j := w.end(t, 20*time.Second)
		if j.Status != "CANCELLED" || j.StatusMessage == "" || len(j.DownloadURLs) != 0 || j.JobStats.Completed == nil {
			t.Errorf("it is %+v", j)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it was CANCELLED %s after it was asked to be", took)
		}
		if status := s.workflowStatus(t, w.id); status != enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED {
			t.Errorf("its workflow is %s", status)
		}
		if names := d.reports.names(t); len(names) > 0 {
			t.Errorf("left in the reports store: %q", names)
		}
		// Cancelling it again changes nothing.
		if again := d.cancel(t, o, w.id).job(t); again.Status != "CANCELLED" || again.LastUpdated != j.LastUpdated {
			t.Errorf("cancelled again: %+v", again)
		}
		// It runs again when it is submitted again, and what has succeeded cannot be cancelled.
		if again := d.submit(t, o); again.Status != "SUBMITTED" || again.Attempts != 1 {
			t.Errorf("submitted again: %+v", again)
		}
		sameFile(t, "the second run", d.file(t, o, w.end(t, 2*time.Minute)), want)
		refused := d.cancel(t, o, w.id)
		if sentence := errorSentence(t, refused); refused.status != 400 || !strings.Contains(sentence, "SUCCESS") {
			t.Errorf("cancel of a SUCCESS answered %d: %s", refused.status, sentence)
		}
	})
}

// long is a conversation's telemetry that takes some seconds to fetch and a moment to build: a plain
// object of more than 64 MiB, and one behind it that is mostly filler. Its file is known.
func long(t *testing.T, d *deployment, bot string) (first object, file []byte) {
	t.Helper()
	events, more, padding := 190_000, 60_000, 10
	if raced { // ten times slower, so a tenth of the events in as many bytes
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
		} else if _, err := packed.Write([]byte(event)); err != nil {
			t.Fatal(err)
		}
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	if plain.Len() < 64<<20 {
		t.Fatalf("the first object has only %d bytes", plain.Len())
	}
	first = object{"2022-05-01-0.json", plain.Bytes()}
	d.telemetry.put(t, first.name, first.content)
	d.telemetry.put(t, "2022-05-01-1.json.gz", slices.Concat(filler(), rest.Bytes()))
	return first, rows.Bytes()
}

// behind tells that telemetry is being read that comes after its first object.
func behind(first object) func(job) bool {
	return func(j job) bool { return midway(j) && j.Progress.BytesRead > int64(len(first.content)) }
}

func TestAWorkerThatDiesIsReplacedAndTheFileIsTheSame(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		d.startAPI(t)
		bot := s.bot(t, "Long")
		first, want := long(t, d, bot)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		fetching := d.startWorker(t)
		w := d.order(t, o)
		w.until(t, 2*time.Minute, "the first object is read", behind(first))
		fetching.kill(t)

		began := time.Now()
		j := w.read(t)
		if took := time.Since(began); took > time.Second || j.Status != "PROCESSING" || j.Progress.Phase != "FETCHING" {
			t.Errorf("without a worker read answered %s in phase %s after %s", j.Status, j.Progress.Phase, took)
		}

		building := d.startWorker(t)
		w.until(t, 2*time.Minute, "the CSV is built", func(j job) bool {
			return j.Progress.Phase == "BUILDING" && s.running(t, w.id, "BuildCSV")
		})
		building.kill(t)
		if j := w.read(t); j.Status != "PROCESSING" || j.Progress.Phase != "BUILDING" {
			t.Fatalf("the worker had gone on to %s, %s before it was killed", j.Status, j.Progress.Phase)
		}
		for _, name := range d.reports.names(t) {
			if strings.HasPrefix(name, response+"/") {
				t.Errorf("a file that is not whole is there: %s", name)
			}
		}
		d.startWorker(t)
		done := w.end(t, 2*time.Minute)
		sameFile(t, "the exhaust", d.file(t, o, done), want)
		if rows := int64(bytes.Count(want, []byte("\n")) - 1); done.Attempts != 0 || done.Progress.RowsWritten != rows || done.Progress.Percent != 100 {
			t.Errorf("in the end: attempts %d, %+v", done.Attempts, done.Progress)
		}
		s.workflowStatus(t, w.id)
		events, _ := s.history(t, w.id)
		for _, activity := range []string{"FetchTelemetry", "BuildCSV"} {
			if attempts := attemptsOf(started(events, activity)); !slices.Equal(attempts, []int32{2}) {
				t.Errorf("%s took the attempts %v, want one activity with its second attempt", activity, attempts)
			}
		}
	})
}

func TestAFetchResumesBehindWhatItHasRead(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		d.startAPI(t)
		bot := s.bot(t, "Long")
		first, want := long(t, d, bot)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		worker := d.startWorker(t)
		w := d.order(t, o)
		w.until(t, 2*time.Minute, "the first object is read", behind(first))
		worker.kill(t)
		// Who reads the first object again finds nothing in it any more.
		d.telemetry.put(t, first.name, []byte("\n"))
		d.startWorker(t)
		sameFile(t, "the exhaust", d.file(t, o, w.end(t, 2*time.Minute)), want)
	})
}

func attemptsOf[E interface {
	GetActivityTaskStartedEventAttributes() A
}, A interface{ GetAttempt() int32 }](starts []E) (attempts []int32) {
	for _, start := range starts {
		attempts = append(attempts, start.GetActivityTaskStartedEventAttributes().GetAttempt())
	}
	return attempts
}

func TestWorkersShareAnExhaust(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		d.startAPI(t)
		bot := s.bot(t, "Shared")
		want := bytes.NewBufferString(responseHeader)
		for day := range 30 {
			on := fmt.Sprintf("2022-06-%02d", day+1)
			event, row := simpleEvent("ASSESS:"+on, bot, on+"T10:00:00Z")
			fmt.Fprintf(want, row, "Shared")
			d.telemetry.put(t, on+"-0.json", []byte(event))
		}
		for range 2 {
			d.startWorker(t)
		}
		d.awaitPollers(t, 2)
		j, file := d.make(t, orderOf(response, bot, "2022-06-01", "2022-06-30"))
		sameFile(t, "the exhaust", file, want.Bytes())
		events, _ := s.history(t, j.RequestID)
		workers := map[string]int{}
		for _, start := range started(events, "FetchTelemetry") {
			workers[start.GetActivityTaskStartedEventAttributes().GetIdentity()]++
		}
		if len(workers) != 2 {
			t.Errorf("the days were read by %v, want two workers", workers)
		}
	})
}

func TestAWorkerThatIsToldToStopHandsItsWorkOver(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *stack) {
		d := prepare(t, s)
		d.startAPI(t)
		bot := s.bot(t, "Handed over")
		want := d.sayBehindFiller(t, bot, "Handed over", "2022-05-01", 3)
		o := orderOf(response, bot, "2022-05-01", "2022-05-01")
		leaving := d.startWorker(t)
		w := d.order(t, o)
		w.until(t, time.Minute, "it runs", midway)
		d.startWorker(t)
		d.awaitPollers(t, 2)
		if j := w.read(t); !midway(j) {
			t.Fatalf("it was over before the second worker was there: %+v", j)
		}
		told := time.Now()
		leaving.terminate(t)
		done := w.end(t, 2*time.Minute)
		sameFile(t, "the exhaust", d.file(t, o, done), want)
		events, _ := s.history(t, w.id)
		starts := started(events, "FetchTelemetry")
		if attempts := attemptsOf(starts); !slices.Equal(attempts, []int32{2}) {
			t.Fatalf("the day was read in attempts %v, want the second", attempts)
		}
		// A worker taken for dead is replaced after ten seconds of silence.
		if after := starts[0].GetEventTime().AsTime().Sub(told); after > 5*time.Second {
			t.Errorf("the other worker went on %s after this one was told to stop", after)
		}
	})
}

// TestAnExhaustOutlivesEveryServer takes a server of the stack down while telemetry is read. No other
// test runs meanwhile: it is not parallel.
func TestAnExhaustOutlivesEveryServer(t *testing.T) {
	s := stacks[1].get(t)
	for _, c := range []struct {
		name string
		// kill is a crash; the emulator of Azure, which would forget what it was given last, stops in
		// order within back.
		kill, back func() error
		// down is what /health names meanwhile.
		down string
	}{
		{"temporal", s.temporal.Kill, func() error { return s.temporal.Restart(t.Context()) }, "temporal"},
		{"postgres", s.postgres.Kill, func() error { return s.postgres.Restart(t.Context()) }, "database"},
		{"azurite", nil, func() error { return s.azurite.Restart(t.Context()) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t, s)
			bot := s.bot(t, "Survivor")
			want := responseHeader
			for day := 1; day <= 4; day++ {
				rows := d.sayBehindFiller(t, bot, "Survivor", fmt.Sprintf("2022-05-%02d", day), 3*day)
				want += strings.TrimPrefix(string(rows), responseHeader)
			}
			o := orderOf(response, bot, "2022-05-01", "2022-05-04")
			w := d.order(t, o)
			w.until(t, time.Minute, "it runs", midway)
			before := w.last
			if c.kill != nil {
				if err := c.kill(); err != nil {
					t.Fatal(err)
				}
				health := call(t, "GET", d.base+"/health", "", nil)
				if sentence := errorSentence(t, health); health.status != 503 || !strings.Contains(sentence, c.down) {
					t.Errorf("/health answered %d: %s", health.status, sentence)
				}
				if a := call(t, "GET", d.url("read", o.tag, w.id), channel, nil); a.status != 503 {
					t.Errorf("read answered %d: %s", a.status, a.body)
				}
			}
			if err := c.back(); err != nil {
				t.Fatal(err)
			}
			eventually(t, time.Minute, "the api answers again", func() bool {
				a, err := tryCall(t.Context(), "GET", d.url("read", o.tag, w.id), channel, nil)
				return err == nil && a.status == 200
			})
			w.last = before
			done := w.end(t, 2*time.Minute)
			sameFile(t, "the exhaust", d.file(t, o, done), []byte(want))
			if done.Attempts != 0 {
				t.Errorf("attempts is %d", done.Attempts)
			}
			if status := s.workflowStatus(t, w.id); status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
				t.Errorf("its workflow is %s", status)
			}
		})
	}
}
