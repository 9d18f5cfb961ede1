package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
)

// polledWithin is more than the minute that a poll takes when there is nothing to do.
const polledWithin = 90 * time.Second

func newHealth() *cobra.Command {
	var (
		worker, alive bool
		timeout       time.Duration
	)
	command := &cobra.Command{
		Use:   "health",
		Short: "Tell by the exit code whether the API or the worker on this machine is healthy",
		Long: `Tell by the exit code whether the API or the worker on this machine is healthy.

The API is asked for GET /health at EXHAUST_ADDR: exit code 0 where all that it depends on answers.
With --alive any answer of it is good enough: a restart does not heal what it depends on.

With --worker Temporal is asked whether a worker of this host name has polled the task queue within
the last 90 s. A worker that hangs is noticed no sooner than that.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if worker {
				host, err := os.Hostname()
				if err != nil {
					return err
				}
				return app.WorkerPolls(ctx, cfg, host, polledWithin)
			}
			return apiHealth(ctx, cfg, alive)
		},
	}
	f := command.Flags()
	f.BoolVar(&worker, "worker", false, "look at the worker instead of the API")
	f.BoolVar(&alive, "alive", false, "whether the API answers, not whether what it depends on does")
	f.DurationVar(&timeout, "timeout", 4*time.Second, "how long to wait for the answer at the most")
	command.MarkFlagsMutuallyExclusive("worker", "alive")
	return command
}

func apiHealth(ctx context.Context, cfg config.Config, alive bool) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(cfg.Addr)+"/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("the API does not answer at EXHAUST_ADDR: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Params struct {
			ErrMsg string `json:"errmsg"`
		} `json:"params"`
		ResponseCode string `json:"responseCode"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil || answer.ResponseCode == "" {
		return fmt.Errorf("what answers at EXHAUST_ADDR (%s) is not this API", response.Status)
	}
	if response.StatusCode != http.StatusOK && !alive {
		return errors.New(answer.Params.ErrMsg)
	}
	return nil
}

// reachable is where a process on the same machine reaches what listens on addr.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
