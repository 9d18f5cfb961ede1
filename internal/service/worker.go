package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"data-exhaust/activities"
	"data-exhaust/api/schedules"
	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/registry"
	"data-exhaust/telemetry"
	"data-exhaust/workflows"
)

// Worker runs workflows and activities until the context ends, and then stops gracefully: it
// finishes its activities or hands them back.
func Worker(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	temporalClient, namespace, err := DialTemporal(log)
	if err != nil {
		return err
	}
	defer temporalClient.Close()
	dbs, err := openDatabases(ctx, cfg)
	if err != nil {
		return err
	}
	defer dbs.Close()
	stores, err := openStores(ctx, cfg)
	if err != nil {
		return err
	}
	acts, err := newActivities(ctx, cfg, dbs, stores)
	if err != nil {
		return err
	}
	if err := registerSearchAttributes(ctx, temporalClient, namespace); err != nil {
		return err
	}

	fatal := make(chan error, 1)
	w := worker.New(temporalClient, cfg.TaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: maxActivities,
		MaxHeartbeatThrottleInterval:       heartbeatThrottle,
		DefaultHeartbeatThrottleInterval:   heartbeatThrottle,
		WorkerStopTimeout:                  stopWithin,
		OnFatalError:                       func(err error) { fatal <- err },
	})
	w.RegisterWorkflow(workflows.Exhaust)
	w.RegisterActivity(acts)
	w.RegisterWorkflow(workflows.Nightly)
	jobs := registry.NewJobs(dbs.exhaust)
	service := newExhausts(cfg, temporalClient, jobs, stores)
	w.RegisterActivity(activities.NewNight(service, jobs, stores.reports, cfg.ReportRetention, cfg.Timezone))
	w.RegisterWorkflow(workflows.Recurring)
	w.RegisterActivity(activities.NewFirings(service, schedules.NewCalendar(temporalClient, namespace), activities.FiringSettings{
		Timezone:      cfg.Timezone,
		PublicURL:     cfg.PublicURL,
		WebhookSecret: cfg.WebhookSecret,
		AllowPrivate:  cfg.WebhookAllowPrivate,
	}))
	if err := w.Start(); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	defer w.Stop()
	if err := workflows.EnsureNightly(ctx, temporalClient, nightlySettings(cfg)); err != nil {
		return err
	}
	log.Info("worker is running", "taskQueue", cfg.TaskQueue, "namespace", namespace)
	select {
	case <-ctx.Done():
		log.Info("worker is stopping")
		return nil
	case err := <-fatal:
		return fmt.Errorf("the worker cannot go on: %w", err)
	}
}

const (
	// maxActivities is high because most of them wait: scanning, which takes a core and memory, is
	// bounded by the activities themselves.
	maxActivities = 256
	// heartbeatThrottle is how often, at the most, an activity's progress is told to Temporal.
	heartbeatThrottle = time.Second
	// stopWithin bounds how long a worker that stops waits for its activities to hand back.
	stopWithin = 10 * time.Second
)

func nightlySettings(cfg config.Config) workflows.NightlySettings {
	return workflows.NightlySettings{
		Cron:      cfg.NightlyCron,
		Timezone:  cfg.Timezone.String(),
		TaskQueue: cfg.TaskQueue,
		Input:     workflows.NightInput{Concurrency: cfg.NightlyConcurrency, Timeout: cfg.Timeout},
	}
}

func newActivities(ctx context.Context, cfg config.Config, dbs *databases, stores *stores) (*activities.Activities, error) {
	uci, err := registry.NewUCI(dbs.uci, dbs.fusionAuth, registry.Tables{
		Conversations: cfg.ConversationTable,
		Users:         cfg.UsersTable,
		Registrations: cfg.RegistrationsTable,
		Identities:    cfg.IdentitiesTable,
		Zone:          cfg.Timezone,
	})
	if err != nil {
		return nil, err
	}
	jobs := registry.NewJobs(dbs.exhaust)
	if err := migrated(ctx, jobs); err != nil {
		return nil, err
	}
	layout, err := telemetry.ParseLayout(cfg.TelemetryLayout)
	if err != nil {
		return nil, fmt.Errorf("EXHAUST_TELEMETRY_LAYOUT: %w", err)
	}
	settings := activities.Settings{
		Layout:        layout,
		PdataID:       cfg.PdataID,
		Timezone:      cfg.Timezone,
		MaxDays:       cfg.MaxDays,
		URLTTL:        cfg.URLTTL,
		AssumeConsent: cfg.AssumeConsent,
		Dialect:       cfg.CSVDialect,
	}
	if cfg.EncryptionSecret != "" {
		cipher, err := exhaust.NewCipher(cfg.EncryptionSecret)
		if err != nil {
			return nil, fmt.Errorf("UCI_ENCRYPTION_SECRET: %w", err)
		}
		settings.Cipher = cipher
	}
	return activities.New(activities.Dependencies{
		UCI:       uci,
		Jobs:      jobs,
		Telemetry: stores.telemetry,
		Reports:   stores.reports,
	}, settings), nil
}

// registerSearchAttributes waits for Temporal and makes sure that it knows the exhausts' search
// attributes.
func registerSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	err := workflows.RegisterSearchAttributes(ctx, c, namespace)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer from Temporal (TEMPORAL_ADDRESS): %w", err)
	}
	return err
}
