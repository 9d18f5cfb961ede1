package activities

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// Part is the telemetry that one FetchTelemetry reads: the objects of its listings, in their order.
type Part struct {
	Number int `json:"number"`
	// Listings name the staged lists of the part's objects.
	Listings []string `json:"listings,omitempty"`
	// Inline are the objects themselves, where the exhaust has few.
	Inline []ListedObject `json:"inline,omitempty"`
	// ListedAt is when PlanFetch began to list: the part holds what was there then.
	ListedAt time.Time `json:"listedAt,omitzero"`
	// FirstDay and LastDay are those of its objects' names.
	FirstDay exhaust.Day `json:"firstDay,omitempty"`
	LastDay  exhaust.Day `json:"lastDay,omitempty"`
	Objects  int         `json:"objects"`
	// Bytes are those of the objects as stored.
	Bytes int64 `json:"bytes"`
}

const (
	// partBytes is how much telemetry of a large day one FetchTelemetry reads.
	partBytes = 256 << 20
	// maxParts keeps the history of a year's exhaust under 2,000 events (7 a part at the most).
	maxParts = 240
	listings = 8
)

// PlanInput says what to plan.
type PlanInput struct {
	// Job is the exhaust as it stands now: PROCESSING.
	Job exhaust.Job `json:"job"`
	// Staging is the prefix of the names of all that the exhaust stages.
	Staging string `json:"staging"`
}

// Plan is what an exhaust has to do.
type Plan struct {
	Resolved
	// Parts are those to read; none of an exhaust that is not made from telemetry.
	Parts []Part `json:"parts,omitempty"`
}

// PlanExhaust records that the exhaust is PROCESSING, finds its conversation and its days, and lists and divides their
// telemetry.
func (a *Activities) PlanExhaust(ctx context.Context, in PlanInput) (Plan, error) {
	return withHeartbeats(ctx, func(ctx context.Context, _ *heartbeater) (plan Plan, err error) {
		if err := a.deps.Jobs.Save(ctx, in.Job); err != nil {
			return Plan{}, err
		}
		if plan.Resolved, err = a.ResolveConversation(ctx, in.Job.Request); err != nil || !in.Job.UsesTelemetry() {
			return plan, err
		}
		plan.Parts, err = a.planFetch(ctx, plan.StartDate, plan.EndDate, in.Staging, a.settings.InlineObjects)
		return plan, stagingError(err)
	})
}

// PlanFetch lists the telemetry from the first to the last day, stages the list, and divides it: a part is one day, or
// about 256 MB of a larger one; where that makes too many parts, neighbours are put together. Days without telemetry
// are left out. Only exhausts that began before PlanExhaust was there call it by itself.
func (a *Activities) PlanFetch(ctx context.Context, first, last exhaust.Day, staging string) ([]Part, error) {
	if staging == "" {
		return nil, errStagedByAnotherRelease
	}
	return withHeartbeats(ctx, func(ctx context.Context, _ *heartbeater) ([]Part, error) {
		parts, err := a.planFetch(ctx, first, last, staging, 0) // who calls it may not know of objects inline
		return parts, stagingError(err)
	})
}

func (a *Activities) planFetch(ctx context.Context, first, last exhaust.Day, staging string, inline int) ([]Part, error) {
	p := planner{inline: inline, store: a.deps.Reports, telemetry: a.deps.Telemetry, layout: a.settings.Layout, staging: staging, attempt: newAttempt(), listedAt: time.Now().UTC()}
	days := make([][]Part, first.DaysTo(last))
	group, listing := errgroup.WithContext(ctx) // which ends with the group
	group.SetLimit(listings)
	for i := range days {
		group.Go(func() error {
			var err error
			days[i], err = p.planDay(listing, first.Add(i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var parts []Part
	objects := 0
	for _, day := range days {
		parts = append(parts, day...)
		for _, part := range day {
			objects += part.Objects
		}
	}
	if objects > p.inline || len(parts) > maxParts {
		if err := p.stageInline(ctx, parts); err != nil {
			return nil, err
		}
	}
	parts = mergeParts(parts)
	for i := range parts {
		parts[i].Number = i
	}
	return parts, nil
}

// planner is one attempt at PlanFetch.
type planner struct {
	store            segments.Store
	telemetry        blob.Store
	layout           telemetry.Layout
	staging, attempt string
	listedAt         time.Time
	// inline is how many objects may stay inline.
	inline int
}

// planDay lists the telemetry of one day once, and stages each part's list while it goes on, unless it is short.
func (p planner) planDay(ctx context.Context, day exhaust.Day) ([]Part, error) {
	next, stop := iter.Pull2(p.objects(ctx, day))
	defer stop()
	var parts []Part
	for object, err, ok := next(); ok; {
		part := Part{ListedAt: p.listedAt, FirstDay: day, LastDay: day}
		// rest yields the part's objects, each once.
		rest := func() (blob.Object, bool) {
			if !ok || err != nil || part.Objects > 0 && part.Bytes+object.Size > partBytes {
				return blob.Object{}, false
			}
			current := object
			part.Objects++
			part.Bytes += object.Size
			object, err, ok = next()
			return current, true
		}
		for len(part.Inline) <= p.inline {
			object, ok := rest()
			if !ok {
				break
			}
			part.Inline = append(part.Inline, listedObject(object))
		}
		if len(part.Inline) > p.inline {
			if err := p.stageList(ctx, &part, len(parts), rest); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, failedOf(telemetryStore, err, fmt.Sprintf("the telemetry of %s cannot be listed", day))
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// stageInline stages the lists that are not staged yet.
func (p planner) stageInline(ctx context.Context, parts []Part) error {
	none := func() (blob.Object, bool) { return blob.Object{}, false }
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listings)
	ofDay := 0
	for i := range parts {
		if i == 0 || parts[i].FirstDay != parts[i-1].FirstDay {
			ofDay = 0
		}
		number := ofDay
		ofDay++
		if len(parts[i].Inline) > 0 {
			group.Go(func() error { return p.stageList(ctx, &parts[i], number, none) })
		}
	}
	return group.Wait()
}

// stageList stages the list of a part, the number-th of its day: what it holds inline, and the rest.
func (p planner) stageList(ctx context.Context, part *Part, number int, rest func() (blob.Object, bool)) error {
	listing := fmt.Sprintf("%s-%s-%d", p.attempt, strings.ReplaceAll(string(part.FirstDay), "-", ""), number)
	var record []byte
	err := segments.Write(ctx, p.store, listingName(p.staging, listing), func(add func([]byte) error) error {
		for _, object := range part.Inline {
			record = appendObject(record[:0], object.object())
			if err := add(record); err != nil {
				return err
			}
		}
		for object, ok := rest(); ok; object, ok = rest() {
			record = appendObject(record[:0], object)
			if err := add(record); err != nil {
				return err
			}
		}
		return nil
	})
	part.Listings, part.Inline = []string{listing}, nil
	return err
}

// objects yields the telemetry objects of a day in the order of their names.
func (p planner) objects(ctx context.Context, day exhaust.Day) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		for object, err := range p.telemetry.List(ctx, p.layout.Prefix(day), "") {
			if (err != nil || telemetry.IsTelemetry(object.Name)) && !yield(object, err) {
				return
			}
		}
	}
}

// mergeParts joins neighbours until there are no more than maxParts.
func mergeParts(parts []Part) []Part {
	for len(parts) > maxParts {
		size := (len(parts) + maxParts - 1) / maxParts
		var fewer []Part
		for i, part := range parts {
			if i%size == 0 {
				fewer = append(fewer, part)
				continue
			}
			joined := &fewer[len(fewer)-1]
			joined.Listings = append(joined.Listings, part.Listings...)
			joined.LastDay = part.LastDay
			joined.Objects += part.Objects
			joined.Bytes += part.Bytes
		}
		parts = fewer
	}
	return parts
}
