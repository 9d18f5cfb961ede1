package console

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"data-exhaust/internal/devstack"
)

func TestTheLibraryIsThatOfThePinnedVersion(t *testing.T) {
	pinned, err := devstack.Tool(t.Context(), "htmx", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := staticFiles.ReadDir("library")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("library/ holds %d files, want the script and its licence", len(entries))
	}
	for name, of := range map[string]string{"htmx.min.js": "dist/htmx.min.js", "LICENSE": "LICENSE"} {
		want, err := os.ReadFile(filepath.Join(pinned, of))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := staticFiles.ReadFile("library/" + name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("library/%s is not that of the version that tools/package.json pins (%v): run `make htmx`", name, err)
		}
	}
}
