package app

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/receipt"
)

// receiptKey is the key that receipts are signed with: the one that is set, else one in the data dir, which is made where
// there is none.
func receiptKey(cfg config.Config) (ed25519.PrivateKey, error) {
	if cfg.ReceiptKey != "" {
		key, err := receipt.ParseKey(cfg.ReceiptKey)
		if err != nil {
			return nil, fmt.Errorf("EXHAUST_RECEIPT_KEY: %w", err)
		}
		return key, nil
	}
	seed, err := blob.LoadOrCreateKey(filepath.Join(cfg.DataDir, "receipt.key"))
	if err != nil {
		return nil, fmt.Errorf("EXHAUST_RECEIPT_KEY is not set, and EXHAUST_DATA_DIR has no key: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// isModified ends the version of a program whose sources differ from those of its revision.
const isModified = " (modified)"

// buildVersion is the version of the code that runs: its revision, as the Go tool stamped it, and else, as in an image that
// was built without the repository, what tells this program from any other.
func buildVersion() (string, error) {
	version, revision := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, setting := range info.Settings {
			switch {
			case setting.Key == "vcs.revision":
				revision = " " + setting.Value
			case setting.Key == "vcs.modified" && setting.Value == "true":
				revision += isModified
			}
		}
	}
	if revision != "" {
		return version + revision, nil
	}
	sum, err := hashProgram()
	return version + " sha256:" + sum, err
}

// hashProgram is the SHA-256 of the program's own file.
func hashProgram() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program's own file: %w", err)
	}
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read the program's own file: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read the program's own file: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
