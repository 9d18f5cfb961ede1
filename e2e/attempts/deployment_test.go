package attempts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/google/uuid"

	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
)

var production = e2etest.Shared(func(t testing.TB) *e2etest.Stack {
	e2etest.Build(t, "data-exhaust/e2e/attempts/haltingworker")
	// The server gives tasks to a worker that has asked for some, however long it has been frozen since. Each that it gives
	// to a frozen one is given to another after ten seconds at the earliest: so it takes no question for older than this.
	server, err := devstack.StartTemporalServer(context.Background(), devstack.TemporalServerOptions{
		Postgres: e2etest.Postgres(t), Log: os.Stderr,
		DynamicConfig: map[string]string{"matching.longPollExpirationInterval": "5s"},
	})
	e2etest.Must(t, err)
	e2etest.StopAtEnd(server.Stop)
	return e2etest.StartProduction(t, server)
})

// deployment has a conversation of its own, with the answer of one device.
type deployment struct {
	*e2etest.Deployment
	conversation, device string
}

const (
	day         = "2022-05-01"
	nextDay     = "2022-05-02"
	telemetry   = day + "-0.jsonl"
	corrupted   = day + "-1.json.gz"
	description = "Disturbed"
)

// deploy starts an api, and no worker.
func deploy(t *testing.T, store string) deployment {
	t.Helper()
	s := *production(t)
	if store == "folder" {
		s.Blobs = nil
	}
	// The night comes when a test starts it. What is corrupt is as young as the test, and not waited for.
	return deployOn(t, &s)
}

// deployOn is deploy on a stack of one's own.
func deployOn(t *testing.T, s *e2etest.Stack) deployment {
	t.Helper()
	d := deployment{
		e2etest.NewDeployment(s, "EXHAUST_NIGHTLY_CRON=0 0 29 2 *", "EXHAUST_SETTLE_TIME=0s"),
		uuid.NewString(), uuid.NewString(),
	}
	d.Registry.AddConversation(t, d.conversation, description, e2etest.Channel, "", "")
	d.Registry.Exec(t, `INSERT INTO users (id, data) VALUES ($1, '{"device":{"consent":true}}')`, d.device)
	d.putAnswer(t)
	d.StartAPI(t)
	return d
}

// putAnswer puts the answer of the device.
func (d deployment) putAnswer(t *testing.T) {
	t.Helper()
	d.Telemetry.Put(t, telemetry, fmt.Appendf(nil, `{"eid":"ASSESS","mid":"m1","@timestamp":"2022-05-01T10:00:00.000Z",`+
		`"context":{"channel":%q,"did":%q,"cdata":[{"type":"Conversation","id":%q}]},`+
		`"edata":{"item":{"id":"q1"},"resvalues":[{"1":"yes"}]}}`+"\n", e2etest.Channel, d.device, d.conversation))
}

func (d deployment) order() e2etest.Order {
	return e2etest.Order{
		Dataset: e2etest.ResponseExhaust, Tag: uuid.NewString(), By: "tester", Channel: e2etest.Channel,
		Conversation: d.conversation, Start: day, End: day,
	}
}

// report is the file of an order by the contract's section 4, before the device withdraws its consent or after.
func (d deployment) report(isWithdrawn bool) string {
	answer := `"[{""1"":""yes""}]"`
	if isWithdrawn {
		answer = ""
	}
	return "Message ID,Conversation ID,Conversation Name,Device ID,Session ID,Question Id,Question Type,Question Title," +
		"Question Description,Question Duration,Question Score,Question Max Score,Question Options,Question Response,X Path,Eof,Timestamp\n" +
		"m1," + d.conversation + "," + description + "," + d.device + ",,q1,,,,,,,," + answer + ",,,2022-05-01T10:00:00.000Z\n"
}

func (d deployment) withdrawConsent(t *testing.T) {
	t.Helper()
	d.Registry.Exec(t, `UPDATE users SET data = '{"device":{"consent":false}}' WHERE id = $1`, d.device)
}

// corrupt makes every exhaust fail until heal.
func (d deployment) corrupt(t *testing.T) {
	t.Helper()
	d.Telemetry.Put(t, corrupted, []byte("\x1f\x8b\x08\x00this is no gzip"))
}

func (d deployment) heal(t *testing.T) {
	t.Helper()
	names := d.Telemetry.Names(t)
	if slices.Contains(names, corrupted) {
		d.Telemetry.Remove(t, corrupted)
	}
	if !slices.Contains(names, telemetry) {
		d.putAnswer(t)
	}
}

// clearStaging removes what an exhaust has staged.
func (d deployment) clearStaging(t *testing.T, id string) {
	t.Helper()
	for _, name := range d.Reports.Names(t) {
		if strings.HasPrefix(name, "staging/"+id+"/") {
			d.Reports.Remove(t, name)
		}
	}
}

// lease puts an object that nobody can delete until release is called.
func (d deployment) lease(t *testing.T, name string) (release func()) {
	t.Helper()
	d.Reports.Put(t, name, []byte("left behind"))
	client, err := lease.NewBlobClient(d.Blobs.ServiceClient().NewContainerClient(d.Reports.Container).NewBlobClient(d.Reports.Prefix+"/"+name), nil)
	e2etest.Must(t, err)
	const forever = -1
	_, err = client.AcquireLease(t.Context(), forever, nil)
	e2etest.Must(t, err)
	return func() {
		t.Helper()
		_, err := client.ReleaseLease(t.Context(), nil)
		e2etest.Must(t, err)
	}
}

// fault is what happens to a worker that is held up.
type fault string

const (
	// stopped is a process that gets no time until it goes on.
	stopped fault = "stopped"
	// suspended is stopped, of an attempt that does not notice: the clock of a machine that is suspended stands still, so no
	// deadline is over when it goes on, and all may be done before the next heartbeat is answered.
	suspended fault = "suspended"
	killed    fault = "killed"
	// cutOff is a process that does its work while not a byte comes from Temporal, or goes there, until it goes on.
	cutOff fault = "cut off"
)

// oldWorker is a worker that is held up.
type oldWorker struct {
	process *e2etest.Process
	fault   fault
	line    *line
	marker  string
}

// halt starts a worker, and waits until it is held up at a point of an activity.
func (d deployment) halt(t *testing.T, activity, point string, f fault) *oldWorker {
	t.Helper()
	w := &oldWorker{fault: f, marker: filepath.Join(t.TempDir(), "halt")}
	settings := []string{"HALT_ACTIVITY=" + activity, "HALT_POINT=" + point, "HALT_MARKER=" + w.marker}
	if f == suspended {
		settings = append(settings, "HALT_UNAWARE=1")
	}
	if f == cutOff {
		w.line = newLine(t, d.Temporal.Address)
		settings = append(settings, "TEMPORAL_ADDRESS="+w.line.address())
	}
	w.process = d.Launch(t, "haltingworker", settings...)
	t.Cleanup(func() { _ = os.Remove(w.marker) }) // so that it stops, where the test has failed
	e2etest.Eventually(t, time.Minute, fmt.Sprintf("%s is held up at the point %q", activity, point), func() bool {
		if w.process.IsEnded() {
			t.Fatalf("the worker ended:\n%s", w.process.Log(t))
		}
		return exists(w.marker)
	})
	// A worker takes tasks before it has brought the night's schedule up to date. Without Temporal it cannot, and ends.
	w.process.WaitForLog(t, "worker is running")
	return w
}

// strike does to the worker what is to happen to it. One that is cut off goes on with its attempt, which is held up no longer;
// that of a frozen one stays where it is until goOn.
func (w *oldWorker) strike(t *testing.T) {
	t.Helper()
	switch w.fault {
	case stopped, suspended:
		w.process.Freeze(t)
	case killed:
		w.process.Kill(t)
	case cutOff:
		w.line.cut()
		e2etest.Must(t, os.Remove(w.marker))
	}
}

// goOn lets the worker go on, waits until its attempt is over, and has it stop, which it does when all is done that it had
// begun.
func (w *oldWorker) goOn(t *testing.T) {
	t.Helper()
	switch w.fault {
	case stopped, suspended:
		e2etest.Must(t, os.Remove(w.marker))
		w.process.Wake(t)
	case killed:
		return
	case cutOff:
		w.line.mend()
	}
	e2etest.Eventually(t, time.Minute, "the old attempt is over", func() bool { return exists(w.marker + ".over") })
	w.process.Terminate(t)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
