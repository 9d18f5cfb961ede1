package service

import (
	"context"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"data-exhaust/exhaust"
)

// StartOnce is for the connection of a client that starts exhausts. It makes one run of an attempt,
// by however many and on however many machines it is started at the same time, and even where the run
// of the first has ended before the start of the last arrives: Temporal answers a start with the
// request id of a workflow's latest run by that run. The SDK gives each start an id of its own.
func StartOnce(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, next grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if start, ok := request.(*workflowservice.StartWorkflowExecutionRequest); ok {
		if id, ok := ctx.Value(attemptKey{}).(string); ok {
			start.RequestId = id
		}
	}
	return next(ctx, method, request, answer, connection, options...)
}

type attemptKey struct{}

// withAttempt marks the start of an attempt for StartOnce.
func withAttempt(ctx context.Context, job exhaust.Job) context.Context {
	return context.WithValue(ctx, attemptKey{}, fmt.Sprintf("%s-%d", job.ID, job.Attempts))
}
