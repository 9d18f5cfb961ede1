package database_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

func TestAURLThatCannotBeUsedIsExplainedWithoutItsPassword(t *testing.T) {
	const (
		secret  = "s3cret-word"
		howTo   = "the database URL is not valid: it is no postgres://user:password@host:port/database; in a password the characters / ? # [ ] @ : and % stand as %2F %3F %23 %5B %5D %40 %3A and %25"
		schemes = "the database URL starts with none of postgres://, postgresql://, sqlite://"
	)
	notFolder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notFolder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, want string }{
		{"", schemes},
		{"mysql://u:" + secret + "@h/d", schemes},
		{"host=h password=" + secret, schemes},
		{"POSTGRES//u:" + secret, schemes},
		{"postgres://u:" + secret + "/x@h/d", howTo},
		{"postgres://u:" + secret + "#x@h/d", howTo},
		{"postgres://u:" + secret + "%zz@h/d", howTo},
		{"postgres://u:p@h:" + secret + "/d", howTo},
		{"postgres://u:" + secret + "@h:5432/d?sslmode=nonsense",
			`the database URL is not valid: pq: wrong value for "sslmode": "nonsense" is not supported; supported values are disable, allow, prefer, require, verify-full, or verify-ca`},
		{"postgres://u:" + secret + "@127.0.0.1:1/d",
			"PostgreSQL database d at 127.0.0.1:1 does not answer: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"postgres://postgres:" + secret + "@" + at(t) + "/postgres?sslmode=disable",
			"PostgreSQL database postgres at " + at(t) + ` does not answer: password authentication failed for user "postgres" (SQLSTATE 28P01)`},
		{"postgres://postgres@" + at(t) + "/postgres?password=" + secret,
			"PostgreSQL database postgres at " + at(t) + ` does not answer: password authentication failed for user "postgres" (SQLSTATE 28P01)`},
		{dbtest.Postgres.URL("missing"),
			"PostgreSQL database missing at " + at(t) + ` does not answer: database "missing" does not exist (SQLSTATE 3D000)`},
		{"sqlite://", `the database URL "sqlite://" names no file: it is sqlite:///absolute/path or sqlite://relative/path, without options`},
		{"sqlite:///a.db?mode=ro", `the database URL "sqlite:///a.db?mode=ro" names no file: it is sqlite:///absolute/path or sqlite://relative/path, without options`},
		{"sqlite://:memory:", `the database URL "sqlite://:memory:" names no file: it is sqlite:///absolute/path or sqlite://relative/path, without options`},
		{"sqlite://" + notFolder + "/a.db", "make the folder of SQLite database " + notFolder + "/a.db: mkdir " + notFolder + ": not a directory"},
	} {
		t.Run(c.url, func(t *testing.T) {
			_, err := database.Open(context.Background(), c.url)
			dbtest.WantError(t, err, c.want)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Error("the error shows the password")
			}
		})
	}
}

// at is the host and port of the server.
func at(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(dbtest.Postgres.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestASettingInTheURLIsPreferredToOurs(t *testing.T) {
	for _, c := range []struct{ query, wantTimeout, wantName string }{
		{"", "0", "data-exhaust"}, // PgBouncer refuses a statement_timeout
		{"&statement_timeout=1500&application_name=night", "1500ms", "night"},
		{"&options=-c%20statement_timeout%3D7s", "7s", "data-exhaust"},
	} {
		db := dbtest.Open(t, dbtest.Postgres.URL("postgres")+c.query)
		var timeout, name string
		if err := db.Pool().QueryRow(`SELECT current_setting('statement_timeout'), current_setting('application_name')`).Scan(&timeout, &name); err != nil {
			t.Fatal(err)
		}
		if timeout != c.wantTimeout || name != c.wantName {
			t.Errorf("%q: timeout %s, name %s; want %s, %s", c.query, timeout, name, c.wantTimeout, c.wantName)
		}
	}
}

func TestThePoolHoldsNoMoreThanTenConnections(t *testing.T) {
	db := dbtest.Open(t, dbtest.Postgres.URL("postgres"))
	dbtest.AtOnce(t, 40, func(int) error { return db.Ping(context.Background()) })
	if got := db.Pool().Stats(); got.MaxOpenConnections != 10 || got.OpenConnections > 10 {
		t.Errorf("%d connections of at most %d, want 10", got.OpenConnections, got.MaxOpenConnections)
	}
}

func TestAnSQLiteDatabaseIsAFileAtTheRelativeOrAbsolutePathOfItsURL(t *testing.T) {
	t.Chdir(t.TempDir())
	absolute := filepath.Join(t.TempDir(), "new folder", "50% #1.db")
	for url, file := range map[string]string{"sqlite://data/a.db": "data/a.db", "sqlite://" + absolute: absolute} {
		db := dbtest.Open(t, url)
		dbtest.Exec(t, db, `CREATE TABLE t (a int)`)
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		var mode string
		if err := db.Pool().Get(&mode, `PRAGMA journal_mode`); err != nil || mode != "wal" {
			t.Errorf("%s: journal mode %s, %v; want wal", url, mode, err)
		}
	}
}

func TestANewSQLiteDatabaseMayBeOpenedByManyAtOnce(t *testing.T) {
	for range 20 {
		url := dbtest.URL(t, database.SQLite)
		dbtest.AtOnce(t, 8, func(int) error {
			db, err := database.Open(context.Background(), url)
			if err != nil {
				return err
			}
			return db.Close()
		})
	}
}

func TestTransactionsThatReadBeforeTheyWriteWaitForEachOther(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, `CREATE TABLE t (a int)`)
		ctx := context.Background()
		dbtest.AtOnce(t, 20, func(i int) error {
			return db.Write(ctx, func(tx *sqlx.Tx) error {
				if _, err := tx.Exec(`SELECT count(*) FROM t`); err != nil {
					return err
				}
				_, err := tx.Exec(`INSERT INTO t VALUES ($1)`, i)
				return err
			})
		})
		var rows int
		if err := db.Pool().Get(&rows, `SELECT count(*) FROM t`); err != nil || rows != 20 {
			t.Errorf("%d rows, %v; want 20", rows, err)
		}
	})
}

// TestStatementsWithParametersWorkThroughAPooler: the server forgets nothing between a statement and its parameters.
func TestStatementsWithParametersWorkThroughAPooler(t *testing.T) {
	db := dbtest.Open(t, dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL)))
	ctx := context.Background()
	dbtest.AtOnce(t, 4, func(int) error {
		_, err := db.Exec(ctx, `SELECT pg_sleep(0.05)`)
		return err
	})
	if open := db.Pool().Stats().OpenConnections; open < 2 {
		t.Fatalf("%d connections, too few to meet another one", open)
	}
	dbtest.Exec(t, db, `CREATE TABLE t (a int, b text, c bool, d timestamp)`)
	for i := range 10 {
		if _, err := db.Exec(ctx, `INSERT INTO t VALUES ($1, $2, $3, $4)`, i, "é", true, "2022-04-06 15:02:00.079"); err != nil {
			t.Fatal(err)
		}
		var found []int
		if err := db.Select(ctx, &found, `SELECT a FROM t WHERE a = $1 AND b = $2 AND c = $3`, i, "é", true); err != nil || len(found) != 1 {
			t.Fatalf("found %v, %v", found, err)
		}
		err := db.Write(ctx, func(tx *sqlx.Tx) error {
			_, err := tx.NamedExec(`UPDATE t SET c = NOT c WHERE a = :a`, map[string]any{"a": i})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadingUCICannotWrite(t *testing.T) {
	db := dbtest.Open(t, dbtest.URL(t, database.PostgreSQL))
	dbtest.Exec(t, db, `CREATE TABLE users (id int)`)
	err := db.Read(context.Background(), func(tx *sqlx.Tx) error {
		_, err := tx.Exec(`INSERT INTO users VALUES (1)`)
		return err
	})
	dbtest.WantError(t, err, "cannot execute INSERT in a read-only transaction (SQLSTATE 25006)")
}

func TestErrorsOfTheDatabaseShowNoValues(t *testing.T) {
	db := dbtest.Open(t, dbtest.URL(t, database.PostgreSQL))
	dbtest.Exec(t, db, `CREATE TABLE phones (number text PRIMARY KEY)`)
	dbtest.Exec(t, db, `INSERT INTO phones VALUES ('9876543210')`)
	_, err := db.Pool().Exec(`INSERT INTO phones VALUES ('9876543210')`)
	dbtest.WantError(t, database.Clean(context.Background(), err), `duplicate key value violates unique constraint "phones_pkey" (SQLSTATE 23505)`)
}
