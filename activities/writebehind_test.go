package activities

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
)

// gatedWriter waits before each write until it is let through.
type gatedWriter struct {
	bytes.Buffer
	gate   chan struct{}
	writes int
	fail   error // of every write, where it is set
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	<-w.gate
	w.writes++
	if w.fail != nil {
		return 0, w.fail
	}
	return w.Buffer.Write(p)
}

func TestWhatIsWrittenBehindIsWhatWasWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, total := range []int{0, 1, behindBlock - 1, behindBlock, behindBlock + 1, 5*behindBlock + 17} {
		content := make([]byte, total)
		for i := range content {
			content[i] = byte(random.UintN(256))
		}
		var got bytes.Buffer
		w := newWriteBehind(t.Context(), &got)
		for rest := content; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(2*behindBlock))
			if written, err := w.Write(rest[:n]); err != nil || written != n {
				t.Fatal(written, err)
			}
			rest = rest[n:]
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%d bytes are written of %d, or others", got.Len(), total)
		}
	}
}

// While a block is on its way four are handed over, itself among them, and no fifth: memory is bounded.
func TestRowsAreBuiltWhileABlockIsBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &gatedWriter{gate: make(chan struct{})}
		w := newWriteBehind(t.Context(), slow)
		filled := 0
		ended := make(chan error, 1)
		go func() {
			for range 7 {
				if _, err := w.Write(make([]byte, behindBlock)); err != nil {
					ended <- err
					return
				}
				filled++
			}
			ended <- w.Close()
		}()
		synctest.Wait()
		if filled != 4 || slow.writes != 0 {
			t.Errorf("%d blocks are handed over while the first is being written, want 4", filled)
		}
		close(slow.gate)
		if err := <-ended; err != nil || slow.Len() != 7*behindBlock {
			t.Errorf("%v, %d bytes are written", err, slow.Len())
		}
	})
}

func TestAnErrorOfWritingBehindReachesWhoWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left")
		broken := &gatedWriter{gate: make(chan struct{}), fail: full}
		close(broken.gate)
		w := newWriteBehind(t.Context(), broken)
		if _, err := w.Write(make([]byte, behindBlock)); err != nil {
			t.Fatalf("the block that is to fail: %v", err)
		}
		synctest.Wait()
		if _, err := w.Write(make([]byte, behindBlock)); err != full {
			t.Errorf("the next block: %v, want %v", err, full)
		}
		for range 2 {
			if err := w.Close(); err != full {
				t.Errorf("Close: %v, want %v", err, full)
			}
		}
		if broken.writes != 1 {
			t.Errorf("%d writes, want none after the one that failed", broken.writes)
		}

		last := newWriteBehind(t.Context(), broken)
		if _, err := last.Write([]byte("less than a block")); err != nil {
			t.Fatal(err)
		}
		if err := last.Close(); err != full {
			t.Errorf("Close of what is left: %v, want %v", err, full)
		}
	})
}

type panickingWriter struct{}

func (panickingWriter) Write([]byte) (int, error) { panic("made up") }

func TestAPanicOfTheWriterIsRaisedWhereTheRowsAreBuilt(t *testing.T) {
	w := newWriteBehind(t.Context(), panickingWriter{})
	block := make([]byte, behindBlock)
	for range 8 {
		if _, err := w.Write(block); err != nil {
			break // as soon as it is known
		}
	}
	defer func() {
		if got := recover(); got != "made up" {
			t.Errorf("recovered %v", got)
		}
		if err := w.Close(); err != errPanicked {
			t.Errorf("closed again: %v", err)
		}
	}()
	_ = w.Close()
}
