// Package dbtest gives tests real databases of both dialects, and imports nothing of the project but database and
// devstack.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"data-exhaust/database"
	"data-exhaust/internal/devstack"
)

// Postgres is the server that all tests of a package share, while Main runs them.
var Postgres *devstack.Postgres

// Main runs a package's tests beside a PostgreSQL and returns their exit code.
func Main(m *testing.M) (code int) {
	var err error
	if Postgres, err = devstack.StartPostgres(context.Background(), devstack.PostgresOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := errors.Join(stopPooler(), Postgres.Stop()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

// OnEach runs a test on an empty database of each dialect.
func OnEach(t *testing.T, test func(t *testing.T, db *database.DB)) {
	for _, dialect := range []database.Dialect{database.SQLite, database.PostgreSQL} {
		t.Run(string(dialect), func(t *testing.T) { test(t, Open(t, URL(t, dialect))) })
	}
}

var databases atomic.Int64

// URL is that of a new, empty database.
func URL(t testing.TB, dialect database.Dialect) string {
	t.Helper()
	if dialect == database.SQLite {
		return "sqlite://" + filepath.Join(t.TempDir(), "with space & 100%", "test.db")
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := Postgres.CreateDatabase(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	return Postgres.URL(name)
}

// URLOf is the URL of a PostgreSQL database for another user.
func URLOf(t testing.TB, databaseURL, user, password string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// Open opens a database until the test ends.
func Open(t testing.TB, url string) *database.DB {
	t.Helper()
	db, err := database.Open(context.Background(), url)
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

// Exec runs statements that have to succeed.
func Exec(t testing.TB, db *database.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Pool().Exec(query, args...); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
}

// Fill runs a statement that ends in "FROM numbers", a table whose column n holds 1 to count.
func Fill(t testing.TB, db *database.DB, count int, statement string) {
	t.Helper()
	numbers := fmt.Sprintf("(SELECT n FROM generate_series(1, %d) AS n) AS numbers", count)
	if db.Dialect() == database.SQLite {
		numbers = fmt.Sprintf("(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n FROM c) AS numbers", count)
	}
	Exec(t, db, strings.TrimSuffix(statement, "numbers")+numbers)
}

// AtOnce does something n times at the same time.
func AtOnce(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	start := make(chan struct{})
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = do(i)
		})
	}
	close(start)
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// WantError demands an error of exactly that text.
func WantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got error  %v\nwant error %s", err, want)
	}
}
