package e2etest

import (
	"cmp"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"data-exhaust/internal/devstack"
)

// Deployment is Data Exhaust on a stack, with a task queue and stores of its own, so that tests do not
// see each other.
type Deployment struct {
	*Stack
	// Env are the settings of all its processes.
	Env                []string
	Queue              string
	Telemetry, Reports Store
	// URL is the first api's, from which files are downloaded; "" before there is one.
	URL string
	// Processes are the apis and workers that it has had.
	Processes []*Process
}

// NewDeployment plans a deployment with these settings beside the stack's. It starts nothing.
func NewDeployment(s *Stack, settings ...string) *Deployment {
	name := Serial("deployment-")
	d := &Deployment{Stack: s, Queue: name, Telemetry: newStore(s, "telemetry", name), Reports: newStore(s, "reports", name)}
	d.Env = append(slices.Clone(s.Env),
		"EXHAUST_DATA_DIR="+filepath.Join(Scratch, name),
		"EXHAUST_TASK_QUEUE="+d.Queue,
		"EXHAUST_TELEMETRY_STORE="+d.Telemetry.url(),
		"EXHAUST_REPORTS_STORE="+d.Reports.url(),
	)
	if HasRaceDetector {
		// Temporal's SDK takes a workflow for stuck that computes for a second, which the race detector
		// makes of a tenth of it.
		d.Env = append(d.Env, "TEMPORAL_DEBUG=true")
	}
	d.Env = append(d.Env, settings...)
	return d
}

// StartAPI starts an api, waits until it is healthy, and returns its URL.
func (d *Deployment) StartAPI(t testing.TB) string {
	t.Helper()
	port, err := devstack.FreePort()
	Must(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	url := "http://" + address
	settings := []string{"EXHAUST_ADDR=" + address, "EXHAUST_PUBLIC_URL=" + cmp.Or(d.URL, url)}
	p := d.Launch(t, "api", settings...)
	Eventually(t, time.Minute, "the api is healthy", func() bool {
		if p.IsEnded() {
			t.Fatalf("the api ended:\n%s", p.Log(t))
		}
		health, err := TryCall(t.Context(), http.MethodGet, url+"/health", "", "")
		return err == nil && health.Status == http.StatusOK
	})
	if d.URL == "" {
		// Workers sign its URLs, the starter calls it.
		d.URL, d.Env = url, append(d.Env, settings...)
	}
	return url
}

// StartWorker starts a worker and waits until it asks for work.
func (d *Deployment) StartWorker(t testing.TB) *Process {
	t.Helper()
	p := d.Launch(t, "worker")
	p.WaitForLog(t, "worker is running")
	return p
}

// Launch starts an api or a worker, with these settings beside the deployment's, and does not wait.
func (d *Deployment) Launch(t testing.TB, binary string, settings ...string) *Process {
	t.Helper()
	p := launch(t, binary, append(slices.Clone(d.Env), settings...))
	d.Processes = append(d.Processes, p)
	return p
}

// RequestURL is the URL of a call of the api; path comes behind /dataset/v1/request/.
func (d *Deployment) RequestURL(path string) string { return d.URL + "/dataset/v1/request/" + path }

// Get calls the api with GET; path is that of [Deployment.RequestURL].
func (d *Deployment) Get(t testing.TB, path, channel string) Answer {
	t.Helper()
	return Call(t, http.MethodGet, d.RequestURL(path), channel, "")
}

// Post calls the api with POST; path is that of [Deployment.RequestURL].
func (d *Deployment) Post(t testing.TB, path, channel, body string) Answer {
	t.Helper()
	return Call(t, http.MethodPost, d.RequestURL(path), channel, body)
}

// OnceAvailable calls the api until it does not say that something is not available: on a machine that many tests share a
// server may be too busy to answer in time, and a client is told to try again.
func OnceAvailable(t testing.TB, call func() Answer) (a Answer) {
	t.Helper()
	defer func() {
		if a.Status == http.StatusServiceUnavailable {
			t.Logf("the last answer was %s", a.Body)
		}
	}()
	Eventually(t, time.Minute, "all is available", func() bool {
		a = call()
		return a.Status != http.StatusServiceUnavailable
	})
	return a
}

// Submit submits an order and returns its exhaust.
func (d *Deployment) Submit(t testing.TB, o Order) Job {
	t.Helper()
	return OnceAvailable(t, func() Answer { return d.Post(t, "submit", o.Channel, o.Body()) }).Job(t)
}

// Read reads the exhaust of an order.
func (d *Deployment) Read(t testing.TB, o Order, requestID string) Job {
	t.Helper()
	return OnceAvailable(t, func() Answer { return d.Get(t, o.Path("read", requestID), o.Channel) }).Job(t)
}

// Watch reads an exhaust again and again. It checks that progress never goes backwards in an attempt.
type Watch struct {
	Order Order
	ID    string
	// Last is the exhaust as it was read last.
	Last Job

	deployment *Deployment
}

// Watch watches an exhaust.
func (d *Deployment) Watch(o Order, requestID string) *Watch {
	return &Watch{Order: o, ID: requestID, deployment: d}
}

// Read reads the exhaust once.
func (w *Watch) Read(t testing.TB) Job {
	t.Helper()
	next := w.deployment.Read(t, w.Order, w.ID)
	if next.Attempts == w.Last.Attempts && next.Progress.isBehind(w.Last.Progress) {
		t.Errorf("progress went backwards:\nfrom %+v\nto   %+v", w.Last.Progress, next.Progress)
	}
	if !next.IsEnded() && next.Progress.Percent >= 100 {
		t.Errorf("percent is %d before the end", next.Progress.Percent)
	}
	w.Last = next
	return next
}

// End reads until the exhaust has ended.
func (w *Watch) End(t testing.TB, within time.Duration) Job {
	t.Helper()
	Eventually(t, within, "exhaust "+w.ID+" ends", func() bool { return w.Read(t).IsEnded() })
	return w.Last
}
