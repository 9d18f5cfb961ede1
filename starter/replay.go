package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"data-exhaust/exhaust"
)

func newReplay() *cobra.Command {
	var (
		flags             clientFlags
		filters           = map[string]*string{}
		failedOnly, queue bool
		dryRun            bool
		wait              waiting
	)
	command := &cobra.Command{
		Use:   "replay",
		Short: "Run all exhausts that match: those that wait for the night and those that FAILED",
		Long: `Run all exhausts that match: those that wait for the night and those that FAILED. Waits for their
end, shows them as a table, and ends with exit code 3 where one FAILED.`,
		Example: `  starter replay --failed --from 2022-03-01 --to 2022-03-07 --dry-run
  starter replay --submitted --channel 01309282781705830427`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if failedOnly && queue {
				return usage("--failed and --submitted exclude each other; without them both are replayed")
			}
			wanted := map[string]string{}
			for name, value := range filters {
				if *value != "" {
					wanted[name] = *value
				}
			}
			if flags.channel != "" {
				wanted["channel"] = flags.channel
			}
			if failedOnly {
				wanted["status"] = string(exhaust.Failed)
			}
			if queue {
				wanted["status"] = string(exhaust.Submitted)
			}
			client, err := flags.client()
			if err != nil {
				return err
			}
			jobs, err := client.replay(cmd.Context(), wanted, dryRun)
			if err != nil {
				return failed(err)
			}
			if !dryRun {
				if err := followAll(cmd.Context(), client, jobs, wait, cmd.ErrOrStderr()); err != nil {
					return failed(err)
				}
			}
			return showAll(cmd.OutOrStdout(), jobs, flags.asJSON, dryRun)
		},
	}
	flags.add(command)
	wait.add(command)
	f := command.Flags()
	for flag, filter := range map[string]struct{ name, about string }{
		"dataset": {"dataset", "only of this dataset"},
		"tag":     {"tag", "only of this tag"},
		"from":    {"requestedFrom", "only submitted on this day or later, yyyy-MM-dd"},
		"to":      {"requestedTo", "only submitted on this day or before, yyyy-MM-dd"},
	} {
		filters[filter.name] = f.String(flag, "", filter.about)
	}
	f.BoolVar(&failedOnly, "failed", false, "only those that FAILED")
	f.BoolVar(&queue, "submitted", false, "only those that wait for the night")
	f.BoolVar(&dryRun, "dry-run", false, "show what would run, and run nothing")
	return command
}

func newRun() *cobra.Command {
	var (
		flags  clientFlags
		wait   waiting
		follow bool
	)
	command := &cobra.Command{
		Use: "run REQUESTID", Short: "Run an exhaust now that waits for the night", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := flags.client()
			if err != nil {
				return err
			}
			jobs, err := client.replay(cmd.Context(), map[string]string{"requestId": args[0], "status": string(exhaust.Submitted)}, false)
			if err != nil {
				return failed(err)
			}
			if len(jobs) == 0 {
				return &codedError{exitNotFound, fmt.Errorf("no exhaust %s waits for the night", args[0])}
			}
			if follow {
				client.channel = jobs[0].RequestedChannel
				return waitFor(cmd, client, tagOf(jobs[0]), jobs[0].RequestID, wait, "", flags.asJSON)
			}
			return showAll(cmd.OutOrStdout(), jobs, flags.asJSON, true)
		},
	}
	flags.add(command)
	wait.add(command)
	command.Flags().BoolVar(&follow, "wait", false, "wait for its end, with a progress bar")
	return command
}

// replay runs, or only lists, all exhausts that match, a page at a time.
func (c *apiClient) replay(ctx context.Context, filters map[string]string, dryRun bool) ([]job, error) {
	const page = 200
	var jobs []job
	for after := ""; ; {
		body, err := json.Marshal(map[string]any{"request": map[string]any{
			"filters": filters, "dryRun": dryRun, "after": after, "limit": page,
		}})
		if err != nil {
			return nil, err
		}
		answer, err := c.call(ctx, http.MethodPost, "/dataset/v1/request/replay", nil, body)
		if err != nil {
			return nil, err
		}
		found, err := result[struct {
			Jobs []job  `json:"jobs"`
			Next string `json:"next"`
		}](answer)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, found.Jobs...)
		if after = found.Next; after == "" {
			return jobs, nil
		}
	}
}

// followAll waits for the end of all jobs and brings them up to date.
func followAll(ctx context.Context, client *apiClient, jobs []job, wait waiting, w io.Writer) error {
	if wait.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait.timeout)
		defer cancel()
	}
	done := countOf(len(jobs), w)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range jobs {
		group.Go(func() error {
			of := apiClient{base: client.base, channel: jobs[i].RequestedChannel}
			for {
				answer, err := of.read(ctx, tagOf(jobs[i]), jobs[i].RequestID)
				if err != nil {
					return err
				}
				if jobs[i], err = result[job](answer); err != nil {
					return err
				}
				if jobs[i].Status.HasEnded() {
					done()
					return nil
				}
				select {
				case <-ctx.Done():
					return &codedError{exitNotEnded, fmt.Errorf("exhaust %s is %s: no longer waiting; it goes on", jobs[i].RequestID, jobs[i].Status)}
				case <-time.After(lookEvery):
				}
			}
		})
	}
	return group.Wait()
}

// countOf shows how many are done: a bar on a terminal, nothing elsewhere, where the table follows.
func countOf(total int, w io.Writer) (done func()) {
	file, ok := w.(*os.File)
	if !ok || total == 0 || !term.IsTerminal(int(file.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(32),
		progressbar.OptionShowCount(), progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(w) }))
	return func() { _ = bar.Add(1) } // a bar that cannot be drawn is no reason to stop
}

// showAll shows jobs and, unless they were only listed, makes those that did not succeed an error.
func showAll(w io.Writer, jobs []job, asJSON, listed bool) error {
	if asJSON {
		encoded, err := json.Marshal(jobs)
		if err != nil {
			return err
		}
		if err := printJSON(w, encoded); err != nil {
			return err
		}
	} else {
		table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		fmt.Fprintln(table, "REQUEST ID\tDATASET\tTAG\tSTATUS\tROWS\tMESSAGE")
		for _, j := range jobs {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", j.RequestID, j.Dataset, j.Tag, j.Status, j.Progress.RowsWritten, j.StatusMessage)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	code := 0
	for _, j := range jobs {
		switch {
		case listed:
		case j.Status == exhaust.Failed:
			code = exitFailed
		case j.Status == exhaust.Cancelled && code == 0:
			code = exitCancelled
		}
	}
	if code != 0 {
		return &codedError{code: code}
	}
	return nil
}
