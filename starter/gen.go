package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/internal/app"
	"data-exhaust/internal/sample"
)

func newGen() *cobra.Command {
	var (
		options      sample.Options
		mix, until   string
		createTables bool
		asks         bool
	)
	command := &cobra.Command{
		Use:   "gen",
		Short: "Fill the telemetry store and the registry with sample data of made-up people",
		Long: `Fill the telemetry store and the registry with sample data of made-up people.

Most events belong to nobody's exhaust, as in real telemetry; another --mix has more that do. The same seed gives the same data.
Phone numbers are there only where UCI_ENCRYPTION_SECRET is set.

On PostgreSQL sample data goes only into tables that --create-tables made: never into UCI's own.`,
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config) (err error) {
			options.Until = exhaust.DayOf(time.Now().In(cfg.Timezone)).Add(-1)
			if until != "" {
				if options.Until, err = exhaust.ParseDay(until); err != nil {
					return usage("--until: %w", err)
				}
			}
			if options.Mix, err = sample.ParseMix(mix); err != nil {
				return usage("--mix: %w", err)
			}
			if min(options.Days, options.EventsPerDay, options.ObjectsPerDay, options.Conversations, options.Devices) < 1 {
				return usage("--days, --events, --objects, --conversations and --devices are at least 1")
			}
			if err := app.Migrate(cmd.Context(), cfg); err != nil {
				return err
			}
			if err := app.SampleTables(cmd.Context(), cfg, createTables); err != nil {
				return err
			}
			set, err := app.Sample(cmd.Context(), cfg, options)
			if err != nil {
				return err
			}
			days := set.Days()
			fmt.Fprintf(cmd.OutOrStdout(), "%d events a day from %s to %s in %s\n", options.EventsPerDay, days[0], days[len(days)-1], cfg.TelemetryStore)
			for _, c := range set.Conversations() {
				fmt.Fprintf(cmd.OutOrStdout(), "conversation %s of channel %s: %s\n", c.ID, c.Channel, c.Name)
			}
			if !asks {
				return nil
			}
			return requestSamples(cmd.Context(), cfg, set, cmd.OutOrStdout())
		}),
	}
	f := command.Flags()
	f.IntVar(&options.Days, "days", 7, "how many days")
	f.IntVar(&options.EventsPerDay, "events", 2000, "events a day")
	f.IntVar(&options.ObjectsPerDay, "objects", 2, "objects a day")
	f.IntVar(&options.Conversations, "conversations", 3, "conversations")
	f.IntVar(&options.Devices, "devices", 60, "devices that the registry knows")
	f.StringVar(&mix, "mix", string(sample.Mixed), "what events there are: mixed, chatbot (answers only) or hot (one conversation is half of all)")
	f.Uint64Var(&options.Seed, "seed", 1, "the seed")
	f.BoolVar(&asks, "requests", false, "then ask the running service for exhausts of it, and begin a night, so that each page of the console shows something")
	f.BoolVar(&createTables, "create-tables", false, "on PostgreSQL, make UCI's tables where there are none")
	f.StringVar(&until, "until", "", "the last day, yyyy-MM-dd (default: yesterday)")
	return command
}
