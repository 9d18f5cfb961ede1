package console

import (
	"testing"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

func TestTodayIsNeitherWholeNorMissingInTheStrip(t *testing.T) {
	const today exhaust.Day = "2026-12-01"
	for _, c := range []struct {
		today, want               service.TelemetryState
		present, missing, unknown int
	}{
		{service.TelemetryPresent, telemetryOpen, 1, 1, 0},
		{service.TelemetryThin, telemetryOpen, 1, 1, 0},
		{service.TelemetryMissing, telemetryOpen, 1, 1, 0},
		{service.TelemetryUnknown, service.TelemetryUnknown, 1, 1, 1}, // nobody knows of it, over or not
	} {
		strip := newTelemetryStrip([]service.TelemetryDay{
			{Day: "2026-11-29", State: service.TelemetryPresent}, {Day: "2026-11-30", State: service.TelemetryMissing}, {Day: today, State: c.today},
		}, today)
		if strip.Days[2].State != c.want || strip.Present != c.present || strip.Missing != c.missing || strip.Thin != 0 || strip.Unknown != c.unknown {
			t.Errorf("today %s: %+v", c.today, strip)
		}
	}
}

func TestTheSentenceOfTheStripIsOfTheDaysThatAreOver(t *testing.T) {
	p := operationsPage{visit: &visit{reader: readerWith(t, "en-GB", "")}}
	p.Telemetry.Value = newTelemetryStrip([]service.TelemetryDay{
		{Day: "2026-11-29", State: service.TelemetryPresent}, {Day: "2026-11-30", State: service.TelemetryPresent}, {Day: "2026-12-01", State: service.TelemetryPresent},
	}, "2026-12-01")
	if got, want := p.TelemetrySentence(), "29 Nov 2026 – 30 Nov 2026: All 2 days have their telemetry. Today is not over yet."; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	p.Telemetry.Value = newTelemetryStrip([]service.TelemetryDay{
		{Day: "2026-11-29", State: service.TelemetryThin}, {Day: "2026-11-30", State: service.TelemetryMissing}, {Day: "2026-12-01", State: service.TelemetryMissing},
	}, "2026-12-01")
	want := "29 Nov 2026 – 30 Nov 2026: 1 day has no telemetry. 1 day has less than half of what is usual. Today is not over yet."
	if got := p.TelemetrySentence(); got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}
