package database_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/devstack"
)

func TestAReasonSaysInAClauseWhyPostgreSQLDidNotDoWhatWasAsked(t *testing.T) {
	ctx := context.Background()
	databaseURL := dbtest.URL(t, database.PostgreSQL)
	db := dbtest.Open(t, databaseURL)
	dbtest.Exec(t, db, `CREATE TABLE secrets (number text PRIMARY KEY, size int); INSERT INTO secrets VALUES ('9876543210', 1)`)
	dbtest.Exec(t, db, `CREATE ROLE stranger LOGIN PASSWORD 's3cret-word'; CREATE ROLE crowd LOGIN PASSWORD 's3cret-word' CONNECTION LIMIT 0`)
	t.Cleanup(func() { dbtest.Exec(t, db, `DROP ROLE stranger; DROP ROLE crowd`) })
	as := func(user, password string) string { return dbtest.URLOf(t, databaseURL, user, password) }
	run := func(db *database.DB, query string) error {
		_, err := db.Exec(ctx, query)
		return err
	}
	runAt := func(databaseURL, query string) error { return run(dbtest.Open(t, databaseURL), query) }
	connect := func(databaseURL string) error {
		_, err := database.Open(ctx, databaseURL)
		return err
	}
	for name, c := range map[string]struct {
		do   func() error
		want string
	}{
		"nothing listens":      {func() error { return connect("postgres://u:p@127.0.0.1:1/d") }, "no answer"},
		"the host is unknown":  {func() error { return connect("postgres://u:p@db.invalid/d") }, "no answer"},
		"the server stopped":   {func() error { return stopped(t) }, "no answer"},
		"the server stops":     {func() error { return stopping(t) }, "it is starting up or shutting down"},
		"a wrong password":     {func() error { return connect(as("stranger", "wrong")) }, "sign-in refused"},
		"an unknown user":      {func() error { return connect(as("nobody", "wrong")) }, "sign-in refused"},
		"too many connections": {func() error { return connect(as("crowd", "s3cret-word")) }, "too many connections"},
		"an unknown database":  {func() error { return connect(dbtest.Postgres.URL("missing")) }, "it failed (SQLSTATE 3D000)"},
		"a missing table":      {func() error { return run(db, `SELECT * FROM phones`) }, "a table or column is missing"},
		"a missing column":     {func() error { return run(db, `SELECT phone FROM secrets`) }, "a table or column is missing"},
		"a missing schema":     {func() error { return run(db, `CREATE TABLE uci.bot (id text)`) }, "a table or column is missing"},
		"no right to read":     {func() error { return runAt(as("stranger", "s3cret-word"), `SELECT * FROM secrets`) }, "permission refused"},
		"a standby": {func() error {
			return runAt(databaseURL+"&default_transaction_read_only=on", `DELETE FROM secrets`)
		}, "it is read-only"},
		"it takes longer than statement_timeout": {func() error {
			return runAt(databaseURL+"&statement_timeout=10", `SELECT pg_sleep(10)`)
		}, "no answer in time"},
		"it takes longer than its caller waits": {func() error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, err := db.Exec(ctx, `SELECT pg_sleep(10)`)
			return err
		}, "no answer in time"},
		"another transaction has locked the table": {func() error {
			tx, err := db.Pool().Beginx()
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			if _, err := tx.Exec(`LOCK TABLE secrets`); err != nil {
				t.Fatal(err)
			}
			return runAt(databaseURL+"&lock_timeout=10", `DELETE FROM secrets`)
		}, "it is locked"},
		"an administrator ends the connection": {func() error {
			return run(db, `SELECT pg_terminate_backend(pg_backend_pid())`)
		}, "no answer"},
		"a value stands there already": {func() error {
			return run(db, `INSERT INTO secrets VALUES ('9876543210')`)
		}, "it failed (SQLSTATE 23505)"},
		"a value is no number": {func() error {
			return run(db, `INSERT INTO secrets VALUES ('a', CAST('987x' AS int))`)
		}, "it failed (SQLSTATE 22P02)"},
	} {
		t.Run(name, func(t *testing.T) { wantReason(t, c.do(), c.want) })
	}
}

// stopping is the error of a server that waits for its clients to go before it stops.
func stopping(t *testing.T) error {
	t.Helper()
	ctx := context.Background()
	own, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	})
	dbtest.Open(t, own.URL("postgres")) // one client that stays
	if err := syscall.Kill(own.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for {
		// Until the signal has arrived it serves.
		db, err := database.Open(ctx, own.URL("postgres"))
		if err != nil {
			return err
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// stopped is the error of a server that serves no more.
func stopped(t *testing.T) error {
	t.Helper()
	own, err := devstack.StartPostgres(context.Background(), devstack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.Open(t, own.URL("postgres"))
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	return db.Ping(context.Background())
}

func TestAReasonSaysInAClauseWhySQLiteDidNotDoWhatWasAsked(t *testing.T) {
	ctx := context.Background()
	db := dbtest.Open(t, dbtest.URL(t, database.SQLite))
	dbtest.Exec(t, db, `CREATE TABLE secrets (number text PRIMARY KEY)`)
	dbtest.Exec(t, db, `INSERT INTO secrets VALUES ('9876543210')`)
	run := func(query string) error {
		_, err := db.Exec(ctx, query)
		return err
	}
	// runWith runs a statement on a connection with a setting of its own, which ends with it.
	runWith := func(setting, query string) error {
		conn, err := db.Pool().Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Raw(func(any) error { return driver.ErrBadConn })
		if _, err := conn.ExecContext(ctx, setting); err != nil {
			t.Fatal(err)
		}
		_, err = conn.ExecContext(ctx, query)
		return database.Clean(ctx, err)
	}
	for name, c := range map[string]struct {
		do   func() error
		want string
	}{
		"another connection writes": {func() error {
			tx, err := db.Pool().Beginx()
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			return runWith(`PRAGMA busy_timeout = 0`, `DELETE FROM secrets`)
		}, "it is locked"},
		"a missing table":                {func() error { return run(`SELECT * FROM phones`) }, "a table or column is missing"},
		"a missing column":               {func() error { return run(`SELECT phone FROM secrets`) }, "a table or column is missing"},
		"a missing column to be written": {func() error { return run(`INSERT INTO secrets (phone) VALUES ('1')`) }, "a table or column is missing"},
		"it may not be written":          {func() error { return runWith(`PRAGMA query_only = 1`, `DELETE FROM secrets`) }, "it is read-only"},
		"no space": {func() error {
			return runWith(`PRAGMA max_page_count = 1`, `INSERT INTO secrets VALUES (randomblob(1000000))`)
		}, "no space left"},
		"a value stands there already": {func() error { return run(`INSERT INTO secrets VALUES ('9876543210')`) }, "it failed"},
		"no SQL":                       {func() error { return run(`'no such table: secrets'`) }, "it failed"},
		"it takes longer than its caller waits": {func() error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, err := db.Exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n`)
			return err
		}, "no answer in time"},
		"its folder is no folder": {func() error {
			_, err := database.Open(ctx, "sqlite:///dev/null/9876543210/a.db")
			return err
		}, "it failed"},
	} {
		t.Run(name, func(t *testing.T) { wantReason(t, c.do(), c.want) })
	}
}

func TestAReasonKnowsWhatIsHardToBringAbout(t *testing.T) {
	sqlState := func(code string) error {
		return &pq.Error{Code: pqerror.Code(code), Message: "s3cret-word", Detail: "9876543210"}
	}
	onTheWay := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5432}, Err: err}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{sqlState("08006"), "no answer"},
		{sqlState("08P01"), "no answer"},
		{sqlState("28000"), "sign-in refused"},
		{sqlState("53100"), "no space left"},
		{sqlState("53300"), "too many connections"},
		{sqlState("57P01"), "it is starting up or shutting down"},
		{sqlState("57P02"), "it is starting up or shutting down"},
		{sqlState("57P03"), "it is starting up or shutting down"},
		{sqlState("25P03"), "no answer in time"},
		{sqlState("25P04"), "no answer in time"},
		{sqlState("XX000"), "it failed (SQLSTATE XX000)"},
		{sqlState(""), "it failed"},
		{sqlState("28 of s3cret-word"), "it failed"},
		{onTheWay(syscall.ECONNRESET), "no answer"},
		{onTheWay(syscall.EPIPE), "no answer"},
		{onTheWay(syscall.ETIMEDOUT), "no answer in time"},
		{onTheWay(context.DeadlineExceeded), "no answer in time"},
		{&net.DNSError{Err: "i/o timeout", Name: "db.s3cret-word", IsTimeout: true}, "no answer"},
		{syscall.ECONNREFUSED, "no answer"},
		{syscall.ECONNRESET, "no answer"},
		{syscall.EPIPE, "no answer"},
		{sql.ErrConnDone, "no answer"},
		{os.ErrDeadlineExceeded, "no answer in time"},
		{io.EOF, "no answer"},
		{io.ErrUnexpectedEOF, "no answer"},
		{driver.ErrBadConn, "no answer"},
		{net.ErrClosed, "no answer"},
		{context.DeadlineExceeded, "no answer in time"},
		{context.Canceled, "it failed"},
		{errors.New("the table is unknown to s3cret-word"), "it failed"},
	} {
		t.Run(c.err.Error(), func(t *testing.T) { wantReason(t, c.err, c.want) })
	}
	if got := database.Reason(nil); got != "" {
		t.Errorf("of no error: %q", got)
	}
}

// wantReason demands the reason of an error as the database's callers get it, and as they pass it on.
func wantReason(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatal("it did what was asked")
	}
	for how, err := range map[string]error{
		"as it is":          err,
		"cleaned":           database.Clean(context.Background(), err),
		"cleaned in others": database.Clean(context.Background(), fmt.Errorf("read table secrets: %w", err)),
		"in others":         errors.Join(fmt.Errorf("read table secrets: %w", err), errors.New("close: 9876543210")),
	} {
		if got := database.Reason(err); got != want {
			t.Errorf("%s: got %q, want %q: %v", how, got, want, err)
		}
	}
}
