//go:build unix

// Package cputest tells benchmarks how much processor time something takes, and knows nothing of what that is.
package cputest

import (
	"syscall"
	"testing"
	"time"
)

// Watch watches the processor time of a benchmark's loop until stop, which reports how many megabytes a second of it
// makes, where each loop makes that many bytes. On a machine that does other work besides, the time that passes says
// little.
func Watch(b *testing.B) (stop func(bytes int64)) {
	before := processorTime(b)
	return func(bytes int64) {
		b.ReportMetric(float64(bytes)*float64(b.N)/1e6/(processorTime(b)-before).Seconds(), "MB/cpu-s")
	}
}

// processorTime is that of the process so far.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
