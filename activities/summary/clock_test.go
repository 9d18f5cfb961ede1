package summary_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"data-exhaust/activities/summary"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// In St John's the clocks went back at a minute past midnight, so that a day may begin behind the one after it.
func TestDaysAreAscendingWhereTheClocksGoBackOverMidnight(t *testing.T) {
	zone, err := time.LoadLocation("America/St_Johns")
	if err != nil {
		t.Fatal(err)
	}
	counter := summary.New(summary.Settings{Timezone: zone, MinDevices: 5}, 1)
	for _, at := range []string{
		"2010-11-07T02:30:30Z", // 00:00:30 on the 7th
		"2010-11-07T02:31:30Z", // 23:01:30 on the 6th
		"2010-11-07T03:29:59Z", // 23:59:59 on the 6th
		"2010-11-07T03:30:00Z", // 00:00:00 on the 7th
		"2010-11-08T03:30:00Z", // 00:00:00 on the 8th
		"2010-11-09T03:30:00Z", "2010-11-10T03:30:00Z", "2010-11-11T03:30:00Z",
	} {
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		row := summary.Row{Milliseconds: instant.UnixMilli(), HasTime: true}
		if err := counter.Add(t.Context(), new(exhaust.ResponseRow), row); err != nil {
			t.Fatal(err)
		}
	}
	var got bytes.Buffer
	if _, err := counter.Write(t.Context(), &got, report.SummaryHead{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"days":[{"day":"2010-11-06","rows":2},{"day":"2010-11-07","rows":2},{"day":"2010-11-08","rows":1},` +
			`{"day":"2010-11-09","rows":1},{"day":"2010-11-10","rows":1},{"day":"2010-11-11","rows":1}]`,
		`"hours":[6,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,2]`,
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("the summary lacks %s:\n%s", want, got.String())
		}
	}
}
