package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// cost is what a whole process took, with all processes that it waited for.
type cost struct {
	// Wall is the time from its start to its end, CPU what it and the others took of all cores.
	Wall, CPU time.Duration
	// Peak is the most memory that one of them had resident, in bytes.
	Peak int64
}

// measure runs a command and measures it. The kernel counts the memory of the process that starts another one among what the
// other had, up to the moment at which it is replaced. So the command is started by a small process of our own (measureMode)
// and never by this one.
func measure(ctx context.Context, stdout io.Writer, command ...string) (c cost, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	result := filepath.Join(dir, "cost.json")
	cmd, err := again(ctx, append([]string{measureMode, result}, command...)...)
	if err != nil {
		return c, err
	}
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Base(command[0]), err)
	}
	content, err := os.ReadFile(result)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(content, &c)
}

// measureMode runs a command, and writes what it cost to a file.
const measureMode = "measure"

func runMeasure(args []string) error {
	if len(args) < 2 {
		return errors.New("measure needs a file and a command")
	}
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return err
	}
	c := cost{Wall: time.Since(begin), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.Peak = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" { // which alone counts bytes
			c.Peak <<= 10
		}
	}
	content, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], content, 0o600)
}

// again is this program in another mode, which ends with the context.
func again(ctx context.Context, args ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, program, args...), nil
}

// best is the cost of the fastest of some runs.
func best(costs []cost) cost {
	fastest := costs[0]
	for _, c := range costs[1:] {
		if c.Wall < fastest.Wall {
			fastest = c
		}
	}
	return fastest
}
