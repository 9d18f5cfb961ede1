package schedules_test

import (
	"fmt"
	"reflect"
	"testing"

	"data-exhaust/exhaust"
)

func TestABackfillMakesEachWindowOnceHoweverOftenItIsAsked(t *testing.T) {
	t.Parallel()
	s := create(t, "0 6 * * *", kolkata, "")
	days := daysOfLastMonth()
	body := fmt.Sprintf(`{"request":{"from":%q,"to":%q}}`, days[0], days[len(days)-1])
	type window struct{ From, To exhaust.Day }
	type backfill struct {
		Count   int
		Windows []window
	}
	want := backfill{Count: len(days)}
	for _, day := range days {
		want.Windows = append(want.Windows, window{day, day})
	}
	made := func() map[string]string {
		if got := okay[backfill](t, channel, "POST", base+"/"+s.ScheduleID+"/backfill", body); !reflect.DeepEqual(got, want) {
			t.Fatalf("the backfill answered %v, want %v", got, want)
		}
		eventually(t, "the month is made", func() bool {
			ended := 0
			for _, j := range jobs(t, s) {
				if j.Status == "SUCCESS" {
					ended++
				}
			}
			return ended >= len(days)
		})
		byDay := map[string]string{}
		for _, j := range jobs(t, s) {
			byDay[j.DatasetConfig["startDate"]+" "+j.DatasetConfig["endDate"]] = fmt.Sprint(j.RequestID, " ", j.Status, " attempt ", j.Attempts, " rows ", j.Progress.RowsWritten)
		}
		return byDay
	}
	first := made()
	if len(first) != len(days) {
		t.Errorf("%d windows were made, want %d", len(first), len(days))
	}
	for _, day := range days {
		rows := 1
		if day[8:] == "13" {
			rows = 0
		}
		got := first[string(day+" "+day)]
		if len(got) < 32 || got[32:] != fmt.Sprintf(" SUCCESS attempt 0 rows %d", rows) {
			t.Errorf("%s: got %q, want SUCCESS at the first attempt with %d rows", day, got, rows)
		}
	}
	// Both firings of each day have ended before it is looked at again.
	if again := made(); !reflect.DeepEqual(again, first) {
		t.Errorf("after the second backfill there is\n%v\nwant the same as after the first\n%v", again, first)
	}
	eventually(t, "the second backfill's firings have ended", func() bool { return len(closed(t, s.ScheduleID)) == 2*len(days) })
	if again := made(); !reflect.DeepEqual(again, first) {
		t.Errorf("after all firings there is\n%v\nwant the same as after the first backfill\n%v", again, first)
	}
}
