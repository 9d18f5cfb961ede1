// Package activities does the work of an exhaust, one file a step, reaches Temporal through an activity's context only,
// and lets only references and counts leave it. Every activity may run twice, die half-way, or run on two machines at
// once: it writes to names that no other attempt uses, or the same bytes to the same name, and commits at the end.
package activities

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
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
	Registered(ctx context.Context, conversationID, after string, limit int) (ids []string, next string, err error)
}

// Jobs is what the activities record of an exhaust.
type Jobs interface {
	Save(ctx context.Context, job exhaust.Job) error
	SaveReceiptKey(ctx context.Context, key receipt.PublicKey) error
}

// Settings are those of contract section 8 that the activities follow.
type Settings struct {
	Layout        telemetry.Layout
	PdataID       string
	Timezone      *time.Location
	MaxDays       int
	URLTTL        time.Duration
	AssumeConsent bool
	CSV           report.Options
	// SettleTime is how long a telemetry object has been left alone before it is taken for damaged.
	SettleTime time.Duration
	// Cipher reveals phone numbers; nil keeps them hidden.
	Cipher exhaust.PhoneCipher
	// ReceiptKey signs receipts, Version is the code's version that they name.
	ReceiptKey ed25519.PrivateKey
	Version    string
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
	// NoConversation, NoData, CorruptTelemetry, BadRange, StoreRefused and Unbalanced end an exhaust at once: no retry can
	// help.
	NoConversation   = "NoConversation"
	NoData           = "NoData"
	CorruptTelemetry = "CorruptTelemetry"
	BadRange         = "BadRange"
	// StoreRefused says that a store refuses for a reason that no waiting heals.
	StoreRefused = "StoreRefused"
	// Unbalanced says that counts which were kept independently of each other disagree.
	Unbalanced = "Unbalanced"
	// StillWritten says that a telemetry object changes. Another exhaust of the same days may succeed later.
	StillWritten = "StillWritten"
	// StagingGone says that files are missing which an earlier step had staged, or that another release staged them.
	StagingGone = "StagingGone"
	// Stopping says that the worker is being stopped and hands the activity back.
	Stopping = "WorkerStopping"
)

// NonRetryable is a failure that no retry heals. The sentence is for the exhaust's owner.
func NonRetryable(kind, format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), kind, nil)
}

// stagingError turns the absence of a staged file into a failure that the workflow knows how to mend, and what no waiting
// heals into one that ends the exhaust.
func stagingError(err error) error {
	if permanent, ok := errors.AsType[*blob.PermanentError](err); ok {
		return NonRetryable(StoreRefused, "the reports store refuses what is staged: %s", permanent.Reason)
	}
	if errors.Is(err, blob.ErrNotFound) {
		return NonRetryable(StagingGone, "%v", err)
	}
	return err
}

// segmentFormat is that of the staged segments. A segment of another format, which another release has staged for an
// exhaust that was in flight when the workers were updated, is never read: everything is staged anew.
const segmentFormat = 2

var errStagedByAnotherRelease = NonRetryable(StagingGone, "what is staged is another release's")

func checkFormat(segments []SegmentRange) error {
	for _, s := range segments {
		if s.Format != segmentFormat {
			return errStagedByAnotherRelease
		}
	}
	return nil
}

// storeError says what could not be done with a store. It ends the exhaust where no waiting heals that.
func storeError(err error, failed string) error {
	if permanent, ok := errors.AsType[*blob.PermanentError](err); ok {
		return NonRetryable(StoreRefused, "%s: %s", failed, permanent.Reason)
	}
	return fmt.Errorf("%s: %w", failed, err)
}
