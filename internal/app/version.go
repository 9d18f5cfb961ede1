package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

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
