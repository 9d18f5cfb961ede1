// Package database opens PostgreSQL and SQLite through sqlx (dialects, pools, transactions, errors without values) and
// knows no table: packages jobs and registry do.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"modernc.org/sqlite" // also the driver "sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// Dialect names the kind of database behind a DB.
type Dialect string

const (
	PostgreSQL Dialect = "postgres"
	SQLite     Dialect = "sqlite"
)

const (
	maxConnections    = 10
	connectionLife    = 30 * time.Minute
	idleLife          = 5 * time.Minute
	connectTimeout    = 10 * time.Second
	sqliteBusyTimeout = 10 * time.Second
)

// DB is a pool of at most ten connections to one database. It makes new connections by itself
// after the database was away.
type DB struct {
	pool    *sqlx.DB
	dialect Dialect
	// path is the file of an SQLite database.
	path string
	// where names the database in errors: no user, no password.
	where string
}

// Open is OpenLazily, and checks that the database answers.
func Open(ctx context.Context, databaseURL string) (*DB, error) {
	db, err := OpenLazily(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	if err := db.Ping(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// OpenLazily takes "postgres://…" (or postgresql://), "sqlite:///absolute/path" or "sqlite://relative/path". It connects to
// PostgreSQL when it is first used, so that may be away: an error is of the URL alone. An SQLite file is opened at once, as it
// is on this machine; the file and its folder are made where they are missing.
//
// On PostgreSQL a statement ends after 60 s, connecting takes at most 10 s, and TLS is required unless
// the server is on this machine; statement_timeout, connect_timeout, application_name and sslmode in the URL
// say otherwise. Nothing is left in a session, so that PgBouncer may lend its connections for a transaction
// each. No error shows the password.
func OpenLazily(ctx context.Context, databaseURL string) (*DB, error) {
	scheme, rest, _ := strings.Cut(databaseURL, "://")
	var db *DB
	var err error
	switch scheme {
	case "postgres", "postgresql":
		db, err = openPostgres(databaseURL)
	case "sqlite":
		db, err = openSQLite(ctx, rest)
	default:
		return nil, errors.New("the database URL starts with none of postgres://, postgresql://, sqlite://")
	}
	if err != nil {
		return nil, err
	}
	db.pool.SetMaxOpenConns(maxConnections)
	db.pool.SetMaxIdleConns(maxConnections)
	db.pool.SetConnMaxLifetime(connectionLife)
	db.pool.SetConnMaxIdleTime(idleLife)
	return db, nil
}

// Ping asks the database for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	// Unlike a ping of database/sql, a statement is repeated on a new connection where the one from
	// the pool has died.
	if _, err := db.Exec(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("%s does not answer: %w", db.where, err)
	}
	return nil
}

// Close ends all connections.
func (db *DB) Close() error { return db.pool.Close() }

// Dialect is which kind of database this is.
func (db *DB) Dialect() Dialect { return db.dialect }

// String names the database for people, without user and password.
func (db *DB) String() string { return db.where }

// Pool is the connections themselves, for what needs more than the methods of DB. Its errors are to go through Clean.
func (db *DB) Pool() *sqlx.DB { return db.pool }

// Select reads all rows of a query into a slice of structs or values.
func (db *DB) Select(ctx context.Context, rows any, query string, args ...any) error {
	return Clean(ctx, db.pool.SelectContext(ctx, rows, query, args...))
}

// Exec runs a statement.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := db.pool.ExecContext(ctx, query, args...)
	return result, Clean(ctx, err)
}

// NamedExec runs a statement whose parameters are the columns of a struct, :column each.
func (db *DB) NamedExec(ctx context.Context, query string, row any) error {
	_, err := db.pool.NamedExecContext(ctx, query, row)
	return Clean(ctx, err)
}

func openPostgres(databaseURL string) (*DB, error) {
	config, err := postgresConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("the database URL is not valid: %w", err)
	}
	withDefaults(&config)
	where := "PostgreSQL database " + config.Database + " at " + net.JoinHostPort(config.Host, fmt.Sprint(config.Port))
	connector, err := newConnector(config)
	if err != nil {
		return nil, fmt.Errorf("%s: the database URL is not valid: %w", where, err)
	}
	return &DB{
		pool:    sqlx.NewDb(sql.OpenDB(connector), "postgres"),
		dialect: PostgreSQL,
		where:   where,
	}, nil
}

// CheckPostgresURL is an error that says what is accepted where nothing can be connected to by a postgres:// URL, together
// with libpq's variables. It shows no password.
func CheckPostgresURL(databaseURL string) error {
	_, err := postgresConfig(databaseURL)
	return err
}

func postgresConfig(databaseURL string) (pq.Config, error) {
	if havePorts(databaseURL) {
		return pq.Config{}, errors.New("the ports of several hosts belong into the query, such as postgres://user@one,two/database?port=5432,5433")
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		// url.Parse's own words quote the URL, and so the password.
		return pq.Config{}, errors.New("it is no postgres://user:password@host:port/database; " +
			"in a password the characters / ? # [ ] @ : and % stand as %2F %3F %23 %5B %5D %40 %3A and %25")
	}
	if u.Query().Has("service") || os.Getenv("PGSERVICE") != "" {
		return pq.Config{}, errors.New("a libpq service (PGSERVICE, or service in the URL) would overrule the URL, its sslmode too: put all into the URL and leave the service out")
	}
	config, err := pq.NewConfig(databaseURL)
	if err != nil {
		return pq.Config{}, err
	}
	config.Host = strings.TrimSuffix(strings.TrimPrefix(config.Host, "["), "]") // of an IPv6 address without a port
	return config, checkSocket(config)
}

// havePorts reports whether a URL has several hosts of which one before the last has a port, which neither Go nor the driver
// reads as libpq does.
func havePorts(databaseURL string) bool {
	_, rest, _ := strings.Cut(databaseURL, "://")
	authority, _, _ := strings.Cut(rest, "/")
	hosts := authority[strings.LastIndexByte(authority, '@')+1:]
	last := strings.LastIndexByte(hosts, ',')
	return last >= 0 && strings.ContainsAny(hosts[:last], ":[")
}

// withDefaults fills in what the URL and libpq's environment left open. It adds no start-up parameter: PgBouncer refuses
// those that it does not know.
func withDefaults(config *pq.Config) {
	// The driver sends a statement and its parameters together. It would wait for an answer between them, and PgBouncer in
	// transaction mode then lends the connection, with the statement, to another client. So no URL says otherwise.
	config.BinaryParameters = true
	if config.SSLMode == "" {
		config.SSLMode = defaultSSLMode(*config)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.ApplicationName == "" {
		config.ApplicationName = "data-exhaust"
	}
}

func openSQLite(ctx context.Context, path string) (*DB, error) {
	if path == "" || strings.ContainsAny(path, "?\x00") || strings.HasPrefix(path, ":") {
		return nil, fmt.Errorf("the database URL %q names no file: it is sqlite:///absolute/path or sqlite://relative/path, without options", "sqlite://"+path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of SQLite database %s: %w", path, err)
	}
	db, err := connectSQLite(path, sqliteBusyTimeout)
	if err != nil {
		return nil, err
	}
	if err := db.setWAL(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", db.where, err), db.Close())
	}
	return db, nil
}

func connectSQLite(path string, busyTimeout time.Duration) (*DB, error) {
	options := url.Values{
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())},
		// A transaction that writes takes its turn at BEGIN, where busy_timeout waits for it; one
		// that started reading would fail at its first write instead.
		"_txlock": {"immediate"},
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options.Encode()
	pool, err := sqlx.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("SQLite database %s: %w", path, err)
	}
	return &DB{pool: pool, dialect: SQLite, path: path, where: "SQLite database " + path}, nil
}

// setWAL lets readers and the writer work at the same time. The file keeps the mode. SQLite does not wait while another
// process sets it on a new file, so setWAL does.
func (db *DB) setWAL(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sqliteBusyTimeout)
	defer cancel()
	_, err := backoff.Retry(ctx, func() (any, error) {
		_, err := db.pool.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		if isBusy(err) {
			return nil, err
		}
		return nil, backoff.Permanent(err)
	}, backoff.WithBackOff(backoff.NewConstantBackOff(10*time.Millisecond)), backoff.WithMaxElapsedTime(0))
	return err
}

// isBusy reports whether SQLite has not waited, or has waited in vain, for another that has locked the database.
func isBusy(err error) bool {
	failure, ok := errors.AsType[*sqlite.Error](err)
	return ok && failure.Code()&0xff == sqlitelib.SQLITE_BUSY
}

// Clean drops from a database's error what may hold a row's values: PostgreSQL's detail, hint and context. It keeps what
// others have said around that error. A statement that was cancelled by its caller becomes the caller's own reason.
func Clean(ctx context.Context, err error) error {
	var (
		failure *pq.Error
		network net.Error
	)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.As(err, &network):
		return ctx.Err()
	case errors.As(err, &failure):
		around, behind, _ := strings.Cut(err.Error(), failure.Error())
		return &cleanedError{
			text:     fmt.Sprintf("%s%s (SQLSTATE %s)%s", around, failure.Message, failure.Code, behind),
			sqlState: failure.SQLState(),
		}
	}
	return err
}

// cleanedError is what Clean keeps of PostgreSQL's error: its words, and its code for Reason.
type cleanedError struct{ text, sqlState string }

func (e *cleanedError) Error() string { return e.text }

func (e *cleanedError) SQLState() string { return e.sqlState }
