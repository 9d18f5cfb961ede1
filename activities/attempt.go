package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/blob"
)

// An attempt that was frozen may wake when another attempt, or the exhaust's next run, has long done its work. It must
// harm nothing that the others wrote. So what an attempt stages has names of its own (newAttempt), and what attempts share,
// the report and its receipt, is replaced and deleted in three steps:
//
//  1. it looks which version is there,
//  2. it asks Temporal whether it is still the current attempt (confirm),
//  3. it writes, or deletes, on the condition that this version is still there.
//
// The invariant: where Temporal says yes, no other attempt had begun, so whatever another one writes is a version that the
// third step refuses to touch.

// newAttempt is a random name of one attempt at an activity. Its number would not do: that starts anew when an operator
// resets the activity.
func newAttempt() string { return uuid.NewString()[:8] }

// errNotCurrent says that Temporal waits for another attempt, or for none any more.
var errNotCurrent = errors.New("another attempt has taken over")

// confirmTimeout is how long an attempt waits for Temporal's answer. After that long without a heartbeat Temporal has
// given it up.
const confirmTimeout = 10 * time.Second

// confirmedFor is how long an answer that an attempt is the current one is good: half of the time for which Temporal waits
// for the next heartbeat before it gives the attempt up (10 s).
const confirmedFor = 5 * time.Second

// AskTemporal is nil where the attempt that runs in ctx is the one that Temporal waits for, a temporal.CanceledError
// where it is and has been asked to stop, and any other error where it is not or Temporal does not answer. It reports
// details as a heartbeat.
func AskTemporal(ctx context.Context, details any) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	err := activity.GetClient(ctx).RecordActivityHeartbeat(ctx, activity.GetInfo(ctx).TaskToken, details)
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errNotCurrent, err)
}

// removeVersions deletes what is listed under a prefix that attempts share. What was replaced meanwhile is another
// attempt's, and stays.
func (a *Activities) removeVersions(ctx context.Context, prefix string) error {
	var found []blob.Object
	for object, err := range a.deps.Reports.List(ctx, prefix, "") {
		if err != nil {
			return failedOf(reportsStore, err, "listing the files under "+prefix)
		}
		found = append(found, object)
	}
	if len(found) == 0 {
		return nil
	}
	if err := a.deps.Confirm(ctx, nil); err != nil && !temporal.IsCanceledError(err) {
		return err
	}
	for _, object := range found {
		if err := a.deps.Reports.DeleteVersion(ctx, object); err != nil && !errors.Is(err, blob.ErrChanged) {
			return failedOf(reportsStore, err, "removing file "+object.Name)
		}
	}
	return nil
}
