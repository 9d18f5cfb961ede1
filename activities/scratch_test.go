package activities_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

// oneStep is what MakeReport is asked for a day.
func (r *rig) oneStep(dataset exhaust.Dataset) activities.BuildInput {
	r.t.Helper()
	part := r.part("2022-03-01", "2022-03-01")
	in := buildInput(dataset)
	in.Request.StartDate, in.Request.EndDate = "2022-03-01", "2022-03-01"
	in.Part = &part
	return in
}

// TestTelemetryThatIsReadInOneStepGivesTheSameReport: less is matched than is kept in memory, or more.
func TestTelemetryThatIsReadInOneStepGivesTheSameReport(t *testing.T) {
	for name, c := range map[string]struct {
		events     int
		isInMemory bool
	}{"less": {1_000, true}, "more": {20_000, false}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			random := rand.New(rand.NewPCG(1, 2))
			lines := []string{"no JSON"}
			for range c.events {
				mid := fmt.Sprintf("%x", random.Perm(200)) // which cannot be compressed by much
				lines = append(lines, answer(mid, fmt.Sprintf("2022-03-01T10:00:%02dZ", random.IntN(60)), device(random.IntN(3)+1)))
			}
			lines = append(lines, lines[1])
			r.put("2022-03-01-a.json", lines...)
			_, want := r.joinAndBuild(exhaust.ResponseExhaust, r.fetch("2022-03-01", "2022-03-01"))
			wanted := r.report(want.Report)
			in := r.oneStep(exhaust.ResponseExhaust)
			before := len(r.files("staging/"))
			built := must[activities.Built](r, r.MakeReport, in)
			if got := r.report(built.Report); got != wanted {
				t.Errorf("%d bytes, want %d", len(got), len(wanted))
			}
			events := int64(c.events)
			read := activities.Counts{ObjectsListed: 1, ObjectsRead: 1, BytesListed: in.Part.Bytes, BytesRead: in.Part.Bytes, EventsMatched: events + 1, LinesSkipped: 1}
			if built.Read != read || built.RowsWritten != events || built.Repeats != 1 {
				t.Errorf("it counts %+v, repeats %d, rows %d", built.Read, built.Repeats, built.RowsWritten)
			}
			if built.IsInMemory != c.isInMemory || (len(r.files("staging/")) == before) != c.isInMemory {
				t.Errorf("in memory is %v, %d files were staged, %d are now", built.IsInMemory, before, len(r.files("staging/")))
			}
		})
	}
}

func TestAnAttemptAtOneStepBeginsAnew(t *testing.T) {
	want := undisturbed(t)
	r := newRig(t)
	r.largeDay()
	in := r.oneStep(exhaust.ResponseExhaust)
	var seen opened
	isBroken := false
	r.deps.Telemetry = &store{
		Store:   r.telemetryStore,
		opening: func(name string) error { seen.add(name); return nil },
		reading: func(name string, source io.ReadCloser) io.ReadCloser {
			if name == "2022-03-01-c.json" && !isBroken {
				isBroken = true
				return &breaking{source, 9 << 20}
			}
			return source
		},
	}
	r.Activities = activities.New(r.deps, r.settings)
	env := r.environment(r.Activities)
	_, err := env.ExecuteActivity(r.MakeReport, in)
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != activities.Unavailable {
		t.Fatalf("the first attempt ended with %v", err)
	}
	built := must[activities.Built](r, r.MakeReport, in)
	if got := r.report(built.Report); got != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	twice := map[string]int{"2022-03-01-a.json": 2, "2022-03-01-b.json": 2, "2022-03-01-c.json": 2, "2022-03-01-d.json": 2}
	if got := seen.times(); !reflect.DeepEqual(got, twice) {
		t.Errorf("opened %v, want all twice", got)
	}
}

func TestOneStepWithoutAnEventIsNoData(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-a.json", strings.ReplaceAll(answer("a", "2022-03-01T10:00:00Z", device(1)), conversation, "another"))
	in := r.oneStep(exhaust.PrivateExhaust)
	_, err := run[activities.Built](r, r.MakeReport, in)
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Message() != "No data found" || !failed.NonRetryable() {
		t.Errorf("it ended with %v", err)
	}
	if got := r.files("uci-private-exhaust/"); len(got) > 0 {
		t.Errorf("it left %q", got)
	}
	in.Request.AllowEmpty = true
	built := must[activities.Built](r, r.MakeReport, in)
	if got := r.report(built.Report); got != strings.Join(exhaust.PrivateColumns, ",")+"\n" {
		t.Errorf("the file is %q", got)
	}
}

// TestFewEventsAreNotStaged: neither they nor what is found out about them reaches the store.
func TestFewEventsAreNotStaged(t *testing.T) {
	r := newRig(t)
	var lines []string
	for i := range 1000 {
		lines = append(lines, answer(fmt.Sprintf("m%d", i%990), "2022-03-01T10:00:00Z", device(1+i%3)))
	}
	r.put("2022-03-01-a.json", lines...)
	for _, dataset := range exhaust.Datasets {
		in := r.oneStep(dataset)
		before := r.files("staging/")
		built := must[activities.Built](r, r.MakeReport, in)
		if got := r.files("staging/"); !built.IsInMemory || !reflect.DeepEqual(got, before) {
			t.Errorf("%s: in memory is %v, staged are %q", dataset, built.IsInMemory, got)
		}
		if built.Read.EventsMatched != 1000 {
			t.Errorf("%s: %+v", dataset, built)
		}
	}
}
