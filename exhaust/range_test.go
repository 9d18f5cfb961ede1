package exhaust

import (
	"errors"
	"testing"
)

func TestTheDaysOfAnExhaustAreTheRequestsElseTheConversationsElseYesterday(t *testing.T) {
	const today = "2026-11-25"
	own := Conversation{StartDate: "2026-11-01", EndDate: "2026-11-10"}
	response := func(start, end Day) Request { return Request{Dataset: ResponseExhaust, StartDate: start, EndDate: end} }
	private := func(start, end Day) Request { return Request{Dataset: PrivateExhaust, StartDate: start, EndDate: end} }
	for name, c := range map[string]struct {
		request   Request
		of        Conversation
		dateFault error
		want      Range
		days      int
		wantError string
	}{
		"both":                      {request: response("2026-11-03", "2026-11-04"), of: own, want: Range{"2026-11-03", "2026-11-04"}, days: 2},
		"neither":                   {request: response("", ""), of: own, want: Range{"2026-11-01", "2026-11-10"}, days: 10},
		"one of them":               {request: response("2026-11-10", ""), of: own, want: Range{"2026-11-10", "2026-11-10"}, days: 1},
		"the conversation has none": {request: response("", ""), want: Range{"2026-11-24", "2026-11-24"}, days: 1},
		"it ends after today":       {request: response("", ""), of: Conversation{StartDate: "2026-11-20", EndDate: "2027-01-01"}, want: Range{"2026-11-20", today}, days: 6},
		"it starts after its end": {request: response("2026-11-11", ""), of: own,
			wantError: "the exhaust would start on 2026-11-11, after its end on 2026-11-10: give startDate and endDate"},
		"too many days": {request: response("", ""), of: Conversation{StartDate: "2026-10-01"},
			wantError: "2026-10-01 to 2026-11-24 are 55 days: at most 31 days are accepted: give startDate and endDate"},
		"a date that is none, not needed": {request: response("2026-11-03", "2026-11-03"), dateFault: errors.New("no date"),
			want: Range{"2026-11-03", "2026-11-03"}, days: 1},
		"a date that is none, needed": {request: private("2026-11-03", ""), dateFault: errors.New("no date"),
			wantError: "no date: give startDate and endDate"},
		"who is registered": {request: private("", ""), of: own, dateFault: errors.New("no date")},
		"who conversed":     {request: private("", "2026-11-09"), of: own, want: Range{"2026-11-01", "2026-11-09"}, days: 9},
	} {
		got, err := c.request.RangeOver(c.of, c.dateFault, today, 31)
		if (err != nil) != (c.wantError != "") || err != nil && err.Error() != c.wantError || got != c.want || got.Days() != c.days {
			t.Errorf("%s: got %+v of %d days, %v; want %+v of %d, %s", name, got, got.Days(), err, c.want, c.days, c.wantError)
		}
	}
}
