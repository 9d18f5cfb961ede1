package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"data-exhaust/bench/stack"
)

// build measures what a core writes of a report, by a benchmark of its package.
func (b *bench) build(ctx context.Context) (rows []row, err error) {
	results, err := runGoBenchmarks(ctx, "./activities", "^BenchmarkBuildReport$", "-cpu", "1")
	for _, r := range results {
		rows = append(rows, row{what: "building, one core: " + r.name, cost: cost{Wall: r.took}, rate: r.rate, wanted: "MB/s at least 150"})
	}
	return rows, err
}

// join measures the look-up of a million devices in PostgreSQL beside psql's own join, by a benchmark of its package, which
// has the two done in turns.
func (b *bench) join(ctx context.Context) (rows []row, err error) {
	results, err := runGoBenchmarks(ctx, "./registry", "^BenchmarkDevicesOfAMillion$/^postgres$", "-benchtime", strconv.Itoa(b.rounds)+"x")
	for _, r := range results {
		rows = append(rows, row{
			what: "join of a million devices in PostgreSQL, beside psql's", cost: cost{Wall: r.took}, ratio: r.timesPsql, wanted: "at most 1.3",
		})
	}
	return rows, err
}

// benchmarkResult is what a benchmark of Go printed.
type benchmarkResult struct {
	// name is what stands behind the benchmark's own.
	name string
	took time.Duration
	// rate is in MB/s, 0 of one that counts no bytes.
	rate float64
	// timesPsql is how many times as long it took as psql, 0 of one that is not compared with it.
	timesPsql float64
}

func runGoBenchmarks(ctx context.Context, folder, pattern string, flags ...string) ([]benchmarkResult, error) {
	stack.Progress("go test %s -bench '%s'", folder, pattern)
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", folder, "-run", "^$", "-timeout", "60m", "-bench", pattern}, flags...)...)
	cmd.Env, cmd.Stderr = plainEnvironment(), os.Stderr
	printed, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test %s: %w\n%s", folder, err, printed)
	}
	results := parseBenchmarks(printed)
	if len(results) == 0 {
		stack.Progress("%s has no benchmark %s", folder, pattern)
	}
	return results, nil
}

// parseBenchmarks reads lines such as "BenchmarkOne/of_two-2  10  123 ns/op  4.5 MB/s".
func parseBenchmarks(printed []byte) (results []benchmarkResult) {
	for line := range bytes.Lines(printed) {
		fields := strings.Fields(string(line))
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		_, name, isSub := strings.Cut(fields[0], "/")
		if !isSub {
			name = strings.TrimPrefix(fields[0], "Benchmark")
		}
		if i := strings.LastIndexByte(name, '-'); i >= 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		r := benchmarkResult{name: strings.ReplaceAll(name, "_", " ")}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				continue
			}
			switch fields[i+1] {
			case "ns/op":
				r.took = time.Duration(value)
			case "MB/s":
				r.rate = value
			case "times-psql":
				r.timesPsql = value
			}
		}
		results = append(results, r)
	}
	return results
}
