package activities

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"

	"data-exhaust/blob"
)

// scratchBytes is how much of what a small exhaust stages is kept in memory, for each attempt at MakeReport.
const scratchBytes = 8 << 20

// scratch is the reports store, but for what is staged: that stays in memory, for the attempt that stages it and reads it
// again, as long as there is room for it. What does not fit goes into the store.
type scratch struct {
	blob.Store
	staging string // begins the names of what is staged

	mu    sync.Mutex
	files map[string][]byte
	room  int
	// isUsed is set once something did not fit.
	isUsed bool
}

func newScratch(store blob.Store, staging string) *scratch {
	return &scratch{Store: store, staging: staging, files: map[string][]byte{}, room: scratchBytes}
}

func (s *scratch) Create(ctx context.Context, name, contentType string) (blob.Writer, error) {
	if !strings.HasPrefix(name, s.staging) {
		return s.Store.Create(ctx, name, contentType)
	}
	return &scratchWriter{scratch: s, name: name, spill: func() (blob.Writer, error) { return s.Store.Create(ctx, name, contentType) }}, nil
}

func (s *scratch) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	s.mu.Lock()
	content, ok := s.files[name]
	s.mu.Unlock()
	if !ok {
		return s.Store.Open(ctx, name)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// take takes room for so many bytes, if there is as much.
func (s *scratch) take(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.room {
		return false
	}
	s.room -= n
	return true
}

func (s *scratch) put(name string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = content
}

func (s *scratch) noteUse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isUsed = true
}

// isInMemory tells whether the store was not used for what was staged.
func (s *scratch) isInMemory() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.isUsed
}

// scratchWriter keeps what is written in memory until there is no room for more: then all of it goes into the store.
type scratchWriter struct {
	scratch *scratch
	name    string
	content []byte
	spill   func() (blob.Writer, error)
	// stored is the store's writer, once there was no room.
	stored blob.Writer
}

func (w *scratchWriter) Write(p []byte) (int, error) {
	if w.stored == nil && w.scratch.take(len(p)) {
		w.content = append(w.content, p...)
		return len(p), nil
	}
	if err := w.store(); err != nil {
		return 0, err
	}
	return w.stored.Write(p)
}

// store moves what was written so far into the store.
func (w *scratchWriter) store() (err error) {
	if w.stored != nil {
		return nil
	}
	w.scratch.noteUse()
	if w.stored, err = w.spill(); err != nil {
		return err
	}
	_, err = w.stored.Write(w.content)
	w.release()
	return err
}

func (w *scratchWriter) release() {
	w.scratch.take(-len(w.content))
	w.content = nil
}

func (w *scratchWriter) Commit() error {
	if w.stored != nil {
		return w.stored.Commit()
	}
	w.scratch.put(w.name, w.content)
	w.content = nil
	return nil
}

func (w *scratchWriter) CommitIf(previousETag string) (blob.Object, error) {
	if err := w.store(); err != nil {
		return blob.Object{}, err
	}
	return w.stored.CommitIf(previousETag)
}

func (w *scratchWriter) Abort() error {
	if w.stored != nil {
		return w.stored.Abort()
	}
	w.release()
	return nil
}
