package e2e

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
)

// startEmbedded starts the stack that needs nothing: Temporal's development server, SQLite, folders. It
// lives until the last test has ended.
func startEmbedded(t testing.TB) *e2etest.Stack {
	temporal, err := devstack.StartTemporal(context.Background(), devstack.TemporalOptions{Log: os.Stderr})
	e2etest.Must(t, err)
	e2etest.StopAtEnd(temporal.Stop)
	file := filepath.Join(e2etest.Scratch, "embedded.db")
	jobs, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)")
	e2etest.Must(t, err)
	registry := e2etest.OlderRegistry(jobs)
	s := &e2etest.Stack{
		Temporal: temporal, Jobs: jobs, Registry: registry, OlderRegistry: registry,
		Env: []string{"EXHAUST_DATABASE_URL=sqlite://" + file},
	}
	s.SetUp(t, "default")
	return s
}
