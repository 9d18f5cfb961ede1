package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// schedulePage is the page of one schedule.
type schedulePage struct {
	*visit
	Schedule service.Schedule
	// Name is the conversation's; its id where the registry has none, or is away.
	Name string
	// Outcome is that of the form that led here; "" of none, and of one that somebody has undone since. Refusal says why a form
	// had none.
	Outcome, Refusal string
	// Coming are the windows of the next firings.
	Coming []service.ScheduleWindow
	Month  monthView
	// Live is the URL by which the page keeps itself up to date; "" where nothing of it changes by itself.
	Live string
}

func (c *Console) showSchedule(v *visit) error { return v.answerSchedule(http.StatusOK, "") }

// answerSchedule shows the page, with why something was refused; "" where nothing was.
func (v *visit) answerSchedule(status int, refusal string) error {
	p, err := v.openSchedule()
	if err != nil {
		return err
	}
	p.Refusal, p.Outcome = refusal, p.outcome()
	if p.Coming, err = v.comingWindows(p.Schedule.ID); err != nil {
		return err
	}
	if err := p.openMonth(); err != nil {
		return err
	}
	p.stayLive()
	return v.show(status, "recurringone", p)
}

// outcome is that of the form that led here, where the schedule still stands as it says.
func (p *schedulePage) outcome() string {
	outcome := p.visit.outcome()
	if outcome == schedulePaused && !p.Schedule.Paused || outcome == scheduleResumed && p.Schedule.Paused || outcome == scheduleDeleted {
		return ""
	}
	return outcome
}

// openSchedule reads the schedule that the path names.
func (v *visit) openSchedule() (*schedulePage, error) {
	if err := v.openChannel(); err != nil {
		return nil, err
	}
	schedule, err := v.Service.ReadSchedule(v.ctx(), v.caller, v.Channel, mux.Vars(v.r)["schedule"])
	if err != nil {
		return nil, err
	}
	p := &schedulePage{visit: v, Schedule: schedule, Name: v.namesOf([]string{schedule.ConversationID})[schedule.ConversationID]}
	v.Title, v.Here = isolate(p.Name), recurringPlace
	return p, nil
}

// comingWindows are the windows of the next firings that hold a day.
func (v *visit) comingWindows(id string) (coming []service.ScheduleWindow, err error) {
	yesterday, now := v.today().Add(-1), time.Now()
	for _, days := range windowLooks {
		found, err := v.Service.ScheduleWindows(v.ctx(), v.caller, v.Channel, id, yesterday, yesterday.Add(days))
		if err != nil {
			return nil, err
		}
		coming = slices.DeleteFunc(found.Windows, func(window service.ScheduleWindow) bool {
			return !isToCome(window, now)
		})
		if len(coming) >= firingsShown {
			return coming[:firingsShown], nil
		}
	}
	return coming, nil
}

// isToCome reports whether the firing of a window is to come. Its exhaust may be there already: somebody has asked for it before, such
// as by triggering the schedule.
func isToCome(window service.ScheduleWindow, now time.Time) bool {
	switch window.State {
	case service.WindowComing, service.WindowPaused:
		return true
	case service.WindowMade:
		return window.Firing.After(now)
	}
	return false
}

// DaysAhead is how many days the page looks for windows to come.
func (p *schedulePage) DaysAhead() int { return slices.Max(windowLooks) }

const (
	// looksAfter is how often the page looks for what a form has started before it is to be seen.
	looksAfter = 5
	lookParam  = "look"
)

// stayLive keeps the page up to date while an exhaust of it is made, and for a while after a form has started one.
func (p *schedulePage) stayLive() {
	look, _ := strconv.Atoi(p.value(lookParam)) // what is no number is the first look
	isStarting := (p.Outcome == scheduleTriggered || p.Outcome == scheduleBackfilled) && look < looksAfter
	isMaking := slices.ContainsFunc(p.Schedule.Firings, func(f service.Firing) bool { return f.State == "RUNNING" }) ||
		slices.ContainsFunc(p.Month.Windows, func(w service.ScheduleWindow) bool { return w.State == service.WindowMade && !w.Status.HasEnded() })
	if isStarting || isMaking {
		p.Live = p.scheduleURL(p.Schedule.ID, "month", p.value("month"), outcomeParam, p.Outcome, lookParam, look+1)
	}
}

// actOnSchedule pauses or resumes a schedule, or makes an exhaust of it now.
func (c *Console) actOnSchedule(v *visit) error {
	if err := v.openChannel(); err != nil {
		return err
	}
	id, outcome := mux.Vars(v.r)["schedule"], ""
	var err error
	switch v.value("do") {
	case "pause":
		outcome, err = schedulePaused, v.setPaused(id, true)
	case "resume":
		outcome, err = scheduleResumed, v.setPaused(id, false)
	case "trigger":
		outcome = scheduleTriggered
		_, err = v.Service.TriggerSchedule(v.ctx(), v.caller, v.Channel, id)
	default:
		err = errNoPage
	}
	if status, refusal := v.refusalOf(err); refusal != "" {
		return v.answerSchedule(status, refusal)
	}
	if err != nil {
		return err
	}
	return v.redirect(v.scheduleURL(id, outcomeParam, outcome))
}

// refusalOf is why a form about a schedule is refused, and the status to answer with; "" where the error is of something else.
func (v *visit) refusalOf(err error) (status int, refusal string) {
	if limit, isLimit := errors.AsType[*access.LimitError](err); isLimit {
		return http.StatusTooManyRequests, v.Fault(limit.Fault)
	}
	return http.StatusUnprocessableEntity, v.faultOf(err)
}

func (v *visit) setPaused(id string, isPaused bool) error {
	raw := json.RawMessage(strconv.FormatBool(isPaused))
	_, err := v.Service.ChangeSchedule(v.ctx(), v.caller, v.Channel, id, service.SchedulePatch{"paused": raw})
	return err
}

// PartURL is a page about the schedule, such as the one on which it is changed, and SelfURL its own.
func (p *schedulePage) PartURL(part string, pairs ...any) string {
	return p.scheduleURL(p.Schedule.ID+"/"+part, pairs...)
}

func (p *schedulePage) SelfURL() string { return p.scheduleURL(p.Schedule.ID) }

// FiringURL is the page of a firing's exhaust; "" of none.
func (p *schedulePage) FiringURL(f service.Firing) string {
	return p.ownExhaustURL(p.Schedule.Tag, f.RequestID)
}

// FiringStatus is the key of how a firing stands: as its exhaust does, or where it has none, as its workflow does.
func (p *schedulePage) FiringStatus(f service.Firing) string {
	switch {
	case f.Status != "":
		return string(f.Status)
	case f.State == "RUNNING":
		return string(exhaust.Submitted)
	case f.State == "COMPLETED":
		return "NOTHING"
	}
	return string(exhaust.Failed)
}

// showDeletion asks whether the schedule is to be deleted.
func (c *Console) showDeletion(v *visit) error {
	p, err := v.openSchedule()
	if err != nil {
		return err
	}
	v.Title = v.T("recurring.delete.title")
	return v.show(http.StatusOK, "recurringdelete", p)
}

func (c *Console) takeDeletion(v *visit) error {
	if err := v.openChannel(); err != nil {
		return err
	}
	if _, err := v.Service.DeleteSchedule(v.ctx(), v.caller, v.Channel, mux.Vars(v.r)["schedule"]); err != nil {
		return err
	}
	return v.redirect(v.Link("/recurring", outcomeParam, scheduleDeleted))
}
