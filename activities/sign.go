package activities

import (
	"context"
	"fmt"
	"time"

	"data-exhaust/exhaust"
)

// SignURLs signs the URLs of the file of an exhaust that is made and of its receipt, and records them with the SUCCESS in
// job_request. A URL is as good as the file, so it is no result: the workflow's history never sees it.
func (a *Activities) SignURLs(ctx context.Context, job exhaust.Job) error {
	job.ExpiresAt = time.Now().Add(a.settings.URLTTL).Truncate(time.Second)
	url, err := a.deps.Reports.SignURL(ctx, job.Report, job.ExpiresAt)
	if err != nil {
		return fmt.Errorf("signing the URL of report %s: %w", job.Report, err)
	}
	job.DownloadURLs = []string{url}
	if job.Receipt != "" {
		if job.ReceiptURL, err = a.deps.Reports.SignURL(ctx, job.Receipt, job.ExpiresAt); err != nil {
			return fmt.Errorf("signing the URL of receipt %s: %w", job.Receipt, err)
		}
	}
	return a.deps.Jobs.Save(ctx, job)
}
