package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	_ "github.com/lib/pq"
	"go.temporal.io/sdk/client"
	_ "modernc.org/sqlite"

	"data-exhaust/internal/devstack"
)

// stack is what Data Exhaust runs on.
type stack struct {
	name     string
	temporal *devstack.Temporal
	client   client.Client
	// registries are UCI's tables in the shapes that they have; the first is the usual one.
	registries []*registry
	jobs       *sql.DB
	// env are the settings of every api and worker on the stack.
	env []string

	// Of production only.
	postgres *devstack.Postgres
	azurite  *devstack.Azurite
	blobs    *azblob.Client

	stops []func() error
}

// registry is UCI's tables. Conversations may be in another database than the rest.
type registry struct {
	conversations, users *sql.DB
	insertConversation   string
	env                  []string
}

var stacks = []*lazyStack{
	{name: "embedded", start: startEmbedded},
	{name: "production", start: startProduction},
}

// lazyStack starts when the first test needs it and ends with the last.
type lazyStack struct {
	name  string
	start func(ctx context.Context) (*stack, error)
	once  sync.Once
	stack *stack
	err   error
}

func (l *lazyStack) get(t *testing.T) *stack {
	t.Helper()
	l.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		l.stack, l.err = l.start(ctx)
		if l.stack != nil {
			l.stack.name = l.name
		}
	})
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.stack
}

func stopStacks() error {
	var errs []error
	for _, l := range stacks {
		if l.stack == nil {
			continue
		}
		for _, stop := range slices.Backward(l.stack.stops) {
			errs = append(errs, stop())
		}
	}
	return errors.Join(errs...)
}

// onEveryStack runs a test on each stack, side by side with other tests.
func onEveryStack(t *testing.T, test func(t *testing.T, s *stack)) {
	t.Parallel()
	for _, l := range stacks {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			test(t, l.get(t))
		})
	}
}

func (s *stack) stopLater(stop func() error) { s.stops = append(s.stops, stop) }

func (s *stack) dial(ctx context.Context) (err error) {
	s.client, err = client.DialContext(ctx, client.Options{HostPort: s.temporal.Address, Logger: quiet{}})
	if err == nil {
		s.stopLater(func() error { s.client.Close(); return nil })
	}
	return err
}

// quiet is a logger for the test's own client, whose connection some tests cut.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// startEmbedded is the stack that needs nothing: Temporal's development server, SQLite, folders.
func startEmbedded(ctx context.Context) (s *stack, err error) {
	s = &stack{}
	// It lives as long as the tests do, not as long as its start may take.
	if s.temporal, err = devstack.StartTemporal(context.WithoutCancel(ctx), devstack.TemporalOptions{Log: os.Stderr}); err != nil {
		return nil, err
	}
	s.stopLater(s.temporal.Stop)
	file := filepath.Join(scratch, "embedded.db")
	s.env = []string{"TEMPORAL_ADDRESS=" + s.temporal.Address, "EXHAUST_DATABASE_URL=sqlite://" + file}
	if err := runOnce(ctx, s.env, "starter", "setup"); err != nil {
		return s, err
	}
	if s.jobs, err = s.open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)"); err != nil {
		return s, err
	}
	s.registries = []*registry{{
		conversations: s.jobs, users: s.jobs,
		insertConversation: `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`,
	}}
	if err := s.registries[0].fill(); err != nil {
		return s, err
	}
	return s, s.dial(ctx)
}

// startProduction is the stack of production: Temporal's server on PostgreSQL, PostgreSQL for
// job_request and for UCI's tables as two of its releases have them, and Azure's stores.
func startProduction(ctx context.Context) (s *stack, err error) {
	s = &stack{}
	live := context.WithoutCancel(ctx)
	if s.postgres, err = devstack.StartPostgres(live, devstack.PostgresOptions{}); err != nil {
		return nil, err
	}
	s.stopLater(s.postgres.Stop)
	if s.temporal, err = devstack.StartTemporalServer(live, devstack.TemporalServerOptions{Postgres: s.postgres, Log: os.Stderr}); err != nil {
		return s, err
	}
	s.stopLater(s.temporal.Stop)
	// With a folder its blobs outlive a crash.
	if s.azurite, err = devstack.StartAzurite(live, devstack.AzuriteOptions{DataDir: filepath.Join(scratch, "azurite"), Log: os.Stderr}); err != nil {
		return s, err
	}
	s.stopLater(s.azurite.Stop)
	if s.blobs, err = azblob.NewClientFromConnectionString(s.azurite.ConnectionString(), nil); err != nil {
		return s, err
	}
	for _, container := range []string{"telemetry", "reports"} {
		if _, err := s.blobs.CreateContainer(ctx, container, nil); err != nil {
			return s, err
		}
	}
	s.env = []string{
		"TEMPORAL_ADDRESS=" + s.temporal.Address,
		"EXHAUST_DATABASE_URL=" + s.postgres.URL("exhaust"),
		"UCI_DATABASE_URL=" + s.postgres.URL("uci"),
		"FUSIONAUTH_DATABASE_URL=" + s.postgres.URL("fusionauth"),
		"AZURE_STORAGE_CONNECTION_STRING=" + s.azurite.ConnectionString(),
	}
	databases := map[string]*sql.DB{}
	for name, schema := range productionSchemas {
		if err := s.postgres.CreateDatabase(ctx, name); err != nil {
			return s, err
		}
		if databases[name], err = s.open("postgres", s.postgres.URL(name)); err != nil {
			return s, err
		}
		if _, err := databases[name].ExecContext(ctx, schema); err != nil {
			return s, fmt.Errorf("database %s: %w", name, err)
		}
	}
	if err := runOnce(ctx, s.env, "starter", "setup"); err != nil {
		return s, err
	}
	s.jobs = databases["exhaust"]
	s.registries = []*registry{{
		conversations: databases["uci"], users: databases["fusionauth"],
		insertConversation: `INSERT INTO "Bot" (id, name, "ownerOrgID", "startDate", "endDate") VALUES ($1, $2, $3, $4, $5)`,
	}, {
		conversations: databases["legacy"], users: databases["legacy"],
		insertConversation: `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`,
		env: []string{
			"UCI_DATABASE_URL=" + s.postgres.URL("legacy"), "FUSIONAUTH_DATABASE_URL=" + s.postgres.URL("legacy"),
		},
	}}
	for _, r := range s.registries {
		if err := r.fill(); err != nil {
			return s, err
		}
	}
	return s, s.dial(ctx)
}

// productionSchemas are the tables as UCI's releases have them (contract section 7), in the databases
// that the stack has. FusionAuth keeps data as text; another release of UCI as jsonb.
var productionSchemas = map[string]string{
	"exhaust": ``,
	"uci": `
		CREATE TABLE "Bot" (id uuid PRIMARY KEY, "createdAt" timestamp(3) NOT NULL DEFAULT now(), name text NOT NULL,
			"ownerOrgID" text, "startDate" timestamp(3), "endDate" timestamp(3))`,
	"fusionauth": `
		CREATE TABLE users (id uuid PRIMARY KEY, data text);
		CREATE TABLE user_registrations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), applications_id uuid NOT NULL, users_id uuid NOT NULL);
		CREATE UNIQUE INDEX ON user_registrations (applications_id, users_id);
		CREATE TABLE identities (id bigserial PRIMARY KEY, username varchar(191), users_id uuid NOT NULL);
		CREATE INDEX ON identities (users_id)`,
	"legacy": `
		CREATE TABLE bot (id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date);
		CREATE TABLE users (id uuid PRIMARY KEY, data jsonb);
		CREATE TABLE user_registrations (users_id uuid, applications_id uuid, PRIMARY KEY (applications_id, users_id));
		CREATE TABLE identities (users_id uuid, username text, PRIMARY KEY (users_id, username))`,
}

func (s *stack) open(driver, url string) (*sql.DB, error) {
	db, err := sql.Open(driver, url)
	if err == nil {
		// Where its server was restarted, closing tells that connections of before are broken.
		s.stopLater(func() error { _ = db.Close(); return nil })
	}
	return db, err
}

// conversation adds a conversation; a day that is "" is none.
func (r *registry) conversation(id, name, channel, start, end string) error {
	day := func(d string) any {
		if d == "" {
			return nil
		}
		return d
	}
	_, err := r.conversations.Exec(r.insertConversation, id, name, channel, day(start), day(end))
	return err
}

// user adds a user with users.data; "" is NULL.
func (r *registry) user(id, data string) error {
	var value any
	if data != "" {
		value = data
	}
	_, err := r.users.Exec(`INSERT INTO users (id, data) VALUES ($1, $2)`, id, value)
	return err
}

func (r *registry) identity(id, username string) error {
	_, err := r.users.Exec(`INSERT INTO identities (users_id, username) VALUES ($1, $2)`, id, username)
	return err
}

func (r *registry) registration(id, conversation string) error {
	_, err := r.users.Exec(`INSERT INTO user_registrations (users_id, applications_id) VALUES ($1, $2)`, id, conversation)
	return err
}

// store is where a deployment keeps its telemetry or its reports: a folder, or a prefix in a container.
type store struct {
	blobs             *azblob.Client
	container, prefix string
	folder            string
}

func (s store) url() string {
	if s.blobs == nil {
		return "file://" + s.folder
	}
	return "azblob://" + s.container + "/" + s.prefix
}

func (s store) put(t *testing.T, name string, content []byte) {
	t.Helper()
	if s.blobs != nil {
		if _, err := s.blobs.UploadBuffer(t.Context(), s.container, s.prefix+"/"+name, content, nil); err != nil {
			t.Fatal(err)
		}
		return
	}
	file := filepath.Join(s.folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// names lists everything that the store holds, temporary files too.
func (s store) names(t *testing.T) []string {
	t.Helper()
	var names []string
	if s.blobs == nil {
		err := filepath.WalkDir(s.folder, func(file string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && !entry.IsDir() {
				name, _ := filepath.Rel(s.folder, file)
				names = append(names, filepath.ToSlash(name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	prefix := s.prefix + "/"
	pager := s.blobs.NewListBlobsFlatPager(s.container, &azblob.ListBlobsFlatOptions{Prefix: &prefix})
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			names = append(names, strings.TrimPrefix(*item.Name, prefix))
		}
	}
	return names
}
