package activities

import "sync"

// cores counts which of a worker process's cores its long steps keep at work.
//
// A step takes one for as long as it runs and never waits for it: that it may run is decided by the slots of its task
// queue, and several queues together have more of these than there are cores. What a step could do on more cores than its
// own it does on those that are idle, and gives each back soon, so that a step that begins has it to itself. What a step does
// beside its own work, such as to compress and to write, is not counted.
type cores struct {
	total int

	mu   sync.Mutex
	busy int
}

// take takes a core, or the share of one where all are busy.
func (c *cores) take() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
}

// takeIdle takes a core if one is idle.
func (c *cores) takeIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy >= c.total {
		return false
	}
	c.busy++
	return true
}

func (c *cores) giveBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
}
