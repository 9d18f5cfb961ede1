package activities

import (
	"context"
	"errors"
	"io"
	"sync"

	"data-exhaust/blob"
)

// A part is read in batches: the objects between two places at which another attempt can go on. The activity's own
// goroutine takes one object of a batch after the other, and so do helpers on cores that are idle, while the objects that
// follow are being opened, which is a round trip to a remote store.
//
// The invariant: what comes of a batch depends on its objects alone, not on who read which. Objects are taken in their
// order; of those that fail, the first decides, once all before it are read; and what was read is counted in their order
// when nothing runs any more.

const (
	// resumeBytes is how much telemetry is read, at the most, between two places to resume at.
	resumeBytes = 64 << 20
	// batchObjects bounds what a batch of small objects keeps of each.
	batchObjects = 4096
)

// batch is read once.
type batch struct {
	fetch   *fetch
	first   int // the place of its first object in the part
	objects []*batchObject
	bytes   int64 // of the objects as listed

	ctx     context.Context
	running sync.WaitGroup // helpers, and what opens objects

	mu sync.Mutex
	// next is the object that is scanned next, opening the one that is opened next.
	next, opening int
	// failed is the first object that failed, len(objects) where none did; verdict is that object's.
	failed  int
	verdict verdict
	// spare are the collectors of helpers that have stopped.
	spare []*collector
	// panics are those of the batch's goroutines.
	panics []any
}

// batchObject is an object of a batch.
type batchObject struct {
	place   int // in the batch
	listed  blob.Object
	version blob.Object // the one that is read
	ctx     context.Context
	cancel  context.CancelFunc
	// opened is closed once source or verdict is there.
	opened  chan struct{}
	source  io.ReadCloser
	verdict verdict
	read    objectRead
}

func (f *fetch) newBatch(first int) *batch { return &batch{fetch: f, first: first} }

func (b *batch) add(listed blob.Object) {
	b.objects = append(b.objects, &batchObject{place: len(b.objects), listed: listed, opened: make(chan struct{})})
	b.bytes += listed.Size
}

func (b *batch) isFull() bool { return b.bytes >= resumeBytes || len(b.objects) >= batchObjects }

// end is the place in the part behind the batch.
func (b *batch) end() int { return b.first + len(b.objects) }

// read reads the objects. It heals nothing: an error ends the attempt.
func (b *batch) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.ctx, b.failed = ctx, len(b.objects)
	b.guard(func() {
		for o := b.take(); o != nil; o = b.take() {
			b.recruit()
			b.scan(b.fetch.own, o)
		}
	})
	b.running.Wait()
	for _, o := range b.objects[:b.opening] {
		o.close()
	}
	if len(b.panics) > 0 {
		panic(b.panics[0])
	}
	if b.failed < len(b.objects) {
		return b.verdict(ctx)
	}
	for _, o := range b.objects {
		b.fetch.count(o.version, o.read)
	}
	for _, c := range b.spare {
		if err := b.fetch.own.takeOver(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// guard does what a goroutine of the batch has to do. A panic ends the batch.
func (b *batch) guard(work func()) {
	value := guard(b.ctx, work)
	if value == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.panics = append(b.panics, value)
	b.failed = 0
	b.cancelFrom(0)
}

// take gives the next object to scan; nil where there is none, or where one before it failed.
func (b *batch) take() *batchObject {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next >= b.failed {
		return nil
	}
	taken := b.objects[b.next]
	b.next++
	// While each core scans an object, another one is opened for it.
	for ahead := b.next + 1 + int(b.fetch.helpers.Load()); b.opening < min(ahead, b.failed); b.opening++ {
		o := b.objects[b.opening]
		o.ctx, o.cancel = context.WithCancel(b.ctx)
		b.running.Go(func() { b.guard(func() { b.open(o) }) })
	}
	return taken
}

// recruit sets the cores that are idle to work.
func (b *batch) recruit() {
	for o := b.takeOnIdleCore(); o != nil; o = b.takeOnIdleCore() {
		b.running.Go(func() { b.guard(func() { b.help(o) }) })
	}
}

// takeOnIdleCore takes a core that is idle, and an object for it; nil, and no core, where there is none of either.
func (b *batch) takeOnIdleCore() *batchObject {
	if !b.fetch.cores.takeIdle() {
		return nil
	}
	b.fetch.helpers.Add(1)
	o := b.take()
	if o == nil {
		b.giveBackCore()
	}
	return o
}

func (b *batch) giveBackCore() {
	b.fetch.helpers.Add(-1)
	b.fetch.cores.giveBack()
}

// help scans an object on a core that was idle, and goes on for as long as nobody else wants the core.
func (b *batch) help(o *batchObject) {
	var c *collector
	for next := o; next != nil; next = b.takeOnIdleCore() {
		o = next
		func() {
			defer b.giveBackCore()
			if c == nil {
				c = b.borrowCollector()
			}
			b.scan(c, o)
		}()
	}
	if b.hasMore() {
		// Whoever has the core now needs its share of memory.
		if err := c.shrink(b.ctx); err != nil {
			b.fail(o, failed(err))
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spare = append(b.spare, c)
}

func (b *batch) borrowCollector() *collector {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(b.spare) - 1
	if last < 0 {
		return newCollector(b.fetch)
	}
	c := b.spare[last]
	b.spare = b.spare[:last]
	return c
}

func (b *batch) hasMore() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next < b.failed
}

// open opens the version of an object that is to be read.
func (b *batch) open(o *batchObject) {
	defer close(o.opened)
	index := b.first + o.place
	if o.version, o.verdict = b.fetch.version(o.ctx, index, o.listed); o.verdict != nil {
		return
	}
	source, err := b.fetch.telemetry.OpenVersion(o.ctx, o.version)
	switch {
	case errors.Is(err, blob.ErrChanged), errors.Is(err, blob.ErrNotFound):
		o.verdict = func(ctx context.Context) error { return b.fetch.changed(ctx, index, o.version) }
	case err != nil:
		o.verdict = failed(cannotBeRead(o.version, err))
	default:
		o.source = source
	}
}

func (b *batch) scan(c *collector, o *batchObject) {
	<-o.opened
	defer o.close()
	if o.source != nil {
		o.read, o.verdict = c.scan(o.ctx, o.version, b.first+o.place, o.source)
	}
	if o.verdict != nil {
		b.fail(o, o.verdict)
	}
}

// fail ends the reading of all objects behind this one.
func (b *batch) fail(o *batchObject, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.place < b.failed {
		b.failed, b.verdict = o.place, v
		b.cancelFrom(o.place + 1)
	}
}

func (b *batch) cancelFrom(place int) {
	for ; place < b.opening; place++ {
		b.objects[place].cancel()
	}
}

func (o *batchObject) close() {
	if o.source != nil {
		_ = o.source.Close()
		o.source = nil
	}
	o.cancel()
}
