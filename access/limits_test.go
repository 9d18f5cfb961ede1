package access

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestACallerMakesABurstAndThenAsManyRequestsAsTheRate(t *testing.T) {
	l := NewLimiter(2, 3)
	for i, c := range []struct {
		at   time.Duration
		key  string
		wait time.Duration
	}{
		{0, "a", 0},
		{0, "a", 0},
		{0, "a", 0},
		{0, "a", 500 * time.Millisecond},
		{0, "b", 0}, // another caller is not affected
		{100 * time.Millisecond, "a", 400 * time.Millisecond},
		{499 * time.Millisecond, "a", time.Millisecond},
		{500 * time.Millisecond, "a", 0}, // what was refused has taken nothing
		{500 * time.Millisecond, "a", 500 * time.Millisecond},
		{1250 * time.Millisecond, "a", 0},
		{1250 * time.Millisecond, "a", 250 * time.Millisecond},
		{time.Hour, "a", 0}, // the bucket holds a burst, however long it fills
		{time.Hour, "a", 0},
		{time.Hour, "a", 0},
		{time.Hour, "a", 500 * time.Millisecond},
	} {
		if wait := l.Allow(c.key, noon.Add(c.at)); wait != c.wait {
			t.Errorf("request %d, %s at %v: got %v, want %v", i, c.key, c.at, wait, c.wait)
		}
	}
}

func TestACallerThatHammersIsAcceptedAtTheRate(t *testing.T) {
	l := NewLimiter(1, 5)
	accepted := 0
	for at := time.Duration(0); at < 10*time.Second; at += time.Millisecond {
		if l.Allow("a", noon.Add(at)) == 0 {
			accepted++
		}
	}
	if accepted != 5+9 {
		t.Errorf("got %d: a burst and one a second are 14", accepted)
	}
}

func TestWhoWaitsAsLongAsToldIsAccepted(t *testing.T) {
	for _, perSecond := range []float64{0.001, 0.01, 1. / 60, 0.3, 1. / 3, 1, 7, 100. / 3, 999} {
		for _, burst := range []int{1, 7, 1000} {
			l, now := NewLimiter(perSecond, burst), noon
			for range burst + 100 {
				wait := l.Allow("a", now)
				if wait == 0 {
					continue
				}
				if now = now.Add(wait); l.Allow("a", now) != 0 {
					t.Fatalf("%g a second, %d at once: refused after the %v that it asked for", perSecond, burst, wait)
				}
			}
		}
	}
}

func TestWithoutARateEveryRequestIsAllowed(t *testing.T) {
	for name, l := range map[string]*Limiter{"nil": nil, "0": NewLimiter(0, 0), "0 with a burst": NewLimiter(0, 1)} {
		for range 100 {
			if wait := l.Allow("a", noon); wait != 0 {
				t.Fatalf("%s: got %v", name, wait)
			}
		}
	}
}

func TestABurstIsOneRequestAtLeast(t *testing.T) {
	l := NewLimiter(1, 0)
	if first, second := l.Allow("a", noon), l.Allow("a", noon); first != 0 || second != time.Second {
		t.Errorf("got %v, %v", first, second)
	}
}

// TestNoTimeFillsABucketTwice: callers ask for the time before they wait for the lock, so it comes out of order.
func TestNoTimeFillsABucketTwice(t *testing.T) {
	l := NewLimiter(1, 2)
	accepted := 0
	for range 100 {
		for _, at := range []time.Time{noon.Add(time.Second), noon} {
			if l.Allow("a", at) == 0 {
				accepted++
			}
		}
	}
	if accepted != 2 {
		t.Errorf("got %d, want the burst of 2", accepted)
	}
}

func TestFullBucketsAreForgotten(t *testing.T) {
	l := NewLimiter(10, 20)
	// 10,000 strangers a second for ten seconds, each once: a bucket is full again after 100 ms, so 1,000 are not.
	for i := range 100_000 {
		if wait := l.Allow(strconv.Itoa(i), noon.Add(time.Duration(i)*100*time.Microsecond)); wait != 0 {
			t.Fatalf("request %d: got %v", i, wait)
		}
		if n := len(l.buckets); n > 2_010 {
			t.Fatalf("after request %d there are %d buckets", i, n)
		}
	}
	for i := range 2 * minSweep {
		l.Allow(fmt.Sprint("later", i), noon.Add(time.Hour))
	}
	if n := len(l.buckets); n != 2*minSweep {
		t.Errorf("an hour later there are %d buckets, want those of %d new keys", n, 2*minSweep)
	}
}

func TestABucketThatIsNotFullIsNotForgotten(t *testing.T) {
	l := NewLimiter(1, 2)
	l.Allow("a", noon)
	l.Allow("a", noon)
	for i := range 5 * minSweep {
		l.Allow(strconv.Itoa(i), noon.Add(time.Duration(i)*time.Microsecond))
	}
	if wait := l.Allow("a", noon.Add(500*time.Millisecond)); wait != 500*time.Millisecond {
		t.Errorf("got %v", wait)
	}
}

func TestAnAttackerFromManyAddressesTakesNoMoreThanTheCap(t *testing.T) {
	l := NewLimiter(0.1, 2)
	l.Allow("known", noon)
	for i := range 2 * maxBuckets {
		l.Allow(strconv.Itoa(i), noon)
	}
	if n := len(l.buckets); n != maxBuckets {
		t.Fatalf("got %d buckets, want %d", n, maxBuckets)
	}
	// All who have no bucket share one, which these have emptied.
	if wait := l.Allow("unknown", noon); wait != 10*time.Second {
		t.Errorf("unknown: got %v", wait)
	}
	if first, second := l.Allow("known", noon), l.Allow("known", noon); first != 0 || second != 10*time.Second {
		t.Errorf("known: got %v, %v", first, second)
	}
	if first, second := l.Allow("0", noon), l.Allow("0", noon); first != 0 || second != 10*time.Second {
		t.Errorf("one of the attacker's: got %v, %v", first, second)
	}
	// Ten seconds fill each bucket from which one token was taken.
	later := noon.Add(10 * time.Second)
	if first, second := l.Allow("unknown", later), l.Allow("unknown", later); first != 0 || second != 0 {
		t.Errorf("unknown, with a bucket of its own: got %v, %v", first, second)
	}
	if n := len(l.buckets); n != 3 {
		t.Errorf("got %d buckets, want those of known, 0 and unknown", n)
	}
}

// TestSweepsThatFreeNothingAreRare: at the cap, each unknown key would look at all buckets.
func TestSweepsThatFreeNothingAreRare(t *testing.T) {
	l := NewLimiter(2, 1)
	for i := range maxBuckets + 1 {
		l.Allow(strconv.Itoa(i), noon)
	}
	for _, c := range []struct {
		after   time.Duration
		buckets int
	}{
		{999 * time.Millisecond, maxBuckets}, // they are full, and nobody looks
		{time.Second, 1},
	} {
		l.Allow("unknown", noon.Add(c.after))
		if n := len(l.buckets); n != c.buckets {
			t.Errorf("after %v: got %d buckets, want %d", c.after, n, c.buckets)
		}
	}
}

func TestALimiterKeepsNoKey(t *testing.T) {
	l := NewLimiter(1, 1)
	long := strings.Repeat("x", 1<<20)
	if first, second := l.Allow(long+"1", noon), l.Allow(long+"2", noon); first != 0 || second != 0 {
		t.Errorf("got %v, %v", first, second)
	}
	if wait := l.Allow(long+"1", noon); wait != time.Second {
		t.Errorf("got %v", wait)
	}
}

func TestConcurrentRequestsOfACallerShareItsBucket(t *testing.T) {
	l := NewLimiter(1, 50)
	var accepted [4]atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for j := range 100 {
				if l.Allow(fmt.Sprint(j%len(accepted)), noon.Add(time.Duration(i)*time.Millisecond)) == 0 {
					accepted[j%len(accepted)].Add(1)
				}
			}
		})
	}
	all.Wait()
	for i := range accepted {
		if n := accepted[i].Load(); n != 50 {
			t.Errorf("caller %d: %d were accepted, want 50", i, n)
		}
	}
}

func BenchmarkAllowOfKnownKeys(b *testing.B) {
	l := NewLimiter(10, 20)
	for b.Loop() {
		l.Allow("a", time.Now())
	}
}

// BenchmarkAllowAtTheCap is an attack with ever new keys.
func BenchmarkAllowAtTheCap(b *testing.B) {
	l := NewLimiter(0.001, 20)
	for i := 0; b.Loop(); i++ {
		l.Allow(strconv.Itoa(i), time.Now())
	}
}

func TestWaitIsWhatAllowWouldReturn(t *testing.T) {
	now := time.Now()
	l := NewLimiter(1, 2)
	if wait := l.Wait("a", now); wait != 0 {
		t.Errorf("before anything: %s", wait)
	}
	for range 2 {
		l.Allow("a", now)
	}
	for _, after := range []time.Duration{0, 0, 300 * time.Millisecond, time.Second} {
		if wait, want := l.Wait("a", now.Add(after)), max(0, time.Second-after); wait != want {
			t.Errorf("after %s: %s, want %s", after, wait, want)
		}
	}
	if wait := l.Allow("a", now.Add(time.Second)); wait != 0 {
		t.Errorf("asking has taken something: %s", wait)
	}
	if wait := (*Limiter)(nil).Wait("a", now); wait != 0 {
		t.Errorf("without a limit: %s", wait)
	}
}
