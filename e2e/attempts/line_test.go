package attempts

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"data-exhaust/internal/e2etest"
)

// line is a way to a server that can be cut: then nothing passes, neither bytes nor the end of a connection, until it is
// mended, and then everything does that was sent meanwhile.
type line struct {
	listener net.Listener
	server   string
	// gate is read-locked by whoever lets something pass, and locked while the line is cut.
	gate  sync.RWMutex
	isCut bool
}

func newLine(t *testing.T, server string) *line {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	e2etest.Must(t, err)
	l := &line{listener: listener, server: server}
	ctx, cancel := context.WithCancel(context.Background())
	go l.accept(ctx)
	t.Cleanup(func() {
		l.mend()
		cancel()
		_ = listener.Close()
	})
	return l
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) cut() {
	l.gate.Lock()
	l.isCut = true
}

func (l *line) mend() {
	if l.isCut {
		l.isCut = false
		l.gate.Unlock()
	}
}

// accept leads connections to the server until the listener is closed.
func (l *line) accept(ctx context.Context) {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.connect(ctx, near)
	}
}

func (l *line) connect(ctx context.Context, near net.Conn) {
	l.gate.RLock()
	far, err := new(net.Dialer).DialContext(ctx, "tcp", l.server)
	l.gate.RUnlock()
	if err != nil {
		near.Close()
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() { l.pass(far, near) })
	ways.Go(func() { l.pass(near, far) })
	defer context.AfterFunc(ctx, func() {
		near.Close()
		far.Close()
	})()
	ways.Wait()
}

// pass copies until one end is closed, and then closes the other.
func (l *line) pass(to io.WriteCloser, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		l.gate.RLock()
		if n > 0 {
			if _, writeErr := to.Write(buffer[:n]); err == nil {
				err = writeErr
			}
		}
		if err != nil {
			to.Close()
		}
		l.gate.RUnlock()
		if err != nil {
			return
		}
	}
}
