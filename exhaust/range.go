package exhaust

import (
	"cmp"
	"fmt"
)

// Range is the days that an exhaust covers, both included. Both are "" of one that is not made from telemetry.
type Range struct {
	StartDate Day `json:"startDate"`
	EndDate   Day `json:"endDate"`
}

// Days counts them.
func (r Range) Days() int {
	if r.StartDate == "" {
		return 0
	}
	return r.StartDate.DaysTo(r.EndDate)
}

// RangeOver settles the days: those of the request, else the conversation's own, else yesterday; an end after today is today
// (contract section 3). today is the day of submission, so that the same exhaust covers the same days whenever it runs.
// dateFault says what is wrong with a date of the conversation; nil where nothing is. The error is a sentence for whoever asked
// for the exhaust, which ends it.
func (r Request) RangeOver(of Conversation, dateFault error, today Day, maxDays int) (Range, error) {
	if !r.UsesTelemetry() {
		return Range{}, nil
	}
	if dateFault != nil && (r.StartDate == "" || r.EndDate == "") {
		return Range{}, askForBoth(dateFault.Error())
	}
	yesterday := today.Add(-1)
	days := Range{
		StartDate: cmp.Or(r.StartDate, of.StartDate, yesterday),
		EndDate:   min(cmp.Or(r.EndDate, of.EndDate, yesterday), today),
	}
	if days.StartDate > days.EndDate {
		return Range{}, askForBoth(fmt.Sprintf("the exhaust would start on %s, after its end on %s", days.StartDate, days.EndDate))
	}
	if err := CheckSpan(days.StartDate, days.EndDate, maxDays); err != nil {
		return Range{}, askForBoth(err.Error())
	}
	return days, nil
}

func askForBoth(fault string) error { return fmt.Errorf("%s: give startDate and endDate", fault) }
