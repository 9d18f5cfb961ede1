package console

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// timesPage is what the pages have on which somebody says when a schedule fires.
type timesPage struct {
	orderPage
	Times   timesForm
	Presets []cronPreset
	// Action is where the form is sent to.
	Action string
	// Firings are the next ones of the cron expression that the form has.
	Firings []exhaust.Window
	// CronReason is Temporal's sentence why it refuses the cron expression; "" of none.
	CronReason string
	// GoesOn says that the first of them covers what the firings of a schedule have left, and not what the expression alone would
	// leave to it.
	GoesOn bool
	// Absence says why they are not known now.
	Absence string
}

// timesForm is what the reader typed of when a schedule fires, and of what comes with it.
type timesForm struct {
	Cron, Zone string
	// At is the time of day that presets take.
	At string
	// Jitter is in minutes.
	Jitter, Note, Webhook string
}

const (
	// firingsPart is the id of the part of the page that tells the next firings.
	firingsPart = "firings"
	// firingsShown is how many it tells.
	firingsShown = 5
)

// suggestedTime is the time of presets until the reader chooses another: in the morning, when the night's work is done.
var suggestedTime = clock{hour: 6}

// readTimes takes the form that was sent, or where none was, what stands there at first. A preset that was pressed, and a time that
// was chosen, go into the cron expression.
func (p *timesPage) readTimes(first timesForm) {
	p.Times = first
	for name, field := range map[string]*string{
		"cron": &p.Times.Cron, "zone": &p.Times.Zone, "jitter": &p.Times.Jitter, "note": &p.Times.Note, "webhook": &p.Times.Webhook,
	} {
		if p.r.Form.Has(name) {
			*field = p.value(name)
		}
	}
	at, isClock := readClock(p.value("at"))
	if !isClock {
		at = suggestedTime
	}
	for _, preset := range cronPresets {
		if preset.Name == p.value("preset") {
			p.Times.Cron = at.cron(preset.days)
		}
	}
	shown, days, isSplit := splitCron(p.Times.Cron)
	switch {
	case isSplit && isClock && p.value("at") != p.value("shownAt"):
		p.Times.Cron = at.cron(days)
	case isSplit:
		at = shown
	}
	p.Times.At = at.text()
	_, days, isSplit = splitCron(p.Times.Cron)
	for _, preset := range cronPresets {
		preset.IsChosen = isSplit && days == preset.days
		p.Presets = append(p.Presets, preset)
	}
}

// preview asks for the next firings; what is wrong with the cron expression or the zone is kept beside them.
func (p *timesPage) preview() error {
	found, err := p.Service.NextFirings(p.ctx(), p.caller, p.Channel, p.Times.Cron, p.Times.Zone, firingsShown)
	switch _, isUnavailable := errors.AsType[*service.UnavailableError](err); {
	case err == nil:
		p.Firings = found.Firings
		return nil
	case isUnavailable:
		p.Absence = p.failureOf(err).Sentence
		return nil
	}
	_, err = p.takeFault(err)
	return err
}

// takeFault is that of an order, and keeps the reason beside what is wrong with the cron expression.
func (p *timesPage) takeFault(err error) (status int, _ error) {
	if invalid, isInvalid := errors.AsType[*exhaust.InvalidError](err); isInvalid && invalid.Code == exhaust.CronRefused {
		p.CronReason, _ = invalid.Details["reason"].(string)
	}
	return p.orderPage.takeFault(err)
}

// MaxJitter is how late a firing may start.
func (p *timesPage) MaxJitter() time.Duration { return service.MaxJitter }

// answerTimes shows a page with the next firings.
func (p *timesPage) answerTimes(status int, name string, data any) error {
	if p.Faults["cron"] == "" && p.Faults["zone"] == "" && p.mayPreview() {
		if err := p.preview(); err != nil {
			return err
		}
	}
	return p.show(status, name, data)
}

// mayPreview reports whether Temporal is asked for the next firings, which costs it a schedule: not for an expression in a link, which
// another site may lead browsers to.
func (p *timesPage) mayPreview() bool {
	return p.r.Method == http.MethodPost || p.isLive() || !p.r.Form.Has("cron") && !p.r.Form.Has("zone")
}

// isTyping reports whether the page is asked for the next firings alone.
func (v *visit) isTyping() bool { return v.r.Header.Get("HX-Target") == firingsPart }

// ZoneOfFirings is the zone that the form has, or that stands for none.
func (p *timesPage) ZoneOfFirings() string { return cmp.Or(p.Times.Zone, p.Zone()) }

// minutes is a jitter as the form has it, and jitterOf as the service takes it.
func minutes(jitter time.Duration) string {
	if jitter == 0 {
		return ""
	}
	return strconv.FormatFloat(jitter.Minutes(), 'f', -1, 64)
}

func jitterOf(minutes string) string {
	if minutes == "" {
		return ""
	}
	return minutes + "m"
}
