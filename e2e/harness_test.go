// Package e2e tests Data Exhaust as its users meet it: over HTTP, with the api and the worker as
// processes of their own, on the embedded parts and on those of production. What it expects comes from
// the contract, worked out by hand; none of it is the program's own output.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// binaries is the folder with api, worker and starter; scratch is where everything else goes.
var binaries, scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	// Most tests wait for other processes, so more of them run at a time than there are cores.
	if flag.Lookup("test.parallel").Value.String() == flag.Lookup("test.parallel").DefValue {
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err)
		}
	}
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	var err error
	if scratch, err = os.MkdirTemp("", "exhaust-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := errors.Join(stopStacks(), os.RemoveAll(scratch)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	// PostgreSQL, who is another user where we are root, has to get to its folder.
	if err := os.Chmod(scratch, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binaries = filepath.Join(scratch, "bin")
	args := []string{"build", "-o", binaries + "/"}
	if raced {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "./api", "./worker", "./starter")...)
	build.Dir = ".."
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// process is one of the binaries, running.
type process struct {
	cmd     *exec.Cmd
	logFile string
	done    chan struct{}
}

var processes atomic.Int64

// launch starts a binary with these settings and nothing else of the environment that matters to it.
// What it writes goes to a file. The test's end is the process's.
func launch(t *testing.T, binary string, env []string) *process {
	t.Helper()
	p := &process{
		logFile: filepath.Join(scratch, fmt.Sprintf("%s-%d.log", binary, processes.Add(1))),
		done:    make(chan struct{}),
	}
	log, err := os.Create(p.logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(filepath.Join(binaries, binary))
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	p.cmd.Dir = scratch
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is read from its ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		if !p.ended() {
			if binary == "worker" {
				// One that is still starting has nothing to hand back; what is looked at here is how
				// one ends that is up.
				eventually(t, 30*time.Second, "the worker is up", func() bool { return p.ended() || strings.Contains(p.log(t), "worker is running") })
			}
			p.terminate(t)
		}
		if strings.Contains(p.log(t), "WARNING: DATA RACE") {
			t.Errorf("%s has a data race:\n%s", binary, p.log(t))
		}
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", filepath.Base(p.logFile), tail(withoutRequests(p.log(t)), 3000))
		}
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process as a crash of its machine would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
}

// terminate asks the process to stop and waits until it has.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case <-p.done:
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%s ended with exit code %d after SIGTERM; its log:\n%s", p.cmd.Path, code, tail(p.log(t), 3000))
		}
	case <-time.After(30 * time.Second):
		t.Errorf("%s did not stop within 30 s of SIGTERM", p.cmd.Path)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) log(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(p.logFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// withoutRequests leaves out what the api logs of every request.
func withoutRequests(log string) string {
	var kept strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"msg":"request"`) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func tail(s string, most int) string { return s[max(0, len(s)-most):] }

// freeAddress is an address of this machine on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// eventually waits until what holds, and fails the test where it does not within the time.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// runOnce runs a binary to its end and fails the test, or the stack, where it fails.
func runOnce(ctx context.Context, env []string, binary string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(binaries, binary), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	cmd.Dir = scratch
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", binary, strings.Join(args, " "), err, output)
	}
	return nil
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// sameFile compares two files byte by byte and shows the first line in which they differ.
func sameFile(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	g, w := bytes.SplitAfter(got, []byte("\n")), bytes.SplitAfter(want, []byte("\n"))
	for i := range max(len(g), len(w)) {
		var gotLine, wantLine []byte
		if i < len(g) {
			gotLine = g[i]
		}
		if i < len(w) {
			wantLine = w[i]
		}
		if !bytes.Equal(gotLine, wantLine) {
			t.Errorf("%s: line %d of %d (want %d):\n got %.1000q\nwant %.1000q", what, i+1, len(g), len(w), gotLine, wantLine)
			return
		}
	}
}
