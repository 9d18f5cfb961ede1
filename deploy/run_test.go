package deploy

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"database/sql"
	"debug/elf"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"data-exhaust/internal/devstack"
)

// TestTheStackOfTheComposeFileMakesAnExhaust runs what `docker compose up` would run, as processes:
// our services from the binaries that the Dockerfile builds, as its user, with nothing in their
// environment but what image and file set; real servers in place of the other images. Hosts and
// ports are rewritten, everything else is as it stands.
func TestTheStackOfTheComposeFileMakesAnExhaust(t *testing.T) {
	s := newStack(t)
	for _, name := range startOrder(t, s.project) {
		service := s.project.Services[name]
		for on, dependency := range service.DependsOn {
			s.demand(name, on, dependency.Condition)
		}
		s.start(service)
	}

	s.setUpAgain()
	s.setUpWithoutTemporal()
	s.refused("setup", []string{"starter", "gen"}, "has no table bot; `starter gen --create-tables` makes them in a database without UCI's")

	out := s.run("setup", "starter", "gen", "--create-tables", "--days=2", "--events=400")
	found := regexp.MustCompile(`conversation (\S+) of channel (\S+): `).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("starter gen printed no conversation:\n%s", out)
	}
	conversation, channel := found[1], found[2]
	first, last := sampleDays(t, out)
	downloads := filepath.Join(s.dataDir, "downloads")
	s.run("api", "starter", "submit", "--conversation="+conversation, "--channel="+channel,
		"--start="+first, "--end="+last, "--tag=compose", "--out="+downloads, "--timeout=1m")
	files, err := filepath.Glob(filepath.Join(downloads, conversation+"_response_*.csv"))
	if err != nil || len(files) != 1 {
		t.Fatalf("downloaded %q, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const header = "Message ID|Conversation ID|Conversation Name|Device ID|Session ID|Question Id|Question Type|Question Title|" +
		"Question Description|Question Duration|Question Score|Question Max Score|Question Options|Question Response|X Path|Eof|Timestamp"
	if got := strings.Join(rows[0], "|"); got != header {
		t.Errorf("columns %s", got)
	}
	var got []string
	for _, row := range rows[1:] {
		got = append(got, row[0])
	}
	want := s.messages(conversation, channel)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the file has %d rows, the telemetry %d answers, or others", len(got), len(want))
	}

	s.refusedWithoutToken(conversation, channel)
	s.loseTelemetry()
	s.stopServices()
}

// stack runs the services of the Compose file as processes.
type stack struct {
	t       *testing.T
	project *types.Project
	image   stage
	bin     string
	dataDir string
	apiPort int

	postgres *devstack.Postgres
	azurite  *devstack.Azurite
	temporal string // address
	running  map[string]*exec.Cmd
	done     map[string]bool
	// token is the first one, which setup prints.
	token string
}

func newStack(t *testing.T) *stack {
	stages := readDockerfile(t)
	s := &stack{
		t:       t,
		image:   stages[len(stages)-1],
		bin:     build(t, stages[0]),
		dataDir: dataVolume(t),
		apiPort: freePort(t),
		running: map[string]*exec.Cmd{},
		done:    map[string]bool{},
	}
	var err error
	// PostgreSQL's password has to be known before the file is read, as for an operator.
	if s.postgres, err = devstack.StartPostgres(t.Context(), devstack.PostgresOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.postgres.Stop() })
	server, err := url.Parse(s.postgres.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	env := exampleEnv(t)
	env["POSTGRES_PASSWORD"], _ = server.User.Password()
	s.project = mustLoadCompose(t, env)
	return s
}

// build runs the Dockerfile's build line on what .dockerignore lets through, and checks that the
// binaries need nothing to run.
func build(t *testing.T, builder stage) string {
	t.Helper()
	var line string
	for _, run := range builder.all("RUN") {
		if strings.Contains(run, "go build") {
			line = run
		}
	}
	source, out := buildContext(t), t.TempDir()
	line = regexp.MustCompile(`--mount=\S+ `).ReplaceAllString(line, "")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(line, "/out/", out+"/"))
	cmd.Dir = source
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, output)
	}
	bin := filepath.Join(out, "bin")
	for _, name := range []string{"api", "worker", "starter"} {
		checkStatic(t, filepath.Join(bin, name))
	}
	// The services run as another user, who must get here.
	for dir := bin; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func checkStatic(t *testing.T, program string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		t.Errorf("%s needs %q, %v", program, libraries, err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s needs a dynamic loader", program)
		}
	}
}

// buildContext is a copy of what an engine would be sent.
func buildContext(t *testing.T) string {
	t.Helper()
	ignored, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer ignored.Close()
	patterns, err := ignorefile.ReadAll(ignored)
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || name == "." {
			return err
		}
		leftOut, err := matcher.MatchesOrParentMatches(name)
		switch {
		case err != nil:
			return err
		case leftOut && entry.IsDir():
			return fs.SkipDir
		case leftOut || !entry.Type().IsRegular() && !entry.IsDir():
			return nil
		case entry.IsDir():
			return os.Mkdir(filepath.Join(to, name), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{".env", ".git", "data"} {
		if _, err := os.Stat(filepath.Join(to, secret)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is sent to the engine", secret)
		}
	}
	return to
}

// imageUser is whom the image runs as.
const imageUser = 65532

// dataVolume is the volume at /data: the only folder that the services may write.
func dataVolume(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "volume")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(dir); parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, imageUser, imageUser); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// startOrder is every service after those that it depends on. It fails where they wait for each
// other, or for one that is not there.
func startOrder(t *testing.T, project *types.Project) []string {
	t.Helper()
	var order []string
	state := map[string]int{}
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		service, there := project.Services[name]
		switch {
		case !there:
			t.Fatalf("%v depends on %s, which is no service", path, name)
		case state[name] == 1:
			t.Fatalf("%v wait for each other", append(path, name))
		case state[name] == 2:
			return
		}
		state[name] = 1
		for _, on := range sortedKeys(service.DependsOn) {
			visit(on, append(path, name))
		}
		state[name] = 2
		order = append(order, name)
	}
	for _, name := range project.ServiceNames() {
		visit(name, nil)
	}
	return order
}

// demand fails the test where the condition on which a service starts does not hold.
func (s *stack) demand(name, on, condition string) {
	s.t.Helper()
	if condition == types.ServiceConditionCompletedSuccessfully {
		if !s.done[on] {
			s.t.Fatalf("%s starts before %s is done", name, on)
		}
		return
	}
	if output, err := s.check(s.project.Services[on]); err != nil {
		s.t.Fatalf("%s starts before %s is healthy: %v\n%s", name, on, err, output)
	}
}

// start starts a service and waits until it is healthy or, without a health check, done.
func (s *stack) start(service types.ServiceConfig) {
	s.t.Helper()
	var err error
	switch service.Name {
	case "postgres":
		err = s.postgres.CreateDatabase(s.t.Context(), environment(service)["POSTGRES_DB"])
	case "azurite":
		if s.azurite, err = devstack.StartAzurite(s.t.Context(), devstack.AzuriteOptions{}); err == nil {
			s.t.Cleanup(func() { _ = s.azurite.Stop() })
		}
	case "temporal":
		var server *devstack.Temporal
		if server, err = devstack.StartTemporalServer(s.t.Context(), devstack.TemporalServerOptions{Postgres: s.postgres}); err == nil {
			s.temporal = server.Address
			s.t.Cleanup(func() { _ = server.Stop() })
		}
	case "temporal-ui":
		return // nothing depends on it, and it is not to be had as a program
	default:
		s.startOurs(service)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if !service.HealthCheck.Disable {
		s.awaitHealth(service)
	}
}

func (s *stack) startOurs(service types.ServiceConfig) {
	s.t.Helper()
	if service.HealthCheck.Disable {
		s.runTwiceAtOnce(service)
		s.done[service.Name] = true
		return
	}
	s.refused(service.Name, service.HealthCheck.Test[1:], map[string]string{
		"api":    "the API does not answer at EXHAUST_ADDR: ",
		"worker": "has polled task queue exhaust within 1m30s",
	}[service.Name])
	cmd := s.command(context.WithoutCancel(s.t.Context()), service, service.Command)
	logFile, err := os.Create(filepath.Join(s.t.TempDir(), service.Name+".log"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.running[service.Name] = cmd
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if s.t.Failed() {
			logged, _ := os.ReadFile(logFile.Name())
			s.t.Logf("%s:\n%s", service.Name, logged)
		}
		logFile.Close()
	})
}

// runTwiceAtOnce runs the one-shot service as two operators might, who do not know of each other.
func (s *stack) runTwiceAtOnce(setup types.ServiceConfig) {
	s.t.Helper()
	var both [2]*exec.Cmd
	var outputs, tokens [2]bytes.Buffer
	for i := range both {
		both[i] = s.command(s.t.Context(), setup, setup.Command)
		both[i].Stdout, both[i].Stderr = &tokens[i], &outputs[i]
		if err := both[i].Start(); err != nil {
			s.t.Fatal(err)
		}
	}
	for i := range both {
		if err := both[i].Wait(); err != nil {
			s.t.Fatalf("%v\n%s", err, &outputs[i])
		}
	}
	found := regexp.MustCompile(`(?m)^exhaust_[A-Za-z0-9_-]{43}$`).FindAllString(tokens[0].String()+tokens[1].String(), -1)
	if len(found) != 1 {
		s.t.Fatalf("not exactly one token in\n%s%s", &tokens[0], &tokens[1])
	}
	s.token = found[0]
	printed := outputs[0].String() + outputs[1].String()
	if strings.Contains(printed, s.token) {
		s.t.Errorf("the token is in the log")
	}
	for _, made := range []string{
		`msg="made the container" of=EXHAUST_TELEMETRY_STORE`,
		`msg="made the namespace" namespace=exhaust retention=72h0m0s`,
	} {
		if strings.Count(printed, made) != 1 {
			s.t.Errorf("%s: not exactly once in\n%s", made, printed)
		}
	}
}

// refused runs a command within a service's container that must fail and say so.
func (s *stack) refused(service string, args []string, sentence string) {
	s.t.Helper()
	output, err := s.command(s.t.Context(), s.project.Services[service], args).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(output), sentence) {
		s.t.Errorf("%s %q: %v\n%swant exit code 1 and %q", service, args, err, output, sentence)
	}
}

// refusedWithoutToken sees that whoever reaches the API needs a token.
func (s *stack) refusedWithoutToken(conversation, channel string) {
	s.t.Helper()
	token := s.token
	defer func() { s.token = token }()
	s.token = ""
	s.refused("api", []string{"starter", "submit", "--conversation=" + conversation, "--channel=" + channel}, "error: credentials are missing: ")
	s.token = token
	made := s.run("setup", "starter", "token", "create", "--name=reader", "--channel=0", "--dataset=uci-response-exhaust")
	s.token = regexp.MustCompile(`exhaust_\S{43}`).FindString(made)
	output, err := s.command(s.t.Context(), s.project.Services["api"], []string{"starter", "submit", "--conversation=" + conversation, "--channel=" + channel}).CombinedOutput()
	if exit, isExit := errors.AsType[*exec.ExitError](err); !isExit || exit.ExitCode() != 5 || !strings.Contains(string(output), "no channel available with the given X-Channel-ID") {
		s.t.Errorf("with the token of another channel: %v\n%s", err, output)
	}
}

// loseTelemetry sees that an API is alive, but not healthy, while something that it needs is away.
func (s *stack) loseTelemetry() {
	s.t.Helper()
	if err := s.azurite.Stop(); err != nil {
		s.t.Fatal(err)
	}
	s.refused("api", []string{"starter", "health"},
		"error: down: telemetry store; up: temporal, database, UCI database, FusionAuth database, reports store")
	s.run("api", "starter", "health", "--ready") // the API itself reads no telemetry
	s.run("api", "starter", "health", "--alive")
}

// setUpAgain sees that a further run finds everything made.
func (s *stack) setUpAgain() {
	s.t.Helper()
	printed := s.run("setup", s.project.Services["setup"].Command...)
	if strings.Contains(printed, "made the") || strings.Contains(printed, "exhaust_") || !strings.Contains(printed, "the API and the worker can start") {
		s.t.Errorf("a further run of setup printed\n%s", printed)
	}
}

// setUpWithoutTemporal sees that setup gives up, and says on what, when its time is over.
func (s *stack) setUpWithoutTemporal() {
	s.t.Helper()
	setup := s.project.Services["setup"]
	address := s.temporal
	defer func() { s.temporal = address }()
	s.temporal = nobody
	s.refused("setup", append(slices.Clone(setup.Command), "--wait=3s"), "error: Temporal namespace exhaust: ")
}

// awaitHealth runs the health check as an engine does, but more often, for as long as one would.
func (s *stack) awaitHealth(service types.ServiceConfig) {
	s.t.Helper()
	check := service.HealthCheck
	allowed := time.Duration(*check.StartPeriod) + time.Duration(*check.Retries)*time.Duration(*check.Interval)
	for deadline := time.Now().Add(allowed); ; {
		output, err := s.check(service)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is not healthy after %s: %v\n%s", service.Name, allowed, err, output)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// check runs a service's health check once.
func (s *stack) check(service types.ServiceConfig) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), time.Duration(*service.HealthCheck.Timeout))
	defer cancel()
	output, err := s.command(ctx, service, service.HealthCheck.Test[1:]).CombinedOutput()
	return string(output), err
}

// run runs a command to its end within a service's container, and gives what it printed.
func (s *stack) run(service string, args ...string) string {
	s.t.Helper()
	output, err := s.command(s.t.Context(), s.project.Services[service], args).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %q: %v\n%s", service, args, err, output)
	}
	return string(output)
}

// command is a process that stands for one in a service's container.
func (s *stack) command(ctx context.Context, service types.ServiceConfig, args []string) *exec.Cmd {
	s.t.Helper()
	rewrite := s.rewriter()
	args = slices.Clone(args)
	for i := range args {
		args[i] = rewrite.Replace(args[i])
	}
	if service.Build == nil {
		return s.foreign(ctx, service.Name, args)
	}
	env := s.image.env()
	maps.Copy(env, environment(service))
	for name, value := range env {
		env[name] = rewrite.Replace(value)
	}
	if s.token != "" && !slices.Equal(args, service.Command) {
		env["EXHAUST_TOKEN"] = s.token // as an operator puts it into .env for his commands
	}
	env["PATH"] = s.bin
	env["TMPDIR"] = "/nowhere" // the image has no such folder
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, args[0]), args[1:]...)
	cmd.Env = environ(env)
	cmd.Dir = s.dataDir
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
	}
	return cmd
}

// foreign is a program of another image, from this machine.
func (s *stack) foreign(ctx context.Context, service string, args []string) *exec.Cmd {
	s.t.Helper()
	program := args[0]
	switch program {
	case "pg_isready":
		if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_isready"); len(found) > 0 {
			program = found[len(found)-1]
		}
	case "temporal":
		var err error
		if program, err = devstack.Tool(ctx, "temporal", nil); err != nil {
			s.t.Fatal(err)
		}
	case "node":
	default:
		s.t.Fatalf("the health check of %s runs %s, which is not known here", service, program)
	}
	cmd := exec.CommandContext(ctx, program, args[1:]...)
	cmd.Env = append(os.Environ(), "PGPORT="+strconv.Itoa(s.postgres.Port))
	return cmd
}

// nobody listens there.
const nobody = "127.0.0.1:1"

// rewriter turns what holds within the stack's network into what holds on this machine.
func (s *stack) rewriter() *strings.Replacer {
	azurite, temporal := nobody, cmp.Or(s.temporal, nobody)
	if s.azurite != nil {
		azurite = fmt.Sprintf("127.0.0.1:%d", s.azurite.Port)
	}
	return strings.NewReplacer(
		"@postgres:5432/", fmt.Sprintf("@127.0.0.1:%d/", s.postgres.Port),
		"temporal:7233", temporal,
		"azurite:10000", azurite,
		"127.0.0.1:10000", azurite,
		":8080", fmt.Sprintf(":%d", s.apiPort),
		"file:///data", "file://"+s.dataDir,
		"/data", s.dataDir,
	)
}

// stopServices stops our services as an engine does, and sees that they end in time and in order.
func (s *stack) stopServices() {
	s.t.Helper()
	for _, name := range []string{"api", "worker"} {
		cmd, grace := s.running[name], time.Duration(*s.project.Services[name].StopGracePeriod)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			s.t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				s.t.Errorf("%s: %v", name, err)
			}
		case <-time.After(grace):
			s.t.Errorf("%s still runs %s after SIGTERM", name, grace)
		}
	}
	s.refused("api", []string{"starter", "health", "--alive"}, "error: the API does not answer at EXHAUST_ADDR: ")
}

// messages are the Message IDs of all rows that an exhaust over all telemetry has, found by reading
// Azurite and PostgreSQL the simple way. All answers of a second share theirs.
func (s *stack) messages(conversation, channel string) []string {
	s.t.Helper()
	known := s.devices()
	found := map[identity]bool{}
	var ids []string
	for event := range s.events() {
		inConversation := slices.ContainsFunc(event.Context.CData, func(c correlation) bool {
			return c.Type == "Conversation" && c.ID == conversation
		})
		if event.EID != "ASSESS" || event.Context.Channel != channel || !inConversation || !known[strings.ToLower(event.Context.DID)] {
			continue
		}
		if id := event.identity(s.t); !found[id] {
			found[id] = true
			ids = append(ids, event.MID)
		}
	}
	slices.Sort(ids)
	return ids
}

type correlation struct{ ID, Type string }

type event struct {
	EID     string
	MID     string
	ETS     float64 // exact, as sample data has whole milliseconds only
	EData   json.RawMessage
	Context struct {
		Channel string
		DID     string
		CData   []correlation
	}
}

// identity is what two deliveries of one event share.
type identity struct {
	mid, did string
	ets      float64
	edata    string
}

func (e event) identity(t *testing.T) identity {
	t.Helper()
	var edata any
	decoder := json.NewDecoder(bytes.NewReader(e.EData))
	decoder.UseNumber()
	if err := decoder.Decode(&edata); err != nil {
		t.Fatal(err)
	}
	canonical, err := json.Marshal(edata)
	if err != nil {
		t.Fatal(err)
	}
	return identity{e.MID, strings.ToLower(e.Context.DID), e.ETS, string(canonical)}
}

func (s *stack) events() func(yield func(event) bool) {
	s.t.Helper()
	client, err := s.azurite.Client()
	if err != nil {
		s.t.Fatal(err)
	}
	return func(yield func(event) bool) {
		for pager := client.NewListBlobsFlatPager("telemetry", nil); pager.More(); {
			page, err := pager.NextPage(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			for _, item := range page.Segment.BlobItems {
				answer, err := client.DownloadStream(s.t.Context(), "telemetry", *item.Name, nil)
				if err != nil {
					s.t.Fatal(err)
				}
				plain, err := gzip.NewReader(answer.Body)
				if err != nil {
					s.t.Fatal(err)
				}
				for decoder := json.NewDecoder(plain); ; {
					var e event
					if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						s.t.Fatal(err)
					}
					if !yield(e) {
						return
					}
				}
			}
		}
	}
}

func (s *stack) devices() map[string]bool {
	s.t.Helper()
	db, err := sql.Open("postgres", s.postgres.URL("exhaust"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(s.t.Context(), "SELECT id FROM users")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	known := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			s.t.Fatal(err)
		}
		known[id] = true
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return known
}

// sampleDays are the first and the last day that `starter gen` says it made.
func sampleDays(t *testing.T, printed string) (first, last string) {
	t.Helper()
	found := regexp.MustCompile(`from (\d{4}-\d\d-\d\d) to (\d{4}-\d\d-\d\d)`).FindStringSubmatch(printed)
	if found == nil {
		t.Fatalf("starter gen printed no days:\n%s", printed)
	}
	return found[1], found[2]
}
