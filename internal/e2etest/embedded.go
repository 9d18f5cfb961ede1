package e2etest

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"data-exhaust/internal/devstack"
)

// StartEmbedded starts the stack that needs nothing: Temporal's development server, SQLite, folders. It
// lives until the last test has ended.
func StartEmbedded(t testing.TB) *Stack {
	temporal, err := devstack.StartTemporal(context.Background(), devstack.TemporalOptions{Log: os.Stderr})
	Must(t, err)
	StopAtEnd(temporal.Stop)
	file := filepath.Join(Scratch, "embedded.db")
	jobs, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)")
	Must(t, err)
	registry := OlderRegistry(jobs)
	s := &Stack{
		Temporal: temporal, Jobs: jobs, Registry: registry, OlderRegistry: registry,
		Env: []string{"EXHAUST_DATABASE_URL=sqlite://" + file},
	}
	s.SetUp(t, "default")
	return s
}
