package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"data-exhaust/exhaust"
)

// waiting says how long an exhaust is waited for.
type waiting struct{ timeout time.Duration }

func (w *waiting) add(command *cobra.Command) {
	command.Flags().DurationVar(&w.timeout, "timeout", 0, "how long to wait at the most; 0 is without an end")
}

// lookEvery is short enough for a progress bar to move.
const lookEvery = 200 * time.Millisecond

// follow reads an exhaust until it has ended, shows its progress on w, and gives the last answer.
func follow(ctx context.Context, client *apiClient, tag, requestID string, wait waiting, w io.Writer) (json.RawMessage, error) {
	deadline := time.Now().Add(wait.timeout)
	meter := newMeter(w)
	defer meter.close()
	for {
		answer, err := client.read(ctx, tag, requestID)
		if err != nil {
			return nil, err
		}
		j, err := result[job](answer)
		if err != nil {
			return nil, err
		}
		meter.show(j)
		if j.Status.HasEnded() {
			return answer, nil
		}
		if wait.timeout > 0 && time.Now().After(deadline) {
			return nil, &codedError{exitNotEnded, fmt.Errorf("the exhaust is %s after %s: `starter wait` goes on waiting", j.Status, wait.timeout)}
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("no longer waiting; the exhaust goes on")
		case <-time.After(lookEvery):
		}
	}
}

// meter shows progress: a bar on a terminal, a line now and then elsewhere.
type meter struct {
	w       io.Writer
	bar     *progressbar.ProgressBar
	told    exhaust.Phase
	percent int
}

func newMeter(w io.Writer) *meter {
	m := &meter{w: w, percent: -1}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		m.bar = progressbar.NewOptions(100,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetWidth(32),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionSetTheme(progressbar.ThemeASCII),
		)
	}
	return m
}

func (m *meter) show(j job) {
	p := j.Progress
	if m.bar != nil {
		m.bar.Describe(fmt.Sprintf("%-9s %9d events %9d rows", p.Phase, p.EventsMatched, p.RowsWritten))
		_ = m.bar.Set(p.Percent) // a bar that cannot be drawn is no reason to stop waiting
		return
	}
	if p.Phase == m.told && p.Percent < m.percent+10 && !j.Status.HasEnded() {
		return
	}
	m.told, m.percent = p.Phase, p.Percent
	fmt.Fprintf(m.w, "%3d%%  %-9s  %d of %d bytes read, %d events, %d rows\n",
		p.Percent, p.Phase, p.BytesRead, p.BytesTotal, p.EventsMatched, p.RowsWritten)
}

func (m *meter) close() {
	if m.bar != nil {
		fmt.Fprintln(m.w)
	}
}
