package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/exhaust"
)

// Heartbeat is what a running activity reports of itself: the progress, which the API shows, and where another attempt
// resumes.
type Heartbeat struct {
	exhaust.Heartbeat
	// Fetch is set by FetchTelemetry.
	Fetch *FetchResume `json:"fetch,omitempty"`
	// Joined is set by BuildReport once the devices are staged.
	Joined *Joined `json:"joined,omitempty"`
}

const (
	// heartbeatInterval is short so that a progress bar moves and a cancellation arrives soon.
	heartbeatInterval = 500 * time.Millisecond
	// stoppingPause is time enough for the SDK to send what it held back, and little of what a worker has to stop.
	stoppingPause = 100 * time.Millisecond
	// lastWords is how long before its deadline an attempt gives up: of one that Temporal gives up nobody learns why.
	lastWords = 5 * time.Second
)

// heartbeater sends heartbeats until it is stopped.
type heartbeater struct {
	// activity is the activity's own context, which the stopping of the worker does not end.
	activity context.Context
	ctx      context.Context
	mu       sync.Mutex
	current  Heartbeat
	floor    Heartbeat
	cancel   context.CancelCauseFunc
	sender   sync.WaitGroup
}

var (
	errStopping = errors.New("the worker is stopping")
	errTooLate  = fmt.Errorf("its time was over: %w", context.DeadlineExceeded)
)

// withHeartbeats does an activity's work while heartbeats are sent. The context that the work gets ends with the
// activity's own, and when the worker is asked to stop.
func withHeartbeats[T any](ctx context.Context, work func(ctx context.Context, h *heartbeater) (T, error)) (T, error) {
	ctx, h := startHeartbeats(ctx)
	result, err := work(ctx, h)
	return result, failure(h.stop(err))
}

// WithHeartbeats does an activity's work, which reports no progress, while heartbeats are sent.
func WithHeartbeats[T any](ctx context.Context, work func(ctx context.Context) (T, error)) (T, error) {
	ctx, h := startHeartbeats(ctx)
	result, err := work(ctx)
	return result, h.stop(err)
}

// startHeartbeats sends heartbeats from now on; an activity that is over before the first is due sends none, for each is a
// write of Temporal's. The progress that an earlier attempt reported is the floor of what this one reports, so that it never
// goes backwards.
func startHeartbeats(own context.Context) (context.Context, *heartbeater) {
	timed, free := context.WithCancel(own)
	if deadline, ok := own.Deadline(); ok {
		timed, free = context.WithDeadlineCause(own, deadline.Add(-min(lastWords, time.Until(deadline)/4)), errTooLate)
	}
	ctx, cancel := context.WithCancelCause(timed)
	h := &heartbeater{activity: own, ctx: ctx, cancel: func(cause error) { cancel(cause); free() }}
	if activity.HasHeartbeatDetails(ctx) {
		// Details that cannot be read are another version's: this attempt starts over.
		_ = activity.GetHeartbeatDetails(ctx, &h.floor)
		h.current.Fetch, h.current.Joined = h.floor.Fetch, h.floor.Joined
	}
	stopping := activity.GetWorkerStopChannel(ctx)
	h.sender.Go(func() {
		ticker := time.NewTicker(heartbeatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-stopping:
				cancel(errStopping)
				return
			case <-ticker.C:
				h.send()
			}
		}
	})
	return ctx, h
}

// update changes what the next heartbeat reports.
func (h *heartbeater) update(change func(*Heartbeat)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.current)
}

func (h *heartbeater) send() { activity.RecordHeartbeat(h.activity, h.report()) }

func (h *heartbeater) report() Heartbeat {
	h.mu.Lock()
	report := h.current
	h.mu.Unlock()
	report.Raise(h.floor.Heartbeat)
	return report
}

// stop ends the heartbeats and gives the activity's error its last form: one that the stopping of the worker caused lets
// another worker take over at once. An attempt that failed reports first where the next one resumes. One after which
// there is no other carries the progress that it reported, lest the exhaust's end falls behind that.
func (h *heartbeater) stop(err error) error {
	h.cancel(nil)
	h.sender.Wait()
	if err == nil {
		return nil
	}
	if h.activity.Err() == nil {
		h.send()
	}
	if errors.Is(context.Cause(h.ctx), errStopping) {
		// When a worker stops, Temporal's SDK sends the report that it had held back, and may do so after the one above.
		// So that the next attempt resumes by the last one, it is sent once more behind that.
		time.Sleep(stoppingPause)
		h.send()
		return temporal.NewApplicationErrorWithOptions(errStopping.Error(), Stopping, temporal.ApplicationErrorOptions{
			NextRetryDelay: time.Millisecond, Category: temporal.ApplicationErrorCategoryBenign,
		})
	}
	progress := h.report().Heartbeat
	if errors.Is(h.activity.Err(), context.Canceled) {
		return temporal.NewCanceledError(progress)
	}
	if last, ok := errors.AsType[*temporal.ApplicationError](err); ok && last.NonRetryable() {
		return temporal.NewApplicationErrorWithOptions(last.Message(), last.Type(), temporal.ApplicationErrorOptions{
			NonRetryable: true, Category: last.Category(), Cause: errors.Unwrap(last), Details: []any{progress},
		})
	}
	if last, ok := errors.AsType[*temporal.ApplicationError](failure(err)); ok && errors.Is(context.Cause(h.ctx), errTooLate) {
		// Another attempt in the time that is left could say less only.
		return temporal.NewApplicationErrorWithOptions(last.Message(), last.Type(), temporal.ApplicationErrorOptions{
			Cause: errors.Unwrap(last), Details: []any{progress}, NextRetryDelay: 2 * lastWords,
		})
	}
	return err
}
