package activities_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

// waitingStore lets no byte of a report be written before all staged events were read.
type waitingStore struct {
	blob.Store
	areRead chan struct{}
	once    sync.Once
}

func (s *waitingStore) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := s.Store.Open(ctx, name)
	if err == nil && strings.HasSuffix(name, ".events.3") {
		r = &toldReader{ReadCloser: r, atEnd: func() { s.once.Do(func() { close(s.areRead) }) }}
	}
	return r, err
}

func (s *waitingStore) Create(ctx context.Context, name, contentType string) (blob.Writer, error) {
	w, err := s.Store.Create(ctx, name, contentType)
	if err == nil && strings.HasSuffix(name, ".csv") {
		w = &waitingWriter{Writer: w, until: s.areRead}
	}
	return w, err
}

// toldReader tells when its reader is closed, which is behind the last record.
type toldReader struct {
	io.ReadCloser
	atEnd func()
}

func (r *toldReader) Close() error {
	r.atEnd()
	return r.ReadCloser.Close()
}

type waitingWriter struct {
	blob.Writer
	until chan struct{}
}

func (w *waitingWriter) Write(p []byte) (int, error) {
	select {
	case <-w.until:
		return w.Writer.Write(p)
	case <-time.After(20 * time.Second):
		return 0, errors.New("the rows behind those that are being written are not built")
	}
}

// The upload of a report overlaps with building it: all rows of this one, which is of more than one block, are built
// before the store takes the first byte.
func TestRowsAreBuiltWhileThoseBeforeAreUploaded(t *testing.T) {
	r := newRig(t)
	var lines []string
	for i := range 3500 {
		lines = append(lines, answer(fmt.Sprint("m", i), "2022-03-01T10:00:00Z", device(1)))
	}
	r.put("2022-03-01-a.json", lines...)
	r.deps.Reports = &waitingStore{Store: r.deps.Reports, areRead: make(chan struct{})}
	r.Activities = activities.New(r.deps, r.settings)
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, r.fetch("2022-03-01", "2022-03-01"))
	if size := len(r.report(built.Report)); built.RowsWritten != 3500 || size < 512<<10 {
		t.Errorf("%d rows in %d bytes, want 3500 in more than one block", built.RowsWritten, size)
	}
}
