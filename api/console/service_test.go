package console_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/config"
	"data-exhaust/internal/app"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/logtest"
	"data-exhaust/service"
)

// running is an api as its binary runs it, in this process, whose Temporal refuses connections.
type running struct {
	t   *testing.T
	url string
	cfg config.Config
	log *logtest.Buffer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := devstack.FreePort()
	must(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// start starts an api with these settings beside those of its own.
func start(t *testing.T, settings ...string) *running {
	t.Helper()
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	folder := t.TempDir()
	// Of a setting that stands there twice the first counts.
	cfg, err := config.Load(append(settings, "EXHAUST_DATA_DIR="+folder, "EXHAUST_ADDR="+freeAddress(t), "EXHAUST_AUDIT_LOG="+filepath.Join(folder, "audit.log")))
	must(t, err)
	must(t, app.Migrate(t.Context(), cfg))
	s := &running{t: t, url: "http://" + cfg.Addr, cfg: cfg, log: &logtest.Buffer{}}
	ctx, stop := context.WithCancel(context.Background())
	listening, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- app.API(ctx, cfg, slog.New(slog.NewTextHandler(s.log, nil)), func(string) { close(listening) })
	}()
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("the log:\n%s", s.log.String())
		}
	})
	select {
	case <-listening:
		t.Cleanup(func() {
			stop()
			must(t, <-ended)
		})
	case err := <-ended:
		t.Fatalf("the api does not start: %v", err)
	}
	return s
}

// mint makes a token for an hour.
func (s *running) mint(name string, channels []string, rights ...string) (token access.Token, secret string) {
	s.t.Helper()
	must(s.t, app.Tokens(s.t.Context(), s.cfg, func(tokens *service.Tokens) (err error) {
		token, secret, err = tokens.Create(s.t.Context(), service.TokenDraft{Name: name, Channels: channels, Rights: rights, Life: time.Hour})
		return err
	}))
	return token, secret
}

// browser keeps cookies, and follows no redirect.
type browser struct {
	t      *testing.T
	url    string
	client http.Client
	header http.Header
}

func (s *running) browser() *browser {
	jar, err := cookiejar.New(nil)
	must(s.t, err)
	return &browser{t: s.t, url: s.url, header: http.Header{}, client: http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is one to a browser.
type answer struct {
	status   int
	header   http.Header
	cookies  map[string]*http.Cookie
	location string
	body     string
}

func (b *browser) do(method, path, body string) answer {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	must(b.t, err)
	for name, values := range b.header {
		request.Header[name] = values
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.client.Do(request)
	must(b.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(b.t, err)
	a := answer{status: response.StatusCode, header: response.Header, cookies: map[string]*http.Cookie{}, location: response.Header.Get("Location"), body: string(text)}
	for _, cookie := range response.Cookies() {
		a.cookies[cookie.Name] = cookie
	}
	return a
}

func (b *browser) get(path string) answer { b.t.Helper(); return b.do(http.MethodGet, path, "") }

var formToken = regexp.MustCompile(`<input type="hidden" name="form" value="([^"]+)">`)

// form is the token of the forms of a page.
func (a answer) form(t *testing.T) string {
	t.Helper()
	found := formToken.FindStringSubmatch(a.body)
	if found == nil {
		t.Fatalf("%d: there is no form on the page:\n%s", a.status, a.body)
	}
	return html.UnescapeString(found[1])
}

// post sends a form of a page to a path, with fields in turns of name and value.
func (b *browser) post(page, path string, fields ...string) answer {
	b.t.Helper()
	values := url.Values{"form": {b.get(page).form(b.t)}}
	for i := 0; i < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, values.Encode())
}

// signIn signs in with a token.
func (b *browser) signIn(token string) {
	b.t.Helper()
	if got := b.post("/console/sign-in", "/console/sign-in", "token", token); got.status != http.StatusSeeOther {
		b.t.Fatalf("signing in answers %d:\n%s", got.status, got.body)
	}
}
