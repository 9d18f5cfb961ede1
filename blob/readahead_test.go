package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

// awayFor is a source that gives what it holds and then waits until its context ends.
type awayFor struct {
	ctx      context.Context
	rest     []byte
	isClosed bool
}

func (a *awayFor) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		<-a.ctx.Done()
		return 0, a.ctx.Err()
	}
	n := copy(p[:min(len(p), 10_000)], a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *awayFor) Close() error {
	a.isClosed = true
	return nil
}

const allAhead = aheadBuffers * aheadBufferBytes

func TestAnObjectIsReadAheadUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		content := randomBytes(3 << 20)
		source := &awayFor{ctx: ctx, rest: content}
		reader := readAhead(ctx, cancel, source)
		synctest.Wait()
		if got := len(content) - len(source.rest); got != allAhead {
			t.Errorf("%d bytes were read before anybody asked, want %d", got, allAhead)
		}
		head := make([]byte, aheadBufferBytes)
		if _, err := io.ReadFull(reader, head); err != nil || !bytes.Equal(head, content[:len(head)]) {
			t.Errorf("reading gave %v, or other bytes", err)
		}
		synctest.Wait()
		if got := len(content) - len(source.rest); got != allAhead+len(head) {
			t.Errorf("%d bytes were read ahead of %d", got-len(head), len(head))
		}
		if err := reader.Close(); err != nil || !source.isClosed {
			t.Errorf("closing gave %v, the source is closed: %v", err, source.isClosed)
		}
	})
}

// TestClosingEndsTheReadingAhead: synctest ends with a failure where a goroutine is left.
func TestClosingEndsTheReadingAhead(t *testing.T) {
	for name, content := range map[string][]byte{"that waits for its reader": randomBytes(2 << 20), "that waits for its source": randomBytes(1000)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				source := &awayFor{ctx: ctx, rest: content}
				reader := readAhead(ctx, cancel, source)
				synctest.Wait()
				for range 2 {
					if err := reader.Close(); err != nil || !source.isClosed {
						t.Errorf("closing gave %v, the source is closed: %v", err, source.isClosed)
					}
				}
				if n, err := reader.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
					t.Errorf("reading on gave %d bytes and %v", n, err)
				}
			})
		})
	}
}

func TestAnEndedContextEndsTheReadingOfWhatWasReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		reader := readAhead(ctx, cancel, &awayFor{ctx: ctx, rest: randomBytes(2 << 20)})
		defer reader.Close()
		synctest.Wait()
		cancel()
		if _, err := io.Copy(io.Discard, reader); !errors.Is(err, context.Canceled) {
			t.Errorf("reading on gave %v", err)
		}
	})
}

// failing gives what it holds and then an error.
type failing struct {
	io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func (failing) Close() error { return nil }

func TestTheSourcesErrorComesThroughBehindItsBytes(t *testing.T) {
	content := randomBytes(600_000)
	for _, want := range []error{wrap("read", "a.json", ErrChanged), io.ErrUnexpectedEOF} {
		ctx, cancel := context.WithCancel(t.Context())
		reader := readAhead(ctx, cancel, failing{bytes.NewReader(content), want})
		got, err := io.ReadAll(reader)
		if !bytes.Equal(got, content) || err != want { // the same error
			t.Errorf("%d bytes of %d and %v, want %v", len(got), len(content), err, want)
		}
		if _, err := reader.Read(make([]byte, 1)); err != want {
			t.Errorf("reading on gave %v, want %v", err, want)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
}
