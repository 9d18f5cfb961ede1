package blob

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Local is a store in a folder: the object a/b.csv is the file a/b.csv beneath the root. Nothing outside the root is ever
// read or written, whatever a name or a symbolic link says. Links to files and folders inside the root are followed; one
// that leads nowhere or outside is listed, so that it is noticed, and is an error to open.
//
// Unlike in Azure, an object cannot have the name of another one's folder.
type Local struct {
	root   string
	signer signer
	sweep  sync.Once
}

var _ Store = (*Local)(nil)

// LocalOptions is what a Local needs to sign URLs. Without it, everything else works.
type LocalOptions struct {
	BaseURL string // where Handler is mounted, e.g. http://127.0.0.1:8080/files/reports
	Key     []byte // at least 32 bytes; see LoadOrCreateKey
}

// tmpDir holds what is being written. It lies in the root, because only within a file system renaming is atomic.
const tmpDir = ".tmp"

// NewLocal opens the store in the folder root, which it creates (for its owner only) if there is none. A root that
// disappears later, as a volume that is not mounted any more does, is an error of every call, not an empty store.
func NewLocal(root string, opts LocalOptions) (*Local, error) {
	if root == "" {
		return nil, errors.New("the folder of the object store is empty")
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("the folder of the object store, %s: %w", root, err)
	}
	if err := os.MkdirAll(absolute, 0o700); err != nil {
		return nil, fmt.Errorf("create the folder of the object store: %w", err)
	}
	signer, err := newSigner(opts.BaseURL, opts.Key)
	if err != nil {
		return nil, fmt.Errorf("object store in folder %s: %w", root, err)
	}
	return &Local{root: absolute, signer: signer}, nil
}

// List reads one folder after the other, and only those that can hold a name that starts with prefix and is greater than
// after.
func (l *Local) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		root, err := l.open()
		if err != nil {
			yield(Object{}, err)
			return
		}
		defer root.Close()
		dir := "."
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i]
			if !isFileName(dir) || isTemporary(dir) {
				return // no object can have such a name
			}
		}
		w := walk{ctx: ctx, root: root, prefix: prefix, after: after, yield: yield}
		if err := w.walkFolder(dir); err != nil && !errors.Is(err, errStopped) {
			yield(Object{}, fmt.Errorf("list %q in folder %s: %w", prefix, l.root, err))
		}
	}
}

// errStopped ends a walk whose consumer wants no more.
var errStopped = errors.New("stopped")

// walk is one listing.
type walk struct {
	ctx           context.Context
	root          *os.Root
	prefix, after string
	yield         func(Object, error) bool
}

// walkFolder yields the objects beneath dir. In byte order of the full names "a-b" comes before "a/b": so a folder is
// sorted among its siblings by its name and the "/" that follows it.
func (w *walk) walkFolder(dir string) error {
	entries, err := w.read(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.visit(entry); err != nil {
			return err
		}
	}
	return nil
}

// entry is something in a folder: its full name, and the key that it sorts by.
type entry struct {
	name, key        string
	isFolder, isLink bool
}

// read lists a folder. One that is not there, or is none, has no entries.
func (w *walk) read(dir string) ([]entry, error) {
	file, err := w.root.OpenFile(dir, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	var dirEntries []fs.DirEntry
	if err == nil {
		dirEntries, err = file.ReadDir(-1)
		file.Close()
	}
	if isMissing(err) || errors.Is(err, syscall.ENAMETOOLONG) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(dirEntries))
	for _, d := range dirEntries {
		e := entry{name: path.Join(dir, d.Name()), isFolder: d.IsDir(), isLink: d.Type()&fs.ModeSymlink != 0}
		if e.name == tmpDir || !d.Type().IsRegular() && !e.isFolder && !e.isLink {
			continue
		}
		if e.isLink {
			// Where the link leads nowhere the entry stays what it is, a link.
			if target, err := w.root.Stat(e.name); err == nil {
				if e.isFolder = target.IsDir(); !e.isFolder && !target.Mode().IsRegular() {
					continue
				}
			}
		}
		if e.key = e.name; e.isFolder {
			e.key += "/"
		}
		if w.matches(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	return entries, nil
}

// isMissing reports whether there is nothing of that name, or only a file where the name has a folder.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// matches tells whether the entry, or for a folder anything in it, can start with prefix and be greater than after.
func (w *walk) matches(e entry) bool {
	if e.isFolder {
		return (strings.HasPrefix(e.key, w.prefix) || strings.HasPrefix(w.prefix, e.key)) &&
			(e.key > w.after || strings.HasPrefix(w.after, e.key))
	}
	return strings.HasPrefix(e.name, w.prefix) && e.name > w.after
}

func (w *walk) visit(e entry) error {
	info, err := stat(w.root, e.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted since the folder was read
	}
	if err != nil {
		return err
	}
	if e.isFolder {
		if e.isLink && w.isAbove(e.name, info) {
			return nil // all that is there has been listed under its own name
		}
		return w.walkFolder(e.name)
	}
	if !w.yield(object(e.name, info), nil) {
		return errStopped
	}
	return nil
}

// stat looks at what a link leads to, and at the link itself where that is nothing inside the root.
func stat(root *os.Root, name string) (fs.FileInfo, error) {
	info, err := root.Stat(name)
	if err != nil {
		if link, err := root.Lstat(name); err == nil && isLink(link) {
			return link, nil
		}
	}
	return info, err
}

func isLink(info fs.FileInfo) bool { return info.Mode()&fs.ModeSymlink != 0 }

func object(name string, info fs.FileInfo) Object {
	return Object{Name: name, Size: info.Size(), ETag: etag(info), Modified: info.ModTime()}
}

// isAbove reports whether the target of a link is one of the folders that the link lies in: that would be walked for ever.
func (w *walk) isAbove(link string, target fs.FileInfo) bool {
	for dir := link; dir != "."; {
		dir = path.Dir(dir)
		if folder, err := w.root.Stat(dir); err == nil && os.SameFile(folder, target) {
			return true
		}
	}
	return false
}

// etag changes with every write: the size, the time of the last write in nanoseconds and the file's own number, which a
// replaced file has anew. A number comes again once its file is gone, but not at the same time: see seal.
func etag(info fs.FileInfo) string {
	return fmt.Sprintf("%x-%x-%x", info.Size(), info.ModTime().UnixNano(), fileNumber(info))
}

// Open streams a file as long as it was when it was opened. Whether it was written to or replaced meanwhile is looked up
// at the end.
func (l *Local) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	file, info, err := l.openFile(name)
	if err != nil {
		return nil, err
	}
	return &localReader{ctx: ctx, store: l, name: name, file: file, etag: etag(info), size: info.Size()}, nil
}

// OpenVersion compares the file with the listing when it opens it; its end is that of Open.
func (l *Local) OpenVersion(ctx context.Context, object Object) (io.ReadCloser, error) {
	file, info, err := l.openFile(object.Name)
	if err != nil {
		return nil, err
	}
	if etag(info) != object.ETag || info.Size() != object.Size {
		file.Close()
		return nil, wrap("open", object.Name, ErrChanged)
	}
	return &localReader{ctx: ctx, store: l, name: object.Name, file: file, etag: object.ETag, size: object.Size}, nil
}

// Stat looks at the file. Of a link that leads nowhere it tells the link, as a listing does.
func (l *Local) Stat(_ context.Context, name string) (Object, error) {
	root, err := l.openListed("stat", name)
	if err != nil {
		return Object{}, err
	}
	defer root.Close()
	found, err := statObject(root, name)
	return found, wrap("stat", name, err)
}

func statObject(root *os.Root, name string) (Object, error) {
	info, err := stat(root, name)
	if isMissing(err) || err == nil && !info.Mode().IsRegular() && !isLink(info) {
		err = ErrNotFound
	}
	if err != nil {
		return Object{}, err
	}
	return object(name, info), nil
}

func (l *Local) openFile(name string) (*os.File, fs.FileInfo, error) {
	root, err := l.openListed("open", name)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	// A named pipe must not hold up the one who opens it.
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, openError(root, name, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotFound
	}
	if err != nil {
		file.Close()
		return nil, nil, wrap("open", name, err)
	}
	return file, info, nil
}

// openError keeps apart what is not there and what is there but cannot be read: a caller may take the former for deleted.
func openError(root *os.Root, name string, err error) error {
	if info, lerr := root.Lstat(name); lerr == nil && isLink(info) {
		failure := fmt.Errorf("open object %q: it is a symbolic link to nothing readable inside the store: %s", name, cause(err))
		return &reasonedError{err: failure, reason: "a symbolic link leads to nothing inside it"}
	}
	if isMissing(err) {
		err = ErrNotFound
	}
	return wrap("open", name, err)
}

// wrap tells what was being done to which object; nil stays nil.
func wrap(doing, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s object %q: %w", doing, name, cause(err))
}

// errFileName is about a name that no file can have.
var errFileName error = &PermanentError{Reason: "a folder cannot hold an object of that name"}

// cause is the error without the path, which the caller names.
func cause(err error) error {
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return errFileName
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	if linkError, ok := errors.AsType[*os.LinkError](err); ok {
		return linkError.Err
	}
	return err
}

type localReader struct {
	ctx    context.Context
	store  *Local
	name   string
	file   *os.File
	etag   string
	size   int64 // of the version that is read
	offset int64
}

func (r *localReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, wrap("read", r.name, err)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.offset == r.size {
		return 0, r.atEnd()
	}
	n, err := r.file.Read(p[:min(int64(len(p)), r.size-r.offset)])
	r.offset += int64(n)
	if err == io.EOF {
		err = ErrChanged // it has been cut
	}
	return n, wrap("read", r.name, err)
}

// atEnd is io.EOF if what was read is one version of the object. The open file tells whether it was written to; its name,
// whether it was replaced.
func (r *localReader) atEnd() error {
	info, err := r.file.Stat()
	if err == nil && etag(info) != r.etag {
		err = ErrChanged
	}
	if err != nil {
		return wrap("read", r.name, err)
	}
	current, err := r.store.Stat(r.ctx, r.name)
	if errors.Is(err, ErrNotFound) {
		return io.EOF // deleted: what was read is whole all the same
	}
	if err != nil {
		return err
	}
	if current.ETag != r.etag {
		return wrap("read", r.name, ErrChanged)
	}
	return io.EOF
}

func (r *localReader) Close() error { return r.file.Close() }

// Create writes to a temporary file that Commit gives its name. The content type is not kept: Handler tells it by name.
func (l *Local) Create(ctx context.Context, name string, _ string) (Writer, error) {
	root, err := l.openFor(name)
	if err != nil {
		return nil, err
	}
	l.sweep.Do(func() { removeStale(root) })
	tmp := path.Join(tmpDir, rand.Text())
	var file *os.File
	err = root.Mkdir(tmpDir, 0o700)
	if err == nil || errors.Is(err, fs.ErrExist) {
		file, err = root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		root.Close()
		return nil, wrap("create", name, err)
	}
	return &localWriter{ctx: ctx, root: root, name: name, tmp: tmp, file: file}, nil
}

// staleAfter is how long after its last write a temporary file is taken for a dead process's: longer than any exhaust
// may take.
const staleAfter = 72 * time.Hour

// removeStale frees the disk of what dead processes left. What cannot be removed harms nobody, so it is left.
func removeStale(root *os.Root) {
	leftovers, err := fs.ReadDir(root.FS(), tmpDir)
	if err != nil {
		return
	}
	for _, leftover := range leftovers {
		name := path.Join(tmpDir, leftover.Name())
		if name == lockFile {
			continue // those who hold it do not write to it
		}
		if info, err := root.Lstat(name); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = root.Remove(name)
		}
	}
}

type localWriter struct {
	ctx      context.Context
	root     *os.Root
	name     string
	tmp      string
	file     *os.File
	err      error // the first failure; there is no commit after it
	isClosed bool
}

func (w *localWriter) Write(p []byte) (int, error) {
	if err := w.check("write"); err != nil {
		return 0, err
	}
	n, err := w.file.Write(p)
	w.err = wrap("write", w.name, err)
	return n, w.err
}

// check gives the error of an earlier call, or of the context.
func (w *localWriter) check(doing string) error {
	if w.isClosed {
		return wrap(doing, w.name, fs.ErrClosed)
	}
	if w.err == nil && w.ctx.Err() != nil {
		w.err = wrap(doing, w.name, w.ctx.Err())
	}
	return w.err
}

// Commit does not wait for the disk: most of what it is for is deleted before the kernel would write it there.
func (w *localWriter) Commit() error {
	_, err := w.commit(false, func() error { return nil })
	return err
}

// CommitIf returns when the file and its name are on the disk: a crash of the machine after it loses nothing. It looks at
// what has the name while nobody else may give or take it.
func (w *localWriter) CommitIf(previous string) (Object, error) {
	return w.commit(true, func() error { return checkVersion(w.root, w.name, previous) })
}

func (w *localWriter) commit(isDurable bool, check func() error) (Object, error) {
	if err := w.check("commit"); err != nil {
		return Object{}, err
	}
	info, err := w.seal(isDurable)
	if err == nil {
		err = w.replace(check)
	}
	if err == nil && isDurable {
		err = syncFolder(w.root, path.Dir(w.name))
	}
	if w.err = wrap("commit", w.name, err); w.err != nil {
		return Object{}, w.err
	}
	w.isClosed = true
	return object(w.name, info), w.root.Close()
}

// seal gives the file the time as its time of writing, and puts it on the disk if it is to be durable. The kernel's own
// time stands still for milliseconds, in which a file can be replaced and its number given to the next one: two versions
// would have one ETag. It closes the file, for that is when some file systems tell that they could not write it.
func (w *localWriter) seal(isDurable bool) (fs.FileInfo, error) {
	now := time.Now()
	if err := w.root.Chtimes(w.tmp, now, now); err != nil {
		return nil, err
	}
	if isDurable {
		if err := w.file.Sync(); err != nil {
			return nil, err
		}
	}
	info, err := w.file.Stat()
	if err == nil {
		err = w.file.Close()
		w.file = nil
	}
	return info, err
}

// replace gives the file its name if check, which nobody else's replacing or removing can overtake, agrees.
func (w *localWriter) replace(check func() error) error {
	unlock, err := lock(w.ctx, w.root, w.name)
	if err != nil {
		return err
	}
	defer unlock()
	if err := check(); err != nil {
		return err
	}
	return w.rename()
}

// checkVersion is ErrChanged unless the name has the version of that ETag or, where that is "", nothing.
func checkVersion(root *os.Root, name, etag string) error {
	current, err := statObject(root, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if current.ETag != etag {
		return ErrChanged
	}
	return nil
}

// rename makes the folders and moves the file into them. Deleting an object removes its empty folders, which may come
// between the two; then it begins again.
func (w *localWriter) rename() error {
	var err error
	for range 100 {
		if err = makeFolders(w.root, path.Dir(w.name)); err == nil {
			err = w.root.Rename(w.tmp, w.name)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// makeFolders creates dir and what lies above it. A new folder is only durable when the one that names it is.
func makeFolders(root *os.Root, dir string) error {
	if dir == "." {
		return nil
	}
	err := root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeFolders(root, path.Dir(dir)); err != nil {
			return err
		}
		err = root.Mkdir(dir, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncFolder(root, path.Dir(dir))
}

func syncFolder(root *os.Root, dir string) error {
	folder, err := root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted again by somebody else
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func (w *localWriter) Abort() error {
	if w.isClosed {
		return nil
	}
	w.isClosed = true
	var closed error
	if w.file != nil {
		closed = w.file.Close()
	}
	err := errors.Join(closed, w.root.Remove(w.tmp), w.root.Close())
	if err != nil {
		return fmt.Errorf("abort object %q: %w", w.name, err)
	}
	return nil
}

// Delete removes the file, and the folders that it leaves empty.
func (l *Local) Delete(ctx context.Context, name string) error {
	return l.remove(ctx, name, func(*os.Root) error { return nil })
}

// DeleteVersion looks at what has the name while nobody else may give or take it.
func (l *Local) DeleteVersion(ctx context.Context, object Object) error {
	return l.remove(ctx, object.Name, func(root *os.Root) error { return checkVersion(root, object.Name, object.ETag) })
}

func (l *Local) remove(ctx context.Context, name string, check func(*os.Root) error) error {
	root, err := l.openFor(name)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := removeFile(ctx, root, name, check); err != nil {
		return wrap("delete", name, err)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if root.Remove(dir) != nil {
			break // not empty
		}
	}
	return nil
}

// removeFile removes a file or a link if check agrees. Where there is none it does not lock, which would need a writable
// root.
func removeFile(ctx context.Context, root *os.Root, name string, check func(*os.Root) error) error {
	if isThere, err := hasFile(root, name); !isThere {
		return err
	}
	unlock, err := lock(ctx, root, name)
	if err != nil {
		return err
	}
	defer unlock()
	if isThere, err := hasFile(root, name); !isThere {
		return err
	}
	if err := check(root); err != nil {
		return err
	}
	if err := root.Remove(name); !isMissing(err) {
		return err
	}
	return nil
}

func hasFile(root *os.Root, name string) (bool, error) {
	info, err := root.Lstat(name)
	if isMissing(err) {
		return false, nil
	}
	return err == nil && !info.IsDir(), err
}

// Ping tells whether the folder is there and can be read.
func (l *Local) Ping(context.Context) error {
	root, err := l.open()
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err == nil {
		_, err = dir.ReadDir(1)
		dir.Close()
	}
	if err != nil && err != io.EOF {
		return fmt.Errorf("object store in folder %s: %w", l.root, cause(err))
	}
	return nil
}

// open is done anew by every call, so that a volume mounted again is seen.
func (l *Local) open() (*os.Root, error) {
	root, err := os.OpenRoot(l.root)
	if err != nil {
		err = cause(err)
		if isMissing(err) {
			err = &reasonedError{err: err, reason: "the folder is not there"}
		}
		return nil, fmt.Errorf("object store in folder %s: %w", l.root, err)
	}
	return root, nil
}

// openListed opens the root for reading the object of that name.
func (l *Local) openListed(doing, name string) (*os.Root, error) {
	switch {
	case !isFileName(name):
		return nil, wrap(doing, name, errFileName)
	case isTemporary(name):
		return nil, wrap(doing, name, &PermanentError{Reason: "the folder " + tmpDir + " is for files being written"})
	}
	return l.open()
}

// isFileName tells whether a file beneath the root can have that name: the way there must be told by names alone.
func isFileName(name string) bool {
	if strings.ContainsRune(name, 0) || filepath.ToSlash(name) != name { // on Windows a backslash separates folders too
		return false
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// openFor opens the root for an object of that name of our own.
func (l *Local) openFor(name string) (*os.Root, error) {
	if err := checkLocalName(name); err != nil {
		return nil, err
	}
	return l.open()
}

// checkLocalName keeps the folder of temporary files out of reach.
func checkLocalName(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if isTemporary(name) {
		return fmt.Errorf("object name %q is not allowed: the folder %s is for files being written", name, tmpDir)
	}
	return nil
}

func isTemporary(name string) bool { return name == tmpDir || strings.HasPrefix(name, tmpDir+"/") }

// escapeName writes a name as the path of a URL.
func escapeName(name string) string {
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}
