package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newWebhookSecret() *cobra.Command {
	command := &cobra.Command{
		Use:   "webhook-secret",
		Short: "The secret that signs a channel's webhooks: show what there is, and make one",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("say what to do; see `%s --help`", cmd.CommandPath())
		},
	}
	command.AddCommand(
		newWebhookSecretCommand("show", "Show whether a channel has a secret, and since when; never the secret", http.MethodGet),
		newWebhookSecretCommand("rotate", "Make a channel's secret and show it, once; one that it replaces signs for another 24 hours", http.MethodPost),
	)
	return command
}

func newWebhookSecretCommand(use, short, method string) *cobra.Command {
	return newAPICommand(&cobra.Command{Use: use, Short: short},
		func(ctx context.Context, api *apiClient, _ []string) (envelope, error) {
			return api.call(ctx, method, "/dataset/v1/webhook-secret", nil, nil)
		},
		printWebhookSecret,
	)
}

// webhookSecret is what the API tells of a channel's secret. Times are epoch milliseconds.
type webhookSecret struct {
	Channel          string `json:"requestedChannel"`
	Exists           bool   `json:"exists"`
	Secret           string `json:"webhookSecret"`
	Created          int64  `json:"created"`
	PreviousUntil    int64  `json:"previousUntil"`
	NeedsReplacement bool   `json:"needsReplacement"`
}

func printWebhookSecret(cmd *cobra.Command, s webhookSecret) error {
	w := cmd.OutOrStdout()
	at := func(milliseconds int64) string {
		return time.UnixMilli(milliseconds).UTC().Format("2006-01-02 15:04:05 UTC")
	}
	fmt.Fprintf(w, "channel       %s\n", s.Channel)
	if !s.Exists {
		fmt.Fprintln(w, "secret        none")
		return nil
	}
	if s.Secret != "" {
		fmt.Fprintf(w, "secret        %s\n", s.Secret)
	}
	fmt.Fprintf(w, "made          %s\n", at(s.Created))
	if s.PreviousUntil != 0 {
		fmt.Fprintf(w, "one before    signs until %s\n", at(s.PreviousUntil))
	}
	if s.NeedsReplacement {
		fmt.Fprintln(w, "note          EXHAUST_WEBHOOK_SECRET is being replaced: rotate this one")
	}
	return nil
}
