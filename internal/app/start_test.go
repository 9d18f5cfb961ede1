package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"data-exhaust/config"
	"data-exhaust/database"
	"data-exhaust/internal/apitest"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/logtest"
)

// processes are an api and a worker as their binaries run them, in this process.
type processes struct {
	t     *testing.T
	url   string
	log   logtest.Buffer
	stop  context.CancelFunc
	ended chan error
}

// startBoth starts an api and a worker and waits until the api listens, which it has to at once.
func startBoth(t *testing.T, cfg config.Config) *processes {
	t.Helper()
	p := &processes{t: t, url: "http://" + cfg.Addr, ended: make(chan error, 2)}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	log := slog.New(slog.NewTextHandler(&p.log, nil))
	listening := make(chan struct{})
	go func() { p.ended <- API(ctx, cfg, log, func(string) { close(listening) }) }()
	go func() { p.ended <- Worker(ctx, cfg, log) }()
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("the log:\n%s", p.log.String())
		}
	})
	select {
	case <-listening:
	case err := <-p.ended:
		t.Fatalf("one has ended: %v", err)
	case <-time.After(5 * time.Second):
		t.Fatal("the api does not listen 5 s after its start")
	}
	return p
}

// stopBoth has both stop as SIGTERM does, which is no error.
func (p *processes) stopBoth() {
	p.t.Helper()
	p.stop()
	for range 2 {
		select {
		case err := <-p.ended:
			if err != nil {
				p.t.Errorf("one ended with %v", err)
			}
		case <-time.After(30 * time.Second):
			p.t.Fatal("they do not stop")
		}
	}
}

// call gives the status and the sentence of an answer, which is "" where there is no fault.
func (p *processes) call(method, path, body string) string {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("X-Channel-ID", "01309282781705830427")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	var envelope struct{ Params struct{ ErrMsg string } }
	raw, err := io.ReadAll(response.Body)
	if err != nil || json.Unmarshal(raw, &envelope) != nil {
		p.t.Fatalf("%s answered %d %q, %v", path, response.StatusCode, raw, err)
	}
	apitest.CheckAnswer(p.t, request, response, raw)
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", envelope.Params.ErrMsg))
}

func (p *processes) wants(path, want string) {
	p.t.Helper()
	if got := p.call("GET", path, ""); got != want {
		p.t.Errorf("GET %s\ngot  %s\nwant %s", path, got, want)
	}
}

// becomes waits until a path answers so, and sees that both processes still run.
func (p *processes) becomes(path, want string) {
	p.t.Helper()
	p.eventually("GET "+path+" answers "+want, func() (string, bool) {
		got := p.call("GET", path, "")
		return got, got == want
	})
}

func (p *processes) logs(text string) {
	p.t.Helper()
	p.eventually("the log says "+text, func() (string, bool) { return "", strings.Contains(p.log.String(), text) })
}

func (p *processes) eventually(what string, holds func() (last string, _ bool)) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		last, ok := holds()
		if ok {
			return
		}
		select {
		case err := <-p.ended:
			p.t.Fatalf("one has ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not within a minute: %s; last: %s", what, last)
		}
	}
}

const submission = `{"request":{"dataset":"uci-private-exhaust","tag":"early","datasetConfig":{"conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6"}}}`

// TestTheServicesStartWithNothingThereAndWorkAsSoonAsItComes: without a restart, and the database of FusionAuth never comes.
func TestTheServicesStartWithNothingThereAndWorkAsSoonAsItComes(t *testing.T) {
	postgres, temporal := awayServers(t)
	cfg := settingsOf(t, postgres.URL("exhaust"))
	t.Setenv("TEMPORAL_ADDRESS", temporal.Address)
	p := startBoth(t, cfg)

	const folders = "; up: telemetry store, reports store"
	p.wants("/health/live", "200")
	p.wants("/health", "503 down: temporal, database, UCI database, FusionAuth database"+folders)
	p.wants("/health/ready", "503 down: temporal, database; up: reports store")
	if got := p.call("POST", "/dataset/v1/request/submit", submission); got != "503 temporal is not available: try again later" {
		t.Errorf("submit answered %s", got)
	}
	p.logs(`msg=waiting what=database because="EXHAUST_DATABASE_URL: `)
	p.logs(`msg=waiting what=temporal because="TEMPORAL_ADDRESS ` + temporal.Address + `: `)

	must(t, postgres.Restart(t.Context()))
	const unmigrated = "database (its tables are missing or older than this release: `starter migrate` makes them)"
	p.becomes("/health", "503 down: temporal, "+unmigrated+", FusionAuth database; up: UCI database, telemetry store, reports store")
	p.logs("`starter migrate` makes them: ")
	must(t, Migrate(t.Context(), cfg))
	p.becomes("/health/ready", "503 down: temporal; up: database, reports store")

	// As the release before left it: only sessions, the days that exhausts cover, and an index are lacking.
	db, err := database.Open(t.Context(), cfg.DatabaseURL)
	must(t, err)
	defer db.Close()
	dbtest.Exec(t, db, "DROP TABLE console_session")
	dbtest.Exec(t, db, "DROP INDEX job_request_of_channels_conversation")
	dbtest.Exec(t, db, "ALTER TABLE job_request DROP COLUMN range_from")
	dbtest.Exec(t, db, "ALTER TABLE job_request DROP COLUMN range_to")
	dbtest.Exec(t, db, "DELETE FROM data_exhaust_migrations WHERE version_id >= 6")
	p.becomes("/health/ready", "503 down: temporal, "+unmigrated+"; up: reports store")
	must(t, Migrate(t.Context(), cfg))
	p.becomes("/health/ready", "503 down: temporal; up: database, reports store")

	must(t, temporal.Restart(t.Context())) // it has forgotten the search attributes
	p.becomes("/health/ready", "200")
	p.wants("/health", "503 down: FusionAuth database; up: temporal, database, UCI database, telemetry store, reports store")
	p.logs(`msg="worker is running"`)
	if got := p.call("POST", "/dataset/v1/request/submit", submission); got != "200" {
		t.Errorf("submit answered %s", got)
	}
	p.stopBoth()
	if log := p.log.String(); strings.Count(log, "msg=waiting what=temporal") > 8 || strings.Contains(log, passwordOf(t, cfg.DatabaseURL)) {
		t.Errorf("the log repeats itself, or has a password:\n%s", log)
	}
}

// TestTheServicesStopWhileTheyWait: as SIGTERM has it.
func TestTheServicesStopWhileTheyWait(t *testing.T) {
	port, err := devstack.FreePort()
	must(t, err)
	t.Setenv("TEMPORAL_ADDRESS", fmt.Sprintf("127.0.0.1:%d", port))
	p := startBoth(t, settingsOf(t, fmt.Sprintf("postgres://nobody:secret@127.0.0.1:%d/exhaust?sslmode=disable", port)))
	p.logs(`msg=waiting what=database`)
	p.logs(`msg=waiting what=temporal`)
	began := time.Now()
	p.stopBoth()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("they stopped after %s", took)
	}
}

// TestWhatNoWaitingHealsEndsTheServicesAtOnce: what lies on this machine alone.
func TestWhatNoWaitingHealsEndsTheServicesAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	shortKey := t.TempDir()
	must(t, os.WriteFile(filepath.Join(shortKey, "signing.key"), []byte("short"), 0o600))
	serve := map[string]func(context.Context, config.Config, *slog.Logger) error{
		"worker": Worker,
		"api": func(ctx context.Context, cfg config.Config, log *slog.Logger) error {
			return API(ctx, cfg, log, func(string) {})
		},
	}
	for name, c := range map[string]struct{ setting, want string }{
		"a folder that cannot be made": {"EXHAUST_REPORTS_STORE=file://" + file + "/reports",
			`EXHAUST_REPORTS_STORE: store "file://` + file + `/reports": create the folder of the object store: mkdir ` + file + `: not a directory`},
		"a database file that cannot be made": {"EXHAUST_DATABASE_URL=sqlite://" + file + "/exhaust.db",
			"EXHAUST_DATABASE_URL: make the folder of SQLite database " + file + "/exhaust.db: mkdir " + file + ": not a directory"},
		"a key that is none": {"EXHAUST_DATA_DIR=" + shortKey,
			"EXHAUST_SIGNING_KEY is not set, and EXHAUST_DATA_DIR has no key for it: key file " + shortKey + "/signing.key has 5 bytes, a key has 32"},
	} {
		for program, serve := range serve {
			t.Run(program+", "+name, func(t *testing.T) {
				settings := []string{c.setting}
				if !strings.HasPrefix(c.setting, "EXHAUST_DATA_DIR") {
					settings = append(settings, "EXHAUST_DATA_DIR="+t.TempDir())
				}
				cfg, err := config.Load(settings)
				must(t, err)
				t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				err = serve(ctx, cfg, slog.New(slog.DiscardHandler))
				if err == nil || !strings.HasPrefix(err.Error(), c.want) || ctx.Err() != nil {
					t.Errorf("got  %v\nwant %s", err, c.want)
				}
			})
		}
	}
}

// awayServers are servers that have been there before, and are gone: their addresses are known.
func awayServers(t *testing.T) (*devstack.Postgres, *devstack.Temporal) {
	t.Helper()
	postgres, err := devstack.StartPostgres(context.Background(), devstack.PostgresOptions{})
	must(t, err)
	t.Cleanup(func() { _ = postgres.Stop() })
	must(t, postgres.CreateDatabase(t.Context(), "exhaust"))
	temporal, err := devstack.StartTemporal(context.Background(), devstack.TemporalOptions{Log: os.Stderr})
	must(t, err)
	t.Cleanup(func() { _ = temporal.Stop() })
	must(t, errors.Join(postgres.Kill(), temporal.Kill()))
	return postgres, temporal
}

// settingsOf are those of services in folders of the test's own. FusionAuth's database is nowhere.
func settingsOf(t *testing.T, database string) config.Config {
	t.Helper()
	port, err := devstack.FreePort()
	must(t, err)
	nowhere, err := devstack.FreePort()
	must(t, err)
	cfg, err := config.Load([]string{
		"EXHAUST_DATA_DIR=" + t.TempDir(),
		fmt.Sprintf("EXHAUST_ADDR=127.0.0.1:%d", port),
		"EXHAUST_DATABASE_URL=" + database,
		"UCI_DATABASE_URL=" + database,
		fmt.Sprintf("FUSIONAUTH_DATABASE_URL=postgres://reader:secret@127.0.0.1:%d/fusionauth?sslmode=disable", nowhere),
		"EXHAUST_TASK_QUEUE=start",
	})
	must(t, err)
	return cfg
}

// passwordOf is the one in a database's URL.
func passwordOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	must(t, err)
	password, _ := u.User.Password()
	return password
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
