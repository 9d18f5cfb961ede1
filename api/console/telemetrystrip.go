package console

import (
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// telemetryStrip is the telemetry of the last days, one after the other.
type telemetryStrip struct {
	Days []service.TelemetryDay
	// Present, Thin, Missing and Unknown count the days. Today, which is not over, is none that is missing.
	Present, Thin, Missing, Unknown int
	// Refusals are what a store says that will not list some of them.
	Refusals []string
}

func newTelemetryStrip(days []service.TelemetryDay, today exhaust.Day) telemetryStrip {
	strip := telemetryStrip{Days: days}
	counts := map[service.TelemetryState]*int{
		service.TelemetryPresent: &strip.Present, service.TelemetryThin: &strip.Thin,
		service.TelemetryMissing: &strip.Missing, service.TelemetryUnknown: &strip.Unknown,
	}
	for _, day := range days {
		if day.Day != today || day.State != service.TelemetryMissing {
			*counts[day.State]++
		}
		if n := len(strip.Refusals); day.Refusal != "" && (n == 0 || strip.Refusals[n-1] != day.Refusal) {
			strip.Refusals = append(strip.Refusals, day.Refusal)
		}
	}
	return strip
}

// StripDays are the first and the last of the days, as people say them.
func (p operationsPage) StripDays() string {
	days := p.Telemetry.Value.Days
	return p.Days(days[0].Day, days[len(days)-1].Day)
}

// StripLength is how many days it shows.
func (p operationsPage) StripLength() int { return telemetryDays }

// TelemetryStates are the states that a day can be in.
func (p operationsPage) TelemetryStates() []service.TelemetryState {
	return []service.TelemetryState{service.TelemetryPresent, service.TelemetryThin, service.TelemetryMissing, service.TelemetryUnknown}
}

// DayNumber is a day's number within its month.
func (v *visit) DayNumber(day exhaust.Day) string {
	at, err := time.Parse(time.DateOnly, string(day))
	if err != nil {
		return string(day)
	}
	return v.N(at.Day())
}

// IsToday reports whether a day is the one that it is where days begin.
func (v *visit) IsToday(day exhaust.Day) bool { return day == v.today() }
