// Command api serves the REST API of Data Exhaust and does no more than that: it makes no exhaust. Its settings are in the
// environment: docs/settings.md.
package main

import (
	"context"
	"log/slog"
	"os"

	"data-exhaust/config"
	"data-exhaust/internal/app"
)

func main() {
	os.Exit(app.Main(func(ctx context.Context, cfg config.Config, log *slog.Logger) error {
		return app.API(ctx, cfg, log, nil)
	}))
}
