package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"regexp"
	"time"

	"data-exhaust/blob"
	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/registry"
)

// Erase removes all files that are held of a conversation (reports, staged files, slices) and tells
// each name to removed. The rows of job_request stay and say when their report was erased. It is
// refused while an exhaust of the conversation has not ended, which would go on writing.
func Erase(ctx context.Context, cfg config.Config, conversationID string, removed func(name string)) error {
	dbs, err := openDatabases(ctx, cfg)
	if err != nil {
		return err
	}
	defer dbs.Close()
	stores, err := openStores(ctx, cfg)
	if err != nil {
		return err
	}
	temporalClient, _, err := DialTemporal(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer temporalClient.Close()
	jobs := registry.NewJobs(dbs.exhaust)
	e := eraser{jobs: jobs, state: newExhausts(cfg, temporalClient, jobs, stores).State, reports: stores.reports, removed: removed}
	return e.erase(ctx, conversationID, exhaust.Erased(time.Now().In(cfg.Timezone)))
}

type eraser struct {
	jobs *registry.Jobs
	// state asks Temporal: job_request does not know of the end of an exhaust that was terminated.
	state   func(ctx context.Context, requestID string) (exhaust.Job, error)
	reports blob.Store
	removed func(name string)
}

func (e *eraser) erase(ctx context.Context, conversationID, why string) error {
	var jobs []exhaust.Job
	for _, status := range exhaust.Statuses {
		selected, err := e.jobs.Select(ctx, registry.Selection{Status: status, ConversationID: conversationID})
		if err != nil {
			return err
		}
		jobs = append(jobs, selected...)
	}
	var running []error
	for _, job := range jobs {
		if job.Status.Ended() {
			continue
		}
		now, err := e.state(ctx, job.ID)
		if err != nil {
			return fmt.Errorf("whether exhaust %s has ended: %w", job.ID, err)
		}
		if !now.Status.Ended() {
			running = append(running, fmt.Errorf("exhaust %s of tag %s is %s: wait for its end or cancel it first", job.ID, job.Tag, now.Status))
		}
	}
	if len(running) > 0 {
		return errors.Join(running...)
	}
	for _, job := range jobs {
		if err := e.prefix(ctx, "staging/"+job.ID+"/", all); err != nil {
			return err
		}
	}
	if err := e.prefix(ctx, "slices/"+conversationID+"/", all); err != nil {
		return err
	}
	// Reports are found by their names: also those that no row knows any more.
	// The whole name counts: a_response_b is another conversation than a.
	report := regexp.MustCompile(`^` + regexp.QuoteMeta(conversationID) + `_(response|userinfo)_[0-9]{8}\.(csv|zip)$`)
	ours := func(name string) bool { return report.MatchString(path.Base(name)) }
	for _, dataset := range []exhaust.Dataset{exhaust.ResponseExhaust, exhaust.PrivateExhaust} {
		if err := e.prefix(ctx, string(dataset)+"/", ours); err != nil {
			return err
		}
	}
	for _, job := range jobs {
		if job.Report == "" {
			continue
		}
		if err := e.jobs.DropReport(ctx, job.ID, job.Report, why); err != nil {
			return err
		}
	}
	return nil
}

func all(string) bool { return true }

func (e *eraser) prefix(ctx context.Context, prefix string, wanted func(name string) bool) error {
	for object, err := range e.reports.List(ctx, prefix, "") {
		if err != nil {
			return fmt.Errorf("listing %s: %w", prefix, err)
		}
		if !wanted(object.Name) {
			continue
		}
		if err := e.reports.Delete(ctx, object.Name); err != nil {
			return fmt.Errorf("removing %s: %w", object.Name, err)
		}
		e.removed(object.Name)
	}
	return nil
}
