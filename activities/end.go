package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
)

// RecordJob writes what has become of an exhaust to job_request, where it outlives the workflow.
func (a *Activities) RecordJob(ctx context.Context, job exhaust.Job) error {
	ctx, cancel := context.WithTimeout(ctx, shortStepTimeout)
	defer cancel()
	return failure(a.deps.Jobs.Save(ctx, job))
}

// shortStepTimeout leaves an attempt, which has 20 s, the time to say what did not answer, and to tidy up.
const shortStepTimeout = 12 * time.Second

// LogEnd writes the one line of the log that says how an exhaust ended. However it did, that is no error of the log's.
func LogEnd(logger log.Logger, job exhaust.Job) {
	logger.Info("exhaust has ended", "requestId", job.ID, "channel", job.Channel, "dataset", job.Dataset,
		"status", job.Status, "reason", job.Message, "rows", job.Progress.RowsWritten, "seconds", job.ExecutionTime.Seconds())
}

// EndInput says how an exhaust ends.
type EndInput struct {
	// Job is the exhaust as it stands in the end.
	Job exhaust.Job `json:"job"`
	// Staging begins the names of all that this run of it has staged.
	Staging string `json:"staging"`
	// IsUnstaged says that it has staged nothing.
	IsUnstaged bool `json:"unstaged,omitempty"`
}

// Ended is what is left to do.
type Ended struct {
	// IsLeft is set where files could not be removed at once: RemoveLeftovers goes on with it.
	IsLeft bool `json:"left,omitempty"`
}

// tidyTimeout bounds how long the end of an exhaust is held up by the removal of its staged files.
const tidyTimeout = 5 * time.Second

// EndExhaust records the end of an exhaust, of a SUCCESS with its signed URLs, and removes what was staged. What did not
// succeed leaves no report either.
func (a *Activities) EndExhaust(ctx context.Context, in EndInput) (Ended, error) {
	if in.Job.Status == exhaust.Success {
		if err := a.SignURLs(ctx, in.Job); err != nil {
			return Ended{}, err
		}
	} else if err := a.RecordJob(ctx, in.Job); err != nil {
		return Ended{}, err
	}
	tidying, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	if err := a.removeFiles(tidying, leftovers(in)); err != nil {
		activity.GetLogger(ctx).Warn("files are not removed yet", "requestId", in.Job.ID, "error", err)
		return Ended{IsLeft: true}, nil
	}
	return Ended{}, nil
}

// leftovers begin the names of the files that an exhaust leaves when it ends.
func leftovers(in EndInput) (prefixes []string) {
	if !in.IsUnstaged {
		prefixes = append(prefixes, in.Staging)
	}
	if in.Job.Status != exhaust.Success {
		prefixes = append(prefixes, in.Job.ReportPrefix())
	}
	return prefixes
}

// RemoveLeftovers goes on with what EndExhaust could not remove at once.
func (a *Activities) RemoveLeftovers(ctx context.Context, in EndInput) error {
	return a.RemoveFiles(ctx, leftovers(in))
}

// RemoveFiles deletes all files of the reports store whose name begins with one of the prefixes: what one run has staged,
// and the report of an exhaust that came to nothing. Only exhausts that began before EndExhaust was there call it by
// itself.
func (a *Activities) RemoveFiles(ctx context.Context, prefixes []string) error {
	_, err := withHeartbeats(ctx, func(ctx context.Context, _ *heartbeater) (any, error) { return nil, a.removeFiles(ctx, prefixes) })
	return err
}

// removals is how many files are removed at a time.
const removals = 16

func (a *Activities) removeFiles(ctx context.Context, prefixes []string) error {
	for _, prefix := range prefixes {
		remove := a.removeVersions
		if exhaust.IsStaged(prefix) {
			remove = a.removeStaged
		}
		if err := remove(ctx, prefix); err != nil {
			return err
		}
	}
	return nil
}

// removeStaged deletes what one run has staged: no other has these names.
func (a *Activities) removeStaged(ctx context.Context, prefix string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	for object, err := range a.deps.Reports.List(ctx, prefix, "") {
		if err != nil {
			return errors.Join(failedOf(reportsStore, err, "listing the files under "+prefix), group.Wait())
		}
		group.Go(func() error {
			if err := a.deps.Reports.Delete(ctx, object.Name); err != nil {
				return failedOf(reportsStore, err, "removing file "+object.Name)
			}
			return nil
		})
	}
	return group.Wait()
}
