package devstack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets tests run this binary as another process, which does what the variable says.
func TestMain(m *testing.M) {
	switch os.Getenv("DEVSTACK_TEST_PROCESS") {
	case "start everything":
		startEverything()
	case "workflowcheck":
		path, err := Tool(context.Background(), "workflowcheck", os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(path)
	default:
		os.Exit(m.Run())
	}
}

// startEverything prints the process id of one server of each kind and sleeps until it is killed.
func startEverything() {
	ctx := context.Background()
	var children []*Child
	must := func(c *Child, err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		children = append(children, c)
	}
	// Folders of the test's own: nobody removes temporary ones of a process that is killed.
	dir := func(name string) string { return os.Getenv("DEVSTACK_TEST_DIR") + "/" + name }
	temporal, err := StartTemporal(ctx, TemporalOptions{Dir: dir("temporal")})
	must(temporal.child(), err)
	postgres, err := StartPostgres(ctx, PostgresOptions{Dir: dir("postgres")})
	must(postgres.child(), err)
	pgBouncer, err := StartPgBouncer(ctx, PgBouncerOptions{Dir: dir("pgbouncer"), Postgres: postgres, PoolSize: 1})
	must(pgBouncer.child(), err)
	azurite, err := StartAzurite(ctx, AzuriteOptions{Dir: dir("azurite")})
	must(azurite.child(), err)
	server, err := StartTemporalServer(ctx, TemporalServerOptions{Dir: dir("temporal-server"), Postgres: postgres})
	must(server.child(), err)
	for _, c := range children {
		fmt.Println(c.PID())
	}
	select {}
}

func (t *Temporal) child() *Child {
	if t == nil {
		return nil
	}
	return t.Child
}

func (p *Postgres) child() *Child {
	if p == nil {
		return nil
	}
	return p.Child
}

func (p *PgBouncer) child() *Child {
	if p == nil {
		return nil
	}
	return p.Child
}

func (a *Azurite) child() *Child {
	if a == nil {
		return nil
	}
	return a.Child
}

// this is a command that runs the test binary as another process.
func this(process string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "DEVSTACK_TEST_PROCESS="+process), env...)
	return cmd
}

// waitGone fails the test where the process still runs after 20 seconds. A process that nobody has
// reaped yet runs no more.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		state, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		if s := strings.TrimSpace(string(state)); s == "" || strings.HasPrefix(s, "Z") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs (%s)", pid, strings.TrimSpace(string(state)))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func stop(t *testing.T, c *Child) {
	t.Helper()
	if err := c.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
}
