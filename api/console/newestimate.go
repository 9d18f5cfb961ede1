package console

import (
	"errors"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// estimateView is what an exhaust would be, in the reader's words.
type estimateView struct {
	service.Estimate
	// Failure is what the exhaust would end with; its text is "" where it is not known to fail.
	Failure wording
	// Gaps are the days without telemetry.
	Gaps []exhaust.Range
	// Time is how long it would take, Spread how long most of its like took, Basis what that is taken from; "" where it was not
	// measured.
	Time, Spread, Basis string
	// State and URL are of the same exhaust, where there is one.
	State, URL string
	// Absence says why there is no estimate now; "" where there is one.
	Absence string
}

// estimate asks what the exhaust would be, once there is something to ask for.
func (p *newPage) estimate() error {
	if p.Form.Conversation == "" || p.MayNothing() {
		return nil
	}
	estimate, err := p.Service.Estimate(p.ctx(), p.caller, p.submission())
	switch _, isUnavailable := errors.AsType[*service.UnavailableError](err); {
	case err == nil:
		if !p.takeWrongDays(estimate.WillFail) {
			p.Estimate = p.viewOf(estimate)
		}
		return nil
	case isUnavailable:
		p.Estimate = &estimateView{Absence: p.failureOf(err).Sentence}
		return nil
	}
	_, err = p.takeFault(err)
	return err
}

func (p *newPage) viewOf(e service.Estimate) *estimateView {
	view := &estimateView{Estimate: e, Failure: p.failure(e.WillFail, e.Request), Gaps: rangesOf(e.DaysWithoutTelemetry)}
	if e.Seconds != nil {
		view.Time = p.span(e.Seconds.Likely)
		if low, high := p.span(e.Seconds.Low), p.span(e.Seconds.High); low != high {
			view.Spread = p.T("new.estimate.spread", "low", low, "high", high)
		}
		view.Basis = p.T("new.estimate.basis", "n", e.Measured.Exhausts, "day", p.Day(exhaust.DayOf(e.Measured.Since.In(p.Timezone))))
	}
	if e.Existing != nil {
		view.State, view.URL = stateOf(*e.Existing), p.ExhaustURL(e.Existing.Request, "")
	}
	return view
}

// span is some seconds in words; nothing takes none.
func (v *visit) span(seconds float64) string {
	return v.Span(max(time.Second, time.Duration(seconds*float64(time.Second))))
}

// failure is what an exhaust would end with.
func (v *visit) failure(message string, request exhaust.Request) wording {
	if v.isOfNobody(message, request) {
		return wording{Text: v.T("new.fails.nobody")}
	}
	if key := "new.fails." + v.FormOf(message); v.Has(key) {
		return wording{Text: v.T(key)}
	}
	return v.Say(message)
}

// rangesOf are the ranges that ascending days make.
func rangesOf(days []exhaust.Day) (ranges []exhaust.Range) {
	for _, day := range days {
		if last := len(ranges) - 1; last >= 0 && ranges[last].EndDate.Add(1) == day {
			ranges[last].EndDate = day
			continue
		}
		ranges = append(ranges, exhaust.Range{StartDate: day, EndDate: day})
	}
	return ranges
}
