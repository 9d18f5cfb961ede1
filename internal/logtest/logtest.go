// Package logtest keeps a log for the test that reads it, and knows nothing of what it says.
package logtest

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer is a log that any number of goroutines may write and read. The zero value is an empty one.
type Buffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

// String is all that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// About is the lines that hold a text.
func (b *Buffer) About(text string) string {
	var about strings.Builder
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, text) {
			about.WriteString(line)
		}
	}
	return about.String()
}
