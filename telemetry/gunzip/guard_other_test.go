//go:build !unix

package gunzip

import "testing"

// guarded is memory, and what stands before it.
func guarded(_ testing.TB, size int) (memory, front []byte) {
	allocated := make([]byte, 4<<10+size)
	return allocated[4<<10:], allocated[:4<<10]
}
