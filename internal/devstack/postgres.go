package devstack

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/lib/pq"
)

// Postgres is a PostgreSQL server that serves. Its superuser is postgres with a random password,
// which only URL tells.
type Postgres struct {
	*Child
	Port     int
	password string
}

// PostgresOptions are those of [StartPostgres]. The zero value is a new, empty server on a free
// port, fast but not safe against power failures.
type PostgresOptions struct {
	// Port on 127.0.0.1, 0 for a free one.
	Port int
	// Dir keeps the data, the password and the log, postgres.log; what a former run left there is
	// served again. "" is a temporary folder removed on Stop. PostgreSQL refuses root, so where we
	// are root it runs as the user postgres, who then owns the data.
	Dir string
	// Durable waits for the disk at every commit, as in production.
	Durable bool
}

// StartPostgres runs the PostgreSQL server that is on PATH, else the newest of those that Debian
// packages install. It lives until Stop or the end of ctx.
func StartPostgres(ctx context.Context, opts PostgresOptions) (*Postgres, error) {
	bin, err := postgresPrograms(debianPostgres)
	if err != nil {
		return nil, err
	}
	p := &Postgres{}
	plan := func(dir string) (daemon, error) { return p.plan(ctx, bin, dir, opts) }
	p.Child, err = startChild(ctx, "postgres", opts.Dir, plan)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// URL is the postgres:// URL of a database of this server, password included.
func (p *Postgres) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(postgresSuperuser, p.password),
		Host:     address(p.Port),
		Path:     database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateDatabase makes an empty database unless there is one of that name.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	err := p.execute(ctx, postgresSuperuser, "CREATE DATABASE "+pq.QuoteIdentifier(name))
	const duplicateDatabase = "42P04"
	if refusal, ok := errors.AsType[*pq.Error](err); err == nil || ok && refusal.Code == duplicateDatabase {
		return nil
	}
	return fmt.Errorf("create database %s: %w", name, err)
}

func (p *Postgres) execute(ctx context.Context, database, statement string) error {
	return p.connect(database, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, statement)
		return err
	})
}

// connect lends a connection to a database to do.
func (p *Postgres) connect(database string, do func(db *sql.DB) error) error {
	db, err := sql.Open("postgres", p.URL(database))
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db)
}

const (
	postgresSuperuser = "postgres"
	debianPostgres    = "/usr/lib/postgresql/*/bin"
)

// plan makes the data folder unless it is there, describes a server and fills in where p serves.
func (p *Postgres) plan(ctx context.Context, bin, dir string, opts PostgresOptions) (daemon, error) {
	owner, err := postgresUser()
	if err == nil {
		p.password, err = initPostgres(ctx, bin, dir, owner)
	}
	if err != nil {
		return daemon{}, fmt.Errorf("start postgres: %w", err)
	}
	port, err := takePort("postgres", opts.Port)
	if err != nil {
		return daemon{}, err
	}
	p.Port = port
	settings := []string{
		"listen_addresses=" + localhost,
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=", // the path of a socket must not exceed 107 bytes, a test's folder may
		"max_connections=200",
	}
	if !opts.Durable {
		// A commit still reaches the operating system before it is answered, and so outlives a crash
		// of the server; synchronous_commit=off would lose it.
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	command := []string{filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data")}
	for _, setting := range settings {
		command = append(command, "-c", setting)
	}
	return daemon{
		serves: address(port), command: command, dir: "/", user: owner,
		// "Fast" and "immediate" shutdown. SIGKILL would leave its processes and shared memory.
		stop: syscall.SIGINT, crash: syscall.SIGQUIT,
		ready: p.probe,
	}, nil
}

func (p *Postgres) probe(ctx context.Context) error {
	return p.connect(postgresSuperuser, func(db *sql.DB) error { return db.PingContext(ctx) })
}

// initPostgres makes the data folder in dir unless it is there, and returns the superuser's
// password.
func initPostgres(ctx context.Context, bin, dir string, owner *syscall.Credential) (string, error) {
	passwordFile, data := filepath.Join(dir, "password"), filepath.Join(dir, "data")
	if exists(data) {
		password, err := os.ReadFile(passwordFile)
		return string(password), err
	}
	password, unfinished := rand.Text(), filepath.Join(dir, "data.unfinished")
	err := errors.Join(os.WriteFile(passwordFile, []byte(password), 0o600), os.RemoveAll(unfinished), os.Mkdir(unfinished, 0o700))
	if err == nil && owner != nil {
		uid, gid := int(owner.Uid), int(owner.Gid)
		err = errors.Join(os.Chown(passwordFile, uid, gid), os.Chown(unfinished, uid, gid))
	}
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", unfinished,
		"--username", postgresSuperuser, "--pwfile", passwordFile, "--auth", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C", "--no-sync")
	cmd.Env, cmd.Dir = plainEnvironment(), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	setUser(cmd, owner)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return password, os.Rename(unfinished, data)
}

// postgresUser is the user of PostgreSQL where we are root; otherwise nil, which is us.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no other user for it: %w", err)
	}
	uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errUID, errGID)
}

// postgresPrograms is the folder with postgres and initdb: that of PATH, else the newest that
// pattern finds.
func postgresPrograms(pattern string) (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		path, err = filepath.EvalSymlinks(path) // initdb lies beside the program, not the link
		return filepath.Dir(path), err
	}
	programs, err := filepath.Glob(filepath.Join(pattern, "postgres"))
	if err != nil {
		return "", err
	}
	newest, folder := -1, ""
	for _, path := range programs {
		bin := filepath.Dir(path)
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && version > newest {
			newest, folder = version, bin
		}
	}
	if folder == "" {
		return "", fmt.Errorf("PostgreSQL is not installed: there is no postgres on PATH and none in %s; "+
			"install PostgreSQL 15 or newer (Debian: apt-get install postgresql)", strings.Replace(pattern, "*", "<version>", 1))
	}
	return folder, nil
}
