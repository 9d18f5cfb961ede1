package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"data-exhaust/access"
	"data-exhaust/exhaust"
)

// What the frame shows, around every page.

// place is an entry of the navigation.
type place struct {
	Name, URL string
	IsHere    bool
}

// The names of the places, which are those of their texts, too.
const (
	exhaustsPlace   = "exhausts"
	recurringPlace  = "recurring"
	operationsPlace = "operations"
	tokensPlace     = "tokens"
)

// Places are those that the reader may go to.
func (v *visit) Places() []place {
	places := []place{
		{Name: v.T("nav.exhausts"), URL: v.Link("/exhausts"), IsHere: v.Here == exhaustsPlace},
		{Name: v.T("nav.recurring"), URL: v.Link("/recurring"), IsHere: v.Here == recurringPlace},
	}
	if v.caller.Operator {
		places = append(places, place{Name: v.T("nav.operations"), URL: v.Link("/operations"), IsHere: v.Here == operationsPlace})
	}
	if v.caller.Operator && v.HasTokens {
		places = append(places, place{Name: v.T("nav.tokens"), URL: v.Link("/tokens"), IsHere: v.Here == tokensPlace})
	}
	return places
}

// PlainLink is the URL of a page that is about no channel.
func (v *visit) PlainLink(path string) string { return v.prefix + Path + path }

// DocsURL is where the API is described.
func (v *visit) DocsURL() string { return v.prefix + "/docs/" }

// ChannelChoice are the channels that the reader may look at. Where they are not known now, it is the one that he looks at.
func (v *visit) ChannelChoice() []string {
	channels, err := v.Channels()
	if err != nil {
		v.Log.Warn("the channels to choose from are not known", "error", err)
		return []string{v.Channel}
	}
	return channels
}

// ChannelURL is the page that another channel is chosen for: the one of this place that every channel has.
func (v *visit) ChannelURL() string { return v.PlainLink("/" + v.Here) }

// Caller is who reads.
func (v *visit) Caller() access.Caller { return v.caller }

// May reports whether the reader may ask for a dataset of the page's channel.
func (v *visit) May(dataset exhaust.Dataset) bool { return v.caller.May(v.Channel, dataset) }

// Self is the page's own URL, by which it is loaded anew. What answers a form has none: it is the page that the form was on.
func (v *visit) Self() string {
	if v.r.Method == http.MethodPost {
		return v.formPage()
	}
	self := v.prefix + v.r.URL.Path
	if query := v.r.URL.RawQuery; query != "" {
		self += "?" + query
	}
	return self
}

// formPage is the page of ours that a form was sent from; the first page where the browser does not say.
func (v *visit) formPage() string {
	from, err := url.Parse(v.r.Referer())
	if err != nil {
		return v.Home()
	}
	return v.ownPage(from.RequestURI())
}

// maxPageURL is how long the URL of a page is at the most that is kept in a cookie and in other URLs: browsers drop a cookie of
// more than 4 kB.
const maxPageURL = 1500

// ownPage is a page of ours; the first one where a URL is of none.
func (c *Console) ownPage(to string) string {
	u, err := url.Parse(to)
	if err != nil || len(to) > maxPageURL || !strings.HasPrefix(to, c.Home()) || slices.Contains(strings.Split(u.Path, "/"), "..") ||
		strings.ContainsFunc(to+u.Path, func(c rune) bool { return c == '\\' || c < ' ' }) {
		return c.Home()
	}
	return to
}

// Zone is the name of the service's time zone.
func (v *visit) Zone() string { return v.Timezone.String() }

// WorkflowURL is a workflow in Temporal's UI; "" where there is no such UI.
func (v *visit) WorkflowURL(id string) string {
	if v.TemporalUI == "" {
		return ""
	}
	return v.TemporalUI + "/namespaces/" + url.PathEscape(v.Namespace) + "/workflows/" + url.PathEscape(id)
}

// LanguageName is a language's name for itself.
func (v *visit) LanguageName(name string) string { return v.languages.nameOf(name) }
