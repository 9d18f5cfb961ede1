package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"data-exhaust/exhaust"
)

// waiting says how long an exhaust is waited for.
type waiting struct{ timeout time.Duration }

func (w *waiting) add(command *cobra.Command) {
	command.Flags().DurationVar(&w.timeout, "timeout", 0, "how long to wait at the most; 0 is without an end")
}

// deadline is when waiting from now on is over; zero is never.
func (w waiting) deadline() time.Time {
	if w.timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(w.timeout)
}

// followOne waits for an exhaust's end, shows its progress on w, and returns the last answer.
func followOne(ctx context.Context, client apiClient, tag, requestID string, wait waiting, w io.Writer) (envelope, job, error) {
	meter := newMeter(w)
	defer meter.close()
	answer, j, err := client.follow(ctx, tag, requestID, wait.deadline(), meter.show)
	switch {
	case err != nil:
		return envelope{}, job{}, err
	case j.Status.HasEnded():
		return answer, j, nil
	case ctx.Err() != nil:
		return envelope{}, job{}, errors.New("no longer waiting; the exhaust goes on")
	}
	return envelope{}, job{}, &codedError{exitNotEnded, fmt.Errorf("the exhaust is %s after %s: `starter wait` goes on waiting", j.Status, wait.timeout)}
}

// followAll waits for the end of all jobs and brings them up to date.
func followAll(ctx context.Context, client apiClient, jobs []job, wait waiting, w io.Writer) error {
	deadline, bar := wait.deadline(), newCounter(w, len(jobs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range jobs {
		group.Go(func() (err error) {
			client := client
			client.channel = jobs[i].RequestedChannel
			_, jobs[i], err = client.follow(ctx, jobs[i].pathTag(), jobs[i].RequestID, deadline, func(job) {})
			if err != nil {
				return err
			}
			if !jobs[i].Status.HasEnded() {
				return &codedError{exitNotEnded, fmt.Errorf("exhaust %s is %s: no longer waiting; it goes on", jobs[i].RequestID, jobs[i].Status)}
			}
			if bar != nil {
				_ = bar.Add(1) // a bar that cannot be drawn is no reason to stop waiting
			}
			return nil
		})
	}
	return group.Wait()
}

// follow reads an exhaust until it has ended, the deadline is over, or ctx ends. It hands each state
// to show and returns the last.
func (c *apiClient) follow(ctx context.Context, tag, requestID string, deadline time.Time, show func(job)) (envelope, job, error) {
	const interval = 200 * time.Millisecond // short enough for a progress bar to move
	for {
		answer, err := c.read(ctx, tag, requestID)
		if err != nil {
			return answer, job{}, err
		}
		j, err := result[job](answer)
		if err != nil {
			return answer, j, err
		}
		show(j)
		if j.Status.HasEnded() || !deadline.IsZero() && time.Now().After(deadline) {
			return answer, j, nil
		}
		select {
		case <-ctx.Done():
			return answer, j, nil
		case <-time.After(interval):
		}
	}
}

// meter shows the progress of one exhaust: a bar on a terminal, a line now and then elsewhere.
type meter struct {
	w       io.Writer
	bar     *progressbar.ProgressBar
	phase   exhaust.Phase
	percent int
	waiting string
}

func newMeter(w io.Writer) *meter {
	bar := newBar(w, 100, progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	return &meter{w: w, bar: bar, percent: -1}
}

func (m *meter) show(j job) {
	p := j.Progress
	if m.bar != nil {
		m.bar.Describe(fmt.Sprintf("%-9s %9d events %9d rows", p.Phase, p.EventsMatched, p.RowsWritten))
		if p.Waiting != "" {
			m.bar.Describe(p.Waiting)
		}
		_ = m.bar.Set(p.Percent) // a bar that cannot be drawn is no reason to stop waiting
		return
	}
	// Not the seconds to the next try, which change all the time.
	if waiting, _, _ := strings.Cut(p.Waiting, ", next in"); waiting != m.waiting {
		if m.waiting = waiting; waiting != "" && !j.Status.HasEnded() {
			fmt.Fprintln(m.w, "waiting:", waiting)
		}
	}
	if p.Phase == m.phase && p.Percent < m.percent+10 && !j.Status.HasEnded() {
		return
	}
	m.phase, m.percent = p.Phase, p.Percent
	fmt.Fprintf(m.w, "%3d%%  %-9s  %d of %d bytes read, %d events, %d rows\n",
		p.Percent, p.Phase, p.BytesRead, p.BytesTotal, p.EventsMatched, p.RowsWritten)
}

func (m *meter) close() {
	if m.bar != nil {
		fmt.Fprintln(m.w)
	}
}

// newCounter makes a bar that counts exhausts; it is nil where there are none, too.
func newCounter(w io.Writer, total int) *progressbar.ProgressBar {
	if total == 0 {
		return nil
	}
	return newBar(w, total, progressbar.OptionShowCount(), progressbar.OptionOnCompletion(func() { fmt.Fprintln(w) }))
}

// newBar makes a bar on a terminal; elsewhere it is nil.
func newBar(w io.Writer, total int, options ...progressbar.Option) *progressbar.ProgressBar {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return progressbar.NewOptions(total, append(options, progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(32), progressbar.OptionSetTheme(progressbar.ThemeASCII))...)
}
