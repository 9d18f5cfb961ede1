package devstack

import (
	"database/sql"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lib/pq"
)

func TestPostgresKeepsWhatWasCommittedOverACrashAndAStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	const name = `odd "name"`
	for range 2 { // the second finds it there
		if err := p.CreateDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, p.URL(name), "CREATE TABLE answers (answer int)")
	execute(t, p.URL(name), "INSERT INTO answers VALUES (42)")

	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, p.URL(name), "INSERT INTO answers VALUES (43)")
	stop(t, p.Child)
	waitGone(t, p.PID())
	if conn, err := net.Dial("tcp", address(p.Port)); err == nil {
		conn.Close()
		t.Errorf("port %d still serves", p.Port)
	}

	again, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir, Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, again.Child)
	if got := query(t, again.URL(name), "SELECT string_agg(answer::text, ' ' ORDER BY answer) FROM answers"); got != "42 43" {
		t.Errorf("the table holds %s, want 42 43", got)
	}
	if got := query(t, again.URL(name), "SHOW fsync"); got != "on" {
		t.Errorf("a durable server has fsync %s", got)
	}
}

func TestPostgresRunsAsAnOrdinaryUserAndAsksForItsPassword(t *testing.T) {
	t.Parallel()
	p, err := StartPostgres(t.Context(), PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, p.Child)
	owner, err := exec.Command("ps", "-o", "user=", "-p", strconv.Itoa(p.PID())).Output()
	if err != nil || strings.TrimSpace(string(owner)) == "root" {
		t.Errorf("it runs as %s, %v", owner, err)
	}
	db, err := sql.Open("postgres", strings.Replace(p.URL("postgres"), p.password, "wrong", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const invalidPassword = "28P01"
	refused, ok := errors.AsType[*pq.Error](db.PingContext(t.Context()))
	if !ok || refused.Code != invalidPassword {
		t.Errorf("a wrong password gets %v", refused)
	}
}

func TestPostgresLeavesNoTemporaryFolder(t *testing.T) {
	t.Parallel()
	p, err := StartPostgres(t.Context(), PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(p.daemon.log)
	if !exists(filepath.Join(dir, "data", "PG_VERSION")) {
		t.Fatalf("%s is not its folder", dir)
	}
	stop(t, p.Child)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", dir, err)
	}
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	db := open(t, url)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func query(t *testing.T, url, statement string) string {
	t.Helper()
	db := open(t, url)
	defer db.Close()
	var answer string
	if err := db.QueryRowContext(t.Context(), statement).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return answer
}

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	return db
}
