package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"data-exhaust/access"
	"data-exhaust/api/admission"
	"data-exhaust/config"
	"data-exhaust/jobs"
	"data-exhaust/service"
)

// signIn is how callers say who they are.
type signIn struct {
	admission.SignIn
	// tokens are nil where there are none in the database.
	tokens *service.Tokens
	// openID is nil where nobody signs in at a provider.
	openID *access.OpenID
}

// newSignIn makes what asks callers who they are. The context ends what goes on in the background.
func newSignIn(ctx context.Context, cfg config.Config, c *connections, log *slog.Logger) (s signIn, err error) {
	s.SignIn = admission.SignIn{
		Proxies:      cfg.TrustedProxies,
		MetricsToken: cfg.MetricsToken,
		Callers:      access.NewLimiter(float64(cfg.RateLimit), cfg.RateBurst),
		// Always, or whoever is refused could fill the audit log.
		Strangers: access.NewLimiter(cmp.Or(float64(cfg.RateLimit), strangersLimit), cfg.RateBurst),
	}
	switch {
	case cfg.Auth == config.AuthNone && !cfg.BehindGateway:
		s.Hosts = &admission.Hosts{PublicURL: cfg.PublicURL}
	case cfg.Auth == config.AuthJWT:
		options := cfg.JWT
		options.Log = log
		jwt, err := access.NewJWT(ctx, options)
		if err != nil {
			return signIn{}, err
		}
		s.PrefersUser, s.Authenticator = true, jwt
		if cfg.OpenID.ClientID != "" {
			s.openID = access.NewOpenID(jwt, cfg.OpenID)
		}
	case cfg.Auth == config.AuthTokens && cfg.TokenFile != "":
		if s.Authenticator, err = access.OpenTokenFile(cfg.TokenFile); err != nil {
			return signIn{}, fmt.Errorf("EXHAUST_TOKEN_STORE: %w", err)
		}
	case cfg.Auth == config.AuthTokens:
		s.tokens = service.NewTokens(c.jobs)
		s.Authenticator = s.tokens
	}
	return s, nil
}

// strangersLimit is how many requests a second come from an address without credentials that count, where nobody has set how many
// callers may make.
const strangersLimit = 50.0

// openAudit opens the audit log.
func openAudit(cfg config.Config, log *slog.Logger) (*access.Audit, error) {
	if cfg.AuditLog == "" {
		return access.NewAudit(log), nil
	}
	audit, err := access.OpenAudit(cfg.AuditLog)
	if err != nil {
		return nil, fmt.Errorf("EXHAUST_AUDIT_LOG: %w", err)
	}
	return audit, nil
}

// listen listens for callers, and says so loudly where none of them will be asked who he is. It is refused where others than this
// machine could call.
func listen(cfg config.Config, log *slog.Logger) (net.Listener, error) {
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("EXHAUST_ADDR: %w", err)
	}
	if cfg.Auth != config.AuthNone {
		return listener, nil
	}
	addr, isTCP := listener.Addr().(*net.TCPAddr)
	isLoopback := isTCP && addr.IP.IsLoopback()
	if !isLoopback && !cfg.BehindGateway {
		return nil, errors.Join(fmt.Errorf("EXHAUST_AUTH is none, and EXHAUST_ADDR %s lets other machines in: set EXHAUST_AUTH to tokens or jwt; "+
			"or EXHAUST_AUTH_BEHIND_GATEWAY=true where a gateway signs callers in and nobody gets past it; or listen on 127.0.0.1", cfg.Addr), listener.Close())
	}
	log.Warn("nobody is asked who he is: whoever reaches the api may do everything (EXHAUST_AUTH=none)", "addr", listener.Addr().String(), "behindGateway", cfg.BehindGateway)
	return listener, nil
}

// secure is how a server serves: with TLS where there is a certificate.
func secure(cfg config.Config, server *http.Server, log *slog.Logger) (serve func(net.Listener) error, err error) {
	if cfg.TLSCertificate == "" {
		return server.Serve, nil
	}
	certificate, err := newCertificate(cfg.TLSCertificate, cfg.TLSPrivateKey, log)
	if err != nil {
		return nil, err
	}
	server.TLSConfig, server.Handler = certificate.config(), strictTransport(server.Handler)
	return func(listener net.Listener) error { return server.ServeTLS(listener, "", "") }, nil
}

// Tokens calls do with the tokens in the database, whoever asks: who has the database needs no token.
func Tokens(ctx context.Context, cfg config.Config, do func(*service.Tokens) error) error {
	if cfg.TokenFile != "" {
		return errors.New("EXHAUST_TOKEN_STORE is a file: `starter token create --offline` makes its lines; to revoke a token, remove its line")
	}
	dbs, err := openDatabases(ctx, cfg)
	if err != nil {
		return err
	}
	defer dbs.Close()
	return do(service.NewTokens(jobs.New(dbs.exhaust)))
}
