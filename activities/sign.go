package activities

import (
	"context"
	"time"

	"data-exhaust/exhaust"
)

// SignURLs signs the URLs of the file of an exhaust that is made and of its receipt, and records them with the SUCCESS in
// job_request. A URL is as good as the file, so it is no result: the workflow's history never sees it. Only exhausts that
// began before EndExhaust was there call it by itself.
func (a *Activities) SignURLs(ctx context.Context, job exhaust.Job) error {
	ctx, cancel := context.WithTimeout(ctx, shortStepTimeout)
	defer cancel()
	job.ExpiresAt = time.Now().Add(a.settings.URLTTL).Truncate(time.Second)
	url, err := a.deps.Reports.SignURL(ctx, job.Report, job.ExpiresAt)
	if err != nil {
		return failure(failedOf(reportsStore, err, "signing the URL of report "+job.Report))
	}
	job.DownloadURLs = []string{url}
	if job.Receipt != "" {
		if job.ReceiptURL, err = a.deps.Reports.SignURL(ctx, job.Receipt, job.ExpiresAt); err != nil {
			return failure(failedOf(reportsStore, err, "signing the URL of receipt "+job.Receipt))
		}
	}
	return failure(a.deps.Jobs.Save(ctx, job))
}
