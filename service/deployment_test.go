package service_test

import (
	"context"
	"errors"
	"log/slog"
	"path"
	"testing"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"data-exhaust/internal/e2etest"
	"data-exhaust/service"
)

// TestWhatIsLackingIsSaidAlsoWhereTheLastAnswerComesTooLate: Temporal's client may say that the time is over a moment before
// the context does.
func TestWhatIsLackingIsSaidAlsoWhereTheLastAnswerComesTooLate(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	answered, late := 0, 0
	slow, err := client.Dial(client.Options{
		HostPort: service.TemporalServer.Address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
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
			},
		)}},
	})
	e2etest.Must(t, err)
	t.Cleanup(slow.Close)
	err = service.NewDeployment(slow, "default", "nobody", "nobody").SetCurrent(ctx, "one")
	if late < 2 || !errors.Is(err, service.ErrNoVersion) {
		t.Errorf("after %d late answers it says %v", late, err)
	}
}
