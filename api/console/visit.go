package console

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// visit is one request for a page, and what every page shows of it.
type visit struct {
	*Console
	reader
	w http.ResponseWriter
	r *http.Request
	// caller is who reads; nobody on the pages of signing in.
	caller access.Caller
	// session is the secret of his session; "" where he has none.
	session string
	// formKey is the secret of his browser that forms are made with.
	formKey string
	// Title is the page's, in the reader's language.
	Title string
	// Here is the page's name in the navigation.
	Here string
	// Channel is the one that the page is about; "" where it is about none.
	Channel string
	// IsSignedIn says that the reader has been asked who he is.
	IsSignedIn bool
}

// handler answers a visit. An error becomes a page that says it.
type handler func(v *visit) error

// forReaders is for those who have signed in. Others are sent to do so, and come back.
func (c *Console) forReaders(handle handler) http.Handler {
	return c.handle(func(v *visit) error {
		err := v.signIn()
		var credentials *access.CredentialsError
		if errors.As(err, &credentials) {
			return v.sendToSignIn()
		}
		if err != nil {
			return err
		}
		return handle(v)
	})
}

// forAnybody is for the pages of signing in.
func (c *Console) forAnybody(handle handler) http.Handler { return c.handle(handle) }

// handle makes a visit of a request, and refuses what another site had a browser send.
func (c *Console) handle(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.secure(w.Header())
		v := &visit{Console: c, w: w, r: r}
		v.reader, v.session = c.languages.readerOf(r, v.cookie(languageCookie), c.Timezone), v.cookie(sessionCookie)
		if !c.door.AcceptsHost(r) {
			v.fail(errForeignHost)
			return
		}
		err := v.prepareForms()
		if err == nil && r.Method == http.MethodPost {
			err = v.checkForm()
		}
		if err == nil {
			err = handle(v)
		}
		if err != nil {
			v.fail(err)
		}
	})
}

// ctx is the request's context.
func (v *visit) ctx() context.Context { return v.r.Context() }

// The names of the cookies. Where the service is reached by HTTPS browsers take them from nobody else.
const (
	sessionCookie = "exhaust_session"
	formCookie    = "exhaust_form"
	channelCookie = "exhaust_channel"
	// languageCookie is the language of the reader's choice.
	languageCookie = "exhaust_language"
	securePrefix   = "__Host-"
)

func (c *Console) cookieName(name string) string {
	if c.isSecure {
		return securePrefix + name
	}
	return name
}

// cookie is the value of a cookie; "" of none.
func (v *visit) cookie(name string) string {
	cookie, err := v.r.Cookie(v.cookieName(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// setCookie sets a cookie for a while; 0 is until the browser closes, less than 0 deletes it. It is sent to nobody else, scripts
// do not see it, and a page that another site leads to has it, a form that another site posts has not.
func (v *visit) setCookie(name, value string, life time.Duration) {
	http.SetCookie(v.w, &http.Cookie{
		Name: v.cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second), Secure: v.isSecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// prepareForms gives the browser the secret that its forms are made with.
func (v *visit) prepareForms() error {
	v.formKey = v.cookie(formCookie)
	if len(v.formKey) >= 43 {
		return nil
	}
	if v.r.Method == http.MethodPost {
		return errForeignForm
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	v.formKey = base64.RawURLEncoding.EncodeToString(random)
	v.setCookie(formCookie, v.formKey, 0)
	return nil
}

// formField is the field of every form that holds its token.
const formField = "form"

// FormToken is what only a page of ours, in this browser and in this session, can send with a form.
func (v *visit) FormToken() string {
	mac := hmac.New(sha256.New, []byte(v.formKey))
	mac.Write([]byte(v.session))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// checkForm is an error unless a form is of a page of ours.
func (v *visit) checkForm() error {
	if err := v.origins.Check(v.r); err != nil {
		return errForeignForm
	}
	if err := v.r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return exhaust.Invalid(exhaust.BodyTooLarge, tooLarge.Limit)
		}
		return errForeignForm
	}
	if !hmac.Equal([]byte(v.r.PostForm.Get(formField)), []byte(v.FormToken())) {
		return errForeignForm
	}
	return nil
}

// seal is what only this browser can send with a text that it keeps for a purpose.
func (v *visit) seal(purpose, text string) string {
	mac := hmac.New(sha256.New, []byte(v.formKey))
	mac.Write([]byte(purpose + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// value is a value of the form or of the query, without the space around it.
func (v *visit) value(name string) string { return strings.TrimSpace(v.r.FormValue(name)) }

// Link is the URL of a page, with what the query holds, in turns of name and value; "" is left out. A page about a channel keeps
// to it.
func (v *visit) Link(path string, pairs ...any) string {
	query := url.Values{}
	if v.Channel != "" {
		query.Set("channel", v.Channel)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1])
		if query.Del(name); value != "" {
			query.Set(name, value)
		}
	}
	link := v.prefix + Path + path
	if len(query) > 0 {
		link += "?" + query.Encode()
	}
	return link
}

// redirect leads to a page of ours after a form was taken.
func (v *visit) redirect(to string) error {
	v.w.Header().Set("Location", to) // as it is: a prefix that a gateway takes off stands in it
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// isLive reports whether the request is one by which a page keeps itself up to date.
func (v *visit) isLive() bool { return v.r.Header.Get("HX-Request") != "" }

// openChannel takes the channel that the page is about from the query, and remembers it.
func (v *visit) openChannel() error {
	v.Channel = v.value("channel")
	if v.Channel == "" {
		var err error
		v.Channel, err = v.homeChannel()
		return err
	}
	if err := exhaust.CheckChannel(v.Channel); err != nil {
		return err
	}
	if !v.caller.Sees(v.Channel) {
		return &service.NoChannelError{}
	}
	if encoded := url.QueryEscape(v.Channel); encoded != v.cookie(channelCookie) {
		v.setCookie(channelCookie, encoded, channelMemory)
	}
	return nil
}

// channelMemory is for how long a browser remembers which channel was looked at.
const channelMemory = 90 * 24 * time.Hour

// homeChannel is the channel that the reader looked at last, or the first that he may see.
func (v *visit) homeChannel() (string, error) {
	last, err := url.QueryUnescape(v.cookie(channelCookie))
	if err == nil && exhaust.CheckChannel(last) == nil && v.caller.Sees(last) {
		return last, nil
	}
	channels, err := v.Channels()
	switch {
	case err != nil:
		return "", err
	case len(channels) > 0:
		return channels[0], nil
	}
	return "", errNoChannel
}

// Channels are those that the reader may choose.
func (v *visit) Channels() ([]string, error) {
	channels, err := v.Service.ListChannels(v.ctx(), v.caller)
	if v.Channel != "" && !slices.Contains(channels, v.Channel) {
		channels = append(channels, v.Channel)
	}
	return channels, err
}

// today is the day that it is in the service's zone.
func (v *visit) today() exhaust.Day { return exhaust.DayOf(time.Now().In(v.Timezone)) }
