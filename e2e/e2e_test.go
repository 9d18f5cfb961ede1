// Package e2e tests Data Exhaust as its users meet it: over HTTP, with the api and the worker as
// processes of their own, on the embedded parts and on those of production. What it expects comes from
// the contract, worked out by hand; none of it is the program's own output.
package e2e

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"data-exhaust/internal/e2etest"
)

func TestMain(m *testing.M) { os.Exit(e2etest.Main(m)) }

const (
	channel  = e2etest.Channel
	response = e2etest.ResponseExhaust
	private  = e2etest.PrivateExhaust
	// secret is the base64 of the key with which testdata's usernames were encrypted.
	secret = "ZTJlIGtleSAxNiBieXRlcw=="
)

var stacks = map[string]func(testing.TB) *e2etest.Stack{
	"embedded": e2etest.Shared(func(t testing.TB) *e2etest.Stack {
		s := e2etest.StartEmbedded(t)
		fill(t, s.Registry)
		return s
	}),
	"production": e2etest.Shared(func(t testing.TB) *e2etest.Stack {
		s := e2etest.StartProduction(t, e2etest.TemporalServer(t))
		fill(t, s.Registry)
		fill(t, s.OlderRegistry)
		return s
	}),
}

// onEveryStack runs a test on each stack, side by side with other tests.
func onEveryStack(t *testing.T, test func(t *testing.T, s *e2etest.Stack)) {
	t.Parallel()
	for name, stack := range stacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, stack(t))
		})
	}
}

type deployment struct{ *e2etest.Deployment }

// prepare plans a deployment with the usual settings and those given. Nothing runs yet.
func prepare(s *e2etest.Stack, settings ...string) deployment {
	return deployment{e2etest.NewDeployment(s, append([]string{"UCI_ENCRYPTION_SECRET=" + secret}, settings...)...)}
}

// deploy starts an api and a worker.
func deploy(t *testing.T, s *e2etest.Stack, settings ...string) deployment {
	t.Helper()
	d := prepare(s, settings...)
	d.StartAPI(t)
	d.StartWorker(t)
	return d
}

// addBot adds a conversation with a name, in the usual channel, and gives its id.
func (d deployment) addBot(t *testing.T, name string) string {
	t.Helper()
	id := uuid.NewString()
	d.Registry.AddConversation(t, id, name, channel, "", "")
	return id
}

// orderOf is an order under a tag of its own.
func orderOf(dataset, conversation, start, end string) e2etest.Order {
	return e2etest.Order{Dataset: dataset, Tag: uuid.NewString(), By: "tester", Channel: channel, Conversation: conversation, Start: start, End: end}
}

// submitAndWatch submits an order and watches its exhaust.
func (d deployment) submitAndWatch(t *testing.T, o e2etest.Order) *e2etest.Watch {
	t.Helper()
	return d.Watch(o, d.Submit(t, o).RequestID)
}

// until reads until holds returns true; an exhaust that ends before fails the test.
func until(t *testing.T, w *e2etest.Watch, within time.Duration, what string, holds func(e2etest.Job) bool) {
	t.Helper()
	e2etest.Eventually(t, within, what, func() bool {
		j := w.Read(t)
		isReached := holds(j)
		if j.IsEnded() && !isReached {
			t.Fatalf("the exhaust ended before %s: %+v", what, j)
		}
		return isReached
	})
}

// requestID is contract section 1's, made without the product's code.
func requestID(o e2etest.Order, submitted int64) string {
	day := time.UnixMilli(submitted).In(e2etest.India).Format(time.DateOnly)
	joined := strings.Join([]string{o.Tag, o.Dataset, o.By, o.Channel, day, "csv", o.Config()}, "|")
	return strings.ToUpper(fmt.Sprintf("%x", md5.Sum([]byte(joined))))
}

// produce submits, waits for the end, which has to be SUCCESS, and gives the file.
func (d deployment) produce(t *testing.T, o e2etest.Order) (e2etest.Job, []byte) {
	t.Helper()
	j := d.submitAndWatch(t, o).End(t, time.Minute)
	return j, d.download(t, o, j)
}

// download gives the file of an exhaust that succeeded, and checks that this, its receipt and its summary are the only things left of
// it, under the names that contract section 6 gives them.
func (d deployment) download(t *testing.T, o e2etest.Order, j e2etest.Job) []byte {
	t.Helper()
	if j.Status != "SUCCESS" || j.StatusMessage != "" {
		t.Fatalf("the exhaust is %s: %s", j.Status, j.StatusMessage)
	}
	if len(j.DownloadURLs) != 1 {
		t.Fatalf("%d download URLs instead of one", len(j.DownloadURLs))
	}
	e2etest.Eventually(t, 20*time.Second, "nothing is left staged", func() bool {
		return !slices.ContainsFunc(d.Reports.Names(t), func(name string) bool { return strings.HasPrefix(name, "staging/"+j.RequestID) })
	})
	names := slices.DeleteFunc(d.Reports.Names(t), func(name string) bool { return !strings.Contains(name, j.RequestID) })
	want := o.ReportName(j.RequestID, j.Completed())
	if !slices.Equal(names, []string{want, want + ".receipt.json", want + ".summary.json"}) {
		t.Errorf("the reports store holds %q of the exhaust, want %q, its receipt and its summary", names, want)
	}
	signed, err := url.Parse(j.DownloadURLs[0])
	e2etest.Must(t, err)
	if !strings.HasSuffix(signed.Path, "/"+want) {
		t.Errorf("the URL's path is %s, want one that ends in %s", signed.Path, want)
	}
	file := e2etest.Call(t, http.MethodGet, j.DownloadURLs[0], "", "")
	if file.Status != http.StatusOK {
		t.Fatalf("the download answered %d: %.500s", file.Status, file.Body)
	}
	return file.Body
}
