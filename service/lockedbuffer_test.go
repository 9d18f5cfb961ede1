package service_test

import (
	"bytes"
	"strings"
	"sync"
)

// lockedBuffer is a buffer that many may write.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// about is the lines that hold a text.
func (b *lockedBuffer) about(text string) string {
	var about strings.Builder
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, text) {
			about.WriteString(line)
		}
	}
	return about.String()
}
