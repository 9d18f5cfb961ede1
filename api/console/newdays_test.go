package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

func TestLastMonthIsTheCalendarMonthBefore(t *testing.T) {
	for today, want := range map[exhaust.Day]string{
		"2026-12-01": "2026-11-01 2026-11-30", "2026-03-31": "2026-02-01 2026-02-28", "2024-03-01": "2024-02-01 2024-02-29",
		"2026-01-15": "2025-12-01 2025-12-31",
	} {
		first, last := lastMonth(today)
		if got := fmt.Sprint(first, " ", last); got != want {
			t.Errorf("on %s it is %s, want %s", today, got, want)
		}
	}
}

func TestDaysInARowAreOneRange(t *testing.T) {
	for days, want := range map[string]string{
		"":           "[]",
		"2026-02-27": "[{2026-02-27 2026-02-27}]",
		"2026-02-27 2026-02-28 2026-03-01 2026-03-03 2026-03-05 2026-03-06": "[{2026-02-27 2026-03-01} {2026-03-03 2026-03-03} {2026-03-05 2026-03-06}]",
	} {
		var list []exhaust.Day
		for _, day := range strings.Fields(days) {
			list = append(list, exhaust.Day(day))
		}
		if got := fmt.Sprint(rangesOf(list)); got != want {
			t.Errorf("%q are %s, want %s", days, got, want)
		}
	}
}

func TestTheNightBeginsWhenItsCronSaysSo(t *testing.T) {
	for _, c := range []struct{ cron, now, want string }{
		{"0 2 * * *", "2026-11-30T23:00:00+05:30", "01-Dec-2026, 2:00 am IST"},
		{"0 2 * * *", "2026-11-30T01:59:59+05:30", "30-Nov-2026, 2:00 am IST"},
		{"0 2 * * *", "2026-11-30T02:00:00+05:30", "01-Dec-2026, 2:00 am IST"},
		{"30 1 * * *", "2026-12-31T19:59:00Z", "01-Jan-2027, 1:30 am IST"}, // the new year has begun in India
		{"0 2 * * 1", "2026-11-30T23:00:00+05:30", ""},
		{"*/5 2 * * *", "2026-11-30T23:00:00+05:30", ""},
		{"0 1,2 * * *", "2026-11-30T23:00:00+05:30", ""},
		{"", "2026-11-30T23:00:00+05:30", ""},
	} {
		reader := readerWith(t, "en-IN", "")
		v := &visit{Console: &Console{Options: Options{NightlyCron: c.cron, Timezone: reader.zone}}, reader: reader}
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.nightAfter(now); got != c.want {
			t.Errorf("after %s %q begins at %q, want %q", c.now, c.cron, got, c.want)
		}
	}
}
