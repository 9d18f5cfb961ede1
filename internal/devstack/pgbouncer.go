package devstack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
)

// PgBouncer is a PgBouncer in transaction mode that serves: each transaction gets the server connection that has been free
// for the longest, so that what a client leaves behind in one is not there in its next transaction.
type PgBouncer struct {
	*Child
	Port     int
	postgres *Postgres
}

// PgBouncerOptions are those of [StartPgBouncer].
type PgBouncerOptions struct {
	// Postgres is the server behind it, which has to serve.
	Postgres *Postgres
	// PoolSize is how many connections to the server each database has.
	PoolSize int
	// Dir is where its settings and the log, pgbouncer.log, go; "" is a temporary folder removed on Stop.
	Dir string
	// Log is where StartPgBouncer says that it installs PgBouncer first; nil is nowhere.
	Log io.Writer
}

// StartPgBouncer runs PgBouncer in front of a PostgreSQL server. It lives until Stop or the end of ctx. As PgBouncer refuses
// root, it runs as PostgreSQL does.
func StartPgBouncer(ctx context.Context, opts PgBouncerOptions) (*PgBouncer, error) {
	program, err := Tool(ctx, "pgbouncer", opts.Log)
	if err != nil {
		return nil, err
	}
	p := &PgBouncer{postgres: opts.Postgres}
	plan := func(dir string) (daemon, error) { return p.plan(program, dir, opts) }
	p.Child, err = startChild(ctx, "pgbouncer", opts.Dir, plan)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// URL is the postgres:// URL of a database behind it, password included.
func (p *PgBouncer) URL(database string) string {
	u, err := url.Parse(p.postgres.URL(database))
	if err != nil {
		panic(err) // a URL that we have made
	}
	u.Host = address(p.Port)
	return u.String()
}

// plan writes the settings and fills in where p serves.
func (p *PgBouncer) plan(program, dir string, opts PgBouncerOptions) (daemon, error) {
	owner, err := postgresUser()
	if err != nil {
		return daemon{}, fmt.Errorf("start pgbouncer: %w", err)
	}
	port, err := takePort("pgbouncer", 0)
	if err != nil {
		return daemon{}, err
	}
	p.Port = port
	settings, users := filepath.Join(dir, "pgbouncer.ini"), filepath.Join(dir, "users.txt")
	err = errors.Join(
		os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", postgresSuperuser, p.postgres.password), 0o600),
		os.WriteFile(settings, fmt.Appendf(nil, `[databases]
* = host=%s port=%d
[pgbouncer]
listen_addr = %[1]s
listen_port = %[3]d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %[4]s
pool_mode = transaction
default_pool_size = %[5]d
max_client_conn = 1000
server_round_robin = 1
server_login_retry = 1
`, localhost, p.postgres.Port, port, users, opts.PoolSize), 0o600),
	)
	if err == nil && owner != nil {
		uid, gid := int(owner.Uid), int(owner.Gid)
		err = errors.Join(os.Chown(users, uid, gid), os.Chown(settings, uid, gid))
	}
	if err != nil {
		return daemon{}, fmt.Errorf("start pgbouncer: %w", err)
	}
	return daemon{
		serves: address(port), command: []string{program, settings}, dir: "/", user: owner,
		// It lets the statements that run end.
		stop: syscall.SIGINT, crash: syscall.SIGKILL,
		ready: p.probe,
	}, nil
}

func (p *PgBouncer) probe(ctx context.Context) error {
	db, err := sql.Open("postgres", p.URL(postgresSuperuser))
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}
