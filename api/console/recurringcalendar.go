package console

import (
	"slices"
	"strconv"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// monthView is the windows of a schedule in a month, on a calendar and in a list.
type monthView struct {
	Title string
	// Weekdays are their names, Monday first.
	Weekdays []weekdayName
	Weeks    [][]calendarDay
	// Windows hold a day of the month.
	Windows []service.ScheduleWindow
	// HasMore says that the schedule fires too often for all to be shown.
	HasMore bool
	// Before and After lead to the months beside it.
	Before, After string
	// Missed is how many windows were missed, and MissedURL where they are made up for.
	Missed    int
	MissedURL string
}

type weekdayName struct{ Short, Long string }

// calendarDay is a cell of the calendar.
type calendarDay struct {
	// Day is "" beside the month.
	Day    exhaust.Day
	Number int
	// Window is the one that holds the day; nil where none does.
	Window *service.ScheduleWindow
	// IsFirst and IsLast say that the window has no cell before or behind this one in the row.
	IsFirst, IsLast, IsToday bool
}

// Colour is the class of a window's colour.
func (d calendarDay) Colour() string {
	switch {
	case d.Window == nil:
		return ""
	case d.Window.State == service.WindowMade:
		return "made " + string(d.Window.Status)
	}
	return string(d.Window.State)
}

// openMonth shows the month that the query names, else this one; where this one has no window yet that was to be made, that of the
// last one.
func (p *schedulePage) openMonth() error {
	if month := p.value("month"); month != "" {
		wanted, err := time.Parse("2006-01", month)
		if err != nil {
			return errNoPage
		}
		return p.showMonth(exhaust.DayOf(wanted))
	}
	if err := p.showMonth(firstOfMonth(p.today())); err != nil || p.Month.hasPast() {
		return err
	}
	last, err := p.lastWindow(p.Schedule)
	if err != nil || last == nil {
		return err
	}
	return p.showMonth(firstOfMonth(last.To))
}

// showMonth finds the windows of a month.
func (p *schedulePage) showMonth(first exhaust.Day) error {
	last := nextMonth(first).Add(-1)
	found, err := p.Service.ScheduleWindows(p.ctx(), p.caller, p.Channel, p.Schedule.ID, first, last)
	if err != nil {
		return err
	}
	at := first.Time()
	p.Month = monthView{
		Title: p.country.MonthWide(at.Month()) + " " + strconv.Itoa(at.Year()), HasMore: found.HasMore,
		Before: p.monthURL(firstOfMonth(first.Add(-1))), After: p.monthURL(last.Add(1)), Windows: windowsOf(found.Windows, first, last),
	}
	for i := range 7 {
		day := time.Weekday((i + 1) % 7)
		p.Month.Weekdays = append(p.Month.Weekdays, weekdayName{p.country.WeekdayAbbreviated(day), p.country.WeekdayWide(day)})
	}
	p.Month.layOut(first, last, p.today())
	p.countMissed()
	return nil
}

// windowsOf are the windows that hold one of the days from first to last. The others only fire on these, or are of before the schedule
// began.
func windowsOf(found []service.ScheduleWindow, first, last exhaust.Day) []service.ScheduleWindow {
	return slices.DeleteFunc(found, func(window service.ScheduleWindow) bool {
		return window.From > last || window.To < first || window.State == service.WindowEarlier
	})
}

// hasPast reports whether a window of the month was to be made.
func (m *monthView) hasPast() bool {
	return slices.ContainsFunc(m.Windows, func(window service.ScheduleWindow) bool {
		return window.State == service.WindowMade || window.State == service.WindowMissed
	})
}

func firstOfMonth(day exhaust.Day) exhaust.Day { return day[:len("2006-01-")] + "01" }

func nextMonth(first exhaust.Day) exhaust.Day { return exhaust.DayOf(first.Time().AddDate(0, 1, 0)) }

func (p *schedulePage) monthURL(first exhaust.Day) string {
	return p.scheduleURL(p.Schedule.ID, "month", first[:len("2006-01")])
}

// layOut puts the days of the month into weeks, each with its window.
func (m *monthView) layOut(first, last, today exhaust.Day) {
	next := 0 // the first window that does not end before the day
	for day := first.Add(-mondayOf(first)); day <= last; {
		week := make([]calendarDay, 7)
		for i := range week {
			if day >= first && day <= last {
				for next < len(m.Windows) && m.Windows[next].To < day {
					next++
				}
				week[i] = calendarDay{Day: day, Number: day.Time().Day(), IsToday: day == today}
				if next < len(m.Windows) && m.Windows[next].From <= day {
					week[i].Window = &m.Windows[next]
					week[i].IsFirst = i == 0 || week[i-1].Window != week[i].Window
					week[i].IsLast = i == 6 || day == min(last, week[i].Window.To)
				}
			}
			day = day.Add(1)
		}
		m.Weeks = append(m.Weeks, week)
	}
}

// mondayOf is how many days ago Monday was.
func mondayOf(day exhaust.Day) int { return (int(day.Time().Weekday()) + 6) % 7 }

// countMissed counts the missed windows, and leads to the backfill of just these: what was made between them is found, not made
// again.
func (p *schedulePage) countMissed() {
	var first, last exhaust.Day
	for _, window := range p.Month.Windows {
		if window.State != service.WindowMissed {
			continue
		}
		if p.Month.Missed++; first == "" {
			first = window.From
		}
		last = window.To
	}
	if p.Month.Missed > 0 {
		p.Month.MissedURL = p.PartURL("backfill", "from", first, "to", last)
	}
}
