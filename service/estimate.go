package service

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/telemetry"
)

// Estimates say beforehand what an exhaust would read and how long it may take. They start and keep nothing.
type Estimates struct {
	exhausts *Exhausts
	registry Registry
	lister   *lister
	// These are of the calls of all estimates: to the registry, for what exists, for what was measured, and to the reports store.
	lookups, finds, searches, stats slots
}

// NewEstimates makes the service of estimates.
func NewEstimates(exhausts *Exhausts, registry Registry, store Telemetry, layout telemetry.Layout) *Estimates {
	return &Estimates{
		exhausts: exhausts, registry: registry, lister: newLister(store, layout),
		lookups: make(slots, maxCalls), finds: make(slots, maxCalls), searches: make(slots, maxCalls), stats: make(slots, maxCalls),
	}
}

// Estimate is what an exhaust would be.
type Estimate struct {
	Request exhaust.Request
	// Conversation is as the registry has it; where the channel owns none of that id it has the request's id alone.
	Conversation exhaust.Conversation
	// Range is the days that the exhaust covers; empty of one that is not made from telemetry, or that WillFail before.
	exhaust.Range
	// Listing is the telemetry of these days.
	Listing
	// Seconds and Measured are nil where no exhaust of such a size was measured.
	Seconds  *Seconds
	Measured *Measured
	// Existing is the same exhaust, without URLs; nil where there is none.
	Existing *exhaust.Job
	// WillFail is the message that it would end with, where that is known; "" otherwise.
	WillFail string
}

// Listing is the telemetry of some days, as far as it was listed in time.
type Listing struct {
	Objects int
	// Bytes are those of the objects as stored.
	Bytes int64
	// DaysWithoutTelemetry are ascending.
	DaysWithoutTelemetry []exhaust.Day
	// DaysNotListed is how many days were not listed to their end: Objects and Bytes are a lower bound where it is not 0.
	DaysNotListed int
	// wholeDayBytes are those of the days that were listed to their end.
	wholeDayBytes int64
}

// Estimate estimates the exhaust that Submit would start or find, and refuses what Submit refuses.
func (e *Estimates) Estimate(ctx context.Context, submission exhaust.Submission) (Estimate, error) {
	request, err := e.exhausts.check(submission, time.Now())
	if err != nil {
		return Estimate{}, err
	}
	estimate := Estimate{Request: request, Conversation: exhaust.Conversation{ID: request.ConversationID}}
	deadline, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var p pace
	group, calls := errgroup.WithContext(deadline)
	group.Go(func() error { return e.plan(calls, &estimate) })
	group.Go(func() (err error) {
		estimate.Existing, err = e.existing(calls, request)
		return err
	})
	group.Go(func() (err error) {
		p, err = e.pace(calls, request)
		return err
	})
	err = group.Wait()
	if cause := ctx.Err(); cause != nil {
		err = cause // nobody waits for it any more
	}
	if err != nil {
		return Estimate{}, err
	}
	if estimate.WillFail == "" {
		estimate.addSeconds(p)
	}
	return estimate, nil
}

// plan finds the conversation, the days and their telemetry, as PlanExhaust will.
func (e *Estimates) plan(ctx context.Context, estimate *Estimate) error {
	request := estimate.Request
	var pong <-chan error
	if request.UsesTelemetry() {
		pong = e.lister.ping(ctx) // a registry that is slow takes none of the store's time
	}
	conversation, err := inTime(ctx, e.lookups, func() (conversation exhaust.Conversation, err error) {
		return e.registry.Conversation(ctx, request.ConversationID, request.Channel)
	})
	var noDate *registry.DateError
	switch {
	case errors.Is(err, registry.ErrNoConversation):
		estimate.WillFail = activities.NoConversationMessage
		return nil
	case errors.Is(err, errNoAnswer):
		return &UnavailableError{UCIDependency, err}
	case err != nil && !errors.As(err, &noDate):
		return registryFailure(UCIDependency, err)
	}
	estimate.Conversation = conversation
	settings := e.exhausts.settings
	days, err := request.RangeOver(conversation, err, exhaust.DayOf(request.SubmittedAt.In(settings.Timezone)), settings.MaxDays)
	if err != nil {
		estimate.WillFail = err.Error()
		return nil
	}
	if !request.UsesTelemetry() {
		return e.findRegistered(ctx, estimate)
	}
	estimate.Range = days
	refusal := ""
	if estimate.Listing, refusal, err = e.list(ctx, days, pong); err != nil {
		return err
	}
	switch {
	case refusal != "":
		estimate.WillFail = refusal
	case estimate.Objects == 0 && estimate.DaysNotListed == 0:
		estimate.WillFail = activities.NoDataMessage
	}
	return nil
}

// findRegistered looks whether anybody is registered to the conversation.
func (e *Estimates) findRegistered(ctx context.Context, estimate *Estimate) error {
	ids, err := inTime(ctx, e.lookups, func() ([]string, error) {
		ids, _, err := e.registry.Registered(ctx, estimate.Conversation.ID, "", 1)
		return ids, err
	})
	switch {
	case errors.Is(err, errNoAnswer):
		return &UnavailableError{FusionAuthDependency, err}
	case err != nil:
		return registryFailure(FusionAuthDependency, err)
	}
	if len(ids) == 0 {
		estimate.WillFail = activities.NoDataMessage
	}
	return nil
}

// existing is the exhaust of a request as Read has it, but without URLs, for which nothing is signed; nil where there is none,
// or Temporal does not say in time. Of its progress and its report it has what is known in time.
func (e *Estimates) existing(ctx context.Context, request exhaust.Request) (*exhaust.Job, error) {
	job, err := inTime(ctx, e.finds, func() (exhaust.Job, error) { return e.exhausts.Find(ctx, request.ID) })
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, errNoAnswer):
		return nil, nil
	case err != nil:
		return nil, err
	case !isOwnedBy(job, request):
		return nil, errForeign
	}
	last := job
	job, err = inTime(ctx, e.finds, func() (exhaust.Job, error) { return e.exhausts.withRecord(ctx, last) })
	switch {
	case errors.Is(err, errNoAnswer):
		job = e.exhausts.withExpiry(last, time.Now())
	case err != nil:
		return nil, err
	}
	if report := job.Report; job.Status == exhaust.Success {
		isLost, err := inTime(ctx, e.stats, func() (bool, error) { return e.exhausts.hasLost(ctx, report), nil })
		if err == nil && isLost {
			job = withLoss(job)
		}
	}
	job = withoutURLs(job)
	return &job, nil
}

// pace measures the latest exhausts of the request's kind, or none where job_request does not answer in time. They are found by
// when they were submitted, by the index.
func (e *Estimates) pace(ctx context.Context, request exhaust.Request) (pace, error) {
	const period, most = 30 * 24 * time.Hour, 100
	jobs, err := inTime(ctx, e.searches, func() ([]exhaust.Job, error) {
		return e.exhausts.jobs.Search(ctx, jobs.Search{
			Dataset: request.Dataset, Statuses: []exhaust.Status{exhaust.Success}, From: time.Now().Add(-period), Limit: most,
		})
	})
	switch {
	case errors.Is(err, errNoAnswer):
		return pace{}, nil
	case err != nil:
		return pace{}, databaseFailure(err)
	}
	return paceOf(jobs, request, e.exhausts.settings.Timezone), nil
}

// addSeconds takes the days that were not listed to their end for days like those that were, but not for less than was seen of
// them.
func (e *Estimate) addSeconds(p pace) {
	bytes := e.Bytes
	if e.DaysNotListed > 0 {
		wholeDays := e.Days() - e.DaysNotListed
		if wholeDays == 0 {
			return
		}
		bytes = max(bytes, int64(float64(e.wholeDayBytes)/float64(wholeDays)*float64(e.Days())))
	}
	if seconds, ok := p.seconds(bytes); ok {
		e.Seconds, e.Measured = &seconds, &p.measured
	}
}

const (
	// listTimeout leaves a call of a second some time for the rest.
	listTimeout = 700 * time.Millisecond
	maxCalls    = 64
)

// list lists the telemetry of days until listTimeout is over. refusal is a sentence about the first day whose telemetry the store
// will not list however long one waits. A store that has not even answered a ping is not available.
func (e *Estimates) list(ctx context.Context, days exhaust.Range, pong <-chan error) (_ Listing, refusal string, err error) {
	deadline, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	listed, err := e.lister.list(deadline, days)
	total, refusal := totalOf(listed)
	if err == nil && total.DaysNotListed == len(listed) && total.Objects == 0 && refusal == "" {
		select {
		case err = <-pong:
		default:
			err = errNoAnswer
		}
	}
	if err != nil {
		return Listing{}, "", &UnavailableError{TelemetryDependency, err}
	}
	return total, refusal, nil
}

func totalOf(listed []dayListing) (total Listing, refusal string) {
	for _, day := range listed {
		total.Objects += day.objects
		total.Bytes += day.bytes
		switch {
		case !day.isListed:
			total.DaysNotListed++
		case day.objects == 0:
			total.DaysWithoutTelemetry = append(total.DaysWithoutTelemetry, day.day)
		default:
			total.wholeDayBytes += day.bytes
		}
		if refusal == "" {
			refusal = day.refusal
		}
	}
	return total, refusal
}
