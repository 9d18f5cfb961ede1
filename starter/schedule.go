package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

const schedulePath = "/dataset/v1/schedule"

// recurring is a recurring exhaust as the API shows it. Times are epoch milliseconds.
type recurring struct {
	ScheduleID       string `json:"scheduleId"`
	Dataset          string `json:"dataset"`
	Tag              string `json:"tag"`
	RequestedChannel string `json:"requestedChannel"`
	DatasetConfig    struct {
		ConversationID string `json:"conversationId"`
	} `json:"datasetConfig"`
	Cron    string  `json:"cron"`
	Zone    string  `json:"zone"`
	Jitter  string  `json:"jitter"`
	Webhook string  `json:"webhook"`
	Paused  bool    `json:"paused"`
	Note    string  `json:"note"`
	Next    []int64 `json:"next"`
	Firings []struct {
		Firing    int64  `json:"firing"`
		From      string `json:"from"`
		To        string `json:"to"`
		State     string `json:"state"`
		RequestID string `json:"requestId"`
		Status    string `json:"status"`
		Rows      int64  `json:"rows"`
		Note      string `json:"note"`
		Webhook   string `json:"webhook"`
	} `json:"firings"`
}

func newSchedule() *cobra.Command {
	command := &cobra.Command{
		Use:   "schedule",
		Short: "Recurring exhausts: make, show, change and backfill them",
		Long: `Recurring exhausts: make, show, change and backfill them (docs/schedules.md).

Each firing asks for an ordinary exhaust of the days since the firing before it, up to yesterday.
` + "`starter list TAG`" + ` lists what a schedule has made.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("say what to do; see `%s --help`", cmd.CommandPath())
		},
	}
	command.AddCommand(
		newScheduleCreate(), newScheduleList(), newScheduleShow(), newScheduleChange(),
		newSchedulePause("pause", "Let a schedule make nothing until it is resumed", true),
		newSchedulePause("resume", "Let a paused schedule go on", false),
		newScheduleTrigger(), newScheduleBackfill(), newScheduleDelete(),
	)
	for _, child := range command.Commands() {
		wrapArgs(child)
	}
	return command
}

// callSchedule calls the API about one schedule.
func callSchedule(ctx context.Context, flags clientFlags, method, id, path string, request any) (json.RawMessage, error) {
	client, err := flags.client()
	if err != nil {
		return nil, err
	}
	var body []byte
	if request != nil {
		if body, err = json.Marshal(map[string]any{"request": request}); err != nil {
			return nil, err
		}
	}
	if id != "" {
		path = "/" + url.PathEscape(id) + path
	}
	answer, err := client.call(ctx, method, schedulePath+path, nil, body)
	if err != nil {
		return nil, failed(err)
	}
	return answer, nil
}

// times are the flags of when a schedule fires and whom it tells.
type times struct{ cron, zone, jitter, webhook, note string }

func (f *times) add(command *cobra.Command) {
	command.Flags().StringVar(&f.cron, "cron", "", `when it fires: minute, hour, day of month, month, day of week, such as "0 6 * * 1"`)
	command.Flags().StringVar(&f.zone, "zone", "", "the time zone of that, such as Asia/Kolkata (default: EXHAUST_TIMEZONE)")
	command.Flags().StringVar(&f.jitter, "jitter", "", "how late, at the most, a firing starts, such as 10m")
	command.Flags().StringVar(&f.webhook, "webhook", "", "the URL that is told when a file is ready")
	command.Flags().StringVar(&f.note, "note", "", "what people should know of it")
}

// given are those that the command line names, by their names in the API.
func (f *times) given(command *cobra.Command) map[string]any {
	given := map[string]any{}
	for name, value := range map[string]string{"cron": f.cron, "zone": f.zone, "jitter": f.jitter, "webhook": f.webhook, "note": f.note} {
		if command.Flags().Changed(name) {
			given[name] = value
		}
	}
	return given
}

func newScheduleCreate() *cobra.Command {
	var (
		flags                           clientFlags
		when                            times
		dataset, conversation, tag, who string
		paused                          bool
	)
	command := &cobra.Command{
		Use: "create", Short: "Make a recurring exhaust",
		Example: `  starter schedule create --channel CHANNEL --conversation ID --cron "0 6 * * 1" --zone Asia/Kolkata --tag weekly`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := when.given(cmd)
			request["dataset"], request["tag"], request["requestedBy"], request["paused"] = dataset, tag, who, paused
			request["datasetConfig"] = map[string]string{"conversationId": conversation}
			answer, err := callSchedule(cmd.Context(), flags, http.MethodPost, "", "", request)
			if err != nil {
				return err
			}
			return showSchedule(cmd, flags.asJSON, answer)
		},
	}
	flags.add(command)
	when.add(command)
	command.Flags().StringVar(&dataset, "dataset", "uci-response-exhaust", "uci-response-exhaust or uci-private-exhaust")
	command.Flags().StringVar(&conversation, "conversation", "", "the conversation's id")
	command.Flags().StringVar(&tag, "tag", "", "the tag of all its exhausts (default: schedule- and its id)")
	command.Flags().StringVar(&who, "by", "", "who asks (requestedBy)")
	command.Flags().BoolVar(&paused, "paused", false, "make it paused")
	return command
}

func newScheduleList() *cobra.Command {
	var (
		flags clientFlags
		limit int
	)
	command := &cobra.Command{
		Use: "list", Short: "List the recurring exhausts of a channel",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := flags.client()
			if err != nil {
				return err
			}
			answer, err := client.call(cmd.Context(), http.MethodGet, schedulePath, url.Values{"limit": {strconv.Itoa(limit)}}, nil)
			if err != nil {
				return failed(err)
			}
			if flags.asJSON {
				return printJSON(cmd.OutOrStdout(), answer)
			}
			found, err := result[struct{ Schedules []recurring }](answer)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(table, "SCHEDULE\tDATASET\tCONVERSATION\tCRON\tZONE\tNEXT\tTAG")
			for _, s := range found.Schedules {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ScheduleID, s.Dataset, s.DatasetConfig.ConversationID, s.Cron, s.Zone, s.next(), s.Tag)
			}
			return table.Flush()
		},
	}
	flags.add(command)
	command.Flags().IntVar(&limit, "limit", 100, "how many at the most, 1 to 1000")
	return command
}

func newScheduleShow() *cobra.Command {
	return newScheduleCall("show ID", "Show a recurring exhaust, when it fires next and what its last firings came to", http.MethodGet, "")
}

func newScheduleTrigger() *cobra.Command {
	return newScheduleCall("trigger ID", "Make the exhaust of the days since the last firing now; the next firing covers them again", http.MethodPost, "/trigger")
}

// newScheduleCall makes a command that calls the API for one schedule and shows it.
func newScheduleCall(use, short, method, path string) *cobra.Command {
	var flags clientFlags
	command := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := callSchedule(cmd.Context(), flags, method, args[0], path, nil)
			if err != nil {
				return err
			}
			return showSchedule(cmd, flags.asJSON, answer)
		},
	}
	flags.add(command)
	return command
}

func newScheduleChange() *cobra.Command {
	var (
		flags clientFlags
		when  times
	)
	command := &cobra.Command{
		Use: "change ID", Short: "Change when a recurring exhaust fires and whom it tells; no day is lost or made twice", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := callSchedule(cmd.Context(), flags, http.MethodPatch, args[0], "", when.given(cmd))
			if err != nil {
				return err
			}
			return showSchedule(cmd, flags.asJSON, answer)
		},
	}
	flags.add(command)
	when.add(command)
	return command
}

func newSchedulePause(name, short string, paused bool) *cobra.Command {
	var (
		flags clientFlags
		note  string
	)
	command := &cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change := map[string]any{"paused": paused}
			if cmd.Flags().Changed("note") {
				change["note"] = note
			}
			answer, err := callSchedule(cmd.Context(), flags, http.MethodPatch, args[0], "", change)
			if err != nil {
				return err
			}
			return showSchedule(cmd, flags.asJSON, answer)
		},
	}
	flags.add(command)
	command.Flags().StringVar(&note, "note", "", "why")
	return command
}

func newScheduleBackfill() *cobra.Command {
	var (
		flags    clientFlags
		from, to string
	)
	command := &cobra.Command{
		Use: "backfill ID", Short: "Make the windows of past days, each once however often it is asked", Args: cobra.ExactArgs(1),
		Example: `  starter schedule backfill ID --channel CHANNEL --from 2022-03-01 --to 2022-03-31`,
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := callSchedule(cmd.Context(), flags, http.MethodPost, args[0], "/backfill", map[string]string{"from": from, "to": to})
			if err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(cmd.OutOrStdout(), answer)
			}
			made, err := result[struct{ Windows []struct{ From, To string } }](answer)
			if err != nil {
				return err
			}
			for _, window := range made.Windows {
				fmt.Fprintf(cmd.OutOrStdout(), "%s to %s\n", window.From, window.To)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d windows are being made; `starter schedule show %s` tells what they come to\n", len(made.Windows), args[0])
			return nil
		},
	}
	flags.add(command)
	command.Flags().StringVar(&from, "from", "", "the first day, as yyyy-MM-dd")
	command.Flags().StringVar(&to, "to", "", "the last day, as yyyy-MM-dd")
	return command
}

func newScheduleDelete() *cobra.Command {
	var flags clientFlags
	command := &cobra.Command{
		Use: "delete ID", Short: "End a recurring exhaust; what it has made stays", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := callSchedule(cmd.Context(), flags, http.MethodDelete, args[0], "", nil)
			if err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(cmd.OutOrStdout(), answer)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "deleted", args[0])
			return nil
		},
	}
	flags.add(command)
	return command
}

// showSchedule prints a schedule, for people or as the API's answer.
func showSchedule(cmd *cobra.Command, asJSON bool, answer json.RawMessage) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), answer)
	}
	s, err := result[recurring](answer)
	if err != nil {
		return err
	}
	return s.print(cmd.OutOrStdout())
}

func (s recurring) print(w io.Writer) error {
	fmt.Fprintf(w, "schedule      %s\ndataset       %s\nconversation  %s\ntag           %s\nfires         %s in %s", s.ScheduleID, s.Dataset,
		s.DatasetConfig.ConversationID, s.Tag, s.Cron, s.Zone)
	if s.Jitter != "0s" {
		fmt.Fprintf(w, ", up to %s later", s.Jitter)
	}
	fmt.Fprintf(w, "\nnext          %s\n", s.next())
	for _, at := range s.Next[min(1, len(s.Next)):] {
		fmt.Fprintf(w, "              %s\n", s.time(at))
	}
	if s.Webhook != "" {
		fmt.Fprintf(w, "webhook       %s\n", s.Webhook)
	}
	if s.Note != "" {
		fmt.Fprintf(w, "note          %s\n", s.Note)
	}
	if len(s.Firings) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "\nFIRING\tFROM\tTO\tSTATUS\tROWS\tREQUEST ID\tNOTE")
	for _, f := range s.Firings {
		status, note := f.Status, f.Note
		if status == "" {
			status = f.State
		}
		if f.Webhook != "" {
			note += " webhook " + f.Webhook
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", s.time(f.Firing), f.From, f.To, status, f.Rows, f.RequestID, note)
	}
	return table.Flush()
}

func (s recurring) next() string {
	if s.Paused {
		return "paused"
	}
	if len(s.Next) == 0 {
		return "never"
	}
	return s.time(s.Next[0])
}

// time writes a time in the schedule's zone.
func (s recurring) time(millis int64) string {
	at := time.UnixMilli(millis)
	if zone, err := time.LoadLocation(s.Zone); err == nil {
		at = at.In(zone)
	}
	return at.Format("2006-01-02 15:04:05 MST")
}
