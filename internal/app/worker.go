package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/worker"

	"data-exhaust/activities"
	"data-exhaust/activities/night"
	"data-exhaust/activities/recurring"
	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/registry"
	"data-exhaust/report"
	"data-exhaust/service"
	"data-exhaust/telemetry"
	"data-exhaust/workflows"
)

// Worker runs workflows and activities until the context ends, and then stops gracefully: it
// finishes its activities or hands them back.
func Worker(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	c, err := connect(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer c.Close()
	steps, err := newActivities(cfg, c)
	if err != nil {
		return err
	}
	if err := registerSearchAttributes(ctx, c); err != nil {
		return err
	}

	fatal := make(chan error, 1)
	w := worker.New(c.temporal, cfg.TaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: maxActivities,
		MaxHeartbeatThrottleInterval:       heartbeatThrottle,
		DefaultHeartbeatThrottleInterval:   heartbeatThrottle,
		WorkerStopTimeout:                  stopTimeout,
		OnFatalError:                       func(err error) { fatal <- err },
	})
	w.RegisterWorkflow(workflows.Exhaust)
	w.RegisterActivity(steps)
	w.RegisterWorkflow(workflows.Nightly)
	w.RegisterActivity(night.New(c.exhausts, c.jobs, c.reports, cfg.ReportRetention, cfg.Timezone))
	w.RegisterWorkflow(workflows.Recurring)
	w.RegisterActivity(recurring.New(c.exhausts, service.NewCalendar(c.temporal, c.namespace), recurring.Settings{
		Timezone:      cfg.Timezone,
		PublicURL:     cfg.PublicURL,
		WebhookSecret: cfg.WebhookSecret,
		AllowPrivate:  cfg.WebhookAllowPrivate,
	}))
	if err := w.Start(); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	defer w.Stop()
	if err := service.EnsureNightly(ctx, c.temporal, nightlySettings(cfg)); err != nil {
		return err
	}
	log.Info("worker is running", "taskQueue", cfg.TaskQueue, "namespace", c.namespace)
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
	// heartbeatThrottle is how often, at the most, an activity's progress is reported to Temporal.
	heartbeatThrottle = time.Second
	// stopTimeout bounds how long a worker that stops waits for its activities to hand back.
	stopTimeout = 10 * time.Second
)

func nightlySettings(cfg config.Config) service.NightlySettings {
	return service.NightlySettings{
		Cron:      cfg.NightlyCron,
		Timezone:  cfg.Timezone.String(),
		TaskQueue: cfg.TaskQueue,
		Input:     workflows.NightInput{Concurrency: cfg.NightlyConcurrency, Timeout: cfg.Timeout},
	}
}

func newActivities(cfg config.Config, c *connections) (*activities.Activities, error) {
	uci, err := registry.NewUCI(c.uci, c.fusionAuth, registry.Tables{
		Conversations: cfg.ConversationTable,
		Users:         cfg.UsersTable,
		Registrations: cfg.RegistrationsTable,
		Identities:    cfg.IdentitiesTable,
		Zone:          cfg.Timezone,
	})
	if err != nil {
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
		CSV:           report.Options{Dialect: cfg.CSVDialect, ByteOrderMark: cfg.CSVByteOrderMark, FormulaGuard: cfg.CSVFormulaGuard},
		SettleTime:    cfg.SettleTime,
	}
	if settings.ReceiptKey, err = receiptKey(cfg); err != nil {
		return nil, err
	}
	if settings.Version, err = buildVersion(); err != nil {
		return nil, err
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
		Jobs:      c.jobs,
		Telemetry: c.telemetry,
		Reports:   c.reports,
	}, settings), nil
}

// registerSearchAttributes waits for Temporal and makes sure that it knows the exhausts' search
// attributes.
func registerSearchAttributes(ctx context.Context, c *connections) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := service.RegisterSearchAttributes(ctx, c.temporal, c.namespace)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer from Temporal (TEMPORAL_ADDRESS): %w", err)
	}
	return err
}

// startTimeout bounds how long a service waits at its start for what it depends on.
const startTimeout = time.Minute
