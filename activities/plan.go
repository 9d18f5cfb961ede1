package activities

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// Part is the telemetry that one FetchTelemetry reads: the objects of its days that come after Begin
// and not after End. Its bounds are names rather than a list of objects, so an object that arrives
// later belongs to exactly one part as well.
type Part struct {
	Number  int      `json:"number"`
	Begin   Position `json:"begin"`
	End     Position `json:"end"`
	Objects int      `json:"objects"`
	// Bytes are those of the objects as stored.
	Bytes int64 `json:"bytes"`
}

// Position is a place in the telemetry of several days. Name is the object's; "" is the beginning of
// the day in Part.Begin and its end in Part.End.
type Position struct {
	Day  exhaust.Day `json:"day"`
	Name string      `json:"name,omitempty"`
}

const (
	// partBytes is how much telemetry of a large day one FetchTelemetry reads.
	partBytes = 256 << 20
	// maxParts keeps the history of a year's exhaust under 2,000 events (7 a part at the most).
	maxParts = 240
	listings = 8
)

// PlanFetch lists the telemetry from the first to the last day and divides it: a part is one day, or
// about 256 MB of a larger one; where that makes too many parts, neighbours are put together. Days
// without telemetry are left out.
func (a *Activities) PlanFetch(ctx context.Context, first, last exhaust.Day) ([]Part, error) {
	return WithHeartbeats(ctx, func(ctx context.Context) ([]Part, error) { return a.planFetch(ctx, first, last) })
}

func (a *Activities) planFetch(ctx context.Context, first, last exhaust.Day) ([]Part, error) {
	days := make([][]Part, first.DaysTo(last))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listings)
	for i := range days {
		group.Go(func() error {
			var err error
			days[i], err = a.planDay(ctx, first.Add(i))
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

func (a *Activities) planDay(ctx context.Context, day exhaust.Day) ([]Part, error) {
	var parts []Part
	part := Part{Begin: Position{Day: day}}
	for object, err := range a.deps.Telemetry.List(ctx, a.settings.Layout.Prefix(day), "") {
		if err != nil {
			return nil, fmt.Errorf("listing the telemetry of %s: %w", day, err)
		}
		if !telemetry.IsTelemetry(object.Name) {
			continue
		}
		if part.Objects > 0 && part.Bytes+object.Size > partBytes {
			parts = append(parts, part)
			part = Part{Begin: part.End}
		}
		part.End = Position{Day: day, Name: object.Name}
		part.Objects++
		part.Bytes += object.Size
	}
	if part.Objects == 0 {
		return nil, nil
	}
	part.End.Name = ""
	return append(parts, part), nil
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
			joined.End = part.End
			joined.Objects += part.Objects
			joined.Bytes += part.Bytes
		}
		parts = fewer
	}
	return parts
}
