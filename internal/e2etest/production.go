package e2etest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"data-exhaust/internal/devstack"
)

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

// StartProduction starts the stack of production on a Temporal server, such as [TemporalServer]: PostgreSQL behind
// PgBouncer in transaction mode for job_request and for UCI's tables as two of its releases have them, and Azure's stores.
// It lives until the last test has ended.
func StartProduction(t testing.TB, temporal *devstack.Temporal) *Stack {
	s := &Stack{Temporal: temporal, Postgres: Postgres(t), PgBouncer: pgBouncer(t)}
	var err error
	// With a folder its blobs outlive a crash.
	s.Azurite, err = devstack.StartAzurite(context.Background(), devstack.AzuriteOptions{
		DataDir: filepath.Join(Scratch, "azurite"), Log: os.Stderr,
	})
	Must(t, err)
	StopAtEnd(s.Azurite.Stop)
	s.Blobs, err = s.Azurite.Client()
	Must(t, err)
	for _, container := range []string{"telemetry", "reports"} {
		_, err := s.Blobs.CreateContainer(t.Context(), container, nil)
		Must(t, err)
	}
	s.Env = append(s.Settings("exhaust", "uci", "fusionauth"), s.Azurite.Settings()...)
	s.Jobs = s.CreateDatabase(t, "exhaust", "")
	s.Registry = &Registry{
		Conversations:      s.CreateDatabase(t, "uci", botSchema),
		Users:              s.CreateDatabase(t, "fusionauth", fusionAuthSchema),
		InsertConversation: insertConversation,
	}
	s.OlderRegistry = OlderRegistry(s.CreateDatabase(t, "older", OlderSchema))
	s.OlderRegistry.Settings = s.Settings("exhaust", "older", "older")
	s.SetUp(t, "default")
	return s
}
