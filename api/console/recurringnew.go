package console

import (
	"net/http"

	"data-exhaust/service"
)

// newSchedulePage makes a recurring exhaust. As on the page of a new exhaust only its last button does.
type newSchedulePage struct{ timesPage }

func (c *Console) showNewSchedule(v *visit) error {
	p, err := v.newSchedulePage()
	if err != nil {
		return err
	}
	return p.answerTimes(http.StatusOK, "recurringnew", p)
}

func (c *Console) takeNewSchedule(v *visit) error {
	p, err := v.newSchedulePage()
	if err != nil {
		return err
	}
	if !v.isSent() {
		return p.answerTimes(http.StatusOK, "recurringnew", p)
	}
	schedule, err := v.Service.CreateSchedule(v.ctx(), v.caller, service.ScheduleDraft{
		Submission: p.submission(), Cron: p.Times.Cron, Zone: p.Times.Zone, Jitter: jitterOf(p.Times.Jitter), Webhook: p.Times.Webhook, Note: p.Times.Note,
	})
	if err == nil {
		return v.leadOn(schedule, scheduleCreated)
	}
	status, err := p.takeFault(err)
	if err != nil {
		return err
	}
	return p.answerTimes(status, "recurringnew", p)
}

// newSchedulePage is the page with what the form or the query has, in a channel of the reader's.
func (v *visit) newSchedulePage() (*newSchedulePage, error) {
	if err := v.openChannel(); err != nil {
		return nil, err
	}
	v.Title, v.Here = v.T("recurring.new"), recurringPlace
	p := &newSchedulePage{timesPage{Action: v.PlainLink("/recurring/new"), orderPage: orderPage{visit: v, Faults: map[string]string{}, Form: newForm{
		Conversation: v.value("conversation"), Dataset: v.value("dataset"), Tag: v.value("tag"), Purpose: v.value("purpose"),
	}}}}
	p.offerDatasets()
	p.readTimes(timesForm{Cron: suggestedTime.cron(cronPresets[1].days), Zone: v.Zone()})
	if v.isTyping() {
		return p, nil // the registry is not asked for what is not shown
	}
	return p, p.find()
}

// secretPage shows a channel's webhook secret, once: no URL may hold it, so a form is answered with it.
type secretPage struct {
	*visit
	Secret string
	// Next is the page of the schedule.
	Next string
}

// leadOn leads to the page of a schedule, which says what was done, by way of the webhook secret where one was made for it.
func (v *visit) leadOn(schedule service.Schedule, outcome string) error {
	next := v.scheduleURL(schedule.ID, outcomeParam, outcome)
	if schedule.WebhookSecret == "" {
		return v.redirect(next)
	}
	v.Title = v.T("recurring.secret.title")
	return v.show(http.StatusOK, "recurringsecret", &secretPage{visit: v, Secret: schedule.WebhookSecret, Next: next})
}
