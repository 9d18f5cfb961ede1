// Package reference serves the description of the API and a page that shows it; it knows no call of the API, does not ask who
// calls, and its page loads nothing from other hosts.
//
// The page is Swagger UI, which `make viewer` copies into viewer/ as tools/package.json pins it.
package reference

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The paths of the description, an OpenAPI document, and of the page. What the page loads lies below PagePath.
const (
	DocumentPath = "/openapi.json"
	PagePath     = "/docs"
)

// policy is the Content-Security-Policy of every answer. Scripts and styles are files of this host, and none stand within the
// page; the page calls this host alone, as one who tries a call types his token into it. The images of its styles are data.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed page viewer
var files embed.FS

// assets are the files that lie below PagePath. The licences are those of Swagger UI, which this service passes on.
var assets = []string{
	"page/reference.css", "page/reference.js",
	"viewer/swagger-ui.css", "viewer/swagger-ui-bundle.js",
	"viewer/swagger-ui-bundle.js.LICENSE.txt", "viewer/LICENSE", "viewer/NOTICE",
}

// Handlers are what answers GET and HEAD, by the paths.
func Handlers(document []byte) map[string]http.Handler {
	handlers := map[string]http.Handler{
		DocumentPath: newContent("application/json", document),
		PagePath:     newPage(),
	}
	for _, name := range assets {
		handlers[PagePath+"/"+path.Base(name)] = newContent(mediaType(name), read(name))
	}
	return handlers
}

// content is answered as it is. Clients keep it, and ask each time whether it is still the same.
type content struct {
	mediaType, etag string
	bytes           []byte
}

func newContent(mediaType string, text []byte) content {
	hash := sha256.Sum256(text)
	return content{mediaType: mediaType, etag: `"` + hex.EncodeToString(hash[:16]) + `"`, bytes: text}
}

func (c content) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range map[string]string{
		"Content-Type":            c.mediaType,
		"ETag":                    c.etag,
		"Cache-Control":           "no-cache",
		"Content-Security-Policy": policy,
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
	} {
		w.Header().Set(name, value)
	}
	if slices.Contains(strings.Split(strings.ReplaceAll(r.Header.Get("If-None-Match"), " ", ""), ","), c.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(c.bytes)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(c.bytes) // whoever went away is told nothing
	}
}

// mediaType is that of an asset: the machine's own table of types may say anything.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	}
	return "text/plain; charset=utf-8"
}

// page is the page as it stands at PagePath with a slash in the end, and without one: its URLs are relative, because a gateway
// may put a prefix before all paths, and the two are relative to different folders.
type page struct{ withSlash, withoutSlash content }

func newPage() page {
	parsed := template.Must(template.ParseFS(files, "page/page.html"))
	render := func(folder string) content {
		var text bytes.Buffer
		if err := parsed.Execute(&text, folder); err != nil {
			panic(err) // a page of ours
		}
		return newContent("text/html; charset=utf-8", text.Bytes())
	}
	return page{withSlash: render(""), withoutSlash: render(path.Base(PagePath) + "/")}
}

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// r.URL is of a path that was made clean; the client's URL is what counts.
	if asked, _, _ := strings.Cut(r.RequestURI, "?"); strings.HasSuffix(asked, "/") {
		p.withSlash.ServeHTTP(w, r)
		return
	}
	p.withoutSlash.ServeHTTP(w, r)
}

func read(name string) []byte {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // all are embedded
	}
	return text
}
