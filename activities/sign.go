package activities

import (
	"context"
	"fmt"
	"time"

	"data-exhaust/exhaust"
)

// SignURLs signs the URL of the file of an exhaust that is made, and records it with the SUCCESS in
// job_request. The URL is as good as the file, so it is no result: the workflow's history never sees
// it.
func (a *Activities) SignURLs(ctx context.Context, job exhaust.Job) error {
	job.ExpiresAt = time.Now().Add(a.settings.URLTTL).Truncate(time.Second)
	url, err := a.deps.Reports.SignURL(ctx, job.Report, job.ExpiresAt)
	if err != nil {
		return fmt.Errorf("signing the URL of report %s: %w", job.Report, err)
	}
	job.DownloadURLs = []string{url}
	return a.deps.Jobs.Save(ctx, job)
}
