package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cronPreset is a button that fills in a cron expression: some days, at the time that the form has.
type cronPreset struct {
	// Name is the key of its text.
	Name string
	// days are the expression's last three fields.
	days string
	// IsChosen says that the expression of the form is of these days.
	IsChosen bool
}

var cronPresets = []cronPreset{{Name: "daily", days: "* * *"}, {Name: "weekly", days: "* * 1"}, {Name: "monthly", days: "1 * *"}}

// clock is a time of day.
type clock struct{ hour, minute int }

// text is the time as forms have it.
func (c clock) text() string { return fmt.Sprintf("%02d:%02d", c.hour, c.minute) }

// cron is the expression of some days at this time.
func (c clock) cron(days string) string { return fmt.Sprintf("%d %d %s", c.minute, c.hour, days) }

// readClock reads a time as forms have it.
func readClock(text string) (c clock, isClock bool) {
	at, err := time.Parse("15:04", text)
	return clock{at.Hour(), at.Minute()}, err == nil
}

// splitCron is the time of day of a cron expression that fires at one, and the fields that say on which days.
func splitCron(cron string) (at clock, days string, isSplit bool) {
	fields := strings.Fields(cron)
	if len(fields) != 5 {
		return clock{}, "", false
	}
	minute, isMinute := numberWithin(fields[0], 0, 59)
	hour, isHour := numberWithin(fields[1], 0, 23)
	return clock{hour, minute}, strings.Join(fields[2:], " "), isMinute && isHour
}

// numberWithin reads a whole number of digits alone.
func numberWithin(text string, least, most int) (n int, isWithin bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && least <= n && n <= most && !strings.ContainsAny(text, "+-")
}

// When is a cron expression in words; "" where there are none for it.
func (r reader) When(cron string) string {
	at, days, isSplit := splitCron(cron)
	if !isSplit {
		return ""
	}
	clock := r.Clock(time.Date(2000, time.January, 1, at.hour, at.minute, 0, 0, time.UTC))
	fields := strings.Fields(strings.ToUpper(days))
	day, month, weekday := fields[0], fields[1], fields[2]
	dayNumber, isDay := numberWithin(day, 1, 31)
	weekdayNumber, isWeekday := weekdayOf(weekday)
	switch {
	case month != "*":
		return ""
	case day == "*" && weekday == "*":
		return r.T("when.daily", "time", clock)
	case day == "*" && (weekday == "1-5" || weekday == "MON-FRI"):
		return r.T("when.workdays", "time", clock)
	case day == "*" && isWeekday:
		return r.T("when.weekly", "day", r.country.WeekdayWide(weekdayNumber), "time", clock)
	case weekday != "*" || !isDay:
		return ""
	case dayNumber == 1:
		return r.T("when.first", "time", clock)
	case dayNumber > shortestMonth:
		return r.T("when.late", "day", dayNumber, "time", clock)
	}
	return r.T("when.monthly", "day", dayNumber, "time", clock)
}

// Clock is the time of day of a point in time. CLDR has am and pm for Hindi, which nobody says: people name the part of the day.
func (r reader) Clock(at time.Time) string {
	if r.country.Locale() != "hi" {
		return r.country.FmtTimeShort(at)
	}
	return r.T("clock."+partOfDay(at.Hour()), "time", at.Format("3:04"))
}

// partsOfDay are the parts of a day by the hours that they begin with. The night goes on until the first of them.
var partsOfDay = []struct {
	hour int
	name string
}{{4, "morning"}, {12, "noon"}, {16, "evening"}, {20, "night"}}

func partOfDay(hour int) string {
	for _, part := range slices.Backward(partsOfDay) {
		if hour >= part.hour {
			return part.name
		}
	}
	return "night"
}

// shortestMonth is up to which day all months go.
const shortestMonth = 28

// weekdayOf reads the day of the week of a cron expression, in which Sunday is both 0 and 7.
func weekdayOf(text string) (day time.Weekday, isOne bool) {
	if n, isNumber := numberWithin(text, 0, 7); isNumber {
		return time.Weekday(n % 7), true
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(text, day.String()[:3]) {
			return day, true
		}
	}
	return 0, false
}

// Moment is a point in time, with its day of the week, in a zone by its name, which it shows.
func (r reader) Moment(at time.Time, zone string) string {
	if at.IsZero() {
		return "–"
	}
	place, err := time.LoadLocation(zone)
	if err != nil { // schedules have zones that the service knows; this one may have been made by another release
		place = r.zone
	}
	at = at.In(place)
	return r.country.WeekdayWide(at.Weekday()) + ", " + r.country.FmtDateMedium(at) + ", " + r.Clock(at) + " " + at.Format("MST")
}
