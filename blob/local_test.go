package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestAFolderStoreCreatesItsRootForItsOwnerOnly(t *testing.T) {
	root := filepath.Join(t.TempDir(), "data/reports")
	store := openLocal(t, root)
	if objects := list(t, store, "", ""); len(objects) != 0 {
		t.Errorf("listed %v", objects)
	}
	put(t, store, "a/b/c.csv", []byte("x"))
	got := map[string]fs.FileMode{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		name, _ := filepath.Rel(root, path)
		got[name] = info.Mode()
		return err
	})
	want := map[string]fs.FileMode{".": fs.ModeDir | 0o700, ".tmp": fs.ModeDir | 0o700, ".tmp/lock": 0o600,
		"a": fs.ModeDir | 0o700, "a/b": fs.ModeDir | 0o700, "a/b/c.csv": 0o600}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("the folder holds %v (%v), want %v", got, err, want)
	}
}

func TestAFolderStoreNeverLeavesItsRoot(t *testing.T) {
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "secret.json"), "secret")
	root := filepath.Join(t.TempDir(), "root")
	store := openLocal(t, root)
	for name, target := range map[string]string{
		"file.json": filepath.Join(outside, "secret.json"), "folder": outside, "up.json": "../../secret.json", "nothing.json": "missing",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, object := range list(t, store, "", "") {
		names = append(names, object.Name)
	}
	if want := []string{"file.json", "folder", "nothing.json", "up.json"}; !slices.Equal(names, want) {
		t.Errorf("listed %q, want the links themselves, %q", names, want)
	}
	for _, name := range names {
		if link := list(t, store, name, "")[0]; statOf(t, store, name) != link {
			t.Errorf("Stat(%q) tells %+v, the listing %+v", name, statOf(t, store, name), link)
		}
		_, err := store.Open(t.Context(), name)
		if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("Open(%q): %v, want an error that names the link", name, err)
		}
	}
	if _, err := store.Open(t.Context(), "folder/secret.json"); err == nil {
		t.Error("a file outside was opened through a linked folder")
	}
	if err := write(t.Context(), store, "folder/new.json", []byte("x")); err == nil || !strings.Contains(err.Error(), "folder/new.json") {
		t.Errorf("writing through a linked folder: %v", err)
	}
	if err := store.Delete(t.Context(), "folder/secret.json"); err == nil {
		t.Error("deleting through a linked folder gave no error")
	}
	put(t, store, "file.json", []byte("mine"))
	if err := store.Delete(t.Context(), "up.json"); err != nil {
		t.Errorf("delete a link: %v", err)
	}
	remaining, err := os.ReadDir(outside)
	content, readErr := os.ReadFile(filepath.Join(outside, "secret.json"))
	if err != nil || readErr != nil || len(remaining) != 1 || string(content) != "secret" {
		t.Errorf("outside there are %v, %q (%v, %v): want what was there before", remaining, content, err, readErr)
	}
}

func TestLinksInsideTheRootAreFollowedOnce(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	put(t, store, "days/1/a.json", []byte("12345"))
	for name, target := range map[string]string{"alias.json": "days/1/a.json", "days/2": "1", "days/1/up": "..", "root": "."} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string][]string{
		"":          {"alias.json", "days/1/a.json", "days/2/a.json"},
		"days/1/":   {"days/1/a.json"},
		"days/1/up": nil,
		"days/2/":   {"days/2/a.json"},
	} {
		var got []string
		for _, object := range list(t, store, prefix, "") {
			got = append(got, object.Name)
			if object.Size != 5 {
				t.Errorf("%s has %d bytes, want 5", object.Name, object.Size)
			}
			if content := get(t, store, object.Name); string(content) != "12345" {
				t.Errorf("%s holds %q", object.Name, content)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", prefix, got, want)
		}
	}
}

func TestOnlyFilesAreObjects(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	if err := syscall.Mkfifo(filepath.Join(root, "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe.json", filepath.Join(root, "link.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if objects := list(t, store, "", ""); len(objects) != 0 {
		t.Errorf("listed %v", objects)
	}
	for _, name := range []string{"pipe.json", "empty"} {
		if _, err := store.Open(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Open(%q): %v", name, err)
		}
		if _, err := store.Stat(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Stat(%q): %v", name, err)
		}
		if err := store.Delete(t.Context(), "empty"); err != nil {
			t.Errorf("Delete(%q): %v", name, err)
		}
	}
	if err := write(t.Context(), store, "empty", []byte("x")); err == nil || !strings.Contains(err.Error(), `"empty"`) {
		t.Errorf("an object of a folder's name: %v", err)
	}
}

func TestWhatDeadProcessesLeftIsInvisibleAndGoesAway(t *testing.T) {
	root := t.TempDir()
	dead := openLocal(t, root)
	for range 2 {
		writer, err := dead.Create(t.Context(), "a.csv", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
	}
	store := openLocal(t, root)
	if objects := list(t, store, "", ""); len(objects) != 0 {
		t.Errorf("listed %v", objects)
	}
	for _, prefix := range []string{".", ".tmp", ".tmp/"} {
		if objects := list(t, store, prefix, ""); len(objects) != 0 {
			t.Errorf("List(%q) = %v", prefix, objects)
		}
	}
	leftovers := temporaryFiles(t, root)
	if len(leftovers) != 2 {
		t.Fatalf("temporary files: %v", leftovers)
	}
	if _, err := store.Open(t.Context(), ".tmp/"+leftovers[0]); err == nil || !strings.Contains(err.Error(), "is for files being written") {
		t.Errorf("opening a temporary file: %v", err)
	}
	old := time.Now().Add(-staleAfter - time.Minute)
	if err := os.Chtimes(filepath.Join(root, tmpDir, leftovers[0]), old, old); err != nil {
		t.Fatal(err)
	}
	put(t, store, "b.csv", []byte("x"))
	if got := temporaryFiles(t, root); !slices.Equal(got, leftovers[1:]) {
		t.Errorf("temporary files: %v, want only the young one, %v", got, leftovers[1:])
	}
}

func TestAVanishedRootIsAnErrorAndNotAnEmptyStore(t *testing.T) {
	root := filepath.Join(t.TempDir(), "mount")
	store := openLocal(t, root)
	put(t, store, "a.csv", []byte("x"))
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	_, openErr := store.Open(t.Context(), "a.csv")
	var listErr error
	for _, err := range store.List(t.Context(), "", "") {
		listErr = err
	}
	_, statErr := store.Stat(t.Context(), "a.csv")
	for call, err := range map[string]error{"Open": openErr, "List": listErr, "Stat": statErr, "Create": write(t.Context(), store, "a.csv", nil),
		"Delete": store.Delete(t.Context(), "a.csv"), "DeleteVersion": store.DeleteVersion(t.Context(), Object{Name: "a.csv", ETag: "1"}),
		"Ping": store.Ping(t.Context())} {
		if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), root) {
			t.Errorf("%s: %v, want an error that names the folder", call, err)
		}
	}
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := store.Ping(t.Context()); err != nil {
		t.Errorf("Ping, with the folder back: %v", err)
	}
}

func TestAFileThatGrowsWhileItIsReadHasChanged(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	put(t, store, "a.log", randomBytes(1000))
	reader, err := store.Open(t.Context(), "a.log")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := io.ReadFull(reader, make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	appendTo(t, filepath.Join(root, "a.log"), "one more line\n")
	if rest, err := io.ReadAll(reader); !errors.Is(err, ErrChanged) || len(rest) != 500 {
		t.Errorf("reading on gave %d bytes, %v, want the 500 that were there and ErrChanged", len(rest), err)
	}
}

func TestAFileThatIsCutWhileItIsReadHasChanged(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	put(t, store, "a.log", randomBytes(1000))
	reader, err := store.OpenVersion(t.Context(), statOf(t, store, "a.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := os.Truncate(filepath.Join(root, "a.log"), 700); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(reader); !errors.Is(err, ErrChanged) {
		t.Errorf("reading gave %v, want ErrChanged", err)
	}
}

func TestAFileThatGrewAfterItWasListedIsAnotherVersion(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	put(t, store, "a.log", randomBytes(1000))
	listed := list(t, store, "", "")[0]
	appendTo(t, filepath.Join(root, "a.log"), "x")
	if _, err := store.OpenVersion(t.Context(), listed); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), `"a.log"`) {
		t.Errorf("OpenVersion gave %v, want ErrChanged with the name", err)
	}
}

func TestAFileThatGrewBeforeItWasDeletedHasChanged(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	put(t, store, "a.log", randomBytes(1000))
	reader, err := store.Open(t.Context(), "a.log")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	appendTo(t, filepath.Join(root, "a.log"), "one more line\n")
	if err := store.Delete(t.Context(), "a.log"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(reader); !errors.Is(err, ErrChanged) {
		t.Errorf("reading gave %v, want ErrChanged", err)
	}
}

func appendTo(t *testing.T, path, content string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(content); err != nil {
		t.Fatal(err)
	}
}

func TestANameThatNoFileCanHaveFailsForGood(t *testing.T) {
	store := openLocal(t, t.TempDir())
	put(t, store, "2022-03-01/x.json.gz", []byte("x"))
	for _, name := range append(oddNames["Azure"], "2022-03-01/a\x00b", "2022-03-01/"+strings.Repeat("a", 256), strings.Repeat("हिन्दी", 15)+"/x.json") {
		wantPermanent(t, store, name, "a folder cannot hold an object of that name")
	}
	wantPermanent(t, store, ".tmp/x.json", "the folder .tmp is for files being written")
	err := write(t.Context(), store, strings.Repeat("a", 256), []byte("x"))
	wantReason(t, "Commit", err, strings.Repeat("a", 256), "a folder cannot hold an object of that name")
	if objects := list(t, store, strings.Repeat("a", 256)+"/", ""); len(objects) != 0 {
		t.Errorf("listed %v", objects)
	}
}

func TestADeletedFileIsReadToItsEnd(t *testing.T) {
	store := openLocal(t, t.TempDir())
	content := randomBytes(1000)
	put(t, store, "a.log", content)
	reader, err := store.Open(t.Context(), "a.log")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := store.Delete(t.Context(), "a.log"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

func TestDeletingRemovesEmptyFoldersAndDisturbsNoWriter(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			name := fmt.Sprintf("a/b/c/%d.csv", i)
			for range 100 {
				put(t, store, name, []byte("x"))
				if err := store.Delete(t.Context(), name); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
	}
	group.Wait()
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 1 || entries[0].Name() != tmpDir {
		t.Errorf("left are %v, %v", entries, err)
	}
}

func openLocal(t testing.TB, root string) *Local {
	t.Helper()
	store, err := NewLocal(root, LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func temporaryFiles(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, tmpDir))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if path.Join(tmpDir, entry.Name()) != lockFile {
			names = append(names, entry.Name())
		}
	}
	return names
}
