package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"time"
)

// lockFile is one file, never written to, each byte of which is the lock of the names that hash to it (see hash): so a
// process that is stopped while it holds a lock keeps nobody from other names, one that dies keeps nobody from anything,
// and nothing piles up. Whoever holds a lock of a file that is not at this path any more holds nothing.
const lockFile = tmpDir + "/lock"

const (
	// maxLockWait is the longest time between two looks at a lock that somebody else holds.
	maxLockWait = 50 * time.Millisecond
	// lockTimeout is how long a lock is waited for: it is held for the time of a rename, unless its process is stopped, and
	// whoever waits has to hear of that.
	lockTimeout = 10 * time.Second
)

// lock makes others wait who would replace or remove the object of that name, in this process and in all others on this
// machine, until unlock is called. It waits for them for lockTimeout, or as long as the context lasts.
func lock(ctx context.Context, root *os.Root, name string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	offset := hash(name)
	for {
		file, err := openLockFile(root)
		if err != nil {
			return nil, fmt.Errorf("lock it: %w", cause(err))
		}
		if err := lockByte(ctx, file, offset); err != nil {
			file.Close()
			return nil, err
		}
		unlock := func() {
			unlockByte(file, offset)
			file.Close()
		}
		if isAt(root, lockFile, file) {
			return unlock, nil
		}
		unlock()
	}
}

// lockByte looks again and again, because waiting in the kernel would not end with the context.
func lockByte(ctx context.Context, file *os.File, offset int64) error {
	for wait := time.Millisecond; ; wait = min(2*wait, maxLockWait) {
		isLocked, err := tryLock(file, offset)
		if err != nil {
			return fmt.Errorf("lock it: %w", err)
		}
		if isLocked {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return &reasonedError{err: fmt.Errorf("wait for another writer: %w", ctx.Err()), reason: "another writer holds it up"}
		}
	}
}

// hash spreads names over 2^62 bytes, so that two of them hardly ever share a lock.
func hash(name string) int64 {
	sum := fnv.New64a()
	sum.Write([]byte(name))
	return int64(sum.Sum64() >> 2)
}

func openLockFile(root *os.Root) (*os.File, error) {
	file, err := root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := root.Mkdir(tmpDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
}

// isAt tells whether the file still has that name.
func isAt(root *os.Root, name string, file *os.File) bool {
	current, err := root.Stat(name)
	if err != nil {
		return false
	}
	info, err := file.Stat()
	return err == nil && os.SameFile(current, info)
}
