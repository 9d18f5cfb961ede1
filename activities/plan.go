package activities

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"
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

// PlanFetch lists the telemetry from the first to the last day, stages the list, and divides it: a part is one day, or
// about 256 MB of a larger one; where that makes too many parts, neighbours are put together. Days without telemetry
// are left out.
func (a *Activities) PlanFetch(ctx context.Context, first, last exhaust.Day, staging string) ([]Part, error) {
	if staging == "" {
		return nil, errStagedByAnotherRelease
	}
	return WithHeartbeats(ctx, func(ctx context.Context) ([]Part, error) {
		parts, err := a.planFetch(ctx, first, last, staging)
		return parts, stagingError(err)
	})
}

func (a *Activities) planFetch(ctx context.Context, first, last exhaust.Day, staging string) ([]Part, error) {
	p := planner{store: a.deps.Reports, telemetry: a.deps.Telemetry, layout: a.settings.Layout, staging: staging, attempt: newAttempt(), listedAt: time.Now().UTC()}
	days := make([][]Part, first.DaysTo(last))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listings)
	for i := range days {
		group.Go(func() error {
			var err error
			days[i], err = p.planDay(ctx, first.Add(i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var parts []Part
	for _, day := range days {
		parts = append(parts, day...)
	}
	parts = mergeParts(parts)
	for i := range parts {
		parts[i].Number = i
	}
	return parts, nil
}

// newAttempt is a random name of one attempt at an activity. Its number would not do: that starts anew when an operator
// resets the activity.
func newAttempt() string { return uuid.NewString()[:8] }

// planner is one attempt at PlanFetch.
type planner struct {
	store            segments.Store
	telemetry        blob.Store
	layout           telemetry.Layout
	staging, attempt string
	listedAt         time.Time
}

// planDay lists the telemetry of one day once, and stages each part's list while it goes on.
func (p planner) planDay(ctx context.Context, day exhaust.Day) ([]Part, error) {
	next, stop := iter.Pull2(p.objects(ctx, day))
	defer stop()
	var parts []Part
	for object, err, ok := next(); ok; {
		if err != nil {
			return nil, storeError(err, fmt.Sprintf("the telemetry of %s cannot be listed", day))
		}
		part := Part{
			Listings: []string{fmt.Sprintf("%s-%s-%d", p.attempt, strings.ReplaceAll(string(day), "-", ""), len(parts))},
			ListedAt: p.listedAt, FirstDay: day, LastDay: day,
		}
		var record []byte
		stageErr := segments.Write(ctx, p.store, listingName(p.staging, part.Listings[0]), func(add func([]byte) error) error {
			for ok && err == nil && (part.Objects == 0 || part.Bytes+object.Size <= partBytes) {
				record = appendObject(record[:0], object)
				if err := add(record); err != nil {
					return err
				}
				part.Objects++
				part.Bytes += object.Size
				object, err, ok = next()
			}
			return nil
		})
		if stageErr != nil {
			return nil, stageErr
		}
		parts = append(parts, part)
	}
	return parts, nil
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
