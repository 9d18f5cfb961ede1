package clients

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/e2etest"
)

// proxyOf stands before a service, and has what it answered changed; nil leaves it as it is.
func proxyOf(t *testing.T, service string, change func(r *http.Response, body []byte) []byte) (address string) {
	t.Helper()
	target, err := url.Parse(service)
	e2etest.Must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if changed := change(r, body); changed != nil {
			body = changed
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// stranger compiles testdata's program with a client of the service's own document, and returns the folder of main.mjs.
func stranger(t *testing.T, service string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	description := e2etest.Call(t, http.MethodGet, service+"/openapi.json", "", "")
	if description.Status != http.StatusOK {
		t.Fatalf("/openapi.json answered %d: %s", description.Status, description.Body)
	}
	e2etest.Must(t, os.WriteFile(filepath.Join(folder, "openapi.json"), description.Body, 0o600))
	program, err := os.ReadFile(filepath.Join("testdata", "stranger", "main.mts"))
	e2etest.Must(t, err)
	e2etest.Must(t, os.WriteFile(filepath.Join(folder, "main.mts"), program, 0o600))
	generator, compiler := tool(t, "openapi-typescript"), tool(t, "tsc")
	e2etest.Must(t, os.Symlink(filepath.Dir(filepath.Dir(compiler)), filepath.Join(folder, "node_modules")))
	for _, command := range [][]string{
		{generator, "openapi.json", "--output", "api.d.mts", "--empty-objects-unknown"},
		{compiler, "--strict", "--target", "es2022", "--module", "nodenext", "--types", "node", "main.mts"},
	} {
		if out := run(t, folder, nil, command[0], command[1:]...); out.Code != 0 {
			t.Fatalf("%s: %+v", command, out)
		}
	}
	return folder
}

func TestAStrangerGetsFromAConversationsNameToItsVerifiedFile(t *testing.T) {
	t.Parallel()
	s := startService(t)
	service := s.URL
	folder := stranger(t, service)
	today := time.Now().In(e2etest.India)
	start, end := today.AddDate(0, 0, -3).Format(time.DateOnly), yesterday(today).Format(time.DateOnly)
	file := filepath.Join(folder, "answers.csv")
	get := func(service, name string) e2etest.Output {
		return run(t, folder, []string{"EXHAUST_TOKEN=" + s.token}, "node", "main.mjs", service, s.channel, name, start, end, file)
	}

	const name = "Vaccination Helpdesk (sample)"
	out := get(service, name)
	j, want := s.newest(t, "stranger")
	content, err := os.ReadFile(file)
	if out.Code != 0 || err != nil || !bytes.Equal(content, want) {
		t.Fatalf("%+v\nleft %v, a file of %d bytes instead of %d", out, err, len(content), len(want))
	}
	var says struct {
		ConversationID, RequestID string
		Estimate                  struct{ Days, Objects int }
		Rows                      int64
	}
	e2etest.Must(t, json.Unmarshal([]byte(out.Stdout), &says))
	if says.ConversationID != s.conversation || says.RequestID != j.RequestID || says.Rows != j.Progress.RowsWritten || says.Estimate.Days != 3 || says.Estimate.Objects != 6 {
		t.Errorf("it says %+v of %+v", says, j)
	}
	e2etest.Must(t, os.Remove(file))

	for _, c := range []struct {
		name, service, conversation, want string
	}{
		{"another conversation", service, "Nobody's", "there is no conversation Nobody's"},
		{"a file that was changed on the way", tampering(t, service, s.URL, func(path string, body []byte) []byte {
			if !strings.HasSuffix(path, ".csv") {
				return nil
			}
			body[len(body)/2] ^= 1
			return body
		}), name, "the file is not the one of the receipt"},
		{"a receipt that was changed", tampering(t, service, s.URL, func(path string, body []byte) []byte {
			if !strings.HasSuffix(path, ".receipt.json") {
				return nil
			}
			return bytes.Replace(body, []byte(`"rows":`), []byte(`"rows":1`), 1)
		}), name, "the receipt was changed"},
		{"the key of somebody else", tampering(t, service, s.URL, func(path string, body []byte) []byte {
			if path != "/dataset/v1/receipt-keys" {
				return nil
			}
			return bytes.ReplaceAll(body, []byte(`"keyId":"`), []byte(`"keyId":"0`))
		}), name, "the receipt is signed with a key that the service does not have"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out := get(c.service, c.conversation); out.Code == 0 || !strings.Contains(out.Stderr, c.want) {
				t.Errorf("it ended with %+v, want %s", out, c.want)
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("it left a file")
			}
		})
	}
}

// tampering stands before a service, whose downloads go through it too, and changes what change does.
func tampering(t *testing.T, service, public string, change func(path string, body []byte) []byte) (address string) {
	t.Helper()
	address = proxyOf(t, service, func(r *http.Response, body []byte) []byte {
		if changed := change(r.Request.URL.Path, body); changed != nil {
			return changed
		}
		return bytes.ReplaceAll(body, []byte(public), []byte(address))
	})
	return address
}
