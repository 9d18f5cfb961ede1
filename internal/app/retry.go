package app

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/cenkalti/backoff/v5"

	"data-exhaust/service"
)

// The pace at which a process that starts tries again: soon at first, so that it serves soon after what it needs is there,
// and later seldom enough to burden nobody for a night.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Second
	// attemptTimeout bounds an attempt at what may never answer, so that the log says what is waited for.
	attemptTimeout = 10 * time.Second
)

// withTimeout gives an attempt attemptTimeout; where names whom it asks, by setting and address. One that does not heed its
// context, such as a statement to a PostgreSQL that has gone away without a word, is left behind: it must not keep a process
// from stopping.
func withTimeout(where string, attempt func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- attempt(ctx) }()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%s: no answer within %s", where, attemptTimeout)
		}
	}
}

// retryUntilDone does a step again until it succeeds, fails with an error that is permanent, or the context ends. The log
// says what is waited for, and each cause once.
func retryUntilDone(ctx context.Context, what string, do func(ctx context.Context) error, isPermanent func(error) bool, log *slog.Logger) error {
	causes := map[string]bool{}
	pace := backoff.NewExponentialBackOff()
	pace.InitialInterval, pace.MaxInterval = firstPause, lastPause
	_, err := service.Retry(ctx, func() (any, error) { return nil, do(ctx) }, isPermanent,
		backoff.WithBackOff(pace), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, _ time.Duration) {
			if cause := causeOf(err); !causes[cause] {
				causes[cause] = true
				log.Warn("waiting", "what", what, "because", err.Error())
			}
		}))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if len(causes) > 0 {
		log.Info("waited long enough", "what", what)
	}
	return nil
}

// keepTrying is retryUntilDone for what runs until it is told to stop. Nothing is permanent to it: what is refused today, a
// password or a permission, may be granted tomorrow. It reports false where the context ended before.
func keepTrying(ctx context.Context, what string, do func(ctx context.Context) error, log *slog.Logger) bool {
	return retryUntilDone(ctx, what, do, func(error) bool { return false }, log) == nil
}

var digits = regexp.MustCompile(`[0-9]+`)

// causeOf is what two errors of one cause share: the port of a connection, or a time, differs each time.
func causeOf(err error) string { return digits.ReplaceAllString(err.Error(), "#") }
