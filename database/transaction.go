package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Read runs a function in a transaction that cannot write. PostgreSQL leaves sequential scans for where there is no
// index at all: its estimates would scan a table whole for a large batch.
func (db *DB) Read(ctx context.Context, do func(*sqlx.Tx) error) error {
	return db.transaction(ctx, &sql.TxOptions{ReadOnly: true}, "SET LOCAL enable_seqscan = off; ", do)
}

// Write runs a function in a transaction, which is rolled back where the function fails.
func (db *DB) Write(ctx context.Context, do func(*sqlx.Tx) error) error {
	return db.transaction(ctx, &sql.TxOptions{}, "", do)
}

// transaction sets what holds in PostgreSQL for the transaction alone. The server ends one that stands still between two
// statements for as long as a statement may take: whoever began it was frozen or cut off, and holds locks and one of PgBouncer's
// few connections.
func (db *DB) transaction(ctx context.Context, options *sql.TxOptions, settings string, do func(*sqlx.Tx) error) error {
	tx, err := db.pool.BeginTxx(ctx, options)
	if err != nil {
		return Clean(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if db.dialect == PostgreSQL {
		settings += fmt.Sprintf("SET LOCAL idle_in_transaction_session_timeout = %d", statementLimit.Milliseconds())
		if _, err := tx.ExecContext(ctx, settings); err != nil {
			return Clean(ctx, err)
		}
	}
	if err := do(tx); err != nil || options.ReadOnly {
		return Clean(ctx, err)
	}
	return Clean(ctx, tx.Commit())
}

// lockWait is how long a process waits for another one that holds the lock beside an SQLite database.
const lockWait = 5 * time.Minute

// LockBeside holds the lock of an empty SQLite database beside the SQLite database, and waits for another process that
// holds it. The lock ends with unlock, or with the process. It leaves the database itself free, whose own lock a
// migration takes and gives back several times.
func (db *DB) LockBeside(ctx context.Context, name string) (unlock func() error, err error) {
	beside, err := connectSQLite(db.path+"-"+name, lockWait)
	if err != nil {
		return nil, err
	}
	var conn *sql.Conn
	if conn, err = beside.pool.Conn(ctx); err == nil {
		_, err = conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	}
	if err != nil {
		return nil, errors.Join(err, beside.Close())
	}
	return func() error { return errors.Join(conn.Close(), beside.Close()) }, nil
}
