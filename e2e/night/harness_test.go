// Package night tests what Data Exhaust does at night, and what an operator does for it by day, on the
// parts of production: Temporal's server on PostgreSQL, the api, the worker and the starter as
// processes of their own. No test waits for a clock: schedules are triggered, and times in the database
// are moved.
package night

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"go.temporal.io/sdk/client"

	"data-exhaust/internal/devstack"
)

var (
	binaries, scratch string
	// postgres and temporal are shared by the tests; temporal keeps its state in postgres.
	postgres *devstack.Postgres
	temporal *devstack.Temporal
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	stop, err := start()
	defer func() {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func start() (stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for _, s := range slices.Backward(stops) {
			errs = append(errs, s())
		}
		return errors.Join(errs...)
	}
	if scratch, err = os.MkdirTemp("", "exhaust-night-"); err != nil {
		return stop, err
	}
	stops = append(stops, func() error { return os.RemoveAll(scratch) })
	binaries = filepath.Join(scratch, "bin")
	build := exec.Command("go", "build", "-o", binaries+"/", "./api", "./worker", "./starter")
	build.Dir = "../.."
	if output, err := build.CombinedOutput(); err != nil {
		return stop, fmt.Errorf("go build: %w\n%s", err, output)
	}
	ctx := context.Background()
	if postgres, err = devstack.StartPostgres(ctx, devstack.PostgresOptions{}); err != nil {
		return stop, err
	}
	stops = append(stops, postgres.Stop)
	if temporal, err = devstack.StartTemporalServer(ctx, devstack.TemporalServerOptions{Postgres: postgres, Log: os.Stderr}); err != nil {
		return stop, err
	}
	stops = append(stops, temporal.Stop)
	return stop, nil
}

const (
	channel = "01309282781705830427"
	bot     = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	// silent is a conversation without any telemetry; unknown is none at all.
	silent  = "5d1f6a0e-3a4b-4c5d-8e6f-0a1b2c3d4e5f"
	unknown = "00000000-0000-4000-8000-000000000000"
	device  = "d0000000-0000-4000-8000-000000000001"
	day     = "2022-03-01"
	badDay  = "2022-03-02" // its telemetry is corrupt
)

// deployment is Data Exhaust with a Temporal namespace, a database and stores of its own: there is one
// schedule of the night in a namespace.
type deployment struct {
	namespace string
	client    client.Client
	db        *sql.DB
	env       []string
	dir       string
	base      string
}

var deployments atomic.Int64

const schema = `
	CREATE TABLE bot (id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date);
	CREATE TABLE users (id uuid PRIMARY KEY, data jsonb);
	CREATE TABLE user_registrations (users_id uuid, applications_id uuid, PRIMARY KEY (applications_id, users_id));
	CREATE TABLE identities (users_id uuid, username text, PRIMARY KEY (users_id, username));
	INSERT INTO bot VALUES ('` + bot + `', 'Helpdesk', '` + channel + `', NULL, NULL), ('` + silent + `', 'Silent', '` + channel + `', NULL, NULL);
	INSERT INTO users VALUES ('` + device + `', '{"device":{"consent":true}}')`

// prepare makes a deployment of which nothing runs yet.
func prepare(t *testing.T, settings ...string) *deployment {
	t.Helper()
	name := fmt.Sprintf("night%d", deployments.Add(1))
	d := &deployment{namespace: name, dir: filepath.Join(scratch, name)}
	ctx := t.Context()
	if err := postgres.CreateDatabase(ctx, name); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.db, err = sql.Open("postgres", postgres.URL(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.db.Close() })
	d.exec(t, schema)
	d.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"TEMPORAL_ADDRESS=" + temporal.Address, "TEMPORAL_NAMESPACE=" + name,
		"EXHAUST_DATABASE_URL=" + postgres.URL(name), "EXHAUST_DATA_DIR=" + d.dir,
		// The night comes when a test triggers it.
		"EXHAUST_NIGHTLY_CRON=0 0 29 2 *",
	}, settings...)
	if out := d.starter(t, "setup"); out.code != 0 {
		t.Fatalf("setup: %+v", out)
	}
	if d.client, err = client.DialContext(ctx, client.Options{HostPort: temporal.Address, Namespace: name, Logger: quiet{}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.client.Close)
	d.write(t, "telemetry/"+day+"-0.jsonl", event(1)+"\n"+event(2)+"\n")
	d.write(t, "telemetry/"+badDay+"-0.json.gz", "\x1f\x8b\x08\x00this is no gzip")
	return d
}

// event is one that a made-up device answered.
func event(n int) string {
	return fmt.Sprintf(`{"eid":"ASSESS","mid":"m%d","@timestamp":"2022-03-01T10:00:0%d.000Z",`+
		`"context":{"channel":%q,"did":%q,"cdata":[{"type":"Conversation","id":%q}]},`+
		`"edata":{"item":{"id":"q%d"},"resvalues":[{"1":"yes"}]}}`, n, n, channel, device, bot, n)
}

// report is the file of bot's exhaust of day, by the contract's section 4.
const report = `Message ID,Conversation ID,Conversation Name,Device ID,Session ID,Question Id,Question Type,Question Title,` +
	`Question Description,Question Duration,Question Score,Question Max Score,Question Options,Question Response,X Path,Eof,Timestamp
m1,c63b6faa-11a9-4259-b941-11cd2f8446c6,Helpdesk,d0000000-0000-4000-8000-000000000001,,q1,,,,,,,,"[{""1"":""yes""}]",,,2022-03-01T10:00:01.000Z
m2,c63b6faa-11a9-4259-b941-11cd2f8446c6,Helpdesk,d0000000-0000-4000-8000-000000000001,,q2,,,,,,,,"[{""1"":""yes""}]",,,2022-03-01T10:00:02.000Z
`

// deploy starts an api and a worker.
func deploy(t *testing.T, settings ...string) *deployment {
	t.Helper()
	d := prepare(t, settings...)
	d.startAPI(t)
	d.startWorker(t)
	return d
}

func (d *deployment) startAPI(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	d.base = "http://" + address
	d.env = append(d.env, "EXHAUST_ADDR="+address)
	p := d.launch(t, "api")
	eventually(t, time.Minute, "the api is healthy", func() bool {
		response, err := http.Get(d.base + "/health")
		if p.ended() {
			t.Fatalf("the api ended:\n%s", p.log(t))
		}
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// startWorker starts a worker and waits until it works.
func (d *deployment) startWorker(t *testing.T) *process {
	t.Helper()
	p := d.launch(t, "worker")
	p.awaitLog(t, "worker is running")
	return p
}

// process is one of the binaries, running.
type process struct {
	cmd     *exec.Cmd
	logFile string
	done    chan struct{}
}

var launched atomic.Int64

func (d *deployment) launch(t *testing.T, binary string, settings ...string) *process {
	t.Helper()
	p := &process{
		logFile: filepath.Join(scratch, fmt.Sprintf("%s-%d.log", binary, launched.Add(1))),
		done:    make(chan struct{}),
	}
	log, err := os.Create(p.logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(filepath.Join(binaries, binary))
	p.cmd.Env = append(slices.Clone(d.env), settings...)
	p.cmd.Dir = scratch
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is read from its ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.terminate(t)
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", filepath.Base(p.logFile), tail(p.log(t)))
		}
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process as a crash of its machine would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
}

func (p *process) terminate(t *testing.T) {
	t.Helper()
	if p.ended() {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case <-p.done:
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%s ended with exit code %d after SIGTERM:\n%s", p.cmd.Path, code, tail(p.log(t)))
		}
	case <-time.After(30 * time.Second):
		t.Errorf("%s did not stop within 30 s of SIGTERM", p.cmd.Path)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) log(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(p.logFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (p *process) awaitLog(t *testing.T, text string) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("%s says %q", filepath.Base(p.logFile), text), func() bool {
		if p.ended() {
			t.Fatalf("it ended:\n%s", p.log(t))
		}
		return strings.Contains(p.log(t), text)
	})
}

func tail(s string) string { return s[max(0, len(s)-3000):] }

// ran is how a command ended.
type ran struct {
	code           int
	stdout, stderr string
}

func (d *deployment) starter(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(binaries, "starter"), args...)
	cmd.Env, cmd.Dir = d.env, scratch
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (d *deployment) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := d.db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
}

// count is the number of rows of job_request that match.
func (d *deployment) count(t *testing.T, where string) (n int) {
	t.Helper()
	if err := d.db.QueryRowContext(t.Context(), `SELECT count(*) FROM job_request WHERE `+where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// write puts a file in the deployment's folder.
func (d *deployment) write(t *testing.T, name, content string) {
	t.Helper()
	file := filepath.Join(d.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// age makes a file of the reports store older.
func (d *deployment) age(t *testing.T, name string, by time.Duration) {
	t.Helper()
	at := time.Now().Add(-by)
	if err := os.Chtimes(filepath.Join(d.dir, "reports", filepath.FromSlash(name)), at, at); err != nil {
		t.Fatal(err)
	}
}

// files are the names in the reports store.
func (d *deployment) files(t *testing.T) (names []string) {
	t.Helper()
	root := filepath.Join(d.dir, "reports")
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(root, file)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func (d *deployment) file(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(d.dir, "reports", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// job is an exhaust as the api shows it.
type job struct {
	RequestID     string   `json:"requestId"`
	Tag           string   `json:"tag"`
	Status        string   `json:"status"`
	StatusMessage string   `json:"statusMessage"`
	Attempts      int      `json:"attempts"`
	DownloadURLs  []string `json:"downloadUrls"`
	JobStats      struct {
		Completed *int64 `json:"dtJobCompleted"`
	} `json:"jobStats"`
}

// answered is an answer of the api.
type answered struct {
	status   int
	sentence string
	result   json.RawMessage
}

func (a answered) job(t *testing.T) (j job) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("answered %d: %s", a.status, a.sentence)
	}
	if err := json.Unmarshal(a.result, &j); err != nil {
		t.Fatal(err)
	}
	return j
}

func (d *deployment) call(ctx context.Context, method, path, body string) (answered, error) {
	request, err := http.NewRequestWithContext(ctx, method, d.base+"/dataset/v1/request/"+path, strings.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	request.Header.Set("X-Channel-ID", channel)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answered{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return answered{}, err
	}
	var envelope struct {
		Params struct {
			ErrMsg string `json:"errmsg"`
		} `json:"params"`
		Result json.RawMessage `json:"result"`
	}
	err = json.Unmarshal(content, &envelope)
	return answered{response.StatusCode, envelope.Params.ErrMsg, envelope.Result}, err
}

func (d *deployment) mustCall(t *testing.T, method, path, body string) answered {
	t.Helper()
	a, err := d.call(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// order asks for a response exhaust; runAt is left out where it is "".
func order(tag, conversation, day, runAt string) string {
	if runAt != "" {
		runAt = fmt.Sprintf(`,"runAt":%q`, runAt)
	}
	return fmt.Sprintf(`{"request":{"dataset":"uci-response-exhaust","tag":%q,"requestedBy":"tester"%s,
		"datasetConfig":{"conversationId":%q,"startDate":%q,"endDate":%q}}}`, tag, runAt, conversation, day, day)
}

func (d *deployment) submit(t *testing.T, tag, conversation, day, runAt string) job {
	t.Helper()
	return d.mustCall(t, http.MethodPost, "submit", order(tag, conversation, day, runAt)).job(t)
}

// park submits an exhaust for the night and waits until it is parked.
func (d *deployment) park(t *testing.T, tag, conversation, day string) job {
	t.Helper()
	j := d.submit(t, tag, conversation, day, "nightly")
	if j.Status != "SUBMITTED" {
		t.Fatalf("submitted for the night it is %+v", j)
	}
	return j
}

// parkAll submits exhausts for the night, several at a time, and gives their ids by tag.
func (d *deployment) parkAll(t *testing.T, orders map[string]string) map[string]string {
	t.Helper()
	var (
		mu    sync.Mutex
		ids   = map[string]string{}
		wait  sync.WaitGroup
		slots = make(chan struct{}, 8)
	)
	for tag, body := range orders {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			a, err := d.call(t.Context(), http.MethodPost, "submit", body)
			var j job
			if err == nil && a.status == http.StatusOK {
				err = json.Unmarshal(a.result, &j)
			}
			if err != nil || j.Status != "SUBMITTED" {
				t.Errorf("submitting %s: %v, %d %s %+v", tag, err, a.status, a.sentence, j)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[tag] = j.RequestID
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return ids
}

func (d *deployment) read(t *testing.T, tag, requestID string) job {
	t.Helper()
	return d.mustCall(t, http.MethodGet, "read/"+tag+"?requestId="+requestID, "").job(t)
}

// end waits for the end of an exhaust.
func (d *deployment) end(t *testing.T, tag, requestID string) (j job) {
	t.Helper()
	eventually(t, time.Minute, "exhaust "+requestID+" ends", func() bool {
		j = d.read(t, tag, requestID)
		return j.Status != "SUBMITTED" && j.Status != "PROCESSING"
	})
	return j
}

// make submits an exhaust of bot and day for now and waits for its SUCCESS.
func (d *deployment) make(t *testing.T, tag string) job {
	t.Helper()
	j := d.end(t, tag, d.submit(t, tag, bot, day, "").RequestID)
	if j.Status != "SUCCESS" {
		t.Fatalf("the exhaust is %+v", j)
	}
	return j
}

// summary is the result of a night, in Go's own words so that the field names are part of the test.
type summary struct {
	Began, Ended                                   time.Time
	Ran, Retried, Success, Failed, Cancelled, Rows int
	Bytes                                          int64
	Slowest                                        *outcome
	Failures                                       []outcome
	Deleted                                        struct{ Reports, Staged, Unnamed int }
	Problems                                       []string
}

type outcome struct {
	RequestID, Status, Message string
	Rows                       int
}

// beginNight triggers the schedule and gives the id of the night's workflow.
func (d *deployment) beginNight(t *testing.T) string {
	t.Helper()
	schedule := d.client.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly")
	before := d.nights(t)
	if err := schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{}); err != nil {
		t.Fatal(err)
	}
	var id string
	eventually(t, time.Minute, "the schedule starts the night", func() bool {
		now := d.nights(t)
		if len(now) > len(before) {
			id = now[len(now)-1]
		}
		return id != ""
	})
	return id
}

// nights are the ids of the nights that the schedule has started.
func (d *deployment) nights(t *testing.T) (ids []string) {
	t.Helper()
	description, err := d.client.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly").Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range description.Info.RecentActions {
		ids = append(ids, action.StartWorkflowResult.WorkflowID)
	}
	return ids
}

func (d *deployment) endOfNight(t *testing.T, id string, within time.Duration) (s summary) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := d.client.GetWorkflow(ctx, id, "").Get(ctx, &s); err != nil {
		t.Fatalf("the night %s: %v", id, err)
	}
	return s
}

func (d *deployment) night(t *testing.T) summary {
	t.Helper()
	return d.endOfNight(t, d.beginNight(t), 2*time.Minute)
}

// eventually waits until what holds, and fails the test where it does not within the time.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// quiet is a logger for the test's own client, whose connection a test cuts.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
