package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"data-exhaust/api/health"
	"data-exhaust/service"
)

// attributesAge is for how long it counts that Temporal knows the search attributes. Asking takes of the few queries a second
// that a namespace has, so probes do not ask each time.
const attributesAge = time.Minute

// temporalCheck asks whether Temporal serves and knows the search attributes, without which nothing can be submitted. It
// registers them where they are missing: a Temporal that was set up anew has forgotten them.
type temporalCheck struct {
	client             client.Client
	namespace, address string

	mu sync.Mutex
	// confirmation is when Temporal last knew the search attributes.
	confirmation time.Time
}

func newTemporalCheck(c *connections) *temporalCheck {
	return &temporalCheck{client: c.temporal, namespace: c.namespace, address: c.address}
}

// where names Temporal as errors do.
func (t *temporalCheck) where() string { return "TEMPORAL_ADDRESS " + t.address }

// askInTime is ask for what waits at its start.
func (t *temporalCheck) askInTime(ctx context.Context) error {
	return withTimeout(t.where(), t.ask)(ctx)
}

func (t *temporalCheck) ask(ctx context.Context) error {
	if _, err := t.client.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		if lack := lackOf(err); lack != nil {
			err = lack
		}
		return fmt.Errorf("%s: %w", t.where(), err)
	}
	if err := t.askForAttributes(ctx); err != nil {
		return fmt.Errorf("TEMPORAL_NAMESPACE %s: %w", t.namespace, err)
	}
	return nil
}

func (t *temporalCheck) askForAttributes(ctx context.Context) error {
	t.mu.Lock()
	latest := t.confirmation
	t.mu.Unlock()
	if time.Since(latest) < attributesAge {
		return nil
	}
	err := service.RegisterSearchAttributes(ctx, t.client, t.namespace)
	if lack := lackOf(err); lack != nil {
		return lack
	}
	if err != nil && latest.IsZero() {
		return err
	}
	// A Temporal that serves and has known them is not down because it is too busy for a query.
	t.mu.Lock()
	defer t.mu.Unlock()
	t.confirmation = time.Now()
	return nil
}

// lackOf says to everybody what a Temporal that answers lacks; nil where that is not why it failed.
func lackOf(err error) error {
	var (
		noNamespace *serviceerror.NamespaceNotFound
		denied      *serviceerror.PermissionDenied
	)
	switch {
	case errors.As(err, &noNamespace):
		return &health.Lack{Sentence: "its namespace is not there: `starter setup` makes it", Err: err}
	case errors.Is(err, service.ErrNotRegistered), errors.Is(err, service.ErrNotUsableYet):
		return &health.Lack{Sentence: "its search attributes are not registered", Err: err}
	case errors.As(err, &denied), status.Code(err) == codes.Unauthenticated:
		return &health.Lack{Sentence: "permission refused: the service's credentials may not use its namespace", Err: err}
	}
	return nil
}
