package app

import (
	"fmt"

	"data-exhaust/config"
	"data-exhaust/registry"
	"data-exhaust/telemetry"
)

// newSources are what exhausts are made from: UCI's tables, and the layout of the telemetry store. It asks no server for anything.
func newSources(cfg config.Config, c *connections) (*registry.UCI, telemetry.Layout, error) {
	uci, err := registry.NewUCI(c.uci, c.fusionAuth, registry.Tables{
		Conversations: cfg.ConversationTable,
		Users:         cfg.UsersTable,
		Registrations: cfg.RegistrationsTable,
		Identities:    cfg.IdentitiesTable,
		Zone:          cfg.Timezone,
	})
	if err != nil {
		return nil, telemetry.Layout{}, err
	}
	layout, err := telemetry.ParseLayout(cfg.TelemetryLayout)
	if err != nil {
		return nil, telemetry.Layout{}, fmt.Errorf("EXHAUST_TELEMETRY_LAYOUT: %w", err)
	}
	return uci, layout, nil
}
