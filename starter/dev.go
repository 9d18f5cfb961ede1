package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
)

func newDev() *cobra.Command {
	var o partsOptions
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run Temporal, the worker and the API until Ctrl-C",
		Long: `Run Temporal, the worker and the API until Ctrl-C.

Data comes from the EXHAUST_ settings; with none set it is kept in the folder data. With
TEMPORAL_ADDRESS set that Temporal is used and no server is started. Temporal's development server
keeps nothing: what it ran is gone when it ends, what was recorded in job_request stays.

--stack=production runs on PostgreSQL, Temporal's production server (which has no UI) and Azurite
instead; they keep their data in the folder production of the data folder.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Loaded once without the parts, which need to know where data is kept.
			cfg, err := settings()
			if err != nil {
				return err
			}
			o.dir, o.progress = filepath.Join(cfg.DataDir, "production"), cmd.ErrOrStderr()
			p, err := startParts(cmd.Context(), o)
			if err != nil {
				return err
			}
			// Of a setting that stands there twice the first counts: the user's own.
			if cfg, err = config.Load(append(os.Environ(), p.settings...)); err != nil {
				return errors.Join(err, p.stop())
			}
			s, err := startStack(cmd.Context(), cfg, p, newLogger(slog.LevelInfo))
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "\n  API          %s\n", cfg.PublicURL)
			if ui := p.ui(); ui != "" {
				fmt.Fprintf(out, "  Temporal UI  %s\n", ui)
			}
			if p.temporal != nil {
				fmt.Fprintf(out, "  Temporal     %s\n", p.temporal.Address)
			}
			fmt.Fprintf(out, "  Telemetry    %s\n  Reports      %s\n\n  Sample data: `starter gen`. Ctrl-C ends it all.\n\n", cfg.TelemetryStore, cfg.ReportsStore)
			for _, setting := range p.settings {
				// The secrets in them are those of a database and an emulator on this machine only.
				fmt.Fprintf(out, "  export %q\n", setting)
			}
			return s.wait()
		},
	}
	f := command.Flags()
	f.StringVar(&o.stack, "stack", embeddedStack, "embedded or production")
	f.IntVar(&o.temporalPort, "temporal-port", 7233, "Temporal's port; 0 is a free one")
	f.IntVar(&o.uiPort, "ui-port", 8233, "the port of Temporal's UI; 0 is a free one")
	return command
}

// stack is everything on one machine: the parts as child processes, the worker and the API in this
// one.
type stack struct {
	parts    *parts
	end      context.CancelFunc
	services sync.WaitGroup
	mu       sync.Mutex
	failure  error
	stopped  chan struct{}
}

// startStack returns when the API listens. The stack, parts included, lives until the context ends or
// one of its services fails; wait gives the failure.
func startStack(ctx context.Context, cfg config.Config, p *parts, log *slog.Logger) (*stack, error) {
	const setUpWithin, retention = time.Minute, 72 * time.Hour
	setUp, cancel := context.WithTimeout(ctx, setUpWithin)
	defer cancel()
	if err := app.SetUp(setUp, cfg, retention, log); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	s := &stack{parts: p, stopped: make(chan struct{})}
	ctx, s.end = context.WithCancel(ctx)
	listening := make(chan struct{})
	s.run(func() error { return app.Worker(ctx, cfg, log) })
	s.run(func() error {
		return app.API(ctx, cfg, log, func(string) { close(listening) })
	})
	go func() {
		s.services.Wait()
		close(s.stopped)
	}()
	go func() { s.failed(p.watch(s.stopped)) }()
	select {
	case <-listening:
		return s, nil
	case <-s.stopped:
		return nil, s.wait()
	}
}

// run runs a service; its end is the end of all.
func (s *stack) run(serve func() error) {
	s.services.Go(func() { s.failed(serve()) })
}

// failed ends the services, because one of them has ended.
func (s *stack) failed(err error) {
	s.mu.Lock()
	s.failure = errors.Join(s.failure, err)
	s.mu.Unlock()
	s.end()
}

// wait returns when everything has stopped.
func (s *stack) wait() error {
	<-s.stopped
	err := s.parts.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failure, err)
}

func (s *stack) stop() error {
	s.end()
	return s.wait()
}
