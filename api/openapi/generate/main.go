// Command generate makes what the API's description is served and read as, and may not reach anything but files: openapi.json,
// docs/api.md and the Postman collection of docs/postman, of openapi.yaml.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"data-exhaust/internal/postman"
)

func main() {
	if err := run(filepath.Join("api", "openapi")); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	files, err := generate(folder)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate makes all files, by their names in the folder of the source.
func generate(folder string) (map[string][]byte, error) {
	source, err := os.ReadFile(filepath.Join(folder, "openapi.yaml"))
	if err != nil {
		return nil, err
	}
	document, err := expand(source)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	page := reference(document)
	withoutLinks(document)
	withoutGroups(document)
	var indented bytes.Buffer
	if err := json.Indent(&indented, appendJSON(nil, document), "", " "); err != nil {
		return nil, err
	}
	indented.WriteByte('\n')
	collection, environment, err := postman.Generate(indented.Bytes())
	if err != nil {
		return nil, err
	}
	docs := filepath.Join("..", "..", "docs")
	return map[string][]byte{
		"openapi.json":                indented.Bytes(),
		filepath.Join(docs, "api.md"): page,
		filepath.Join(docs, "postman", postman.CollectionFile):  collection,
		filepath.Join(docs, "postman", postman.EnvironmentFile): environment,
	}, nil
}
