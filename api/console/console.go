// Package console is the pages for people (contract section 1): it reads HTTP and writes HTML, asks package service for all the
// rest, as REST does, and never a store or a database.
//
// A page works without scripts: forms are posted and answered by a redirect. Scripts keep it up to date and save it from loading
// anew. Texts are in texts/, one file a language.
package console

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/api/admission"
	"data-exhaust/api/health"
	"data-exhaust/service"
)

// Path begins the paths of all pages.
const Path = "/console"

// Options are what the console is made of.
type Options struct {
	Service *service.Authorized
	SignIn  admission.SignIn
	// Sessions are of those who have signed in.
	Sessions *service.Sessions
	// OpenID signs readers in at a provider; nil where there is none.
	OpenID *access.OpenID
	// AsksForTokens says that readers sign in with a token of this service.
	AsksForTokens bool
	// PublicURL is where people reach the service (EXHAUST_PUBLIC_URL), without a slash in the end.
	PublicURL string
	// Timezone is the one in which days begin (EXHAUST_TIMEZONE).
	Timezone *time.Location
	// MaxDays is how many days an exhaust may cover (EXHAUST_MAX_DAYS).
	MaxDays int
	// Mode is when an exhaust starts that does not say so itself (EXHAUST_MODE).
	Mode string
	// NightlyCron is when the night begins (EXHAUST_NIGHTLY_CRON).
	NightlyCron string
	// PrivatePurpose demands a purpose of private exhausts (EXHAUST_PRIVATE_PURPOSE).
	PrivatePurpose bool
	// HasWebhooks says that webhooks can be signed (EXHAUST_WEBHOOK_SECRET).
	HasWebhooks bool
	// TemporalUI is where Temporal's UI is reached (EXHAUST_TEMPORAL_UI_URL); "" where nowhere. Namespace is that of the workflows.
	TemporalUI, Namespace string
	// HasTokens says that callers' tokens are in the database, where they can be made and revoked.
	HasTokens bool
	// Health are the dependencies of the api.
	Health health.Dependencies
	Log    *slog.Logger
}

// Console answers the pages.
type Console struct {
	Options
	door      *admission.Door
	languages *languages
	pages     map[string]*page
	assets    assets
	// prefix is what a gateway puts before all paths, as the public URL has it: "" or with a slash before it and none behind.
	prefix   string
	isSecure bool
	origins  *http.CrossOriginProtection
	// summaries has room for the summaries that are read at the same time: each may be a long file.
	summaries chan struct{}
	// recent are the secrets of the sessions that were found a moment ago.
	recent access.Recent
}

// maxSummaries is how many summaries are read at the same time. Others wait.
const maxSummaries = 4

// New makes the console.
func New(o Options) (*Console, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil {
		return nil, err
	}
	c := &Console{
		Options: o, door: admission.NewDoor(o.SignIn, o.Service), assets: readAssets(),
		prefix: strings.TrimSuffix(public.EscapedPath(), "/"), isSecure: public.Scheme == "https", origins: http.NewCrossOriginProtection(),
		summaries: make(chan struct{}, maxSummaries),
	}
	// A gateway may ask with another host than the one that the browser knows.
	if err := c.origins.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, err
	}
	if c.languages, err = readLanguages(); err != nil {
		return nil, err
	}
	c.pages, err = readPages()
	return c, err
}

// Home is the URL that leads to the console.
func (c *Console) Home() string { return c.prefix + Path + "/" }

// Handler answers all paths below [Path], and / by leading there.
func (c *Console) Handler() http.Handler {
	router := mux.NewRouter().SkipClean(true)
	router.Handle("/", http.HandlerFunc(c.leadHome)).Methods(http.MethodGet, http.MethodHead)
	router.Handle(Path+"/static/{version}/{name}", http.HandlerFunc(c.serveAsset)).Methods(http.MethodGet, http.MethodHead)
	c.route(router, "", c.forReaders(c.showHome), nil)
	c.routeSignIn(router)
	c.route(router, "/language", nil, c.forAnybody(c.chooseLanguage))
	c.routeExhausts(router)
	c.routeNew(router)
	c.routeExhaust(router)
	c.routeRecurring(router)
	c.routeOperations(router)
	c.routeTokens(router)
	router.NotFoundHandler = c.forAnybody(func(v *visit) error { return errNoPage })
	router.MethodNotAllowedHandler = router.NotFoundHandler
	return router
}

// route adds the handlers of a page: show of GET, and act of POST; nil is none.
func (c *Console) route(router *mux.Router, path string, show, act http.Handler) {
	if show != nil {
		router.Handle(Path+path, show).Methods(http.MethodGet, http.MethodHead)
	}
	if act != nil {
		router.Handle(Path+path, act).Methods(http.MethodPost)
	}
}

// IsDetail reports of a request that a page makes it by itself: for its files, and to be up to date.
func (c *Console) IsDetail(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.Header.Get("HX-Request") != "" || strings.HasPrefix(r.URL.Path, Path+"/static/"))
}

// leadHome leads whoever asks for no path to the console.
func (c *Console) leadHome(w http.ResponseWriter, r *http.Request) {
	c.secure(w.Header())
	http.Redirect(w, r, c.Home(), http.StatusFound)
}

// showHome leads to the exhausts of the channel that the reader chose last, or that he may see first.
func (c *Console) showHome(v *visit) error {
	channel, err := v.homeChannel()
	if err != nil {
		return err
	}
	v.Channel = channel
	return v.redirect(v.Link("/exhausts"))
}
