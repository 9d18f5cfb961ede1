// Package clients tests Data Exhaust as programs of others call it: the ones of docs/clients.md, the Postman collection, and
// a client that is generated from the service's own description.
package clients

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
)

func TestMain(m *testing.M) { os.Exit(e2etest.Main(m)) }

var embedded = e2etest.Shared(func(t testing.TB) *e2etest.Stack { return e2etest.StartEmbedded(t) })

// service is a running one that asks for tokens and has the sample data of the last 65 days.
type service struct {
	*e2etest.Deployment
	token, channel, conversation string
}

var firstConversation = regexp.MustCompile(`(?m)^conversation (\S+) of channel (\S+): Vaccination Helpdesk \(sample\)$`)

func startService(t *testing.T, settings ...string) service {
	t.Helper()
	d := e2etest.NewDeployment(embedded(t), append([]string{"EXHAUST_AUTH=tokens", "EXHAUST_AUDIT_LOG=" + filepath.Join(t.TempDir(), "audit.log")}, settings...)...)
	// Whatever midnight passes meanwhile in India, yesterday and last month have telemetry.
	today := time.Now().In(e2etest.India).Format(time.DateOnly)
	gen := e2etest.ExecStarter(t, d.Env, "gen", "--days", "65", "--events", "200", "--until", today)
	found := firstConversation.FindStringSubmatch(gen.Stdout)
	if gen.Code != 0 || found == nil {
		t.Fatalf("gen: %+v", gen)
	}
	channel := found[2]
	created := e2etest.ExecStarter(t, d.Env, "token", "create", "--name", e2etest.Serial("client-"), "--channel", channel,
		"--dataset", e2etest.ResponseExhaust, "--dataset", e2etest.PrivateExhaust)
	if created.Code != 0 {
		t.Fatalf("token create: %+v", created)
	}
	d.StartAPI(t)
	d.StartWorker(t)
	return service{d, strings.TrimSpace(created.Stdout), channel, found[1]}
}

// get calls the service with the token.
func (s service) get(t *testing.T, path string) e2etest.Answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.RequestURL(path), nil)
	e2etest.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("X-Channel-ID", s.channel)
	response, err := http.DefaultClient.Do(request)
	e2etest.Must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	e2etest.Must(t, err)
	return e2etest.Answer{Status: response.StatusCode, Header: response.Header, Body: body}
}

// newest is the exhaust of a tag that was submitted last, and its file by its first download URL.
func (s service) newest(t *testing.T, tag string) (e2etest.Job, []byte) {
	t.Helper()
	jobs := s.get(t, "list/"+tag+"?limit=5").Page(t).Jobs
	if len(jobs) == 0 || len(jobs[0].DownloadURLs) != 1 {
		t.Fatalf("the exhausts of %s: %+v", tag, jobs)
	}
	file := e2etest.Call(t, http.MethodGet, jobs[0].DownloadURLs[0], "", "")
	if file.Status != http.StatusOK || bytes.Count(file.Body, []byte("\n")) < 2 {
		t.Fatalf("the download answered %d: %s", file.Status, file.Body)
	}
	return jobs[0], file.Body
}

// tool is the path of a program that devstack provides.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := devstack.Tool(t.Context(), name, os.Stderr)
	e2etest.Must(t, err)
	return path
}

// run runs a command to its end, for two minutes at most, in a folder, with these variables and nothing else of the
// environment that matters to it.
func run(t *testing.T, folder string, env []string, name string, args ...string) e2etest.Output {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second // what it has started may hold its output open
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s: %v, %v\n%s%s", name, err, ctx.Err(), &stdout, &stderr)
	}
	return e2etest.Output{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}
