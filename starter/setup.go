package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
)

func newSetup() *cobra.Command {
	var wait, retention time.Duration
	command := &cobra.Command{
		Use:   "setup",
		Short: "Prepare the database, the stores and Temporal, once per installation and release",
		Long: `Prepare the database, the stores and Temporal, once per installation and release.

It makes the table job_request, the containers of azblob:// stores, the Temporal namespace
(TEMPORAL_NAMESPACE) and its search attributes, each where it is not there yet. What is there is left
as it is, so it may run again, and several may run at once. What does not answer is waited for.

With EXHAUST_AUTH=tokens, and no token yet, it makes an operator's and prints it, once.`,
		PreRunE: func(*cobra.Command, []string) error {
			const shortest = 24 * time.Hour
			if retention < shortest {
				return usage("--retention is %s: Temporal keeps workflows for %s at least", retention, shortest)
			}
			return nil
		},
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), wait)
			defer cancel()
			if err := app.SetUp(ctx, cfg, retention, func(secret string) {
				fmt.Fprintln(cmd.ErrOrStderr(), "the first token, an operator's, for 30 days; it is not shown again:")
				fmt.Fprintln(cmd.OutOrStdout(), secret)
			}, newLogger(slog.LevelInfo)); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the API and the worker can start")
			return nil
		}),
	}
	f := command.Flags()
	f.DurationVar(&wait, "wait", 2*time.Minute, "how long to try at the most")
	f.DurationVar(&retention, "retention", 72*time.Hour, "how long a namespace that is made keeps workflows that have ended")
	return command
}
