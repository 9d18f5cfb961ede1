package devstack

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// OpenIDProvider is an OpenID provider that serves: node-oidc-provider, with a form that lets in whoever says a name.
type OpenIDProvider struct {
	*Child
	// Issuer is its URL.
	Issuer string
	// JWKSURL is where it publishes its keys.
	JWKSURL string
}

// OpenIDProviderOptions are those of [StartOpenIDProvider].
type OpenIDProviderOptions struct {
	// ClientID is that of its one client, ClientSecret the client's secret; "" makes that a public client.
	ClientID, ClientSecret string
	// RedirectURLs are to where people may come back signed in, SignedOutURLs signed out.
	RedirectURLs, SignedOutURLs []string
	// Audience is that of all access tokens, JSON Web Tokens that count for AccessTokenLife, in whole seconds.
	Audience        string
	AccessTokenLife time.Duration
	// Users are the claims of people's access tokens by the name that they say, which is their sub.
	Users map[string]map[string]any
	// Log is where StartOpenIDProvider says that it installs the provider first; nil is nowhere.
	Log io.Writer
}

//go:embed openidprovider.mjs
var openIDProviderScript []byte

// StartOpenIDProvider runs node-oidc-provider on Node.js. It lives until Stop or the end of ctx, and forgets everybody when it
// ends.
func StartOpenIDProvider(ctx context.Context, opts OpenIDProviderOptions) (*OpenIDProvider, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("oidc-provider runs on Node.js: %w: install Node.js 20 or newer", err)
	}
	module, err := Tool(ctx, "oidc-provider", opts.Log)
	if err != nil {
		return nil, err
	}
	p := &OpenIDProvider{}
	plan := func(dir string) (daemon, error) { return p.plan(node, module, dir, opts) }
	if p.Child, err = startChild(ctx, "oidc-provider", "", plan); err != nil {
		return nil, err
	}
	return p, nil
}

// plan describes a provider and fills in where p serves.
func (p *OpenIDProvider) plan(node, module, dir string, opts OpenIDProviderOptions) (daemon, error) {
	port, err := takePort("oidc-provider", 0)
	if err != nil {
		return daemon{}, err
	}
	p.Issuer = "http://" + address(port)
	p.JWKSURL = p.Issuer + "/jwks"
	settings, err := json.Marshal(map[string]any{
		"port": port, "issuer": p.Issuer, "clientID": opts.ClientID, "clientSecret": opts.ClientSecret,
		"redirectURLs": opts.RedirectURLs, "signedOutURLs": append([]string{}, opts.SignedOutURLs...),
		"audience": opts.Audience, "accessTokenSeconds": int(opts.AccessTokenLife.Seconds()), "users": opts.Users,
	})
	if err != nil {
		return daemon{}, fmt.Errorf("start oidc-provider: %w", err)
	}
	script := filepath.Join(dir, "openidprovider.mjs")
	if err := os.WriteFile(script, openIDProviderScript, 0o600); err != nil {
		return daemon{}, fmt.Errorf("start oidc-provider: %w", err)
	}
	return daemon{
		serves: address(port), command: []string{node, script, module, string(settings)}, dir: dir,
		stop: syscall.SIGTERM, crash: syscall.SIGKILL,
		ready: p.probe,
	}, nil
}

func (p *OpenIDProvider) probe(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	request.Close = true // an idle connection would outlive the provider
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", request.URL, answer.Status)
	}
	return nil
}
