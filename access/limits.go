package access

import (
	"hash/maphash"
	"math"
	"sync"
	"time"

	"data-exhaust/exhaust"

	"golang.org/x/time/rate"
)

// LimitError says that a request is refused because of how many there are: the same request is accepted later. Its text is a
// sentence for the client.
type LimitError struct {
	exhaust.Fault
	// RetryAfter is how long the client had best wait.
	RetryAfter time.Duration
}

// Limiter bounds how many requests a second a caller may make: a token bucket each. It is one process's, so several processes
// together let a caller make as many times more. A nil Limiter bounds nothing.
//
// Invariant: a key without a bucket is one whose bucket would be full, or there are maxBuckets others. So it forgets full buckets
// whenever it likes, and its memory is bounded whatever the keys are: it holds their hashes, not the keys.
type Limiter struct {
	perSecond float64
	burst     int
	seed      maphash.Seed

	mu      sync.Mutex
	buckets map[uint64]*rate.Limiter // by the hash of the key
	// others is the bucket of all keys that find no room for their own.
	others *rate.Limiter
	// latest is the latest time that a call named.
	latest time.Time
	// sweepAt is how many buckets there are when full ones are looked for; not before nextSweep.
	sweepAt   int
	nextSweep time.Time
}

const (
	// maxBuckets takes about 10 MB. To occupy one, a caller has to go on making perSecond requests a second: so many that fill
	// all of them keep the process busy anyhow.
	maxBuckets = 100_000
	// minSweep is how many buckets are too few to sweep.
	minSweep = 1000
	// sweepEvery bounds what sweeps take where they free little: about 20 ms of each second.
	sweepEvery = time.Second
)

// NewLimiter makes a limiter that lets each caller make burst requests (at least one) at once and perSecond requests a second in
// the long run; where perSecond is 0, as many as he likes.
func NewLimiter(perSecond float64, burst int) *Limiter {
	if perSecond <= 0 {
		return nil
	}
	l := &Limiter{
		perSecond: perSecond,
		burst:     max(burst, 1),
		seed:      maphash.MakeSeed(),
		buckets:   map[uint64]*rate.Limiter{},
		sweepAt:   minSweep,
	}
	l.others = l.newBucket()
	return l
}

func (l *Limiter) newBucket() *rate.Limiter { return rate.NewLimiter(rate.Limit(l.perSecond), l.burst) }

// Allow lets the caller with a key make a request now, and returns 0; or it refuses the request, and returns after how long the
// caller may ask again. What is refused takes nothing from the bucket: a caller that hammers is accepted as often as one that
// waits. now is time.Now(): an earlier time than another call's counts as that one, so that no time fills a bucket twice.
//
// A caller who can choose among many keys has many buckets. So the key of an IPv6 address had best be its /64, and those of
// strangers had best have another Limiter than those of callers with credentials.
func (l *Limiter) Allow(key string, now time.Time) (wait time.Duration) {
	return l.ask(key, now, func(bucket *rate.Limiter, now time.Time) bool { return bucket.AllowN(now, 1) })
}

// Wait is what Allow would return. It takes nothing.
func (l *Limiter) Wait(key string, now time.Time) (wait time.Duration) {
	return l.ask(key, now, func(bucket *rate.Limiter, now time.Time) bool { return bucket.TokensAt(now) >= 1 })
}

// ask is 0 where the bucket of a key allows, and else how long it is until it does.
func (l *Limiter) ask(key string, now time.Time, allows func(bucket *rate.Limiter, now time.Time) bool) (wait time.Duration) {
	if l == nil {
		return 0
	}
	hash := maphash.String(l.seed, key)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.latest) {
		now = l.latest
	}
	l.latest = now
	bucket := l.bucket(hash, now)
	if allows(bucket, now) {
		return 0
	}
	missing := 1 - bucket.TokensAt(now)
	// AllowN forgives less than a nanosecond. So this may round down, and a whole second stays one.
	return time.Duration(math.Round(missing / l.perSecond * float64(time.Second)))
}

// bucket is the bucket of a key. Where all buckets are taken, an unknown key gets the one of all others: it takes nothing from
// those who have a bucket, while another's bucket in exchange would let an attacker empty, forget and fill his own, and no bucket
// at all would let him do as he likes.
func (l *Limiter) bucket(hash uint64, now time.Time) *rate.Limiter {
	if bucket, isKnown := l.buckets[hash]; isKnown {
		return bucket
	}
	l.makeRoom(now)
	if len(l.buckets) >= maxBuckets {
		return l.others
	}
	bucket := l.newBucket()
	l.buckets[hash] = bucket
	return bucket
}

// makeRoom forgets the full buckets once there are twice as many buckets as the last sweep left: so each new key pays for two
// looks at most, except where maxBuckets stops the doubling. There, sweepEvery bounds the cost.
func (l *Limiter) makeRoom(now time.Time) {
	if len(l.buckets) < l.sweepAt || now.Before(l.nextSweep) {
		return
	}
	for hash, bucket := range l.buckets {
		if bucket.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, hash)
		}
	}
	l.sweepAt = max(minSweep, 2*len(l.buckets))
	if l.sweepAt > maxBuckets {
		l.sweepAt, l.nextSweep = maxBuckets, now.Add(sweepEvery)
	}
}
