package app

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

	"data-exhaust/api/rest"
	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/service"
)

// API serves the REST API until the context ends, and then lets the requests in flight finish. onServing, where it is not
// nil, is called once with the address that it listens on.
func API(ctx context.Context, cfg config.Config, log *slog.Logger, onServing func(addr string)) error {
	c, err := connect(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer c.Close()
	var isSearchable atomic.Bool
	handler := newHandler(cfg, c, &isSearchable, log)
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("EXHAUST_ADDR: %w", err)
	}
	server := rest.NewHTTPServer(handler, log)
	failure := make(chan error, 1)
	go func() { failure <- server.Serve(listener) }()
	log.Info("api is listening", "addr", listener.Addr().String(), "publicURL", cfg.PublicURL)
	if onServing != nil {
		onServing(listener.Addr().String())
	}
	go func() {
		// A worker registers them too; whichever comes first. The api serves meanwhile.
		if err := registerSearchAttributes(ctx, c); err != nil && ctx.Err() == nil {
			log.Warn("search attributes could not be registered", "error", err)
			return
		}
		isSearchable.Store(true)
	}()
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

// newHandler makes the service's handler. isSearchable says whether Temporal knows the search attributes, without which
// nothing can be submitted.
func newHandler(cfg config.Config, c *connections, isSearchable *atomic.Bool, log *slog.Logger) http.Handler {
	options := rest.Options{
		Exhausts:  c.exhausts,
		Schedules: service.NewSchedules(c.temporal, c.namespace, c.settings),
		Checks: []rest.Check{
			{Name: service.TemporalDependency, Ping: func(ctx context.Context) error {
				if !isSearchable.Load() {
					return errors.New("its search attributes are not registered yet")
				}
				_, err := c.temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
				return err
			}},
			{Name: service.DatabaseDependency, Ping: c.exhaust.Ping},
			{Name: "UCI database", Ping: c.uci.Ping},
			{Name: "FusionAuth database", Ping: c.fusionAuth.Ping},
			{Name: "telemetry store", Ping: c.telemetry.Ping},
			{Name: service.ReportsDependency, Ping: c.reports.Ping},
		},
		Timezone: cfg.Timezone,
		URLTTL:   cfg.URLTTL,
		Log:      log,
	}
	if local, ok := c.reports.(*blob.Local); ok {
		options.Files = local.Handler()
	}
	return rest.NewHandler(options)
}
