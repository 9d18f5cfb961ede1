// Package activities does the work of an exhaust, one file a step, reaches Temporal through an activity's context only,
// and lets only references and counts leave it. Every activity may run twice, die half-way, or run on two machines at
// once: it writes to names that no other attempt uses, or the same bytes to the same name, and commits at the end.
package activities

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// Activities holds what the steps work with. Its methods are the activities.
type Activities struct {
	deps     Dependencies
	settings Settings
	// scans and builds bound how much is read and written at a time: each takes a core and some memory.
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
	Dialect       report.Dialect
	// Cipher reveals phone numbers; nil keeps them hidden.
	Cipher exhaust.PhoneCipher
}

// New makes the activities that a worker registers.
func New(deps Dependencies, settings Settings) *Activities {
	cores := runtime.GOMAXPROCS(0)
	return &Activities{deps: deps, settings: settings, scans: make(slots, cores), builds: make(slots, cores)}
}

// slots bounds how many activities do something at a time.
type slots chan struct{}

// take waits for a slot and returns the function that frees it.
func (s slots) take(ctx context.Context, h *heartbeater) (free func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	default:
	}
	h.isWaiting.Store(true)
	defer h.isWaiting.Store(false)
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Failure types, which a workflow can tell apart.
const (
	// NoConversation, NoData, CorruptTelemetry and BadRange end an exhaust at once: no retry can help.
	NoConversation   = "NoConversation"
	NoData           = "NoData"
	CorruptTelemetry = "CorruptTelemetry"
	BadRange         = "BadRange"
	// StagingGone says that files are missing which an earlier step had staged.
	StagingGone = "StagingGone"
	// Stopping says that the worker is being stopped and hands the activity back.
	Stopping = "WorkerStopping"
)

// NonRetryable is a failure that no retry heals. The sentence is for the exhaust's owner.
func NonRetryable(kind, format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), kind, nil)
}

// stagingError turns the absence of a staged file into a failure that the workflow knows how to mend.
func stagingError(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return NonRetryable(StagingGone, "%v", err)
	}
	return err
}
