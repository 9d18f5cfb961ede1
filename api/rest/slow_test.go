package rest_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"data-exhaust/api/rest"
	"data-exhaust/exhaust"
	"data-exhaust/internal/heaptest"
)

// keepLarge puts n exhausts into job_request whose datasetConfigs have a mebibyte each, as releases took them that did not
// bound it.
func (a *api) keepLarge(n int) {
	a.t.Helper()
	config := json.RawMessage(`{"conversationId":"` + conversation + `","theirs":"` + strings.Repeat("&", 1<<20) + `"}`)
	for i := range n {
		a.keep("A", func(j *exhaust.Job) {
			j.ID, j.Config = fmt.Sprintf("%032X", i), config
			j.Status, j.Report, j.Receipt, j.DownloadURLs, j.ReceiptURL = exhaust.Failed, "", "", nil, ""
		})
	}
}

func TestAListOfLargeDatasetConfigsTakesTheMemoryOfAPage(t *testing.T) {
	const jobs, most = 40, 72 << 20
	a := newAPI(t)
	a.keepLarge(jobs)
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // garbage is not what is measured
	for _, list := range []struct{ method, path, body string }{
		{"GET", "/dataset/v1/request/list/tag?limit=1000", ""},
		{"POST", "/dataset/v1/request/search", `{"request":{"limit":1000}}`},
		{"POST", "/dataset/v1/request/replay", `{"request":{"limit":1000,"dryRun":true}}`},
	} {
		request, err := http.NewRequestWithContext(t.Context(), list.method, a.url+list.path, strings.NewReader(list.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Channel-ID", channel)
		stop := heaptest.Watch()
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || bytes < jobs<<20 {
			t.Errorf("%s answered %d bytes, %v", list.path, bytes, err)
		}
		if _, got := stop(); got > most {
			t.Errorf("%s took %d MiB, want at most %d", list.path, got>>20, most>>20)
		}
	}
}

// serve serves the handler as the service does, and gives what a client has received when it begins to read only once that is
// let.
func (a *api) serve(edit func(*http.Server)) (addr string) {
	a.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	server := rest.NewHTTPServer(a.handler, a.logger)
	edit(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	a.t.Cleanup(func() {
		if err := server.Close(); err != nil {
			a.t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			a.t.Error(err)
		}
	})
	return listener.Addr().String()
}

// ask sends a request and reads nothing of its answer.
func (a *api) ask(addr, path string) net.Conn {
	a.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = conn.Close() }) // it may be closed
	// A small window: little of the answer fits on the way.
	if err := conn.(*net.TCPConn).SetReadBuffer(256 << 10); err != nil {
		a.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: exhaust.example\r\nX-Channel-ID: %s\r\n\r\n", path, channel); err != nil {
		a.t.Fatal(err)
	}
	return conn
}

// receive reads the answer that ask has left.
func receive(conn net.Conn) (status int, bytes int64, err error) {
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, 0, err
	}
	defer response.Body.Close()
	bytes, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, bytes, err
}

func TestOnlyDownloadsMayBeReadForHours(t *testing.T) {
	a := newAPI(t)
	a.keepLarge(40)
	if got := rest.NewHTTPServer(a.handler, a.logger).WriteTimeout; got < time.Minute || got > 5*time.Minute {
		t.Errorf("an answer may be read for %s", got)
	}
	addr := a.serve(func(server *http.Server) { server.WriteTimeout = 300 * time.Millisecond })
	list, file := a.ask(addr, "/dataset/v1/request/list/tag"), a.ask(addr, "/files/reports/large")
	// The server gives the list up while its client reads nothing.
	a.awaitLog(`"path":"/dataset/v1/request/list/tag"`)
	if status, bytes, err := receive(list); err == nil {
		t.Errorf("a client that read nothing in time got %d and the whole list of %d bytes", status, bytes)
	}
	if status, bytes, err := receive(file); status != 200 || bytes != largeFile || err != nil {
		t.Errorf("of a download the same client got %d, %d bytes, %v", status, bytes, err)
	}
}

func TestAListThatCannotBeReadToItsEndBreaksOff(t *testing.T) {
	a := newAPI(t)
	a.keepLarge(40)
	addr := a.serve(func(*http.Server) {})
	list := a.ask(addr, "/dataset/v1/request/list/tag")
	// Its beginning is here, and not much more of it fits on the way: then the table goes.
	if _, err := list.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.db.Exec(t.Context(), "DROP TABLE job_request"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(list)
	if err == nil && strings.HasSuffix(string(rest), "0\r\n\r\n") {
		t.Errorf("the client got %d bytes that look whole", len(rest))
	}
	a.awaitLog("an answer breaks off")
}
