package jobs

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"data-exhaust/database"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationsTable is goose's record of what was done, under a name that no other user of goose in
// the same database has.
const migrationsTable = "data_exhaust_migrations"

const (
	// lockTable holds a row while a process migrates a PostgreSQL database. The row of one that was killed counts for half a
	// minute; one that works renews it every few seconds.
	lockTable = migrationsTable + "_lock"
	// lockInterval and lockTries say how often and for how long, five minutes, a process tries to be the one.
	lockInterval, lockTries = 100 * time.Millisecond, 3000
)

// Migrate brings job_request up to date. Any number of processes may do so at once: one works, the
// others wait and find it done.
func (j *Jobs) Migrate(ctx context.Context) (err error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithTableName(migrationsTable), goose.WithDisableGlobalRegistry(true)}
	dialect := goose.DialectSQLite3
	if j.db.Dialect() == database.PostgreSQL {
		dialect = goose.DialectPostgres
		// A session's lock would be granted to several at once behind PgBouncer.
		locker, err := lock.NewPostgresTableLocker(lock.WithTableName(lockTable), lock.WithTableLockTimeout(lockInterval, lockTries))
		if err != nil {
			return fmt.Errorf("migrate %s: %w", j.db, err)
		}
		options = append(options, goose.WithLocker(locker))
	} else {
		unlock, err := j.db.LockBeside(ctx, "migrate")
		if err != nil {
			return fmt.Errorf("migrate %s: wait for another process that migrates it: %w", j.db, err)
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	provider, err := goose.NewProvider(dialect, j.db.Pool().DB, files, options...)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", j.db, err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", j.db, database.Clean(ctx, err))
	}
	return nil
}

// ErrNotMigrated says that a database lacks tables of this release, or columns of them: [Jobs.Migrate] makes them.
var ErrNotMigrated = errors.New("not migrated to this release")

// CheckMigrated is ErrNotMigrated where the database has not had all of this release's migrations, and another error where
// it does not answer or does not let job_request be read. A later release's migrations are no fault: each leaves the
// releases before it running.
func (j *Jobs) CheckMigrated(ctx context.Context) error {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	var done []int64
	// The record outlives a table that somebody drops, or takes away from our role: job_request has to be there itself.
	err = j.db.Select(ctx, &done, `SELECT version_id FROM `+migrationsTable+`
		WHERE is_applied AND NOT EXISTS (SELECT 1 FROM job_request WHERE request_id = '')`)
	switch {
	case database.NeedsMigration(err):
		return fmt.Errorf("%s is %w: %w", j.db, ErrNotMigrated, err)
	case err != nil:
		return j.failedIn(migrationsTable, "read", err)
	}
	for _, file := range files {
		version, err := goose.NumericComponent(file)
		if err != nil {
			return fmt.Errorf("read the migrations: %w", err)
		}
		if !slices.Contains(done, version) {
			return fmt.Errorf("%s is %w: it lacks %s", j.db, ErrNotMigrated, path.Base(file))
		}
	}
	return nil
}
