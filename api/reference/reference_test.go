package reference

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"testing"

	"data-exhaust/internal/devstack"
)

var document = []byte(`{"openapi":"3.1.0"}`)

func ask(handler http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestEveryAnswerHasThePolicyAndIsAskedForAgainOnlyWhenItChanges(t *testing.T) {
	etags := map[string]string{}
	for path, handler := range Handlers(document) {
		got := ask(handler, "GET", path)
		etag := got.Header().Get("ETag")
		if other, isTaken := etags[etag]; isTaken {
			t.Errorf("%s and %s have the ETag %s", path, other, etag)
		}
		etags[etag] = path
		if got.Code != 200 || got.Body.Len() == 0 {
			t.Errorf("GET %s: %d and %d bytes", path, got.Code, got.Body.Len())
		}
		head := ask(handler, "HEAD", path)
		if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != got.Header().Get("Content-Length") {
			t.Errorf("HEAD %s: %d, %d bytes, %s", path, head.Code, head.Body.Len(), head.Header())
		}
		same := ask(handler, "GET", path, "If-None-Match", `"other", `+etag)
		if same.Code != 304 || same.Body.Len() != 0 {
			t.Errorf("GET %s with its ETag: %d and %d bytes", path, same.Code, same.Body.Len())
		}
		changed := ask(handler, "GET", path, "If-None-Match", `"other"`)
		if changed.Code != 200 || !bytes.Equal(changed.Body.Bytes(), got.Body.Bytes()) {
			t.Errorf("GET %s with another ETag: %d and %d bytes", path, changed.Code, changed.Body.Len())
		}
		for name, answer := range map[string]*httptest.ResponseRecorder{"GET": got, "HEAD": head, "not modified": same, "modified": changed} {
			for header, want := range map[string]string{
				"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
					"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache", "ETag": etag,
			} {
				if is := answer.Header().Get(header); is != want {
					t.Errorf("%s %s: %s is %q, want %q", name, path, header, is, want)
				}
			}
		}
	}
}

func TestFilesSayWhatTheyAre(t *testing.T) {
	handlers := Handlers(document)
	for path, want := range map[string]string{
		"/openapi.json": "application/json", "/docs": "text/html; charset=utf-8", "/docs/reference.css": "text/css; charset=utf-8",
		"/docs/reference.js": "text/javascript; charset=utf-8", "/docs/swagger-ui.css": "text/css; charset=utf-8",
		"/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8", "/docs/swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=utf-8",
		"/docs/LICENSE": "text/plain; charset=utf-8", "/docs/NOTICE": "text/plain; charset=utf-8",
	} {
		handler := handlers[path]
		if handler == nil {
			t.Errorf("there is no %s", path)
			continue
		}
		if got := ask(handler, "GET", path).Header().Get("Content-Type"); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if n := len(handlers); n != 9 {
		t.Errorf("there are %d paths, want 9", n)
	}
	if got := ask(handlers["/openapi.json"], "GET", "/openapi.json").Body.String(); got != string(document) {
		t.Errorf("the document is %s", got)
	}
}

// What the page loads is where it says, whatever a gateway puts before the path and whether it ends in a slash.
func TestThePageFindsItsFilesFromEveryPathThatServesIt(t *testing.T) {
	handlers := Handlers(document)
	link := regexp.MustCompile(`<(?:link|script) .*(?:href|src)="([^"]+)"`)
	for _, prefix := range []string{"", "/gateway", "/a/b"} {
		for _, form := range []string{"/docs", "/docs/", "//docs", "/docs//", "/docs?a=/", "/docs/?a=b"} {
			asked := "http://exhaust.example" + prefix + form
			r := httptest.NewRequest("GET", asked, nil)
			r.RequestURI = prefix + form
			r.URL.Path = PagePath // made clean on the way
			w := httptest.NewRecorder()
			handlers[PagePath].ServeHTTP(w, r)
			found := 0
			for _, match := range link.FindAllStringSubmatch(w.Body.String(), -1) {
				if match[1] == "data:," {
					continue
				}
				u, err := httptest.NewRequest("GET", asked, nil).URL.Parse(match[1])
				if err != nil {
					t.Fatal(err)
				}
				// The gateway takes its prefix away, and doubled slashes count as one.
				within, hasPrefix := bytes.CutPrefix([]byte(path.Clean(u.Path)), []byte(prefix))
				if !hasPrefix || handlers[string(within)] == nil {
					t.Errorf("%s loads %s", asked, u)
				}
				found++
			}
			if found != 4 {
				t.Errorf("%s loads %d files, want two styles and two scripts", asked, found)
			}
		}
	}
}

func TestTheViewerIsOfThePinnedVersion(t *testing.T) {
	pinned, err := devstack.Tool(t.Context(), "swagger-ui", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(files, "viewer")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 5 {
		t.Errorf("viewer/ holds %d files, want script, style, the licences of both and the notice", len(entries))
	}
	for _, entry := range entries {
		want, err := os.ReadFile(filepath.Join(pinned, entry.Name()))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(read("viewer/"+entry.Name()), want) {
			t.Errorf("viewer/%s is not that of the version that tools/package.json pins: run `make viewer`", entry.Name())
		}
	}
}
