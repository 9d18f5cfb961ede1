// Package service puts the worker and the API together from the settings: the same for the binaries
// of their own, for `starter dev`, and for the tests.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"data-exhaust/api/exhausts"
	"data-exhaust/api/rest"
	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/registry"
)

// DialTemporal makes a client from Temporal's own TEMPORAL_* settings. It connects when it is first
// used, so that a service comes up, and says in /health what it lacks, while Temporal is down.
func DialTemporal(log *slog.Logger) (client.Client, string, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, "", fmt.Errorf("the TEMPORAL_ settings: %w", err)
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	options.Logger = sdklog.NewStructuredLogger(log)
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(exhausts.StartOnce))
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, "", fmt.Errorf("the TEMPORAL_ settings: %w", err)
	}
	return c, options.Namespace, nil
}

// databases are the connections to the three databases, which may be one.
type databases struct {
	exhaust, uci, fusionAuth *registry.DB
	opened                   map[string]*registry.DB
}

func openDatabases(ctx context.Context, cfg config.Config) (*databases, error) {
	d := &databases{opened: map[string]*registry.DB{}}
	for _, want := range []struct {
		name, url string
		db        **registry.DB
	}{
		{"EXHAUST_DATABASE_URL", cfg.DatabaseURL, &d.exhaust},
		{"UCI_DATABASE_URL", cfg.UCIDatabaseURL, &d.uci},
		{"FUSIONAUTH_DATABASE_URL", cfg.FusionAuthDatabaseURL, &d.fusionAuth},
	} {
		if d.opened[want.url] == nil {
			db, err := registry.Open(ctx, want.url)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("%s: %w", want.name, err), d.Close())
			}
			d.opened[want.url] = db
		}
		*want.db = d.opened[want.url]
	}
	return d, nil
}

func (d *databases) Close() error {
	var errs []error
	for _, db := range d.opened {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// migrated says what to do where job_request is not there.
func migrated(ctx context.Context, jobs *registry.Jobs) error {
	if _, err := jobs.Job(ctx, ""); err != nil && !errors.Is(err, registry.ErrNoJob) {
		return fmt.Errorf("EXHAUST_DATABASE_URL: %w; `starter migrate` makes the tables", err)
	}
	return nil
}

// Migrate makes job_request and, where UCI's databases are the embedded one, UCI's tables.
func Migrate(ctx context.Context, cfg config.Config) error {
	dbs, err := openDatabases(ctx, cfg)
	if err != nil {
		return err
	}
	defer dbs.Close()
	if err := registry.NewJobs(dbs.exhaust).Migrate(ctx); err != nil {
		return err
	}
	made := map[*registry.DB]bool{}
	for _, db := range []*registry.DB{dbs.uci, dbs.fusionAuth} {
		if db.Dialect() != registry.SQLite || made[db] {
			continue
		}
		made[db] = true
		if err := registry.CreateSample(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

// stores are the telemetry and the reports.
type stores struct{ telemetry, reports blob.Store }

func openStores(ctx context.Context, cfg config.Config) (*stores, error) {
	key, err := blob.LoadOrCreateKey(filepath.Join(cfg.DataDir, "signing.key"))
	if err != nil {
		return nil, fmt.Errorf("EXHAUST_DATA_DIR: %w", err)
	}
	env := blob.Env{
		AzureConnectionString: cfg.AzureConnectionString,
		AzureAccount:          cfg.AzureAccount,
		BaseURL:               cfg.PublicURL + rest.FilesPath,
		Key:                   key,
	}
	var s stores
	if s.telemetry, err = blob.OpenURL(ctx, cfg.TelemetryStore, env); err != nil {
		return nil, fmt.Errorf("EXHAUST_TELEMETRY_STORE: %w", err)
	}
	if s.reports, err = blob.OpenURL(ctx, cfg.ReportsStore, env); err != nil {
		return nil, fmt.Errorf("EXHAUST_REPORTS_STORE: %w", err)
	}
	return &s, nil
}

// startWithin bounds how long a service waits at its start for what it depends on.
const startWithin = time.Minute
