package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTheDemoUsesNoSettingOfTemporals: neither those of another Temporal in the environment nor those in the user's file.
func TestTheDemoUsesNoSettingOfTemporals(t *testing.T) {
	t.Chdir(t.TempDir())
	home := t.TempDir()
	folder := filepath.Join(home, "temporalio")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	const profile = "[profile.default]\nnamespace = \"elsewhere\"\napi_key = \"of the file\"\n"
	if err := os.WriteFile(filepath.Join(folder, "temporal.toml"), []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"XDG_CONFIG_HOME":  home, // where the user's file is
		"TEMPORAL_ADDRESS": "127.0.0.1:1", "TEMPORAL_NAMESPACE": "elsewhere", "TEMPORAL_API_KEY": "a key", "TEMPORAL_TLS": "true",
		"TEMPORAL_API_KEY_FILE": "/none", "TEMPORAL_CONFIG_FILE": "/none", "TEMPORAL_PROFILE": "none",
	} {
		t.Setenv(name, value)
	}
	log, err := createDemoFolder()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s, err := startDemoStack(t.Context(), "embedded", log, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}
