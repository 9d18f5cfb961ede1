package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// routeNew adds the page on which an exhaust is asked for. All that the form's buttons do but the last starts nothing: they show
// the page again, with what was typed and what follows from it.
func (c *Console) routeNew(router *mux.Router) {
	c.route(router, "/new", c.forReaders(c.showNew), c.forReaders(c.takeNew))
}

// newPage asks for an exhaust.
type newPage struct {
	orderPage
	Presets []preset
	Today   exhaust.Day
	// SuggestedTag is what the tag is as long as nobody types another.
	SuggestedTag string
	Estimate     *estimateView
}

// orderPage is what all pages have on which files of a bot are asked for.
type orderPage struct {
	*visit
	Form   newForm
	Picker picker
	// Datasets are all there are, those too that the reader has no right to.
	Datasets []datasetChoice
	// Faults are what is wrong with the form, by its fields; newNotice is none of them.
	Faults map[string]string
}

// Mark is what tells of a field that something is wrong with it, or with another that it belongs to: where the form was sent the
// reader is led there.
func (p *orderPage) Mark(fields ...string) template.HTMLAttr {
	for _, field := range fields {
		switch {
		case p.Faults[field] == "":
		case p.isSent():
			return ` aria-invalid="true" autofocus`
		default:
			return ` aria-invalid="true"`
		}
	}
	return ""
}

// isSent reports whether the exhaust is asked for; else the form is only looked at.
func (v *visit) isSent() bool { return v.r.Method == http.MethodPost && v.value("do") == "start" }

// newForm is what the reader typed and chose.
type newForm struct{ Conversation, Dataset, From, To, RunAt, Tag, Purpose string }

// newNotice is where stands what is wrong with no field.
const newNotice = "notice"

// datasetChoice is a dataset that can be chosen, or else is shown with the reason.
type datasetChoice struct {
	Name  exhaust.Dataset
	IsOff bool
}

func (c *Console) showNew(v *visit) error {
	p, err := v.newPage()
	if err != nil {
		return err
	}
	if v.r.Header.Get("HX-Target") == conversationsPart {
		return v.show(http.StatusOK, "new", p) // the rest of it is not looked at
	}
	if err := p.complete(); err != nil {
		return err
	}
	return p.answer(http.StatusOK)
}

func (c *Console) takeNew(v *visit) error {
	p, err := v.newPage()
	if err == nil {
		err = p.complete()
	}
	if err != nil {
		return err
	}
	if !v.isSent() {
		return p.answer(http.StatusOK)
	}
	if p.Faults["days"] != "" {
		return p.answer(http.StatusUnprocessableEntity) // it would be started, only to fail
	}
	job, err := v.Service.Submit(v.ctx(), v.caller, p.submission())
	if err == nil {
		return v.redirect(v.ExhaustURL(job.Request, ""))
	}
	status, err := p.takeFault(err)
	if err != nil {
		return err
	}
	return p.answer(status)
}

// newPage is the page with what the form or the query has, in a channel of the reader's, and the conversations to choose from.
func (v *visit) newPage() (*newPage, error) {
	if err := v.openChannel(); err != nil {
		return nil, err
	}
	v.Title, v.Here = v.T("new.title"), exhaustsPlace
	p := &newPage{
		orderPage: orderPage{visit: v, Faults: map[string]string{}, Form: newForm{
			Conversation: v.value("conversation"), Dataset: v.value("dataset"), From: v.value("from"), To: v.value("to"),
			RunAt: cmp.Or(v.value("runAt"), v.Mode, exhaust.RunNow), Tag: v.value("tag"), Purpose: v.value("purpose"),
		}},
		Today: v.today(),
	}
	return p, p.find()
}

// complete fills in what the reader has left open, and offers what he may choose.
func (p *newPage) complete() error {
	p.offerDatasets()
	p.suggestTag()
	if err := p.offerDays(); err != nil {
		return err
	}
	p.checkDays()
	return nil
}

// Self is the page with what the form has, where that was sent: in another language it is shown as it is.
func (p *newPage) Self() string {
	if p.isFirst() {
		return p.visit.Self()
	}
	f, days := p.Form, ""
	if f.From == "" && f.To == "" {
		days = ownPreset
	}
	return p.Link("/new", "q", p.Picker.Text, "conversation", f.Conversation, "dataset", f.Dataset, "from", f.From, "to", f.To, "preset", days,
		"runAt", f.RunAt, "tag", f.Tag, "suggestedTag", p.SuggestedTag, "purpose", f.Purpose)
}

// isFirst reports whether the reader has said nothing yet but what a link says for him: only then is anything chosen for him.
func (v *visit) isFirst() bool { return v.r.Method != http.MethodPost }

// offerDatasets chooses the first that the reader may ask for, where no link names one.
func (p *orderPage) offerDatasets() {
	for _, dataset := range exhaust.Datasets {
		choice := datasetChoice{Name: dataset, IsOff: !p.May(dataset)}
		p.Datasets = append(p.Datasets, choice)
		if p.isFirst() && p.Form.Dataset == "" && !choice.IsOff {
			p.Form.Dataset = string(dataset)
		}
	}
}

// MayNothing reports that the reader may ask for no dataset of the channel.
func (p *orderPage) MayNothing() bool {
	for _, choice := range p.Datasets {
		if !choice.IsOff {
			return false
		}
	}
	return true
}

// suggestTag takes the suggested tag until the reader types another: one that was suggested for another conversation goes.
func (p *newPage) suggestTag() {
	p.SuggestedTag = slugOf(p.Picker.Choice.Name)
	if p.SuggestedTag == "" {
		p.SuggestedTag = p.Form.Conversation // a name in another script
	}
	if p.Form.Tag == p.value("suggestedTag") && !p.isSent() {
		p.Form.Tag = p.SuggestedTag
	}
}

// slugOf is a name as a tag: what it has of letters and digits of English, joined by hyphens.
func slugOf(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	slug := strings.Join(words, "-")
	return strings.TrimRight(slug[:min(len(slug), longestSlug)], "-")
}

// longestSlug leaves room in a tag for what people put behind it.
const longestSlug = 60

// submission is what the form asks for.
func (p *orderPage) submission() exhaust.Submission {
	config := map[string]string{"type": p.Form.Dataset, "conversationId": p.Form.Conversation}
	for name, day := range map[string]string{"startDate": p.Form.From, "endDate": p.Form.To} {
		if day != "" {
			config[name] = day
		}
	}
	text, _ := json.Marshal(config) // texts can always be written
	submission := exhaust.Submission{
		Dataset: p.Form.Dataset, Tag: p.Form.Tag, Channel: p.Channel, RequestedBy: cmp.Or(p.caller.Name, "console"),
		DatasetConfig: text, RunAt: p.Form.RunAt,
	}
	if p.Form.Dataset == string(exhaust.PrivateExhaust) {
		submission.Purpose = p.Form.Purpose
	}
	return submission
}

// answer shows the page with the estimate, where the form is complete and nothing is known to be wrong with it.
func (p *newPage) answer(status int) error {
	if len(p.Faults) == 0 {
		if err := p.estimate(); err != nil {
			return err
		}
	}
	return p.show(status, "new", p)
}

// takeFault keeps an error beside the field that it is about, and is the status to answer with; one that no other form heals it
// hands back.
func (p *orderPage) takeFault(err error) (status int, _ error) {
	var (
		invalid     *exhaust.InvalidError
		lack        *service.ForbiddenError
		limit       *access.LimitError
		unavailable *service.UnavailableError
	)
	switch {
	case errors.As(err, &invalid):
		p.Faults[fieldOf(invalid.Fault)] = p.Fault(invalid.Fault)
		return http.StatusUnprocessableEntity, nil
	case errors.As(err, &lack):
		p.Faults["dataset"] = p.Fault(lack.Fault)
		return http.StatusForbidden, nil
	case errors.As(err, &limit), errors.As(err, &unavailable), errors.Is(err, exhaust.ErrWindingUp):
		failure := p.failureOf(err)
		p.Faults[newNotice] = failure.Sentence + " " + p.T("new.unsent")
		return failure.Status, nil
	}
	return 0, err
}

// newFields are the form's fields by the names that faults have for them.
var newFields = map[string]string{
	"tag": "tag", "dataset": "dataset", "datasetConfig.conversationId": "conversation", "datasetConfig.startDate": "from",
	"datasetConfig.endDate": "to", "q": "q",
}

// fieldOf is the field that a fault is about.
func fieldOf(f exhaust.Fault) string {
	switch f.Code {
	case exhaust.TagEmpty:
		return "tag"
	case exhaust.DatasetEmpty:
		return "dataset"
	case exhaust.StartAfterEnd, exhaust.TooManyDays:
		return "days"
	case exhaust.PurposeEmpty, exhaust.PurposeInvalid:
		return "purpose"
	case exhaust.CronEmpty, exhaust.CronInvalid, exhaust.CronRefused, exhaust.CronNeverFires, exhaust.CronTooRare:
		return "cron"
	case exhaust.ZoneUnknown:
		return "zone"
	case exhaust.JitterInvalid:
		return "jitter"
	case exhaust.NoteInvalid:
		return "note"
	case exhaust.WebhookInvalid, exhaust.WebhookHasUser, exhaust.WebhookPrivate, exhaust.WebhookUnsigned, exhaust.WebhookSecretTaken,
		exhaust.WebhookSecretOfBoth:
		return "webhook"
	}
	field, _ := f.Details["field"].(string)
	return cmp.Or(newFields[field], newNotice)
}
