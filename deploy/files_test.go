// Package deploy tests the container image and the Compose file as far as that goes without an
// engine: what they say, and that the commands they hold bring up a stack that makes exhausts.
package deploy

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = ".."

// exampleEnv is what a user has after `cp .env.example .env`.
func exampleEnv(t *testing.T) map[string]string {
	t.Helper()
	env, err := dotenv.Read(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// loadCompose loads docker-compose.yml as `docker compose` does with only env in .env.
func loadCompose(t *testing.T, env map[string]string, options ...func(*loader.Options)) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(t.Context(), composeDetails(t, env), options...)
}

func composeDetails(t *testing.T, env map[string]string) types.ConfigDetails {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return types.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "docker-compose.yml")}},
		Environment: maps.Clone(env), // the loader adds to it
	}
}

func mustLoadCompose(t *testing.T, env map[string]string) *types.Project {
	t.Helper()
	project, err := loadCompose(t, env)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// ours are the services that run this project's image.
func ours(project *types.Project) []types.ServiceConfig {
	var services []types.ServiceConfig
	for _, name := range project.ServiceNames() {
		if service := project.Services[name]; service.Build != nil {
			services = append(services, service)
		}
	}
	return services
}

// environment is a service's, without names that have no value.
func environment(service types.ServiceConfig) map[string]string {
	env := map[string]string{}
	for name, value := range service.Environment {
		if value != nil {
			env[name] = *value
		}
	}
	return env
}

// instruction is one of the Dockerfile: RUN, and what stands behind it on one line.
type instruction struct{ word, rest string }

// stage is what a FROM begins.
type stage []instruction

// readDockerfile gives the stages of the Dockerfile.
func readDockerfile(t *testing.T) []stage {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var stages []stage
	logical := ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || line == "" && logical == "" {
			continue
		}
		if more, ok := strings.CutSuffix(line, `\`); ok {
			logical += more + " "
			continue
		}
		word, rest, _ := strings.Cut(strings.Join(strings.Fields(logical+line), " "), " ")
		logical = ""
		if word == "FROM" {
			stages = append(stages, nil)
		}
		if len(stages) == 0 {
			t.Fatalf("Dockerfile: %s stands before the first FROM", word)
		}
		last := &stages[len(stages)-1]
		*last = append(*last, instruction{word, rest})
	}
	return stages
}

// all are the arguments of every instruction of a word.
func (s stage) all(word string) []string {
	var rests []string
	for _, i := range s {
		if i.word == word {
			rests = append(rests, i.rest)
		}
	}
	return rests
}

// env is what the stage's ENV instructions set.
func (s stage) env() map[string]string {
	env := map[string]string{}
	for _, rest := range s.all("ENV") {
		for _, pair := range strings.Fields(rest) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
	}
	return env
}

func environ(env map[string]string) []string {
	var list []string
	for name, value := range env {
		list = append(list, fmt.Sprintf("%s=%s", name, value))
	}
	return list
}
