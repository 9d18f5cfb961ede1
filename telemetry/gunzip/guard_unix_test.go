//go:build unix

package gunzip

import (
	"syscall"
	"testing"
)

// guardSize is more than a match can reach back.
const guardSize = 64 << 10

// guarded is memory that ends where no page is accessible any more, nor is any before it, so that a load or store outside
// of it stops the test. It does not begin where a page does: front is what is accessible before it.
func guarded(t testing.TB, size int) (memory, front []byte) {
	t.Helper()
	pageSize := syscall.Getpagesize()
	inside := (size + pageSize - 1) / pageSize * pageSize
	mapped, err := syscall.Mmap(-1, 0, guardSize+inside+guardSize, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mapped); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{mapped[:guardSize], mapped[guardSize+inside:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	end := guardSize + inside
	return mapped[end-size : end : end], mapped[guardSize : end-size]
}
