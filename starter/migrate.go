package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
)

func newMigrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Make the table job_request, and UCI's tables in the embedded database",
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config) error {
			if err := app.Migrate(cmd.Context(), cfg); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the tables are up to date")
			return nil
		}),
	}
}
