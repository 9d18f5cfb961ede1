package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// newAPICommand completes a command that calls the API once: it prints the result of the answer, or
// with --json the answer.
func newAPICommand[T any](
	command *cobra.Command,
	call func(ctx context.Context, api *apiClient, args []string) (envelope, error),
	print func(cmd *cobra.Command, result T) error,
) *cobra.Command {
	var flags apiFlags
	return flags.complete(command, func(cmd *cobra.Command, args []string) error {
		answer, err := call(cmd.Context(), &flags.apiClient, args)
		if err != nil {
			return err
		}
		return show(cmd, flags.asJSON, answer, print)
	})
}

// apiFlags are those of the commands that call the API: how to reach it, and how to print its answer.
type apiFlags struct {
	apiClient
	asJSON bool
}

// complete gives a command the flags, and what it does; an error that the API answers gets its exit
// code.
func (f *apiFlags) complete(command *cobra.Command, do func(cmd *cobra.Command, args []string) error) *cobra.Command {
	command.Flags().StringVar(&f.base, "api", "", "the API's URL (default: EXHAUST_PUBLIC_URL)")
	command.Flags().StringVar(&f.channel, "channel", "", "the channel (X-Channel-ID)")
	command.Flags().BoolVar(&f.asJSON, "json", false, "print the API's answer as JSON")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		return apiErrorCode(do(cmd, args))
	}
	return command
}

// apiErrorCode gives an error that the API answers its exit code.
func apiErrorCode(err error) error {
	if refusal, ok := errors.AsType[*apiError](err); ok {
		switch refusal.status {
		case http.StatusNotFound:
			return &codedError{exitNotFound, err}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			return &codedError{exitUsage, err}
		}
	}
	return err
}

// show prints an answer, for people or as it came.
func show[T any](cmd *cobra.Command, asJSON bool, answer envelope, print func(cmd *cobra.Command, result T) error) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), answer.raw)
	}
	value, err := result[T](answer)
	if err != nil {
		return err
	}
	return print(cmd, value)
}

func printJSON(w io.Writer, message json.RawMessage) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(message)
}

// printTable aligns the cells of header and rows, which tabs separate.
func printTable[T any](cmd *cobra.Command, header string, items []T, row func(T) string) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, header)
	for _, item := range items {
		fmt.Fprintln(table, row(item))
	}
	return table.Flush()
}
