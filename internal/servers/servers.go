// Package servers puts together the servers that Data Exhaust runs on, for development and benchmarks on one machine; it
// does not start the API or the worker, which may not use it.
package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"data-exhaust/internal/devstack"
	"data-exhaust/service"
)

// The names of the stacks.
const (
	// Embedded is Temporal's development server, SQLite and folders.
	Embedded = "embedded"
	// Production is what operators run: Temporal's server on PostgreSQL, PostgreSQL for the registry, and
	// Azure Blob Storage, as Azurite emulates it.
	Production = "production"
)

// ErrUnknownStack is the error of Start for any other name.
var ErrUnknownStack = errors.New("unknown stack")

// Stack is the servers of a stack: child processes.
type Stack struct {
	// Temporal is nil where TEMPORAL_ADDRESS names one that runs already.
	Temporal *devstack.Temporal
	// Settings point the services at the servers.
	Settings []string

	// stops stop the servers; the last is called first.
	stops []func() error
}

// Options are those of [Start].
type Options struct {
	// Name is Embedded or Production.
	Name string
	// TemporalPort and UIPort are 0 for free ones. Production has no UI.
	TemporalPort, UIPort int
	// Dir keeps the servers' data; Production needs one.
	Dir string
	// Progress is where servers say what takes long.
	Progress io.Writer
}

// Start starts the servers of a stack, and sets TEMPORAL_ADDRESS to its Temporal. They outlive the context, until Stop: the
// worker and the API, which end with the context, still need them.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if o.Name != Embedded && o.Name != Production {
		return nil, fmt.Errorf("%w %q: %s and %s are accepted", ErrUnknownStack, o.Name, Embedded, Production)
	}
	ctx = context.WithoutCancel(ctx)
	s := &Stack{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	var postgres *devstack.Postgres
	if o.Name == Production {
		if postgres, err = s.startProduction(ctx, o); err != nil {
			return nil, err
		}
	}
	if os.Getenv("TEMPORAL_ADDRESS") != "" {
		return s, nil
	}
	if o.Name == Production {
		s.Temporal, err = devstack.StartTemporalServer(ctx, devstack.TemporalServerOptions{
			Postgres: postgres, Port: o.TemporalPort, Dir: filepath.Join(o.Dir, "temporal"),
			SearchAttributes: service.SearchAttributeNames(), Log: o.Progress,
		})
	} else {
		s.Temporal, err = devstack.StartTemporal(ctx, devstack.TemporalOptions{
			Port: o.TemporalPort, UI: true, UIPort: o.UIPort,
			SearchAttributes: service.SearchAttributeNames(), Log: o.Progress,
		})
	}
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.Temporal.Stop)
	return s, os.Setenv("TEMPORAL_ADDRESS", s.Temporal.Address)
}

func (s *Stack) startProduction(ctx context.Context, o Options) (*devstack.Postgres, error) {
	postgres, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Dir: filepath.Join(o.Dir, "postgres")})
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, postgres.Stop)
	if err := postgres.CreateDatabase(ctx, "exhaust"); err != nil {
		return nil, err
	}
	azurite, err := devstack.StartAzurite(ctx, devstack.AzuriteOptions{
		DataDir: filepath.Join(o.Dir, "azurite"), Dir: o.Dir, Log: o.Progress,
	})
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, azurite.Stop)
	s.Settings = append(azurite.Settings(),
		"EXHAUST_DATABASE_URL="+postgres.URL("exhaust"),
		"EXHAUST_TELEMETRY_STORE=azblob://telemetry",
		"EXHAUST_REPORTS_STORE=azblob://reports",
	)
	return postgres, nil
}

// UI is the URL of Temporal's UI, "" where there is none.
func (s *Stack) UI() string {
	if s.Temporal == nil {
		return ""
	}
	return s.Temporal.UI
}

// Watch returns when done is closed, or with an error when Temporal's server dies before.
func (s *Stack) Watch(done <-chan struct{}) error {
	if s.Temporal == nil {
		<-done
		return nil
	}
	err := s.Temporal.Wait()
	select {
	case <-done:
		return nil
	default:
		return fmt.Errorf("the Temporal server ended: %w", err)
	}
}

// Stop stops the servers.
func (s *Stack) Stop() error {
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop())
	}
	s.stops = nil
	return errors.Join(errs...)
}
