package e2etest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

// Store is where a deployment keeps its telemetry or its reports: a prefix in a container, or a folder
// where Blobs is nil.
type Store struct {
	Blobs             *azblob.Client
	Container, Prefix string

	folder string
}

func newStore(s *Stack, container, deployment string) Store {
	return Store{s.Blobs, container, deployment, filepath.Join(Scratch, deployment, container)}
}

func (s Store) url() string {
	if s.Blobs == nil {
		return "file://" + s.folder
	}
	return "azblob://" + s.Container + "/" + s.Prefix
}

// File is the path of an object in a folder.
func (s Store) File(name string) string { return filepath.Join(s.folder, filepath.FromSlash(name)) }

// Put writes an object.
func (s Store) Put(t testing.TB, name string, content []byte) {
	t.Helper()
	if s.Blobs != nil {
		_, err := s.Blobs.UploadBuffer(t.Context(), s.Container, s.Prefix+"/"+name, content, nil)
		Must(t, err)
		return
	}
	Must(t, os.MkdirAll(filepath.Dir(s.File(name)), 0o755))
	Must(t, os.WriteFile(s.File(name), content, 0o644))
}

// Content is what an object holds.
func (s Store) Content(t testing.TB, name string) []byte {
	t.Helper()
	if s.Blobs == nil {
		content, err := os.ReadFile(s.File(name))
		Must(t, err)
		return content
	}
	stream, err := s.Blobs.DownloadStream(t.Context(), s.Container, s.Prefix+"/"+name, nil)
	Must(t, err)
	defer stream.Body.Close()
	content, err := io.ReadAll(stream.Body)
	Must(t, err)
	return content
}

// Remove removes an object.
func (s Store) Remove(t testing.TB, name string) {
	t.Helper()
	if s.Blobs == nil {
		Must(t, os.Remove(s.File(name)))
		return
	}
	_, err := s.Blobs.DeleteBlob(t.Context(), s.Container, s.Prefix+"/"+name, nil)
	Must(t, err)
}

// lockFile is what a folder keeps in which anything was written or deleted.
const lockFile = ".tmp/lock"

// Names lists everything that the store holds, temporary files too but for the lock file, in order.
func (s Store) Names(t testing.TB) (names []string) {
	t.Helper()
	if s.Blobs == nil {
		err := fs.WalkDir(os.DirFS(s.folder), ".", func(name string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && !entry.IsDir() && name != lockFile {
				names = append(names, name)
			}
			return err
		})
		Must(t, err)
	} else {
		prefix := s.Prefix + "/"
		pager := s.Blobs.NewListBlobsFlatPager(s.Container, &azblob.ListBlobsFlatOptions{Prefix: &prefix})
		for pager.More() {
			page, err := pager.NextPage(t.Context())
			Must(t, err)
			for _, item := range page.Segment.BlobItems {
				names = append(names, strings.TrimPrefix(*item.Name, prefix))
			}
		}
	}
	slices.Sort(names)
	return names
}
