package e2etest

import (
	"errors"
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

// Names lists everything that the store holds, temporary files too, in order.
func (s Store) Names(t testing.TB) (names []string) {
	t.Helper()
	if s.Blobs == nil {
		err := fs.WalkDir(os.DirFS(s.folder), ".", func(name string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && !entry.IsDir() {
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
