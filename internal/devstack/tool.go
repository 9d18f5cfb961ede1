package devstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Tools are the names that [Tool] knows.
var Tools = []string{"temporal", "temporal-server", "temporal-sql-tool", "workflowcheck", "staticcheck", "azurite-blob", "swagger-ui", "htmx", "duckdb",
	"axe-core", "newman", "openapi-typescript", "tsc", "oidc-provider", "pgbouncer", "chromium", "fonts-noto-core", "jq", "curl", "python3"}

// Tool returns the path of a program that tools/ pins; name is one of [Tools]. A temporal of at
// least version 1.5 on PATH is taken as it is. Anything else is built or installed, once, into the
// user's cache folder, with a line on log that says so; log may be nil. swagger-ui, htmx, axe-core, duckdb and oidc-provider
// are modules of Node.js, each the folder of one. pgbouncer, chromium, fonts-noto-core (fonts of all scripts), jq, curl and python3
// are not pinned: they are Debian's, which are installed where they are missing and we are root.
//
// tools/ is looked for in the module data-exhaust around the working directory. Where it is not there, what a checkout has
// put into the cache is taken, the newest, with a line on log.
func Tool(ctx context.Context, name string, log io.Writer) (string, error) {
	if !slices.Contains(Tools, name) {
		return "", fmt.Errorf("unknown tool %q: there are %s", name, strings.Join(Tools, ", "))
	}
	if log == nil {
		log = io.Discard
	}
	var unfit *unfitError
	if name == "temporal" {
		path, err := installedTemporal(ctx)
		if err == nil {
			return path, nil
		}
		if errors.As(err, &unfit) {
			fmt.Fprintf(log, "%v: another is taken\n", unfit)
		}
	}
	if i := slices.IndexFunc(debianPackages, func(p debianPackage) bool { return p.name == name }); i >= 0 {
		return debianPackages[i].provide(ctx, log)
	}
	dir, err := toolsFolder()
	if err != nil {
		return "", err
	}
	if dir == "" {
		return takeFromCache(ctx, name, unfit, log)
	}
	return recipeOf(dir, name).provide(ctx, log)
}

func recipeOf(toolsDir, name string) recipe {
	switch name {
	case "azurite-blob":
		// DuckDB is many times as large, and only benchmarks want it.
		return npmRecipe(toolsDir, name, "azurite", ".bin/azurite-blob", "--omit=dev")
	case "swagger-ui":
		// It is small, and lies where Azurite does.
		return npmRecipe(toolsDir, name, "azurite", "swagger-ui-dist", "--omit=dev")
	case "htmx":
		return npmRecipe(toolsDir, name, "azurite", "htmx.org", "--omit=dev")
	case "axe-core":
		return npmRecipe(filepath.Join(toolsDir, "clients"), name, "clients", name)
	case "duckdb":
		return npmRecipe(toolsDir, name, "duckdb", "@duckdb/node-api")
	case "newman", "openapi-typescript", "tsc":
		return npmRecipe(filepath.Join(toolsDir, "clients"), name, "clients", ".bin/"+name)
	case "oidc-provider":
		return npmRecipe(filepath.Join(toolsDir, "clients"), name, "clients", name)
	}
	return goRecipe(toolsDir, name)
}

// recipe makes one tool from files of tools/.
type recipe struct {
	name string
	// key names the tool's version in the cache: kind-<hash of inputs and salt>.
	kind   string
	inputs []string
	salt   string
	// make leaves result in a folder; program is the path in there to start.
	make            func(ctx context.Context, folder string) *exec.Cmd
	result, program string
	// duration tells people how long make takes.
	duration string
}

// goPackages are the main packages of the tools written in Go.
var goPackages = map[string]string{
	"temporal":          "github.com/temporalio/cli/cmd/temporal",
	"temporal-server":   "go.temporal.io/server/cmd/server",
	"temporal-sql-tool": "go.temporal.io/server/cmd/tools/sql",
	"workflowcheck":     "go.temporal.io/sdk/contrib/tools/workflowcheck",
	"staticcheck":       "honnef.co/go/tools/cmd/staticcheck",
}

func goRecipe(toolsDir, name string) recipe {
	return recipe{
		name:   name,
		kind:   "tools",
		inputs: []string{filepath.Join(toolsDir, "go.mod"), filepath.Join(toolsDir, "go.sum")},
		// A linter built with another Go than it reads would fail.
		salt:   runtime.Version() + runtime.GOOS + runtime.GOARCH,
		result: name, program: name,
		duration: "a few minutes",
		make: func(ctx context.Context, folder string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, "go", "build", "-C", toolsDir, "-trimpath", "-ldflags=-s -w",
				"-o", filepath.Join(folder, name), goPackages[name])
			cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0", "GOOS=", "GOARCH=")
			return cmd
		},
	}
}

// npmRecipe installs what a folder's package.json pins into a folder of this kind; program is the tool's in its node_modules.
func npmRecipe(pins, name, kind, program string, flags ...string) recipe {
	inputs := []string{filepath.Join(pins, "package.json"), filepath.Join(pins, "package-lock.json")}
	return recipe{
		name:   name,
		kind:   kind,
		inputs: inputs,
		result: kind, program: filepath.Join(kind, "node_modules", filepath.FromSlash(program)),
		duration: "about 20 seconds",
		make: func(ctx context.Context, folder string) *exec.Cmd {
			// The install scripts of its dependencies are for other uses than ours.
			script := `mkdir "$0" && cp "$1" "$2" "$0" && cd "$0" && shift 2 && npm ci --ignore-scripts --no-audit --no-fund "$@"`
			cmd := exec.CommandContext(ctx, "sh", slices.Concat([]string{"-c", script, kind}, inputs, flags)...)
			cmd.Dir = folder
			return cmd
		},
	}
}

// provide returns the program from the cache, where it makes it first if it is not there yet.
// However many processes ask at once, one makes it and the others wait for it.
func (r recipe) provide(ctx context.Context, log io.Writer) (string, error) {
	cache, err := r.cacheFolder()
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, r.program)
	if exists(program) {
		return program, nil
	}
	unlock, err := lock(ctx, filepath.Join(cache, ".lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another process that builds tools: %w", err)
	}
	defer unlock()
	if exists(program) {
		return program, nil
	}
	fmt.Fprintf(log, "building %s from tools/ into %s: it is not there yet; this takes %s, once\n", r.name, cache, r.duration)
	begin := time.Now()
	if err := r.makeIn(ctx, cache); err != nil {
		return "", fmt.Errorf("build %s: %w", r.name, err)
	}
	fmt.Fprintf(log, "built %s in %s\n", r.name, time.Since(begin).Round(time.Second))
	return program, nil
}

// makeIn makes the tool in a folder of its own and moves it to its place when it is whole.
func (r recipe) makeIn(ctx context.Context, cache string) error {
	leftovers, _ := filepath.Glob(filepath.Join(cache, ".unfinished-*")) // of processes that were killed; the pattern is well-formed
	for _, dir := range leftovers {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	unfinished, err := os.MkdirTemp(cache, ".unfinished-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	cmd := r.make(ctx, unfinished)
	output, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install it", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, output)
	}
	return os.Rename(filepath.Join(unfinished, r.result), filepath.Join(cache, r.result))
}

func (r recipe) cacheFolder() (string, error) {
	root, err := cacheRoot()
	if err != nil {
		return "", fmt.Errorf("find the cache folder for %s: %w", r.name, err)
	}
	hash := sha256.New()
	io.WriteString(hash, r.salt)
	for _, path := range r.inputs {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("build %s: %w", r.name, err)
		}
		hash.Write(content)
	}
	dir := filepath.Join(root, r.kind+"-"+hex.EncodeToString(hash.Sum(nil)[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", r.name, err)
	}
	return dir, nil
}

// cacheRoot holds what all checkouts of a user have built.
func cacheRoot() (string, error) {
	user, err := os.UserCacheDir()
	return filepath.Join(user, "data-exhaust"), err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// toolsFolder finds tools/ of the module around the working directory; "" is none.
func toolsFolder() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module data-exhaust\n") {
			return filepath.Join(dir, "tools"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
	}
}

// takeFromCache finds a tool that a checkout has built, for a binary outside of any. unfit is why the one on PATH was not
// taken; nil where there is none.
func takeFromCache(ctx context.Context, name string, unfit *unfitError, log io.Writer) (string, error) {
	root, err := cacheRoot()
	if err != nil {
		return "", fmt.Errorf("find the cache folder for %s: %w", name, err)
	}
	if program := newestProgram(root, recipeOf("", name)); program != "" {
		fmt.Fprintf(log, "taking %s that a checkout of data-exhaust has built: %s\n", name, program)
		return program, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	found, advice := "", "run this in a checkout of data-exhaust"
	if unfit != nil {
		found = unfit.Error() + "; "
	}
	if name == "temporal" {
		advice += ", or install the Temporal CLI 1.5 or newer on PATH (https://docs.temporal.io/cli)"
	}
	return "", fmt.Errorf("%s%s is built from the folder tools/ of data-exhaust, which is not above %s, and no checkout has built it into %s: %s",
		found, name, here, root, advice)
}

// newestProgram is the program of a recipe that was put into the cache last, by whatever release; "" is none.
func newestProgram(root string, r recipe) (newest string) {
	// What is only half made lies a folder deeper. The pattern is well-formed but for a cache folder with a bracket.
	programs, _ := filepath.Glob(filepath.Join(root, r.kind+"-*", r.program))
	var at time.Time
	for _, program := range programs {
		if info, err := os.Stat(program); err == nil && info.ModTime().After(at) {
			newest, at = program, info.ModTime()
		}
	}
	return newest
}

// unfitError says which temporal was found on PATH, and why it will not do.
type unfitError struct{ path, why string }

func (e *unfitError) Error() string {
	return fmt.Sprintf("temporal on PATH (%s) will not do: %s; 1.5 or newer would", e.path, e.why)
}

// installedTemporal is the temporal on PATH. It is an *unfitError where that is not of a version that is known to be 1.5 or
// newer.
func installedTemporal(ctx context.Context) (string, error) {
	path, err := exec.LookPath("temporal")
	if err != nil {
		return "", err
	}
	output, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if why := whyUnfit(string(output), err); why != "" {
		return "", &unfitError{path, why}
	}
	return path, nil
}

// whyUnfit judges what `temporal --version` printed; "" is fit.
func whyUnfit(printed string, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(printed), "\n")
	line = fmt.Sprintf("%.100q", line)
	if err != nil {
		return fmt.Sprintf("temporal --version failed (%v) and printed %s", err, line)
	}
	var version string
	var major, minor int
	if _, err := fmt.Sscanf(printed, "temporal version %s", &version); err != nil {
		return fmt.Sprintf("temporal --version printed %s, which names no version", line)
	}
	if version == "0.0.0-DEV" {
		return "it says that it is version 0.0.0-DEV, as one that was built from source does, which may be any version"
	}
	if _, err := fmt.Sscanf(version, "%d.%d.", &major, &minor); err != nil {
		return fmt.Sprintf("temporal --version printed %s, which names no version", line)
	}
	if major < 1 || major == 1 && minor < 5 {
		return "it is version " + version
	}
	return ""
}
