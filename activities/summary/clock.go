package summary

import (
	"encoding/binary"
	"iter"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// clock counts rows by the day and the hour of day of a timezone. Rows come in the order of their time, so most are of the hour
// of the one before, and days come in their order, but for one that a change of the clocks takes back by a day.
type clock struct {
	timezone *time.Location
	hours    [24]int64
	// without counts the rows whose time cannot be read.
	without int64

	// from and to bound, in milliseconds, the present hour, or the part of it without a change of the clocks.
	from, to int64
	hour     int
	today    int64
	// recent are the last few days, past all before them: of each how many days behind the one before it is, from
	// lastPast on, and its rows, as varints.
	recent   []dayRows
	past     []byte
	lastPast int64
}

// dayRows counts the rows of a day, which is given in days since 1970-01-01.
type dayRows struct{ day, rows int64 }

// recentDays is more than a change of the clocks can go back by.
const recentDays = 3

func (c *clock) add(ms int64, hasTime bool) {
	if !hasTime {
		c.without++
		return
	}
	if ms < c.from || ms >= c.to {
		c.turn(ms)
	}
	if c.hour < 0 {
		c.without++
		return
	}
	c.hours[c.hour]++
	for i := len(c.recent) - 1; i >= 0; i-- {
		if c.recent[i].day == c.today {
			c.recent[i].rows++
			return
		}
	}
	c.beginDay()
}

// turn goes to the hour of an instant; there is none outside of the years 0 to 9999.
func (c *clock) turn(ms int64) {
	at := time.UnixMilli(ms).In(c.timezone)
	year, month, day := at.Date()
	c.from = ms - int64(at.Minute()*60_000+at.Second()*1000+at.Nanosecond()/1_000_000)
	c.to = c.from + 60*60_000
	zoneStart, zoneEnd := at.ZoneBounds()
	if !zoneStart.IsZero() {
		c.from = max(c.from, zoneStart.UnixMilli())
	}
	if !zoneEnd.IsZero() {
		c.to = min(c.to, zoneEnd.UnixMilli())
	}
	c.hour, c.today = at.Hour(), time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()/secondsPerDay
	if year < 0 || year > 9999 {
		c.hour = -1
	}
}

const secondsPerDay = 24 * 60 * 60

// beginDay counts the first row of a day.
func (c *clock) beginDay() {
	at := len(c.recent)
	for at > 0 && c.recent[at-1].day > c.today {
		at--
	}
	c.recent = append(c.recent, dayRows{})
	copy(c.recent[at+1:], c.recent[at:])
	c.recent[at] = dayRows{c.today, 1}
	if len(c.recent) > recentDays {
		c.past = binary.AppendVarint(c.past, c.recent[0].day-c.lastPast)
		c.past = binary.AppendVarint(c.past, c.recent[0].rows)
		c.lastPast = c.recent[0].day
		c.recent = append(c.recent[:0], c.recent[1:]...)
	}
}

func (c *clock) eachDay(yield func(dayRows) bool) {
	day := int64(0)
	for rest := c.past; len(rest) > 0; {
		further, n := binary.Varint(rest)
		rows, m := binary.Varint(rest[n:])
		rest = rest[n+m:]
		day += further
		if !yield(dayRows{day, rows}) {
			return
		}
	}
	for _, d := range c.recent {
		if !yield(d) {
			return
		}
	}
}

// days are the days of the rows, ascending.
func (c *clock) days() iter.Seq[report.DayRows] {
	return func(yield func(report.DayRows) bool) {
		for d := range c.eachDay {
			if !yield(report.DayRows{Day: exhaust.DayOf(time.Unix(d.day*secondsPerDay, 0).UTC()), Rows: d.rows}) {
				return
			}
		}
	}
}

// countDays adds up the rows of all days.
func (c *clock) countDays() (rows int64) {
	for d := range c.eachDay {
		rows += d.rows
	}
	return rows
}
