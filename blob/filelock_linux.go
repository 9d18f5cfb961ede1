package blob

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// ofdSetLock is F_OFD_SETLK of fcntl(2): a lock that belongs to the open file, so that two in one process exclude each
// other too. The kernel releases it when the process ends, however it ends.
const ofdSetLock = 37

// tryLock locks one byte of the file, unless another opening of the file has it locked.
func tryLock(file *os.File, offset int64) (bool, error) {
	err := setLock(file, syscall.F_WRLCK, offset)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// unlockByte does not leave it to Close: a child process that is just being started has the file open a moment longer.
func unlockByte(file *os.File, offset int64) { _ = setLock(file, syscall.F_UNLCK, offset) }

func setLock(file *os.File, kind int16, offset int64) error {
	return syscall.FcntlFlock(file.Fd(), ofdSetLock, &syscall.Flock_t{Type: kind, Whence: io.SeekStart, Start: offset, Len: 1})
}
