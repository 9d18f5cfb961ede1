package devstack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// debianPgBouncer is where Debian's package puts it, which is on root's PATH only.
const debianPgBouncer = "/usr/sbin/pgbouncer"

// aptGetPgBouncer is the command for Debian.
const aptGetPgBouncer = "apt-get install pgbouncer"

// installedPgBouncer is the program on PATH or where Debian puts it, which is debian. Where there is none, Debian's package
// is installed, if that is for us to do.
func installedPgBouncer(ctx context.Context, debian string, log io.Writer) (string, error) {
	if path := findPgBouncer(debian); path != "" {
		return path, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("PgBouncer is not installed: there is no pgbouncer on PATH and none at %s; install it (Debian: %s)", debian, aptGetPgBouncer)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%s: %w", aptGetPgBouncer, err)
	}
	cache = filepath.Join(cache, "data-exhaust")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("%s: %w", aptGetPgBouncer, err)
	}
	unlock, err := lock(ctx, filepath.Join(cache, ".apt-get"))
	if err != nil {
		return "", fmt.Errorf("wait for another process that installs pgbouncer: %w", err)
	}
	defer unlock()
	if path := findPgBouncer(debian); path != "" {
		return path, nil
	}
	fmt.Fprintf(log, "%s: it is not there yet; this takes a minute, once\n", aptGetPgBouncer)
	if err := installPgBouncer(ctx, apt); err != nil {
		return "", err
	}
	if path := findPgBouncer(debian); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("%s has installed no %s", aptGetPgBouncer, debian)
}

// installPgBouncer asks for the lists of packages where it has to: a fresh image has none.
func installPgBouncer(ctx context.Context, apt string) error {
	script := `install() { "$0" install -y --no-install-recommends pgbouncer; }; install || { "$0" update && install; }`
	cmd := exec.CommandContext(ctx, "sh", "-c", script, apt)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", aptGetPgBouncer, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// findPgBouncer is "" where there is none.
func findPgBouncer(debian string) string {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path
	}
	if exists(debian) {
		return debian
	}
	return ""
}
