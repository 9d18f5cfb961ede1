package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"data-exhaust/bench/stack"
	"data-exhaust/exhaust"
	"data-exhaust/internal/servers"
)

// folder keeps everything of the stack, beside the corpora.
const folder = "data/bench"

// requestWanted is how much faster than DuckDB alone a whole request promises to be.
const requestWanted = "at least 2.2"

// request measures whole requests of the embedded stack for the mixed corpus: from before submit to the first answer that is
// SUCCESS.
func (b *bench) request(ctx context.Context) ([]row, error) {
	c := b.corpora[0]
	answer, err := b.answer(ctx, c)
	if err != nil {
		return nil, err
	}
	duck, err := b.measureDuckDB(ctx, c)
	if err != nil {
		return nil, err
	}
	took, err := b.makeOnStack(ctx, c, b.rounds, func(report string) error { return compareFiles(answer, report) })
	if err != nil {
		return nil, err
	}
	return []row{{
		corpus: c.name, what: "whole request, submit to SUCCESS, beside DuckDB alone; the memory is the worker's", cost: took, rate: c.rate(took),
		ratio: duck.Wall.Seconds() / took.Wall.Seconds(), wanted: requestWanted,
	}}, nil
}

// memoryWanted is how much memory of a worker is resident at the most.
const memoryWanted = "MiB under 128"

// memory measures how much memory the worker has resident while it makes one exhaust of a corpus, and again of one of scale
// times as many days.
func (b *bench) memory(ctx context.Context) (rows []row, err error) {
	all := b.corpora
	if b.scale > 1 {
		scaled, err := openCorpora(ctx, b.scale)
		if err != nil {
			return nil, err
		}
		all = append(slices.Clone(all), scaled...)
	}
	for _, c := range all {
		took, err := b.makeOnStack(ctx, c, 1, func(string) error { return nil })
		if err != nil {
			return rows, err
		}
		rows = append(rows, row{
			corpus: c.name, what: fmt.Sprintf("whole request, %d days of %.1f GB: the worker's memory", c.set.Options.Days, float64(c.Raw)/1e9),
			cost: took, rate: c.rate(took), wanted: memoryWanted,
		})
	}
	return rows, nil
}

// makeOnStack has the embedded stack make the exhaust of a corpus some times, and hands each report to use. The time is the
// shortest, the memory the worker's at its peak.
func (b *bench) makeOnStack(ctx context.Context, c *corpus, rounds int, use func(report string) error) (took cost, err error) {
	err = stack.With(ctx, stack.Options{Servers: servers.Embedded, Dir: folder, Settings: []string{
		"EXHAUST_TELEMETRY_STORE=" + (&url.URL{Scheme: "file", Path: c.dir.telemetry()}).String(),
		"UCI_DATABASE_URL=" + c.dir.registryURL(), "FUSIONAUTH_DATABASE_URL=" + c.dir.registryURL(),
	}}, func(ctx context.Context, s *stack.Stack) error {
		var costs []cost
		for round := range rounds {
			stack.Progress("%s: request %d of %d, %d days", c.name, round+1, rounds, c.set.Options.Days)
			order := stack.Order{Dataset: exhaust.ResponseExhaust, Tag: fmt.Sprintf("bench-%d", round), Conversation: c.conversation}
			order.First, order.Last = c.days()
			wall, err := makeOne(ctx, s, &order)
			if err != nil {
				return err
			}
			reports, err := filepath.Glob(filepath.Join(folder, "reports", string(order.Dataset), order.Job.RequestID, "*.csv"))
			if err != nil || len(reports) != 1 {
				return fmt.Errorf("exhaust %s has %d reports: %w", order.Job.RequestID, len(reports), err)
			}
			if err := use(reports[0]); err != nil {
				return err
			}
			costs = append(costs, cost{Wall: wall})
		}
		took = best(costs)
		took.Peak, err = peakOf(s.Worker.PID())
		return err
	})
	return took, err
}

// makeOne submits an order and reads it until it is SUCCESS. A busy server is asked again, as clients are told to.
func makeOne(ctx context.Context, s *stack.Stack, order *stack.Order) (time.Duration, error) {
	const every = 20 * time.Millisecond
	if err := s.API.Submit(ctx, order); err != nil {
		return 0, err
	}
	for !order.Job.Status.HasEnded() {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(every):
		}
		if err := s.API.Read(ctx, order); err != nil && !errors.Is(err, stack.ErrBusy) {
			return 0, err
		}
	}
	took := time.Since(order.SentAt)
	if order.Job.Status != exhaust.Success {
		return 0, fmt.Errorf("the exhaust is %s: %s", order.Job.Status, order.Job.StatusMessage)
	}
	return took, nil
}

// peakOf is the most memory that a process that still runs has had resident, in bytes. Where there is no /proc it is 0.
func peakOf(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "VmHWM:" {
			kilobytes, err := strconv.ParseInt(string(fields[1]), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmHWM", pid)
}
