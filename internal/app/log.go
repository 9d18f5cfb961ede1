package app

import (
	"context"
	"log/slog"

	"go.temporal.io/sdk/temporal"
)

// sdkLog is what Temporal's SDK logs with. The SDK takes whatever an activity returns for an error of the program; one that
// was cancelled because somebody asked for it is none.
type sdkLog struct{ slog.Handler }

func (l sdkLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level == slog.LevelError && isCancellation(r) {
		r.Level = slog.LevelInfo
		if !l.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return l.Handler.Handle(ctx, r)
}

func isCancellation(r slog.Record) (is bool) {
	r.Attrs(func(a slog.Attr) bool {
		err, ok := a.Value.Any().(error)
		is = ok && temporal.IsCanceledError(err)
		return !is
	})
	return is
}

func (l sdkLog) WithAttrs(attrs []slog.Attr) slog.Handler { return sdkLog{l.Handler.WithAttrs(attrs)} }
func (l sdkLog) WithGroup(name string) slog.Handler       { return sdkLog{l.Handler.WithGroup(name)} }
