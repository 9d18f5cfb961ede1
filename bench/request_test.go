package main

import (
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"
)

func TestTheMemoryOfAProcessThatRunsIsItsPeak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	useUp(150)
	runtime.GC()
	peak, err := peakOf(os.Getpid())
	if err != nil || peak < 150<<20 {
		t.Errorf("%d MiB, %v; want at least 150", peak>>20, err)
	}
	if peak, err := peakOf(-1); peak != 0 || err != nil {
		t.Errorf("no process has %d, %v", peak, err)
	}
}

func TestWhatBenchmarksOfGoPrintIsRead(t *testing.T) {
	const printed = `goos: linux
BenchmarkBuildReport/uci-response-exhaust-2         	      10	 123456 ns/op	  152.5 MB/s	 1000 rows
BenchmarkJoin/postgres/calls_of_50000-16    	1	 2000000000 ns/op	 500000 devices/s	 0.85 times-psql
BenchmarkPlain 	 5	 7 ns/op
--- BENCH: BenchmarkPlain
PASS
`
	want := []benchmarkResult{
		{"uci-response-exhaust", 123456 * time.Nanosecond, 152.5, 0}, {"postgres/calls of 50000", 2 * time.Second, 0, 0.85}, {"Plain", 7 * time.Nanosecond, 0, 0},
	}
	if got := parseBenchmarks([]byte(printed)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
