package devstack

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTwoProcessesBuildAToolOnce(t *testing.T) {
	t.Parallel()
	goCache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"XDG_CACHE_HOME=" + t.TempDir(), "GOCACHE=" + strings.TrimSpace(string(goCache))}
	processes := []*exec.Cmd{this("workflowcheck", env...), this("workflowcheck", env...)}
	var outputs, logs [2]bytes.Buffer
	for i, p := range processes {
		p.Stdout, p.Stderr = &outputs[i], &logs[i]
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range processes {
		if err := p.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, &logs[i])
		}
	}
	if outputs[0].String() != outputs[1].String() {
		t.Errorf("the two got %s and %s", &outputs[0], &outputs[1])
	}
	log := logs[0].String() + logs[1].String()
	if strings.Count(log, "building workflowcheck from tools/ into ") != 1 || strings.Count(log, "built workflowcheck in ") != 1 {
		t.Errorf("the two logged:\n%s", log)
	}
	program := strings.TrimSpace(outputs[0].String())
	if version, err := exec.Command(program, "-V=full").CombinedOutput(); err != nil || !bytes.HasPrefix(version, []byte(program+" version ")) {
		t.Errorf("%s -V=full: %v\n%s", program, err, version)
	}
	left, err := os.ReadDir(filepath.Dir(program))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	if got := strings.Join(names, " "); got != ".lock workflowcheck" {
		t.Errorf("the cache holds %s", got)
	}
}

func TestAToolThatCannotBeHadSaysWhatToDo(t *testing.T) {
	const inTools, unlessCLI = " is built from the folder tools/ of data-exhaust, which is not above ELSEWHERE, and no checkout has built it into CACHE/data-exhaust: " +
		"run this in a checkout of data-exhaust", ", or install the Temporal CLI 1.5 or newer on PATH (https://docs.temporal.io/cli)"
	for _, c := range []struct{ name, tool, onPath, want string }{
		{"an unknown name", "temporel", "",
			`unknown tool "temporel": there are temporal, temporal-server, temporal-sql-tool, workflowcheck, staticcheck, azurite-blob, swagger-ui, htmx, duckdb, axe-core, newman, openapi-typescript, tsc, oidc-provider, pgbouncer, chromium, fonts-noto-core, jq, curl, python3`},
		{"outside of the project", "staticcheck", "", "staticcheck" + inTools},
		{"Temporal outside of the project", "temporal", "", "temporal" + inTools + unlessCLI},
		{"and one on PATH that was built from source", "temporal", "echo 'temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)'",
			"temporal on PATH (PATH/temporal) will not do: it says that it is version 0.0.0-DEV, as one that was built from source does, which may be any version; " +
				"1.5 or newer would; temporal" + inTools + unlessCLI},
		{"and an old one on PATH", "temporal", "echo 'temporal version 1.4.9 (Server 1.28.0, UI 2.39.0)'",
			"temporal on PATH (PATH/temporal) will not do: it is version 1.4.9; 1.5 or newer would; temporal" + inTools + unlessCLI},
		{"and another program of that name", "temporal", "echo 'tctl version 1.18.0'; echo more",
			`temporal on PATH (PATH/temporal) will not do: temporal --version printed "tctl version 1.18.0", which names no version; ` +
				"1.5 or newer would; temporal" + inTools + unlessCLI},
		{"and a version of another form", "temporal", "echo 'temporal version newest'",
			`temporal on PATH (PATH/temporal) will not do: temporal --version printed "temporal version newest", which names no version; ` +
				"1.5 or newer would; temporal" + inTools + unlessCLI},
		{"and one on PATH that does not run", "temporal", "echo 'no such library' >&2; exit 127",
			`temporal on PATH (PATH/temporal) will not do: temporal --version failed (exit status 127) and printed "no such library"; ` +
				"1.5 or newer would; temporal" + inTools + unlessCLI},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := outsideOfTheProject(t, c.onPath)
			_, err := Tool(t.Context(), c.tool, nil)
			want := strings.NewReplacer("ELSEWHERE", m.here, "CACHE", m.cache, "PATH/", m.path+"/").Replace(c.want)
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// machine is the folders of a user: the working directory, the cache, and the one on PATH.
type machine struct{ here, cache, path string }

// outsideOfTheProject works in an empty folder, with an empty cache, and with a script as temporal on PATH, or none.
func outsideOfTheProject(t *testing.T, temporal string) machine {
	t.Helper()
	m := machine{t.TempDir(), t.TempDir(), t.TempDir()}
	t.Chdir(m.here)
	t.Setenv("XDG_CACHE_HOME", m.cache)
	t.Setenv("HOME", m.cache)
	t.Setenv("PATH", m.path)
	if temporal != "" {
		writeProgram(t, filepath.Join(m.path, "temporal"), temporal)
	}
	return m
}

func writeProgram(t *testing.T, path, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestABinaryOutsideOfTheProjectTakesTheNewestThatACheckoutHasBuilt(t *testing.T) {
	const dev = "echo 'temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)'"
	m := outsideOfTheProject(t, dev)
	built := filepath.Join(m.cache, "data-exhaust")
	newest := filepath.Join(built, "tools-2222222222222222", "temporal")
	now := time.Now()
	for path, age := range map[string]time.Duration{
		filepath.Join(built, "tools-1111111111111111", "temporal"): 2 * time.Hour,
		newest: time.Hour,
		filepath.Join(built, "tools-3333333333333333", "temporal"):                  3 * time.Hour,
		filepath.Join(built, "tools-4444444444444444", ".unfinished-1", "temporal"): time.Minute,
		filepath.Join(built, "tools-5555555555555555", "staticcheck"):               time.Minute,
		filepath.Join(built, "azurite-666666666666666", "temporal"):                 time.Minute,
	} {
		writeProgram(t, path, dev)
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	got, err := Tool(t.Context(), "temporal", &log)
	if err != nil || got != newest {
		t.Errorf("got %s, %v; want %s", got, err, newest)
	}
	want := "temporal on PATH (" + m.path + "/temporal) will not do: it says that it is version 0.0.0-DEV, as one that was built from source does, " +
		"which may be any version; 1.5 or newer would: another is taken\n" +
		"taking temporal that a checkout of data-exhaust has built: " + newest + "\n"
	if log.String() != want {
		t.Errorf("the log says\n%swant\n%s", &log, want)
	}

	// One on PATH that is fit is preferred, without a word.
	fit := filepath.Join(m.path, "temporal")
	writeProgram(t, fit, "echo 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)'")
	log.Reset()
	if got, err := Tool(t.Context(), "temporal", &log); err != nil || got != fit || log.String() != "" {
		t.Errorf("got %s, %v, and the log says %q; want %s", got, err, &log, fit)
	}
}

func TestAProgramThatIsNotInstalledIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, goErr := Tool(t.Context(), "workflowcheck", nil)
	_, nodeErr := StartAzurite(t.Context(), AzuriteOptions{})
	_, postgresErr := postgresPrograms("/nowhere/*/bin")
	for _, c := range []struct {
		err  error
		want string
	}{
		{goErr, `build workflowcheck: exec: "go": executable file not found in $PATH: install it`},
		{nodeErr, `azurite runs on Node.js: exec: "node": executable file not found in $PATH: install Node.js 20 or newer`},
		{postgresErr, "PostgreSQL is not installed: there is no postgres on PATH and none in /nowhere/<version>/bin; " +
			"install PostgreSQL 15 or newer (Debian: apt-get install postgresql)"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", c.err, c.want)
		}
	}
}

func TestATemporalOnPathIsTakenFromVersion1_5On(t *testing.T) {
	for output, taken := range map[string]bool{
		"temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)":     true,
		"temporal version 1.10.0 (Server 1.40.0, UI 2.60.0)":    true,
		"temporal version 2.0.0 (Server 2.0.0, UI 3.0.0)":       true,
		"temporal version 1.4.9 (Server 1.28.0, UI 2.39.0)":     false,
		"temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)": false,
		"tctl version 1.18.0":                                   false,
	} {
		t.Run(output, func(t *testing.T) {
			m := outsideOfTheProject(t, "echo '"+output+"'")
			got, err := Tool(t.Context(), "temporal", nil)
			if want := filepath.Join(m.path, "temporal"); taken && got != want || !taken && err == nil {
				t.Errorf("got %q, %v; is it to be taken: %v", got, err, taken)
			}
		})
	}
}

// TestATemporalOnPathThatWillNotDoIsNamedWhereAnotherIsBuilt: in a checkout.
func TestATemporalOnPathThatWillNotDoIsNamedWhereAnotherIsBuilt(t *testing.T) {
	path := t.TempDir()
	writeProgram(t, filepath.Join(path, "temporal"), "echo 'temporal version 1.4.9 (Server 1.28.0, UI 2.39.0)'")
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	var log bytes.Buffer
	got, err := Tool(t.Context(), "temporal", &log)
	if err != nil || filepath.Dir(got) == path || !exists(got) {
		t.Fatalf("got %s, %v", got, err)
	}
	want := "temporal on PATH (" + path + "/temporal) will not do: it is version 1.4.9; 1.5 or newer would: another is taken\n"
	if line, _, _ := strings.Cut(log.String(), "\n"); line+"\n" != want {
		t.Errorf("the log says\n%swant\n%s", &log, want)
	}
}
