package service

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

// The days that a firing adds count, too: else a schedule would be accepted of which every firing fails.
func TestAScheduleWhoseFiringsWouldBeTooLargeIsRefused(t *testing.T) {
	s := &Schedules{settings: Settings{Timezone: time.UTC, MaxDays: 366}}
	draft := func(bytes int) ScheduleDraft {
		const config = `{"conversationId":"bot","theirs":""}`
		padded := strings.TrimSuffix(config, `"}`) + strings.Repeat("x", bytes-len(config)) + `"}`
		return ScheduleDraft{Cron: "0 6 * * *", Submission: exhaust.Submission{
			Dataset: "uci-response-exhaust", Tag: "t", Channel: "c", DatasetConfig: json.RawMessage(padded),
		}}
	}
	// "startDate":"2022-03-01", and "endDate":"2022-03-01", are 48 bytes.
	if _, err := s.check(draft(64<<10 - 48)); err != nil {
		t.Error(err)
	}
	const want = "datasetConfig is 65537 bytes of JSON without white space: at most 65536 are accepted"
	if _, err := s.check(draft(64<<10 - 47)); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAZoneThatIsTakenAwayIsTheServicesOwn(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSchedules(nil, "default", nil, Settings{Timezone: kolkata})
	for _, value := range []string{`""`, `null`} {
		changed, err := s.apply(SchedulePatch{"zone": json.RawMessage(value)}, Schedule{Schedule: exhaust.Schedule{Zone: "Europe/Paris"}})
		if err != nil || changed.Zone != "Asia/Kolkata" {
			t.Errorf("zone %s: %q, %v", value, changed.Zone, err)
		}
	}
}
