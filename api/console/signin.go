package console

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// signInPath is the page of signing in. The provider's answer comes back to a path below it.
const (
	signInPath   = "/sign-in"
	callbackPath = signInPath + "/callback"
)

// routeSignIn adds what is open to those who have not signed in.
func (c *Console) routeSignIn(router *mux.Router) {
	c.route(router, signInPath, c.forAnybody(c.showSignIn), c.forAnybody(c.takeToken))
	c.route(router, "/sign-out", nil, c.forAnybody(c.signOut))
	if c.OpenID != nil {
		c.route(router, signInPath+"/start", c.forAnybody(c.startOpenID), nil)
		c.route(router, callbackPath, c.forAnybody(c.finishOpenID), nil)
	}
}

var errSignedOut = &access.CredentialsError{Fault: exhaust.NewFault(exhaust.CredentialsMissing), IsMissing: true}

// signIn finds out who reads. Whoever has no session costs nothing, and is no stranger who tries credentials.
func (v *visit) signIn() error {
	v.IsSignedIn = !v.door.AsksNobody()
	if v.IsSignedIn && v.session == "" {
		return errSignedOut
	}
	caller, err := v.door.Admit(v.r, func(*http.Request) (string, error) { return v.accessToken() })
	v.caller = caller
	return err
}

// accessToken is the one that the reader's session holds: the next one where it has expired and the provider gives another.
func (v *visit) accessToken() (string, error) {
	session, err := v.findSession()
	if err == nil && session.Credentials.NeedRefresh(time.Now()) && v.OpenID != nil {
		if session, err = v.Sessions.Renew(v.ctx(), v.session, session, v.OpenID.Refresh); err == nil {
			v.keepSession(v.session, session.ExpiresAt) // which lasts longer now
		}
	}
	switch {
	case errors.Is(err, service.ErrNoSession):
		return "", errSignedOut
	case errors.Is(err, access.ErrSignInAgain):
		return "", errors.Join(errSignedOut, v.Sessions.End(v.ctx(), v.session))
	case err != nil:
		return "", err
	}
	return session.Credentials.AccessToken, nil
}

// findSession is the reader's session. Where many have come from his address without one that counts, the database is asked only
// for one that counted a moment ago.
func (v *visit) findSession() (service.Session, error) {
	if !v.recent.Has(v.session, time.Now()) {
		if err := v.door.CheckStranger(v.door.From(v.r)); err != nil {
			return service.Session{}, err
		}
	}
	session, err := v.Sessions.Find(v.ctx(), v.session)
	if err == nil {
		v.recent.Add(v.session, time.Now())
	}
	return session, err
}

// allowStranger counts a request that is open to anybody and costs something, unless the reader's session counted a moment ago. It
// is an *access.LimitError where too many have come from his address.
func (v *visit) allowStranger() error {
	if v.recent.Has(v.session, time.Now()) {
		return nil
	}
	return v.door.AllowStranger(v.door.From(v.r))
}

// sendToSignIn leads to the page of signing in, and from there back. What keeps a page up to date has the whole page go there.
func (v *visit) sendToSignIn() error {
	if v.isLive() {
		v.w.Header().Set("HX-Refresh", "true")
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v.Channel = ""
	reason, next := "", ""
	if v.session != "" {
		reason = sessionEnded
	}
	if v.r.Method != http.MethodPost {
		next = v.ownPage(v.Self())
	}
	return v.redirect(v.Link(signInPath, "next", next, "reason", reason))
}

// sessionEnded is the query's reason of one whose browser has a session that does not count any more.
const sessionEnded = "ended"

// signInPage asks who the reader is.
type signInPage struct {
	*visit
	Next, Fault string
	// HasEnded says that he had a session, which has ended.
	HasEnded bool
	// OpenIDURL begins to sign in at the provider; "" where there is none.
	OpenIDURL string
	// AsksForTokens says that tokens of this service are asked for.
	AsksForTokens bool
}

// SessionLife is for how long a reader stays signed in at the most.
func (p signInPage) SessionLife() time.Duration { return service.MaxSessionLife }

func (c *Console) showSignIn(v *visit) error {
	if c.door.AsksNobody() {
		return v.redirect(c.Home())
	}
	return v.askWho(http.StatusOK, "")
}

func (v *visit) askWho(status int, fault string) error {
	v.Title = v.T("signin.title")
	p := signInPage{visit: v, Next: v.next(), Fault: fault, HasEnded: v.value("reason") == sessionEnded, AsksForTokens: v.AsksForTokens}
	if v.OpenID != nil {
		p.OpenIDURL = v.Link(signInPath+"/start", "next", p.Next)
	}
	return v.show(status, "signin", p)
}

// next is the page to go to behind signing in: one of ours, whatever the query says.
func (v *visit) next() string { return v.ownPage(v.value("next")) }

// takeToken begins a session with the token of a form. The door counts those that do not count.
func (c *Console) takeToken(v *visit) error {
	if !c.AsksForTokens {
		return errNoPage
	}
	return v.begin(access.Credentials{AccessToken: v.value("token")}, v.next())
}

// begin begins a session with credentials that count, and goes on to a page.
func (v *visit) begin(credentials access.Credentials, next string) error {
	caller, err := v.door.Admit(v.r, func(*http.Request) (string, error) { return credentials.AccessToken, nil })
	if refused, isRefused := errors.AsType[*access.CredentialsError](err); isRefused {
		return v.askWho(http.StatusUnauthorized, v.Fault(refused.Fault))
	}
	if err != nil {
		return err
	}
	if credentials.ExpiresAt.IsZero() {
		credentials.ExpiresAt = caller.ExpiresAt
	}
	secret, err := v.Sessions.Begin(v.ctx(), credentials)
	if err != nil {
		return err
	}
	if err := v.Sessions.End(v.ctx(), v.session); err != nil { // that of whoever was here before
		return err
	}
	v.keepSession(secret, service.SessionEnd(time.Now(), credentials))
	return v.redirect(next)
}

// keepSession has the browser keep the secret of a session until it ends.
func (v *visit) keepSession(secret string, end time.Time) {
	v.setCookie(sessionCookie, secret, max(time.Until(end).Round(time.Second), time.Second))
}

// attemptCookie keeps what the browser has to bring back from the provider, and attemptLife for how long.
const (
	attemptCookie = "exhaust_attempt"
	attemptLife   = 10 * time.Minute
)

// maxAttempt is how long the cookie is at the most.
const maxAttempt = 4000

// keepAttempt keeps an attempt to sign in at the provider, and the page to go to behind it, in the browser that makes it.
func (v *visit) keepAttempt(a access.Attempt, next string) {
	text := strings.Join([]string{a.State, a.Nonce, a.Verifier, base64.RawURLEncoding.EncodeToString([]byte(next))}, ".")
	v.setCookie(attemptCookie, text+"."+v.seal(attemptCookie, text), attemptLife)
}

// takeAttempt takes what keepAttempt has kept. It is not ok where this browser has not made it.
func (v *visit) takeAttempt() (a access.Attempt, next string, isOwn bool) {
	kept := v.cookie(attemptCookie)
	end := strings.LastIndexByte(kept, '.')
	if end < 0 || len(kept) > maxAttempt || !hmac.Equal([]byte(kept[end+1:]), []byte(v.seal(attemptCookie, kept[:end]))) {
		return a, "", false
	}
	fields := strings.Split(kept[:end], ".")
	if len(fields) != 4 {
		return a, "", false
	}
	page, err := base64.RawURLEncoding.DecodeString(fields[3])
	return access.Attempt{State: fields[0], Nonce: fields[1], Verifier: fields[2]}, v.ownPage(string(page)), err == nil
}

// startOpenID sends the reader to the provider.
func (c *Console) startOpenID(v *visit) error {
	if err := v.allowStranger(); err != nil {
		return err
	}
	to, attempt, err := c.OpenID.Start(v.ctx(), c.callbackURL())
	if err != nil {
		return err
	}
	v.keepAttempt(attempt, v.next())
	return v.redirect(to)
}

// callbackURL is where the provider sends readers back to.
func (c *Console) callbackURL() string { return c.PublicURL + Path + callbackPath }

// finishOpenID takes the provider's answer. Each makes the provider be asked, so strangers may bring only so many.
func (c *Console) finishOpenID(v *visit) error {
	if err := v.allowStranger(); err != nil {
		return err
	}
	attempt, next, isOwn := v.takeAttempt()
	if !isOwn {
		return v.askWho(http.StatusUnauthorized, v.T("signin.again"))
	}
	v.setCookie(attemptCookie, "", -1)
	credentials, err := c.OpenID.Finish(v.ctx(), attempt, v.r.URL.Query(), c.callbackURL())
	if errors.Is(err, access.ErrSignInAgain) {
		c.Log.Info("signing in came to nothing", "error", err)
		return v.askWho(http.StatusUnauthorized, v.T("signin.again"))
	}
	if err != nil {
		return err
	}
	return v.begin(credentials, next)
}

// signedOutPage says that the session has ended.
type signedOutPage struct {
	*visit
	// ProviderURL ends the reader's session at the provider as well; "" where there is none.
	ProviderURL string
}

// signOut ends the session.
func (c *Console) signOut(v *visit) error {
	if err := v.allowStranger(); err != nil {
		return err
	}
	if err := c.Sessions.End(v.ctx(), v.session); err != nil {
		return err
	}
	v.setCookie(sessionCookie, "", -1)
	v.session = "" // the forms of the page are of nobody
	p := signedOutPage{visit: v}
	if c.OpenID != nil {
		p.ProviderURL = v.providerSignOut()
	}
	v.Title = v.T("signout.title")
	return v.show(http.StatusOK, "signedout", p)
}

// providerSignOut is where the reader's session at the provider ends. Where that is not known now he signs out here alone.
func (v *visit) providerSignOut() string {
	to, err := v.OpenID.EndSessionURL(v.ctx(), v.PublicURL+Path+"/")
	if err != nil {
		v.Log.Warn("the provider's place to sign out is not known", "error", err)
	}
	return to
}

// chooseLanguage remembers which language the reader chose, and goes back to where he was.
func (c *Console) chooseLanguage(v *visit) error {
	if err := v.allowStranger(); err != nil {
		return err
	}
	if chosen := v.value("language"); slices.Contains(c.languages.names, chosen) {
		v.setCookie(languageCookie, chosen, languageMemory)
	}
	return v.redirect(v.next())
}

// languageMemory is for how long a browser remembers the language that was chosen.
const languageMemory = 365 * 24 * time.Hour

// Languages are those to choose from.
func (v *visit) Languages() []string { return v.languages.names }
