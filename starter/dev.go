package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
	"data-exhaust/internal/servers"
)

func newDev() *cobra.Command {
	var o servers.Options
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run Temporal, the worker and the API until Ctrl-C",
		Long: `Run Temporal, the worker and the API until Ctrl-C.

Data comes from the EXHAUST_ settings; with none set it is kept in the folder data. With
TEMPORAL_ADDRESS set that Temporal is used and no server is started. Temporal's development server
keeps nothing: what it ran is gone when it ends, what was recorded in job_request stays.

--stack=production runs on PostgreSQL, Temporal's production server (which has no UI) and Azurite
instead; they keep their data in the folder production of the data folder.`,
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config) error {
			o.Dir, o.Progress = filepath.Join(cfg.DataDir, "production"), cmd.ErrOrStderr()
			s, err := startStack(cmd.Context(), o, func(settings []string) (config.Config, error) {
				// Of a setting that stands there twice the first counts: the user's own.
				return config.Load(append(os.Environ(), settings...))
			}, newLogger(slog.LevelInfo))
			if err != nil {
				return err
			}
			s.describe(cmd.OutOrStdout())
			return s.wait()
		}),
	}
	f := command.Flags()
	f.StringVar(&o.Name, "stack", servers.Embedded, "embedded or production")
	f.IntVar(&o.TemporalPort, "temporal-port", 7233, "Temporal's port; 0 is a free one")
	f.IntVar(&o.UIPort, "ui-port", 8233, "the port of Temporal's UI; 0 is a free one")
	return command
}

// stack is everything on one machine: the servers as child processes, the worker and the API in this
// one.
type stack struct {
	cfg      config.Config
	servers  *servers.Stack
	end      context.CancelFunc
	services sync.WaitGroup
	done     chan struct{}

	mu      sync.Mutex
	failure error
}

// startStack starts the servers, has load make the settings of all from those of the servers, and
// returns when the API listens. The stack, servers included, lives until the context ends or one of its
// services fails; wait returns the failure.
func startStack(ctx context.Context, o servers.Options, load func(settings []string) (config.Config, error), log *slog.Logger) (*stack, error) {
	started, err := servers.Start(ctx, o)
	if errors.Is(err, servers.ErrUnknownStack) {
		return nil, usage("--stack: %w", err)
	}
	if err != nil {
		return nil, err
	}
	s := &stack{servers: started, done: make(chan struct{})}
	settings := started.Settings
	if ui := started.UI(); ui != "" {
		settings = append(slices.Clone(settings), "EXHAUST_TEMPORAL_UI_URL="+ui)
	}
	if s.cfg, err = load(settings); err == nil {
		err = setUp(ctx, s.cfg, log)
	}
	if err != nil {
		return nil, errors.Join(err, started.Stop())
	}
	ctx, s.end = context.WithCancel(ctx)
	listening := make(chan struct{})
	s.start(func() error { return app.Worker(ctx, s.cfg, log) })
	s.start(func() error { return app.API(ctx, s.cfg, log, func(string) { close(listening) }) })
	go func() {
		s.services.Wait()
		close(s.done)
	}()
	go func() { s.fail(started.Watch(s.done)) }()
	select {
	case <-listening:
		return s, nil
	case <-s.done:
		return nil, s.wait()
	}
}

func setUp(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	const timeout, retention = time.Minute, 72 * time.Hour
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return app.SetUp(ctx, cfg, retention, func(secret string) {
		fmt.Fprintf(os.Stdout, "\n  The first token, an operator's, for 30 days; it is not shown again:\n  %s\n", secret)
	}, log)
}

// start starts a service, whose end is the end of all.
func (s *stack) start(serve func() error) {
	s.services.Go(func() { s.fail(serve()) })
}

// fail ends the services, because one of them has ended.
func (s *stack) fail(err error) {
	s.mu.Lock()
	s.failure = errors.Join(s.failure, err)
	s.mu.Unlock()
	s.end()
}

// describe tells the user where everything is.
func (s *stack) describe(w io.Writer) {
	fmt.Fprintf(w, "\n  Console      %[1]s/console/\n  API          %[1]s\n", s.cfg.PublicURL)
	if ui := s.servers.UI(); ui != "" {
		fmt.Fprintf(w, "  Temporal UI  %s\n", ui)
	}
	if s.servers.Temporal != nil {
		fmt.Fprintf(w, "  Temporal     %s\n", s.servers.Temporal.Address)
	}
	fmt.Fprintf(w, "  Telemetry    %s\n  Reports      %s\n\n  Sample data: `go run ./starter gen --days 60 --requests`. Ctrl-C ends it all.\n\n", s.cfg.TelemetryStore, s.cfg.ReportsStore)
	for _, setting := range s.servers.Settings {
		// The secrets in them are those of a database and an emulator on this machine only.
		fmt.Fprintf(w, "  export %q\n", setting)
	}
}

// wait returns when everything has stopped.
func (s *stack) wait() error {
	<-s.done
	err := s.servers.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failure, err)
}

func (s *stack) stop() error {
	s.end()
	return s.wait()
}
