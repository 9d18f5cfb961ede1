// Package activities does the work of an exhaust: one file a step. Every activity may run twice, die
// half-way, or run on two machines at once: it writes to names that no other attempt uses, or the
// same bytes to the same name, and commits at the end.
package activities

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// Activities holds what the steps work with. Its methods are the activities.
type Activities struct {
	deps     Dependencies
	settings Settings
	// scans and builds bound how much is read and written at a time: each takes a core and some
	// memory.
	scans, builds slots
}

// Dependencies are the stores that the activities read and write.
type Dependencies struct {
	UCI       UCI
	Jobs      Jobs
	Telemetry blob.Store
	Reports   blob.Store
}

// UCI is what the activities ask of UCI's own tables.
type UCI interface {
	Conversation(ctx context.Context, id, channel string) (exhaust.Conversation, error)
	Devices(ctx context.Context, ids []uuid.UUID, withUsername bool) ([]exhaust.Device, error)
	Registered(ctx context.Context, conversationID, after string, limit int) (devices []exhaust.Device, next string, err error)
}

// Jobs is what the activities record of an exhaust.
type Jobs interface {
	Save(ctx context.Context, job exhaust.Job) error
}

// Settings are those of contract section 8 that the activities follow.
type Settings struct {
	Layout        telemetry.Layout
	PdataID       string
	Timezone      *time.Location
	MaxDays       int
	URLTTL        time.Duration
	AssumeConsent bool
	Dialect       exhaust.Dialect
	// Cipher reveals phone numbers; nil keeps them hidden.
	Cipher exhaust.PhoneCipher
}

// New makes the activities that a worker registers.
func New(deps Dependencies, settings Settings) *Activities {
	cores := runtime.GOMAXPROCS(0)
	return &Activities{deps: deps, settings: settings, scans: make(slots, cores), builds: make(slots, cores)}
}

// slots bounds how many do something at a time.
type slots chan struct{}

// take waits for a slot and gives the function that frees it.
func (s slots) take(ctx context.Context, p *pulse) (free func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	default:
	}
	p.idle.Store(true)
	defer p.idle.Store(false)
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Failure types, which a workflow can tell apart.
const (
	// NoConversation, NoData, CorruptTelemetry and BadRange end an exhaust at once: trying again
	// cannot help.
	NoConversation   = "NoConversation"
	NoData           = "NoData"
	CorruptTelemetry = "CorruptTelemetry"
	BadRange         = "BadRange"
	// StagingGone says that staged files are missing which an earlier step had written.
	StagingGone = "StagingGone"
	// Stopping says that the worker is being stopped and hands the activity back.
	Stopping = "WorkerStopping"
)

// final is a failure that no retry heals. The sentence is for the exhaust's owner.
func final(kind, format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), kind, nil)
}

// Heartbeat is what a running activity tells of itself: the progress, which the API shows, and where
// another attempt resumes.
type Heartbeat struct {
	BytesRead     int64 `json:"bytesRead,omitempty"`
	EventsMatched int64 `json:"eventsMatched,omitempty"`
	LinesSkipped  int64 `json:"linesSkipped,omitempty"`
	RowsWritten   int64 `json:"rowsWritten,omitempty"`
	// Fetch is set by FetchTelemetry.
	Fetch *FetchResume `json:"fetch,omitempty"`
}

// heartbeatEvery is short so that a progress bar moves and a cancellation is heard of soon.
const heartbeatEvery = 500 * time.Millisecond

// idleTicks is how many of these an activity that waits lets pass: hundreds may wait at a time.
const idleTicks = 6

// pulse sends heartbeats until it is stopped.
type pulse struct {
	// activity is the activity's own context, which the stopping of the worker does not end.
	activity context.Context
	ctx      context.Context
	mu       sync.Mutex
	now      Heartbeat
	floor    Heartbeat
	stop     context.CancelCauseFunc
	ended    sync.WaitGroup
	// idle is set while the activity waits for its turn, has nothing to tell, and only has to show
	// that it lives.
	idle atomic.Bool
}

var errStopping = errors.New("the worker is stopping")

// startPulse sends heartbeats from now on. The progress that an earlier attempt told is the floor of
// what this one tells, so that it never goes backwards. The context that it returns ends as well
// when the worker is told to stop.
func startPulse(own context.Context) (context.Context, *pulse) {
	ctx, cancel := context.WithCancelCause(own)
	p := &pulse{activity: own, ctx: ctx, stop: cancel}
	if activity.HasHeartbeatDetails(ctx) {
		// Details that cannot be read are another version's: this attempt starts over.
		_ = activity.GetHeartbeatDetails(ctx, &p.floor)
		p.now.Fetch = p.floor.Fetch
	}
	stopping := activity.GetWorkerStopChannel(ctx)
	p.beat()
	p.ended.Go(func() {
		ticker := time.NewTicker(heartbeatEvery)
		defer ticker.Stop()
		for ticks := 1; ; ticks++ {
			select {
			case <-ctx.Done():
				return
			case <-stopping:
				cancel(errStopping)
				return
			case <-ticker.C:
				if !p.idle.Load() || ticks%idleTicks == 0 {
					p.beat()
				}
			}
		}
	})
	return ctx, p
}

// update changes what the next heartbeat tells.
func (p *pulse) update(change func(*Heartbeat)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.now)
}

func (p *pulse) beat() { activity.RecordHeartbeat(p.activity, p.heartbeat()) }

func (p *pulse) heartbeat() Heartbeat {
	p.mu.Lock()
	told := p.now
	p.mu.Unlock()
	told.BytesRead = max(told.BytesRead, p.floor.BytesRead)
	told.EventsMatched = max(told.EventsMatched, p.floor.EventsMatched)
	told.LinesSkipped = max(told.LinesSkipped, p.floor.LinesSkipped)
	told.RowsWritten = max(told.RowsWritten, p.floor.RowsWritten)
	return told
}

// end stops the heartbeats and gives the activity's error its last form: one that the stopping of
// the worker caused lets another worker take over at once. An attempt that failed tells first where
// the next one resumes. One after which there is no other carries the progress that was shown of it,
// lest the exhaust's end falls behind that.
func (p *pulse) end(err error) error {
	p.stop(nil)
	p.ended.Wait()
	if err == nil {
		return nil
	}
	if p.activity.Err() == nil {
		p.beat()
	}
	if errors.Is(context.Cause(p.ctx), errStopping) {
		return temporal.NewApplicationErrorWithOptions(errStopping.Error(), Stopping, temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond})
	}
	shown := p.heartbeat()
	shown.Fetch = nil
	if errors.Is(p.activity.Err(), context.Canceled) {
		return temporal.NewCanceledError(shown)
	}
	if failure, ok := err.(*temporal.ApplicationError); ok && failure.NonRetryable() {
		return temporal.NewNonRetryableApplicationError(failure.Message(), failure.Type(), nil, shown)
	}
	return err
}

// staged turns the absence of a staged file into a failure that the workflow knows how to mend.
func staged(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return final(StagingGone, "%v", err)
	}
	return err
}
