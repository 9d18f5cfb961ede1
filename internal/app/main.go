package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"data-exhaust/config"
)

// Main is the main function of a service's binary: it reads the settings from the environment, runs
// until SIGINT or SIGTERM, and gives the process's exit code. A second signal ends it at once.
func Main(serve func(ctx context.Context, cfg config.Config, log *slog.Logger) error) int {
	cfg, err := config.Load(os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err = serve(ctx, cfg, log)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		// The signal to stop came while it was still starting.
		return 0
	}
	if err != nil {
		log.Error("ended", "error", err)
		return 1
	}
	return 0
}
