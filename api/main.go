// Command api serves the REST API of Data Exhaust. Its settings are in the environment:
// docs/settings.md.
package main

import (
	"context"
	"log/slog"
	"os"

	"data-exhaust/config"
	"data-exhaust/internal/service"
)

func main() {
	os.Exit(service.Main(func(ctx context.Context, cfg config.Config, log *slog.Logger) error {
		return service.API(ctx, cfg, log, nil)
	}))
}
