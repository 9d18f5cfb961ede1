// Package app puts the worker and the API together from the settings, the same for the binaries of their own, for
// `starter dev` and for the tests, and decides nothing itself: it hands settings to the packages that do.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"data-exhaust/api/rest"
	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/database"
	"data-exhaust/internal/sample"
	"data-exhaust/jobs"
	"data-exhaust/service"
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
	options.Logger = sdklog.NewStructuredLogger(slog.New(sdkLog{log.Handler()}))
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(service.StartOnce))
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, "", fmt.Errorf("the TEMPORAL_ settings: %w", err)
	}
	return c, options.Namespace, nil
}

// databases are the connections to the three databases, which may be one.
type databases struct {
	exhaust, uci, fusionAuth *database.DB
	opened                   map[string]*database.DB
}

func openDatabases(ctx context.Context, cfg config.Config) (*databases, error) {
	d := &databases{opened: map[string]*database.DB{}}
	for _, want := range []struct {
		name, url string
		db        **database.DB
	}{
		{"EXHAUST_DATABASE_URL", cfg.DatabaseURL, &d.exhaust},
		{"UCI_DATABASE_URL", cfg.UCIDatabaseURL, &d.uci},
		{"FUSIONAUTH_DATABASE_URL", cfg.FusionAuthDatabaseURL, &d.fusionAuth},
	} {
		if d.opened[want.url] == nil {
			db, err := database.Open(ctx, want.url)
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

// Migrate makes job_request and, where UCI's databases are the embedded one, UCI's tables.
func Migrate(ctx context.Context, cfg config.Config) error {
	dbs, err := openDatabases(ctx, cfg)
	if err != nil {
		return err
	}
	defer dbs.Close()
	if err := jobs.New(dbs.exhaust).Migrate(ctx); err != nil {
		return err
	}
	for _, db := range []*database.DB{dbs.uci, dbs.fusionAuth} {
		if db.Dialect() == database.SQLite {
			if err := sample.CreateEmbeddedTables(ctx, db); err != nil {
				return err
			}
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

// connections are what the API, the worker and the operator's commands work with.
type connections struct {
	temporal  client.Client
	namespace string
	*databases
	*stores
	jobs     *jobs.Jobs
	settings service.Settings
	exhausts *service.Exhausts
}

// connect opens everything. It is an error that says what to do where job_request is not there.
func connect(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *connections, err error) {
	c := &connections{settings: service.Settings{
		TaskQueue:           cfg.TaskQueue,
		Timezone:            cfg.Timezone,
		MaxDays:             cfg.MaxDays,
		URLTTL:              cfg.URLTTL,
		Timeout:             cfg.Timeout,
		Mode:                cfg.Mode,
		ReportRetention:     cfg.ReportRetention,
		WebhookSecret:       cfg.WebhookSecret,
		WebhookAllowPrivate: cfg.WebhookAllowPrivate,
	}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.temporal, c.namespace, err = DialTemporal(log); err != nil {
		return nil, err
	}
	if c.databases, err = openDatabases(ctx, cfg); err != nil {
		return nil, err
	}
	c.jobs = jobs.New(c.databases.exhaust)
	if _, err := c.jobs.Job(ctx, ""); err != nil && !errors.Is(err, jobs.ErrNoJob) {
		return nil, fmt.Errorf("EXHAUST_DATABASE_URL: %w; `starter migrate` makes the tables", err)
	}
	if c.stores, err = openStores(ctx, cfg); err != nil {
		return nil, err
	}
	c.exhausts = service.NewExhausts(c.temporal, c.jobs, c.reports, c.settings)
	return c, nil
}

// Close ends all connections.
func (c *connections) Close() {
	if c.temporal != nil {
		c.temporal.Close()
	}
	if c.databases != nil {
		_ = c.databases.Close() // a connection that cannot be closed is closed already
	}
}
