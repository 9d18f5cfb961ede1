package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

// Erase removes all files that are held of a conversation (reports, staged files, slices) and calls onRemoved with the name
// of each. The rows of job_request stay and say when their report was erased. What cannot be removed stops nothing else: the
// error counts it and names the first few, and the rows of these reports stay as they are. It is refused while an exhaust of
// the conversation has not ended, which would go on writing.
func Erase(ctx context.Context, cfg config.Config, conversationID string, onRemoved func(name string)) error {
	c, err := connect(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.askJobs(ctx); err != nil {
		return err
	}
	var all []exhaust.Job
	for _, status := range exhaust.Statuses {
		selected, err := c.jobs.Select(ctx, jobs.Selection{Status: status, ConversationID: conversationID})
		if err != nil {
			return err
		}
		all = append(all, selected...)
	}
	if err := c.checkEnded(ctx, all); err != nil {
		return err
	}
	e := eraser{connections: c, onRemoved: onRemoved, kept: map[string]bool{}}
	var prefixes []string
	for _, job := range all {
		prefixes = append(prefixes, exhaust.StagingOf(job.ID))
	}
	for _, prefix := range append(prefixes, exhaust.SlicesOf(conversationID)) {
		if err := e.remove(ctx, prefix, func(string) bool { return true }); err != nil {
			return err
		}
	}
	// Reports are found by their names: also those that no row knows any more.
	for _, dataset := range exhaust.Datasets {
		if err := e.remove(ctx, exhaust.ReportsOf(dataset), exhaust.IsReportOf(conversationID)); err != nil {
			return err
		}
	}
	why := exhaust.ErasureMessage(time.Now().In(cfg.Timezone))
	for _, job := range all {
		if job.Report == "" || e.kept[job.Report] || e.kept[job.Receipt] {
			continue
		}
		if _, err := c.jobs.DropReport(ctx, job, why); err != nil {
			return err
		}
	}
	return e.failure()
}

// checkEnded is an error that names each exhaust that has not ended. Temporal is asked: job_request does not know of the
// end of an exhaust that was terminated.
func (c *connections) checkEnded(ctx context.Context, all []exhaust.Job) error {
	var running []error
	for _, job := range all {
		if job.Status.HasEnded() {
			continue
		}
		now, err := c.exhausts.Find(ctx, job.ID)
		if err != nil {
			return fmt.Errorf("whether exhaust %s has ended: %w", job.ID, err)
		}
		if !now.Status.HasEnded() {
			running = append(running, fmt.Errorf("exhaust %s of tag %s is %s: wait for its end or cancel it first", job.ID, job.Tag, now.Status))
		}
	}
	return errors.Join(running...)
}

type eraser struct {
	*connections
	onRemoved func(name string)
	// kept are the files that could not be removed, and errs the first few errors.
	kept map[string]bool
	errs []error
}

// maxNamedFailures is how many files are named that could not be removed.
const maxNamedFailures = 5

func (e *eraser) failure() error {
	if len(e.kept) == 0 {
		return nil
	}
	return fmt.Errorf("files that could not be removed: %d, such as\n%w", len(e.kept), errors.Join(e.errs...))
}

// remove removes the files of the reports store whose names begin with the prefix and are wanted.
func (e *eraser) remove(ctx context.Context, prefix string, isWanted func(name string) bool) error {
	for object, err := range e.reports.List(ctx, prefix, "") {
		if err != nil {
			return fmt.Errorf("listing %s: %w", prefix, err)
		}
		if !isWanted(object.Name) {
			continue
		}
		if err := e.reports.Delete(ctx, object.Name); err != nil {
			err = fmt.Errorf("removing %s: %w", object.Name, err)
			if ctx.Err() != nil {
				return err
			}
			if e.kept[object.Name] = true; len(e.errs) < maxNamedFailures {
				e.errs = append(e.errs, err)
			}
			continue
		}
		e.onRemoved(object.Name)
	}
	return nil
}
