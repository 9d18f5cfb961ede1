// Command haltingworker is the worker, held up at one place where a test wants to stop it, kill it or cut it off: the place is
// in HALT_ACTIVITY and HALT_POINT, and no other program may use it.
package main

import (
	"os"

	"go.temporal.io/sdk/interceptor"

	"data-exhaust/blob"
	"data-exhaust/internal/app"
)

func main() {
	h := &halt{
		activity: os.Getenv("HALT_ACTIVITY"), point: os.Getenv("HALT_POINT"), marker: os.Getenv("HALT_MARKER"),
		isUnaware: os.Getenv("HALT_UNAWARE") != "",
	}
	hooks := app.WorkerHooks{
		Interceptors: []interceptor.WorkerInterceptor{&activities{halt: h}},
		Reports:      func(store blob.Store) blob.Store { return reports{store, h} },
	}
	os.Exit(app.Main(hooks.Worker))
}
