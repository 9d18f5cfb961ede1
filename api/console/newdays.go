package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// preset is a button that fills in the days.
type preset struct {
	// Name is the key of its text.
	Name string
	exhaust.Range
	// Reason says why it does not apply; "" where it does.
	Reason string
	// IsChosen says that the days of the form are these.
	IsChosen bool
}

const (
	// firstPreset is taken where nobody has said anything yet: from a short exhaust one sees what an exhaust is.
	firstPreset = "week"
	// ownPreset is the preset of no days: the conversation's own, or of people everybody who is registered.
	ownPreset = "own"
)

// offerDays offers the presets, and fills in the days of the one whose button was pressed.
func (p *newPage) offerDays() error {
	yesterday := p.Today.Add(-1)
	first, last := lastMonth(p.Today)
	since, err := p.sinceLast(yesterday)
	if err != nil {
		return err
	}
	p.Presets = []preset{
		{Name: "yesterday", Range: exhaust.Range{StartDate: yesterday, EndDate: yesterday}},
		{Name: firstPreset, Range: exhaust.Range{StartDate: p.Today.Add(-7), EndDate: yesterday}},
		{Name: "month", Range: exhaust.Range{StartDate: first, EndDate: last}},
		since,
		{Name: ownPreset},
	}
	for i, offer := range p.Presets {
		if form, values := p.wrongDays(p.refusal(p.requestOf(offer.Range))); form != "" && offer.Reason == "" {
			p.Presets[i].Reason = p.T("new.preset."+form, values...)
		}
	}
	wanted := p.value("preset")
	if p.isFirst() && wanted == "" && !p.r.Form.Has("from") && !p.r.Form.Has("to") {
		wanted = firstPreset
	}
	for _, offer := range p.Presets {
		if offer.Name == wanted && offer.Reason == "" {
			p.Form.From, p.Form.To = string(offer.StartDate), string(offer.EndDate)
		}
	}
	for i, offer := range p.Presets {
		p.Presets[i].IsChosen = offer.Reason == "" && p.Form.From == string(offer.StartDate) && p.Form.To == string(offer.EndDate)
	}
	return nil
}

// requestOf is a request of the form's dataset for days; none are the conversation's own.
func (p *newPage) requestOf(days exhaust.Range) exhaust.Request {
	return exhaust.Request{Dataset: exhaust.Dataset(p.Form.Dataset), StartDate: days.StartDate, EndDate: days.EndDate}
}

// refusal is the sentence that a request of the chosen conversation would end with because of its days; "" of none.
func (p *newPage) refusal(request exhaust.Request) string {
	if _, err := request.RangeOver(p.Picker.Choice, nil, p.Today, p.MaxDays); err != nil {
		return err.Error()
	}
	return ""
}

// checkDays keeps beside the days what is wrong with those of the conversation's own that the form leaves open, or with each that it
// has. What else is wrong with the form says whoever is asked for the exhaust.
func (p *newPage) checkDays() {
	if request, err := p.submission().Check(p.rules()); err == nil {
		p.takeWrongDays(p.refusal(request))
		return
	}
	first, last := p.orderPage, p.orderPage // of two days that are wrong one fault tells of one
	first.Form.To, last.Form.From = "", ""
	for _, alone := range []orderPage{first, last} {
		_, err := alone.submission().Check(p.rules())
		if invalid, isInvalid := errors.AsType[*exhaust.InvalidError](err); isInvalid {
			if field := fieldOf(invalid.Fault); field == "from" || field == "to" {
				p.Faults[field] = p.Fault(invalid.Fault)
			}
		}
	}
}

// takeWrongDays keeps beside the days what a sentence says is wrong with them, and reports whether it says that.
func (p *newPage) takeWrongDays(sentence string) bool {
	form, values := p.wrongDays(sentence)
	if form != "" {
		p.Faults["days"] = p.T("days."+form, values...)
	}
	return form != ""
}

// rules are those by which the service checks what is asked of it now.
func (v *visit) rules() exhaust.Rules {
	return exhaust.Rules{Now: time.Now().In(v.Timezone), MaxDays: v.MaxDays, PrivatePurpose: v.PrivatePurpose}
}

// lastMonth is the calendar month before that of a day.
func lastMonth(today exhaust.Day) (first, last exhaust.Day) {
	at := today.Time()
	begin := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	return exhaust.DayOf(begin.AddDate(0, -1, 0)), exhaust.DayOf(begin.AddDate(0, 0, -1))
}

// sinceLast covers what the last exhaust of the same kind left, up to yesterday.
func (p *newPage) sinceLast(yesterday exhaust.Day) (preset, error) {
	offer := preset{Name: "since"}
	if p.Form.Conversation == "" {
		offer.Reason = p.T("new.preset.since.nobot")
		return offer, nil
	}
	if !p.May(exhaust.Dataset(p.Form.Dataset)) {
		offer.Reason = p.T("new.preset.since.none")
		return offer, nil
	}
	last, err := p.lastCoveredDay()
	_, isAway := errors.AsType[*service.UnavailableError](err)
	switch {
	case p.faultOf(err) != "": // what is wrong with the conversation or the dataset is said at its field
		offer.Reason = p.T("new.preset.since.none")
		return offer, nil
	case isAway: // the other days can be had
		offer.Reason = p.failureOf(err).Sentence
		return offer, nil
	case err != nil:
		return offer, err
	}
	switch {
	case last == "":
		offer.Reason = p.T("new.preset.since.none")
	case last >= yesterday:
		offer.Reason = p.T("new.preset.since.covered", "day", p.Day(last))
	default:
		offer.Range = exhaust.Range{StartDate: last.Add(1), EndDate: yesterday}
	}
	return offer, nil
}

const (
	// lastPages is how many pages of exhausts are looked through for the one that reaches furthest, lastPerPage how many a page has.
	lastPages   = 4
	lastPerPage = 100
	// lastLooks is of how many of them is asked whether the file is still there, lastLookTimeout for how long.
	lastLooks       = 5
	lastLookTimeout = 500 * time.Millisecond
)

// lastCoveredDay is the last day that an exhaust of the same kind covers as a whole; "" where there is none.
func (p *newPage) lastCoveredDay() (exhaust.Day, error) {
	found, err := p.findReady()
	if err != nil {
		return "", err
	}
	slices.SortStableFunc(found, func(x, y exhaust.Job) int { return cmp.Compare(p.coveredUntil(y), p.coveredUntil(x)) })
	looks, cancel := context.WithTimeout(p.ctx(), lastLookTimeout)
	defer cancel()
	for _, job := range found[:min(len(found), lastLooks)] {
		if p.isServed(looks, job) {
			return p.coveredUntil(job), nil
		}
	}
	return "", nil
}

// findReady finds the exhausts of the same kind that have succeeded, whatever has become of their files.
func (p *newPage) findReady() (found []exhaust.Job, _ error) {
	browse := service.Browse{
		Channel: p.Channel, ConversationID: p.Form.Conversation, Dataset: exhaust.Dataset(p.Form.Dataset),
		Statuses: []exhaust.Status{exhaust.Success}, Limit: lastPerPage,
	}
	for range lastPages {
		page, err := p.Service.Browse(p.ctx(), p.caller, browse)
		if err != nil {
			return nil, err
		}
		found = append(found, page.Exhausts...)
		if browse.After = page.Next; browse.After == "" {
			break
		}
	}
	return found, nil
}

// isServed reports whether somebody has the file of an exhaust, or can have it: it is there, or it was for as long as files are kept.
// One that was erased, or is lost, is to be made again. Where nobody can say in time whether it is lost, it is not.
func (p *newPage) isServed(ctx context.Context, job exhaust.Job) bool {
	if job.Report == "" {
		return p.FormOf(job.Message) == "expired"
	}
	now, _, err := p.Service.Look(ctx, p.caller, job.Tag, job.Channel, job.ID)
	if err != nil {
		p.Log.Warn("whether the file of an exhaust is there is not known", "requestId", job.ID, "error", err)
		return true
	}
	return now.Report != ""
}

// coveredUntil is the last day that an exhaust covers as a whole: the day on which it was asked for was not over. It is "" of one of
// everybody registered.
func (v *visit) coveredUntil(job exhaust.Job) exhaust.Day {
	to := cmp.Or(job.To, job.EndDate)
	if to == "" {
		return ""
	}
	return min(to, exhaust.DayOf(job.SubmittedAt.In(v.Timezone)).Add(-1))
}

// Label is what the button of a preset says.
func (p *newPage) Label(name string) string {
	if name == ownPreset && p.Form.Dataset == string(exhaust.PrivateExhaust) {
		return p.T("days.everybody")
	}
	return p.T("new.preset." + name)
}

// Night is when the next night's work begins; "" where its cron does not say one time of every day.
func (v *visit) Night() string { return v.nightAfter(time.Now()) }

func (v *visit) nightAfter(now time.Time) string {
	fields := strings.Fields(v.NightlyCron)
	if len(fields) != 5 || strings.Join(fields[2:], " ") != "* * *" {
		return ""
	}
	minute, err := strconv.Atoi(fields[0])
	if err != nil {
		return ""
	}
	hour, err := strconv.Atoi(fields[1])
	if err != nil {
		return ""
	}
	year, month, day := now.In(v.Timezone).Date()
	at := time.Date(year, month, day, hour, minute, 0, 0, v.Timezone)
	if !at.After(now) {
		at = time.Date(year, month, day+1, hour, minute, 0, 0, v.Timezone)
	}
	return v.Time(at)
}
