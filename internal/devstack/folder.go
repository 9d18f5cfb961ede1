package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// makeFolder makes the folder where a server keeps its log and data: path, or for "" a temporary one
// that remove removes.
func makeFolder(path, server string) (dir string, remove func() error, err error) {
	if path == "" {
		dir, remove, err = temporaryFolder(server)
	} else if dir, err = filepath.Abs(path); err == nil {
		remove, err = func() error { return nil }, os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", nil, fmt.Errorf("start %s: %w", server, err)
	}
	return dir, remove, nil
}

const (
	temporaryPrefix = "devstack-"
	lockName        = ".lock"
)

// temporaryFolder makes a folder and locks it until remove. The process of an unlocked folder was
// killed.
func temporaryFolder(name string) (dir string, remove func() error, err error) {
	removeAbandoned(time.Now().Add(-time.Minute))
	if dir, err = os.MkdirTemp("", temporaryPrefix+name+"-"); err != nil {
		return "", nil, err
	}
	file, err := tryLock(filepath.Join(dir, lockName))
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), file.Close()) }, nil
}

// removeAbandoned removes the temporary folders of processes that were killed. A folder that changed
// after unchangedSince may be one that its process is about to lock. A folder that cannot be removed
// stays for the next time: another process may be removing it.
func removeAbandoned(unchangedSince time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*-*")) // the pattern is well-formed
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || info.ModTime().After(unchangedSince) {
			continue
		}
		file, err := tryLock(filepath.Join(dir, lockName))
		if err != nil {
			continue // its process lives, or it is another user's
		}
		_ = os.RemoveAll(dir)
		_ = file.Close()
	}
}

// lock waits for an exclusive lock on the file and holds it until unlock; the kernel drops it if we
// die.
func lock(ctx context.Context, path string) (unlock func() error, err error) {
	for {
		file, err := tryLock(path)
		if err == nil {
			return file.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// tryLock takes an exclusive lock, which closing the file releases, or fails with EWOULDBLOCK.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}
