// Command worker runs the workflows and activities of Data Exhaust and answers no client. Its settings are in the
// environment: docs/settings.md.
package main

import (
	"os"

	"data-exhaust/internal/app"
)

func main() { os.Exit(app.Main(app.Worker)) }
