package activities

import (
	"context"
	"errors"
	"io"
)

// writeBehind writes to a writer in a goroutine of its own, so that rows are built while those before are hashed and
// written. It holds five blocks at the most: one that is filled, three that wait, one that is written. Write gives the
// first error of the writer, or the next call of Write or Close does. It has to be closed, which ends the goroutine.
type writeBehind struct {
	block    []byte
	waiting  chan []byte
	spare    chan []byte
	failed   chan struct{} // closed once err is set
	err      error
	panicked any // what the writer panicked with, which Close raises again
	ended    chan struct{}
	isClosed bool
}

// behindBlock is how many bytes are handed over at a time.
const behindBlock = 256 << 10

func newWriteBehind(ctx context.Context, w io.Writer) *writeBehind {
	b := &writeBehind{
		waiting: make(chan []byte, 3), spare: make(chan []byte, 5), failed: make(chan struct{}), ended: make(chan struct{}),
	}
	go func() {
		defer close(b.ended)
		for block := range b.waiting {
			if b.err != nil {
				continue // there is nothing left to write for
			}
			b.panicked = guard(ctx, func() { _, b.err = w.Write(block) })
			if b.panicked != nil {
				b.err = errPanicked
			}
			if b.err != nil {
				close(b.failed)
			}
			b.spare <- block[:0]
		}
	}()
	return b
}

var errPanicked = errors.New("writing panicked")

func (b *writeBehind) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n := min(len(p), behindBlock-len(b.block))
		b.block = append(b.block, p[:n]...)
		p, written = p[n:], written+n
		if len(b.block) < behindBlock {
			break
		}
		if err := b.handOver(); err != nil {
			return written, err
		}
	}
	return written, nil
}

// handOver gives the block to the goroutine.
func (b *writeBehind) handOver() error {
	select {
	case <-b.failed:
		return b.err
	default:
	}
	b.waiting <- b.block
	select {
	case b.block = <-b.spare:
	default:
		b.block = nil
	}
	return nil
}

// Close writes what is left, unless there was an error, and waits for all to be written. It may be called again.
func (b *writeBehind) Close() error {
	if !b.isClosed {
		b.isClosed = true
		if len(b.block) > 0 {
			_ = b.handOver() // the error is given below
		}
		close(b.waiting)
	}
	<-b.ended
	if value := b.panicked; value != nil {
		b.panicked = nil
		panic(value)
	}
	return b.err
}
