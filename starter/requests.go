package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"data-exhaust/exhaust"
)

func newSubmit() *cobra.Command {
	var (
		flags   apiFlags
		request submission
		file    string
		wait    waiting
		follow  bool
		out     string
	)
	command := &cobra.Command{
		Use:   "submit",
		Short: "Ask for an exhaust (found, not run again, where it was asked for today)",
		Example: `  starter submit --dataset uci-response-exhaust --conversation ID --channel CHANNEL --start 2022-03-01 --end 2022-04-01 --wait
  starter submit --file request.json --json`,
	}
	wait.add(command)
	f := command.Flags()
	f.StringVar(&request.dataset, "dataset", string(exhaust.ResponseExhaust), "uci-response-exhaust or uci-private-exhaust")
	f.StringVar(&request.conversation, "conversation", "", "the conversation's id")
	f.StringVar(&request.start, "start", "", "first day, yyyy-MM-dd")
	f.StringVar(&request.end, "end", "", "last day, yyyy-MM-dd")
	f.StringVar(&request.runAt, "run-at", "", "now or nightly (default: EXHAUST_MODE of the service)")
	f.StringVar(&request.tag, "tag", "", "your own name for the request (default: a new one)")
	f.StringVar(&request.by, "requested-by", os.Getenv("USER"), "who asks")
	f.StringVar(&request.purpose, "purpose", "", "what the file is for; a private exhaust may need it (EXHAUST_PRIVATE_PURPOSE)")
	f.StringVar(&file, "file", "", "send this JSON file instead of the flags' request; - is standard input")
	f.BoolVar(&follow, "wait", false, "wait for its end, with a progress bar")
	f.StringVar(&out, "out", "", "wait for its end and download its file into this folder")
	command.MarkFlagsMutuallyExclusive("file", "conversation")
	return flags.complete(command, func(cmd *cobra.Command, _ []string) error {
		body, err := request.body(file, cmd.InOrStdin())
		if err != nil {
			return err
		}
		answer, err := flags.submit(cmd.Context(), body)
		if err != nil {
			return err
		}
		j, err := result[job](answer)
		if err != nil {
			return err
		}
		if !follow && out == "" {
			return show(cmd, flags.asJSON, answer, printJob)
		}
		flags.channel = j.RequestedChannel
		return flags.waitFor(cmd, j.pathTag(), j.RequestID, wait, out)
	})
}

// submission is what submit's flags ask for.
type submission struct{ dataset, conversation, start, end, tag, by, runAt, purpose string }

func (s submission) body(file string, stdin io.Reader) ([]byte, error) {
	switch file {
	case "":
		if s.conversation == "" {
			return nil, usage("--conversation or --file is needed")
		}
		return s.json()
	case "-":
		return io.ReadAll(stdin)
	default:
		return os.ReadFile(file)
	}
}

func (s submission) json() ([]byte, error) {
	config := map[string]string{"type": s.dataset, "conversationId": s.conversation}
	if s.start != "" {
		config["startDate"] = s.start
	}
	if s.end != "" {
		config["endDate"] = s.end
	}
	request := map[string]any{
		"dataset": s.dataset, "tag": cmp.Or(s.tag, uuid.NewString()), "requestedBy": s.by, "datasetConfig": config, "output_format": "csv",
	}
	if s.runAt != "" {
		request["runAt"] = s.runAt
	}
	if s.purpose != "" {
		request["purpose"] = s.purpose
	}
	return json.Marshal(map[string]any{
		"id":      "ekstep.analytics.job.request.submit",
		"ver":     "1.0",
		"ts":      time.Now().Format(time.RFC3339),
		"params":  map[string]string{"msgid": uuid.NewString()},
		"request": request,
	})
}

func newRead() *cobra.Command {
	return newJobCommand("read", "Show one exhaust", http.MethodGet)
}

func newCancel() *cobra.Command {
	return newJobCommand("cancel", "Stop an exhaust that has not ended", http.MethodPost)
}

func newRetry() *cobra.Command {
	return newJobCommand("retry", "Run an exhaust again that FAILED or was CANCELLED, or whose report has expired", http.MethodPost)
}

// newJobCommand makes a command that calls the API about one exhaust and shows it; the API's verb is
// the command's name.
func newJobCommand(verb, short, method string) *cobra.Command {
	return newAPICommand(
		&cobra.Command{Use: verb + " TAG REQUESTID", Short: short, Args: cobra.ExactArgs(2)},
		func(ctx context.Context, api *apiClient, args []string) (envelope, error) {
			return api.callJob(ctx, method, verb, args[0], args[1])
		},
		printJob,
	)
}

func newList() *cobra.Command {
	var limit int
	command := &cobra.Command{Use: "list TAG", Short: "List the exhausts of a tag, newest first", Args: cobra.ExactArgs(1)}
	command.Flags().IntVar(&limit, "limit", 100, "how many at the most, 1 to 1000")
	return newAPICommand(command,
		func(ctx context.Context, api *apiClient, args []string) (envelope, error) {
			return api.call(ctx, http.MethodGet, requestPath+"list/"+url.PathEscape(args[0]), url.Values{"limit": {strconv.Itoa(limit)}}, nil)
		},
		func(cmd *cobra.Command, page struct{ Jobs []job }) error {
			return printTable(cmd, "REQUEST ID\tDATASET\tSTATUS\tROWS\tSUBMITTED\tMESSAGE", page.Jobs, func(j job) string {
				return fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%s", j.RequestID, j.Dataset, j.Status, j.Progress.RowsWritten,
					time.UnixMilli(j.JobStats.Submitted).Format(time.DateTime), j.StatusMessage)
			})
		},
	)
}

func newWait() *cobra.Command {
	var (
		flags apiFlags
		wait  waiting
	)
	command := &cobra.Command{Use: "wait TAG REQUESTID", Short: "Wait for an exhaust's end, with a progress bar", Args: cobra.ExactArgs(2)}
	wait.add(command)
	return flags.complete(command, func(cmd *cobra.Command, args []string) error {
		return flags.waitFor(cmd, args[0], args[1], wait, "")
	})
}

func newDownload() *cobra.Command {
	var (
		flags apiFlags
		out   string
	)
	command := &cobra.Command{Use: "download TAG REQUESTID", Short: "Download the file of an exhaust that succeeded", Args: cobra.ExactArgs(2)}
	command.Flags().StringVar(&out, "out", ".", "the folder to download into")
	return flags.complete(command, func(cmd *cobra.Command, args []string) error {
		answer, err := flags.read(cmd.Context(), args[0], args[1])
		if err != nil {
			return err
		}
		j, err := result[job](answer)
		if err != nil {
			return err
		}
		if j.Status != exhaust.Success {
			return &codedError{exitCode(j.Status), fmt.Errorf("the exhaust is %s: it has no file", j.state())}
		}
		return save(cmd, j, out)
	})
}

// waitFor follows an exhaust to its end and shows it, downloading its file where out is a folder.
func (f *apiFlags) waitFor(cmd *cobra.Command, tag, requestID string, wait waiting, out string) error {
	answer, j, err := followOne(cmd.Context(), f.apiClient, tag, requestID, wait, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := show(cmd, f.asJSON, answer, printJob); err != nil {
		return err
	}
	if err := checkSuccess(j); err != nil || out == "" {
		return err
	}
	return save(cmd, j, out)
}

func save(cmd *cobra.Command, j job, out string) error {
	files, err := download(cmd.Context(), j, out)
	for _, file := range files {
		fmt.Fprintln(cmd.ErrOrStderr(), "saved", file)
	}
	return err
}

// checkSuccess ends the command with an exit code where a job did not succeed; FAILED outranks
// CANCELLED.
func checkSuccess(jobs ...job) error {
	code := 0
	for _, j := range jobs {
		if c := exitCode(j.Status); code == 0 || c == exitFailed {
			code = c
		}
	}
	if code == 0 {
		return nil
	}
	return &codedError{code: code}
}

func exitCode(status exhaust.Status) int {
	switch status {
	case exhaust.Success:
		return 0
	case exhaust.Failed:
		return exitFailed
	case exhaust.Cancelled:
		return exitCancelled
	}
	return exitNotEnded
}

func printJob(cmd *cobra.Command, j job) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "request   %s\ntag       %s\ndataset   %s\nstatus    %s\n", j.RequestID, j.pathTag(), j.Dataset, j.state())
	if j.Status == exhaust.Success {
		fmt.Fprintf(out, "rows      %d\n", j.Progress.RowsWritten)
	}
	for _, link := range j.DownloadURLs {
		fmt.Fprintf(out, "download  %s\nuntil     %s\n", link, time.UnixMilli(j.ExpiresAt).Format(time.DateTime))
	}
	return nil
}
