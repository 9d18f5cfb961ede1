package console

import (
	"encoding/json"
	"net/http"

	"data-exhaust/service"
)

// changePage changes a schedule.
type changePage struct {
	timesPage
	Schedule service.Schedule
	Name     string
	// EndsWebhook says that the schedule is to have no webhook more.
	EndsWebhook bool
	// original is the form with what the schedule has.
	original timesForm
}

func (c *Console) showChange(v *visit) error {
	p, err := v.changePage()
	if err != nil {
		return err
	}
	return p.answerTimes(http.StatusOK, "recurringchange", p)
}

func (c *Console) takeChange(v *visit) error {
	p, err := v.changePage()
	if err != nil {
		return err
	}
	if !v.isSent() {
		return p.answerTimes(http.StatusOK, "recurringchange", p)
	}
	patch := p.patch()
	if len(patch) == 0 {
		return v.redirect(v.scheduleURL(p.Schedule.ID))
	}
	schedule, err := v.Service.ChangeSchedule(v.ctx(), v.caller, v.Channel, p.Schedule.ID, patch)
	if err == nil {
		return v.leadOn(schedule, scheduleChanged)
	}
	status, err := p.takeFault(err)
	if err != nil {
		return err
	}
	return p.answerTimes(status, "recurringchange", p)
}

// changePage is the page with what the form has, else with what the schedule has. Of its webhook only the host is known.
func (v *visit) changePage() (*changePage, error) {
	one, err := v.openSchedule()
	if err != nil {
		return nil, err
	}
	v.Title = v.T("recurring.change.title")
	schedule := one.Schedule
	p := &changePage{
		Schedule: schedule, Name: one.Name, EndsWebhook: v.value("endsWebhook") != "",
		original: timesForm{Cron: schedule.Cron, Zone: schedule.Zone, Jitter: minutes(schedule.Jitter), Note: schedule.Note},
		timesPage: timesPage{GoesOn: true, Action: v.PlainLink("/recurring/" + schedule.ID + "/change"), orderPage: orderPage{
			visit: v, Faults: map[string]string{}, Form: newForm{Dataset: string(schedule.Dataset), Purpose: schedule.Purpose},
		}},
	}
	if v.r.Form.Has("purpose") {
		p.Form.Purpose = v.value("purpose")
	}
	p.readTimes(p.original)
	return p, nil
}

// patch is what the form changes. What it leaves stays as somebody else may have changed it meanwhile.
func (p *changePage) patch() service.SchedulePatch {
	patch := service.SchedulePatch{}
	set := func(name, text, original string) {
		if text != original {
			raw, _ := json.Marshal(text) // texts can always be written
			patch[name] = raw
		}
	}
	set("cron", p.Times.Cron, p.original.Cron)
	set("zone", p.Times.Zone, p.original.Zone)
	set("jitter", jitterOf(p.Times.Jitter), jitterOf(p.original.Jitter))
	set("note", p.Times.Note, p.original.Note)
	set("purpose", p.Form.Purpose, p.Schedule.Purpose)
	set("webhook", p.Times.Webhook, "")
	if p.EndsWebhook && p.Times.Webhook == "" {
		patch["webhook"] = json.RawMessage(`""`)
	}
	return patch
}

// WebhookHost is the host that the schedule's news go to; "" where they go nowhere.
func (p *changePage) WebhookHost() string {
	if p.Schedule.Webhook == nil {
		return ""
	}
	return p.Schedule.Webhook.Host
}
