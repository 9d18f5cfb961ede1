package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Child is a server that runs as a child process: what all servers of this package share.
type Child struct {
	daemon daemon
	// owns clean up after the process: they stop a server that it needs, remove its temporary folder.
	owns []func() error

	mu        sync.Mutex
	current   *process
	isStopped bool
	stopErr   error
}

// daemon says how to start one kind of server. startChild fills in its name and its log.
type daemon struct {
	name, log string
	// serves is its address, for errors.
	serves  string
	command []string
	// env is what it gets beside plainEnvironment.
	env []string
	dir string
	// user owns the process; nil is us.
	user *syscall.Credential
	// stop asks it to finish; crash ends it at once without leaving anything of it behind.
	stop, crash syscall.Signal
	// ready reports whether it serves.
	ready func(context.Context) error
}

const (
	startTimeout = 90 * time.Second
	stopTimeout  = 15 * time.Second
	probeTimeout = 3 * time.Second
	probeEvery   = 25 * time.Millisecond
	logTail      = 4 << 10
)

// Stop ends the server and waits until it is gone. Further calls answer as the first did. The error
// tells that the server had died before, or that it had to be killed after 15 seconds.
func (c *Child) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isStopped {
		c.isStopped = true
		c.stopErr = release(c.current.stop(c.daemon.stop), c.owns)
	}
	return c.stopErr
}

// Kill ends the server as a crash would: at once, with nothing flushed. [Child.Restart] brings it
// back.
func (c *Child) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.stop(c.daemon.crash)
}

// Restart stops the server if it runs, starts it again on the same ports with the same data, and
// waits until it serves. What was kept in memory only is lost. The end of ctx ends the waiting; the
// server still lives as long as the context that it was first started with.
func (c *Child) Restart(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isStopped {
		return fmt.Errorf("restart %s: it was stopped for good", c.daemon.name)
	}
	if !c.current.hasEnded() {
		if err := c.current.stop(c.daemon.stop); err != nil {
			return err
		}
	}
	p, err := c.daemon.start(ctx)
	if err != nil {
		return err
	}
	c.current = p
	return nil
}

// Wait blocks until the server has ended: nil after Stop, an error with the end of its log where it
// died by itself.
func (c *Child) Wait() error {
	for {
		p, _ := c.state()
		<-p.done
		current, isStopped := c.state()
		if isStopped {
			return nil
		}
		if current == p {
			return p.exitError()
		}
	}
}

// state is what Restart and Stop may change at any time.
func (c *Child) state() (current *process, isStopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, c.isStopped
}

// PID is the process id of the server.
func (c *Child) PID() int {
	p, _ := c.state()
	return p.cmd.Process.Pid
}

// planner describes a server that keeps its files in dir and is to listen on ports that are free.
type planner func(dir string) (daemon, error)

// startChild starts what plan describes, in the folder that [makeFolder] makes of path, and waits until
// it serves.
func startChild(ctx context.Context, name, path string, plan planner, owns ...func() error) (*Child, error) {
	dir, removeDir, err := makeFolder(path, name)
	if err != nil {
		return nil, release(err, owns)
	}
	c := &Child{owns: append(owns, removeDir)}
	if err := c.start(ctx, name, dir, plan); err != nil {
		return nil, release(err, c.owns)
	}
	context.AfterFunc(ctx, func() { _ = c.Stop() }) // Stop keeps its error for the caller's Stop
	return c, nil
}

// start starts the child by a plan. Where another process has taken one of its ports meanwhile, start
// asks for another plan.
func (c *Child) start(ctx context.Context, name, dir string, plan planner) (err error) {
	const tries = 5
	for range tries {
		if c.daemon, err = plan(dir); err != nil {
			return err
		}
		c.daemon.name, c.daemon.log = name, filepath.Join(dir, name+".log")
		if err := os.Truncate(c.daemon.log, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if c.current, err = c.daemon.start(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// release joins the errors of owns to err.
func release(err error, owns []func() error) error {
	for _, cleanUp := range owns {
		err = errors.Join(err, cleanUp())
	}
	return err
}

var errPortTaken = errors.New("a port was taken")

// start starts a process and waits until it serves.
func (d daemon) start(ctx context.Context) (*process, error) {
	p, err := d.launch()
	if err != nil {
		return nil, err
	}
	if err := p.waitReady(ctx); err != nil {
		_ = p.stop(d.crash) // the error that matters is why it never served
		return nil, err
	}
	return p, nil
}

// process is one life of a daemon.
type process struct {
	daemon daemon
	cmd    *exec.Cmd
	// done is closed when the process is gone.
	done chan struct{}
	// isStopping is true once we have asked it to end. Child's lock guards it.
	isStopping bool
}

// launch starts the process. The kernel kills a child when the thread that started it ends, not
// when the process does, so one thread is kept for each child as long as it lives.
func (d daemon) launch() (*process, error) {
	logFile, err := os.OpenFile(d.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", d.name, err)
	}
	defer logFile.Close()
	cmd := exec.Command(d.command[0], d.command[1:]...)
	cmd.Env, cmd.Dir = append(plainEnvironment(), d.env...), d.dir
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	setUser(cmd, d.user)
	dieWithUs(cmd, d.crash)

	p := &process{daemon: d, cmd: cmd, done: make(chan struct{})}
	start := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		start <- err
		if err != nil {
			return
		}
		stopWatching := watch(cmd, d.crash)
		_ = cmd.Wait() // how it ended is read from its ProcessState
		stopWatching()
		close(p.done)
	}()
	if err := <-start; err != nil {
		return nil, fmt.Errorf("start %s: %w", d.name, err)
	}
	return p, nil
}

// plainEnvironment is what servers start with, whatever the caller's shell has set: PGPORT,
// TEMPORAL_ENVIRONMENT and their like would change what they do.
func plainEnvironment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (p *process) waitReady(ctx context.Context) error {
	deadline, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		probe, cancelProbe := context.WithTimeout(deadline, probeTimeout)
		last := p.daemon.ready(probe)
		cancelProbe()
		if last == nil && !p.hasEnded() {
			return nil
		}
		select {
		case <-p.done:
			return p.exitError()
		case <-deadline.Done():
			return fmt.Errorf("%s does not serve %s (%w), last: %w; the end of its log:\n%s",
				p.daemon.name, p.daemon.serves, context.Cause(deadline), last, p.daemon.tail())
		case <-tick.C:
		}
	}
}

// stop signals the process and waits until it is gone.
func (p *process) stop(signal syscall.Signal) error {
	if p.hasEnded() {
		if p.isStopping {
			return nil
		}
		return p.exitError()
	}
	p.isStopping = true
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.daemon.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.daemon.name, err)
	}
	<-p.done
	return fmt.Errorf("%s did not end within %s of %v and was killed; the end of its log:\n%s",
		p.daemon.name, stopTimeout, signal, p.daemon.tail())
}

func (p *process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// exitError tells how a process ended.
func (p *process) exitError() error {
	err := fmt.Errorf("%s ended with %s; the end of its log:\n%s", p.daemon.name, p.cmd.ProcessState, p.daemon.tail())
	if log, _ := os.ReadFile(p.daemon.log); portTaken.Match(log) {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

// portTaken is how the servers say it: libc and Go, Node.js.
var portTaken = regexp.MustCompile(`(?i)address already in use|EADDRINUSE`)

// tail is the end of the daemon's log, of whole lines.
func (d daemon) tail() string {
	content, err := os.ReadFile(d.log)
	if err != nil {
		return fmt.Sprintf("(its log cannot be read: %v)", err)
	}
	if len(content) > logTail {
		content = content[len(content)-logTail:]
		if _, rest, found := bytes.Cut(content, []byte("\n")); found {
			content = rest
		}
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return "(its log is empty)"
	}
	return string(bytes.TrimSpace(content))
}
