package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// The test's own program stands for this one: it measures, and it is what is measured.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == measureMode {
		if err := runMeasure(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if megabytes, err := strconv.Atoi(os.Getenv("BENCH_TEST_MEGABYTES")); err == nil {
		useUp(megabytes)
		fmt.Print("done")
		return
	}
	os.Exit(m.Run())
}

const busy = 200 * time.Millisecond

// useUp has memory resident, and a core busy.
func useUp(megabytes int) {
	memory := bytes.Repeat([]byte{1}, megabytes<<20)
	for begin := time.Now(); time.Since(begin) < busy; {
		memory[0]++
	}
	runtime.KeepAlive(memory)
}

func TestAProcessIsMeasuredWhole(t *testing.T) {
	useUp(300) // what measures has more memory than what is measured
	t.Setenv("BENCH_TEST_MEGABYTES", "100")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string][]string{"itself": {program}, "in a pipe": {"sh", "-c", `"$0" | cat`, program}} {
		var stdout output
		took, err := measure(t.Context(), &stdout, command...)
		if err != nil {
			t.Fatal(err)
		}
		if stdout.String() != "done" {
			t.Errorf("%s: it printed %q", name, stdout.String())
		}
		if took.Wall < busy || took.CPU < busy/4 || took.CPU > took.Wall*time.Duration(runtime.NumCPU()) {
			t.Errorf("%s: %v, and %v of a core", name, took.Wall, took.CPU)
		}
		if mib := took.Peak >> 20; mib < 100 || mib > 250 {
			t.Errorf("%s: %d MiB resident at the peak, want 100 and some", name, mib)
		}
	}
}

func TestAProcessThatFailsIsNotMeasured(t *testing.T) {
	if took, err := measure(t.Context(), nil, "false"); err == nil {
		t.Errorf("it took %v", took)
	}
}
