package registry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"data-exhaust/internal/devstack"
)

// server is the PostgreSQL that all tests share.
var server *devstack.Postgres

// migrateVariable makes the test binary a process that only migrates the database of that URL.
const migrateVariable = "REGISTRY_TEST_MIGRATES"

func TestMain(m *testing.M) {
	if url := os.Getenv(migrateVariable); url != "" {
		os.Exit(migrateAsOwnProcess(url))
	}
	os.Exit(withPostgres(m.Run))
}

func withPostgres(run func() int) (code int) {
	var err error
	if server, err = devstack.StartPostgres(context.Background(), devstack.PostgresOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return run()
}

// onEach runs a test on an empty database of each dialect.
func onEach(t *testing.T, test func(t *testing.T, db *DB)) {
	for _, dialect := range []Dialect{SQLite, PostgreSQL} {
		t.Run(string(dialect), func(t *testing.T) { test(t, open(t, emptyDatabase(t, dialect))) })
	}
}

var databases atomic.Int64

// emptyDatabase is the URL of a new database.
func emptyDatabase(t testing.TB, dialect Dialect) string {
	t.Helper()
	if dialect == SQLite {
		return "sqlite://" + filepath.Join(t.TempDir(), "with space & 100%", "registry.db")
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := server.CreateDatabase(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	return server.URL(name)
}

func open(t testing.TB, url string) *DB {
	t.Helper()
	db, err := Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func must(t testing.TB, db *DB, query string, args ...any) {
	t.Helper()
	if _, err := db.sqlx.Exec(query, args...); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
}
