package main

import (
	"context"
	"time"

	"data-exhaust/bench/stack"
	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/internal/app"
	"data-exhaust/internal/sample"
	"data-exhaust/internal/servers"
)

// folder keeps everything of the stack.
const folder = "data/load"

// filled is the production stack with sample data in it.
type filled struct {
	*stack.Stack
	set *sample.Set
}

// withStack starts a stack with this sample data, whose last day is yesterday, does the measuring, and stops the stack.
func withStack(ctx context.Context, data sample.Options, measure func(ctx context.Context, s *filled) error) error {
	s := &filled{}
	fill := func(ctx context.Context, cfg config.Config) (err error) {
		data.Until = exhaust.DayOf(time.Now().In(cfg.Timezone)).Add(-1)
		if err := app.SampleTables(ctx, cfg, true); err != nil {
			return err
		}
		s.set, err = app.Sample(ctx, cfg, data)
		return err
	}
	return stack.With(ctx, stack.Options{Servers: servers.Production, Dir: folder, Fill: fill}, func(ctx context.Context, running *stack.Stack) error {
		s.Stack = running
		return measure(ctx, s)
	})
}
