package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// row is a line of the table. What is zero stays empty.
type row struct {
	corpus, what string
	cost
	// rate is in MB/s of unpacked telemetry, or of what was written.
	rate float64
	// ratio is what is compared, wanted what is promised of it; figure takes their place where they are no ratio.
	ratio          float64
	figure, wanted string
}

var columns = []string{"corpus", "what", "s", "CPU s", "peak MiB", "MB/s", "ratio", "wanted"}

// printTable prints Markdown, to be pasted into docs/performance.md.
func printTable(out io.Writer, rows []row) {
	fmt.Fprintf(out, "%s.\n\n| %s |\n|---|---|%s\n", describeMachine(), strings.Join(columns, " | "), strings.Repeat("---:|", len(columns)-2))
	for _, r := range rows {
		cells := []string{
			r.corpus, r.what, number("%.2f", r.Wall.Seconds()), number("%.2f", r.CPU.Seconds()), number("%.0f", float64(r.Peak)/(1<<20)),
			number("%.0f", r.rate), number("%.2f", r.ratio) + r.figure, r.wanted,
		}
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
	}
}

func number(format string, value float64) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf(format, value)
}

// describeMachine names what the figures depend on, and nothing by which the machine could be found.
func describeMachine() string {
	model := runtime.GOARCH
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	commit := "unknown"
	if output, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output(); err == nil {
		commit = strings.TrimSpace(string(output))
	}
	return fmt.Sprintf("Commit %s, %s, %d cores of %s, %s", commit, runtime.Version(), runtime.NumCPU(), model, time.Now().Format(time.DateOnly))
}
