package exhaust

import "testing"

func TestPercentIsEightyForReadingAndAHundredInTheEndOnly(t *testing.T) {
	for _, test := range []struct {
		p    Progress
		want int
	}{
		{Progress{}, 0},
		{Progress{Phase: Fetching}, 0},
		{Progress{Phase: Fetching, BytesTotal: 3, BytesRead: 1}, 26},
		{Progress{Phase: Fetching, BytesTotal: 3, BytesRead: 3}, 80},
		{Progress{Phase: Fetching, BytesTotal: 3, BytesRead: 9}, 80},
		{Progress{Phase: Fetching, BytesTotal: 1 << 50, BytesRead: 1 << 49}, 40},
		{Progress{Phase: Joining}, 80},
		{Progress{Phase: Building}, 85},
		{Progress{Phase: Building, EventsMatched: 4, RowsWritten: 2}, 90},
		{Progress{Phase: Building, EventsMatched: 4, RowsWritten: 9}, 95},
		{Progress{Phase: Signing}, 98},
		{Progress{Phase: Done}, 100},
	} {
		p := test.p
		if p.RaisePercent(); p.Percent != test.want {
			t.Errorf("%+v: %d, want %d", test.p, p.Percent, test.want)
		}
		p = test.p
		p.Percent = 100
		if p.RaisePercent(); p.Percent != 100 {
			t.Errorf("%+v: it was lowered to %d", test.p, p.Percent)
		}
	}
}
