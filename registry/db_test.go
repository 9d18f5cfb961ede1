package registry

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"data-exhaust/exhaust"
	"data-exhaust/internal/devstack"
)

func TestAURLThatCannotBeUsedIsExplainedWithoutItsPassword(t *testing.T) {
	const (
		secret  = "s3cret-word"
		howTo   = "the database URL is no postgres://user:password@host:port/database; in a password the characters / ? # [ ] @ : and % stand as %2F %3F %23 %5B %5D %40 %3A and %25"
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
			`PostgreSQL database d at h:5432: the database URL is not valid: pq: wrong value for "sslmode": "nonsense" is not supported; supported values are disable, allow, prefer, require, verify-full, or verify-ca`},
		{"postgres://u:" + secret + "@127.0.0.1:1/d",
			"PostgreSQL database d at 127.0.0.1:1 does not answer: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"postgres://postgres:" + secret + "@" + at(t) + "/postgres?sslmode=disable",
			"PostgreSQL database postgres at " + at(t) + ` does not answer: password authentication failed for user "postgres" (SQLSTATE 28P01)`},
		{"postgres://postgres@" + at(t) + "/postgres?password=" + secret,
			"PostgreSQL database postgres at " + at(t) + ` does not answer: password authentication failed for user "postgres" (SQLSTATE 28P01)`},
		{server.URL("missing"),
			"PostgreSQL database missing at " + at(t) + ` does not answer: database "missing" does not exist (SQLSTATE 3D000)`},
		{"sqlite://", `the database URL "sqlite://" names no file: it is sqlite:///absolute/path or sqlite://relative/path, without options`},
		{"sqlite:///a.db?mode=ro", `the database URL "sqlite:///a.db?mode=ro" names no file: it is sqlite:///absolute/path or sqlite://relative/path, without options`},
		{"sqlite://:memory:", `the database URL "sqlite://:memory:" names no file: it is sqlite:///absolute/path or sqlite://relative/path, without options`},
		{"sqlite://" + notFolder + "/a.db", "make the folder of SQLite database " + notFolder + "/a.db: mkdir " + notFolder + ": not a directory"},
	} {
		t.Run(c.url, func(t *testing.T) {
			_, err := Open(context.Background(), c.url)
			wantError(t, err, c.want)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Error("the error shows the password")
			}
		})
	}
}

// at is the host and port of the server.
func at(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestASettingInTheURLIsPreferredToOurs(t *testing.T) {
	for _, c := range []struct{ query, wantTimeout, wantName string }{
		{"", "1min", "data-exhaust"},
		{"&statement_timeout=1500&application_name=night", "1500ms", "night"},
		{"&options=-c%20statement_timeout%3D7s", "7s", "data-exhaust"},
	} {
		db := open(t, server.URL("postgres")+c.query)
		var timeout, name string
		if err := db.sqlx.QueryRow(`SELECT current_setting('statement_timeout'), current_setting('application_name')`).Scan(&timeout, &name); err != nil {
			t.Fatal(err)
		}
		if timeout != c.wantTimeout || name != c.wantName {
			t.Errorf("%q: timeout %s, name %s; want %s, %s", c.query, timeout, name, c.wantTimeout, c.wantName)
		}
	}
}

func TestAURLWithoutSSLModeReachesAServerWithoutTLS(t *testing.T) {
	open(t, strings.TrimSuffix(server.URL("postgres"), "?sslmode=disable"))
	open(t, strings.Replace(server.URL("postgres"), "postgres://", "postgresql://", 1))
}

func TestThePoolHoldsNoMoreThanTenConnections(t *testing.T) {
	db := open(t, server.URL("postgres"))
	atOnce(t, 40, func(int) error { return db.Ping(context.Background()) })
	if got := db.sqlx.Stats(); got.MaxOpenConnections != 10 || got.OpenConnections > 10 {
		t.Errorf("%d connections of at most %d, want 10", got.OpenConnections, got.MaxOpenConnections)
	}
}

func TestAnSQLiteDatabaseIsAFileAtTheRelativeOrAbsolutePathOfItsURL(t *testing.T) {
	t.Chdir(t.TempDir())
	absolute := filepath.Join(t.TempDir(), "new folder", "50% #1.db")
	for url, file := range map[string]string{"sqlite://data/a.db": "data/a.db", "sqlite://" + absolute: absolute} {
		db := open(t, url)
		must(t, db, `CREATE TABLE t (a int)`)
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		var mode string
		if err := db.sqlx.Get(&mode, `PRAGMA journal_mode`); err != nil || mode != "wal" {
			t.Errorf("%s: journal mode %s, %v; want wal", url, mode, err)
		}
	}
}

func TestANewSQLiteDatabaseMayBeOpenedByManyAtOnce(t *testing.T) {
	for range 20 {
		url := emptyDatabase(t, SQLite)
		atOnce(t, 8, func(int) error {
			db, err := Open(context.Background(), url)
			if err != nil {
				return err
			}
			return db.Close()
		})
	}
}

func TestTransactionsThatReadBeforeTheyWriteWaitForEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, db *DB) {
		must(t, db, `CREATE TABLE t (a int)`)
		ctx := context.Background()
		atOnce(t, 20, func(i int) error {
			return db.Write(ctx, func(exec func(context.Context, string, ...any) error) error {
				if err := exec(ctx, `SELECT count(*) FROM t`); err != nil {
					return err
				}
				return exec(ctx, `INSERT INTO t VALUES ($1)`, i)
			})
		})
		var rows int
		if err := db.sqlx.Get(&rows, `SELECT count(*) FROM t`); err != nil || rows != 20 {
			t.Errorf("%d rows, %v; want 20", rows, err)
		}
	})
}

func TestCallsSucceedAgainAfterTheDatabaseRestarted(t *testing.T) {
	ctx := context.Background()
	own, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	}()
	db := open(t, own.URL("postgres"))
	must(t, db, releases[0].ddl)
	must(t, db, `INSERT INTO users (id, data) VALUES ($1, '{}')`, device(1).String())
	jobs := NewJobs(db)
	if err := jobs.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	uci, err := NewUCI(db, db, standardTables)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(){
		"Ping": func() {
			if err := db.Ping(ctx); err != nil {
				t.Error(err)
			}
		},
		"Save": func() { save(t, jobs, submitted("A")) },
		"Job": func() {
			save(t, jobs, submitted("A"))
			wantJob(t, jobs, submitted("A"))
		},
		"Devices": func() {
			wantDevices(t, []exhaust.Device{{ID: device(1)}})(uci.Devices(ctx, []uuid.UUID{device(1)}, true))
		},
	}
	for name, call := range calls {
		for how, end := range map[string]func() error{"stopped": func() error { return nil }, "crashed": own.Kill} {
			t.Run(name+" after it "+how, func(t *testing.T) {
				fillPool(t, db)
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if err := own.Restart(ctx); err != nil {
					t.Fatal(err)
				}
				call()
			})
		}
	}
}

// fillPool leaves as many idle connections as the pool keeps.
func fillPool(t *testing.T, db *DB) {
	t.Helper()
	atOnce(t, maxConnections, func(int) error {
		_, err := db.sqlx.Exec(`SELECT pg_sleep(0.05)`)
		return err
	})
	if got := db.sqlx.Stats().Idle; got < 2 {
		t.Fatalf("%d idle connections, too few to meet more than one that is dead", got)
	}
}

func TestWhileTheDatabaseIsAwayErrorsSaySoAndContextsEndTheWaiting(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	own, err := devstack.StartPostgres(context.Background(), devstack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, own.URL("postgres"))
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", own.Port)
	_, err = NewJobs(db).Job(ctx, "A")
	wantError(t, err, "read job A from table job_request of PostgreSQL database postgres at "+address+": dial tcp "+address+": connect: connection refused")
	wantError(t, db.Ping(ctx), "PostgreSQL database postgres at "+address+" does not answer: dial tcp "+address+": connect: connection refused")
}
