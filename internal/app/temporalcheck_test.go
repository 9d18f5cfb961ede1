package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"data-exhaust/api/health"
	"data-exhaust/internal/devstack"
	"data-exhaust/service"
)

func TestTemporalIsUpWhileItServesAndKnowsTheSearchAttributes(t *testing.T) {
	server, err := devstack.StartTemporal(context.Background(), devstack.TemporalOptions{Log: os.Stderr})
	must(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	var refusals sync.Map // of a call, the code that it gets in place of an answer
	check := func(namespace string) *temporalCheck {
		c, err := client.NewLazyClient(client.Options{
			HostPort: server.Address, Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
			ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(
				func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
					if code, isRefused := refusals.Load(path.Base(method)); isRefused {
						return status.Error(code.(codes.Code), "refused")
					}
					return call(ctx, method, request, answer, conn, options...)
				},
			)}},
		})
		must(t, err)
		t.Cleanup(c.Close)
		return &temporalCheck{client: c, namespace: namespace, address: server.Address}
	}
	isUp := func(c *temporalCheck) bool {
		return keepTrying(t.Context(), "temporal", c.askInTime, slog.New(slog.DiscardHandler))
	}
	lacks := func(c *temporalCheck, want string) {
		t.Helper()
		var lack *health.Lack
		if err := c.ask(t.Context()); !errors.As(err, &lack) || lack.Sentence != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	lacks(check("elsewhere"), "its namespace is not there: `starter setup` makes it")
	const list, add = "ListWorkflowExecutions", "AddSearchAttributes"
	for _, call := range []string{"Check", list} {
		for _, code := range []codes.Code{codes.PermissionDenied, codes.Unauthenticated} {
			refusals.Store(call, code)
			lacks(check("default"), "permission refused: the service's credentials may not use its namespace")
		}
		refusals.Delete(call)
	}
	// As Temporal Cloud refuses it to those who may use the namespace.
	refusals.Store(add, codes.PermissionDenied)
	lacks(check("default"), "its search attributes are not registered")
	refusals.Delete(add)

	c := check("default")
	refusals.Store(list, codes.ResourceExhausted)
	if err := c.ask(t.Context()); err == nil {
		t.Error("it is up though nobody knows whether it has the search attributes")
	}
	refusals.Delete(list)
	if !isUp(c) {
		t.Fatal("it is never up")
	}
	must(t, service.RegisterSearchAttributes(t.Context(), c.client, c.namespace))

	// A minute later, when it serves but takes no more queries for the moment.
	refusals.Store(list, codes.ResourceExhausted)
	c.confirmation = time.Now().Add(-2 * time.Minute)
	if err := c.ask(t.Context()); err != nil {
		t.Errorf("it serves, and yet: %v", err)
	}
	refusals.Delete(list)

	must(t, server.Restart(t.Context())) // which has forgotten them
	c.confirmation = time.Now().Add(-2 * time.Minute)
	if !isUp(c) {
		t.Fatal("it is never up again")
	}
	must(t, service.RegisterSearchAttributes(t.Context(), c.client, c.namespace))
}
