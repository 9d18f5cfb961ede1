package console

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// visitOf is a visit of a request.
func visitOf(t *testing.T, r *http.Request) (*visit, *httptest.ResponseRecorder) {
	t.Helper()
	c, err := New(Options{PublicURL: "http://exhaust.example", Timezone: time.UTC, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	return &visit{Console: c, w: w, r: r, reader: c.languages.readerOf(r, "", time.UTC), formKey: strings.Repeat("k", 43)}, w
}

func TestAFailureSaysWhatThePageDoesAndNothingElse(t *testing.T) {
	const isLoadedAnew, leadsBack = "data-reload-after", `href="/console/new?channel=0127"`
	for name, c := range map[string]struct {
		method   string
		err      error
		has, not []string
	}{
		"a page that needs what is away": {http.MethodGet, &service.UnavailableError{Dependency: "temporal", Err: http.ErrServerClosed},
			[]string{isLoadedAnew, "tries again every few seconds", "Try again"}, []string{leadsBack}},
		"a form that needs what is away": {http.MethodPost, &service.UnavailableError{Dependency: "temporal", Err: http.ErrServerClosed},
			[]string{leadsBack, "not sent again by itself", "Back to the page"}, []string{isLoadedAnew, "tries again", "/console/sign-out\""}},
		"a form of one who is too fast": {http.MethodPost, &access.LimitError{Fault: exhaust.NewFault(exhaust.TooManyRequests), RetryAfter: time.Second},
			[]string{leadsBack, "Too fast", "send it again in a moment"}, []string{isLoadedAnew, "by itself"}},
		"a form behind what is just ending": {http.MethodPost, exhaust.ErrWindingUp, []string{leadsBack, "send it again in a moment"}, []string{isLoadedAnew, "by itself"}},
		"a channel that has as many as it may": {http.MethodPost, &access.LimitError{Fault: exhaust.NewFault(exhaust.ChannelLimitReached, "0127", 3, 3), RetryAfter: time.Second},
			[]string{leadsBack, "Too many at a time", "3 exhausts of this channel are under way"}, []string{isLoadedAnew, "Too fast"}},
		"a page that is not there":            {http.MethodGet, service.ErrNotFound, []string{`class="button primary" href="/console/"`}, []string{isLoadedAnew, "Try again"}},
		"a page that its reader may not":      {http.MethodGet, &service.ForbiddenError{Fault: exhaust.NewFault(exhaust.OperatorRightMissing, "operator")}, []string{`class="button primary" href="/console/"`}, []string{"Try again"}},
		"a page of one who is to sign in":     {http.MethodGet, errSignedOut, []string{`href="/console/exhausts">Sign in</a>`}, []string{isLoadedAnew, "Try again", "To the exhausts"}},
		"a page under a name that is refused": {http.MethodGet, errForeignHost, []string{"example.com"}, []string{"class=\"button"}},
		"a page of one who has no channel":    {http.MethodGet, errNoChannel, []string{"You have no channel here"}, []string{"class=\"button"}},
	} {
		path := "/console/exhausts"
		if c.method == http.MethodPost {
			path = "/console/sign-out"
		}
		r := httptest.NewRequest(c.method, path, nil)
		r.Header.Set("Referer", "http://exhaust.example/console/new?channel=0127")
		v, w := visitOf(t, r)
		v.fail(c.err)
		page := w.Body.String()
		for _, want := range c.has {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %q:\n%s", name, want, page)
			}
		}
		for _, excess := range c.not {
			if main := page[strings.Index(page, "<main"):]; strings.Contains(main, excess) {
				t.Errorf("%s: the page has %q:\n%s", name, excess, main)
			}
		}
	}
}

func TestOnlyPagesOfTheConsoleAreGoneTo(t *testing.T) {
	v, _ := visitOf(t, httptest.NewRequest(http.MethodGet, "/console/", nil))
	for _, page := range []string{"/console/", "/console/exhausts?channel=0127&q=%2F..%2F", "/console/a..b", "/console/" + strings.Repeat("a", 1491)} {
		if got := v.ownPage(page); got != page {
			t.Errorf("%q becomes %q", page, got)
		}
	}
	for _, page := range []string{
		"", "/", "/docs/", "/consoles/", "//elsewhere.example/console/", "///console/x", "https://elsewhere.example/console/", "javascript:alert(1)", "/console/../x",
		"/console/%2e%2E/x", "/console/a/..", "/console/..%2Fx", `/console/\elsewhere.example`, "/console/\tx", "/console/%5c..", "/console/" + strings.Repeat("a", 1492),
	} {
		if got := v.ownPage(page); got != "/console/" {
			t.Errorf("%q becomes %q", page, got)
		}
	}
}

func TestAnAttemptToSignInIsOfTheBrowserThatMadeIt(t *testing.T) {
	v, w := visitOf(t, httptest.NewRequest(http.MethodGet, "/console/sign-in/start", nil))
	attempt, longest := access.Attempt{State: "S", Nonce: "N", Verifier: "V"}, "/console/"+strings.Repeat(`"`, maxPageURL-9)
	v.keepAttempt(attempt, longest)
	cookie := w.Result().Cookies()[0]
	if len(cookie.String()) > 4000 {
		t.Errorf("the cookie has %d bytes", len(cookie.String()))
	}
	take := func(value, formKey string) (access.Attempt, string, bool) {
		r := httptest.NewRequest(http.MethodGet, "/console/sign-in/callback", nil)
		r.AddCookie(&http.Cookie{Name: attemptCookie, Value: value})
		v, _ := visitOf(t, r)
		v.formKey = formKey
		return v.takeAttempt()
	}
	if got, next, isOwn := take(cookie.Value, v.formKey); !isOwn || got != attempt || next != longest {
		t.Errorf("it is %t, and leads to %q", isOwn, next)
	}
	for name, c := range map[string]struct{ value, formKey string }{
		"another browser's": {cookie.Value, strings.Repeat("l", 43)}, "one with another state": {"T" + cookie.Value[1:], v.formKey}, "none": {"", v.formKey},
		"one without a seal": {cookie.Value[:strings.LastIndexByte(cookie.Value, '.')], v.formKey},
	} {
		if _, _, isOwn := take(c.value, c.formKey); isOwn {
			t.Errorf("%s is this browser's", name)
		}
	}
	elsewhere := "S.N.V.aHR0cHM6Ly9lbHNld2hlcmUuZXhhbXBsZS8" // https://elsewhere.example/
	if _, next, isOwn := take(elsewhere+"."+v.seal(attemptCookie, elsewhere), v.formKey); !isOwn || next != "/console/" {
		t.Errorf("an attempt leads to %q", next)
	}
}
