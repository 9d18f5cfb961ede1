package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"data-exhaust/blob"
)

// An object that cannot be read whole is damaged, or is still being written: by a producer that appends to it, or that
// uploads it in pieces. The object's age and its ETag tell them apart (contract section 3): one that is younger than the
// settle time, or that differs from what was listed, is looked at again, by other attempts at the activity, until it
// reads whole or has been left alone for that long; one that still changes after that long ends the exhaust.

// Watch is what is known of an object that may still be being written. It travels with the heartbeat from one attempt to
// the next.
type Watch struct {
	// Index is the object's place in its part.
	Index int `json:"index"`
	// ETag is that of the last look.
	ETag string `json:"etag"`
	// Since is when the object was first found unfinished, SameSince when it was first seen with this ETag.
	Since     time.Time `json:"since"`
	SameSince time.Time `json:"sameSince"`
	// Changed is set once it was seen to change.
	Changed bool `json:"changed,omitempty"`
	// Looks counts how often it was found unfinished.
	Looks int `json:"looks"`
}

const maxSettlePause = 30 * time.Second

// pause is how long to wait for the next look.
func (w *Watch) pause(settle time.Duration) time.Duration {
	pause := time.Second << min(w.Looks-1, 5)
	return max(min(pause, settle/4, maxSettlePause), 100*time.Millisecond)
}

// verdict is what becomes of an attempt that did not read an object whole. It looks at the watches and changes them, so it is
// called when nothing else of the attempt runs any more.
type verdict func(ctx context.Context) error

// endingWith is the verdict that the attempt ends with this error.
func endingWith(err error) verdict { return func(context.Context) error { return err } }

// version is the one to read of an object that was listed: another one than was listed where the object is known to have changed
// since, and has not changed any more since the last look.
func (f *fetch) version(ctx context.Context, index int, listed blob.Object) (blob.Object, verdict) {
	watch := f.watch(index)
	if watch == nil {
		return listed, nil
	}
	now, err := f.telemetry.Stat(ctx, listed.Name)
	if errors.Is(err, blob.ErrNotFound) {
		return blob.Object{}, func(context.Context) error { return f.unfinished(index, listed, gone) }
	}
	if err != nil {
		return blob.Object{}, endingWith(cannotBeRead(listed, err))
	}
	if now.ETag != watch.ETag {
		return blob.Object{}, func(context.Context) error { return f.unfinished(index, now, stillWritten) }
	}
	return now, nil
}

// What an object may be found to be.
const (
	stillWritten = "is still being written"
	gone         = "is no longer there"
)

// changed is the error of a version that is not the object's any more.
func (f *fetch) changed(ctx context.Context, index int, read blob.Object) error {
	now, err := f.telemetry.Stat(ctx, read.Name)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return f.unfinished(index, read, gone)
	case err != nil:
		return cannotBeRead(read, err)
	case now.ETag == read.ETag:
		return failedOf(telemetryStore, blob.ErrChanged, fmt.Sprintf("telemetry object %q was taken for changed", read.Name))
	}
	if f.watch(index) == nil {
		f.resume.Watches = append(f.resume.Watches, Watch{Index: index, ETag: read.ETag, Since: time.Now()})
	}
	return f.unfinished(index, now, stillWritten)
}

// damaged is the error of a version that does not read whole.
func (f *fetch) damaged(ctx context.Context, index int, read blob.Object, problem string) error {
	// It may have been written anew while it was read, before the reader could notice.
	current, err := f.telemetry.Stat(ctx, read.Name)
	if errors.Is(err, blob.ErrNotFound) || err == nil && current.ETag != read.ETag {
		return f.changed(ctx, index, read)
	}
	if err != nil {
		return cannotBeRead(read, err)
	}
	now := time.Now()
	watch := f.watch(index)
	isLeftAlone := now.Sub(read.Modified) >= f.settle || watch != nil && watch.ETag == read.ETag && now.Sub(watch.SameSince) >= f.settle
	if isLeftAlone {
		return NonRetryable(CorruptTelemetry, "telemetry object %q is corrupt: %s", read.Name, problem)
	}
	return f.unfinished(index, read, stillWritten)
}

// unfinished notes another look at an object and is the error that asks for the next one, or that ends the exhaust.
func (f *fetch) unfinished(index int, seen blob.Object, what string) error {
	now := time.Now()
	watch := f.watch(index)
	if watch == nil {
		f.resume.Watches = append(f.resume.Watches, Watch{Index: index, ETag: seen.ETag, Since: now, SameSince: now})
		watch = f.watch(index)
	}
	if watch.ETag != seen.ETag || what == gone {
		watch.Changed, watch.SameSince = true, now
	}
	watch.ETag = seen.ETag
	watch.Looks++
	f.reportResume()
	if watch.Changed && watch.Looks > 1 && now.Sub(watch.Since) >= f.settle {
		return ClientMistake(StillWritten, "telemetry object %q %s: end before today, or retry later", seen.Name, what)
	}
	return temporal.NewApplicationErrorWithOptions(fmt.Sprintf("telemetry object %q %s", seen.Name, what), StillWritten,
		temporal.ApplicationErrorOptions{NextRetryDelay: watch.pause(f.settle), Category: temporal.ApplicationErrorCategoryBenign})
}

func (f *fetch) watch(index int) *Watch {
	for i := range f.resume.Watches {
		if f.resume.Watches[i].Index == index {
			return &f.resume.Watches[i]
		}
	}
	return nil
}
