// Package heaptest tells tests and benchmarks how much memory something takes, and knows nothing of what that is.
package heaptest

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// interval is between two looks at the heap.
const interval = 5 * time.Millisecond

// Watch collects the garbage and watches the heap, later garbage included, until stop: most is the heap at its largest, in
// bytes, growth by how much that is larger than it was in the beginning.
func Watch() (stop func() (most, growth int64)) {
	debug.FreeOSMemory()
	before := size()
	var (
		watcher sync.WaitGroup
		ended   = make(chan struct{})
		largest = before
	)
	watcher.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				largest = max(largest, size())
			}
		}
	})
	return func() (most, growth int64) {
		close(ended)
		watcher.Wait()
		largest = max(largest, size())
		return largest, largest - before
	}
}

func size() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
