package e2etest

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	_ "github.com/lib/pq"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"data-exhaust/internal/devstack"
)

// Stack is what Data Exhaust runs on. Each package of tests starts its own kinds of it.
type Stack struct {
	Temporal *devstack.Temporal
	// Client is of the namespace of the stack's deployments.
	Client client.Client
	// Postgres is nil where the database is SQLite.
	Postgres *devstack.Postgres
	// PgBouncer is between the deployments and Postgres; nil where there is none.
	PgBouncer *devstack.PgBouncer
	// Azurite and Blobs, its client, are nil where stores are folders.
	Azurite *devstack.Azurite
	Blobs   *azblob.Client
	// Jobs is the database with job_request.
	Jobs *sql.DB
	// Registry is UCI's tables; OlderRegistry has those of an older release, and may be the same.
	Registry, OlderRegistry *Registry
	// Env are the settings of all its deployments.
	Env []string
}

// Registry is UCI's tables. Conversations may be in another database than the rest.
type Registry struct {
	Conversations, Users *sql.DB
	// InsertConversation has the placeholders id, name, channel, first and last day.
	InsertConversation string
	// Settings are those with which a deployment reads these tables; none where they are the stack's.
	Settings []string
}

// OlderSchema has the tables as an older release of UCI has them (contract section 7).
const OlderSchema = `
	CREATE TABLE bot (id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date);
	CREATE TABLE users (id uuid PRIMARY KEY, data jsonb);
	CREATE TABLE user_registrations (users_id uuid, applications_id uuid, PRIMARY KEY (applications_id, users_id));
	CREATE TABLE identities (users_id uuid, username text, PRIMARY KEY (users_id, username))`

// OlderRegistry is the registry of a database with the tables of [OlderSchema].
func OlderRegistry(db *sql.DB) *Registry {
	const insert = `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`
	return &Registry{Conversations: db, Users: db, InsertConversation: insert}
}

// AddConversation adds a conversation; a day that is "" is none.
func (r *Registry) AddConversation(t testing.TB, id, name, channel, start, end string) {
	t.Helper()
	day := func(d string) sql.NullString { return sql.NullString{String: d, Valid: d != ""} }
	_, err := r.Conversations.ExecContext(t.Context(), r.InsertConversation, id, name, channel, day(start), day(end))
	Must(t, err)
}

// Exec changes the tables of users.
func (r *Registry) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := r.Users.ExecContext(t.Context(), statement, args...)
	Must(t, err)
}

// Postgres and TemporalServer are shared by all stacks; Temporal keeps its state in PostgreSQL, without PgBouncer.
var (
	Postgres = Shared(func(t testing.TB) *devstack.Postgres {
		server, err := devstack.StartPostgres(context.Background(), devstack.PostgresOptions{})
		Must(t, err)
		StopAtEnd(server.Stop)
		return server
	})
	// pgBouncer has fewer connections to a database than an api has with a worker, which open ten each.
	pgBouncer = Shared(func(t testing.TB) *devstack.PgBouncer {
		server, err := devstack.StartPgBouncer(context.Background(), devstack.PgBouncerOptions{
			Postgres: Postgres(t), PoolSize: 4, Log: os.Stderr,
		})
		Must(t, err)
		StopAtEnd(server.Stop)
		return server
	})
	TemporalServer = Shared(func(t testing.TB) *devstack.Temporal {
		server, err := devstack.StartTemporalServer(context.Background(), devstack.TemporalServerOptions{
			Postgres: Postgres(t), Log: os.Stderr,
		})
		Must(t, err)
		StopAtEnd(server.Stop)
		return server
	})
)

// Settings are those that name the databases.
func (s *Stack) Settings(jobs, conversations, users string) []string {
	url := s.Postgres.URL
	if s.PgBouncer != nil {
		url = s.PgBouncer.URL
	}
	return []string{
		"EXHAUST_DATABASE_URL=" + url(jobs),
		"UCI_DATABASE_URL=" + url(conversations),
		"FUSIONAUTH_DATABASE_URL=" + url(users),
	}
}

// CreateDatabase makes a database with these tables.
func (s *Stack) CreateDatabase(t testing.TB, name, schema string) *sql.DB {
	Must(t, s.Postgres.CreateDatabase(t.Context(), name))
	db, err := sql.Open("postgres", s.Postgres.URL(name))
	Must(t, err)
	_, err = db.ExecContext(t.Context(), schema)
	Must(t, err)
	return db
}

// SetUp has the starter make what a deployment needs, and connects to Temporal.
func (s *Stack) SetUp(t testing.TB, namespace string) {
	s.Env = append(s.Env, "TEMPORAL_ADDRESS="+s.Temporal.Address, "TEMPORAL_NAMESPACE="+namespace)
	if out := ExecStarter(t, s.Env, "setup"); out.Code != 0 {
		t.Fatalf("setup: %+v", out)
	}
	// Some tests cut its connection, which is nothing to log.
	quiet := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	var err error
	s.Client, err = client.DialContext(t.Context(), client.Options{HostPort: s.Temporal.Address, Namespace: namespace, Logger: quiet})
	Must(t, err)
}
