package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"github.com/spf13/cobra"

	"data-exhaust/exhaust"
)

func newReplay() *cobra.Command {
	var (
		flags                 apiFlags
		dataset, tag          string
		from, to              string
		onlyFailed, onlyQueue bool
		dryRun                bool
		wait                  waiting
	)
	command := &cobra.Command{
		Use:   "replay",
		Short: "Run all exhausts that match: those that wait for the night and those that FAILED",
		Long: `Run all exhausts that match: those that wait for the night and those that FAILED. Waits for their
end, shows them as a table, and ends with exit code 3 where one FAILED.`,
		Example: `  starter replay --failed --from 2022-03-01 --to 2022-03-07 --dry-run
  starter replay --submitted --channel 01309282781705830427`,
	}
	wait.add(command)
	f := command.Flags()
	f.StringVar(&dataset, "dataset", "", "only of this dataset")
	f.StringVar(&tag, "tag", "", "only of this tag")
	f.StringVar(&from, "from", "", "only submitted on this day or later, yyyy-MM-dd")
	f.StringVar(&to, "to", "", "only submitted on this day or before, yyyy-MM-dd")
	f.BoolVar(&onlyFailed, "failed", false, "only those that FAILED")
	f.BoolVar(&onlyQueue, "submitted", false, "only those that wait for the night")
	f.BoolVar(&dryRun, "dry-run", false, "show what would run, and run nothing")
	return flags.complete(command, func(cmd *cobra.Command, _ []string) error {
		var status exhaust.Status
		switch {
		case onlyFailed && onlyQueue:
			return usage("--failed and --submitted exclude each other; without them both are replayed")
		case onlyFailed:
			status = exhaust.Failed
		case onlyQueue:
			status = exhaust.Submitted
		}
		filters := map[string]string{
			"dataset": dataset, "tag": tag, "requestedFrom": from, "requestedTo": to, "channel": flags.channel, "status": string(status),
		}
		maps.DeleteFunc(filters, func(_, value string) bool { return value == "" })
		jobs, err := flags.replay(cmd.Context(), filters, dryRun)
		if err != nil {
			return err
		}
		if dryRun {
			return showJobs(cmd, flags.asJSON, jobs)
		}
		if err := followAll(cmd.Context(), flags.apiClient, jobs, wait, cmd.ErrOrStderr()); err != nil {
			return err
		}
		if err := showJobs(cmd, flags.asJSON, jobs); err != nil {
			return err
		}
		return checkSuccess(jobs...)
	})
}

func newRun() *cobra.Command {
	var (
		flags  apiFlags
		wait   waiting
		follow bool
	)
	command := &cobra.Command{Use: "run REQUESTID", Short: "Run an exhaust now that waits for the night", Args: cobra.ExactArgs(1)}
	wait.add(command)
	command.Flags().BoolVar(&follow, "wait", false, "wait for its end, with a progress bar")
	return flags.complete(command, func(cmd *cobra.Command, args []string) error {
		filters := map[string]string{"requestId": args[0], "status": string(exhaust.Submitted)}
		jobs, err := flags.replay(cmd.Context(), filters, false)
		if err != nil {
			return err
		}
		if len(jobs) == 0 {
			return &codedError{exitNotFound, fmt.Errorf("no exhaust %s waits for the night", args[0])}
		}
		if !follow {
			return showJobs(cmd, flags.asJSON, jobs)
		}
		flags.channel = jobs[0].RequestedChannel
		return flags.waitFor(cmd, jobs[0].pathTag(), jobs[0].RequestID, wait, "")
	})
}

// replay starts all exhausts that match, or only lists them, a page at a time.
func (c *apiClient) replay(ctx context.Context, filters map[string]string, dryRun bool) ([]job, error) {
	const pageSize = 200
	var jobs []job
	for after := ""; ; {
		answer, err := c.send(ctx, http.MethodPost, requestPath+"replay", map[string]any{
			"filters": filters, "dryRun": dryRun, "after": after, "limit": pageSize,
		})
		if err != nil {
			return nil, err
		}
		page, err := result[struct {
			Jobs []job  `json:"jobs"`
			Next string `json:"next"`
		}](answer)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, page.Jobs...)
		if after = page.Next; after == "" {
			return jobs, nil
		}
	}
}

// showJobs prints the jobs of all pages.
func showJobs(cmd *cobra.Command, asJSON bool, jobs []job) error {
	if asJSON {
		message, err := json.Marshal(jobs)
		if err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), message)
	}
	return printTable(cmd, "REQUEST ID\tDATASET\tTAG\tSTATUS\tROWS\tMESSAGE", jobs, func(j job) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s", j.RequestID, j.Dataset, j.Tag, j.Status, j.Progress.RowsWritten, j.StatusMessage)
	})
}
