// Package app puts the worker and the API together from the settings, the same for the binaries of their own, for
// `starter dev` and for the tests, and decides nothing itself: it hands settings to the packages that do.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"data-exhaust/api/health"
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
	options, err := temporalOptions()
	if err != nil {
		return nil, "", err
	}
	c, err := dial(options, log)
	return c, options.Namespace, err
}

func dial(options client.Options, log *slog.Logger) (client.Client, error) {
	options.Logger = sdklog.NewStructuredLogger(slog.New(sdkLog{log.Handler()}))
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(service.StartOnce))
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, fmt.Errorf("the TEMPORAL_ settings: %w", err)
	}
	return c, nil
}

// databaseSetting is the setting of the database with job_request.
const databaseSetting = "EXHAUST_DATABASE_URL"

// databases are the connections to the three databases, which may be one.
type databases struct {
	exhaust, uci, fusionAuth *database.DB
	opened                   map[string]*database.DB
}

// openDatabases asks no server for anything: a database that is away is missed by what needs it, and by nothing else.
func openDatabases(ctx context.Context, cfg config.Config) (*databases, error) {
	d := &databases{opened: map[string]*database.DB{}}
	for _, want := range []struct {
		name, url string
		db        **database.DB
	}{
		{databaseSetting, cfg.DatabaseURL, &d.exhaust},
		{"UCI_DATABASE_URL", cfg.UCIDatabaseURL, &d.uci},
		{"FUSIONAUTH_DATABASE_URL", cfg.FusionAuthDatabaseURL, &d.fusionAuth},
	} {
		if d.opened[want.url] == nil {
			db, err := database.OpenLazily(ctx, want.url)
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

// askDatabase is an error that names the setting of a database that does not answer.
func askDatabase(ctx context.Context, setting string, db *database.DB) error {
	if err := db.Ping(ctx); err != nil {
		return fmt.Errorf("%s: %w", setting, err)
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
	if err := askDatabase(ctx, databaseSetting, dbs.exhaust); err != nil {
		return err
	}
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

// openStores opens both. Without a key a reports store in a folder signs nothing.
func openStores(ctx context.Context, cfg config.Config, key []byte) (*stores, error) {
	env := blob.Env{
		AzureConnectionString: cfg.AzureConnectionString,
		AzureAccount:          cfg.AzureAccount,
		AzureAPIVersion:       cfg.AzureAPIVersion,
		BaseURL:               cfg.PublicURL + rest.FilesPath,
		Key:                   key,
	}
	var s stores
	var err error
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
	temporal client.Client
	// address is Temporal's.
	namespace, address string
	*databases
	*stores
	jobs     *jobs.Jobs
	settings service.Settings
	exhausts *service.Exhausts
}

// connect makes all connections without asking anybody for anything, so that a process starts whatever is away. It is an
// error of the settings, of a key, or of a folder or file on this machine, which no waiting heals.
func connect(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *connections, err error) {
	c := &connections{settings: service.Settings{
		TaskQueue:           cfg.TaskQueue,
		Timezone:            cfg.Timezone,
		MaxDays:             cfg.MaxDays,
		URLTTL:              cfg.URLTTL,
		Timeout:             cfg.Timeout,
		Mode:                cfg.Mode,
		ReportRetention:     cfg.ReportRetention,
		WebhookAllowPrivate: cfg.WebhookAllowPrivate,
		PrivatePurpose:      cfg.PrivatePurpose,
		ChannelLimit:        cfg.ChannelLimit,
		CSVDialect:          cfg.CSVDialect,
		Log:                 log,
	}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	options, err := temporalOptions()
	if err != nil {
		return nil, err
	}
	c.namespace, c.address = options.Namespace, options.HostPort
	if c.temporal, err = dial(options, log); err != nil {
		return nil, err
	}
	if c.databases, err = openDatabases(ctx, cfg); err != nil {
		return nil, err
	}
	c.jobs = jobs.New(c.databases.exhaust)
	key, err := signingKey(cfg, log)
	if err != nil {
		return nil, err
	}
	if c.stores, err = openStores(ctx, cfg, key); err != nil {
		return nil, err
	}
	c.exhausts = service.NewExhausts(c.temporal, c.jobs, c.reports, c.settings)
	return c, nil
}

// askJobs is an error unless the database answers and has the tables as this release needs them.
func (c *connections) askJobs(ctx context.Context) error {
	err := c.jobs.CheckMigrated(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jobs.ErrNotMigrated):
		err = &health.Lack{Sentence: "its tables are missing or older than this release: `starter migrate` makes them", Err: err}
	}
	return fmt.Errorf("%s: %w", databaseSetting, err)
}

// askJobsInTime is askJobs for what waits at its start.
func (c *connections) askJobsInTime(ctx context.Context) error {
	return withTimeout(databaseSetting+": "+c.databases.exhaust.String(), c.askJobs)(ctx)
}

// await returns when the database has its tables and Temporal its search attributes, or the context ends: it reports which.
// An api serves meanwhile, a worker takes no work. What only steps need they wait for themselves, and clients see it.
func (c *connections) await(ctx context.Context, temporal *temporalCheck, log *slog.Logger) bool {
	var hasTables, isSearchable bool
	var both sync.WaitGroup
	both.Go(func() { hasTables = keepTrying(ctx, service.DatabaseDependency, c.askJobsInTime, log) })
	both.Go(func() { isSearchable = keepTrying(ctx, service.TemporalDependency, temporal.askInTime, log) })
	both.Wait()
	return hasTables && isSearchable
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
