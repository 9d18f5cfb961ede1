package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"data-exhaust/access"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
	"data-exhaust/telemetry"
)

// receiptTimeout is how long a receipt may take to be read. One of a year has thousands of lines.
const receiptTimeout = 2 * time.Second

// DaysWithoutTelemetry are the days of an exhaust's file of which no telemetry was there when the file was made, ascending: those of
// which its receipt names no object. There are none of a file of everybody who is registered, and of one whose receipt has the days
// in another layout than today's.
func (e *Estimates) DaysWithoutTelemetry(ctx context.Context, tag, channel, requestID string, may ...Permission) ([]exhaust.Day, error) {
	job, err := e.exhausts.findReport(ctx, tag, channel, requestID, may, exhaust.NoFileYet, exhaust.FileGone)
	if err != nil || job.Receipt == "" || job.From == "" {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, receiptTimeout)
	defer cancel()
	file, err := e.exhausts.reports.Open(bounded, job.Receipt)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, exhaust.Invalid(exhaust.FileGone, exhaust.LossMessage)
	}
	if err != nil {
		return nil, &UnavailableError{ReportsDependency, err}
	}
	defer file.Close() // of what was only read, nothing is lost where closing fails
	days, err := daysWithout(file, e.lister.layout, exhaust.Range{StartDate: job.From, EndDate: job.To})
	if err != nil {
		return nil, fmt.Errorf("reading the receipt of exhaust %s: %w", job.ID, err)
	}
	return days, nil
}

// daysWithout are the days of a range of which a receipt names no object.
func daysWithout(file io.Reader, layout telemetry.Layout, within exhaust.Range) (days []exhaust.Day, err error) {
	isThere := map[string]bool{}
	for object, err := range receipt.Objects(file) {
		if err != nil {
			return nil, err
		}
		// The prefixes of all days are of one length.
		isThere[object.Name[:min(len(object.Name), len(layout.Prefix(within.StartDate)))]] = true
	}
	for day := within.StartDate; day <= within.EndDate; day = day.Add(1) {
		if !isThere[layout.Prefix(day)] {
			days = append(days, day)
		}
	}
	if len(days) == within.Days() {
		return nil, nil
	}
	return days, nil
}

// DaysWithoutTelemetry is [Estimates.DaysWithoutTelemetry].
func (a *Authorized) DaysWithoutTelemetry(ctx context.Context, c access.Caller, tag, channel, requestID string) ([]exhaust.Day, error) {
	err := a.check(c, channel)
	var days []exhaust.Day
	if err == nil {
		days, err = a.estimates.DaysWithoutTelemetry(ctx, tag, channel, requestID, a.permission(c, channel))
	}
	if isRefusal(err) {
		err = hide(a.tell(c, "read", access.Event{Channel: channel, RequestID: requestID}, err), ErrNotFound)
	}
	return days, err
}
