package activities

import (
	"context"
	"fmt"

	"data-exhaust/exhaust"
)

// RecordJob writes what has become of an exhaust to job_request, where it outlives the workflow.
func (a *Activities) RecordJob(ctx context.Context, job exhaust.Job) error {
	return a.deps.Jobs.Save(ctx, job)
}

// RemoveFiles deletes all files of the reports store whose name begins with one of the prefixes:
// what was staged, and the report of an exhaust that came to nothing.
func (a *Activities) RemoveFiles(ctx context.Context, prefixes []string) error {
	ctx, pulse := startPulse(ctx)
	return pulse.end(a.removeFiles(ctx, prefixes))
}

func (a *Activities) removeFiles(ctx context.Context, prefixes []string) error {
	for _, prefix := range prefixes {
		for object, err := range a.deps.Reports.List(ctx, prefix, "") {
			if err != nil {
				return fmt.Errorf("listing the files under %s: %w", prefix, err)
			}
			if err := a.deps.Reports.Delete(ctx, object.Name); err != nil {
				return fmt.Errorf("removing file %s: %w", object.Name, err)
			}
		}
	}
	return nil
}
