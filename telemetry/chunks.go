package telemetry

import (
	"io"

	"data-exhaust/telemetry/gunzip"
)

// chunks gives a text piece by piece, in buffers of its own: what a line needs of it is never copied.
type chunks interface {
	// Next gives the last keep bytes of the previous chunk and at least one byte that follows them. In place of more
	// bytes it gives an error, io.EOF at the end, with the kept bytes alone. A chunk is valid until the next call. So are
	// chunkPadding bytes behind it, which the caller may write; what it writes into the chunk itself it puts back by then.
	Next(keep int) ([]byte, error)
}

const (
	chunkSize    = 256 << 10
	chunkPadding = gunzip.Padding
)

// readerChunks are the chunks of what a reader gives.
type readerChunks struct {
	r   io.Reader
	buf []byte
	end int // buf[:end] is read
	err error
}

func (c *readerChunks) reset(r io.Reader) { *c = readerChunks{r: r, buf: c.buf} }

// release drops the reader, and the buffer if a long line made it larger.
func (c *readerChunks) release() {
	c.reset(nil)
	if len(c.buf) > chunkSize+chunkPadding {
		c.buf = nil
	}
}

func (c *readerChunks) Next(keep int) ([]byte, error) {
	c.makeRoom(keep)
	start, limit := c.end, len(c.buf)-chunkPadding
	for c.err == nil && c.end < limit {
		n, err := c.r.Read(c.buf[c.end:limit])
		c.end += n
		c.err = err
	}
	chunk := c.buf[start-keep : c.end : c.end+chunkPadding]
	if c.end == start {
		return chunk, c.err
	}
	return chunk, nil
}

// makeRoom moves what is kept to the front of the buffer. It enlarges that by a quarter of what is kept, so that a long
// line is moved a few times only.
func (c *readerChunks) makeRoom(keep int) {
	kept := c.buf[c.end-keep : c.end]
	if len(c.buf) < keep+max(chunkSize/2, keep/8)+chunkPadding {
		c.buf = make([]byte, max(chunkSize, keep+keep/4)+chunkPadding)
	}
	c.end = copy(c.buf, kept)
}
