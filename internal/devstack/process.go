package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Child is a server that runs as a child process: what all servers of this package share.
type Child struct {
	daemon daemon
	// owns are stopped and removed after the process: a server that it needs, its temporary folder.
	owns []func() error

	mu      sync.Mutex
	current *run
	stopped bool
	stopErr error
}

// daemon says how to run one kind of server.
type daemon struct {
	name string
	// serves is its address, for errors.
	serves  string
	command []string
	env     []string
	dir     string
	log     string
	// user is whom it runs as; nil is us.
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
	if c.stopped {
		return c.stopErr
	}
	c.stopped = true
	errs := []error{c.current.stop(c.daemon.stop)}
	for _, release := range c.owns {
		errs = append(errs, release())
	}
	c.stopErr = errors.Join(errs...)
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
	if c.stopped {
		return fmt.Errorf("restart %s: it was stopped for good", c.daemon.name)
	}
	if !c.current.ended() {
		if err := c.current.stop(c.daemon.stop); err != nil {
			return err
		}
	}
	next, err := c.daemon.start(ctx)
	if err != nil {
		return err
	}
	c.current = next
	return nil
}

// Wait blocks until the server has ended: nil after Stop, an error with the end of its log where it
// died by itself.
func (c *Child) Wait() error {
	for {
		c.mu.Lock()
		waited := c.current
		c.mu.Unlock()
		<-waited.done
		c.mu.Lock()
		stopped, restarted := c.stopped, c.current != waited
		c.mu.Unlock()
		switch {
		case stopped:
			return nil
		case !restarted:
			return waited.died()
		}
	}
}

// PID is the process id of the server.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.cmd.Process.Pid
}

// Log is the end of what the server has logged, at most 4 KiB.
func (c *Child) Log() string { return c.daemon.tail() }

// startChild runs what plan describes until it serves. Where the server finds one of the ports
// that were chosen for it taken after all, another plan is tried.
func startChild(ctx context.Context, plan func() (daemon, error), owns ...func() error) (*Child, error) {
	const tries = 5
	for try := 1; ; try++ {
		d, err := plan()
		if err != nil {
			return nil, release(err, owns)
		}
		if err := os.Truncate(d.log, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, release(err, owns)
		}
		r, err := d.start(ctx)
		if errors.Is(err, errPortTaken) && try < tries {
			continue
		}
		if err != nil {
			return nil, release(err, owns)
		}
		c := &Child{daemon: d, owns: owns, current: r}
		context.AfterFunc(ctx, func() { _ = c.Stop() }) // Stop keeps its error for the caller's Stop
		return c, nil
	}
}

func release(err error, owns []func() error) error {
	errs := []error{err}
	for _, f := range owns {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

var errPortTaken = errors.New("a port was taken")

// start runs the daemon and waits until it serves.
func (d daemon) start(ctx context.Context) (*run, error) {
	r, err := d.launch()
	if err != nil {
		return nil, err
	}
	if err := r.waitReady(ctx); err != nil {
		_ = r.stop(d.crash) // the error that matters is why it never served
		return nil, err
	}
	return r, nil
}

// run is one life of a daemon.
type run struct {
	daemon daemon
	cmd    *exec.Cmd
	// done is closed when the process is gone; exit says how it went.
	done chan struct{}
	exit error
	// asked is true once we have told it to end. Child's lock guards it.
	asked bool
}

// launch starts the process. The kernel kills a child when the thread that started it ends, not
// when the process does, so one thread is kept for each child as long as it lives.
func (d daemon) launch() (*run, error) {
	logFile, err := os.OpenFile(d.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", d.name, err)
	}
	defer logFile.Close()
	cmd := exec.Command(d.command[0], d.command[1:]...)
	cmd.Env, cmd.Dir = append(plainEnvironment(), d.env...), d.dir
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	runAs(cmd, d.user)
	dieWithUs(cmd, d.crash)

	r := &run{daemon: d, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		stopWatching := watch(cmd, d.crash)
		r.exit = cmd.Wait()
		stopWatching()
		close(r.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", d.name, err)
	}
	return r, nil
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

func (r *run) waitReady(ctx context.Context) error {
	deadline, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var last error
	for {
		probe, cancelProbe := context.WithTimeout(deadline, probeTimeout)
		last = r.daemon.ready(probe)
		cancelProbe()
		if last == nil && !r.ended() {
			return nil
		}
		select {
		case <-r.done:
			return r.died()
		case <-deadline.Done():
			return fmt.Errorf("%s does not serve %s (%w), last: %w; the end of its log:\n%s",
				r.daemon.name, r.daemon.serves, context.Cause(deadline), last, r.daemon.tail())
		case <-tick.C:
		}
	}
}

// stop signals the process and waits until it is gone.
func (r *run) stop(signal syscall.Signal) error {
	if r.ended() {
		if r.asked {
			return nil
		}
		return r.died()
	}
	r.asked = true
	if err := r.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", r.daemon.name, err)
	}
	select {
	case <-r.done:
		return nil
	case <-time.After(stopTimeout):
	}
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", r.daemon.name, err)
	}
	<-r.done
	return fmt.Errorf("%s did not end within %s of %v and was killed; the end of its log:\n%s",
		r.daemon.name, stopTimeout, signal, r.daemon.tail())
}

func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// died tells how a process that has ended went.
func (r *run) died() error {
	how := "with exit status 0"
	if r.exit != nil {
		how = "with " + r.exit.Error()
	}
	err := fmt.Errorf("%s ended %s; the end of its log:\n%s", r.daemon.name, how, r.daemon.tail())
	if log, _ := os.ReadFile(r.daemon.log); portTaken.Match(log) {
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
