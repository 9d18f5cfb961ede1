package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"data-exhaust/activities"
	"data-exhaust/activities/night"
	"data-exhaust/activities/recurring"
	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/report"
	"data-exhaust/service"
	"data-exhaust/workflows"
)

// Worker runs workflows and activities until the context ends, and then stops gracefully: it
// finishes its activities or hands them back. It takes work from when its database and Temporal are there and have what it
// needs, and waits for that until the context ends; an error at the start is one of the settings, of a key, or of a folder or
// file on this machine.
func Worker(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	return WorkerHooks{}.Worker(ctx, cfg, log)
}

// WorkerHooks let a test hold up a worker of its own. The product's worker has none.
type WorkerHooks struct {
	// Interceptors see what the worker runs.
	Interceptors []interceptor.WorkerInterceptor
	// Reports puts something around the reports store of the activities; nil puts nothing.
	Reports func(blob.Store) blob.Store
}

// Worker is the function [Worker] with the hooks.
func (h WorkerHooks) Worker(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	c, err := connect(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer c.Close()
	if h.Reports != nil {
		c.reports = h.Reports(c.reports)
	}
	steps, err := newActivities(cfg, c, log)
	if err != nil {
		return err
	}
	versioning, err := deploymentOptions(cfg)
	if err != nil {
		return err
	}
	temporal := newTemporalCheck(c)
	if !c.await(ctx, temporal, log) {
		return nil // it was told to stop
	}

	var stop func()
	var fatal chan error
	start := func(context.Context) (err error) {
		failure := make(chan error, 1)
		stop, err = startWorkers(cfg, c, steps, versioning, h.Interceptors, func(err error) { keepFirst(failure, err) })
		fatal = failure
		return err
	}
	if !keepTrying(ctx, "start of the workers", start, log) {
		return nil
	}
	defer stop()
	scheduling, stopScheduling := context.WithCancel(ctx)
	var scheduler sync.WaitGroup
	scheduler.Go(func() {
		ensure := func(ctx context.Context) error { return service.EnsureNightly(ctx, c.temporal, nightlySettings(cfg)) }
		err := retryUntilDone(scheduling, "schedule of the night", withTimeout(temporal.where(), ensure), isMistake, log)
		switch {
		case err == nil:
			log.Info("worker is running", "taskQueue", cfg.TaskQueue, "namespace", c.namespace,
				"deployment", versioning.Version.DeploymentName, "buildID", versioning.Version.BuildID)
		case isMistake(err):
			keepFirst(fatal, err)
		}
	})
	defer scheduler.Wait()
	defer stopScheduling()
	select {
	case <-ctx.Done():
		log.Info("worker is stopping")
		return nil
	case err := <-fatal:
		return fmt.Errorf("the worker cannot go on: %w", err)
	}
}

// keepFirst puts an error into a channel that has room for one, unless another was first.
func keepFirst(failure chan<- error, err error) {
	select {
	case failure <- err:
	default:
	}
}

// isMistake reports whether Temporal takes what it was asked for as wrong, as EXHAUST_NIGHTLY_CRON can be: a setting that no
// waiting mends.
func isMistake(err error) bool {
	var wrong *serviceerror.InvalidArgument
	return errors.As(err, &wrong)
}

// startWorkers starts the SDK's workers: one for workflows and short steps, and one for each queue of long steps.
func startWorkers(cfg config.Config, c *connections, steps *activities.Activities, versioning worker.DeploymentOptions, interceptors []interceptor.WorkerInterceptor, onFatal func(error)) (stop func(), err error) {
	var started []worker.Worker
	stop = func() {
		// Each gives its activities stopTimeout.
		var all sync.WaitGroup
		for _, w := range started {
			all.Go(w.Stop)
		}
		all.Wait()
	}
	for _, queue := range append([]string{cfg.TaskQueue}, workflows.LongQueues(cfg.TaskQueue)...) {
		isMain, slots := queue == cfg.TaskQueue, runtime.GOMAXPROCS(0)
		switch queue {
		case cfg.TaskQueue:
			slots = shortSteps
		case workflows.NightQueue(cfg.TaskQueue):
			slots = max(1, slots*3/4) // the night leaves some of the machine to the day
		}
		w := worker.New(c.temporal, queue, worker.Options{
			MaxConcurrentActivityExecutionSize: slots,
			MaxHeartbeatThrottleInterval:       heartbeatThrottle,
			DefaultHeartbeatThrottleInterval:   heartbeatThrottle,
			WorkerStopTimeout:                  stopTimeout,
			DeploymentOptions:                  versioning,
			Interceptors:                       interceptors,
			OnFatalError:                       onFatal,
			DisableWorkflowWorker:              !isMain,
		})
		w.RegisterActivity(steps)
		if isMain {
			registerWorkflows(w)
			w.RegisterActivity(night.New(c.exhausts, c.jobs, c.reports, cfg.ReportRetention, cfg.Timezone))
			w.RegisterActivity(recurring.New(c.exhausts, service.NewCalendar(c.temporal, c.namespace), c.jobs, recurring.Settings{
				Timezone:     cfg.Timezone,
				PublicURL:    cfg.PublicURL,
				WebhookKeys:  cfg.WebhookKeys,
				AllowPrivate: cfg.WebhookAllowPrivate,
			}))
		}
		if err := w.Start(); err != nil {
			stop()
			return nil, fmt.Errorf("starting the worker of task queue %s: %w", queue, err)
		}
		started = append(started, w)
	}
	return stop, nil
}

func registerWorkflows(w worker.Worker) {
	w.RegisterWorkflowWithOptions(workflows.Exhaust, pinned)
	w.RegisterWorkflow(workflows.Parked)
	w.RegisterWorkflow(workflows.Nightly)
	w.RegisterWorkflow(workflows.Recurring)
}

const (
	// shortSteps is how many activities run at a time that take no core: they wait for a database or a store.
	shortSteps = 1000
	// inlineObjects and devicesInMemory are how small an exhaust is that stages less.
	inlineObjects, devicesInMemory = 64, 10_000
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
		Input:     workflows.NightInput{Concurrency: cfg.NightlyConcurrency, Watch: cfg.NightlyWatch, Timeout: cfg.Timeout},
	}
}

func newActivities(cfg config.Config, c *connections, log *slog.Logger) (*activities.Activities, error) {
	uci, layout, err := newSources(cfg, c)
	if err != nil {
		return nil, err
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
		ShortQueue:    cfg.TaskQueue,
		InlineObjects: inlineObjects, DevicesInMemory: devicesInMemory, SummaryMinDevices: cfg.SummaryMinDevices,
	}
	if settings.ReceiptKey, err = receiptKey(cfg, log); err != nil {
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
