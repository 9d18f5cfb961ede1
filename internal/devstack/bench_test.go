package devstack

import (
	"context"
	"testing"
	"time"
)

// BenchmarkStart tells how long each server takes until it serves (ready-ms) and to stop (stop-ms).
func BenchmarkStart(b *testing.B) {
	for _, server := range []struct {
		name  string
		start func(context.Context) (*Child, error)
	}{
		{"Temporal", func(ctx context.Context) (*Child, error) {
			s, err := StartTemporal(ctx, TemporalOptions{SearchAttributes: []string{"ExhaustTag"}})
			return s.child(), err
		}},
		{"Postgres", func(ctx context.Context) (*Child, error) {
			s, err := StartPostgres(ctx, PostgresOptions{})
			return s.child(), err
		}},
		{"Azurite", func(ctx context.Context) (*Child, error) {
			s, err := StartAzurite(ctx, AzuriteOptions{})
			return s.child(), err
		}},
		{"TemporalServer", func(ctx context.Context) (*Child, error) {
			s, err := StartTemporalServer(ctx, TemporalServerOptions{SearchAttributes: []string{"ExhaustTag"}})
			return s.child(), err
		}},
	} {
		b.Run(server.name, func(b *testing.B) {
			var ready, stopped time.Duration
			for b.Loop() {
				begin := time.Now()
				c, err := server.start(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				ready += time.Since(begin)
				begin = time.Now()
				if err := c.Stop(); err != nil {
					b.Fatal(err)
				}
				stopped += time.Since(begin)
			}
			b.ReportMetric(float64(ready.Milliseconds())/float64(b.N), "ready-ms")
			b.ReportMetric(float64(stopped.Milliseconds())/float64(b.N), "stop-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
