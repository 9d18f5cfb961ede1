package service

import (
	"context"
	"errors"
	"io"
	"time"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

// Summary opens the summary of an exhaust that succeeded, a JSON object: whoever takes it closes it. It may be read for longer
// than ctx lasts.
func (s *Exhausts) Summary(ctx context.Context, tag, channel, requestID string, may ...Permission) (exhaust.Job, io.ReadCloser, error) {
	job, err := s.findReport(ctx, tag, channel, requestID, may, exhaust.NoSummaryYet, exhaust.SummaryGone)
	if err != nil {
		return job, nil, err
	}
	summary, err := s.openFor(ctx, exhaust.SummaryName(job.Report))
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return job, nil, s.whyNoSummary(ctx, job)
	case err != nil:
		return job, nil, &UnavailableError{ReportsDependency, err}
	}
	return job, summary, nil
}

// findReport finds an exhaust that succeeded and whose report is kept, or says with one of the codes why there is none: it has
// not succeeded (yet), or the report is gone.
func (s *Exhausts) findReport(ctx context.Context, tag, channel, requestID string, may []Permission, notYet, gone *exhaust.Code) (exhaust.Job, error) {
	job, err := s.findOf(ctx, tag, channel, requestID, may)
	if err != nil {
		return exhaust.Job{}, err
	}
	if job.Status != exhaust.Success {
		return job, exhaust.Invalid(notYet, job.Status)
	}
	if job, err = s.withRecordedReport(ctx, job); err != nil {
		return exhaust.Job{}, err
	}
	if job.Report == "" {
		return job, exhaust.Invalid(gone, job.Message)
	}
	return job, nil
}

// whyNoSummary says why a report has no summary beside it: it was deleted with it, or there never was one.
func (s *Exhausts) whyNoSummary(ctx context.Context, job exhaust.Job) error {
	bounded, cancel := context.WithTimeout(ctx, statTimeout)
	defer cancel()
	_, err := s.reports.Stat(bounded, job.Report)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return exhaust.Invalid(exhaust.SummaryGone, exhaust.LossMessage)
	case err != nil:
		return &UnavailableError{ReportsDependency, err}
	}
	return exhaust.Invalid(exhaust.SummaryNeverWritten)
}

// readTimeout bounds how long somebody may take to read a file that was opened for him.
const readTimeout = 3 * time.Minute

// openFor opens a file of the reports store within ctx, for somebody who reads it for longer.
func (s *Exhausts) openFor(ctx context.Context, name string) (io.ReadCloser, error) {
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	isOpen := context.AfterFunc(ctx, cancel)
	file, err := s.reports.Open(reading, name)
	if err == nil && isOpen() {
		return opened{file, cancel}, nil
	}
	cancel()
	if err == nil {
		err = errors.Join(context.Cause(ctx), file.Close())
	}
	return nil, err
}

// opened is a file whose context ends when it is closed.
type opened struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (o opened) Close() error {
	defer o.cancel()
	return o.ReadCloser.Close()
}
