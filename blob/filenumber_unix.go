//go:build unix

package blob

import (
	"io/fs"
	"syscall"
)

// fileNumber is the file's inode.
func fileNumber(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}
