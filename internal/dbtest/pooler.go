package dbtest

import (
	"context"
	"net/url"
	"os"
	"sync"
	"testing"

	"data-exhaust/internal/devstack"
)

// PoolSize is how many connections to a database the tests' PgBouncer has for all its clients.
const PoolSize = 4

var pooler struct {
	sync.Mutex
	server *devstack.PgBouncer
}

// PoolerURL is the URL of a database of Postgres behind a PgBouncer in transaction mode, which the tests of a package share
// while Main runs them.
func PoolerURL(t testing.TB, databaseURL string) string {
	t.Helper()
	pooler.Lock()
	defer pooler.Unlock()
	if pooler.server == nil {
		var err error
		pooler.server, err = devstack.StartPgBouncer(context.Background(), devstack.PgBouncerOptions{
			Postgres: Postgres, PoolSize: PoolSize, Log: os.Stderr,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	through, err := url.Parse(pooler.server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = through.Host
	return u.String()
}

func stopPooler() error {
	pooler.Lock()
	defer pooler.Unlock()
	if pooler.server == nil {
		return nil
	}
	return pooler.server.Stop()
}
