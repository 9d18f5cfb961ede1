package registry

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationsTable is goose's record of what was done, under a name that no other user of goose in
// the same database has.
const migrationsTable = "data_exhaust_migrations"

// migrateWait is how long a process waits for another that is migrating the same SQLite database.
const migrateWait = 5 * time.Minute

// Migrate brings job_request up to date. Any number of processes may do so at once: one works, the
// others wait and find it done.
func (j *Jobs) Migrate(ctx context.Context) (err error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithTableName(migrationsTable), goose.WithDisableGlobalRegistry(true)}
	dialect := goose.DialectSQLite3
	if j.db.dialect == PostgreSQL {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("migrate %s: %w", j.db.where, err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	} else {
		unlock, err := lockBeside(ctx, j.db.path)
		if err != nil {
			return fmt.Errorf("migrate %s: %w", j.db.where, err)
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	provider, err := goose.NewProvider(dialect, j.db.sqlx.DB, files, options...)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", j.db.where, err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", j.db.where, clean(ctx, err))
	}
	return nil
}

// lockBeside holds the lock of an empty database beside the one at path. goose's own transactions
// would wait for a lock inside that one; and this lock ends with the process that holds it.
func lockBeside(ctx context.Context, path string) (unlock func() error, err error) {
	lockFile, err := connectSQLite(path+"-migrate", migrateWait)
	if err != nil {
		return nil, err
	}
	var conn *sql.Conn
	if conn, err = lockFile.sqlx.Conn(ctx); err == nil {
		_, err = conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for another process that migrates it: %w", err), lockFile.Close())
	}
	return func() error { return errors.Join(conn.Close(), lockFile.Close()) }, nil
}
