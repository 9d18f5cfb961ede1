package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"data-exhaust/api/console"
	"data-exhaust/api/health"
	"data-exhaust/api/rest"
	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/service"
)

// API serves the REST API until the context ends, and then lets the requests in flight finish. It listens at once, whatever
// is away, and says in /health what that is. onServing, where it is not nil, is called once with the address that it listens
// on.
func API(ctx context.Context, cfg config.Config, log *slog.Logger, onServing func(addr string)) (err error) {
	c, err := connect(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer c.Close()
	audit, err := openAudit(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, audit.Close()) }()
	signIn, err := newSignIn(ctx, cfg, c, log)
	if err != nil {
		return err
	}
	temporal := newTemporalCheck(c)
	secrets := service.NewWebhookSecrets(c.jobs, cfg.WebhookKeys)
	schedules := service.NewSchedules(c.temporal, c.namespace, secrets, c.settings)
	uci, layout, err := newSources(cfg, c)
	if err != nil {
		return err
	}
	estimates := service.NewEstimates(c.exhausts, uci, c.telemetry, layout)
	deployment := service.NewDeployment(c.temporal, c.namespace, cfg.Deployment, cfg.TaskQueue)
	operations := service.NewOperations(c.exhausts, deployment, c.telemetry, layout)
	authorized := service.NewAuthorized(c.exhausts, schedules, service.NewConversations(uci), estimates, secrets, signIn.tokens, operations, audit)
	handler, err := newHandler(cfg, c, temporal, signIn, authorized, log)
	if err != nil {
		return err
	}
	server := rest.NewHTTPServer(handler, log)
	serve, err := secure(cfg, server, log)
	if err != nil {
		return err
	}
	listener, err := listen(cfg, log)
	if err != nil {
		return err
	}
	failure := make(chan error, 1)
	go func() { failure <- serve(listener) }()
	log.Info("api is listening", "addr", listener.Addr().String(), "publicURL", cfg.PublicURL)
	if onServing != nil {
		onServing(listener.Addr().String())
	}
	waiting, stopWaiting := context.WithCancel(ctx)
	var waits sync.WaitGroup
	waits.Go(func() { c.await(waiting, temporal, log) })
	defer waits.Wait()
	defer stopWaiting()
	select {
	case err := <-failure:
		return fmt.Errorf("serving the API: %w", err)
	case <-ctx.Done():
	}
	log.Info("api is stopping")
	bounded, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), server.Close())
	}
	return nil
}

// shutdownTimeout bounds how long requests in flight may take when the API stops.
const shutdownTimeout = 15 * time.Second

// newHandler makes the service's handler.
func newHandler(cfg config.Config, c *connections, temporal *temporalCheck, signIn signIn, authorized *service.Authorized, log *slog.Logger) (http.Handler, error) {
	dependencies := health.New([]health.Check{
		{Name: service.TemporalDependency, IsRequired: true, Ping: temporal.ask},
		{Name: service.DatabaseDependency, IsRequired: true, Ping: c.askJobs},
		{Name: service.UCIDependency, Ping: c.uci.Ping},
		{Name: service.FusionAuthDependency, Ping: c.fusionAuth.Ping},
		{Name: service.TelemetryDependency, Ping: c.telemetry.Ping},
		{Name: service.ReportsDependency, IsRequired: true, Ping: c.reports.Ping},
	}, log)
	pages, err := newConsole(cfg, c, signIn, authorized, dependencies, log)
	if err != nil {
		return nil, err
	}
	options := rest.Options{
		Service:  authorized,
		SignIn:   signIn.SignIn,
		Console:  rest.Console{Handler: pages.Handler(), Path: console.Path, IsDetail: pages.IsDetail},
		Health:   dependencies,
		Timezone: cfg.Timezone,
		URLTTL:   cfg.URLTTL,
		Log:      log,
	}
	if local, ok := c.reports.(*blob.Local); ok {
		options.Files = local.Handler()
	}
	return rest.NewHandler(options), nil
}

// newConsole makes the pages for people.
func newConsole(
	cfg config.Config, c *connections, signIn signIn, authorized *service.Authorized, dependencies health.Dependencies, log *slog.Logger,
) (*console.Console, error) {
	return console.New(console.Options{
		Service:        authorized,
		SignIn:         signIn.SignIn,
		Sessions:       service.NewSessions(c.jobs),
		OpenID:         signIn.openID,
		AsksForTokens:  cfg.Auth == config.AuthTokens,
		HasTokens:      signIn.tokens != nil,
		Health:         dependencies,
		PublicURL:      cfg.PublicURL,
		Timezone:       cfg.Timezone,
		MaxDays:        cfg.MaxDays,
		Mode:           cfg.Mode,
		NightlyCron:    cfg.NightlyCron,
		PrivatePurpose: cfg.PrivatePurpose,
		HasWebhooks:    cfg.WebhookKeys.Signing != "",
		TemporalUI:     cfg.TemporalUIURL,
		Namespace:      c.namespace,
		Log:            log,
	})
}
