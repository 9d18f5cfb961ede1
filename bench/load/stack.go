package main

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
	"data-exhaust/exhaust"
	"data-exhaust/internal/app"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/sample"
	"data-exhaust/internal/servers"
)

// folder keeps everything of the stack.
const folder = "data/load"

// stack is the production stack with sample data in it: the servers, one api and one worker, each a process of its own.
type stack struct {
	cfg      config.Config
	set      *sample.Set
	api      apiClient
	temporal client.Client
	// dir is the absolute path of folder.
	dir string
	// stops stop what runs; the last is called first.
	stops []func() error
}

// withStack starts a stack with this sample data, does the measuring, and stops the stack.
func withStack(ctx context.Context, data sample.Options, measure func(ctx context.Context, s *stack) error) (err error) {
	s := &stack{}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx, data); err != nil {
		return err
	}
	return measure(ctx, s)
}

func (s *stack) start(ctx context.Context, data sample.Options) (err error) {
	if s.dir, err = filepath.Abs(folder); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(s.dir), os.MkdirAll(s.dir, 0o755), os.Unsetenv("TEMPORAL_ADDRESS")); err != nil {
		return err
	}
	report("starting the servers")
	started, err := servers.Start(ctx, servers.Options{
		Name: servers.Production, Dir: filepath.Join(s.dir, "servers"), Progress: os.Stderr,
	})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, started.Stop)
	port, err := devstack.FreePort()
	if err != nil {
		return err
	}
	env := append(started.Settings,
		"TEMPORAL_ADDRESS="+started.Temporal.Address,
		"EXHAUST_DATA_DIR="+s.dir,
		fmt.Sprintf("EXHAUST_ADDR=127.0.0.1:%d", port),
	)
	if s.cfg, err = config.Load(env); err != nil {
		return err
	}
	s.api = newAPIClient(s.cfg.PublicURL)
	quiet := slog.New(slog.DiscardHandler)
	const retention = 72 * time.Hour
	if err := app.SetUp(ctx, s.cfg, retention, quiet); err != nil {
		return err
	}
	if s.temporal, _, err = app.DialTemporal(quiet); err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { s.temporal.Close(); return nil })
	if err := s.fill(ctx, data); err != nil {
		return err
	}
	return s.startServices(ctx, env)
}

// fill puts the sample data into the registry and the telemetry store. Its last day is yesterday.
func (s *stack) fill(ctx context.Context, data sample.Options) (err error) {
	data.Until = exhaust.DayOf(time.Now().In(s.cfg.Timezone)).Add(-1)
	if err := app.SampleTables(ctx, s.cfg, true); err != nil {
		return err
	}
	s.set, err = app.Sample(ctx, s.cfg, data)
	return err
}

// startServices builds the api and the worker from this tree and starts one of each.
func (s *stack) startServices(ctx context.Context, env []string) error {
	report("building and starting the api and the worker")
	bin := filepath.Join(s.dir, "bin")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin+"/", "data-exhaust/api", "data-exhaust/worker")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	if err := s.startProgram(ctx, devstack.ProgramOptions{
		Name: "api", Command: []string{filepath.Join(bin, "api")}, Env: env, Serves: s.cfg.PublicURL, Ready: s.api.health,
	}); err != nil {
		return err
	}
	return s.startProgram(ctx, devstack.ProgramOptions{
		Name: "worker", Command: []string{filepath.Join(bin, "worker")}, Env: env, Serves: s.cfg.TaskQueue, Ready: s.isPolled(s.cfg.TaskQueue),
	})
}

// startProgram starts a program that stop stops before the servers.
func (s *stack) startProgram(ctx context.Context, o devstack.ProgramOptions) error {
	o.Dir = s.dir
	program, err := devstack.StartProgram(context.WithoutCancel(ctx), o)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, program.Stop)
	return nil
}

// isPolled asks whether a worker on this machine polls a task queue.
func (s *stack) isPolled(queue string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		cfg := s.cfg
		cfg.TaskQueue = queue
		return app.WorkerPolls(ctx, cfg, host, time.Minute)
	}
}

func (s *stack) stop() error {
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// report tells the user what is being done.
func report(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "%s  "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, values...)...)
}
