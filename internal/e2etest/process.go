package e2etest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binaries is the folder of api, worker and starter.
var binaries = Shared(func(t testing.TB) *string {
	folder := filepath.Join(Scratch, "bin")
	build(t, folder, "data-exhaust/api", "data-exhaust/worker", "data-exhaust/starter")
	return &folder
})

// Build builds a program of a test's own, which [Deployment.Launch] starts by the last segment of its package.
func Build(t testing.TB, program string) {
	t.Helper()
	build(t, *binaries(t), program)
}

func build(t testing.TB, folder string, programs ...string) {
	t.Helper()
	args := []string{"build", "-o", folder + "/"}
	if HasRaceDetector {
		args = append(args, "-race")
	}
	if output, err := exec.Command("go", append(args, programs...)...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
}

// command is a program with these settings and nothing else of the environment that matters to it.
func command(t testing.TB, binary string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(*binaries(t), binary), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	cmd.Dir = Scratch
	return cmd
}

// Output is how a command ended.
type Output struct {
	Code           int
	Stdout, Stderr string
}

// ExecStarter executes a command of the starter to its end.
func ExecStarter(t testing.TB, env []string, args ...string) Output {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := command(t, "starter", env, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Output{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// Process is an api or a worker.
type Process struct {
	cmd     *exec.Cmd
	logFile string
	done    chan struct{}
}

// launch starts a program. What it writes goes to a file. It ends with the test, which it fails where
// SIGTERM does not end it with exit code 0, or where it has a data race.
func launch(t testing.TB, binary string, env []string) *Process {
	t.Helper()
	p := &Process{
		cmd:     command(t, binary, env),
		logFile: filepath.Join(Scratch, Serial(binary+"-")+".log"),
		done:    make(chan struct{}),
	}
	log, err := os.Create(p.logFile)
	Must(t, err)
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	Must(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // how it ended is read from its ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		if !p.IsEnded() {
			p.Wake(t)
			p.Terminate(t)
		}
		if log := p.Log(t); strings.Contains(log, "WARNING: DATA RACE") {
			t.Errorf("%s has a data race:\n%s", binary, log)
		}
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", filepath.Base(p.logFile), p.logEnd(t))
		}
	})
	return p
}

// Identity begins the identities that Temporal's SDK gives to the process's workers.
func (p *Process) Identity() string { return fmt.Sprintf("%d@", p.cmd.Process.Pid) }

// IsEnded reports whether the process has ended.
func (p *Process) IsEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Wait waits until the process has ended by itself, and returns its exit code.
func (p *Process) Wait() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Kill ends the process as a crash of its machine would.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	Must(t, p.cmd.Process.Kill())
	<-p.done
}

// Freeze stops the process as a machine that is suspended would; Wake lets it go on, as if no time had passed.
func (p *Process) Freeze(t testing.TB) {
	t.Helper()
	Must(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	// A thread that runs on another processor does so for a moment longer.
	Eventually(t, 10*time.Second, "the process is frozen", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		Must(t, err)
		return len(threads) > 0 && !slices.ContainsFunc(threads, func(file string) bool {
			stat, err := os.ReadFile(file)
			_, state, _ := strings.Cut(string(stat), ") ") // proc_pid_stat(5): the state follows the name
			return err == nil && !strings.HasPrefix(state, "T")
		})
	})
}

// Wake lets a process go on that was frozen; to another one it does nothing.
func (p *Process) Wake(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
}

// Terminate sends SIGTERM and waits until the process has ended, which has to be with exit code 0 and
// within 30 seconds.
func (p *Process) Terminate(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case <-p.done:
		if code := p.Wait(); code != 0 {
			t.Errorf("%s ended with exit code %d after SIGTERM; its log:\n%s", p.cmd.Path, code, p.logEnd(t))
		}
	case <-time.After(30 * time.Second):
		t.Errorf("%s did not stop within 30 s of SIGTERM", p.cmd.Path)
		p.Kill(t)
	}
}

// Log is what the process has written so far.
func (p *Process) Log(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile(p.logFile)
	Must(t, err)
	return string(content)
}

// WaitForLog waits until the process has written text; its end before that fails the test.
func (p *Process) WaitForLog(t testing.TB, text string) {
	t.Helper()
	Eventually(t, time.Minute, filepath.Base(p.logFile)+" says "+text, func() bool {
		log := p.Log(t)
		if p.IsEnded() {
			t.Fatalf("%s ended:\n%s", p.cmd.Path, log)
		}
		return strings.Contains(log, text)
	})
}

var requestLine = regexp.MustCompile(`.*"msg":"request".*\n`)

// logEnd is the end of the log without what the api writes of every request.
func (p *Process) logEnd(t testing.TB) string {
	t.Helper()
	log := requestLine.ReplaceAllString(p.Log(t), "")
	return log[max(0, len(log)-3000):]
}
