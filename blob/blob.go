// Package blob is where objects are kept (telemetry to read; slices, staged parts and reports to write), in a folder
// (Local) or in a container of Azure Blob Storage (Azure), and may neither look into them nor import anything of the project.
//
// Both stores keep the promises of Store, which one test checks on each.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// Object is one stored object as a listing tells it.
type Object struct {
	Name     string    // relative to the store, '/'-separated
	Size     int64     // bytes
	ETag     string    // another one whenever the content was written anew; only good for comparing
	Modified time.Time // when the content was written
}

// Store keeps objects by name. It is safe for concurrent use. Every error names the object and what was being done, and
// never holds a key, a token or a signed URL. One that no waiting heals is a *PermanentError. Reason is what of it can be
// shown to anybody.
//
// Whatever name List yields can be opened and asked about, however odd. The names of new objects are held to a stricter
// rule, which suits every store, URL and file system; Create, Delete, DeleteVersion and SignURL refuse others.
type Store interface {
	// List yields the objects whose name starts with prefix and is greater than after ("" for all), in byte order of
	// their names. It ends with the first error.
	List(ctx context.Context, prefix, after string) iter.Seq2[Object, error]

	// Open streams an object. All bytes are of one version of it: the reader resumes after a dropped connection
	// without reading a byte twice or missing one, and gives ErrChanged when the object was written anew meanwhile.
	// ErrNotFound if there is none. The context governs the reading too.
	Open(ctx context.Context, name string) (io.ReadCloser, error)

	// OpenVersion streams the version of the object that a listing told: ErrChanged where it is another one by now (its
	// ETag or its size differs), ErrNotFound where there is none. Otherwise it is as Open.
	OpenVersion(ctx context.Context, object Object) (io.ReadCloser, error)

	// Stat is the object as a listing would tell it now; ErrNotFound where there is none.
	Stat(ctx context.Context, name string) (Object, error)

	// Create begins an object that appears whole at Commit or not at all, and then replaces an existing one of that
	// name. The context governs the writing and the commit too.
	Create(ctx context.Context, name string, contentType string) (Writer, error)

	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error

	// DeleteVersion removes the object only while its ETag is that of object: ErrChanged where it is another version by
	// now. One that is not there is no error. Looking and removing are one step: whoever writes at the same time is
	// either seen or not touched.
	DeleteVersion(ctx context.Context, object Object) error

	// SignURL gives a URL that reads this one object until expires, and does nothing else. It does not look whether
	// the object is there.
	SignURL(ctx context.Context, name string, expires time.Time) (string, error)

	// Ping reports whether the store answers, cheaply.
	Ping(ctx context.Context) error
}

// Writer writes one object. It is for one goroutine.
type Writer interface {
	io.Writer

	// Commit makes the object appear. When it returns nil, the object is there, but a crash of the machine, as opposed
	// to the process, may still leave less of it: it is for what is checked when it is read, and can be made again. After
	// a failed Write it fails. Of two writers to one name the content of one wins whole; the other may get ErrChanged.
	Commit() error

	// CommitIf makes an object appear that is durable when it returns, on a condition: that the store still holds the
	// version whose ETag is previous or, where previous is "", no object of that name. Otherwise it gives ErrChanged and
	// changes nothing. Looking and replacing are one step, so an attempt that was frozen and wakes up late replaces nothing
	// that another one wrote. It returns the object as a listing would tell it, by which DeleteVersion removes this version
	// and no other. A context that ends while it is at work does not make it fail: it gives the object where that has
	// appeared.
	CommitIf(previous string) (Object, error)

	// Abort forgets what was written. After Commit it does nothing, so it is safe to defer.
	Abort() error
}

var (
	// ErrNotFound tells that there is no object of that name.
	ErrNotFound = errors.New("there is no such object")

	// ErrChanged tells that the object was written anew by somebody else meanwhile. Starting again is right.
	ErrChanged = errors.New("the object was changed meanwhile")
)

// PermanentError tells that no waiting heals a failure: somebody has to change the object, its name or the settings first.
type PermanentError struct {
	// Reason is a clause about the object, such as "it is in the archive tier: rehydrate it first". It names neither the
	// object nor the host, the account or the container, so that it can be shown to anybody.
	Reason string
}

func (e *PermanentError) Error() string { return e.Reason }

// maxNameBytes is Azure's limit of 1,024 characters, held in bytes so that it holds for folders too.
const maxNameBytes = 1024

// checkName tells what is wrong with the name of an object of our own: it must be relative, UTF-8, '/'-separated, of at
// most 1,024 bytes, without an empty, "." or ".." segment, control characters or backslashes. Names that others gave their
// objects are not held to it.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the object name is empty")
	case len(name) > maxNameBytes:
		return fmt.Errorf("object name %.40q… has %d bytes, at most %d are allowed", name, len(name), maxNameBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("object name %q is not UTF-8", name)
	case strings.HasPrefix(name, "/"):
		return fmt.Errorf("object name %q begins with \"/\", names are relative", name)
	}
	for _, r := range name {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return fmt.Errorf("object name %q has a control character", name)
		}
		if r == '\\' {
			return fmt.Errorf("object name %q has a backslash, folders are separated by \"/\"", name)
		}
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("object name %q has the segment %q, which is not allowed", name, segment)
		}
	}
	return nil
}

// typeByName is an object's content type, by its name.
func typeByName(name string) string {
	switch path.Ext(name) {
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".zip":
		return "application/zip"
	default:
		return "application/octet-stream"
	}
}

// attachment is the Content-Disposition that makes a browser save the object under the last segment of its name.
func attachment(name string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)})
}
