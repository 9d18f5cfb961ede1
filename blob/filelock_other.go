//go:build !linux

package blob

import (
	"os"
	"sync"
)

// lockedBytes exclude the goroutines of this process only: but on Linux, where the service is run, no second process may
// write to a folder.
var lockedBytes sync.Map

type lockedByte struct {
	file   string
	offset int64
}

func tryLock(file *os.File, offset int64) (bool, error) {
	_, isHeld := lockedBytes.LoadOrStore(lockedByte{file.Name(), offset}, true)
	return !isHeld, nil
}

func unlockByte(file *os.File, offset int64) { lockedBytes.Delete(lockedByte{file.Name(), offset}) }
