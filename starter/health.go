package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
	"data-exhaust/service"
)

func newHealth() *cobra.Command {
	var (
		worker, alive, ready bool
		timeout              time.Duration
	)
	command := &cobra.Command{
		Use:   "health",
		Short: "Tell by the exit code whether the API or the worker on this machine is healthy",
		Long: `Tell by the exit code whether the API or the worker on this machine is healthy.

The API is asked for GET /health at EXHAUST_ADDR: exit code 0 where all that it depends on answers.
With --ready it is asked for GET /health/ready: exit code 0 where all answers that the API itself needs.
With --alive any answer of it is good enough: a restart does not heal what it depends on.

With --worker Temporal is asked whether a worker of this host name has polled the task queue within
the last 90 s. A worker that hangs is noticed no sooner than that.`,
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if worker {
				host, err := os.Hostname()
				if err != nil {
					return err
				}
				return app.WorkerPolls(ctx, cfg, host, service.PollInterval)
			}
			switch {
			case alive:
				return checkAlive(ctx, cfg.Addr)
			case ready:
				return checkAPI(ctx, cfg.Addr, "/health/ready")
			}
			return checkAPI(ctx, cfg.Addr, "/health")
		}),
	}
	f := command.Flags()
	f.BoolVar(&worker, "worker", false, "look at the worker instead of the API")
	f.BoolVar(&alive, "alive", false, "whether the API answers, not whether what it depends on does")
	f.BoolVar(&ready, "ready", false, "whether what the API itself needs answers, not what only workers need")
	f.DurationVar(&timeout, "timeout", 4*time.Second, "how long to wait for the answer at the most")
	command.MarkFlagsMutuallyExclusive("worker", "alive", "ready")
	return command
}

// checkAlive asks the API that listens on addr for any answer.
func checkAlive(ctx context.Context, addr string) error {
	err := checkAPI(ctx, addr, "/health/live")
	if _, ok := errors.AsType[*apiError](err); ok {
		return nil // of a release that does not know the path
	}
	return err
}

// checkAPI asks the API that listens on addr how it is.
func checkAPI(ctx context.Context, addr, path string) error {
	api := apiClient{base: "http://" + reachableAddr(addr)}
	_, err := api.call(ctx, http.MethodGet, path, nil, nil)
	if unreachable, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("the API does not answer at EXHAUST_ADDR: %w", unreachable.Err)
	}
	if foreign, ok := errors.AsType[*foreignError](err); ok {
		return fmt.Errorf("what answers at EXHAUST_ADDR (%s) is not this API", foreign.status)
	}
	return err
}

// reachableAddr is where a process on this machine reaches what listens on addr.
func reachableAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
