package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"data-exhaust/api/exhausts"
	"data-exhaust/api/rest"
	"data-exhaust/api/schedules"
	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/registry"
)

// API serves the REST API until the context ends, and then lets the requests that are under way
// finish. serving, where it is given, is called once with the address that it listens on.
func API(ctx context.Context, cfg config.Config, log *slog.Logger, serving func(addr string)) error {
	temporalClient, namespace, err := DialTemporal(log)
	if err != nil {
		return err
	}
	defer temporalClient.Close()
	dbs, err := openDatabases(ctx, cfg)
	if err != nil {
		return err
	}
	defer dbs.Close()
	var searchable atomic.Bool
	handler, err := newHandler(ctx, cfg, temporalClient, &searchable, namespace, dbs, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("EXHAUST_ADDR: %w", err)
	}
	server := rest.NewHTTPServer(handler, log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("api is listening", "addr", listener.Addr().String(), "publicURL", cfg.PublicURL)
	if serving != nil {
		serving(listener.Addr().String())
	}
	go func() {
		// A worker registers them too; whichever comes first. The api serves meanwhile.
		if err := registerSearchAttributes(ctx, temporalClient, namespace); err != nil && ctx.Err() == nil {
			log.Warn("search attributes could not be registered", "error", err)
			return
		}
		searchable.Store(true)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving the API: %w", err)
	case <-ctx.Done():
	}
	log.Info("api is stopping")
	bounded, cancel := context.WithTimeout(context.Background(), shutdownWithin)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), server.Close())
	}
	return nil
}

// shutdownWithin bounds how long requests that are under way may take when the API stops.
const shutdownWithin = 15 * time.Second

// newHandler makes the service's handler. searchable tells whether Temporal knows the search
// attributes, without which nothing can be submitted.
func newHandler(ctx context.Context, cfg config.Config, temporalClient client.Client, searchable *atomic.Bool, namespace string, dbs *databases, log *slog.Logger) (http.Handler, error) {
	jobs := registry.NewJobs(dbs.exhaust)
	if err := migrated(ctx, jobs); err != nil {
		return nil, err
	}
	stores, err := openStores(ctx, cfg)
	if err != nil {
		return nil, err
	}
	checks := []rest.Check{
		{Name: exhausts.TemporalDependency, Ping: func(ctx context.Context) error {
			if !searchable.Load() {
				return errors.New("its search attributes are not registered yet")
			}
			_, err := temporalClient.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		}},
		{Name: exhausts.DatabaseDependency, Ping: dbs.exhaust.Ping},
		{Name: "UCI database", Ping: dbs.uci.Ping},
		{Name: "FusionAuth database", Ping: dbs.fusionAuth.Ping},
		{Name: "telemetry store", Ping: stores.telemetry.Ping},
		{Name: exhausts.ReportsDependency, Ping: stores.reports.Ping},
	}
	options := rest.Options{
		Exhausts: newExhausts(cfg, temporalClient, jobs, stores),
		Schedules: schedules.New(temporalClient, namespace, schedules.Settings{
			TaskQueue:           cfg.TaskQueue,
			Timezone:            cfg.Timezone,
			MaxDays:             cfg.MaxDays,
			WebhookSecret:       cfg.WebhookSecret,
			WebhookAllowPrivate: cfg.WebhookAllowPrivate,
		}),
		Checks:   checks,
		Timezone: cfg.Timezone,
		URLTTL:   cfg.URLTTL,
		Log:      log,
	}
	if local, ok := stores.reports.(*blob.Local); ok {
		options.Files = local.Handler()
	}
	return rest.NewHandler(options), nil
}

func newExhausts(cfg config.Config, temporalClient client.Client, jobs *registry.Jobs, stores *stores) *exhausts.Exhausts {
	return exhausts.New(temporalClient, jobs, stores.reports, exhausts.Settings{
		TaskQueue:       cfg.TaskQueue,
		Timezone:        cfg.Timezone,
		MaxDays:         cfg.MaxDays,
		URLTTL:          cfg.URLTTL,
		Timeout:         cfg.Timeout,
		Mode:            cfg.Mode,
		ReportRetention: cfg.ReportRetention,
	})
}
