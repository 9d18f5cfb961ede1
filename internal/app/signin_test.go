package app

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"data-exhaust/config"
	"data-exhaust/internal/apitest"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/logtest"
)

// offline are the settings of an api whose Temporal refuses connections, on a port of its own.
func offline(t *testing.T, host string, more ...string) config.Config {
	t.Helper()
	port, err := devstack.FreePort()
	must(t, err)
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	cfg, err := config.Load(append([]string{"EXHAUST_DATA_DIR=" + t.TempDir(), fmt.Sprintf("EXHAUST_ADDR=%s:%d", host, port)}, more...))
	must(t, err)
	must(t, Migrate(t.Context(), cfg))
	return cfg
}

// startAPI runs an api until the test ends, and returns the error with which it did not start.
func startAPI(t *testing.T, cfg config.Config, log io.Writer) error {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	listening, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- API(ctx, cfg, slog.New(slog.NewTextHandler(log, nil)), func(string) { close(listening) })
	}()
	select {
	case <-listening:
		t.Cleanup(func() {
			stop()
			must(t, <-ended)
		})
		return nil
	case err := <-ended:
		stop()
		return err
	}
}

func TestNobodyIsAskedOnlyOnLoopbackOrBehindAGateway(t *testing.T) {
	const refusal = "EXHAUST_AUTH is none, and EXHAUST_ADDR %s lets other machines in: set EXHAUST_AUTH to tokens or jwt; " +
		"or EXHAUST_AUTH_BEHIND_GATEWAY=true where a gateway signs callers in and nobody gets past it; or listen on 127.0.0.1"
	for _, test := range []struct {
		host     string
		settings []string
		isServed bool
	}{
		{"127.0.0.1", nil, true},
		{"127.0.0.2", nil, true},
		{"[::1]", nil, true},
		{"localhost", nil, true},
		{"", nil, false},
		{"0.0.0.0", nil, false},
		{"[::]", nil, false},
		{"0.0.0.0", []string{"EXHAUST_AUTH=none"}, false},
		{"0.0.0.0", []string{"EXHAUST_AUTH_BEHIND_GATEWAY=true"}, true},
		{"0.0.0.0", []string{"EXHAUST_AUTH=tokens"}, true},
	} {
		cfg := offline(t, test.host, test.settings...)
		var log logtest.Buffer
		err := startAPI(t, cfg, &log)
		if test.isServed != (err == nil) || err != nil && err.Error() != fmt.Sprintf(refusal, cfg.Addr) {
			t.Errorf("on %q with %q: %v", cfg.Addr, test.settings, err)
		}
		warnings := strings.Count(log.String(), `level=WARN msg="nobody is asked who he is: whoever reaches the api may do everything (EXHAUST_AUTH=none)"`)
		if isAsked := cfg.Auth != config.AuthNone; warnings != map[bool]int{true: 1}[test.isServed && !isAsked] {
			t.Errorf("on %q with %q the log warns %d times: %s", cfg.Addr, test.settings, warnings, log.String())
		}
	}
}

func TestAWrongWayToSignInIsAnErrorAtTheStart(t *testing.T) {
	for _, test := range []struct{ setting, want string }{
		{"EXHAUST_TOKEN_STORE=file:///nowhere/tokens", "EXHAUST_TOKEN_STORE: tokens in /nowhere/tokens: open /nowhere/tokens: no such file or directory"},
		{"EXHAUST_AUDIT_LOG=/nowhere/audit.log", "EXHAUST_AUDIT_LOG: audit log: open /nowhere/audit.log: no such file or directory"},
	} {
		if err := startAPI(t, offline(t, "127.0.0.1", "EXHAUST_AUTH=tokens", test.setting), io.Discard); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.setting, err, test.want)
		}
	}
}

// issuer is an OpenID provider of a test's own.
type issuer struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu   sync.Mutex
	away bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	i := &issuer{key: key}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.away || r.URL.Path != "/auth/realms/sunbird/protocol/openid-connect/certs" {
			http.Error(w, "not here", http.StatusNotFound)
			return
		}
		base64url := base64.RawURLEncoding.EncodeToString
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": base64url(key.N.Bytes()), "e": base64url(big.NewInt(int64(key.E)).Bytes()),
		}}})
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) name() string { return i.URL + "/auth/realms/sunbird" }

// token is as Keycloak makes it for Sunbird (docs/auth.md).
func (i *issuer) token(t *testing.T, edit func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": i.name(), "aud": []string{"account", "data-exhaust"}, "exp": time.Now().Add(time.Minute).Unix(), "typ": "Bearer", "azp": "admin-cli",
		"sub":             "f:5a8a3f2b-3409-42e0-9001-f913bc0fde31:874ed8a5-782e-4f6c-8f36-e0288455901e",
		"realm_access":    map[string]any{"roles": []string{"offline_access", "operator"}},
		"resource_access": map[string]any{"data-exhaust": map[string]any{"roles": []string{"uci-response-exhaust", "other"}}},
		"channel":         []string{"0130"},
	}
	edit(claims)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = "one"
	text, err := token.SignedString(i.key)
	must(t, err)
	return text
}

func TestSunbirdsKeycloakTokensSignIn(t *testing.T) {
	i := newIssuer(t)
	cfg := offline(t, "127.0.0.1", "EXHAUST_AUTH=jwt", "EXHAUST_JWT_ISSUER="+i.name(), "EXHAUST_JWT_AUDIENCE=data-exhaust", "EXHAUST_RATE_LIMIT=0")
	var log logtest.Buffer
	must(t, startAPI(t, cfg, &log))
	good := i.token(t, func(jwt.MapClaims) {})
	for _, test := range []struct {
		name    string
		headers []string
		call    string
		want    string
	}{
		{"the user's token", []string{"X-Authenticated-User-Token", good}, "list", "200 OK"},
		{"with the gateway's key beside it", []string{"X-Authenticated-User-Token", good, "Authorization", "Bearer key.of.gateway"}, "list", "200 OK"},
		{"the user's, which counts, is wrong", []string{"X-Authenticated-User-Token", "x", "Authorization", "Bearer " + good}, "list", "401 UNAUTHORIZED"},
		{"as bearer", []string{"Authorization", "Bearer " + good}, "list", "200 OK"},
		{"none", nil, "list", "401 UNAUTHORIZED"},
		{"expired", []string{"Authorization", "Bearer " + i.token(t, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() })}, "list", "401 UNAUTHORIZED"},
		{"for another", []string{"Authorization", "Bearer " + i.token(t, func(c jwt.MapClaims) { c["aud"] = "account" })}, "list", "401 UNAUTHORIZED"},
		{"of another channel", []string{"Authorization", "Bearer " + i.token(t, func(c jwt.MapClaims) { c["channel"] = "0131" })}, "list", "404 RESOURCE_NOT_FOUND"},
		{"without a channel", []string{"Authorization", "Bearer " + i.token(t, func(c jwt.MapClaims) { delete(c, "channel") })}, "list", "404 RESOURCE_NOT_FOUND"},
		{"a private exhaust without the right", []string{"Authorization", "Bearer " + good}, "private", "403 FORBIDDEN"},
		{"a token of this service", []string{"Authorization", "Bearer " + good}, "token", "400 CLIENT_ERROR"},
	} {
		method, path, body := "GET", "/dataset/v1/request/list/tag", ""
		switch test.call {
		case "private":
			method, path, body = "POST", "/dataset/v1/request/submit", `{"request":{"dataset":"uci-private-exhaust","tag":"t","datasetConfig":{"conversationId":"c"}}}`
		case "token":
			method, path, body = "POST", "/dataset/v1/token", `{"request":{"name":"n","rights":["operator"],"expires":"1h"}}`
		}
		request, err := http.NewRequestWithContext(t.Context(), method, cfg.PublicURL+path, strings.NewReader(body))
		must(t, err)
		request.Header.Set("X-Channel-ID", "0130")
		for h := 0; h < len(test.headers); h += 2 {
			request.Header.Add(test.headers[h], test.headers[h+1])
		}
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		text, err := io.ReadAll(response.Body)
		must(t, err)
		response.Body.Close()
		apitest.CheckAnswer(t, request, response, text)
		var envelope struct{ ResponseCode string }
		must(t, json.Unmarshal(text, &envelope))
		if got := fmt.Sprintf("%d %s", response.StatusCode, envelope.ResponseCode); got != test.want {
			t.Errorf("%s: %s %s, want %s", test.name, got, text, test.want)
		}
	}
	if !strings.Contains(log.String(), "caller=f:5a8a3f2b-3409-42e0-9001-f913bc0fde31:874ed8a5-782e-4f6c-8f36-e0288455901e") {
		t.Errorf("the audit log does not name the caller: %s", log.String())
	}
	if strings.Contains(log.String(), good[:20]) {
		t.Error("the log holds a token")
	}
}

func TestTheAPISpeaksTLSWhereItHasACertificate(t *testing.T) {
	folder := t.TempDir()
	certificateFile, keyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	ca := newAuthority(t)
	pair := ca.issueValid(7)
	must(t, os.WriteFile(certificateFile, []byte(pair.certificate), 0o600))
	must(t, os.WriteFile(keyFile, []byte(pair.privateKey), 0o600))
	cfg := offline(t, "127.0.0.1", "EXHAUST_TLS_CERTIFICATE="+certificateFile, "EXHAUST_TLS_PRIVATE_KEY="+keyFile)
	if want := "https://" + cfg.Addr; cfg.PublicURL != want {
		t.Errorf("EXHAUST_PUBLIC_URL is %s, want %s", cfg.PublicURL, want)
	}
	must(t, startAPI(t, cfg, io.Discard))
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.pool, ServerName: publicName}, ForceAttemptHTTP2: true,
	}}
	response, err := client.Get(cfg.PublicURL + "/health/live")
	must(t, err)
	response.Body.Close()
	if response.StatusCode != 200 || response.ProtoMajor != 2 || response.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("answered %s in HTTP/%d with %v", response.Status, response.ProtoMajor, response.Header)
	}
	if response, err = http.Get("http://" + cfg.Addr + "/health/live"); err == nil {
		response.Body.Close()
		if response.StatusCode != 400 {
			t.Errorf("plain HTTP is answered %s", response.Status)
		}
	}
	for _, settings := range [][]string{{"EXHAUST_TLS_CERTIFICATE=" + certificateFile}, {"EXHAUST_TLS_PRIVATE_KEY=" + keyFile}} {
		const want = "EXHAUST_TLS_CERTIFICATE and EXHAUST_TLS_PRIVATE_KEY belong together: set both, or neither"
		if _, err := config.Load(settings); err == nil || err.Error() != want {
			t.Errorf("%q: %v", settings, err)
		}
	}
}
