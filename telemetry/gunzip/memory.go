package gunzip

import (
	"encoding/binary"
	"unsafe"
)

// load64 is the word at b[at:], which reaches at least 8 bytes further.
func load64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// memory is the beginning of a slice, from which the fast loop loads and stores without checks. Each function says what
// the loop has to see to.
type memory struct{ p unsafe.Pointer }

func memoryOf(b []byte) memory { return memory{unsafe.Pointer(unsafe.SliceData(b))} }

// load64 needs 8 bytes at i.
func (m memory) load64(i int) uint64 {
	b := (*[8]byte)(unsafe.Add(m.p, i))
	return binary.LittleEndian.Uint64(b[:])
}

// store16 needs 2 bytes at i.
func (m memory) store16(i int, two uint16) {
	b := (*[2]byte)(unsafe.Add(m.p, i))
	binary.LittleEndian.PutUint16(b[:], two)
}

// copy8 needs 8 bytes at to and at from.
func (m memory) copy8(to, from int) {
	*(*[8]byte)(unsafe.Add(m.p, to)) = *(*[8]byte)(unsafe.Add(m.p, from))
}

// copy64 needs 64 bytes at to and at from, which is at least 16 before to. It copies forward by 16 bytes, so that what it
// has written repeats.
func (m memory) copy64(to, from int) {
	t, f := (*[4][16]byte)(unsafe.Add(m.p, to)), (*[4][16]byte)(unsafe.Add(m.p, from))
	t[0] = f[0]
	t[1] = f[1]
	t[2] = f[2]
	t[3] = f[3]
}
