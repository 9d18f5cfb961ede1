package service

import (
	"context"
	"errors"
	"path"
	"time"

	"data-exhaust/access"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

// File is what can be said of a report before anybody takes it.
type File struct {
	// Name is the one under which browsers save it; "" where there is no report.
	Name string
	// Bytes is its size; 0 where the store does not say it now: no report is empty.
	Bytes int64
	// KeptUntil is when it is deleted, or a night later.
	KeptUntil time.Time
	// LinkLife is for how long a signed URL of it works at most.
	LinkLife time.Duration
}

// Look is Read without URLs: nothing is signed and nothing given away. Beside the exhaust it tells of the report.
func (s *Exhausts) Look(ctx context.Context, tag, channel, requestID string, may ...Permission) (exhaust.Job, File, error) {
	job, err := s.findOf(ctx, tag, channel, requestID, may)
	if err == nil {
		job, err = s.withRecord(ctx, job)
	}
	if err != nil {
		return exhaust.Job{}, File{}, err
	}
	job = withoutURLs(job)
	if job.Status != exhaust.Success || job.Report == "" {
		return job, File{}, nil
	}
	file := File{Name: path.Base(job.Report), KeptUntil: job.CompletedAt.Add(s.settings.ReportRetention), LinkLife: s.settings.URLTTL}
	bounded, cancel := context.WithTimeout(ctx, statTimeout)
	defer cancel()
	switch object, err := s.reports.Stat(bounded, job.Report); {
	case errors.Is(err, blob.ErrNotFound):
		return withLoss(job), File{}, nil
	case err != nil:
		s.settings.Log.Warn("the size of a report is not known", "requestId", job.ID, "error", err)
	default:
		file.Bytes = object.Size
	}
	return job, file, nil
}

// Look is [Exhausts.Look].
func (a *Authorized) Look(ctx context.Context, c access.Caller, tag, channel, requestID string) (exhaust.Job, File, error) {
	err := a.check(c, channel)
	var (
		job  exhaust.Job
		file File
	)
	if err == nil {
		job, file, err = a.exhausts.Look(ctx, tag, channel, requestID, a.permission(c, channel))
	}
	if isRefusal(err) {
		err = hide(a.tell(c, "read", access.Event{Channel: channel, RequestID: requestID}, err), ErrNotFound)
	}
	return job, file, err
}
