package service

import (
	"context"
	"slices"
	"time"

	"data-exhaust/exhaust"
)

// TelemetryDay is the telemetry of one day.
type TelemetryDay struct {
	Day     exhaust.Day
	Objects int
	// Bytes are those of the objects as stored. Of a day that is TelemetryUnknown both are a lower bound.
	Bytes int64
	State TelemetryState
	// Refusal is a sentence about a store that will not list the day however long one waits; "" otherwise.
	Refusal string
}

// TelemetryState says whether a day has the telemetry that one expects of it.
type TelemetryState string

// The states of a day.
const (
	TelemetryPresent TelemetryState = "present"
	// TelemetryThin is a day with less than half of what the one in the middle has of those that are over and have telemetry.
	// Today, which is not over, never is.
	TelemetryThin TelemetryState = "thin"
	// TelemetryMissing is a day without any.
	TelemetryMissing TelemetryState = "missing"
	// TelemetryUnknown is a day that was not listed to its end in time.
	TelemetryUnknown TelemetryState = "unknown"
)

// TelemetryDays are the last days up to today, ascending, in less than a second: what is not listed by then is unknown. A store
// that refuses is not available.
func (o *Operations) TelemetryDays(ctx context.Context, days int) ([]TelemetryDay, error) {
	if days < 1 {
		return nil, nil
	}
	today := exhaust.DayOf(time.Now().In(o.exhausts.settings.Timezone))
	deadline, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	listed, err := o.lister.list(deadline, exhaust.Range{StartDate: today.Add(1 - days), EndDate: today})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err() // nobody waits for it any more
	case err != nil:
		return nil, &UnavailableError{TelemetryDependency, err}
	}
	return telemetryDays(listed, today), nil
}

func telemetryDays(listed []dayListing, today exhaust.Day) []TelemetryDay {
	days := make([]TelemetryDay, len(listed))
	var whole []int64
	for i, day := range listed {
		days[i] = TelemetryDay{Day: day.day, Objects: day.objects, Bytes: day.bytes, State: TelemetryPresent, Refusal: day.refusal}
		switch {
		case !day.isListed:
			days[i].State = TelemetryUnknown
		case day.objects == 0:
			days[i].State = TelemetryMissing
		case day.day != today:
			whole = append(whole, day.bytes)
		}
	}
	usual := median(whole)
	for i := range days {
		if days[i].State == TelemetryPresent && days[i].Day != today && float64(days[i].Bytes) < usual/2 {
			days[i].State = TelemetryThin
		}
	}
	return days
}

// median is the one in the middle, or the mean of the two there; 0 of none.
func median(values []int64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	slices.Sort(values)
	return (float64(values[(n-1)/2]) + float64(values[n/2])) / 2
}
