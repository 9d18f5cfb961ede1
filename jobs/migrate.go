package jobs

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"data-exhaust/database"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationsTable is goose's record of what was done, under a name that no other user of goose in
// the same database has.
const migrationsTable = "data_exhaust_migrations"

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
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("migrate %s: %w", j.db, err)
		}
		options = append(options, goose.WithSessionLocker(locker))
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
