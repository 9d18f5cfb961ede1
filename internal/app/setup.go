package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/database"
	"data-exhaust/internal/sample"
	"data-exhaust/service"
)

// SetUp makes all that the API and the worker need and that is not there yet: the tables, the
// stores' containers, the Temporal namespace and its search attributes. Schedules of recurring exhausts follow it to another
// task queue. It tries until the context
// ends, so what it depends on may still be starting. It may run again, and any number at once.
//
// retention is how long a namespace that it makes keeps workflows that have ended. Where callers sign in with tokens of the
// database and there has never been one, it makes an operator's and calls onFirstToken with the secret, which nothing keeps.
func SetUp(ctx context.Context, cfg config.Config, retention time.Duration, onFirstToken func(secret string), log *slog.Logger) error {
	temporalClient, namespace, err := DialTemporal(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer temporalClient.Close()
	for _, step := range []struct {
		what string
		do   func(ctx context.Context) error
	}{
		{"database tables", func(ctx context.Context) error { return Migrate(ctx, cfg) }},
		{"first token", func(ctx context.Context) error { return createFirstToken(ctx, cfg, onFirstToken) }},
		{"stores", func(ctx context.Context) error { return createContainers(ctx, cfg, log) }},
		{"Temporal namespace " + namespace, func(ctx context.Context) error {
			return createNamespace(ctx, temporalClient, namespace, retention, log)
		}},
		{"search attributes", func(ctx context.Context) error {
			return service.RegisterSearchAttributes(ctx, temporalClient, namespace)
		}},
		{"schedules of recurring exhausts", func(ctx context.Context) error {
			moved, err := service.MoveSchedules(ctx, temporalClient, namespace, cfg.TaskQueue)
			if moved > 0 {
				log.Info("schedules fire on another task queue now", "taskQueue", cfg.TaskQueue, "schedules", moved)
			}
			return err
		}},
	} {
		if err := retryUntilDone(ctx, step.what, step.do, isBeyondWaiting, log); err != nil {
			return err
		}
		log.Info("ready", "what", step.what)
	}
	return nil
}

const (
	firstTokenName = "first"
	// firstTokenLife is long enough to make tokens for people with it.
	firstTokenLife = 30 * 24 * time.Hour
)

func createFirstToken(ctx context.Context, cfg config.Config, onFirstToken func(secret string)) error {
	if cfg.Auth != config.AuthTokens || cfg.TokenFile != "" {
		return nil
	}
	return Tokens(ctx, cfg, func(tokens *service.Tokens) error {
		secret, err := tokens.CreateFirst(ctx, firstTokenName, firstTokenLife)
		if secret != "" {
			onFirstToken(secret)
		}
		return err
	})
}

// isBeyondWaiting tells whether somebody has to change something first: permissions, the stores or their settings.
func isBeyondWaiting(err error) bool {
	_, isPermanent := errors.AsType[*blob.PermanentError](err)
	return isPermanent || service.IsRefusal(err)
}

// createContainers makes those of Azure; a folder is made when it is opened.
func createContainers(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	stores, err := openStores(ctx, cfg, nil)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		name  string
		store blob.Store
	}{{"EXHAUST_TELEMETRY_STORE", stores.telemetry}, {"EXHAUST_REPORTS_STORE", stores.reports}} {
		azure, ok := s.store.(*blob.Azure)
		if !ok {
			continue
		}
		created, err := azure.CreateContainer(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if created {
			log.Info("made the container", "of", s.name)
		}
	}
	return nil
}

func createNamespace(ctx context.Context, c client.Client, namespace string, retention time.Duration, log *slog.Logger) error {
	service := c.WorkflowService()
	_, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	var absent *serviceerror.NamespaceNotFound
	if !errors.As(err, &absent) {
		return err
	}
	_, err = service.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        namespace,
		Description:                      "Data Exhaust",
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	var exists *serviceerror.NamespaceAlreadyExists
	switch {
	case errors.As(err, &exists):
		return nil
	case err != nil:
		return err
	}
	log.Info("made the namespace", "namespace", namespace, "retention", retention.String())
	return nil
}

// SampleTables makes sure that the sample data goes into tables of its own. In the embedded database
// they always are; on PostgreSQL they must have been made by this function, with create.
func SampleTables(ctx context.Context, cfg config.Config, create bool) error {
	dbs, err := openDatabases(ctx, cfg)
	if err != nil {
		return err
	}
	defer dbs.Close()
	if dbs.uci.Dialect() != database.PostgreSQL {
		return nil
	}
	if err := askDatabase(ctx, "UCI_DATABASE_URL", dbs.uci); err != nil {
		return err
	}
	if create {
		return sample.CreateTables(ctx, dbs.uci)
	}
	if err := sample.CheckTables(ctx, dbs.uci); err != nil {
		return fmt.Errorf("sample data needs tables of its own: %w; `starter gen --create-tables` makes them in a database without UCI's", err)
	}
	return nil
}

// WorkerPolls is an error unless a worker that runs on the given host has asked Temporal for
// workflow tasks within the time.
func WorkerPolls(ctx context.Context, cfg config.Config, host string, within time.Duration) error {
	c, namespace, err := DialTemporal(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer c.Close()
	deployment := service.NewDeployment(c, namespace, cfg.Deployment, cfg.TaskQueue)
	isPolled, err := deployment.IsPolledBy(ctx, within, func(identity string) bool { return isOnHost(identity, host) })
	if err != nil || isPolled {
		return err
	}
	return fmt.Errorf("no worker on host %s has polled task queue %s within %s", host, cfg.TaskQueue, within)
}

// isOnHost knows the identities that Temporal's SDK gives to workers: process@host@queue.
func isOnHost(identity, host string) bool {
	_, rest, _ := strings.Cut(identity, "@")
	at := strings.LastIndex(rest, "@")
	return at >= 0 && rest[:at] == host
}

// TriggerNight begins the night now, beside those that its schedule begins.
func TriggerNight(ctx context.Context) error {
	c, _, err := DialTemporal(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.ScheduleClient().GetHandle(ctx, service.NightlySchedule).Trigger(ctx, client.ScheduleTriggerOptions{})
}
