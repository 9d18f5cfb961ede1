// Package stack runs one api and one worker of this tree with their servers, each a process of its own, for benchmarks, and
// asks the API as a client does; it measures nothing.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"data-exhaust/config"
	"data-exhaust/internal/app"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/servers"
)

// Options are those of [With].
type Options struct {
	// Servers is servers.Embedded or servers.Production.
	Servers string
	// Dir keeps everything, logs too. It is emptied first.
	Dir string
	// Settings are the services' own, beside those that the servers and Dir give them.
	Settings []string
	// Fill puts data into the registry and the telemetry store before the services start; nil puts none.
	Fill func(ctx context.Context, cfg config.Config) error
}

// Stack is the servers, one api and one worker, which run.
type Stack struct {
	Config   config.Config
	API      Client
	Temporal client.Client
	Worker   *devstack.Child
	// dir is the absolute path of Options.Dir.
	dir string
	// stops stop what runs; the last is called first.
	stops []func() error
}

// With starts a stack, does the measuring, and stops the stack.
func With(ctx context.Context, o Options, measure func(ctx context.Context, s *Stack) error) (err error) {
	s := &Stack{}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx, o); err != nil {
		return err
	}
	return measure(ctx, s)
}

func (s *Stack) start(ctx context.Context, o Options) (err error) {
	if s.dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(s.dir), os.MkdirAll(s.dir, 0o755), os.Unsetenv("TEMPORAL_ADDRESS")); err != nil {
		return err
	}
	Progress("starting the servers")
	started, err := servers.Start(ctx, servers.Options{Name: o.Servers, Dir: filepath.Join(s.dir, "servers"), Progress: os.Stderr})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, started.Stop)
	port, err := devstack.FreePort()
	if err != nil {
		return err
	}
	env := slices.Concat(o.Settings, started.Settings, []string{
		"TEMPORAL_ADDRESS=" + started.Temporal.Address,
		"EXHAUST_DATA_DIR=" + s.dir,
		fmt.Sprintf("EXHAUST_ADDR=127.0.0.1:%d", port),
		"EXHAUST_CHANNEL_LIMIT=0",
	})
	if s.Config, err = config.Load(env); err != nil {
		return err
	}
	s.API = newClient(s.Config.PublicURL)
	quiet := slog.New(slog.DiscardHandler)
	const retention = 72 * time.Hour
	if err := app.SetUp(ctx, s.Config, retention, nil, quiet); err != nil {
		return err
	}
	if s.Temporal, _, err = app.DialTemporal(quiet); err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { s.Temporal.Close(); return nil })
	if o.Fill != nil {
		if err := o.Fill(ctx, s.Config); err != nil {
			return err
		}
	}
	return s.startServices(ctx, env)
}

// startServices builds the api and the worker from this tree and starts one of each.
func (s *Stack) startServices(ctx context.Context, env []string) (err error) {
	Progress("building and starting the api and the worker")
	bin := filepath.Join(s.dir, "bin")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin+"/", "data-exhaust/api", "data-exhaust/worker")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	if _, err := s.StartProgram(ctx, devstack.ProgramOptions{
		Name: "api", Command: []string{filepath.Join(bin, "api")}, Env: env, Serves: s.Config.PublicURL, Ready: s.API.health,
	}); err != nil {
		return err
	}
	s.Worker, err = s.StartProgram(ctx, devstack.ProgramOptions{
		Name: "worker", Command: []string{filepath.Join(bin, "worker")}, Env: env, Serves: s.Config.TaskQueue, Ready: s.IsPolled(s.Config.TaskQueue),
	})
	return err
}

// StartProgram starts a program that ends before the servers.
func (s *Stack) StartProgram(ctx context.Context, o devstack.ProgramOptions) (*devstack.Child, error) {
	o.Dir = s.dir
	program, err := devstack.StartProgram(context.WithoutCancel(ctx), o)
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, program.Stop)
	return program, nil
}

// IsPolled asks whether a worker on this machine polls a task queue.
func (s *Stack) IsPolled(queue string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		cfg := s.Config
		cfg.TaskQueue = queue
		return app.WorkerPolls(ctx, cfg, host, time.Minute)
	}
}

func (s *Stack) stop() error {
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// Progress tells the user what is being done.
func Progress(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "%s  "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, values...)...)
}
