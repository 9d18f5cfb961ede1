package console

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
)

// pageFiles are layout.html, which every page is put into, parts.html, what several pages show, and a file for each page, which
// defines "main".
//
//go:embed pages/*.html
var pageFiles embed.FS

// page is a page's template.
type page struct{ template *template.Template }

func readPages() (map[string]*page, error) {
	frame, err := template.New("layout.html").Funcs(template.FuncMap{"part": partOf, "isolate": isolate}).ParseFS(pageFiles, "pages/layout.html", "pages/parts.html")
	if err != nil {
		return nil, err
	}
	entries, err := pageFiles.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	pages := map[string]*page{}
	for _, entry := range entries {
		if entry.Name() == "layout.html" || entry.Name() == "parts.html" {
			continue
		}
		parsed, err := template.Must(frame.Clone()).ParseFS(pageFiles, path.Join("pages", entry.Name()))
		if err != nil {
			return nil, err
		}
		pages[strings.TrimSuffix(entry.Name(), ".html")] = &page{parsed}
	}
	return pages, nil
}

// partOf is what a part of a page is given: the page as Page, and values by their names, in turns of name and value.
func partOf(page any, pairs ...any) (map[string]any, error) {
	values := map[string]any{"Page": page}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, isText := pairs[i].(string)
		if !isText {
			return nil, fmt.Errorf("value %d of a part has no name", i/2+1)
		}
		values[name] = pairs[i+1]
	}
	return values, nil
}

// policy is the Content-Security-Policy of every answer: nothing comes from other hosts, and no script or style stands within a
// page. Charts become pictures by way of blobs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers that every answer has: answers and numbers are on it, of who is signed in now, so that nobody keeps it.
func (c *Console) secure(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin") // the path of an exhaust is nobody else's matter
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if c.isSecure { // browsers complain of it elsewhere
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
}

// show answers with a page: data is what its template shows, with the visit within.
func (v *visit) show(status int, name string, data any) error {
	var text bytes.Buffer
	if err := v.pages[name].template.Execute(&text, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	v.w.Header().Set("Content-Language", v.Language)
	v.send(status, "text/html; charset=utf-8", text.Bytes())
	return nil
}

// send answers with a text of this type.
func (v *visit) send(status int, mediaType string, text []byte) {
	header := v.w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(text) // whoever went away is told nothing
	}
}

// staticFiles are those of static/, and htmx, as tools/package.json pins it: `make htmx` copies it.
//
//go:embed static library
var staticFiles embed.FS

// asset is a file that pages load.
type asset struct {
	mediaType string
	bytes     []byte
	// version is part of its URL, so that browsers keep it for good.
	version string
}

type assets map[string]asset

// mediaTypes are those of the assets: the machine's own table may say anything.
var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func readAssets() assets {
	all := assets{}
	err := fs.WalkDir(staticFiles, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := staticFiles.ReadFile(name)
		hash := sha256.Sum256(text)
		mediaType := cmp.Or(mediaTypes[path.Ext(name)], "text/plain; charset=utf-8")
		all[path.Base(name)] = asset{mediaType, text, hex.EncodeToString(hash[:8])}
		return err
	})
	if err != nil {
		panic(err) // all are embedded
	}
	return all
}

// Asset is the URL of a file that the page loads.
func (v *visit) Asset(name string) string {
	return v.prefix + Path + "/static/" + v.assets[name].version + "/" + name
}

// serveAsset answers a file. They are the same for everybody and tell nothing, so nobody is asked who he is.
func (c *Console) serveAsset(w http.ResponseWriter, r *http.Request) {
	c.secure(w.Header())
	names := mux.Vars(r)
	file, isKnown := c.assets[names["name"]]
	if !isKnown {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", file.mediaType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	if file.version != names["version"] {
		// The page is of another release, which runs beside this one for a while: this file is better than none.
		w.Header().Set("Cache-Control", "no-store")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(file.bytes)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(file.bytes)
	}
}
