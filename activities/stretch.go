package activities

import (
	"context"
	"errors"
	"io"
	"sync"

	"data-exhaust/blob"
)

// A part is read in stretches: the objects between two places at which another attempt can go on. The activity's own
// goroutine takes one object of a stretch after the other, and so do helpers on cores that are idle, while the objects that
// follow are being opened, which is a round trip to a remote store.
//
// The invariant: what comes of a stretch depends on its objects alone, not on who read which. Objects are taken in their
// order; of those that fail, the first decides, once all before it are read; and what was read is counted in their order
// when nothing runs any more.

const (
	// resumeBytes is how much telemetry is read, at the most, between two places to resume at.
	resumeBytes = 64 << 20
	// stretchObjects bounds what a stretch of small objects keeps of each.
	stretchObjects = 4096
)

// stretch is read once.
type stretch struct {
	fetch   *fetch
	first   int // the place of its first object in the part
	objects []*stretchObject
	bytes   int64 // of the objects as listed

	ctx     context.Context
	running sync.WaitGroup // helpers, and what opens objects

	mu sync.Mutex
	// next is the object that is scanned next, opening the one that is opened next.
	next, opening int
	// firstFailed is the first object that failed, len(objects) where none did; verdict is that object's.
	firstFailed int
	verdict     verdict
	// spare are the collectors of helpers that have stopped.
	spare []*collector
	// panics are those of the stretch's goroutines.
	panics []any
}

// stretchObject is an object of a stretch.
type stretchObject struct {
	place   int // in the stretch
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

func (f *fetch) newStretch(first int) *stretch { return &stretch{fetch: f, first: first} }

func (s *stretch) add(listed blob.Object) {
	s.objects = append(s.objects, &stretchObject{place: len(s.objects), listed: listed, opened: make(chan struct{})})
	s.bytes += listed.Size
}

func (s *stretch) isFull() bool { return s.bytes >= resumeBytes || len(s.objects) >= stretchObjects }

// end is the place in the part behind the stretch.
func (s *stretch) end() int { return s.first + len(s.objects) }

// read reads the objects. It heals nothing: an error ends the attempt.
func (s *stretch) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ctx, s.firstFailed = ctx, len(s.objects)
	s.guard(func() {
		for o := s.take(); o != nil; o = s.take() {
			s.recruit()
			s.scan(s.fetch.own, o)
		}
	})
	s.running.Wait()
	for _, o := range s.objects[:s.opening] {
		o.close()
	}
	if len(s.panics) > 0 {
		panic(s.panics[0])
	}
	if s.firstFailed < len(s.objects) {
		return s.verdict(ctx)
	}
	for _, o := range s.objects {
		s.fetch.count(o.version, o.read)
	}
	for _, c := range s.spare {
		if err := s.fetch.own.takeOver(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// guard does what a goroutine of the stretch has to do. A panic ends the stretch.
func (s *stretch) guard(work func()) {
	value := guard(s.ctx, work)
	if value == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.panics = append(s.panics, value)
	s.firstFailed = 0
	s.cancelFrom(0)
}

// take gives the next object to scan; nil where there is none, or where one before it failed.
func (s *stretch) take() *stretchObject {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next >= s.firstFailed {
		return nil
	}
	taken := s.objects[s.next]
	s.next++
	// While each core scans an object, another one is opened for it.
	for ahead := s.next + 1 + int(s.fetch.helpers.Load()); s.opening < min(ahead, s.firstFailed); s.opening++ {
		o := s.objects[s.opening]
		o.ctx, o.cancel = context.WithCancel(s.ctx)
		s.running.Go(func() { s.guard(func() { s.open(o) }) })
	}
	return taken
}

// recruit sets the cores that are idle to work.
func (s *stretch) recruit() {
	for o := s.takeOnIdleCore(); o != nil; o = s.takeOnIdleCore() {
		s.running.Go(func() { s.guard(func() { s.help(o) }) })
	}
}

// takeOnIdleCore takes a core that is idle, and an object for it; nil, and no core, where there is none of either.
func (s *stretch) takeOnIdleCore() *stretchObject {
	if !s.fetch.cores.takeIdle() {
		return nil
	}
	s.fetch.helpers.Add(1)
	o := s.take()
	if o == nil {
		s.giveBackCore()
	}
	return o
}

func (s *stretch) giveBackCore() {
	s.fetch.helpers.Add(-1)
	s.fetch.cores.giveBack()
}

// help scans an object on a core that was idle, and goes on for as long as nobody else wants the core.
func (s *stretch) help(o *stretchObject) {
	var c *collector
	for next := o; next != nil; next = s.takeOnIdleCore() {
		o = next
		func() {
			defer s.giveBackCore()
			if c == nil {
				c = s.borrowCollector()
			}
			s.scan(c, o)
		}()
	}
	if s.hasMore() {
		// Whoever has the core now needs its share of memory.
		if err := c.shrink(s.ctx); err != nil {
			s.fail(o, endingWith(err))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = append(s.spare, c)
}

func (s *stretch) borrowCollector() *collector {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.spare) - 1
	if last < 0 {
		return newCollector(s.fetch)
	}
	c := s.spare[last]
	s.spare = s.spare[:last]
	return c
}

func (s *stretch) hasMore() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next < s.firstFailed
}

// open opens the version of an object that is to be read.
func (s *stretch) open(o *stretchObject) {
	defer close(o.opened)
	index := s.first + o.place
	if o.version, o.verdict = s.fetch.version(o.ctx, index, o.listed); o.verdict != nil {
		return
	}
	source, err := s.fetch.telemetry.OpenVersion(o.ctx, o.version)
	switch {
	case errors.Is(err, blob.ErrChanged), errors.Is(err, blob.ErrNotFound):
		o.verdict = func(ctx context.Context) error { return s.fetch.changed(ctx, index, o.version) }
	case err != nil:
		o.verdict = endingWith(cannotBeRead(o.version, err))
	default:
		o.source = source
	}
}

func (s *stretch) scan(c *collector, o *stretchObject) {
	<-o.opened
	defer o.close()
	if o.source != nil {
		o.read, o.verdict = c.scan(o.ctx, o.version, s.first+o.place, o.source)
	}
	if o.verdict != nil {
		s.fail(o, o.verdict)
	}
}

// fail ends the reading of all objects behind this one.
func (s *stretch) fail(o *stretchObject, v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.place < s.firstFailed {
		s.firstFailed, s.verdict = o.place, v
		s.cancelFrom(o.place + 1)
	}
}

func (s *stretch) cancelFrom(place int) {
	for ; place < s.opening; place++ {
		s.objects[place].cancel()
	}
}

func (o *stretchObject) close() {
	if o.source != nil {
		_ = o.source.Close()
		o.source = nil
	}
	o.cancel()
}
