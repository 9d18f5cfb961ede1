package activities_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities"
	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

func TestAPartIsADayOrAbout256MebibytesOfALargeOne(t *testing.T) {
	const mib = 1 << 20
	r := newRig(t)
	// sparse makes an object of a size that takes no room.
	sparse := func(name string, size int64) {
		r.write(name, nil)
		if size > 0 {
			r.grow(name, size)
		}
	}
	sparse("2022-02-28-0.json.gz", 5) // before the range
	sparse("2022-03-01-0.json.gz", 100*mib)
	sparse("2022-03-01/part-1.json.gz", 156*mib) // with the one above exactly 256 MiB
	sparse("2022-03-01/_SUCCESS", 0)             // no telemetry
	sparse("2022-03-01/part-1.json.gz.crc", 900*mib)
	// Nothing on 2 March but what is no telemetry.
	sparse("2022-03-02-manifest.txt", 7)
	// A large day: 200, 57 | 300 | 256, 0 | 1.
	sparse("2022-03-03-a.json", 200*mib)
	sparse("2022-03-03-b.json", 56*mib)
	sparse("2022-03-03-c.json", 300*mib)
	sparse("2022-03-03-d.json", 256*mib)
	sparse("2022-03-03-e.json", 0)
	sparse("2022-03-03-f.json", 1)
	sparse("2022-03-04.log", 0)        // an object without a byte
	sparse("2022-03-05-0.json.gz", 5)  // after the range
	sparse("2022-03-010-0.json.gz", 5) // begins as 1 March does: it is of that day
	before := time.Now()
	parts := must[[]activities.Part](r, r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-04"), staging)
	var got []string
	for i, part := range parts {
		if part.Number != i || part.ListedAt.Before(before.Add(-time.Second)) || part.ListedAt.After(time.Now().Add(time.Second)) {
			t.Errorf("part %d: number %d, listed at %s", i, part.Number, part.ListedAt)
		}
		got = append(got, fmt.Sprintf("%s to %s, %d objects, %d bytes: %s", part.FirstDay, part.LastDay, part.Objects, part.Bytes, strings.Join(r.listed(part), " ")))
	}
	want := []string{
		"2022-03-01 to 2022-03-01, 2 objects, 268435456 bytes: 2022-03-01-0.json.gz 2022-03-01/part-1.json.gz",
		"2022-03-01 to 2022-03-01, 1 objects, 5 bytes: 2022-03-010-0.json.gz",
		"2022-03-03 to 2022-03-03, 2 objects, 268435456 bytes: 2022-03-03-a.json 2022-03-03-b.json",
		"2022-03-03 to 2022-03-03, 1 objects, 314572800 bytes: 2022-03-03-c.json",
		"2022-03-03 to 2022-03-03, 2 objects, 268435456 bytes: 2022-03-03-d.json 2022-03-03-e.json",
		"2022-03-03 to 2022-03-03, 1 objects, 1 bytes: 2022-03-03-f.json",
		"2022-03-04 to 2022-03-04, 1 objects, 0 bytes: 2022-03-04.log",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// listed is the names on the lists that were staged of a part, as a segment holds them: each record begins with a name and
// its length.
func (r *rig) listed(part activities.Part) (names []string) {
	r.t.Helper()
	for _, listing := range part.Listings {
		err := segments.Read(r.t.Context(), r.deps.Reports, staging+"listing-"+listing, func(record []byte) error {
			name, _, err := segments.Cell(string(record))
			names = append(names, name)
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return names
}

func list(parts []activities.Part) string {
	var lines []string
	for _, part := range parts {
		lines = append(lines, fmt.Sprintf("%+v", part))
	}
	return strings.Join(lines, "\n")
}

func TestARangeWithoutTelemetryHasNoParts(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-0.json", answer("m", "2022-03-01T00:00:00Z", device(1)))
	if got := must[[]activities.Part](r, r.PlanFetch, exhaust.Day("2022-03-02"), exhaust.Day("2022-03-31"), staging); len(got) != 0 {
		t.Errorf("got\n%s", list(got))
	}
}

// manyObjects is a store of objects that are listed only: so many a day, each of a size of its own.
type manyObjects struct {
	blob.Store
	each int
	size int64
}

func (s manyObjects) List(_ context.Context, prefix, after string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		for i := range s.each {
			name := fmt.Sprintf("%s-%05d.json.gz", prefix, i)
			if name > after && !yield(blob.Object{Name: name, Size: s.size}, nil) {
				return
			}
		}
	}
}

func TestThereAreNeverMoreThan240PartsAndNothingIsLostBetweenThem(t *testing.T) {
	for _, test := range []struct {
		name        string
		first, last exhaust.Day
		each        int
		size        int64
		parts       int
	}{
		{"240 days stay days", "2022-01-01", "2022-08-28", 1, 1000, 240},
		{"241 days go together in pairs", "2022-01-01", "2022-08-29", 1, 1000, 121},
		{"366 days in pairs", "2020-01-01", "2020-12-31", 3, 1000, 183},
		// 366 days of 4 parts each are 1464: by 7 they are 210.
		{"366 large days by seven", "2020-01-01", "2020-12-31", 4, 200 << 20, 210},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.deps.Telemetry = manyObjects{each: test.each, size: test.size}
			parts, err := runOf[[]activities.Part](r, activities.New(r.deps, r.settings), r.PlanFetch, test.first, test.last, staging)
			if err != nil {
				t.Fatal(err)
			}
			if len(parts) != test.parts {
				t.Errorf("%d parts, want %d", len(parts), test.parts)
			}
			var objects int
			var bytes int64
			for i, part := range parts {
				objects += part.Objects
				bytes += part.Bytes
				if part.Number != i {
					t.Errorf("part %d is numbered %d", i, part.Number)
				}
			}
			days := test.first.DaysTo(test.last)
			if objects != days*test.each || bytes != int64(days*test.each)*test.size {
				t.Errorf("%d objects of %d bytes, want %d of %d", objects, bytes, days*test.each, int64(days*test.each)*test.size)
			}
			// Each object lies in exactly one part, in the order of days and names.
			var got, want []string
			for _, part := range parts {
				got = append(got, r.listed(part)...)
			}
			for day := test.first; day <= test.last; day = day.Add(1) {
				for object := range (manyObjects{each: test.each}).List(t.Context(), string(day), "") {
					want = append(want, object.Name)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d objects are listed, want the %d of the store, in their order", len(got), len(want))
			}
		})
	}
}

func TestTheListsOfManyShortDaysAreStaged(t *testing.T) {
	r := newRig(t)
	r.settings.InlineObjects = 4
	r.Activities = activities.New(r.deps, r.settings)
	request := request(exhaust.ResponseExhaust)
	request.StartDate, request.EndDate, request.SubmittedAt = "2022-03-01", "2022-03-03", time.Now()
	for object := range 2 {
		for day := range 3 {
			r.put(fmt.Sprintf("2022-03-%02d-%d.json", day+1, object), answer("m", "2022-03-01T10:00:00Z", device(1)))
		}
	}
	plan := must[activities.Plan](r, r.PlanExhaust, activities.PlanInput{Job: exhaust.Job{Request: request, State: exhaust.State{Status: exhaust.Processing}}, Staging: staging})
	var got []string
	for _, part := range plan.Parts {
		if len(part.Inline) > 0 {
			t.Errorf("part %d holds its objects itself, though there are 6", part.Number)
		}
		got = append(got, r.listed(part)...)
	}
	want := []string{"2022-03-01-0.json", "2022-03-01-1.json", "2022-03-02-0.json", "2022-03-02-1.json", "2022-03-03-0.json", "2022-03-03-1.json"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAnObjectThatArrivesAfterThePlanWaitsForTheNextExhaust(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"b", "d", "f"} {
		r.put("2022-03-01-"+name+".json", answer(name, "2022-03-01T00:00:00Z", device(1)))
	}
	part := r.part("2022-03-01", "2022-03-01")
	for _, name := range []string{"a", "c", "e", "g"} {
		r.put("2022-03-01-"+name+".json", answer(name, "2022-03-01T00:00:00Z", device(1)))
	}
	fetched := must[activities.Fetched](r, r.FetchTelemetry, r.fetchInput(part))
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if got := column(rows(t, r.report(built.Report)), 0); got != "b d f" {
		t.Errorf("messages %s, want b d f", got)
	}
	_, built = r.joinAndBuild(exhaust.ResponseExhaust, r.fetch("2022-03-01", "2022-03-01"))
	if got := column(rows(t, r.report(built.Report)), 0); got != "a b c d e f g" {
		t.Errorf("messages of the next exhaust %s, want a b c d e f g", got)
	}
}

func TestWhatAnotherReleasePlannedOrStagedIsStagedAnew(t *testing.T) {
	r := newRig(t)
	segment := []activities.SegmentRange{{Part: 0, Attempt: "0a1b2c3d", Count: 1}}
	build := buildInput(exhaust.ResponseExhaust)
	build.Segments = segment
	for name, activity := range map[string]struct {
		do any
		in []any
	}{
		"a plan without a staging":   {r.PlanFetch, []any{exhaust.Day("2022-03-01"), exhaust.Day("2022-03-01"), ""}},
		"a part without a list":      {r.FetchTelemetry, []any{r.fetchInput(activities.Part{Objects: 1})}},
		"segments to join":           {r.JoinDevices, []any{activities.JoinInput{Dataset: exhaust.ResponseExhaust, Staging: staging, Segments: segment}}},
		"segments to build of":       {r.BuildCSV, []any{build}},
		"a build that lists nothing": {r.BuildCSV, []any{activities.BuildInput{Request: request(exhaust.PrivateExhaust), Staging: staging}}},
	} {
		_, err := r.environment(r.Activities).ExecuteActivity(activity.do, activity.in...)
		if failure := applicationError(t, err); !failure.NonRetryable() || failure.Type() != activities.StagingGone {
			t.Errorf("%s: %v", name, failure)
		}
	}
}

// TestAPlanThatAnotherReleaseAskedForIsStagedAnew asks a server's worker, as an exhaust in flight would: the releases before
// gave PlanFetch two arguments.
func TestAPlanThatAnotherReleaseAskedForIsStagedAnew(t *testing.T) {
	server := startTemporal(t)
	w := worker.New(server, "plan", worker.Options{})
	planWorkflow := func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		return workflow.ExecuteActivity(ctx, "PlanFetch", "2022-03-01", "2022-03-02").Get(ctx, nil)
	}
	w.RegisterWorkflowWithOptions(planWorkflow, workflow.RegisterOptions{Name: "plan"})
	w.RegisterActivity(newRig(t).Activities)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := server.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "plan"}, "plan")
	if err != nil {
		t.Fatal(err)
	}
	if failure := applicationError(t, run.Get(t.Context(), nil)); failure.Type() != activities.StagingGone {
		t.Errorf("type %s: %s", failure.Type(), failure.Message())
	}
}

func TestAListingThatFailsIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.deps.Telemetry = failingList{}
	_, err := runOf[[]activities.Part](r, activities.New(r.deps, r.settings), r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-02"), staging)
	failure := applicationError(t, err)
	if cause := because(t, failure); failure.NonRetryable() || failure.Type() != activities.Unavailable || failure.Message() != "telemetry store: it failed" ||
		!strings.Contains(cause, "the telemetry of 2022-03-0") || !strings.Contains(cause, " cannot be listed: the store is away") {
		t.Errorf("non-retryable: %v, %v", failure.NonRetryable(), failure)
	}
}

type failingList struct{ blob.Store }

func (failingList) List(context.Context, string, string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) { yield(blob.Object{}, fmt.Errorf("the store is away")) }
}
