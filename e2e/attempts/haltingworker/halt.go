package main

import (
	"bytes"
	"context"
	"iter"
	"os"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"data-exhaust/blob"
)

// halt holds up the first attempt at an activity that comes to a point. Once it is there, the file marker is, too, until the
// test removes it; when the attempt is over, the file marker.over is there.
type halt struct {
	activity, point, marker string
	// isUnaware has attempts at the activity work in a context that nothing ends: neither the time that has passed nor what
	// Temporal answers to a heartbeat tells them that they were given up.
	isUnaware bool

	mu sync.Mutex
	// attempt is the token of the attempt that was held up; nil before.
	attempt []byte
}

// at returns when whoever runs in ctx may go on from a point.
func (h *halt) at(ctx context.Context, point string) {
	if !activity.IsActivity(ctx) {
		return
	}
	if info := activity.GetInfo(ctx); point != h.point || info.ActivityType.Name != h.activity || !h.take(info.TaskToken) {
		return
	}
	touch(h.marker)
	for {
		if _, err := os.Stat(h.marker); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// take tells whether this attempt is the first one.
func (h *halt) take(attempt []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.attempt != nil {
		return false
	}
	h.attempt = attempt
	return true
}

// over says so where the attempt in ctx was held up.
func (h *halt) over(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.attempt != nil && bytes.Equal(h.attempt, activity.GetInfo(ctx).TaskToken) {
		touch(h.marker + ".over")
	}
}

func touch(name string) {
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		panic(err)
	}
}

// activities has the points before an activity's function begins, and after it has returned, before that is reported.
type activities struct {
	interceptor.WorkerInterceptorBase
	halt *halt
}

func (a *activities) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &attempts{interceptor.ActivityInboundInterceptorBase{Next: next}, a.halt}
}

type attempts struct {
	interceptor.ActivityInboundInterceptorBase
	halt *halt
}

func (a *attempts) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	defer a.halt.over(ctx)
	if a.halt.isUnaware && activity.GetInfo(ctx).ActivityType.Name == a.halt.activity {
		ctx = context.WithoutCancel(ctx)
	}
	a.halt.at(ctx, "before")
	result, err := a.Next.ExecuteActivity(ctx, in)
	a.halt.at(ctx, "after")
	return result, err
}

// reports has the points in between: "looking" before it is looked which version is there, "confirmed" before the report
// appears, "half published" before its receipt does, and "published" after that; "deleting" before a version is deleted.
type reports struct {
	blob.Store
	halt *halt
}

func (r reports) Create(ctx context.Context, name, contentType string) (blob.Writer, error) {
	w, err := r.Store.Create(ctx, name, contentType)
	if err != nil {
		return nil, err
	}
	return writer{w, ctx, r.halt, strings.HasSuffix(name, ".receipt.json")}, nil
}

func (r reports) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		if !strings.HasPrefix(prefix, "staging/") {
			r.halt.at(ctx, "looking")
		}
		r.Store.List(ctx, prefix, after)(yield)
	}
}

func (r reports) Stat(ctx context.Context, name string) (blob.Object, error) {
	r.halt.at(ctx, "looking")
	return r.Store.Stat(ctx, name)
}

func (r reports) DeleteVersion(ctx context.Context, object blob.Object) error {
	r.halt.at(ctx, "deleting")
	return r.Store.DeleteVersion(ctx, object)
}

type writer struct {
	blob.Writer
	ctx       context.Context
	halt      *halt
	isReceipt bool
}

func (w writer) CommitIf(previous string) (blob.Object, error) {
	if w.isReceipt {
		w.halt.at(w.ctx, "half published")
	} else {
		w.halt.at(w.ctx, "confirmed")
	}
	object, err := w.Writer.CommitIf(previous)
	if w.isReceipt {
		w.halt.at(w.ctx, "published")
	}
	return object, err
}
