package e2e

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
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

// The tables as UCI's release of today has them (contract section 7). FusionAuth keeps data as text, an
// older release of UCI as jsonb.
const (
	botSchema = `
		CREATE TABLE "Bot" (id uuid PRIMARY KEY, "createdAt" timestamp(3) NOT NULL DEFAULT now(), name text NOT NULL,
			"ownerOrgID" text, "startDate" timestamp(3), "endDate" timestamp(3))`
	insertConversation = `INSERT INTO "Bot" (id, name, "ownerOrgID", "startDate", "endDate") VALUES ($1, $2, $3, $4, $5)`

	fusionAuthSchema = `
		CREATE TABLE users (id uuid PRIMARY KEY, data text);
		CREATE TABLE user_registrations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
			applications_id uuid NOT NULL, users_id uuid NOT NULL);
		CREATE UNIQUE INDEX ON user_registrations (applications_id, users_id);
		CREATE TABLE identities (id bigserial PRIMARY KEY, username varchar(191), users_id uuid NOT NULL);
		CREATE INDEX ON identities (users_id)`
)

// startProduction starts the stack of production: Temporal's server on PostgreSQL, PostgreSQL for
// job_request and for UCI's tables as two of its releases have them, and Azure's stores. It lives until
// the last test has ended.
func startProduction(t testing.TB) *e2etest.Stack {
	s := &e2etest.Stack{Temporal: e2etest.TemporalServer(t), Postgres: e2etest.Postgres(t)}
	var err error
	// With a folder its blobs outlive a crash.
	s.Azurite, err = devstack.StartAzurite(context.Background(), devstack.AzuriteOptions{
		DataDir: filepath.Join(e2etest.Scratch, "azurite"), Log: os.Stderr,
	})
	e2etest.Must(t, err)
	e2etest.StopAtEnd(s.Azurite.Stop)
	s.Blobs, err = azblob.NewClientFromConnectionString(s.Azurite.ConnectionString(), nil)
	e2etest.Must(t, err)
	for _, container := range []string{"telemetry", "reports"} {
		_, err := s.Blobs.CreateContainer(t.Context(), container, nil)
		e2etest.Must(t, err)
	}
	s.Env = append(s.Settings("exhaust", "uci", "fusionauth"), "AZURE_STORAGE_CONNECTION_STRING="+s.Azurite.ConnectionString())
	s.Jobs = s.CreateDatabase(t, "exhaust", "")
	s.Registry = &e2etest.Registry{
		Conversations:      s.CreateDatabase(t, "uci", botSchema),
		Users:              s.CreateDatabase(t, "fusionauth", fusionAuthSchema),
		InsertConversation: insertConversation,
	}
	s.OlderRegistry = e2etest.OlderRegistry(s.CreateDatabase(t, "older", e2etest.OlderSchema))
	s.OlderRegistry.Settings = s.Settings("exhaust", "older", "older")
	s.SetUp(t, "default")
	return s
}
