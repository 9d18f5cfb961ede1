package activities_test

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

func at(day exhaust.Day, name string) activities.Position {
	return activities.Position{Day: day, Name: name}
}

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
	got := must[[]activities.Part](r, r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-04"))
	want := []activities.Part{
		{Number: 0, Begin: at("2022-03-01", ""), End: at("2022-03-01", "2022-03-01/part-1.json.gz"), Objects: 2, Bytes: 256 * mib},
		{Number: 1, Begin: at("2022-03-01", "2022-03-01/part-1.json.gz"), End: at("2022-03-01", ""), Objects: 1, Bytes: 5},
		{Number: 2, Begin: at("2022-03-03", ""), End: at("2022-03-03", "2022-03-03-b.json"), Objects: 2, Bytes: 256 * mib},
		{Number: 3, Begin: at("2022-03-03", "2022-03-03-b.json"), End: at("2022-03-03", "2022-03-03-c.json"), Objects: 1, Bytes: 300 * mib},
		{Number: 4, Begin: at("2022-03-03", "2022-03-03-c.json"), End: at("2022-03-03", "2022-03-03-e.json"), Objects: 2, Bytes: 256 * mib},
		{Number: 5, Begin: at("2022-03-03", "2022-03-03-e.json"), End: at("2022-03-03", ""), Objects: 1, Bytes: 1},
		{Number: 6, Begin: at("2022-03-04", ""), End: at("2022-03-04", ""), Objects: 1, Bytes: 0},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", list(got), list(want))
	}
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
	if got := must[[]activities.Part](r, r.PlanFetch, exhaust.Day("2022-03-02"), exhaust.Day("2022-03-31")); len(got) != 0 {
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
			parts, err := runOf[[]activities.Part](r, activities.New(r.deps, r.settings), r.PlanFetch, test.first, test.last)
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
			// Each object lies in exactly one part.
			next := 0
			for day := test.first; day <= test.last; day = day.Add(1) {
				for object := range (manyObjects{each: test.each}).all(day) {
					for !contains(parts[next], day, object) {
						if next++; next == len(parts) {
							t.Fatalf("%s is in no part", object)
						}
					}
					if next+1 < len(parts) && contains(parts[next+1], day, object) {
						t.Fatalf("%s is in two parts", object)
					}
				}
			}
			if next != len(parts)-1 {
				t.Errorf("the last part of %d is without an object", len(parts))
			}
		})
	}
}

func (s manyObjects) all(day exhaust.Day) iter.Seq[string] {
	return func(yield func(string) bool) {
		for object := range s.List(context.Background(), string(day), "") {
			if !yield(object.Name) {
				return
			}
		}
	}
}

// contains says by the words of activities.Part whether an object is of a part: after Begin and not
// after End.
func contains(part activities.Part, day exhaust.Day, name string) bool {
	if day < part.Begin.Day || day > part.End.Day {
		return false
	}
	afterBegin := day > part.Begin.Day || name > part.Begin.Name
	notAfterEnd := day < part.End.Day || part.End.Name == "" || name <= part.End.Name
	return afterBegin && notAfterEnd
}

func TestAnObjectThatArrivesAfterThePlanIsReadOnce(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"b", "d", "f"} {
		r.put("2022-03-01-"+name+".json", answer(name, "2022-03-01T00:00:00Z", device(1)))
		r.grow("2022-03-01-"+name+".json", 250<<20)
	}
	parts := must[[]activities.Part](r, r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-01"))
	if len(parts) != 3 {
		t.Fatalf("the plan:\n%s", list(parts))
	}
	// The fetching itself need not read the zeros.
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		r.put("2022-03-01-"+name+".json", answer(name, "2022-03-01T00:00:00Z", device(1)))
	}
	var ranges []activities.SegmentRange
	for _, part := range parts {
		fetched := must[activities.Fetched](r, r.FetchTelemetry, r.fetchInput(part))
		ranges = append(ranges, fetched.Segments...)
	}
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, ranges)
	if got := column(rows(t, r.report(built.Report)), 0); got != "a b c d e f g" {
		t.Errorf("messages %s, want a b c d e f g", got)
	}
}

func TestAListingThatFailsIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.deps.Telemetry = failingList{}
	_, err := runOf[[]activities.Part](r, activities.New(r.deps, r.settings), r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-02"))
	failure := applicationError(t, err)
	if failure.NonRetryable() || !strings.HasPrefix(failure.Message(), "listing the telemetry of 2022-03-0") || !strings.HasSuffix(failure.Message(), ": the store is away") {
		t.Errorf("non-retryable: %v, message: %s", failure.NonRetryable(), failure.Message())
	}
}

type failingList struct{ blob.Store }

func (failingList) List(context.Context, string, string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) { yield(blob.Object{}, fmt.Errorf("the store is away")) }
}
