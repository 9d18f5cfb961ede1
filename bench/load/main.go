// Command load measures how many exhausts the whole production stack makes on this machine, how long one takes, and how long
// one takes while the night runs; it may ask only the API, as a client does, and Temporal how a workflow went, and it judges
// no figure.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	root := newLoad()
	root.AddCommand(newNight(), newWorker())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func newLoad() *cobra.Command {
	var rate rateOptions
	var rounds int
	command := &cobra.Command{
		Use:   "load",
		Short: "Measure the rate of small exhausts, and the time of one on an idle stack",
		Long: `Measure the rate of small exhausts, and the time of one on an idle stack.

PostgreSQL, Temporal's server, Azurite, one api and one worker run as processes of their own. They keep
everything, their logs too, in the folder data/load, which is emptied first. No setting is used.`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStack(cmd.Context(), smallTelemetry, func(ctx context.Context, s *filled) error {
				if rate.exhausts > 0 {
					if err := measureRate(ctx, s, rate, cmd.OutOrStdout()); err != nil {
						return err
					}
				}
				if rounds > 0 {
					return measureOverhead(ctx, s, rounds, cmd.OutOrStdout())
				}
				return nil
			})
		},
	}
	f := command.Flags()
	f.IntVar(&rate.exhausts, "exhausts", 1000, "how many small exhausts; 0 leaves their rate out")
	f.IntVar(&rate.clients, "clients", 32, "how many clients submit them at once")
	f.IntVar(&rate.readers, "readers", 4, "how many clients read them meanwhile")
	f.IntVar(&rounds, "rounds", 30, "how many exhausts of each kind on the idle stack; 0 leaves these out")
	return command
}

func newNight() *cobra.Command {
	var o nightOptions
	command := &cobra.Command{
		Use:   "night",
		Short: "Measure the time of a one-day exhaust while the night runs, and on an idle stack",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStack(cmd.Context(), o.telemetry(), func(ctx context.Context, s *filled) error {
				return measureNight(ctx, s, o, cmd.OutOrStdout())
			})
		},
	}
	f := command.Flags()
	f.IntVar(&o.exhausts, "exhausts", 200, "how many exhausts wait for the night")
	f.IntVar(&o.days, "days", 5, "how many days each of them covers")
	f.IntVar(&o.events, "events", 30_000, "events a day")
	return command
}

func newWorker() *cobra.Command {
	return &cobra.Command{
		Use:    "worker",
		Short:  "Run the bare workflow, with which exhausts are compared",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return serveBare(cmd.Context()) },
	}
}
