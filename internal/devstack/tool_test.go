package devstack

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
	elsewhere := t.TempDir()
	for _, c := range []struct{ name, tool, want string }{
		{"an unknown name", "temporel",
			`unknown tool "temporel": there are temporal, temporal-server, temporal-sql-tool, workflowcheck, staticcheck, azurite-blob`},
		{"outside of the project", "staticcheck",
			"staticcheck is built from the folder tools/ of data-exhaust, which is not above " + elsewhere + ": run this in a checkout of data-exhaust"},
		{"Temporal outside of the project", "temporal",
			"temporal is built from the folder tools/ of data-exhaust, which is not above " + elsewhere + ": run this in a checkout of data-exhaust, " +
				"or install the Temporal CLI 1.5 or newer on PATH (https://docs.temporal.io/cli)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(elsewhere)
			t.Setenv("PATH", elsewhere)
			_, err := Tool(t.Context(), c.tool, nil)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
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
			path := t.TempDir()
			program := filepath.Join(path, "temporal")
			if err := os.WriteFile(program, []byte("#!/bin/sh\necho '"+output+"'\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", path)
			want := ""
			if taken {
				want = program
			}
			if got := installedTemporal(t.Context()); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
