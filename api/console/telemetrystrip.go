package console

import (
	"slices"
	"strings"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// telemetryStrip is the telemetry of the last days, one after the other.
type telemetryStrip struct {
	Days []service.TelemetryDay
	// Present, Thin, Missing and Unknown count the days that are over, and today where nobody could tell.
	Present, Thin, Missing, Unknown int
	// Refusals are what a store says that will not list some of them.
	Refusals []string
}

// telemetryOpen is the state of today: its telemetry still comes, and whatever there is of it tells nothing.
const telemetryOpen service.TelemetryState = "open"

func newTelemetryStrip(days []service.TelemetryDay, today exhaust.Day) telemetryStrip {
	strip := telemetryStrip{Days: slices.Clone(days)}
	counts := map[service.TelemetryState]*int{
		service.TelemetryPresent: &strip.Present, service.TelemetryThin: &strip.Thin,
		service.TelemetryMissing: &strip.Missing, service.TelemetryUnknown: &strip.Unknown,
	}
	for i, day := range days {
		if day.Day == today && day.State != service.TelemetryUnknown {
			strip.Days[i].State = telemetryOpen
		} else {
			*counts[day.State]++
		}
		if n := len(strip.Refusals); day.Refusal != "" && (n == 0 || strip.Refusals[n-1] != day.Refusal) {
			strip.Refusals = append(strip.Refusals, day.Refusal)
		}
	}
	return strip
}

// TelemetrySentence says how the days stand that are over.
func (p operationsPage) TelemetrySentence() string {
	strip := p.Telemetry.Value
	last := len(strip.Days) - 1
	isOpen := strip.Days[last].State == telemetryOpen
	if isOpen && last > 0 {
		last--
	}
	sentences := []string{p.Days(strip.Days[0].Day, strip.Days[last].Day) + ":"}
	for _, counted := range []struct {
		n    int
		text string
	}{
		{strip.Missing, p.T("telemetry.missing", "n", strip.Missing)},
		{strip.Thin, p.T("telemetry.thin", "n", strip.Thin)},
		{strip.Unknown, p.T("telemetry.unknown", "n", strip.Unknown)},
	} {
		if counted.n > 0 {
			sentences = append(sentences, counted.text)
		}
	}
	if len(sentences) == 1 && strip.Present > 0 {
		sentences = append(sentences, p.T("telemetry.whole", "n", strip.Present))
	}
	if isOpen {
		sentences = append(sentences, p.T("telemetry.open"))
	}
	return strings.Join(sentences, " ")
}

// StripLength is how many days it shows.
func (p operationsPage) StripLength() int { return telemetryDays }

// TelemetryStates are the states that a day can be in.
func (p operationsPage) TelemetryStates() []service.TelemetryState {
	return []service.TelemetryState{service.TelemetryPresent, service.TelemetryThin, service.TelemetryMissing, service.TelemetryUnknown, telemetryOpen}
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
