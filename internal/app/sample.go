package app

import (
	"context"
	"errors"

	"github.com/jmoiron/sqlx"

	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/internal/sample"
	"data-exhaust/telemetry"
)

// Sample fills the telemetry store and UCI's tables with sample data, whose layout and cipher are
// those of the settings. It may run again: what is there of the same name is replaced.
func Sample(ctx context.Context, cfg config.Config, options sample.Options) (*sample.Set, error) {
	if cfg.UCIDatabaseURL != cfg.FusionAuthDatabaseURL {
		return nil, errors.New("sample data goes into one database: UCI_DATABASE_URL and FUSIONAUTH_DATABASE_URL differ")
	}
	layout, err := telemetry.ParseLayout(cfg.TelemetryLayout)
	if err != nil {
		return nil, err
	}
	options.Layout = layout.Prefix
	if cfg.EncryptionSecret != "" {
		if options.Cipher, err = exhaust.NewCipher(cfg.EncryptionSecret); err != nil {
			return nil, err
		}
	}
	set := sample.New(options)
	dbs, err := openDatabases(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer dbs.Close()
	if err := askDatabase(ctx, "UCI_DATABASE_URL", dbs.uci); err != nil {
		return nil, err
	}
	err = dbs.uci.Write(ctx, func(tx *sqlx.Tx) error {
		return set.Insert(ctx, func(ctx context.Context, query string, args ...any) error {
			_, err := tx.ExecContext(ctx, query, args...)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	stores, err := openStores(ctx, cfg, nil)
	if err != nil {
		return nil, err
	}
	return set, sample.WriteTelemetry(ctx, set, func(ctx context.Context, name string) (blob.Writer, error) {
		return stores.telemetry.Create(ctx, name, "application/gzip")
	})
}
