package blob

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// rootVariable makes a test the body of a process that works on the folder which it names.
const rootVariable = "BLOB_TEST_ROOT"

// startProcess runs the test of that name in a process of its own, on the folder.
func startProcess(t *testing.T, test, root string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	process := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	process.Env = append(os.Environ(), rootVariable+"="+root)
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if process.ProcessState == nil {
			process.Process.Kill()
			process.Wait()
		}
	})
	return process, bufio.NewScanner(output)
}

func TestNoCountOfManyProcessesIsLost(t *testing.T) {
	const processes, counts = 4, 40
	if root := os.Getenv(rootVariable); root != "" {
		store := openLocal(t, root)
		for range counts {
			count(t, store)
		}
		return
	}
	root := t.TempDir()
	var group sync.WaitGroup
	for range processes {
		process, output := startProcess(t, t.Name(), root)
		group.Go(func() {
			var said []string
			for output.Scan() {
				said = append(said, output.Text())
			}
			if err := process.Wait(); err != nil {
				t.Errorf("a process: %v: %s", err, strings.Join(said, "\n"))
			}
		})
	}
	group.Wait()
	if got, want := string(get(t, openLocal(t, root), "count")), fmt.Sprint(processes*counts); got != want {
		t.Errorf("the count is %s, want %s", got, want)
	}
}

// count adds one to the number in the object, whoever else does so.
func count(t *testing.T, store *Local) {
	for {
		number := 0
		current, err := store.Stat(t.Context(), "count")
		if err == nil {
			content, err := getVersion(t, store, current)
			if errors.Is(err, ErrChanged) || errors.Is(err, ErrNotFound) {
				continue
			}
			if number, err = strconv.Atoi(string(content)); err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		_, err = commitIf(t.Context(), store, "count", []byte(strconv.Itoa(number+1)), current.ETag)
		if err == nil {
			return
		}
		if !errors.Is(err, ErrChanged) {
			t.Fatal(err)
		}
	}
}

func TestNoVersionIsReplacedTwiceWhateverElseGoesOn(t *testing.T) {
	store := openLocal(t, t.TempDir())
	var mu sync.Mutex
	replaced, written := map[string]int{}, map[string]int{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 60 {
				current, err := store.Stat(t.Context(), "a/same")
				if err != nil && !errors.Is(err, ErrNotFound) {
					t.Errorf("Stat: %v", err)
				}
				switch rand.IntN(6) {
				case 0:
					put(t, store, "a/same", []byte("x"))
				case 1:
					if err := store.Delete(t.Context(), "a/same"); err != nil {
						t.Errorf("Delete: %v", err)
					}
				case 2:
					if current.ETag == "" {
						continue
					}
					if err := store.DeleteVersion(t.Context(), current); err != nil && !errors.Is(err, ErrChanged) {
						t.Errorf("DeleteVersion: %v", err)
					}
				default:
					object, err := commitIf(t.Context(), store, "a/same", []byte("x"), current.ETag)
					if err != nil {
						if !errors.Is(err, ErrChanged) {
							t.Errorf("CommitIf: %v", err)
						}
						continue
					}
					mu.Lock()
					written[object.ETag]++
					if current.ETag != "" {
						replaced[current.ETag]++
					}
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	for what, versions := range map[string]map[string]int{"written": written, "replaced": replaced} {
		for etag, times := range versions {
			if times != 1 {
				t.Errorf("the version %s was %s %d times", etag, what, times)
			}
		}
		if len(versions) == 0 {
			t.Errorf("no version was %s", what)
		}
	}
}

func TestAStoppedProcessHoldsUpItsOwnNameAndADeadOneNobody(t *testing.T) {
	if root := os.Getenv(rootVariable); root != "" {
		folder, err := os.OpenRoot(root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lock(t.Context(), folder, "held.csv"); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		time.Sleep(time.Minute)
		return
	}
	root := t.TempDir()
	store := openLocal(t, root)
	put(t, store, "held.csv", []byte("x"))
	held := statOf(t, store, "held.csv")
	process, output := startProcess(t, t.Name(), root)
	for output.Scan() && output.Text() != "locked" {
	}
	if err := process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		name := fmt.Sprintf("other%d.csv", i)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		object, err := commitIf(ctx, store, name, []byte("x"), "")
		if err == nil {
			err = store.DeleteVersion(ctx, object)
		}
		cancel()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	calls := map[string]func(context.Context) error{
		"Commit": func(ctx context.Context) error { return write(ctx, store, "held.csv", []byte("y")) },
		"CommitIf": func(ctx context.Context) error {
			_, err := commitIf(ctx, store, "held.csv", []byte("y"), held.ETag)
			return err
		},
		"Delete":        func(ctx context.Context) error { return store.Delete(ctx, "held.csv") },
		"DeleteVersion": func(ctx context.Context) error { return store.DeleteVersion(ctx, held) },
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := call(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), `object "held.csv": wait for another writer: context deadline exceeded`) {
			t.Errorf("%s, while another process holds the name, gave %v", name, err)
		}
		if got, want := Reason(err), "another writer holds it up"; got != want {
			t.Errorf("%s: the reason is %q, want %q", name, got, want)
		}
	}
	wantObject(t, store, held, []byte("x"))

	done := make(chan error)
	go func() { done <- calls["CommitIf"](t.Context()) }()
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	process.Wait()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("after the other process died: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a dead process holds up a commit")
	}
}

// TestWhoeverWaitsForALockHearsOfItAfterAWhile: its holder may be stopped, and a context may last for a day.
func TestWhoeverWaitsForALockHearsOfItAfterAWhile(t *testing.T) {
	folder, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		unlock, err := lock(t.Context(), folder, "held.csv")
		if err != nil {
			t.Fatal(err)
		}
		_, err = lock(t.Context(), folder, "held.csv")
		if Reason(err) != "another writer holds it up" || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %s it gave %v", time.Since(began), err)
		}
		unlock()
		if unlock, err = lock(t.Context(), folder, "held.csv"); err != nil {
			t.Fatal(err)
		}
		unlock()
	})
}

func TestTheLockFileStaysAndIsNotInTheWayWhenItGoes(t *testing.T) {
	root := t.TempDir()
	put(t, openLocal(t, root), "a.csv", []byte("x"))
	path := filepath.Join(root, lockFile)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	store := openLocal(t, root)
	put(t, store, "a.csv", []byte("y")) // removes what is stale
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || after.Size() != 0 {
		t.Errorf("the lock file is %v (%v) after the old files were removed, want the same empty one", after, err)
	}

	folder, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	unlock, err := lock(t.Context(), folder, "a.csv")
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	go func() { errs <- store.Delete(t.Context(), "a.csv") }()
	time.Sleep(20 * time.Millisecond) // it waits for the lock
	if err := os.RemoveAll(filepath.Join(root, tmpDir)); err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := <-errs; err != nil {
		t.Errorf("with the lock file gone: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "a.csv")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the object: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("it locked a file that others do not see: %v", err)
	}
}

// The inode of a file that is gone is the next file's, and without a time of the store's own, within a few milliseconds,
// with the same time of writing.
func TestVersionsThatFollowEachOtherQuicklyDiffer(t *testing.T) {
	root := t.TempDir()
	store := openLocal(t, root)
	versions := map[string]bool{}
	for i := range 300 {
		writer, err := written(t.Context(), store, "a.csv", []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		object, err := writer.CommitIf("")
		if err != nil {
			t.Fatal(err)
		}
		if versions[object.ETag] {
			t.Fatalf("version %d has the ETag %s of an earlier one", i, object.ETag)
		}
		versions[object.ETag] = true
		if err := store.DeleteVersion(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}
