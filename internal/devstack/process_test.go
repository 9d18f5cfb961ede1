package devstack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestNoServerOutlivesAParentThatIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent := this("start everything", "DEVSTACK_TEST_DIR="+dir)
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	lines := bufio.NewScanner(output)
	for len(pids) < 5 && lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the parent says: %s", lines.Text())
		}
		if err := syscall.Kill(pid, 0); err != nil {
			t.Fatalf("process %d does not run: %v", pid, err)
		}
		pids = append(pids, pid)
	}
	if len(pids) != 5 {
		t.Fatalf("the parent started %v, want 5 servers", pids)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Fatal("the parent ended by itself")
	}
	for _, pid := range pids {
		waitGone(t, pid)
	}
}

func TestAServerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	temporal, err := StartTemporal(ctx, TemporalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	waitGone(t, temporal.PID())
	stop(t, temporal.Child)
}

func TestAProgramGetsItsEnvironmentAndEndsOnStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, err := StartProgram(t.Context(), ProgramOptions{
		Name: "sleeper", Command: []string{"/bin/sh", "-c", `echo "$GREETING"; exec sleep 600`}, Env: []string{"GREETING=hello"},
		Dir: dir, Serves: "sleep",
		Ready: func(context.Context) error {
			log, err := os.ReadFile(filepath.Join(dir, "sleeper.log"))
			if err == nil && string(log) != "hello\n" {
				err = fmt.Errorf("its log is %q", log)
			}
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, program)
	waitGone(t, program.PID())
}

func TestABusyPortIsNamed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	busy := listener.Addr().(*net.TCPAddr).Port
	for server, start := range map[string]func() (*Child, error){
		"temporal": func() (*Child, error) {
			s, err := StartTemporal(t.Context(), TemporalOptions{Port: busy})
			return s.child(), err
		},
		"temporal's UI": func() (*Child, error) {
			s, err := StartTemporal(t.Context(), TemporalOptions{UI: true, UIPort: busy})
			return s.child(), err
		},
		"postgres": func() (*Child, error) {
			s, err := StartPostgres(t.Context(), PostgresOptions{Port: busy})
			return s.child(), err
		},
		"azurite": func() (*Child, error) {
			s, err := StartAzurite(t.Context(), AzuriteOptions{Port: busy})
			return s.child(), err
		},
		"temporal-server": func() (*Child, error) {
			s, err := StartTemporalServer(t.Context(), TemporalServerOptions{Port: busy})
			return s.child(), err
		},
	} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			c, err := start()
			if err == nil {
				stop(t, c)
				t.Fatalf("it started on port %d, where the test listens", busy)
			}
			want := fmt.Sprintf("start %s: port %d cannot be used (listen tcp 127.0.0.1:%d: bind: address already in use): "+
				"stop what listens there, or choose another port", server, busy, busy)
			if err.Error() != want {
				t.Errorf("got  %q\nwant %q", err, want)
			}
		})
	}
}

// shell is a daemon that a shell plays; it serves once it has made the file "ready".
func shell(dir, script string) daemon {
	return daemon{
		serves: "nothing", command: []string{"/bin/sh", "-c", script}, dir: dir,
		stop: syscall.SIGTERM, crash: syscall.SIGKILL,
		ready: func(context.Context) error {
			_, err := os.Stat(filepath.Join(dir, "ready"))
			return err
		},
	}
}

func TestAPortThatWasTakenInTheMeantimeIsChosenAnew(t *testing.T) {
	t.Parallel()
	dir, tries := t.TempDir(), 0
	c, err := startChild(t.Context(), "script", dir, func(string) (daemon, error) {
		tries++
		if tries < 3 {
			return shell(dir, "echo bind: Address already in use; exit 1"), nil
		}
		return shell(dir, "touch ready; exec sleep 1000"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, c)
	if tries != 3 {
		t.Errorf("%d tries, want 3", tries)
	}
}

func TestAServerThatDiesAtStartTellsWhy(t *testing.T) {
	t.Parallel()
	dir, released := t.TempDir(), false
	owns := func() error { released = true; return nil }
	_, err := startChild(t.Context(), "script", dir, func(string) (daemon, error) {
		return shell(dir, "echo first line; echo no such disk >&2; exit 3"), nil
	}, owns)
	want := "script ended with exit status 3; the end of its log:\nfirst line\nno such disk"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if !released {
		t.Error("what the server owned was not released")
	}
}

func TestAServerThatNeverServesTellsWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	patience := errors.New("the test's patience is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	d := shell(dir, "echo started; touch up; exec sleep 1000")
	d.ready = func(context.Context) error {
		if exists(filepath.Join(dir, "up")) {
			cancel(patience)
		}
		return errors.New("not yet")
	}
	_, err := startChild(ctx, "script", dir, func(string) (daemon, error) { return d, nil })
	want := "script does not serve nothing (the test's patience is over), last: not yet; the end of its log:\nstarted"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTheDeathOfAServerIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := startChild(t.Context(), "script", dir, func(string) (daemon, error) {
		return shell(dir, "touch ready; while ! test -e die; do sleep 0.05; done; echo out of memory; exit 137"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "die"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := "script ended with exit status 137; the end of its log:\nout of memory"
	if err := c.Wait(); err == nil || err.Error() != want {
		t.Errorf("Wait: got %v, want %s", err, want)
	}
	if err := c.Stop(); err == nil || err.Error() != want {
		t.Errorf("Stop: got %v, want %s", err, want)
	}
}

func TestWaitOutlastsARestartAndEndsWithStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := startChild(t.Context(), "script", dir, func(string) (daemon, error) { return shell(dir, "touch ready; exec sleep 1000"), nil })
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- c.Wait() }()
	first := c.PID()
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitGone(t, first)
	if c.PID() == first {
		t.Errorf("process %d was not replaced", first)
	}
	select {
	case err := <-waited:
		t.Errorf("Wait returned %v on a restart", err)
	default:
	}
	stop(t, c)
	if err := <-waited; err != nil {
		t.Errorf("Wait after Stop: %v", err)
	}
	if err := c.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "it was stopped for good") {
		t.Errorf("Restart after Stop: %v", err)
	}
}
