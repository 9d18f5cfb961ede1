package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/internal/app"
	"data-exhaust/internal/sample"
	"data-exhaust/internal/servers"
)

func newDemo() *cobra.Command {
	var stack string
	command := &cobra.Command{
		Use:   "demo",
		Short: "Make both exhausts from sample data, from the request to the downloaded CSV",
		Long: `Make both exhausts from sample data, from the request to the downloaded CSV.

Everything is kept in the folder data/demo, which is emptied first. No setting is used.

--stack=production runs it on PostgreSQL, Temporal's production server and Azurite.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return playDemo(cmd.Context(), stack, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	command.Flags().StringVar(&stack, "stack", servers.Embedded, "embedded or production")
	return command
}

const demoFolder = "data/demo"

// demoSecret is no secret: it encrypts made-up phone numbers.
const demoSecret = "ZGF0YS1leGhhdXN0LWRlbW8ta2V5LW5vdC1zZWNyZXQ="

func playDemo(ctx context.Context, stackName string, out, progress io.Writer) (err error) {
	begin := time.Now()
	logFile, err := createDemoFolder()
	if err != nil {
		return err
	}
	defer logFile.Close()
	fmt.Fprintf(out, "Starting Temporal, the worker and the API (%s stack) …\n", stackName)
	s, err := startDemoStack(ctx, stackName, logFile, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	fmt.Fprintf(out, "  API %s, Temporal %s", s.cfg.PublicURL, s.servers.Temporal.Address)
	if ui := s.servers.UI(); ui != "" {
		fmt.Fprintf(out, ", its UI %s", ui)
	}
	fmt.Fprintln(out)

	if err := app.SampleTables(ctx, s.cfg, true); err != nil {
		return err
	}
	set, err := app.Sample(ctx, s.cfg, sample.Options{
		Seed: 1, Days: 3, EventsPerDay: 30_000, ObjectsPerDay: 3, Devices: 900,
		Until: exhaust.DayOf(time.Now().In(s.cfg.Timezone)).Add(-1),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  sample telemetry: %d days of 30000 events in %s\n", len(set.Days()), s.cfg.TelemetryStore)

	var files []string
	for _, dataset := range []exhaust.Dataset{exhaust.ResponseExhaust, exhaust.PrivateExhaust} {
		file, err := playExhaust(ctx, s.cfg, set, dataset, out, progress)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	fmt.Fprintf(out, "\nBoth exhausts are made, %.1f s after the start:\n", time.Since(begin).Seconds())
	for _, file := range files {
		fmt.Fprintf(out, "  %s\n", file)
	}
	fmt.Fprintln(out, "Next: `make dev` stays up, with the console at http://127.0.0.1:8080/console/, and serves your own telemetry; README.md says how.")
	return nil
}

// createDemoFolder makes an empty folder for everything, and the log in it.
func createDemoFolder() (log *os.File, err error) {
	if err := os.RemoveAll(demoFolder); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(demoFolder, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(demoFolder, "demo.log"))
}

func startDemoStack(ctx context.Context, name string, log, progress io.Writer) (*stack, error) {
	if err := dropTemporalSettings(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Join(demoFolder, "servers"))
	if err != nil {
		return nil, err
	}
	return startStack(ctx, servers.Options{Name: name, Dir: dir, Progress: progress}, loadDemoSettings, slog.New(slog.NewTextHandler(log, nil)))
}

// dropTemporalSettings takes Temporal's own settings out of the environment, and the user's file of them too: an API key,
// TLS or a namespace of another Temporal would be used with the demo's.
func dropTemporalSettings() error {
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if !strings.HasPrefix(name, "TEMPORAL_") {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return os.Setenv("TEMPORAL_CONFIG_FILE", os.DevNull)
}

func loadDemoSettings(settings []string) (config.Config, error) {
	// The kernel picks a free port; the address has to be known before the API listens on it,
	// because signed URLs hold it.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return config.Config{}, err
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return config.Config{}, err
	}
	return config.Load(append(settings,
		"EXHAUST_DATA_DIR="+demoFolder,
		"EXHAUST_ADDR="+addr,
		"UCI_ENCRYPTION_SECRET="+demoSecret,
	))
}

// playExhaust asks for one exhaust as any client would, and downloads it.
func playExhaust(ctx context.Context, cfg config.Config, set *sample.Set, dataset exhaust.Dataset, out, progress io.Writer) (string, error) {
	bot, days := set.Conversations()[0], set.Days()
	client := apiClient{base: cfg.PublicURL, channel: bot.Channel, isAnonymous: true}
	body, err := submission{
		dataset: string(dataset), conversation: bot.ID, by: "demo", tag: "demo-" + string(dataset),
		start: string(days[0]), end: string(days[len(days)-1]),
	}.json()
	if err != nil {
		return "", err
	}
	fmt.Fprintf(out, "\nPOST %s/dataset/v1/request/submit\nX-Channel-ID: %s\n", cfg.PublicURL, bot.Channel)
	if err := printJSON(out, body); err != nil {
		return "", err
	}
	begin := time.Now()
	answer, err := client.submit(ctx, body)
	if err != nil {
		return "", err
	}
	j, err := result[job](answer)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(out, "→ %s, requestId %s\n", j.Status, j.RequestID)
	if _, j, err = followOne(ctx, client, j.pathTag(), j.RequestID, waiting{timeout: time.Minute}, progress); err != nil {
		return "", err
	}
	fmt.Fprintf(out, "→ %s after %.1f s: %d events of %.1f MB of telemetry, %d rows\n", j.state(), time.Since(begin).Seconds(),
		j.Progress.EventsMatched, float64(j.Progress.BytesTotal)/1e6, j.Progress.RowsWritten)
	if j.Status != exhaust.Success {
		return "", fmt.Errorf("the demo's exhaust is %s", j.state())
	}
	for _, link := range j.DownloadURLs {
		fmt.Fprintf(out, "GET %s\n", link)
	}
	files, err := download(ctx, j, filepath.Join(demoFolder, "downloads"))
	if err != nil {
		return "", err
	}
	if len(files) != 2 {
		return "", fmt.Errorf("the exhaust has %d files instead of a report and its receipt", len(files))
	}
	fmt.Fprintln(out)
	if err := showReport(files[0], dataset, cfg.Timezone, out); err != nil {
		return "", err
	}
	return files[0], verifyDemo(ctx, client, files[0], files[1], out)
}

// verifyDemo shows what the report's receipt says.
func verifyDemo(ctx context.Context, client apiClient, report, receiptFile string, out io.Writer) error {
	answer, err := client.call(ctx, http.MethodGet, receiptKeysPath, nil, nil)
	if err != nil {
		return err
	}
	keys, err := keysOf(answer.raw)
	if err != nil {
		return err
	}
	verified, err := verify(report, receiptFile, keys)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nstarter verify %s\n→ %s\n", filepath.Base(report), describeReceipt(&verified))
	return nil
}
