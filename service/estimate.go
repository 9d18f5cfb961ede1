package service

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/telemetry"
)

// Telemetry is what an estimate asks of the telemetry store.
type Telemetry interface {
	List(ctx context.Context, prefix, after string) iter.Seq2[blob.Object, error]
	Ping(ctx context.Context) error
}

// Estimates say beforehand what an exhaust would read and how long it may take. They start and keep nothing.
type Estimates struct {
	exhausts *Exhausts
	registry Registry
	store    Telemetry
	layout   telemetry.Layout
	// These are of the calls of all estimates: to the telemetry store, to the registry, for what exists, for what was measured,
	// and to the reports store.
	listings, pings, lookups, finds, searches, stats slots
}

// NewEstimates makes the service of estimates.
func NewEstimates(exhausts *Exhausts, registry Registry, store Telemetry, layout telemetry.Layout) *Estimates {
	return &Estimates{
		exhausts: exhausts, registry: registry, store: store, layout: layout,
		listings: make(slots, maxListings), pings: make(slots, maxPings), lookups: make(slots, maxCalls), finds: make(slots, maxCalls),
		searches: make(slots, maxCalls), stats: make(slots, maxCalls),
	}
}

// slots are for calls that may hang in a system call, which heeds no deadline: nobody waits for such a call, and it keeps its
// slot until it ends. So there is a bound to what hangs, in goroutines and in threads.
type slots chan struct{}

// inTime is what a call answers before ctx is over. Else its error is errNoAnswer, whatever the call itself makes of that.
func inTime[T any](ctx context.Context, free slots, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	select {
	case free <- struct{}{}:
		go func() {
			defer func() { <-free }()
			value, err := call()
			answers <- answer{value, err}
		}()
	case <-ctx.Done():
	}
	var none T
	select {
	case a := <-answers:
		if a.err != nil && ctx.Err() != nil {
			return none, errNoAnswer
		}
		return a.value, a.err
	case <-ctx.Done():
		return none, errNoAnswer
	}
}

var errNoAnswer = errors.New("it did not answer in time")

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
	deadline, cancel := context.WithTimeout(ctx, estimateTimeout)
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

// estimateTimeout leaves an answer within a second some time for the way.
const estimateTimeout = 900 * time.Millisecond

// plan finds the conversation, the days and their telemetry, as PlanExhaust will.
func (e *Estimates) plan(ctx context.Context, estimate *Estimate) error {
	request := estimate.Request
	var pong <-chan error
	if request.UsesTelemetry() {
		pong = e.ping(ctx) // a registry that is slow takes none of the store's time
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
			Dataset: request.Dataset, Status: exhaust.Success, From: time.Now().Add(-period), Limit: most,
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
	// estimateListings is how many days are listed at a time for one estimate, maxListings for all.
	estimateListings, maxListings = 32, 64
	maxPings, maxCalls            = 8, 64
)

// list lists the telemetry of days, each by its prefix, until listTimeout is over. refusal is a sentence about the first day
// whose telemetry the store will not list however long one waits. A store that has not even answered a ping is not available.
func (e *Estimates) list(ctx context.Context, days exhaust.Range, pong <-chan error) (_ Listing, refusal string, err error) {
	deadline, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	l := &listings{
		store: e.store, layout: e.layout, days: make([]dayListing, days.Days()), first: days.StartDate, cancel: cancel,
	}
	e.listAll(deadline, l)
	total, refusal, err := l.end()
	if err == nil && total.DaysNotListed == len(l.days) && total.Objects == 0 && refusal == "" {
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

// ping receives what the store answers to a ping, if it does in time.
func (e *Estimates) ping(ctx context.Context) <-chan error {
	answer := make(chan error, 1)
	go func() {
		select {
		case e.pings <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() { <-e.pings }()
		if err := e.store.Ping(ctx); ctx.Err() == nil {
			answer <- err
		}
	}()
	return answer
}

// listAll returns when all days are listed, or ctx is over: then listings that hang go on without it.
func (e *Estimates) listAll(ctx context.Context, l *listings) {
	end := make(chan struct{}, len(l.days))
	for next, underWay := 0, 0; next < len(l.days) || underWay > 0; {
		free := e.listings
		if next == len(l.days) || underWay == estimateListings {
			free = nil // wait for one that is under way
		}
		select {
		case free <- struct{}{}:
			go func(i int) {
				defer func() {
					<-e.listings
					end <- struct{}{}
				}()
				l.listDay(ctx, i)
			}(next)
			next, underWay = next+1, underWay+1
		case <-end:
			underWay--
		case <-ctx.Done():
			return
		}
	}
}

// listings is what is known of some days while they are listed. The mutex guards what changes.
type listings struct {
	store  Telemetry
	layout telemetry.Layout
	first  exhaust.Day
	cancel context.CancelFunc

	mu   sync.Mutex
	days []dayListing
	// err is the first failure that waiting may heal.
	err    error
	isOver bool
}

type dayListing struct {
	objects  int
	bytes    int64
	isListed bool
	refusal  string
}

func (l *listings) listDay(ctx context.Context, i int) {
	if ctx.Err() != nil {
		return
	}
	day := l.first.Add(i)
	for object, err := range l.store.List(ctx, l.layout.Prefix(day), "") {
		isOver := l.change(func() {
			switch {
			case err != nil && ctx.Err() == nil:
				l.fail(day, &l.days[i], err)
			case err == nil && telemetry.IsTelemetry(object.Name):
				l.days[i].objects++
				l.days[i].bytes += object.Size
			}
		})
		if err != nil || isOver {
			return
		}
	}
	l.change(func() { l.days[i].isListed = true })
}

// change changes what is known, unless nobody waits for it any more.
func (l *listings) change(do func()) (isOver bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isOver {
		do()
	}
	return l.isOver
}

func (l *listings) fail(day exhaust.Day, of *dayListing, err error) {
	if permanent, ok := errors.AsType[*blob.PermanentError](err); ok {
		of.refusal = fmt.Sprintf("the telemetry of %s cannot be listed: %s", day, permanent.Reason)
		return
	}
	if l.err == nil {
		l.err = err
		l.cancel()
	}
}

// end is what is known by now, and ends the listing.
func (l *listings) end() (total Listing, refusal string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isOver = true
	for i, day := range l.days {
		total.Objects += day.objects
		total.Bytes += day.bytes
		switch {
		case !day.isListed:
			total.DaysNotListed++
		case day.objects == 0:
			total.DaysWithoutTelemetry = append(total.DaysWithoutTelemetry, l.first.Add(i))
		default:
			total.wholeDayBytes += day.bytes
		}
		if refusal == "" {
			refusal = day.refusal
		}
	}
	return total, refusal, l.err
}
