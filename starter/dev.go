package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/service"
	"data-exhaust/workflows"
)

func newDev() *cobra.Command {
	var ports struct{ temporal, ui int }
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run Temporal's development server, the worker and the API until Ctrl-C",
		Long: `Run Temporal's development server, the worker and the API until Ctrl-C.

Data comes from the EXHAUST_ settings; with none set it is kept in the folder data. With
TEMPORAL_ADDRESS set that Temporal is used and no server is started. The development server keeps
nothing: what it ran is gone when it ends, what was recorded in job_request stays.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings()
			if err != nil {
				return err
			}
			s, err := startStack(cmd.Context(), cfg, stackOptions{
				temporalPort: ports.temporal, uiPort: ports.ui,
				log: newLogger(slog.LevelInfo), progress: cmd.ErrOrStderr(),
			})
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "\n  API          %s\n", cfg.PublicURL)
			if s.temporalUI != "" {
				fmt.Fprintf(out, "  Temporal UI  %s\n", s.temporalUI)
			}
			fmt.Fprintf(out, "  Telemetry    %s\n  Reports      %s\n\n  Sample data: `starter gen`. Ctrl-C ends it all.\n\n", cfg.TelemetryStore, cfg.ReportsStore)
			return s.wait()
		},
	}
	command.Flags().IntVar(&ports.temporal, "temporal-port", 7233, "Temporal's port; 0 is a free one")
	command.Flags().IntVar(&ports.ui, "ui-port", 8233, "the port of Temporal's UI; 0 is a free one")
	return command
}

// stack is everything on one machine: Temporal as a child process, the worker and the API in this
// one.
type stack struct {
	temporalUI string
	end        context.CancelFunc
	services   sync.WaitGroup
	temporal   *devstack.Temporal
	mu         sync.Mutex
	failure    error
	stopped    chan struct{}
}

type stackOptions struct {
	temporalPort, uiPort int
	log                  *slog.Logger
	// progress is told what takes long.
	progress io.Writer
}

// startStack returns when the API listens. The stack lives until the context ends or one of its
// parts fails; wait gives the failure.
func startStack(ctx context.Context, cfg config.Config, o stackOptions) (*stack, error) {
	s := &stack{stopped: make(chan struct{})}
	if os.Getenv("TEMPORAL_ADDRESS") == "" {
		// Temporal goes last, after the worker and the API: so it does not end with the context.
		temporal, err := devstack.StartTemporal(context.WithoutCancel(ctx), devstack.TemporalOptions{
			Port: o.temporalPort, UI: true, UIPort: o.uiPort,
			SearchAttributes: workflows.AttributeNames(),
			Log:              o.progress,
		})
		if err != nil {
			return nil, err
		}
		s.temporal, s.temporalUI = temporal, temporal.UI
		if err := os.Setenv("TEMPORAL_ADDRESS", temporal.Address); err != nil {
			return nil, errors.Join(err, temporal.Stop())
		}
	}
	if err := service.Migrate(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.stopTemporal())
	}
	ctx, s.end = context.WithCancel(ctx)
	listening := make(chan struct{})
	s.run(func() error { return service.Worker(ctx, cfg, o.log) })
	s.run(func() error {
		return service.API(ctx, cfg, o.log, func(string) { close(listening) })
	})
	if s.temporal != nil {
		go s.watchTemporal()
	}
	go func() {
		s.services.Wait()
		close(s.stopped)
	}()
	select {
	case <-listening:
		return s, nil
	case <-s.stopped:
		return nil, s.wait()
	}
}

// run runs a service; its end is the end of all.
func (s *stack) run(serve func() error) {
	s.services.Go(func() {
		err := serve()
		s.mu.Lock()
		s.failure = errors.Join(s.failure, err)
		s.mu.Unlock()
		s.end()
	})
}

// watchTemporal ends all when the server dies.
func (s *stack) watchTemporal() {
	err := s.temporal.Wait()
	select {
	case <-s.stopped:
	default:
		s.mu.Lock()
		s.failure = errors.Join(s.failure, fmt.Errorf("the Temporal server ended: %w", err))
		s.mu.Unlock()
		s.end()
	}
}

// wait returns when everything has stopped.
func (s *stack) wait() error {
	<-s.stopped
	err := s.stopTemporal()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failure, err)
}

func (s *stack) stop() error {
	s.end()
	return s.wait()
}

func (s *stack) stopTemporal() error {
	if s.temporal == nil {
		return nil
	}
	return s.temporal.Stop()
}
