package gunzip

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
)

// FuzzReader compares what a Reader makes of any bytes with what the standard library makes of them.
func FuzzReader(f *testing.F) {
	for _, zipped := range kinds() {
		f.Add(zipped)
		f.Add(append(zipped, make([]byte, 20)...))
		f.Add(append(zipped, tail()...))
		f.Add(zipped[:len(zipped)*2/3])
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		var a assembler
		a.randomBlocks(random, 1+random.IntN(200))
		f.Add(a.member())
	}
	c := newComparison(f)
	f.Fuzz(func(t *testing.T, zipped []byte) {
		c.compare(t, zipped)
		c.reader.Release()
	})
}

// FuzzDeflate gives the bytes that are fuzzed a header and, where they are a whole stream, the trailer that they need, so
// that what stands behind a checksum is reached, too. A Reader reads them in pieces and keeps some of each chunk.
func FuzzDeflate(f *testing.F) {
	for _, zipped := range kinds() {
		f.Add(zipped[10:], uint64(1))
	}
	random := rand.New(rand.NewPCG(2, 2))
	for range 30 {
		var a assembler
		a.randomBlocks(random, 1+random.IntN(200))
		f.Add(a.stream, random.Uint64())
	}
	c := newComparison(f)
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, seed))
		in := bytes.NewReader(stream)
		data, err := io.ReadAll(flate.NewReader(in))
		zipped := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, stream...)
		if err == nil {
			zipped = zipped[:len(zipped)-in.Len()]
			zipped = binary.LittleEndian.AppendUint32(zipped, crc32.ChecksumIEEE(data))
			zipped = binary.LittleEndian.AppendUint32(zipped, uint32(len(data)))
			zipped = bytes.Repeat(zipped, 1+random.IntN(3))
		}
		want, wantErr := c.compare(t, zipped)
		if wantErr != nil {
			return
		}
		source := bytes.NewReader(zipped)
		c.reader.Reset(readerFunc(func(p []byte) (int, error) { return source.Read(p[:min(len(p), random.IntN(1000))]) }))
		checkKept(t, c.reader, want, func(chunk []byte) int { return random.IntN(len(chunk) + 1) })
	})
}
