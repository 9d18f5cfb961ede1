package main

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

// The stacks that dev and demo run on.
const (
	// embeddedStack is Temporal's development server, SQLite and folders.
	embeddedStack = "embedded"
	// productionStack is what operators run: Temporal's server on PostgreSQL, PostgreSQL for the
	// registry, and Azure Blob Storage, as Azurite emulates it.
	productionStack = "production"
)

// parts are the servers of a stack: child processes.
type parts struct {
	// temporal is nil where TEMPORAL_ADDRESS names one that runs already.
	temporal *devstack.Temporal
	// settings point the services at the parts.
	settings []string
	// stops stop the parts; the last is called first.
	stops []func() error
}

type partsOptions struct {
	stack                string
	temporalPort, uiPort int
	// dir keeps the parts' data; the production stack needs one.
	dir string
	// progress is where parts say what takes long.
	progress io.Writer
}

// startParts starts the servers of a stack. They outlive the context, until stop: the worker and the
// API, which end with the context, still need them.
func startParts(ctx context.Context, o partsOptions) (_ *parts, err error) {
	if o.stack != embeddedStack && o.stack != productionStack {
		return nil, usage("--stack %q is unknown: %s and %s are accepted", o.stack, embeddedStack, productionStack)
	}
	ctx = context.WithoutCancel(ctx)
	p := &parts{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	var postgres *devstack.Postgres
	if o.stack == productionStack {
		if postgres, err = p.startProduction(ctx, o); err != nil {
			return nil, err
		}
	}
	if os.Getenv("TEMPORAL_ADDRESS") != "" {
		return p, nil
	}
	if o.stack == productionStack {
		p.temporal, err = devstack.StartTemporalServer(ctx, devstack.TemporalServerOptions{
			Postgres: postgres, Port: o.temporalPort, Dir: filepath.Join(o.dir, "temporal"),
			SearchAttributes: service.SearchAttributeNames(), Log: o.progress,
		})
	} else {
		p.temporal, err = devstack.StartTemporal(ctx, devstack.TemporalOptions{
			Port: o.temporalPort, UI: true, UIPort: o.uiPort,
			SearchAttributes: service.SearchAttributeNames(), Log: o.progress,
		})
	}
	if err != nil {
		return nil, err
	}
	p.stops = append(p.stops, p.temporal.Stop)
	return p, os.Setenv("TEMPORAL_ADDRESS", p.temporal.Address)
}

func (p *parts) startProduction(ctx context.Context, o partsOptions) (*devstack.Postgres, error) {
	postgres, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Dir: filepath.Join(o.dir, "postgres")})
	if err != nil {
		return nil, err
	}
	p.stops = append(p.stops, postgres.Stop)
	if err := postgres.CreateDatabase(ctx, "exhaust"); err != nil {
		return nil, err
	}
	azurite, err := devstack.StartAzurite(ctx, devstack.AzuriteOptions{
		DataDir: filepath.Join(o.dir, "azurite"), Dir: o.dir, Log: o.progress,
	})
	if err != nil {
		return nil, err
	}
	p.stops = append(p.stops, azurite.Stop)
	p.settings = []string{
		"EXHAUST_DATABASE_URL=" + postgres.URL("exhaust"),
		"EXHAUST_TELEMETRY_STORE=azblob://telemetry",
		"EXHAUST_REPORTS_STORE=azblob://reports",
		"AZURE_STORAGE_CONNECTION_STRING=" + azurite.ConnectionString(),
	}
	return postgres, nil
}

// ui is the URL of Temporal's UI, "" where there is none.
func (p *parts) ui() string {
	if p.temporal == nil {
		return ""
	}
	return p.temporal.UI
}

// watch returns when done is closed, or with an error when Temporal's server dies before.
func (p *parts) watch(done <-chan struct{}) error {
	if p.temporal == nil {
		<-done
		return nil
	}
	err := p.temporal.Wait()
	select {
	case <-done:
		return nil
	default:
		return fmt.Errorf("the Temporal server ended: %w", err)
	}
}

func (p *parts) stop() error {
	var errs []error
	for _, stop := range slices.Backward(p.stops) {
		errs = append(errs, stop())
	}
	p.stops = nil
	return errors.Join(errs...)
}
