package console

import (
	"net/http"
	"slices"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// backfillPage asks for the windows of some days: the days first, and then whether just these windows are to be made.
type backfillPage struct {
	*schedulePage
	From, To string
	// Yesterday is the last day that can be asked for.
	Yesterday exhaust.Day
	// Windows are those that would be made, and Existing how many of them are there.
	Windows  []service.ScheduleWindow
	Existing int
	// Fault is what is wrong with the days.
	Fault string
}

func (c *Console) showBackfill(v *visit) error {
	p, err := v.backfillPage()
	if err != nil {
		return err
	}
	if p.From == "" && p.To == "" {
		return v.show(http.StatusOK, "recurringbackfill", p)
	}
	err = p.findWindows()
	if p.Fault = v.faultOf(err); p.Fault != "" {
		return v.show(http.StatusUnprocessableEntity, "recurringbackfill", p)
	}
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "recurringbackfill", p)
}

func (c *Console) takeBackfill(v *visit) error {
	p, err := v.backfillPage()
	if err != nil {
		return err
	}
	_, err = v.Service.BackfillSchedule(v.ctx(), v.caller, v.Channel, p.Schedule.ID, p.From, p.To)
	var status int
	if status, p.Fault = v.refusalOf(err); p.Fault != "" {
		return v.show(status, "recurringbackfill", p)
	}
	if err != nil {
		return err
	}
	month := ""
	if len(p.From) >= len("2006-01") {
		month = p.From[:len("2006-01")]
	}
	return v.redirect(v.scheduleURL(p.Schedule.ID, outcomeParam, scheduleBackfilled, "month", month))
}

func (v *visit) backfillPage() (*backfillPage, error) {
	p, err := v.openSchedule()
	if err != nil {
		return nil, err
	}
	v.Title = v.T("recurring.backfill.title")
	return &backfillPage{schedulePage: p, From: v.value("from"), To: v.value("to"), Yesterday: v.today().Add(-1)}, nil
}

// findWindows finds what the backfill would make.
func (p *backfillPage) findWindows() error {
	from, to := exhaust.Day(p.From), exhaust.Day(p.To)
	found, err := p.Service.ScheduleWindows(p.ctx(), p.caller, p.Channel, p.Schedule.ID, from, to)
	if err != nil {
		return err
	}
	if to > p.Yesterday {
		return exhaust.Invalid(exhaust.BackfillNotOver, to, p.Yesterday)
	}
	now := time.Now()
	p.Windows = slices.DeleteFunc(found.Windows, func(window service.ScheduleWindow) bool {
		return window.From > to || window.To < from || window.Firing.After(now)
	})
	if len(p.Windows) == 0 {
		return exhaust.Invalid(exhaust.BackfillEmpty, from, to)
	}
	for _, window := range p.Windows {
		if window.State == service.WindowMade {
			p.Existing++
		}
	}
	return nil
}
