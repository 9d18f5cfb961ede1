package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

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
	return command
}

func newScheduleCreate() *cobra.Command {
	var (
		when                            timing
		dataset, conversation, tag, who string
		paused                          bool
	)
	command := &cobra.Command{
		Use: "create", Short: "Make a recurring exhaust",
		Example: `  starter schedule create --channel CHANNEL --conversation ID --cron "0 6 * * 1" --zone Asia/Kolkata --tag weekly`,
	}
	when.add(command)
	f := command.Flags()
	f.StringVar(&dataset, "dataset", "uci-response-exhaust", "uci-response-exhaust or uci-private-exhaust")
	f.StringVar(&conversation, "conversation", "", "the conversation's id")
	f.StringVar(&tag, "tag", "", "the tag of all its exhausts (default: schedule- and its id)")
	f.StringVar(&who, "by", "", "who asks (requestedBy)")
	f.BoolVar(&paused, "paused", false, "make it paused")
	return newAPICommand(command,
		func(ctx context.Context, api *apiClient, _ []string) (envelope, error) {
			request := when.changes(command)
			request["dataset"], request["tag"], request["requestedBy"], request["paused"] = dataset, tag, who, paused
			request["datasetConfig"] = map[string]string{"conversationId": conversation}
			return api.send(ctx, http.MethodPost, schedulesPath, request)
		},
		printSchedule,
	)
}

func newScheduleList() *cobra.Command {
	var limit int
	command := &cobra.Command{Use: "list", Short: "List the recurring exhausts of a channel"}
	command.Flags().IntVar(&limit, "limit", 100, "how many at the most, 1 to 1000")
	return newAPICommand(command,
		func(ctx context.Context, api *apiClient, _ []string) (envelope, error) {
			return api.call(ctx, http.MethodGet, schedulesPath, url.Values{"limit": {strconv.Itoa(limit)}}, nil)
		},
		func(cmd *cobra.Command, page struct{ Schedules []schedule }) error {
			return printTable(cmd, "SCHEDULE\tDATASET\tCONVERSATION\tCRON\tZONE\tNEXT\tTAG", page.Schedules, func(s schedule) string {
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", s.ScheduleID, s.Dataset, s.DatasetConfig.ConversationID, s.Cron, s.Zone, s.next(), s.Tag)
			})
		},
	)
}

func newScheduleShow() *cobra.Command {
	return newScheduleCommand(&cobra.Command{
		Use: "show ID", Short: "Show a recurring exhaust, when it fires next and what its last firings came to",
	}, http.MethodGet, "", nil, printSchedule)
}

func newScheduleChange() *cobra.Command {
	var when timing
	command := &cobra.Command{Use: "change ID", Short: "Change when a recurring exhaust fires and whom it tells; no day is lost or made twice"}
	when.add(command)
	return newScheduleCommand(command, http.MethodPatch, "", func() any { return when.changes(command) }, printSchedule)
}

func newSchedulePause(name, short string, paused bool) *cobra.Command {
	var note string
	command := &cobra.Command{Use: name + " ID", Short: short}
	command.Flags().StringVar(&note, "note", "", "why")
	return newScheduleCommand(command, http.MethodPatch, "", func() any {
		change := map[string]any{"paused": paused}
		if command.Flags().Changed("note") {
			change["note"] = note
		}
		return change
	}, printSchedule)
}

func newScheduleTrigger() *cobra.Command {
	return newScheduleCommand(&cobra.Command{
		Use: "trigger ID", Short: "Make the exhaust of the days since the last firing now; the next firing covers them again",
	}, http.MethodPost, "/trigger", nil, printSchedule)
}

func newScheduleBackfill() *cobra.Command {
	var from, to string
	command := &cobra.Command{
		Use: "backfill ID", Short: "Make the windows of past days, each once however often it is asked",
		Example: `  starter schedule backfill ID --channel CHANNEL --from 2022-03-01 --to 2022-03-31`,
	}
	command.Flags().StringVar(&from, "from", "", "the first day, as yyyy-MM-dd")
	command.Flags().StringVar(&to, "to", "", "the last day, as yyyy-MM-dd")
	return newScheduleCommand(command, http.MethodPost, "/backfill",
		func() any { return map[string]string{"from": from, "to": to} },
		func(cmd *cobra.Command, backfill struct{ Windows []struct{ From, To string } }) error {
			for _, window := range backfill.Windows {
				fmt.Fprintf(cmd.OutOrStdout(), "%s to %s\n", window.From, window.To)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d windows are being made; `starter schedule show %s` tells what they come to\n", len(backfill.Windows), cmd.Flags().Arg(0))
			return nil
		},
	)
}

func newScheduleDelete() *cobra.Command {
	command := &cobra.Command{Use: "delete ID", Short: "End a recurring exhaust; what it has made stays"}
	return newScheduleCommand(command, http.MethodDelete, "", nil, func(cmd *cobra.Command, _ any) error {
		fmt.Fprintln(cmd.OutOrStdout(), "deleted", cmd.Flags().Arg(0))
		return nil
	})
}

const schedulesPath = "/dataset/v1/schedule"

// newScheduleCommand completes a command that calls the API about the schedule that its argument
// names, with a request unless that is nil.
func newScheduleCommand[T any](command *cobra.Command, method, suffix string, request func() any, print func(cmd *cobra.Command, result T) error) *cobra.Command {
	command.Args = cobra.ExactArgs(1)
	return newAPICommand(command, func(ctx context.Context, api *apiClient, args []string) (envelope, error) {
		path := schedulesPath + "/" + url.PathEscape(args[0]) + suffix
		if request == nil {
			return api.call(ctx, method, path, nil, nil)
		}
		return api.send(ctx, method, path, request())
	}, print)
}

// timing is when a schedule fires and whom it tells, as flags say it.
type timing struct{ cron, zone, jitter, webhook, purpose, note string }

func (t *timing) add(command *cobra.Command) {
	f := command.Flags()
	f.StringVar(&t.cron, "cron", "", `when it fires: minute, hour, day of month, month, day of week, such as "0 6 * * 1"`)
	f.StringVar(&t.zone, "zone", "", "the time zone of that, such as Asia/Kolkata (default: EXHAUST_TIMEZONE)")
	f.StringVar(&t.jitter, "jitter", "", "how late, at the most, a firing starts, such as 10m")
	f.StringVar(&t.webhook, "webhook", "", "the URL that is told when a file is ready")
	f.StringVar(&t.purpose, "purpose", "", "what its files are for; private exhausts may need it (EXHAUST_PRIVATE_PURPOSE)")
	f.StringVar(&t.note, "note", "", "what people should know of it")
}

// changes are the flags that the command line names; the API has the same names for them.
func (t *timing) changes(command *cobra.Command) map[string]any {
	changes := map[string]any{}
	for name, value := range map[string]string{"cron": t.cron, "zone": t.zone, "jitter": t.jitter, "webhook": t.webhook, "purpose": t.purpose, "note": t.note} {
		if command.Flags().Changed(name) {
			changes[name] = value
		}
	}
	return changes
}

// schedule is a recurring exhaust as the API shows it. Times are epoch milliseconds.
type schedule struct {
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
	// WebhookSecret is only there where the call made the channel's.
	WebhookSecret string   `json:"webhookSecret"`
	Firings       []firing `json:"firings"`
}

// firing is one time that a schedule asked for an exhaust.
type firing struct {
	Firing    int64  `json:"firing"`
	From      string `json:"from"`
	To        string `json:"to"`
	State     string `json:"state"`
	RequestID string `json:"requestId"`
	Status    string `json:"status"`
	Rows      int64  `json:"rows"`
	Note      string `json:"note"`
	Webhook   string `json:"webhook"`
}

func printSchedule(cmd *cobra.Command, s schedule) error {
	w := cmd.OutOrStdout()
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
	if s.WebhookSecret != "" {
		fmt.Fprintf(w, "secret        %s (of the channel's webhooks; it is not shown again)\n", s.WebhookSecret)
	}
	if s.Note != "" {
		fmt.Fprintf(w, "note          %s\n", s.Note)
	}
	if len(s.Firings) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return printTable(cmd, "FIRING\tFROM\tTO\tSTATUS\tROWS\tREQUEST ID\tNOTE", s.Firings, func(f firing) string {
		if f.Webhook != "" {
			f.Note += " webhook " + f.Webhook
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%s", s.time(f.Firing), f.From, f.To, cmp.Or(f.Status, f.State), f.Rows, f.RequestID, f.Note)
	})
}

func (s schedule) next() string {
	if s.Paused {
		return "paused"
	}
	if len(s.Next) == 0 {
		return "never"
	}
	return s.time(s.Next[0])
}

// time writes a time in the schedule's zone.
func (s schedule) time(millis int64) string {
	at := time.UnixMilli(millis)
	if zone, err := time.LoadLocation(s.Zone); err == nil {
		at = at.In(zone)
	}
	return at.Format("2006-01-02 15:04:05 MST")
}
