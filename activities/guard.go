package activities

import (
	"context"
	"runtime/debug"

	"go.temporal.io/sdk/activity"
)

// guard does the work of a goroutine beside an activity's own, and gives what it panicked with, which that one raises
// again: Temporal's SDK catches it there, and anywhere else it would end the worker.
func guard(ctx context.Context, work func()) (panicked any) {
	defer func() {
		if panicked = recover(); panicked != nil && activity.IsActivity(ctx) {
			activity.GetLogger(ctx).Error("a goroutine of an activity panicked", "panic", panicked, "stack", string(debug.Stack()))
		}
	}()
	work()
	return nil
}
