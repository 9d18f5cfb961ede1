package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// routeRecurring adds the pages of recurring exhausts.
func (c *Console) routeRecurring(router *mux.Router) {
	c.route(router, "/recurring", c.forReaders(c.showRecurring), nil)
	c.route(router, "/recurring/new", c.forReaders(c.showNewSchedule), c.forReaders(c.takeNewSchedule))
	c.route(router, "/recurring/{schedule}", c.forReaders(c.showSchedule), c.forReaders(c.actOnSchedule))
	c.route(router, "/recurring/{schedule}/change", c.forReaders(c.showChange), c.forReaders(c.takeChange))
	c.route(router, "/recurring/{schedule}/backfill", c.forReaders(c.showBackfill), c.forReaders(c.takeBackfill))
	c.route(router, "/recurring/{schedule}/delete", c.forReaders(c.showDeletion), c.forReaders(c.takeDeletion))
}

// recurringPage lists the schedules of a channel.
type recurringPage struct {
	*visit
	Schedules []scheduleRow
	// More leads to the schedules behind these, First to the first ones; "" where there are none, or these are they.
	More, First string
	// Outcome is that of the form that led here; "" of none.
	Outcome string
}

// scheduleRow is one schedule of the list.
type scheduleRow struct {
	service.Schedule
	// Name is the conversation's; its id where the registry has none, or is away.
	Name, URL string
	// Last is the last window that was to be made; nil where there was none.
	Last *service.ScheduleWindow
	// IsFrequent says that it fires so often that Last is not looked for.
	IsFrequent bool
}

const (
	// schedulesShown is how many schedules a page of the list has.
	schedulesShown = 100
	// lastWindowsAtOnce is for how many of them the last window is looked for at a time.
	lastWindowsAtOnce = 8
)

func (c *Console) showRecurring(v *visit) error {
	if err := v.openChannel(); err != nil {
		return err
	}
	v.Title, v.Here = v.T("recurring.title"), recurringPlace
	p := &recurringPage{visit: v}
	if outcome := v.outcome(); outcome == scheduleDeleted {
		p.Outcome = outcome
	}
	if err := p.list(); err != nil {
		return err
	}
	return v.show(http.StatusOK, "recurring", p)
}

// The outcomes of forms, as the URL has them that a form leads to. They are the ends of the keys of their texts.
const (
	scheduleCreated    = "created"
	scheduleChanged    = "changed"
	schedulePaused     = "paused"
	scheduleResumed    = "resumed"
	scheduleTriggered  = "triggered"
	scheduleBackfilled = "backfilled"
	scheduleDeleted    = "deleted"
)

// outcomeParam is the query's parameter of an outcome.
const outcomeParam = "did"

// outcome is that of the form that led here; "" of none.
func (v *visit) outcome() string {
	if outcome := v.value(outcomeParam); v.Has("recurring.did." + outcome) {
		return outcome
	}
	return ""
}

// list reads the schedules of a page, which are those behind an id, by the names of their conversations.
func (p *recurringPage) list() error {
	after := p.value("after")
	if after != "" {
		p.First = p.Link("/recurring")
	}
	schedules, err := p.Service.ListSchedules(p.ctx(), p.caller, p.Channel, after, schedulesShown+1)
	if err != nil {
		return err
	}
	var ids []string
	for schedule, err := range schedules {
		if err != nil {
			return err
		}
		if len(p.Schedules) == schedulesShown {
			p.More = p.Link("/recurring", "after", p.Schedules[schedulesShown-1].ID)
			break
		}
		p.Schedules, ids = append(p.Schedules, scheduleRow{Schedule: schedule, URL: p.scheduleURL(schedule.ID)}), append(ids, schedule.ConversationID)
	}
	names := p.namesOf(ids)
	for i := range p.Schedules {
		p.Schedules[i].Name = names[p.Schedules[i].ConversationID]
	}
	slices.SortStableFunc(p.Schedules, func(x, y scheduleRow) int {
		return cmp.Or(cmp.Compare(exhaust.FoldText(x.Name), exhaust.FoldText(y.Name)), cmp.Compare(x.Tag, y.Tag))
	})
	return p.findLast()
}

// findLast looks for the last window of each schedule.
func (p *recurringPage) findLast() error {
	group := errgroup.Group{}
	group.SetLimit(lastWindowsAtOnce)
	for i := range p.Schedules {
		row := &p.Schedules[i]
		if row.IsFrequent = len(looksFor(row.Schedule)) == 0; row.IsFrequent {
			continue
		}
		group.Go(func() (err error) {
			row.Last, err = p.lastWindow(row.Schedule)
			if errors.Is(err, service.ErrNoSchedule) { // somebody has deleted it since it was listed
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// windowLooks are how many days a look for windows spans: most schedules have one within the first.
var windowLooks = []int{8, 40, 399}

const (
	// maxLookFirings is how many firings a look for the last window may come upon: the service asks Temporal for each of them.
	maxLookFirings = exhaust.CalendarPage
	// lookMargin is how many days around a look the service looks at as well.
	lookMargin = 5
)

// looksFor are the looks for the last window of a schedule that come upon no more than maxLookFirings; none where it fires too often.
func looksFor(schedule service.Schedule) []int {
	often := firingsADay(schedule)
	tooLong := slices.IndexFunc(windowLooks, func(days int) bool { return (days+lookMargin)*often > maxLookFirings })
	if tooLong < 0 {
		return windowLooks
	}
	return windowLooks[:tooLong]
}

// firingsADay is how often a schedule fires within a day at the most: by its cron expression, or else by the least time between its
// next firings.
func firingsADay(schedule service.Schedule) int {
	if _, _, isSplit := splitCron(schedule.Cron); isSplit {
		return 1
	}
	least := time.Minute
	if len(schedule.Next) > 1 {
		least = 24 * time.Hour
	}
	for i := 1; i < len(schedule.Next); i++ {
		least = min(least, max(schedule.Next[i].Sub(schedule.Next[i-1]), time.Minute))
	}
	return int(24 * time.Hour / least)
}

// lastWindow is the last window that was to be made; nil where there was none, or where it is not looked for.
func (v *visit) lastWindow(schedule service.Schedule) (*service.ScheduleWindow, error) {
	today, first := v.today(), exhaust.DayOf(schedule.CreatedAt.In(v.Timezone))
	for _, days := range looksFor(schedule) {
		found, err := v.Service.ScheduleWindows(v.ctx(), v.caller, v.Channel, schedule.ID, today.Add(-days), today)
		if err != nil {
			return nil, err
		}
		for _, window := range slices.Backward(found.Windows) {
			if window.State == service.WindowMade || window.State == service.WindowMissed {
				return &window, nil
			}
		}
		if today.Add(-days) < first {
			break
		}
	}
	return nil, nil
}

// scheduleURL is the page of a schedule.
func (v *visit) scheduleURL(id string, pairs ...any) string {
	return v.Link("/recurring/"+id, pairs...)
}

// WindowURL is the page of a window's exhaust; "" of none.
func (v *visit) WindowURL(window service.ScheduleWindow) string {
	return v.ownExhaustURL(window.Tag, window.RequestID)
}
