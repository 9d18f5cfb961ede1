package console_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"data-exhaust/internal/app"
	"data-exhaust/service"
)

const channel, foreignChannel = "01309282781705830427", "0127"

func TestAReaderSignsInWithATokenAndOut(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	_, token := s.mint("asha@example.org", []string{channel}, "uci-response-exhaust")
	b := s.browser()
	page := "/console/exhausts?channel=" + channel
	if got := b.get(page); got.status != http.StatusSeeOther || got.location != "/console/sign-in?next="+url.QueryEscape(page) {
		t.Fatalf("without a session: %d to %q", got.status, got.location)
	}
	got := b.post("/console/sign-in?next="+url.QueryEscape(page), "/console/sign-in", "token", " "+token+" ", "next", page)
	session := got.cookies["exhaust_session"]
	if got.status != http.StatusSeeOther || got.location != page || session == nil {
		t.Fatalf("signing in: %d to %q, cookies %v", got.status, got.location, got.cookies)
	}
	if !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Path != "/" || session.MaxAge > 60*60 || session.MaxAge < 60*60-10 || strings.Contains(session.Value, token) {
		t.Errorf("the session's cookie is %v", session)
	}
	got = b.get(page)
	if got.status != http.StatusOK || !strings.Contains(got.body, "asha@example.org") || strings.Contains(got.body, token) {
		t.Errorf("the page answers %d:\n%s", got.status, got.body)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8", "Content-Language": "en", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	} {
		if got := got.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	if got := b.post(page, "/console/sign-out"); got.status != http.StatusOK || !strings.Contains(got.body, "You are signed out") {
		t.Errorf("signing out answers %d:\n%s", got.status, got.body)
	}
	thief := s.browser()
	thief.header.Set("Cookie", "exhaust_session="+session.Value)
	if got := thief.get(page); got.status != http.StatusSeeOther {
		t.Errorf("the session goes on when it has ended: %d", got.status)
	}
	audit, err := os.ReadFile(s.cfg.AuditLog)
	must(t, err)
	if all := s.log.String() + string(audit); strings.Contains(all, token) || strings.Contains(all, session.Value) {
		t.Error("a log has a secret")
	}
}

func TestATokenThatDoesNotCountIsRefusedOnThePageOfSigningIn(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	for name, token := range map[string]string{
		"none": "", "no token": "<script>alert(1)</script>", "one that nobody knows": "exhaust_" + strings.Repeat("A", 43),
	} {
		got := s.browser().post("/console/sign-in", "/console/sign-in", "token", token)
		if got.status != http.StatusUnauthorized || got.cookies["exhaust_session"] != nil || !strings.Contains(got.body, `aria-invalid="true"`) || token != "" && strings.Contains(got.body, token) {
			t.Errorf("%s: %d, cookies %v:\n%s", name, got.status, got.cookies, got.body)
		}
	}
}

func TestASessionEndsWithItsToken(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	made, token := s.mint("reader", []string{channel}, "uci-response-exhaust")
	b := s.browser()
	b.signIn(token)
	if got := b.get("/console/exhausts"); got.status != http.StatusOK {
		t.Fatalf("it answers %d", got.status)
	}
	must(t, app.Tokens(t.Context(), s.cfg, func(tokens *service.Tokens) error {
		_, err := tokens.Revoke(t.Context(), made.ID)
		return err
	}))
	got := b.get("/console/exhausts")
	if got.status != http.StatusSeeOther || got.location != "/console/sign-in?next=%2Fconsole%2Fexhausts&reason=ended" {
		t.Errorf("with a token that was revoked it answers %d to %q", got.status, got.location)
	}
	const reason = "You were signed out: your session has ended, or your access was withdrawn."
	if page := b.get(got.location).body; !strings.Contains(page, reason) {
		t.Errorf("the page of signing in does not say why one is there:\n%s", page)
	}
	if page := b.get("/console/sign-in").body; strings.Contains(page, reason) {
		t.Errorf("the page of signing in says it to anybody:\n%s", page)
	}
	b.header.Set("HX-Request", "true")
	if got := b.get("/console/exhausts"); got.status != http.StatusNoContent || got.header.Get("HX-Refresh") != "true" {
		t.Errorf("and to what keeps a page up to date %d, %v", got.status, got.header)
	}
}

func TestAChannelOfOthersDoesNotExist(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	_, token := s.mint("reader", []string{channel}, "uci-response-exhaust")
	b := s.browser()
	b.signIn(token)
	own, foreign := b.get("/console/exhausts?channel="+channel), b.get("/console/exhausts?channel="+foreignChannel)
	if own.status != http.StatusOK || foreign.status != http.StatusNotFound || strings.Contains(foreign.body, foreignChannel+"</") {
		t.Errorf("his own answers %d, another's %d:\n%s", own.status, foreign.status, foreign.body)
	}
	if strings.Contains(own.body, "/console/operations") {
		t.Error("he is led to the page of operators")
	}
}

func TestAFormOfElsewhereChangesNothing(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	_, token := s.mint("reader", []string{channel}, "uci-response-exhaust")
	b, other := s.browser(), s.browser()
	beforeSession := b.get("/console/sign-in").form(t)
	b.signIn(token)
	other.signIn(token)
	page := "/console/exhausts?channel=" + channel
	own := b.get(page).form(t)
	for name, form := range map[string]string{
		"without a token": "", "with any": strings.Repeat("A", 43), "with another browser's": other.get(page).form(t), "with that of before the session": beforeSession,
	} {
		if got := b.do(http.MethodPost, "/console/sign-out", url.Values{"form": {form}, "a": {"b"}}.Encode()); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	for name, value := range map[string]string{"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"} {
		b.header.Set(name, value)
		if got := b.do(http.MethodPost, "/console/sign-out", url.Values{"form": {own}}.Encode()); got.status != http.StatusForbidden {
			t.Errorf("%s %s: %d", name, value, got.status)
		}
		b.header.Del(name)
	}
	if got := b.do(http.MethodPost, "/console/sign-out?form="+url.QueryEscape(own), "a=b"); got.status != http.StatusForbidden {
		t.Errorf("with the token in the query: %d", got.status)
	}
	if got := b.get(page); got.status != http.StatusOK {
		t.Errorf("the session has ended: %d", got.status)
	}
	if got := b.do(http.MethodPost, "/console/sign-out", url.Values{"form": {own}}.Encode()); got.status != http.StatusOK {
		t.Errorf("with its own: %d", got.status)
	}
}

func TestSigningInLeadsToNoOtherSite(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	_, token := s.mint("reader", []string{channel}, "uci-response-exhaust")
	for next, want := range map[string]string{
		"/console/exhausts?tag=a%26b": "/console/exhausts?tag=a%26b", "https://elsewhere.example/console/": "/console/", "//elsewhere.example/console/": "/console/",
		"/\\elsewhere.example": "/console/", "/console/\\..\\..\\elsewhere": "/console/", "/consoles": "/console/", "/dataset/v1/token": "/console/", "": "/console/",
		"javascript:alert(1)": "/console/",
	} {
		if got := s.browser().post("/console/sign-in", "/console/sign-in", "token", token, "next", next); got.status != http.StatusSeeOther || got.location != want {
			t.Errorf("%q leads to %q (%d), want %q", next, got.location, got.status, want)
		}
	}
}

func TestWhereNobodyIsAskedThePagesAreOpen(t *testing.T) {
	s := start(t)
	b := s.browser()
	if got := b.get("/"); got.status != http.StatusFound || got.location != "/console/" {
		t.Errorf("/ leads to %q (%d)", got.location, got.status)
	}
	if got := b.get("/console/sign-in"); got.status != http.StatusSeeOther || got.location != "/console/" {
		t.Errorf("signing in leads to %q (%d)", got.location, got.status)
	}
	for _, form := range []string{"/console/exhausts?channel=" + channel, "//console//exhausts/?channel=" + channel} {
		if got := b.get(form); got.status != http.StatusOK || strings.Contains(got.body, "/console/sign-out") {
			t.Errorf("%s answers %d", form, got.status)
		}
	}
	if got := b.get("/console/nowhere"); got.status != http.StatusNotFound || !strings.Contains(got.body, "There is no such page") {
		t.Errorf("a page that there is not answers %d:\n%s", got.status, got.body)
	}
}

func TestNamesOfOthersAreTextOnThePages(t *testing.T) {
	s := start(t)
	hostile := `"><script>alert(1)</script>'{{.}}`
	got := s.browser().get("/console/exhausts?channel=" + url.QueryEscape(hostile) + "&tag=" + url.QueryEscape(hostile) + "&conversation=" + url.QueryEscape(hostile) +
		"&state=" + url.QueryEscape(hostile) + "&day=" + url.QueryEscape(hostile))
	if strings.Contains(got.body, "<script>alert") || !strings.Contains(got.body, "&lt;script&gt;alert(1)") {
		t.Errorf("%d:\n%s", got.status, got.body)
	}
}

func TestThePagesWorkBehindAGatewaysPrefixAndTLS(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens", "EXHAUST_PUBLIC_URL=https://gateway.example.org/uci")
	_, token := s.mint("reader", []string{channel}, "uci-response-exhaust")
	b := s.browser()
	if got := b.get("/"); got.location != "/uci/console/" {
		t.Errorf("/ leads to %q", got.location)
	}
	page := b.get("/console/sign-in")
	if !strings.Contains(page.body, `action="/uci/console/sign-in"`) || !strings.Contains(page.body, `href="/uci/console/static/`) {
		t.Errorf("the page leads past the gateway:\n%s", page.body)
	}
	form := page.cookies["__Host-exhaust_form"]
	if form == nil || !form.Secure {
		t.Fatalf("the cookies are %v", page.cookies)
	}
	// The gateway ends TLS: the browser has the cookie, and says where the form is from.
	b.header.Set("Cookie", form.Name+"="+form.Value)
	b.header.Set("Origin", "https://gateway.example.org")
	got := b.do(http.MethodPost, "/console/sign-in", url.Values{"form": {page.form(t)}, "token": {token}, "next": {"/uci/console/exhausts"}}.Encode())
	if session := got.cookies["__Host-exhaust_session"]; got.location != "/uci/console/exhausts" || session == nil || !session.Secure {
		t.Errorf("signing in: %d to %q, cookies %v\n%s", got.status, got.location, got.cookies, got.body)
	}
}

func TestTheLanguageIsTheReadersChoice(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.header.Set("Accept-Language", "en-IN")
	page := "/console/exhausts?channel=" + channel
	if got := b.get(page); !strings.Contains(got.body, `<html lang="en">`) || !strings.Contains(got.body, "No exhaust yet") {
		t.Errorf("in English:\n%s", got.body)
	}
	if got := b.post(page, "/console/language", "language", "hi", "next", page); got.location != page {
		t.Errorf("choosing leads to %q (%d)", got.location, got.status)
	}
	if got := b.get(page); got.header.Get("Content-Language") != "hi" || !strings.Contains(got.body, `<html lang="hi">`) || !strings.Contains(got.body, "अभी कोई एग्ज़ॉस्ट नहीं है") {
		t.Errorf("in Hindi:\n%s", got.body)
	}
}

func TestFilesOfPagesAreKeptForGoodUnderTheNameOfTheirContent(t *testing.T) {
	s := start(t)
	b := s.browser()
	page := b.get("/console/exhausts?channel=" + channel)
	_, rest, _ := strings.Cut(page.body, `<link rel="stylesheet" href="`)
	path, _, _ := strings.Cut(rest, `"`)
	got := b.get(path)
	if got.status != http.StatusOK || got.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || got.header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%s answers %d, %v", path, got.status, got.header)
	}
	if got := b.get("/console/static/0123456789abcdef/console.css"); got.status != http.StatusOK || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("that of another release answers %d, %v", got.status, got.header)
	}
	for _, absent := range []string{"/console/static/x/texts.go", "/console/static/x/..%2fconsole.go", "/console/static/x/"} {
		if got := b.get(absent); got.status != http.StatusNotFound {
			t.Errorf("%s answers %d", absent, got.status)
		}
	}
}
