package activities

import (
	"context"
	"fmt"
	"time"
)

// SignURLs signs the URL of an exhaust's file and keeps it in job_request. The URL is as good as the
// file, so it is no result: the workflow's history never sees it.
func (a *Activities) SignURLs(ctx context.Context, requestID, report string) error {
	expires := time.Now().Add(a.settings.URLTTL).Truncate(time.Second)
	url, err := a.deps.Reports.SignURL(ctx, report, expires)
	if err != nil {
		return fmt.Errorf("signing the URL of report %s: %w", report, err)
	}
	return a.deps.Jobs.SaveURLs(ctx, requestID, []string{url}, expires)
}
