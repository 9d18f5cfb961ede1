package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// routeExhaust adds the page of one exhaust, and what it can be asked to do.
func (c *Console) routeExhaust(router *mux.Router) {
	const path = "/exhausts/{tag}/{requestId}"
	c.route(router, path, c.forReaders(c.showExhaust), nil)
	c.route(router, path+"/file", c.forReaders(c.sendToFile), nil)
	c.route(router, path+"/receipt", c.forReaders(c.sendToReceipt), nil)
	c.route(router, path+"/cancel", c.forReaders(c.returnToExhaust), c.forReaders(c.cancelExhaust))
	c.route(router, path+"/retry", c.forReaders(c.returnToExhaust), c.forReaders(c.retryExhaust))
	c.route(router, path+"/now", c.forReaders(c.returnToExhaust), c.forReaders(c.startExhaust))
	c.routePreview(router, path+"/preview")
	c.routeCharts(router, path+"/charts")
}

// oneExhaust is what the pages about one exhaust have of it.
type oneExhaust struct {
	*visit
	Job exhaust.Job
	// Name is the conversation's.
	Name string
}

// URL is the page of the exhaust, or one below it, with what its query holds, in turns of name and value.
func (p oneExhaust) URL(below string, pairs ...any) string {
	return p.ExhaustURL(p.Job.Request, below, pairs...)
}

// Headline says what the exhaust holds: of whom, and of which days.
func (p oneExhaust) Headline() string {
	if !p.Job.UsesTelemetry() {
		return p.T("exhaust.title.everybody", "name", isolate(p.Name))
	}
	return p.T("exhaust.title."+string(p.Job.Dataset), "name", isolate(p.Name), "days", p.Covered(p.Job))
}

// CameToNothing reports whether the exhaust ended without a file.
func (p oneExhaust) CameToNothing() bool {
	return p.Job.Status == exhaust.Failed || p.Job.Status == exhaust.Cancelled
}

// absence says why there is nothing to show of an exhaust that came to nothing; "" of any other.
func (p oneExhaust) absence() string {
	if !p.CameToNothing() {
		return ""
	}
	return p.T("exhaust.absent." + string(p.Job.Status))
}

// ExhaustURL is the page of an exhaust, or one below it, with what its query holds, in turns of name and value.
func (v *visit) ExhaustURL(r exhaust.Request, below string, pairs ...any) string {
	path := "/exhausts/" + url.PathEscape(r.Tag) + "/" + url.PathEscape(r.ID) + below
	return v.Link(path, append([]any{"channel", r.Channel}, pairs...)...)
}

// ownExhaustURL is the page of an exhaust of this channel; "" where there is none.
func (v *visit) ownExhaustURL(tag, id string) string {
	if id == "" {
		return ""
	}
	return v.ExhaustURL(exhaust.Request{Tag: tag, ID: id, Channel: v.Channel}, "")
}

// exhaustPage shows one exhaust: how far it is, what became of it, and what can be done with it.
type exhaustPage struct {
	oneExhaust
	// State is the key of its state's text and colour.
	State string
	File  service.File
	// Gaps are the days of the file without telemetry.
	Gaps []exhaust.Day
	// Fault is what is wrong with what the reader asked the exhaust to do.
	Fault   string
	Request requestForms
}

func (c *Console) showExhaust(v *visit) error { return v.showExhaust(http.StatusOK, "") }

// showExhaust shows the exhaust that the path names, and a fault of what the reader asked it to do.
func (v *visit) showExhaust(status int, fault string) error {
	one, file, err := v.lookAtExhaust()
	if err != nil {
		return err
	}
	v.Title = one.Headline() + ": " + v.T("status."+stateOf(one.Job))
	p := exhaustPage{oneExhaust: one, State: stateOf(one.Job), File: file, Fault: fault}
	if p.Request, err = v.formsOf(one.Job); err != nil {
		return err
	}
	if file.Name != "" {
		p.Gaps = one.gaps()
	}
	if v.isLive() && !p.IsLive() {
		// What it waited for has come: all of the page changes, not only the part that asks.
		header := v.w.Header()
		header.Set("HX-Retarget", "#exhaust")
		header.Set("HX-Reselect", "#exhaust")
	}
	return v.show(status, "exhaust", p)
}

// lookAtExhaust finds the exhaust that the path names.
func (v *visit) lookAtExhaust() (oneExhaust, service.File, error) {
	tag, requestID, err := v.openExhaust()
	if err != nil {
		return oneExhaust{}, service.File{}, err
	}
	job, file, err := v.Service.Look(v.ctx(), v.caller, tag, v.Channel, requestID)
	if err != nil {
		return oneExhaust{}, service.File{}, err
	}
	name := v.conversationNames([]exhaust.Job{job})[job.ConversationID]
	return oneExhaust{visit: v, Job: job, Name: name}, file, nil
}

// openExhaust opens the channel of a page about one exhaust, and tells which one the path names.
func (v *visit) openExhaust() (tag, requestID string, err error) {
	v.Here = exhaustsPlace
	names := mux.Vars(v.r)
	return names["tag"], names["requestId"], v.openChannel()
}

// sendToFile leads to the file: its URL is signed now, for whoever asks, and stands in no page.
func (c *Console) sendToFile(v *visit) error {
	return v.sendTo(func(job exhaust.Job) string { return strings.Join(job.DownloadURLs, "") }) // it is one
}

// sendToReceipt leads to the receipt of the file, as sendToFile does to the file.
func (c *Console) sendToReceipt(v *visit) error {
	return v.sendTo(func(job exhaust.Job) string { return job.ReceiptURL })
}

// sendTo leads to a signed URL of an exhaust; where there is none, to its page, which says why.
func (v *visit) sendTo(signed func(exhaust.Job) string) error {
	tag, requestID, err := v.openExhaust()
	if err != nil {
		return err
	}
	job, err := v.Service.Read(v.ctx(), v.caller, tag, v.Channel, requestID)
	if err != nil {
		return err
	}
	return v.redirect(cmp.Or(signed(job), v.ExhaustURL(job.Request, "")))
}

// returnToExhaust leads whoever loads anew what a form was sent to back to the page with the form.
func (c *Console) returnToExhaust(v *visit) error {
	tag, requestID, err := v.openExhaust()
	if err != nil {
		return err
	}
	return v.redirect(v.ownExhaustURL(tag, requestID))
}

func (c *Console) cancelExhaust(v *visit) error { return v.change(c.Service.Cancel) }
func (c *Console) retryExhaust(v *visit) error  { return v.change(c.Service.Retry) }

// startExhaust makes an exhaust now that waits for the night. Asking for it again would be another exhaust, once its day is over.
func (c *Console) startExhaust(v *visit) error {
	return v.change(func(ctx context.Context, caller access.Caller, tag, channel, requestID string) (exhaust.Job, error) {
		job, _, err := c.Service.Look(ctx, caller, tag, channel, requestID)
		if err != nil || stateOf(job) != waitsForNight {
			return job, err
		}
		_, _, err = c.Service.Replay(ctx, caller, channel, service.Scope{Dataset: job.Dataset}, service.Replay{
			Statuses: []exhaust.Status{exhaust.Submitted}, RequestID: requestID, Tag: tag, Limit: 1,
		})
		return job, err
	})
}

// change has an exhaust do something, and leads back to its page.
func (v *visit) change(act func(ctx context.Context, c access.Caller, tag, channel, requestID string) (exhaust.Job, error)) error {
	tag, requestID, err := v.openExhaust()
	if err != nil {
		return err
	}
	_, err = act(v.ctx(), v.caller, tag, v.Channel, requestID)
	if err == nil || isLate(err) {
		return v.redirect(v.ownExhaustURL(tag, requestID))
	}
	if fault := v.faultOf(err); fault != "" {
		return v.showExhaust(http.StatusUnprocessableEntity, fault)
	}
	if errors.Is(err, exhaust.ErrWindingUp) {
		return v.showExhaust(http.StatusServiceUnavailable, v.Fault(exhaust.NewFault(exhaust.PreviousAttemptEnding)))
	}
	return err
}

// isLate reports whether an exhaust has moved on since the page was made that had the button: how it stands says all there is to say.
func isLate(err error) bool {
	invalid, isInvalid := errors.AsType[*exhaust.InvalidError](err)
	return isInvalid && (invalid.Code == exhaust.NotRetryable || invalid.Code == exhaust.NotCancellable)
}

// IsLive reports whether the exhaust changes by itself.
func (p exhaustPage) IsLive() bool { return !p.Job.Status.HasEnded() }

// IsRetryable reports whether the exhaust can be run again: it came to nothing, or its file is gone.
func (p exhaustPage) IsRetryable() bool {
	return p.Job.Status.HasEnded() && p.State != string(exhaust.Success)
}

// IsFinal reports whether the exhaust would fail again as it is: it is to be asked for in another way.
func (p exhaustPage) IsFinal() bool { return p.Job.Status == exhaust.Failed && !p.Job.Retryable }

// HasEndedNow reports whether the page that the reader looks at still shows the exhaust under way.
func (p exhaustPage) HasEndedNow() bool { return p.isLive() && !p.IsLive() }

// IsTimed reports whether the exhaust took as long as can be said in whole seconds.
func (p exhaustPage) IsTimed() bool { return p.Job.ExecutionTime >= time.Second }

// step is one of those that an exhaust takes.
type step struct {
	// Name is the key of its text.
	Name           string
	IsDone, IsHere bool
}

// Steps are those of the exhaust in their order. None is current before the first has begun, and none that it does not take.
func (p exhaustPage) Steps() (steps []step) {
	phases := []exhaust.Phase{exhaust.Fetching, exhaust.Joining, exhaust.Building, exhaust.Signing, exhaust.Done}
	here := slices.Index(phases, p.Job.Progress.Phase)
	for i, phase := range phases {
		if phase == exhaust.Done || phase == exhaust.Fetching && !p.Job.UsesTelemetry() {
			continue
		}
		steps = append(steps, step{Name: string(phase), IsDone: i < here, IsHere: i == here})
	}
	return steps
}

// counter is a number that says what is not in the file, or not as one may expect.
type counter struct {
	// Name is the key of its text, and with ".why" behind it that of the reason.
	Name string
	N    int64
}

// Counters are those that are not zero.
func (p exhaustPage) Counters() (counters []counter) {
	progress, of := p.Job.Progress, "."+string(p.Job.Dataset)
	for _, c := range []counter{
		{"unknown" + of, progress.RowsUnknownDevice}, {"repeats", progress.Repeats}, {"skipped", progress.LinesSkipped},
		{"consent" + of, progress.ConsentUnreadable}, {"undecryptable", progress.Undecryptable},
	} {
		if c.Name == "repeats" && !p.HasBalance() {
			continue // a person stands in the file once, however often his telemetry arrives
		}
		if c.N > 0 {
			counters = append(counters, c)
		}
	}
	return counters
}

// gaps are the days of the file without telemetry. Where its receipt cannot be read now, the page does without them.
func (p oneExhaust) gaps() []exhaust.Day {
	days, err := p.Service.DaysWithoutTelemetry(p.ctx(), p.caller, p.Job.Tag, p.Job.Channel, p.Job.ID)
	if err != nil {
		p.Log.Warn("the days of a file without telemetry are not known", "requestId", p.Job.ID, "error", err)
	}
	return days
}

// gapsNamed is how many stretches of days without telemetry the page names.
const gapsNamed = 10

// GapDays names the days of the file without telemetry.
func (p exhaustPage) GapDays() string {
	var names []string
	for i, gap := range rangesOf(p.Gaps) {
		if i == gapsNamed {
			names = append(names, "…")
			break
		}
		names = append(names, p.Days(gap.StartDate, gap.EndDate))
	}
	return strings.Join(names, "; ")
}

// HasBalance reports whether the counts of a file add up to the events that were found: those of people do not, one of whom may
// have sent any number of them.
func (p exhaustPage) HasBalance() bool { return p.Job.Dataset == exhaust.ResponseExhaust }

// Emptiness is why a file has no rows; "" where it has some, or what was left out of it says why.
func (p exhaustPage) Emptiness() string {
	switch progress := p.Job.Progress; {
	case progress.RowsWritten > 0 || progress.EventsMatched > 0:
		return ""
	case !p.Job.UsesTelemetry():
		return p.T("exhaust.empty.everybody")
	case progress.BytesTotal == 0:
		return p.T("exhaust.empty.telemetry")
	}
	return p.T("exhaust.empty.days")
}

// Reason is why the exhaust came to nothing, or has no file any more.
func (p exhaustPage) Reason() wording {
	if p.isOfNobody(p.Job.Message, p.Job.Request) {
		return wording{Text: p.T("exhaust.nobody")}
	}
	return p.Plainly(p.Job.Message)
}

// Advice is what the reader may do about an exhaust that came to nothing.
func (p exhaustPage) Advice() string {
	switch advice := "advice." + p.FormOf(p.Job.Message); {
	case p.isOfNobody(p.Job.Message, p.Job.Request):
		return p.T("exhaust.nobody.way")
	case p.Has(advice):
		return p.T(advice)
	case p.Job.Status == exhaust.Cancelled:
		return p.T("exhaust.cancelled.way")
	case p.Job.Retryable:
		return p.T("exhaust.failed.retryable")
	}
	return p.T("exhaust.failed.final")
}

// AgainURL is the form for a new exhaust, filled in as this one was: one that named no day names none again.
func (p exhaustPage) AgainURL() string {
	from, to, days := p.Job.StartDate, p.Job.EndDate, ""
	if from == "" && to == "" {
		days = ownPreset
	}
	return p.Link("/new", "channel", p.Job.Channel, "conversation", p.Job.ConversationID, "dataset", p.Job.Dataset, "from", from, "to", to,
		"preset", days, "tag", p.Job.Tag)
}

// RecurURL is the form for a recurring exhaust like this one: of the same conversation, under the same tag.
func (p exhaustPage) RecurURL() string {
	return p.Link("/recurring/new", "channel", p.Job.Channel, "conversation", p.Job.ConversationID, "dataset", p.Job.Dataset, "tag", p.Job.Tag)
}

// WorkflowURL is the exhaust's workflow in Temporal's UI; "" where there is no such UI.
func (p exhaustPage) WorkflowURL() string { return p.ExhaustWorkflowURL(p.Job.ID) }
