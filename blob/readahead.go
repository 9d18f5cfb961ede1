package blob

import (
	"context"
	"io"
	"sync"

	"github.com/klauspost/readahead"
)

// What is read ahead of an object: 1 MiB, which takes about as long to scan as a round trip to the store takes. A worker has
// at most two objects open for each core that scans.
const (
	aheadBuffers     = 4
	aheadBufferBytes = 256 << 10
)

// aheadReader reads an object ahead of its reader.
type aheadReader struct {
	ctx     context.Context
	cancel  context.CancelFunc // ends the requests of the source
	source  io.ReadCloser
	buffers *[][]byte
	close   sync.Once
}

// aheadPool keeps buffers from object to object, for many objects are smaller than they are.
var aheadPool = sync.Pool{New: func() any {
	buffers := make([][]byte, aheadBuffers)
	for i := range buffers {
		buffers[i] = make([]byte, aheadBufferBytes)
	}
	return &buffers
}}

// readAhead begins to read the source, whose reads end with an error once ctx does. Closing ends ctx, and returns when
// nothing reads the source any more.
func readAhead(ctx context.Context, cancel context.CancelFunc, source io.ReadCloser) io.ReadCloser {
	buffers := aheadPool.Get().(*[][]byte)
	ahead, err := readahead.NewReadCloserBuffer(source, *buffers)
	if err != nil {
		panic(err) // it refuses no source, and only buffers of different sizes
	}
	return &aheadReader{ctx: ctx, cancel: cancel, source: ahead, buffers: buffers}
}

func (r *aheadReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.source.Read(p)
}

func (r *aheadReader) Close() (err error) {
	r.close.Do(func() {
		r.cancel() // or else the source would be waited for
		err = r.source.Close()
		aheadPool.Put(r.buffers)
	})
	return err
}
