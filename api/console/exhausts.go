package console

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"data-exhaust/exhaust"
	"data-exhaust/registry"
	"data-exhaust/service"
)

// routeExhausts adds the page of a channel's exhausts.
func (c *Console) routeExhausts(router *mux.Router) {
	c.route(router, "/exhausts", c.forReaders(c.showExhausts), nil)
}

// states are the four plain states, in the order of an exhaust's life.
var states = []state{
	{"active", []exhaust.Status{exhaust.Submitted, exhaust.Processing}},
	{"ready", []exhaust.Status{exhaust.Success}},
	{"failed", []exhaust.Status{exhaust.Failed}},
	{"cancelled", []exhaust.Status{exhaust.Cancelled}},
}

// state is a plain state.
type state struct {
	Name     string
	statuses []exhaust.Status
}

func stateNames() (names []string) {
	for _, state := range states {
		names = append(names, state.Name)
	}
	return names
}

// exhaustsPage lists the exhausts of a channel.
type exhaustsPage struct {
	*visit
	Filter   exhaustFilter
	States   []state
	Datasets []exhaust.Dataset
	Exhausts []exhaustRow
	// Conversations are those that the filter may mean, where they are several, and HasMore says that there are further ones.
	Conversations []exhaust.Conversation
	HasMore       bool
	// Faults are what is wrong with the filter, by its fields; newNotice is none of them.
	Faults map[string]string
	// Older leads to the exhausts before these, Newest to the newest; "" where there are none, or these are they.
	Older, Newest string
	// IsLive says that something of it changes by itself.
	IsLive bool
}

// exhaustFilter is what the reader wants to see, as he typed it. Choice is the id of the conversation that he chose among those that
// have in their names what he typed.
type exhaustFilter struct{ Tag, Conversation, Choice, Dataset, State, Day string }

// IsSet reports whether the filter leaves anything out.
func (f exhaustFilter) IsSet() bool { return f != exhaustFilter{} }

// exhaustRow is one exhaust of the list.
type exhaustRow struct {
	exhaust.Job
	// Name is the conversation's; its id where the registry has none, or is away.
	Name string
	URL  string
	// State is the key of its state's text and colour.
	State string
	// IsBarred says that the reader has no right to its dataset: he sees how it stands, and no more.
	IsBarred bool
}

// exhaustsPerPage is how many exhausts a page has.
const exhaustsPerPage = 25

func (c *Console) showExhausts(v *visit) error {
	if err := v.openChannel(); err != nil {
		return err
	}
	v.Title, v.Here = v.T("exhausts.title"), exhaustsPlace
	p := &exhaustsPage{visit: v, States: states, Datasets: exhaust.Datasets, Filter: exhaustFilter{
		Tag: v.value("tag"), Conversation: v.value("conversation"), Choice: v.value("bot"), Dataset: v.value("dataset"), State: v.value("state"), Day: v.value("day"),
	}}
	browse, err := p.browse()
	var found service.ExhaustPage
	if err == nil && !p.MustChoose() {
		found, err = v.Service.Browse(v.ctx(), v.caller, browse)
	}
	if invalid, isInvalid := errors.AsType[*exhaust.InvalidError](err); isInvalid {
		p.Faults = map[string]string{filterFieldOf(invalid.Fault): v.Fault(invalid.Fault)}
		return v.show(http.StatusBadRequest, "exhausts", p)
	}
	if err != nil {
		return err
	}
	names := v.conversationNames(found.Exhausts)
	for _, job := range found.Exhausts {
		row := exhaustRow{
			Job: job, Name: names[job.ConversationID], URL: v.ExhaustURL(job.Request, ""), State: stateOf(job), IsBarred: !v.May(job.Dataset),
		}
		p.Exhausts = append(p.Exhausts, row)
		p.IsLive = p.IsLive || !job.Status.HasEnded()
	}
	p.link(found.Next)
	return v.show(http.StatusOK, "exhausts", p)
}

// filterFields are the fields of the filter by the names that faults have for them.
var filterFields = map[string]string{"tag": "tag", "conversationId": "conversation", "q": "conversation", "dataset": "dataset", "day": "day"}

// filterFieldOf is the field of the filter that a fault is about.
func filterFieldOf(f exhaust.Fault) string {
	field, _ := f.Details["field"].(string)
	return cmp.Or(filterFields[field], newNotice)
}

// MustChoose reports whether the reader is to say first which conversation he means.
func (p *exhaustsPage) MustChoose() bool { return len(p.Conversations) > 0 && p.Filter.Choice == "" }

// browse is what the page asks for.
func (p *exhaustsPage) browse() (service.Browse, error) {
	conversation, err := p.findConversation(p.Filter.Conversation)
	browse := service.Browse{
		Channel: p.Channel, Tag: p.Filter.Tag, ConversationID: conversation, Dataset: exhaust.Dataset(p.Filter.Dataset),
		Day: exhaust.Day(p.Filter.Day), After: p.value("after"), Limit: exhaustsPerPage,
	}
	if p.Filter.State == "" || err != nil {
		return browse, err
	}
	at := slices.IndexFunc(states, func(s state) bool { return s.Name == p.Filter.State })
	if at < 0 {
		return browse, exhaust.Invalid(exhaust.StatusUnknown, p.Filter.State, stateNames())
	}
	browse.Statuses = states[at].statuses
	return browse, nil
}

// findConversation is the id of the conversation that a text names, with its name or a part of it, or as its id. Where several have
// it in their names, the reader is to choose; one that nobody knows by now may have exhausts all the same.
func (p *exhaustsPage) findConversation(text string) (id string, err error) {
	if text == "" {
		p.Filter.Choice = ""
		return "", nil
	}
	found, next, err := p.Service.SearchConversations(p.ctx(), p.caller, registry.ConversationSearch{Channel: p.Channel, Text: text, Limit: conversationChoice})
	if _, isAway := errors.AsType[*service.UnavailableError](err); isAway {
		p.Log.Warn("conversations cannot be found by their names", "error", err)
		return cmp.Or(p.Filter.Choice, text), nil
	}
	if !slices.ContainsFunc(found, func(c exhaust.Conversation) bool { return c.ID == p.Filter.Choice }) {
		p.Filter.Choice = "" // another name has been typed since
	}
	switch {
	case err != nil:
		return "", err
	case len(found) == 1:
		return found[0].ID, nil
	case len(found) > 1:
		p.Conversations, p.HasMore = found, next != ""
	}
	return cmp.Or(p.Filter.Choice, text), nil
}

// conversationChoice is among how many conversations the reader chooses at the most.
const conversationChoice = 12

// link sets the links to other pages of the list.
func (p *exhaustsPage) link(next string) {
	if next != "" {
		p.Older = p.filterURL("after", next)
	}
	if p.value("after") != "" {
		p.Newest = p.filterURL()
	}
}

// filterURL is the list filtered as before, but for what pairs of name and value say.
func (p *exhaustsPage) filterURL(pairs ...any) string {
	f := p.Filter
	return p.Link("/exhausts", append([]any{
		"tag", f.Tag, "conversation", f.Conversation, "bot", f.Choice, "dataset", f.Dataset, "state", f.State, "day", f.Day,
	}, pairs...)...)
}

// conversationNames are the names of the conversations of exhausts by their ids; the ids themselves where the registry has none
// that can be read, or is away: a list is of use without names.
func (v *visit) conversationNames(jobs []exhaust.Job) map[string]string {
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ConversationID
	}
	return v.namesOf(ids)
}

// namesOf is conversationNames of the conversations themselves, of which some may stand several times.
func (v *visit) namesOf(ids []string) map[string]string { return v.namesIn(v.ctx(), v.Channel, ids) }

// namesIn is namesOf in a channel; "" is any that the reader may see.
func (v *visit) namesIn(ctx context.Context, channel string, ids []string) map[string]string {
	names := map[string]string{}
	for _, id := range ids {
		names[id] = id
	}
	found, err := v.Service.ConversationNames(ctx, v.caller, channel, slices.Collect(maps.Keys(names)))
	if err != nil {
		v.Log.Warn("the names of conversations are not known", "error", err)
	}
	for id, name := range found {
		names[id] = v.NameOf(exhaust.Conversation{ID: id, Name: name})
	}
	return names
}

// waitsForNight is the state of an exhaust that begins with the night's work.
const waitsForNight = "TONIGHT"

// stateOf is the key of the text that says how an exhaust stands: its status, or what it waits for.
func stateOf(job exhaust.Job) string {
	switch {
	case job.Status == exhaust.Submitted && job.Parked:
		return waitsForNight
	case !job.Status.HasEnded() && job.Progress.Waiting != "":
		return "WAITING"
	case job.Status == exhaust.Success && job.Report == "":
		return "GONE"
	}
	return string(job.Status)
}

// StateURL is the list of the exhausts in a plain state, filtered as before; "" is any state.
func (p *exhaustsPage) StateURL(name string) string { return p.filterURL("state", name) }

// ConversationURL is the list of the exhausts of a conversation, filtered as before.
func (p *exhaustsPage) ConversationURL(id string) string { return p.filterURL("bot", id) }

// Covered is the days that an exhaust covers, in the reader's words: those of the request where it has not found out yet, and for
// one that is not made from telemetry that it covers everybody.
func (v *visit) Covered(job exhaust.Job) string {
	switch from, to := cmp.Or(job.From, job.StartDate), cmp.Or(job.To, job.EndDate); {
	case !job.UsesTelemetry():
		return v.T("days.everybody")
	case from != "" && to != "":
		return v.Days(from, to)
	case from != "":
		return v.T("days.from", "day", v.Day(from))
	case to != "":
		return v.T("days.until", "day", v.Day(to))
	}
	return v.T("days.conversation")
}
