package console

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

var (
	errNoPage      = errors.New("there is no such page")
	errForeignForm = errors.New("the form is of no page of this browser, or of one of another session")
	errForeignHost = errors.New("the service may not be called by this name")
	errNoChannel   = errors.New("there is no channel to show") // the reader has none; an operator may name one
)

// failurePage says what went wrong, and what to do.
type failurePage struct {
	*visit
	Status                  int
	Headline, Sentence, Way string
	// RetrySeconds is after how long the same may be asked for again; 0 is of what waiting does not heal.
	RetrySeconds int
	// IsEverywhere says that the first page would say the same.
	IsEverywhere bool
}

// IsOfForm says that the page answers a form, which nothing but the reader sends again.
func (p failurePage) IsOfForm() bool { return p.r.Method == http.MethodPost }

// WantsSignIn says that the same page shows itself to one who signs in.
func (p failurePage) WantsSignIn() bool { return p.Status == http.StatusUnauthorized }

// IsWorthRepeating says that the same may be answered otherwise in a moment.
func (p failurePage) IsWorthRepeating() bool {
	return p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests
}

// ReloadSeconds is when the page is loaded anew by itself; 0 is never.
func (p failurePage) ReloadSeconds() int {
	if p.IsOfForm() {
		return 0
	}
	return p.RetrySeconds
}

// fail answers with a page that says an error.
func (v *visit) fail(err error) {
	p := v.failureOf(err)
	v.Title = p.Headline
	if p.RetrySeconds > 0 {
		v.w.Header().Set("Retry-After", strconv.Itoa(p.RetrySeconds))
	}
	name := "failure"
	if errors.Is(err, errNoChannel) && v.caller.Operator {
		v.Title, name = v.T("channel.title"), "channel"
	}
	if err := v.show(p.Status, name, p); err != nil {
		v.Log.Error("a page that says an error cannot be shown", "error", err)
		http.Error(v.w, http.StatusText(p.Status), p.Status)
	}
}

// failureOf finds out what an error means to the reader. The order is that of the API's answers.
func (v *visit) failureOf(err error) failurePage {
	var (
		unavailable *service.UnavailableError
		away        *access.AwayError
		lack        *service.ForbiddenError
		elsewhere   *service.NoChannelError
		limit       *access.LimitError
		invalid     *exhaust.InvalidError
		credentials *access.CredentialsError
	)
	say := func(status int, kind, sentence string) failurePage {
		return failurePage{
			visit: v, Status: status, Headline: v.T("failure." + kind + ".headline"), Sentence: sentence, Way: v.wayOf(kind),
		}
	}
	switch {
	case errors.As(err, &unavailable):
		return v.sayUnavailable(unavailable.Dependency, unavailable.Err)
	case errors.As(err, &away):
		return v.sayUnavailable(away.What, away.Err)
	case errors.As(err, &credentials):
		return say(http.StatusUnauthorized, "credentials", v.Fault(credentials.Fault))
	case errors.As(err, &lack):
		return say(http.StatusForbidden, "forbidden", v.Fault(lack.Fault))
	case errors.As(err, &elsewhere):
		return say(http.StatusNotFound, "absent", v.Fault(exhaust.NewFault(exhaust.NoSuchChannel)))
	case errors.As(err, &limit) && limit.Fault.Code != exhaust.TooManyRequests:
		return say(http.StatusTooManyRequests, "full", v.Fault(limit.Fault)) // until something else has ended, which may take hours
	case errors.As(err, &limit):
		p := say(http.StatusTooManyRequests, "limit", v.Fault(limit.Fault))
		p.RetrySeconds = max(1, int(math.Ceil(limit.RetryAfter.Seconds())))
		return p
	case errors.As(err, &invalid):
		return say(http.StatusBadRequest, "invalid", v.Fault(invalid.Fault))
	case errors.Is(err, service.ErrNotFound):
		return say(http.StatusNotFound, "absent", v.Fault(exhaust.NewFault(exhaust.NoSuchExhaust)))
	case errors.Is(err, service.ErrNoSchedule):
		return say(http.StatusNotFound, "absent", v.Fault(exhaust.NewFault(exhaust.NoSuchSchedule)))
	case errors.Is(err, service.ErrNoToken):
		return say(http.StatusNotFound, "absent", v.Fault(exhaust.NewFault(exhaust.NoSuchToken)))
	case errors.Is(err, exhaust.ErrWindingUp):
		p := say(http.StatusServiceUnavailable, "winding", v.Fault(exhaust.NewFault(exhaust.PreviousAttemptEnding)))
		p.RetrySeconds = 5
		return p
	case errors.Is(err, errNoPage):
		return say(http.StatusNotFound, "nowhere", v.T("failure.nowhere.sentence"))
	case errors.Is(err, errNoChannel):
		p := say(http.StatusForbidden, "channel", v.T("failure.channel.sentence"))
		p.IsEverywhere = true
		return p
	case errors.Is(err, errForeignHost):
		p := say(http.StatusForbidden, "host", v.Fault(exhaust.NewFault(exhaust.HostRefused, v.r.Host)))
		p.IsEverywhere = true
		return p
	case errors.Is(err, errForeignForm):
		return say(http.StatusForbidden, "form", v.T("failure.form.sentence"))
	}
	if v.ctx().Err() != nil {
		v.Log.Warn("page not made in time", "error", err, "path", v.loggedPath())
		p := say(http.StatusServiceUnavailable, "late", v.T("failure.late.sentence"))
		p.RetrySeconds = 5
		return p
	}
	v.Log.Error("page failed", "error", err, "path", v.loggedPath())
	return say(http.StatusInternalServerError, "internal", v.T("failure.internal.sentence"))
}

// sayUnavailable is of what will be there again. What it is the reader sees, why the log.
func (v *visit) sayUnavailable(what string, err error) failurePage {
	v.Log.Warn("dependency not available", "dependency", what, "error", err, "path", v.loggedPath())
	return failurePage{
		visit: v, Status: http.StatusServiceUnavailable, Headline: v.T("failure.unavailable.headline"),
		Sentence: v.T("failure.unavailable.sentence", "what", v.nameOf(what)), Way: v.wayOf("unavailable"), RetrySeconds: 5,
	}
}

// wayOf says what to do about a kind of failure. Of a form it promises nothing that the page does by itself.
func (v *visit) wayOf(kind string) string {
	if key := "failure." + kind + ".form"; v.r.Method == http.MethodPost && v.Has(key) {
		return v.T(key)
	}
	return v.T("failure." + kind + ".way")
}

// loggedPath is the request's path as the log has it. Somebody may put a token into it.
func (v *visit) loggedPath() string { return access.HideTokens(v.r.URL.Path) }

// nameOf is the name of a dependency in the reader's language.
func (v *visit) nameOf(dependency string) string {
	if key := "dependency." + dependency; v.Has(key) {
		return v.T(key)
	}
	return dependency
}

// faultOf is what is wrong with what the reader typed, in his language; "" where the error is of something else.
func (v *visit) faultOf(err error) string {
	if invalid, isInvalid := errors.AsType[*exhaust.InvalidError](err); isInvalid {
		return v.Fault(invalid.Fault)
	}
	return ""
}
