package service

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/serviceerror"
)

// A server that loses a question cannot be asked for.
func TestAQuestionThatTemporalLeavesOpenIsAskedAgain(t *testing.T) {
	lost := func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", serviceerror.NewDeadlineExceeded("context deadline exceeded")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // as the handler's
		defer cancel()
		began, asked := time.Now(), 0
		got, err := retryBusy(ctx, func(ctx context.Context) (string, error) {
			if asked++; asked < 3 {
				return lost(ctx)
			}
			return "answer", nil
		})
		if took := time.Since(began); got != "answer" || err != nil || took > 12*time.Second {
			t.Errorf("got %q, %v after %s, want the answer after two times 5 s", got, err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		_, err := retryBusy(ctx, lost)
		var late *serviceerror.DeadlineExceeded
		if took := time.Since(began); !errors.As(err, &late) || took > 25*time.Second {
			t.Errorf("never answered: %v after %s", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		asked, gone := 0, serviceerror.NewNotFound("no such schedule")
		_, err := retryBusy(t.Context(), func(context.Context) (string, error) {
			asked++
			return "", gone
		})
		if !errors.Is(err, gone) || asked != 1 {
			t.Errorf("an answer that stands: %v, asked %d times", err, asked)
		}
	})
}
