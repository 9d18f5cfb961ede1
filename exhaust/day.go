package exhaust

import (
	"fmt"
	"strings"
	"time"
)

// Day is one calendar day, "yyyy-MM-dd". The zero value, "", stands for a day that was not given.
// Days compare as strings do.
type Day string

// ParseDay reads a real day of the calendar written as yyyy-MM-dd.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return "", fmt.Errorf("%q is not a day as yyyy-MM-dd", s)
	}
	return Day(t.Format(time.DateOnly)), nil
}

// DayOf is the day on which t falls in its own location.
func DayOf(t time.Time) Day { return Day(t.Format(time.DateOnly)) }

// Time is midnight UTC of the day; of no day it is the zero time.
func (d Day) Time() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t
}

// Midnight is when the day begins in a zone. A day before 1970 begins as that of 1970 does: databases take no year 0, and
// nothing happened here before there was a clock that counts from 1970.
func (d Day) Midnight(zone *time.Location) time.Time {
	at := d.Time()
	if epoch := time.Unix(0, 0).UTC(); at.Before(epoch) {
		at = epoch
	}
	return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, zone)
}

// Add is the day n days later.
func (d Day) Add(n int) Day { return DayOf(d.Time().AddDate(0, 0, n)) }

// DaysTo counts the days from d to last, both included; it is 0 or less where last is before d.
func (d Day) DaysTo(last Day) int {
	return int(last.Time().Sub(d.Time())/(24*time.Hour)) + 1
}

// FormatDuration writes a duration without the units that are zero: 24h instead of 24h0m0s.
func FormatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
