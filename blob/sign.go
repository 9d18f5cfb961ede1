package blob

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// keyBytes is the length of a signing key: SHA-256's own, more gives nothing.
const keyBytes = 32

// SignURL gives BaseURL/<name>?expires=<unix seconds>&signature=<hex>, which Handler serves.
func (l *Local) SignURL(_ context.Context, name string, expires time.Time) (string, error) {
	if err := checkLocalName(name); err != nil {
		return "", err
	}
	if !l.signer.canSign() {
		return "", fmt.Errorf("sign a URL for object %q: the store in folder %s has no base URL or no key", name, l.root)
	}
	return l.signer.url(name, expires), nil
}

// Handler serves what SignURL signed, by GET and HEAD. It is to be mounted at BaseURL's path with that path stripped. It
// looks at the disk only for a valid signature, so that nothing can be learned without one.
func (l *Local) Handler() http.Handler { return http.HandlerFunc(l.serve) }

func (l *Local) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "private, no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "A download link can only be read: use GET or HEAD.", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if refusal := l.signer.refusal(name, r.URL.Query(), time.Now()); refusal != "" {
		http.Error(w, refusal, http.StatusForbidden)
		return
	}
	file, info, err := l.openFile(name)
	if errors.Is(err, ErrNotFound) {
		http.Error(w, "The file is not there any more.", http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, "The file cannot be read at the moment.", http.StatusInternalServerError)
		return
	}
	defer file.Close()
	header.Set("Content-Type", typeByName(name))
	header.Set("Content-Disposition", attachment(name))
	header.Set("ETag", strconv.Quote(etag(info)))
	http.ServeContent(w, r, "", info.ModTime(), file)
}

// signer makes and checks the signatures of one store. They cover the path that the store is mounted at, so that a URL of
// one store does not open an object of the same name in another one with the same key.
type signer struct {
	base string
	path string
	key  []byte
}

func newSigner(base string, key []byte) (signer, error) {
	if len(key) > 0 && len(key) < keyBytes {
		return signer{}, fmt.Errorf("the key for signing URLs has %d bytes, at least %d are needed", len(key), keyBytes)
	}
	if base == "" {
		return signer{}, nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return signer{}, fmt.Errorf("the base URL for downloads: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return signer{}, fmt.Errorf("the base URL for downloads is %q, it must be like https://host/path", base)
	}
	return signer{base: strings.TrimSuffix(base, "/"), path: strings.TrimSuffix(u.Path, "/"), key: key}, nil
}

func (s signer) canSign() bool { return s.base != "" && len(s.key) >= keyBytes }

func (s signer) url(name string, expires time.Time) string {
	unix := strconv.FormatInt(expires.Unix(), 10)
	return s.base + "/" + escapeName(name) + "?expires=" + unix + "&signature=" + hex.EncodeToString(s.sum(name, unix))
}

// The sentences are for the one who opens a link; which part of a wrong link is wrong is nobody's business.
const (
	badLink     = "This download link is not valid."
	expiredLink = "This download link has expired, ask for the exhaust again to get a new one."
)

// refusal is why a link is refused, "" if it is not: it must be exactly what url makes. The time counts only once the
// signature is known to be ours.
func (s signer) refusal(name string, query url.Values, now time.Time) string {
	expires, signature := query["expires"], query["signature"]
	if !s.canSign() || len(expires) != 1 || len(signature) != 1 {
		return badLink
	}
	sum, err := hex.DecodeString(signature[0])
	if err != nil || !hmac.Equal(sum, s.sum(name, expires[0])) {
		return badLink
	}
	unix, err := strconv.ParseInt(expires[0], 10, 64)
	if err != nil {
		return badLink
	}
	if !now.Before(time.Unix(unix, 0)) {
		return expiredLink
	}
	return ""
}

// sum covers what the URL may do ("read"), where and until when. No part can hold a line feed, so none can pass for two.
func (s signer) sum(name, expires string) []byte {
	mac := hmac.New(sha256.New, s.key)
	io.WriteString(mac, strings.Join([]string{"read", s.path, name, expires}, "\n"))
	return mac.Sum(nil)
}
