package service_test

import (
	"context"
	"errors"
	"path"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"data-exhaust/service"
)

// TestWhatIsLackingIsSaidAlsoWhereTheLastAnswerComesTooLate: Temporal's client may say that the time is over a moment before
// the context does.
func TestWhatIsLackingIsSaidAlsoWhereTheLastAnswerComesTooLate(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	answered, late := 0, 0
	slow := dial(t, "default", func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if path.Base(method) != "DescribeWorkerDeployment" {
			return call(ctx, method, request, answer, conn, options...)
		}
		if answered < 8 { // one question: what is not found is asked for again
			answered++
			return status.Error(codes.NotFound, "there is none")
		}
		if late++; late > 1 {
			cancel()
		}
		return status.Error(codes.DeadlineExceeded, "context deadline exceeded")
	})
	err := service.NewDeployment(slow, "default", "nobody", "nobody").SetCurrent(ctx, "one")
	if late < 2 || !errors.Is(err, service.ErrNoVersion) {
		t.Errorf("after %d late answers it says %v", late, err)
	}
}
