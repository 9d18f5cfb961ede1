package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"data-exhaust/exhaust"
)

// clientFlags are those of the commands that call the API.
type clientFlags struct {
	api     string
	channel string
	asJSON  bool
}

func (f *clientFlags) add(command *cobra.Command) {
	command.Flags().StringVar(&f.api, "api", "", "the API's URL (default: EXHAUST_PUBLIC_URL)")
	command.Flags().StringVar(&f.channel, "channel", "", "the channel (X-Channel-ID)")
	command.Flags().BoolVar(&f.asJSON, "json", false, "print the API's answer as JSON")
}

func (f *clientFlags) client() (*apiClient, error) {
	base := f.api
	if base == "" {
		cfg, err := settings()
		if err != nil {
			return nil, err
		}
		base = cfg.PublicURL
	}
	return &apiClient{base: strings.TrimRight(base, "/"), channel: f.channel}, nil
}

// failed gives an API's error its exit code.
func failed(err error) error {
	var answered *apiError
	if errors.As(err, &answered) {
		switch answered.status {
		case http.StatusNotFound:
			return &codedError{exitNotFound, err}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			return &codedError{exitUsage, err}
		}
	}
	return err
}

func newSubmit() *cobra.Command {
	var (
		flags   clientFlags
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := request.body(file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			client, err := flags.client()
			if err != nil {
				return err
			}
			answer, err := client.submit(cmd.Context(), body)
			if err != nil {
				return failed(err)
			}
			submitted, err := result[job](answer)
			if err != nil {
				return err
			}
			if !follow && out == "" {
				return show(cmd, flags.asJSON, answer)
			}
			client.channel = submitted.RequestedChannel
			return waitFor(cmd, client, tagOf(submitted), submitted.RequestID, wait, out, flags.asJSON)
		},
	}
	flags.add(command)
	wait.add(command)
	f := command.Flags()
	f.StringVar(&request.dataset, "dataset", string(exhaust.ResponseExhaust), "uci-response-exhaust or uci-private-exhaust")
	f.StringVar(&request.conversation, "conversation", "", "the conversation's id")
	f.StringVar(&request.start, "start", "", "first day, yyyy-MM-dd")
	f.StringVar(&request.end, "end", "", "last day, yyyy-MM-dd")
	f.StringVar(&request.runAt, "run-at", "", "now or nightly (default: EXHAUST_MODE of the service)")
	f.StringVar(&request.tag, "tag", "", "your own name for the request (default: a new one)")
	f.StringVar(&request.by, "requested-by", os.Getenv("USER"), "who asks")
	f.StringVar(&file, "file", "", "send this JSON file instead of the flags' request; - is standard input")
	f.BoolVar(&follow, "wait", false, "wait for its end, with a progress bar")
	f.StringVar(&out, "out", "", "wait for its end and download its file into this folder")
	command.MarkFlagsMutuallyExclusive("file", "conversation")
	return command
}

// submission is what submit's flags ask for.
type submission struct{ dataset, conversation, start, end, tag, by, runAt string }

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
	tag := s.tag
	if tag == "" {
		tag = uuid.NewString()
	}
	request := map[string]any{
		"dataset": s.dataset, "tag": tag, "requestedBy": s.by, "datasetConfig": config, "output_format": "csv",
	}
	if s.runAt != "" {
		request["runAt"] = s.runAt
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
	return newOne("read TAG REQUESTID", "Show one exhaust", (*apiClient).read)
}

func newCancel() *cobra.Command {
	return newOne("cancel TAG REQUESTID", "Stop an exhaust that has not ended", (*apiClient).cancel)
}

func newRetry() *cobra.Command {
	return newOne("retry TAG REQUESTID", "Run an exhaust again that FAILED or was CANCELLED, or whose report has expired", (*apiClient).retry)
}

// newOne makes a command that calls the API for one exhaust and shows it.
func newOne(use, short string, call func(c *apiClient, ctx context.Context, tag, requestID string) (json.RawMessage, error)) *cobra.Command {
	var flags clientFlags
	command := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := flags.client()
			if err != nil {
				return err
			}
			answer, err := call(client, cmd.Context(), args[0], args[1])
			if err != nil {
				return failed(err)
			}
			return show(cmd, flags.asJSON, answer)
		},
	}
	flags.add(command)
	return command
}

func newList() *cobra.Command {
	var (
		flags clientFlags
		limit int
	)
	command := &cobra.Command{
		Use: "list TAG", Short: "List the exhausts of a tag, newest first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := flags.client()
			if err != nil {
				return err
			}
			answer, err := client.list(cmd.Context(), args[0], limit)
			if err != nil {
				return failed(err)
			}
			if flags.asJSON {
				return printJSON(cmd.OutOrStdout(), answer)
			}
			found, err := result[struct{ Jobs []job }](answer)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(table, "REQUEST ID\tDATASET\tSTATUS\tROWS\tSUBMITTED\tMESSAGE")
			for _, j := range found.Jobs {
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", j.RequestID, j.Dataset, j.Status, j.Progress.RowsWritten,
					time.UnixMilli(j.JobStats.Submitted).Format(time.DateTime), j.StatusMessage)
			}
			return table.Flush()
		},
	}
	flags.add(command)
	command.Flags().IntVar(&limit, "limit", 100, "how many at the most, 1 to 1000")
	return command
}

func newWait() *cobra.Command {
	var (
		flags clientFlags
		wait  waiting
	)
	command := &cobra.Command{
		Use: "wait TAG REQUESTID", Short: "Wait for an exhaust's end, with a progress bar", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := flags.client()
			if err != nil {
				return err
			}
			return waitFor(cmd, client, args[0], args[1], wait, "", flags.asJSON)
		},
	}
	flags.add(command)
	wait.add(command)
	return command
}

func newDownload() *cobra.Command {
	var (
		flags clientFlags
		out   string
	)
	command := &cobra.Command{
		Use: "download TAG REQUESTID", Short: "Download the file of an exhaust that succeeded", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := flags.client()
			if err != nil {
				return err
			}
			answer, err := client.read(cmd.Context(), args[0], args[1])
			if err != nil {
				return failed(err)
			}
			j, err := result[job](answer)
			if err != nil {
				return err
			}
			if j.Status != exhaust.Success {
				return &codedError{exitOf(j.Status), fmt.Errorf("the exhaust is %s: it has no file", described(j))}
			}
			return saved(cmd, j, out)
		},
	}
	flags.add(command)
	command.Flags().StringVar(&out, "out", ".", "the folder to download into")
	return command
}

// waitFor follows an exhaust to its end and shows it, downloading its file where out is a folder.
func waitFor(cmd *cobra.Command, client *apiClient, tag, requestID string, wait waiting, out string, asJSON bool) error {
	answer, err := follow(cmd.Context(), client, tag, requestID, wait, cmd.ErrOrStderr())
	if err != nil {
		return failed(err)
	}
	j, err := result[job](answer)
	if err != nil {
		return err
	}
	if err := show(cmd, asJSON, answer); err != nil {
		return err
	}
	if j.Status != exhaust.Success {
		return &codedError{code: exitOf(j.Status)}
	}
	if out != "" {
		return saved(cmd, j, out)
	}
	return nil
}

func saved(cmd *cobra.Command, j job, out string) error {
	files, err := download(cmd.Context(), j, out)
	for _, file := range files {
		fmt.Fprintln(cmd.ErrOrStderr(), "saved", file)
	}
	return err
}

func exitOf(status exhaust.Status) int {
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

// show prints an exhaust, for people or as the API's answer.
func show(cmd *cobra.Command, asJSON bool, answer json.RawMessage) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), answer)
	}
	j, err := result[job](answer)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "request   %s\ntag       %s\ndataset   %s\nstatus    %s\n", j.RequestID, tagOf(j), j.Dataset, described(j))
	if j.Status == exhaust.Success {
		fmt.Fprintf(out, "rows      %d\n", j.Progress.RowsWritten)
	}
	for _, signed := range j.DownloadURLs {
		fmt.Fprintf(out, "download  %s\nuntil     %s\n", signed, time.UnixMilli(j.ExpiresAt).Format(time.DateTime))
	}
	return nil
}

func described(j job) string {
	if j.StatusMessage != "" {
		return fmt.Sprintf("%s: %s", j.Status, j.StatusMessage)
	}
	return string(j.Status)
}

// tagOf is the tag without its channel, as paths take it.
func tagOf(j job) string { return strings.TrimSuffix(j.Tag, ":"+j.RequestedChannel) }

func printJSON(w io.Writer, answer json.RawMessage) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(answer)
}
