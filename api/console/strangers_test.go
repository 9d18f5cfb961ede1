package console_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"data-exhaust/access"
)

func TestStrangersDoNotReachTheDatabaseOftenNorShutOutWhoIsIn(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens", "EXHAUST_RATE_LIMIT=1", "EXHAUST_RATE_BURST=5")
	_, token := s.mint("reader", []string{channel}, "uci-response-exhaust")
	_, other := s.mint("other", []string{channel}, "uci-response-exhaust")
	reader, late := s.browser(), s.browser()
	reader.signIn(token)
	late.signIn(other)
	page := "/console/exhausts?channel=" + channel
	if got := reader.get(page); got.status != http.StatusOK {
		t.Fatalf("the page answers %d", got.status)
	}
	stranger, refused := s.browser(), 0
	form := stranger.get("/console/sign-in").form(t)
	for range 30 {
		thief := s.browser()
		thief.header.Set("Cookie", "exhaust_session="+access.NewSessionSecret())
		if got := thief.get(page); got.status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 15 {
		t.Errorf("of 30 sessions that are none %d are refused", refused)
	}
	// What cannot be told from a stranger's without the database waits; who was in a moment ago stays in.
	if got := late.get(page); got.status != http.StatusTooManyRequests || !strings.Contains(got.body, "data-reload-after") {
		t.Errorf("a session that was not found of late answers %d", got.status)
	}
	if got := reader.get(page); got.status != http.StatusOK {
		t.Errorf("a session that was found of late answers %d", got.status)
	}
	for _, path := range []string{"/console/language", "/console/sign-out", "/console/sign-in"} {
		got := stranger.do(http.MethodPost, path, url.Values{"form": {form}, "token": {"exhaust_" + strings.Repeat("A", 43)}}.Encode())
		if got.status != http.StatusTooManyRequests || strings.Contains(got.body, "data-reload-after") {
			t.Errorf("%s answers %d", path, got.status)
		}
	}
}

func TestEveryAnswerHasTheHeadersThatProtectIt(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	plain, live := s.browser(), s.browser()
	live.header.Set("HX-Request", "true")
	for name, got := range map[string]answer{
		"/": plain.get("/"), "a file that is missing": plain.get("/console/static/0/none.js"), "one that is not signed in": plain.get("/console/exhausts"),
		"a part of a page for one that is not signed in": live.get("/console/exhausts"), "a page that is missing": plain.get("/console/none"),
	} {
		h := got.header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" ||
			!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d with %v", name, got.status, h)
		}
	}
	if got := plain.get("/"); got.status != http.StatusFound || got.location != "/console/" {
		t.Errorf("/ answers %d to %q", got.status, got.location)
	}
}

func TestAPageKeptUpToDateIsLoggedWhereItFails(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	b := s.browser()
	b.header.Set("HX-Request", "true")
	b.get("/console/exhausts")
	b.get("/console/none/exhaust_" + strings.Repeat("A", 43))
	if log := s.log.String(); !strings.Contains(log, "path=/console/none/exhaust_… status=404") || strings.Contains(log, "path=/console/exhausts") {
		t.Errorf("the log is\n%s", log)
	}
}

func TestAServiceThatAsksNobodyAnswersUnderItsOwnNameOnly(t *testing.T) {
	s := start(t, "EXHAUST_PUBLIC_URL=https://exhaust.example.org")
	for host, want := range map[string]int{
		"elsewhere.example:8080": http.StatusForbidden, "exhaust.example.org": http.StatusOK, "localhost:8080": http.StatusOK, s.cfg.Addr: http.StatusOK,
	} {
		for _, path := range []string{"/console/none", "/dataset/v1/receipt-keys", "/docs/", "/dataset/none"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
			must(t, err)
			request.Host = host
			response, err := http.DefaultClient.Do(request)
			must(t, err)
			body, err := io.ReadAll(response.Body)
			must(t, err)
			response.Body.Close()
			isRefused := strings.Contains(string(body), "HOST_REFUSED") || strings.Contains(string(body), "This is not the service’s address")
			if want == http.StatusForbidden && (response.StatusCode != want || !isRefused) || want != http.StatusForbidden && isRefused {
				t.Errorf("%s of %s answers %d:\n%s", path, host, response.StatusCode, body)
			}
		}
	}
}
