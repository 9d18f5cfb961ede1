package e2etest

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	_ "github.com/lib/pq"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	_ "modernc.org/sqlite"

	"data-exhaust/internal/devstack"
)

// Stack is what Data Exhaust runs on.
type Stack struct {
	Temporal *devstack.Temporal
	// Client is of the namespace of the stack's deployments.
	Client client.Client
	// Postgres is nil where the database is SQLite.
	Postgres *devstack.Postgres
	// Azurite and Blobs, its client, are nil where stores are folders.
	Azurite *devstack.Azurite
	Blobs   *azblob.Client
	// Jobs is the database with job_request.
	Jobs *sql.DB
	// Registry is UCI's tables; OlderRegistry has those of an older release, and may be the same.
	Registry, OlderRegistry *Registry

	env []string
}

// postgres and temporalServer are shared by all stacks; Temporal keeps its state in PostgreSQL.
var (
	postgres = Shared(func(t testing.TB) *devstack.Postgres {
		server, err := devstack.StartPostgres(context.Background(), devstack.PostgresOptions{})
		Must(t, err)
		stopAtEnd(server.Stop)
		return server
	})
	temporalServer = Shared(func(t testing.TB) *devstack.Temporal {
		server, err := devstack.StartTemporalServer(context.Background(), devstack.TemporalServerOptions{Postgres: postgres(t), Log: os.Stderr})
		Must(t, err)
		stopAtEnd(server.Stop)
		return server
	})
)

// StartEmbedded starts the stack that needs nothing: Temporal's development server, SQLite, folders. It
// lives until the last test has ended.
func StartEmbedded(t testing.TB) *Stack {
	temporal, err := devstack.StartTemporal(context.Background(), devstack.TemporalOptions{Log: os.Stderr})
	Must(t, err)
	stopAtEnd(temporal.Stop)
	file := filepath.Join(scratch, "embedded.db")
	jobs, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)")
	Must(t, err)
	registry := &Registry{conversations: jobs, users: jobs, insertConversation: insertOlderConversation}
	s := &Stack{
		Temporal: temporal, Jobs: jobs, Registry: registry, OlderRegistry: registry,
		env: []string{"EXHAUST_DATABASE_URL=sqlite://" + file},
	}
	s.setUp(t, "default")
	return s
}

// StartProduction starts the stack of production: Temporal's server on PostgreSQL, PostgreSQL for
// job_request and for UCI's tables as two of its releases have them, and Azure's stores. It lives until
// the last test has ended.
func StartProduction(t testing.TB) *Stack {
	s := &Stack{Temporal: temporalServer(t), Postgres: postgres(t)}
	var err error
	// With a folder its blobs outlive a crash.
	s.Azurite, err = devstack.StartAzurite(context.Background(), devstack.AzuriteOptions{DataDir: filepath.Join(scratch, "azurite"), Log: os.Stderr})
	Must(t, err)
	stopAtEnd(s.Azurite.Stop)
	s.Blobs, err = azblob.NewClientFromConnectionString(s.Azurite.ConnectionString(), nil)
	Must(t, err)
	for _, container := range []string{"telemetry", "reports"} {
		_, err := s.Blobs.CreateContainer(t.Context(), container, nil)
		Must(t, err)
	}
	s.env = append(s.settings("exhaust", "uci", "fusionauth"), "AZURE_STORAGE_CONNECTION_STRING="+s.Azurite.ConnectionString())
	s.Jobs = s.createDatabase(t, "exhaust", "")
	s.Registry = &Registry{
		conversations:      s.createDatabase(t, "uci", botSchema),
		users:              s.createDatabase(t, "fusionauth", fusionAuthSchema),
		insertConversation: insertConversation,
	}
	older := s.createDatabase(t, "older", olderSchema)
	s.OlderRegistry = &Registry{
		conversations: older, users: older, insertConversation: insertOlderConversation,
		Settings: s.settings("exhaust", "older", "older"),
	}
	s.setUp(t, "default")
	return s
}

// StartTenant gives the test a Temporal namespace and a database of its own on the servers of
// production. Stores are folders.
func StartTenant(t testing.TB) *Stack {
	name := serial("tenant")
	s := &Stack{Temporal: temporalServer(t), Postgres: postgres(t)}
	s.env = s.settings(name, name, name)
	s.Jobs = s.createDatabase(t, name, olderSchema)
	s.Registry = &Registry{conversations: s.Jobs, users: s.Jobs, insertConversation: insertOlderConversation}
	s.OlderRegistry = s.Registry
	s.setUp(t, name)
	t.Cleanup(func() {
		s.Client.Close()
		_ = s.Jobs.Close() // its error tells that a test has restarted the server
	})
	return s
}

// settings are those that name the databases.
func (s *Stack) settings(jobs, conversations, users string) []string {
	return []string{
		"EXHAUST_DATABASE_URL=" + s.Postgres.URL(jobs),
		"UCI_DATABASE_URL=" + s.Postgres.URL(conversations),
		"FUSIONAUTH_DATABASE_URL=" + s.Postgres.URL(users),
	}
}

func (s *Stack) createDatabase(t testing.TB, name, schema string) *sql.DB {
	Must(t, s.Postgres.CreateDatabase(t.Context(), name))
	db, err := sql.Open("postgres", s.Postgres.URL(name))
	Must(t, err)
	_, err = db.ExecContext(t.Context(), schema)
	Must(t, err)
	return db
}

// setUp has the starter make what a deployment needs, and connects to Temporal.
func (s *Stack) setUp(t testing.TB, namespace string) {
	s.env = append(s.env, "TEMPORAL_ADDRESS="+s.Temporal.Address, "TEMPORAL_NAMESPACE="+namespace)
	if out := ExecStarter(t, s.env, "setup"); out.Code != 0 {
		t.Fatalf("setup: %+v", out)
	}
	// Some tests cut its connection, which is nothing to log.
	quiet := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	var err error
	s.Client, err = client.DialContext(t.Context(), client.Options{HostPort: s.Temporal.Address, Namespace: namespace, Logger: quiet})
	Must(t, err)
}
