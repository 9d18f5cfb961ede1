package rest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"data-exhaust/api/health"
	"data-exhaust/api/rest"
	"data-exhaust/internal/apitest"
	"data-exhaust/internal/logtest"
)

const healthID = "ekstep.analytics.health"

// fakeDependency answers what a test says, when it says so, and counts how often it is asked.
type fakeDependency struct {
	mu    sync.Mutex
	err   error
	takes time.Duration
	// isDeaf says that the end of the context does not end the taking, as in a system call.
	isDeaf         bool
	calls, running int
}

func (d *fakeDependency) set(err error, takes time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.takes = err, takes
}

func (d *fakeDependency) ping(ctx context.Context) error {
	d.mu.Lock()
	d.calls++
	d.running++
	err, takes := d.err, d.takes
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.running--
	}()
	over := ctx.Done()
	if d.isDeaf {
		over = nil
	}
	select {
	case <-time.After(takes):
		return err
	case <-over:
		return ctx.Err()
	}
}

// counts are how often it was asked, and how many of these go on.
func (d *fakeDependency) counts() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("%d, %d under way", d.calls, d.running)
}

// probe asks an API of a temporal, a database and a reports store, which it requires, and a telemetry store, which it does not.
type probe struct {
	t                                      *testing.T
	temporal, database, reports, telemetry fakeDependency
	handler                                http.Handler
	log                                    logtest.Buffer
}

func newProbe(t *testing.T) *probe {
	p := &probe{t: t}
	log := slog.New(slog.NewTextHandler(&p.log, nil))
	p.handler = rest.NewHandler(rest.Options{
		Health: health.New([]health.Check{
			{Name: "temporal", IsRequired: true, Ping: p.temporal.ping},
			{Name: "database", IsRequired: true, Ping: p.database.ping},
			{Name: "telemetry store", Ping: p.telemetry.ping},
			{Name: "reports store", IsRequired: true, Ping: p.reports.ping},
		}, log),
		Log: log,
	})
	return p
}

func (p *probe) call(method, path string) answer {
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, httptest.NewRequestWithContext(p.t.Context(), method, path, nil))
	apitest.Check(p.t, apitest.Exchange{Method: method, Path: path, Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()})
	return answer{w.Code, w.Header(), blank(w.Body.String())}
}

// wants compares whole answers, of which "" is none.
func (p *probe) wants(path string, status int, body string) {
	p.t.Helper()
	got := p.call("GET", path)
	if got.status != status || got.body != body {
		p.t.Errorf("GET %s\ngot  %d %s\nwant %d %s", path, got.status, got.body, status, body)
	}
	if head := p.call("HEAD", path); head.status != status {
		p.t.Errorf("HEAD %s answered %d, want %d", path, head.status, status)
	}
}

// dependencyLog is what the log says of dependencies, without times.
func (p *probe) dependencyLog() string {
	var lines []string
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, `msg="dependency`) {
			_, line, _ = strings.Cut(strings.TrimSpace(line), " ")
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestHealthNamesWhatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		const (
			all    = `{"checks":[{"name":"temporal","healthy":true},{"name":"database","healthy":true},{"name":"telemetry store","healthy":true},{"name":"reports store","healthy":true}],"healthy":true}`
			ofThat = `{"checks":[{"name":"temporal","healthy":true},{"name":"database","healthy":true},{"name":"reports store","healthy":true}],"healthy":true}`
		)
		p.wants("/health", 200, success(healthID, all))
		p.wants("/health/ready", 200, success(healthID+".ready", ofThat))
		p.wants("/health/live", 200, success(healthID+".live", `{"checks":[],"healthy":true}`))

		p.telemetry.set(errors.New("signature wrong"), 0)
		time.Sleep(time.Second)
		p.wants("/health", 503, failure(healthID, "SERVICE_UNAVAILABLE", "down: telemetry store; up: temporal, database, reports store"))
		p.wants("/health/ready", 200, success(healthID+".ready", ofThat)) // the api itself reads none of it

		lack := &health.Lack{Sentence: "its tables are missing: `starter migrate` makes them", Err: errors.New("no such table")}
		p.temporal.set(errors.New("password wrong"), 0)
		p.database.set(fmt.Errorf("read job_request: %w", lack), 0)
		p.reports.set(errors.New("password wrong"), 0)
		time.Sleep(time.Second)
		const down = "down: temporal, database (its tables are missing: `starter migrate` makes them), "
		p.wants("/health", 503, failure(healthID, "SERVICE_UNAVAILABLE", down+"telemetry store, reports store"))
		p.wants("/health/ready", 503, failure(healthID+".ready", "SERVICE_UNAVAILABLE", down+"reports store"))
		p.wants("/health/live", 200, success(healthID+".live", `{"checks":[],"healthy":true}`))

		if log := p.dependencyLog(); !strings.Contains(log, `dependency=temporal error="password wrong"`) || !strings.Contains(log, "no such table") {
			t.Errorf("what is wrong belongs into the log: %s", log)
		}
	})
}

func TestAllWhoAskForHealthAtOnceShareOneCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		p.database.set(nil, 300*time.Millisecond)
		var all sync.WaitGroup
		for i := range 100 {
			path := []string{"/health", "/health/ready"}[i%2]
			all.Go(func() {
				if got := p.call("GET", path); got.status != 200 {
					t.Errorf("%s answered %d: %s", path, got.status, got.body)
				}
			})
		}
		all.Wait()
		for name, d := range map[string]*fakeDependency{"temporal": &p.temporal, "database": &p.database, "telemetry": &p.telemetry, "reports": &p.reports} {
			if got := d.counts(); got != "1, 0 under way" {
				t.Errorf("%s was asked %s", name, got)
			}
		}
	})
}

func TestHealthAskedAHundredTimesASecondAsksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		for range 1000 { // 10 s
			p.call("GET", "/health")
			time.Sleep(10 * time.Millisecond)
		}
		if got := p.temporal.counts(); got != "10, 0 under way" {
			t.Errorf("in ten seconds temporal was asked %s", got)
		}
	})
}

func TestHealthIsNoOlderThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		for i := range 20 {
			var err error
			if want := []int{200, 503}[i%2]; want == 503 {
				err = errors.New("away")
			}
			p.database.set(err, 0)
			time.Sleep(time.Second)
			if got := p.call("GET", "/health/ready"); (got.status == 200) != (err == nil) {
				t.Fatalf("a second after it was %v: %s", err, got.body)
			}
		}
	})
}

// TestADependencyThatHangsCostsOneCheck: its Ping does not even end with its context, as a file system that went away.
func TestADependencyThatHangsCostsOneCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		p.telemetry.isDeaf = true
		p.telemetry.set(nil, 10*time.Minute)
		const down = "down: telemetry store; up: temporal, database, reports store"
		begin := time.Now()
		for i := range 100 {
			call := time.Now()
			p.wants("/health", 503, failure(healthID, "SERVICE_UNAVAILABLE", down))
			if took := time.Since(call); i == 0 && took != 2*time.Second || i > 0 && took != 0 {
				t.Errorf("call %d took %s", i, took)
			}
			time.Sleep(3 * time.Second)
		}
		if got := p.telemetry.counts(); got != "1, 1 under way" {
			t.Errorf("the telemetry store was asked %s", got)
		}
		if took := time.Since(begin); took > 10*time.Minute {
			t.Fatalf("it has returned meanwhile: %s", took)
		}
		p.telemetry.set(nil, 0)
		time.Sleep(10 * time.Minute)
		if got := p.call("GET", "/health"); got.status != 200 {
			t.Errorf("when it answers again: %s", got.body)
		}
		const want = `level=WARN msg="dependency is down" dependency="telemetry store" error="no answer within 2s"` + "\n" +
			`level=INFO msg="dependency is back" dependency="telemetry store"`
		if got := p.dependencyLog(); got != want {
			t.Errorf("the log says\n%s\nwant\n%s", got, want)
		}
	})
}

func TestACheckIsToldAfterTwoSecondsToGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		p.database.set(nil, time.Hour)
		begin := time.Now()
		got := p.call("GET", "/health/ready")
		synctest.Wait()
		if took := time.Since(begin); got.status != 503 || took != 2*time.Second || p.database.counts() != "1, 0 under way" {
			t.Errorf("after %s: %s; it was asked %s", took, got.body, p.database.counts())
		}
	})
}

func TestWhoAskedFirstForHealthMayGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		p.database.set(nil, time.Second)
		gone, leave := context.WithCancel(t.Context())
		go p.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, "GET", "/health", nil))
		synctest.Wait()
		leave()
		if got := p.call("GET", "/health"); got.status != 200 {
			t.Errorf("who asked second got %s", got.body)
		}
		if got := p.dependencyLog(); got != "" {
			t.Errorf("the log says %s", got)
		}
	})
}

func TestTheLogSaysOnceThatADependencyIsDownAndOnceThatItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		ask := func() {
			for range 5 {
				p.call("GET", "/health")
				p.call("GET", "/health/ready")
				time.Sleep(time.Second)
			}
		}
		ask()
		p.database.set(errors.New("connection refused"), 0)
		ask()
		p.database.set(nil, 0)
		ask()
		const want = `level=WARN msg="dependency is down" dependency=database error="connection refused"` + "\n" +
			`level=INFO msg="dependency is back" dependency=database`
		if got := p.dependencyLog(); got != want {
			t.Errorf("the log says\n%s\nwant\n%s", got, want)
		}
	})
}

// TestProbesDoNotFloodTheLog: of what is asked many times a second, the log has changes alone.
func TestProbesDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t)
		for _, path := range []string{"/health", "/health/ready", "/health/live", "//health/", "/healthy"} {
			p.call("GET", path)
		}
		const want = `level=INFO msg=request method=GET path=/healthy status=404 ms=0` + "\n"
		if _, got, _ := strings.Cut(p.log.String(), " "); got != want {
			t.Errorf("the log says\n%s\nwant\n%s", got, want)
		}
	})
}
