package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/api/health"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// routeOperations adds the pages of those who run the service.
func (c *Console) routeOperations(router *mux.Router) {
	c.route(router, "/operations", c.forOperators(c.showOperations), nil)
	c.route(router, "/operations/again", c.forOperators(c.showReplay), c.forOperators(c.startReplay))
}

// forOperators is for readers who have the operator's right.
func (c *Console) forOperators(handle handler) http.Handler {
	return c.forReaders(func(v *visit) error {
		if err := v.Service.CheckOperator(v.caller, "operations"); err != nil {
			return err
		}
		v.Here = operationsPlace
		return handle(v)
	})
}

// operationsPage says how the service fares. Each of its sections fails by itself.
type operationsPage struct {
	*visit
	// Only is the section that is asked for alone, by its name; "" where all are.
	Only string
	// Started is how many exhausts the reader has just started, Remaining how many he had wanted beside these; 0 is none.
	Started, Remaining int

	Verdict verdict
	Night   section[service.NightReport]
	// Window is the name of the time whose failures are shown, one of failureWindows.
	Window    string
	Failures  section[failures]
	Work      section[underWay]
	Workers   section[[]service.Worker]
	Health    section[[]health.State]
	Telemetry section[telemetryStrip]
}

// The sections by their names, which are the ids of their elements.
const (
	verdictSection   = "verdict"
	nightSection     = "night"
	failuresSection  = "failures"
	workSection      = "work"
	workersSection   = "workers"
	healthSection    = "health"
	telemetrySection = "telemetry"
)

// judgedSections are those that the verdict is made of.
var judgedSections = []string{nightSection, failuresSection, workersSection, healthSection}

const (
	// pageTime is for how long the page waits for its sections: what is not known by then is asked for by itself, by the page.
	pageTime = 500 * time.Millisecond
	// refreshTime is for how long it waits where it is loaded anew: what is shown stays until then.
	refreshTime = 5 * time.Second
	// sectionTime is for how long a section waits that is asked for alone.
	sectionTime = 15 * time.Second
)

// How much of each the page shows at the most.
const (
	maxGroups     = 10
	maxAtWork     = 50
	telemetryDays = 60
)

func (c *Console) showOperations(v *visit) error {
	v.Title = v.T("operations.title")
	window, err := v.failureWindow()
	if err != nil {
		return err
	}
	p := operationsPage{visit: v, Only: v.value("part"), Window: window, Started: v.count("started"), Remaining: v.count("remaining")}
	p.find()
	return v.show(http.StatusOK, "operations", p)
}

// count is a number of the form or of the query; 0 where it is none.
func (v *visit) count(name string) int {
	n, err := strconv.Atoi(v.value(name))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// find asks for all sections at the same time.
func (p *operationsPage) find() {
	ctx, cancel := context.WithTimeout(p.ctx(), p.patience())
	defer cancel()
	night := inquire(p.isWanted(nightSection) || p.isWanted(failuresSection), func() (service.NightReport, error) {
		return p.Service.LastNight(p.ctx(), p.caller)
	})
	failed := inquire(p.isWanted(failuresSection), func() (failures, error) { return p.namedFailuresOf(p.Window, night) })
	recent := failed
	if p.Window != sinceNight {
		recent = inquire(p.isWanted(verdictSection), func() (failures, error) { return p.failuresOf(sinceNight, night) })
	}
	work := inquire(p.isWanted(workSection), p.underWay)
	workers := inquire(p.isWanted(workersSection), func() ([]service.Worker, error) { return p.Service.Workers(p.ctx(), p.caller) })
	dependencies := inquire(p.isWanted(healthSection), func() ([]health.State, error) { return p.Console.Health.Ask(p.ctx()), nil })
	telemetry := inquire(p.isWanted(telemetrySection), func() (telemetryStrip, error) {
		days, err := p.Service.TelemetryDays(p.ctx(), p.caller, telemetryDays)
		return newTelemetryStrip(days, p.today()), err
	})
	p.Night, p.Failures, p.Work = await(ctx, p, night), await(ctx, p, failed), await(ctx, p, work)
	p.Workers, p.Health, p.Telemetry = await(ctx, p, workers), await(ctx, p, dependencies), await(ctx, p, telemetry)
	p.Verdict = p.judge(await(ctx, p, recent))
}

// isWanted reports whether a section is found out: one that is shown, or that the verdict is made of.
func (p *operationsPage) isWanted(name string) bool {
	return p.Only == "" || p.Only == name || p.Only == verdictSection && slices.Contains(judgedSections, name)
}

// Shows reports whether the page has a section.
func (p operationsPage) Shows(name string) bool { return p.Only == "" || p.Only == name }

// patience is for how long the page waits for its sections.
func (p *operationsPage) patience() time.Duration {
	switch {
	case p.Only != "":
		return sectionTime
	case p.isLive():
		return refreshTime
	}
	return pageTime
}

// SectionURL is the page with one section alone; "" is the page with all.
func (p operationsPage) SectionURL(name string) string {
	return p.Link("/operations", "part", name, "since", p.Window)
}

// inquiry is something that is being found out.
type inquiry[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// inquire begins to find something out, where it is wanted.
func inquire[T any](isWanted bool, find func() (T, error)) *inquiry[T] {
	i := &inquiry[T]{done: make(chan struct{})}
	if !isWanted {
		close(i.done)
		return i
	}
	go func() {
		defer close(i.done)
		i.value, i.err = find()
	}()
	return i
}

// isDone waits until it is found out, and reports whether that was before the context ended.
func (i *inquiry[T]) isDone(ctx context.Context) bool {
	select {
	case <-i.done:
		return true
	case <-ctx.Done():
	}
	select { // both may have been so
	case <-i.done:
		return true
	default:
		return false
	}
}

// section is a part of the page: what it shows, or why it shows nothing.
type section[T any] struct {
	Value T
	// Absence says why nothing is known; "" where the value is.
	Absence string
	// IsLate says that nothing is known yet.
	IsLate bool
}

// IsKnown reports whether the section has a value.
func (s section[T]) IsKnown() bool { return s.Absence == "" && !s.IsLate }

// await is the section that an inquiry comes to before the context ends.
func await[T any](ctx context.Context, p *operationsPage, i *inquiry[T]) section[T] {
	switch {
	case i.isDone(ctx):
	case p.Only != "":
		return section[T]{Absence: p.T("operations.silent")}
	default:
		return section[T]{IsLate: true}
	}
	if i.err != nil {
		return section[T]{Absence: p.absence(i.err)}
	}
	return section[T]{Value: i.value}
}

// absence says why a section shows nothing.
func (v *visit) absence(err error) string {
	if unavailable, isAway := errors.AsType[*service.UnavailableError](err); isAway {
		v.Log.Warn("dependency not available", "dependency", unavailable.Dependency, "error", unavailable.Err, "path", v.loggedPath())
		return v.T("operations.away", "what", v.nameOf(unavailable.Dependency))
	}
	return v.failureOf(err).Sentence
}

// failures are those of some time.
type failures struct {
	// Since is when it begins; the zero time is any.
	Since  time.Time
	Groups []service.FailureGroup
	// More is how many groups there are beside these, Count how many exhausts are in these.
	More, Count int
	// Names are those of the conversations of the groups' examples, by their ids.
	Names map[string]string
}

// The times whose failures can be shown.
const (
	sinceNight = "night"
	sinceWeek  = "week"
	sinceEver  = "any"
)

var failureWindows = []string{sinceNight, sinceWeek, sinceEver}

// Windows are the times to choose from, by their names.
func (p operationsPage) Windows() []string { return failureWindows }

// WindowURL is the page with the failures of another time.
func (p operationsPage) WindowURL(name string) string {
	return p.Link("/operations", "since", name) + "#" + failuresSection
}

// failureWindow is the time that the reader has chosen: since last night where he has not.
func (v *visit) failureWindow() (string, error) {
	chosen := cmp.Or(v.value("since"), sinceNight)
	if !slices.Contains(failureWindows, chosen) {
		return "", errNoPage
	}
	return chosen, nil
}

// failuresOf are the failures of a time.
func (p *operationsPage) failuresOf(window string, night *inquiry[service.NightReport]) (failures, error) {
	var found failures
	switch window {
	case sinceNight:
		found.Since = beginOf(night)
	case sinceWeek:
		found.Since = time.Now().AddDate(0, 0, -7)
	}
	var err error
	found.Groups, found.More, err = p.Service.Failures(p.ctx(), p.caller, found.Since, maxGroups)
	for _, group := range found.Groups {
		found.Count += group.Count
	}
	return found, err
}

// namedFailuresOf are failuresOf with the names of their examples.
func (p *operationsPage) namedFailuresOf(window string, night *inquiry[service.NightReport]) (failures, error) {
	found, err := p.failuresOf(window, night)
	var examples []string
	for _, group := range found.Groups {
		for _, job := range group.Examples {
			examples = append(examples, job.ConversationID)
		}
	}
	found.Names = p.namesAnywhere(examples)
	return found, err
}

// underWay is what runs now, with the names of its conversations by their ids.
type underWay struct {
	service.UnderWay
	Names map[string]string
}

func (p *operationsPage) underWay() (underWay, error) {
	found, err := p.Service.UnderWay(p.ctx(), p.caller, maxAtWork)
	ids := make([]string, len(found.Jobs))
	for i, job := range found.Jobs {
		ids[i] = job.ConversationID
	}
	return underWay{found, p.namesAnywhere(ids)}, err
}

// namesTime is for how long the pages of operations wait for names, which they do without: what they show has to stand at once.
const namesTime = 300 * time.Millisecond

// namesAnywhere are the names of conversations of any channel, by their ids; the ids themselves where they are not known in time.
func (v *visit) namesAnywhere(ids []string) map[string]string {
	ctx, cancel := context.WithTimeout(v.ctx(), namesTime)
	defer cancel()
	return v.namesIn(ctx, "", ids)
}

// beginOf waits until it is known when last night began; a day ago where nobody can tell now, or there has been no night.
func beginOf(night *inquiry[service.NightReport]) time.Time {
	<-night.done
	if night.err != nil || night.value.StartedAt.IsZero() {
		return time.Now().AddDate(0, 0, -1)
	}
	return night.value.StartedAt
}

// AgainURL is the page that shows what runs when a group of failures is run again; "" of one that cannot be asked for.
func (p operationsPage) AgainURL(group service.FailureGroup) string {
	if group.Sentence == "" {
		return ""
	}
	since := ""
	if at := p.Failures.Value.Since; !at.IsZero() {
		since = at.Format(time.RFC3339Nano)
	}
	return p.Link("/operations/again", "message", group.Sentence, "ended", since, "since", p.Window)
}

// DependencyName is what operators call a dependency.
func (v *visit) DependencyName(of health.State) string {
	if key := "health.name." + of.Name; v.Has(key) {
		return v.T(key)
	}
	return of.Name
}

// HasNight reports whether there is a night, or has been one.
func (p operationsPage) HasNight() bool { return p.Night.Value != service.NightReport{} }

// NightState is how last night stands, in the reader's words, and NightLook how that looks.
func (p operationsPage) NightState() string {
	if key := "night." + p.Night.Value.State; p.Has(key) {
		return p.T(key)
	}
	return p.T("night.forgotten")
}

func (p operationsPage) NightLook() string {
	switch p.Night.Value.State {
	case service.NightCompleted:
		return "good"
	case service.NightRunning:
		return "busy"
	case "":
		return ""
	}
	return "bad"
}

// NightTook is how long last night took, or takes by now.
func (p operationsPage) NightTook() string {
	switch night := p.Night.Value; {
	case !night.EndedAt.IsZero():
		return p.Span(night.EndedAt.Sub(night.StartedAt))
	case night.State == service.NightRunning:
		return p.Span(time.Since(night.StartedAt))
	}
	return "–"
}

// Running is how many exhausts of last night had not ended when it did.
func (p operationsPage) Running() int {
	summary := p.Night.Value.Summary
	return len(summary.StillRunning) + summary.MoreRunning
}

// ExhaustWorkflowURL is the workflow of an exhaust in Temporal's UI; "" where there is no such UI.
func (v *visit) ExhaustWorkflowURL(requestID string) string {
	return v.WorkflowURL(exhaust.WorkflowID(requestID))
}

// Elapsed is for how long something goes on.
func (v *visit) Elapsed(since time.Time) string { return v.Span(max(time.Since(since), 0)) }
