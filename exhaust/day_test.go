package exhaust

import (
	"testing"
	"time"
)

func TestADayIsARealDayOfTheCalendar(t *testing.T) {
	for _, text := range []string{"2022-03-01", "2020-02-29", "0001-01-01", "9999-12-31"} {
		if day, err := ParseDay(text); err != nil || string(day) != text {
			t.Errorf("%q: %q, %v", text, day, err)
		}
	}
	for _, text := range []string{"", "2022-02-29", "2022-13-01", "2022-00-10", "2022-04-31", "2022-3-1", "22-03-01",
		"2022-03-01 ", " 2022-03-01", "2022/03/01", "20220301", "2022-03-01T00:00:00Z", "+022-03-01", "२०२२-०३-०१"} {
		if day, err := ParseDay(text); err == nil {
			t.Errorf("%q is taken for the day %q", text, day)
		}
	}
}

func TestDaysAreCountedOverMonthsLeapDaysAndYears(t *testing.T) {
	for _, test := range []struct {
		from Day
		add  int
		want Day
	}{
		{"2022-02-28", 1, "2022-03-01"},
		{"2020-02-28", 1, "2020-02-29"},
		{"2021-12-31", 1, "2022-01-01"},
		{"2022-03-01", -1, "2022-02-28"},
		{"2020-01-01", 366, "2021-01-01"},
		{"2022-03-27", 0, "2022-03-27"},
	} {
		if got := test.from.Add(test.add); got != test.want {
			t.Errorf("%s + %d is %s, want %s", test.from, test.add, got, test.want)
		}
		if got := test.from.DaysTo(test.want); got != test.add+1 {
			t.Errorf("%s to %s are %d days, want %d", test.from, test.want, got, test.add+1)
		}
	}
}

func TestADayIsThatOfTheLocation(t *testing.T) {
	at := time.Date(2022, 4, 5, 18, 30, 0, 0, time.UTC)
	if got := DayOf(at); got != "2022-04-05" {
		t.Errorf("in UTC it is %s", got)
	}
	if got := DayOf(at.In(kolkata)); got != "2022-04-06" {
		t.Errorf("in Kolkata it is %s", got)
	}
	if got := Day("2022-04-06").Time(); !got.Equal(time.Date(2022, 4, 6, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("its midnight is %s", got)
	}
	if got := Day("2022-04-06").Midnight(kolkata); !got.Equal(time.Date(2022, 4, 5, 18, 30, 0, 0, time.UTC)) {
		t.Errorf("its midnight in Kolkata is %s", got)
	}
	if got := Day("0000-12-31").Midnight(time.UTC); !got.Equal(time.Unix(0, 0)) {
		t.Errorf("before 1970 its midnight is %s", got)
	}
	if got := Day("").Time(); !got.IsZero() {
		t.Errorf("no day has the time %s", got)
	}
}
