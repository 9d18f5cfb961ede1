// Package architecture holds no code: its tests hold the project to its plan (docs/architecture.md), which packages may
// import which, and to the names that live outside the code.
package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "data-exhaust/"

// floors are the packages from the ground up. A package may import those of the floors below its own.
var floors = [][]string{
	{"exhaust", "telemetry/gunzip", "api/openapi"},
	{"access", "database", "report", "telemetry", "blob", "receipt"},
	{"jobs", "registry"},
	{"activities/segments"},
	{"activities/summary"},
	{"activities"},
	{"activities/night", "activities/recurring"},
	{"workflows"},
	{"service", "api/reference"},
	{"api/admission", "api/health"},
	{"config", "api/rest", "api/console"},
	{"internal/devstack", "internal/sample"},
	{"internal/app", "internal/servers"},
	{"bench/stack"},
	{"api", "worker", "starter", "api/openapi/generate", "bench", "bench/load", "e2e/attempts/haltingworker"},
}

// exact are the packages of the project that some packages import, where their floor alone would allow more.
var exact = map[string][]string{
	"exhaust":                    nil,
	"access":                     {"exhaust"},
	"database":                   nil,
	"report":                     {"exhaust"},
	"blob":                       nil,
	"receipt":                    nil,
	"telemetry":                  {"exhaust", "telemetry/gunzip"},
	"telemetry/gunzip":           nil,
	"jobs":                       {"access", "database", "exhaust", "receipt"},
	"registry":                   {"database", "exhaust", "telemetry"},
	"api/openapi":                nil,
	"api/openapi/generate":       {"exhaust", "internal/postman"},
	"api/reference":              nil,
	"api/admission":              {"access", "exhaust"},
	"api/health":                 nil,
	"api/console":                {"access", "api/admission", "api/health", "exhaust", "registry", "service"},
	"api/rest":                   {"access", "api/admission", "api/health", "api/openapi", "api/reference", "exhaust", "jobs", "registry", "service"},
	"service":                    {"access", "activities", "blob", "database", "exhaust", "jobs", "receipt", "registry", "report", "telemetry", "workflows"},
	"activities/segments":        {"blob"},
	"activities/summary":         {"activities/segments", "exhaust", "report", "telemetry"},
	"workflows":                  {"activities", "activities/night", "activities/recurring", "exhaust", "receipt"},
	"internal/devstack":          nil,
	"internal/sample":            {"blob", "database", "exhaust"},
	"internal/dbtest":            {"database", "internal/devstack"},
	"internal/e2etest":           {"internal/apitest", "internal/devstack"},
	"internal/apitest":           {"api/openapi", "exhaust"},
	"internal/browsertest":       {"internal/devstack"},
	"internal/cputest":           nil,
	"internal/heaptest":          nil,
	"internal/logtest":           nil,
	"internal/openidtest":        {"internal/devstack"},
	"internal/devstack/cmd/tool": {"internal/devstack"},
	"internal/postman":           nil,
	"internal/servers":           {"internal/devstack", "service"},
	"bench":                      {"activities", "bench/stack", "blob", "database", "exhaust", "internal/devstack", "internal/sample", "internal/servers", "jobs", "registry", "report", "telemetry", "telemetry/gunzip"},
	"bench/stack":                {"config", "exhaust", "internal/app", "internal/devstack", "internal/servers"},
	"bench/load":                 {"bench/stack", "config", "database", "exhaust", "internal/app", "internal/devstack", "internal/sample", "internal/servers", "service"},
	"api":                        {"config", "internal/app"},
	"worker":                     {"internal/app"},
	"e2e/attempts/haltingworker": {"blob", "internal/app"},
}

// importers are the only packages that import some others.
var importers = map[string][]string{
	"api/reference":        {"api/rest"},
	"api/admission":        {"api/console", "api/rest", "internal/app"},
	"api/health":           {"api/console", "api/rest", "internal/app"},
	"api/console":          {"internal/app"},
	"api/rest":             {"internal/app"},
	"activities/summary":   {"activities"},
	"telemetry/gunzip":     {"bench", "telemetry"},
	"internal/app":         {"api", "worker", "starter", "bench/load", "bench/stack", "e2e/attempts/haltingworker"},
	"config":               {"api", "internal/app", "starter", "bench/load", "bench/stack"},
	"internal/devstack":    {"internal/browsertest", "internal/dbtest", "internal/devstack/cmd/tool", "internal/e2etest", "internal/openidtest", "internal/servers", "bench", "bench/load", "bench/stack"},
	"internal/sample":      {"internal/app", "starter", "bench", "bench/load"},
	"internal/servers":     {"starter", "bench", "bench/load", "bench/stack"},
	"internal/postman":     {"api/openapi/generate"},
	"bench/stack":          {"bench", "bench/load"},
	"internal/browsertest": nil,
	"internal/dbtest":      nil,
	"internal/e2etest":     nil,
	"internal/apitest":     {"internal/e2etest"},
	"internal/cputest":     nil,
	"internal/heaptest":    nil,
	"internal/logtest":     nil,
	"internal/openidtest":  nil,
}

// strangers are packages of others that some packages must not import: what their comments say they do not do.
var strangers = map[string][]string{
	"exhaust":     {"os", "net", "net/http", "database/sql", "go.temporal.io/sdk/workflow", "go.temporal.io/sdk/client"},
	"report":      {"os", "net/http", "database/sql"},
	"telemetry":   {"os", "net/http", "database/sql"},
	"access":      {"database/sql", "go.temporal.io/sdk/client"},
	"workflows":   {"os", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "sync", "log", "log/slog", "context", "go.temporal.io/sdk/client", "go.temporal.io/sdk/activity"},
	"service":     {"net/http", "os"},
	"api/health":  {"net/http", "go.temporal.io/sdk/client", "database/sql"},
	"api/rest":    {"go.temporal.io/sdk/client", "database/sql"},
	"api/console": {"go.temporal.io/sdk/client", "database/sql", "os"},
}

// source is what a package's files, tests aside, say of it.
type source struct {
	name     string
	comments []string
	imports  []string
}

// packages reads the project's packages, by their folders. It parses them itself: go test does not see what a `go list`
// reads, and would give the answer of before.
func packages(t *testing.T) map[string]*source {
	t.Helper()
	all := map[string]*source{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "tools" || entry.Name() == "data" || strings.HasPrefix(entry.Name(), ".") && path != root):
			return fs.SkipDir
		case entry.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		if all[folder] == nil {
			all[folder] = &source{name: file.Name.Name}
		}
		p := all[folder]
		if file.Doc != nil {
			p.comments = append(p.comments, file.Doc.Text())
		}
		for _, spec := range file.Imports {
			p.imports = append(p.imports, strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if all["workflows"] == nil || !slices.Contains(all["workflows"].imports, module+"exhaust") {
		t.Fatal("the packages are not found where they are looked for")
	}
	return all
}

func TestArrowsPointDown(t *testing.T) {
	floorOf := map[string]int{}
	for number, floor := range floors {
		for _, name := range floor {
			floorOf[name] = number
		}
	}
	for folder, p := range packages(t) {
		own, onFloor := floorOf[folder]
		allowed, isExact := exact[folder]
		if !onFloor && !isExact {
			t.Errorf("package %s is on no floor: give it one here and in docs/architecture.md", folder)
			continue
		}
		for _, imported := range p.imports {
			if slices.Contains(strangers[folder], imported) {
				t.Errorf("%s imports %s, which its comment rules out", folder, imported)
			}
			name, isOurs := strings.CutPrefix(imported, module)
			if !isOurs {
				continue
			}
			if isExact && !slices.Contains(allowed, name) || onFloor && floorOf[name] >= own {
				t.Errorf("%s imports %s: that arrow does not point down", folder, name)
			}
			if only, isRestricted := importers[name]; isRestricted && !slices.Contains(only, folder) {
				t.Errorf("%s imports %s, which only %q may", folder, name, only)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	limits := regexp.MustCompile(`\b(not|no|nothing|never|only|nor)\b`)
	for folder, p := range packages(t) {
		begin := "Package " + p.name + " "
		if p.name == "main" {
			begin = "Command "
		}
		if len(p.comments) != 1 || !strings.HasPrefix(p.comments[0], begin) {
			t.Errorf("the comments of package %s are %.80q, want one that begins %q", folder, p.comments, begin)
			continue
		}
		sentence, _, _ := strings.Cut(strings.ReplaceAll(p.comments[0], "\n", " ")+" ", ". ")
		if !limits.MatchString(sentence) {
			t.Errorf("the first sentence about package %s does not say what it may not do: %s", folder, sentence)
		}
	}
}
