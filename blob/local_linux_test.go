package blob

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

// The kernel tells which folders were opened.
func TestAListingOpensOnlyFoldersThatCanMatch(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	folders := []string{"2022-02-28", "2022-03-01", "2022-03-01/1", "2022-03-01/2", "2022-03-010", "2022-03-02", "other"}
	for _, folder := range folders {
		put(t, store, folder+"/part.json", []byte("{}"))
	}
	for _, test := range []struct {
		prefix, after string
		want          []string
	}{
		{"2022-03-01", "", []string{"2022-03-01", "2022-03-01/1", "2022-03-01/2", "2022-03-010"}},
		{"2022-03-01/", "2022-03-01/1/z", []string{"2022-03-01", "2022-03-01/1", "2022-03-01/2"}},
		{"2022-03-01/", "2022-03-01/10", []string{"2022-03-01", "2022-03-01/2"}},
		{"2022-03-01/2/p", "", []string{"2022-03-01", "2022-03-01/2"}}, // the way to a folder is opened too
		{"", "2022-03-02", []string{"2022-03-02", "other"}},
		{"2022-03-03", "", nil},
	} {
		watch, err := syscall.InotifyInit1(syscall.IN_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		folderByID := map[int32]string{}
		for _, folder := range folders {
			id, err := syscall.InotifyAddWatch(watch, filepath.Join(root, folder), syscall.IN_OPEN|syscall.IN_ONLYDIR)
			if err != nil {
				t.Fatal(err)
			}
			folderByID[int32(id)] = folder
		}
		list(t, store, test.prefix, test.after)
		got := openFolders(t, watch, folderByID)
		syscall.Close(watch)
		if !slices.Equal(got, test.want) {
			t.Errorf("List(%q, %q) opened %q, want %q", test.prefix, test.after, got, test.want)
		}
	}
}

// openFolders are the watched folders that were opened, each once.
func openFolders(t *testing.T, watch int, folderByID map[int32]string) []string {
	t.Helper()
	buffer := make([]byte, 1<<16)
	n, err := syscall.Read(watch, buffer)
	if err == syscall.EAGAIN {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	events := bytes.NewReader(buffer[:n])
	for events.Len() > 0 {
		var event syscall.InotifyEvent
		if err := binary.Read(events, binary.NativeEndian, &event); err != nil {
			t.Fatal(err)
		}
		events.Seek(int64(event.Len), 1)
		if event.Len == 0 && event.Mask&syscall.IN_OPEN != 0 { // the folder itself, not something in it
			folders = append(folders, folderByID[event.Wd])
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

func TestTheReasonOfAFolderOfAnotherUserIsPermissionRefused(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	put(t, store, "a.csv", nil)
	if err := os.Chmod(root, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(root, 0o700)
	errs := make(chan error, 3)
	go func() {
		defer close(errs)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		const nobody = 65534
		syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // permissions do not hold for root
		_, err := store.Stat(t.Context(), "a.csv")
		errs <- err
		errs <- store.Ping(t.Context())
		errs <- write(t.Context(), store, "a.csv", nil)
	}()
	for err := range errs {
		if got, want := Reason(err), "permission refused"; got != want {
			t.Errorf("the reason of %v is %q, want %q", err, got, want)
		}
	}
}
