package activities

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
)

// RecordJob writes what has become of an exhaust to job_request, where it outlives the workflow.
func (a *Activities) RecordJob(ctx context.Context, job exhaust.Job) error {
	return a.deps.Jobs.Save(ctx, job)
}

// RemoveFiles deletes all files of the reports store whose name begins with one of the prefixes:
// what was staged, and the report of an exhaust that came to nothing.
func (a *Activities) RemoveFiles(ctx context.Context, prefixes []string) error {
	_, err := WithHeartbeats(ctx, func(ctx context.Context) (any, error) { return nil, a.removeFiles(ctx, prefixes) })
	return err
}

// removals is how many files are removed at a time.
const removals = 16

func (a *Activities) removeFiles(ctx context.Context, prefixes []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	if err := a.listFiles(ctx, prefixes, func(name string) {
		group.Go(func() error {
			if err := a.deps.Reports.Delete(ctx, name); err != nil {
				return fmt.Errorf("removing file %s: %w", name, err)
			}
			return nil
		})
	}); err != nil {
		return errors.Join(err, group.Wait())
	}
	return group.Wait()
}

func (a *Activities) listFiles(ctx context.Context, prefixes []string, each func(name string)) error {
	for _, prefix := range prefixes {
		for object, err := range a.deps.Reports.List(ctx, prefix, "") {
			if err != nil {
				return fmt.Errorf("listing the files under %s: %w", prefix, err)
			}
			each(object.Name)
		}
	}
	return nil
}
