package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
)

func newErase() *cobra.Command {
	var conversation string
	command := &cobra.Command{
		Use:   "erase --conversation ID",
		Short: "Remove all files held of a conversation: reports, staged files, slices",
		Long: `Remove all files held of a conversation: reports, staged files, slices. The name of each is printed.

The rows of job_request stay, without a report. It is refused while an exhaust of the conversation
has not ended, which Temporal is asked. It works on the stores and the database of the settings, not
through the API. Delete the conversation's schedules first: they would make its reports again.`,
		PreRunE: func(*cobra.Command, []string) error {
			if conversation == "" {
				return usage("--conversation is needed")
			}
			return nil
		},
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config) error {
			count := 0
			err := app.Erase(cmd.Context(), cfg, conversation, func(name string) {
				count++
				fmt.Fprintln(cmd.OutOrStdout(), "removed", name)
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d files removed\n", count)
			return nil
		}),
	}
	command.Flags().StringVar(&conversation, "conversation", "", "the conversation's id")
	return command
}
