package app

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"path/filepath"

	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/receipt"
)

// signingKey is the key that signs the URLs of a reports store in a folder. One in Azure needs none: nil.
func signingKey(cfg config.Config, log *slog.Logger) ([]byte, error) {
	if location, _ := blob.ParseURL(cfg.ReportsStore); location.Folder == "" {
		return nil, nil
	}
	if cfg.SigningKey == "" {
		return keyInDataDir(cfg, "signing.key", "EXHAUST_SIGNING_KEY", log)
	}
	key, err := blob.ParseKey(cfg.SigningKey)
	if err != nil {
		return nil, fmt.Errorf("EXHAUST_SIGNING_KEY: %w", err)
	}
	return key, nil
}

// receiptKey is the key that receipts are signed with.
func receiptKey(cfg config.Config, log *slog.Logger) (ed25519.PrivateKey, error) {
	if cfg.ReceiptKey == "" {
		seed, err := keyInDataDir(cfg, "receipt.key", "EXHAUST_RECEIPT_KEY", log)
		if err != nil {
			return nil, err
		}
		return ed25519.NewKeyFromSeed(seed), nil
	}
	key, err := receipt.ParseKey(cfg.ReceiptKey)
	if err != nil {
		return nil, fmt.Errorf("EXHAUST_RECEIPT_KEY: %w", err)
	}
	return key, nil
}

// keyInDataDir is the key that stands in for a setting, which is made where there is none.
func keyInDataDir(cfg config.Config, name, setting string, log *slog.Logger) ([]byte, error) {
	key, err := blob.LoadOrCreateKey(filepath.Join(cfg.DataDir, name))
	if err != nil {
		return nil, fmt.Errorf("%s is not set, and EXHAUST_DATA_DIR has no key for it: %w", setting, err)
	}
	if key.IsExposed() {
		log.Warn("a key file can be read by others than its owner: chmod 600 it or, where that cannot be, set the key",
			"file", key.Path, "mode", key.Mode.String(), "setting", setting)
	}
	return key.Key, nil
}
