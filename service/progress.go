package service

import (
	"sync"

	"data-exhaust/exhaust"
)

// highWater keeps the most progress that was read of each exhaust in flight. For a moment after an
// activity has ended neither its heartbeat nor the workflow's memo says what it did; progress
// never goes backwards all the same.
type highWater struct {
	mu    sync.Mutex
	marks map[string]mark
}

type mark struct {
	run      string
	progress exhaust.Progress
}

// maxMarks bounds the memory: past it the marks start anew.
const maxMarks = 10_000

func (h *highWater) raise(requestID, run string, p *exhaust.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.marks == nil || len(h.marks) >= maxMarks {
		h.marks = map[string]mark{}
	}
	if m, ok := h.marks[requestID]; ok && m.run == run {
		p.Raise(m.progress)
	}
	h.marks[requestID] = mark{run: run, progress: *p}
}

// forget drops the mark of an exhaust that has ended.
func (h *highWater) forget(requestID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.marks, requestID)
}
