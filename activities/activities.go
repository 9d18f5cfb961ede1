// Package activities does the work of an exhaust, one file a step, reaches Temporal through an activity's context only,
// and lets only references and counts leave it. Every activity may run twice, die half-way, or run on two machines at
// once: it writes to names that no other attempt uses, or the same bytes to the same name, and commits at the end.
package activities

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

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
	// earlier bounds the long steps that a release before the queues of long steps has put into that of short ones.
	earlier chan struct{}
	// cores are those of the process, which the long steps share.
	cores *cores
	// isKeySaved is set once the public key of receipts is kept.
	isKeySaved *atomic.Bool
}

// Dependencies are the stores that the activities read and write.
type Dependencies struct {
	// Confirm asks whether the attempt that runs in ctx is still the current one, as AskTemporal does; nil is AskTemporal.
	// A yes is good for ConfirmedFor.
	Confirm      func(ctx context.Context, details any) error
	ConfirmedFor time.Duration

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
	// ShortQueue is the task queue of short steps; "" where it does not matter.
	ShortQueue string
	// InlineObjects is how many telemetry objects an exhaust has at the most whose names travel through Temporal and are not
	// staged: about 150 bytes each.
	InlineObjects int
	// Cores is how many cores the long steps share; 0 is as many as GOMAXPROCS.
	Cores int
	// DevicesInMemory is how many devices BuildReport keeps in memory, at about 200 bytes each, rather than to stage them.
	DevicesInMemory int
	// SummaryMinDevices is how many devices have given an answer at least for a summary to list it; 0 is
	// exhaust.DefaultSummaryMinDevices.
	SummaryMinDevices int
	// Cipher reveals phone numbers; nil keeps them hidden.
	Cipher exhaust.PhoneCipher
	// ReceiptKey signs receipts, Version is the code's version that they name.
	ReceiptKey ed25519.PrivateKey
	Version    string
}

// New makes the activities that a worker registers.
func New(deps Dependencies, settings Settings) *Activities {
	if deps.Confirm == nil {
		deps.Confirm, deps.ConfirmedFor = AskTemporal, confirmedFor
	}
	deps.UCI, deps.Jobs = registryOf{deps.UCI}, jobsOf{deps.Jobs}
	settings.SummaryMinDevices = cmp.Or(settings.SummaryMinDevices, exhaust.DefaultSummaryMinDevices)
	settings.Cores = cmp.Or(settings.Cores, runtime.GOMAXPROCS(0))
	return &Activities{
		deps: deps, settings: settings, earlier: make(chan struct{}, settings.Cores), cores: &cores{total: settings.Cores}, isKeySaved: new(atomic.Bool),
	}
}

// stagingIn are the activities with another store for what they stage.
func (a *Activities) stagingIn(store blob.Store) *Activities {
	other := *a
	other.deps.Reports = store
	return &other
}

// takeEarlier waits for its turn, where a long step comes by the queue of short ones, and returns the function that ends it.
func (a *Activities) takeEarlier(ctx context.Context) (free func(), err error) {
	if a.settings.ShortQueue == "" || activity.GetInfo(ctx).TaskQueue != a.settings.ShortQueue {
		return func() {}, nil
	}
	select {
	case a.earlier <- struct{}{}:
		return func() { <-a.earlier }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// segmentFormat is that of the staged segments. A segment of another format, which another release has staged for an
// exhaust that was in flight when the workers were updated, is never read: everything is staged anew.
const segmentFormat = 3

var errStagedByAnotherRelease = NonRetryable(StagingGone, "what is staged is another release's")

func checkFormat(segments []SegmentRange) error {
	for _, s := range segments {
		if s.Format != segmentFormat {
			return errStagedByAnotherRelease
		}
	}
	return nil
}
