package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// meter measures who uses the machine: figures of a machine that others use too are told by it. It needs Linux's /proc;
// elsewhere it shows nothing.
type meter struct {
	begin time.Time
	busy  time.Duration
	ours  map[string]time.Duration
}

func startMeter() meter {
	return meter{time.Now(), busyTime(), ourTimes()}
}

// usage is who has used the machine while a meter ran.
type usage struct {
	// programs are the stack's, by their names.
	programs map[string]time.Duration
	// others is the share of all cores that everything else has used.
	others float64
}

func (m meter) stop() usage {
	programs, others := ourTimes(), busyTime()-m.busy
	for name := range programs {
		programs[name] -= m.ours[name]
		others -= programs[name]
	}
	return usage{programs, others.Seconds() / time.Since(m.begin).Seconds() / float64(runtime.NumCPU())}
}

// show adds a row for each program, where the number of exhausts is not 0, and one for the others.
func (u usage) show(t table, exhausts int) {
	if len(u.programs) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(u.programs)) {
		if exhausts > 0 && u.programs[name] > 0 {
			t.row("CPU of "+name+", ms an exhaust", "%.1f", u.programs[name].Seconds()*1e3/float64(exhausts))
		}
	}
	t.row("used by others, % of all cores", "%.0f", 100*u.others)
}

// tick is the unit of CPU times in /proc, on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// busyTime is the time that all cores have not been idle since the machine was started.
func busyTime() (busy time.Duration) {
	content, _ := os.ReadFile("/proc/stat") // no such file, no figure
	first, _, _ := bytes.Cut(content, []byte("\n"))
	const idle, waiting, steal = 3, 4, 7
	for i, field := range strings.Fields(strings.TrimPrefix(string(first), "cpu")) {
		if i != idle && i != waiting && i <= steal {
			busy += ticks(field)
		}
	}
	return busy
}

// ourTimes is the CPU time of this process and of those below it, by the names of their programs.
func ourTimes() map[string]time.Duration {
	type process struct {
		name   string
		parent int
		took   time.Duration
	}
	all := map[int]process{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name stands in parentheses and may hold some.
		begin, end := bytes.IndexByte(content, '('), bytes.LastIndexByte(content, ')')
		fields := strings.Fields(string(content[end+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(fields[1])
		// User and system time of its own, and of children that have ended.
		took := ticks(fields[11]) + ticks(fields[12])
		if pid != os.Getpid() {
			took += ticks(fields[13]) + ticks(fields[14])
		}
		all[pid] = process{string(content[begin+1 : end]), parent, took}
	}
	ours := map[string]time.Duration{}
	for pid, p := range all {
		for ancestor := pid; ancestor != 0; ancestor = all[ancestor].parent {
			if ancestor == os.Getpid() {
				ours[p.name] += p.took
			}
		}
	}
	return ours
}

func ticks(field string) time.Duration {
	n, _ := strconv.ParseInt(field, 10, 64) // the kernel writes numbers
	return time.Duration(n) * tick
}
