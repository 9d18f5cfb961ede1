package service

import (
	"context"

	"github.com/cenkalti/backoff/v5"
)

// Retry does something until it succeeds, fails with an error that is permanent, or the options or the context end it. The
// error is the last one of do, which says what is lacking, rather than the context's.
func Retry[T any](ctx context.Context, do func() (T, error), isPermanent func(error) bool, options ...backoff.RetryOption) (T, error) {
	var last error
	result, err := backoff.Retry(ctx, func() (result T, _ error) {
		if result, last = do(); last != nil && isPermanent(last) {
			return result, backoff.Permanent(last)
		}
		return result, last
	}, options...)
	if err != nil {
		err = last
	}
	return result, err
}
