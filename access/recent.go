package access

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Recent remembers the credentials that counted of late, by their hashes: whoever has such is let through to where they are
// checked, though others flood the service from the same address. The zero Recent is empty.
//
// Invariant: it decides nothing. Credentials that it remembers are checked like all others.
type Recent struct {
	mu     sync.Mutex
	counts map[[sha256.Size]byte]time.Time
}

const (
	// recently is for how long credentials are remembered.
	recently = time.Minute
	// maxRecent takes about a megabyte.
	maxRecent = 10_000
)

// Add remembers credentials that count.
func (r *Recent) Add(credentials string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.counts) >= maxRecent {
		for hash, at := range r.counts {
			if now.Sub(at) > recently {
				delete(r.counts, hash)
			}
		}
	}
	if r.counts == nil || len(r.counts) >= maxRecent {
		r.counts = map[[sha256.Size]byte]time.Time{} // as after a start
	}
	r.counts[sha256.Sum256([]byte(credentials))] = now
}

// Has reports whether credentials counted of late.
func (r *Recent) Has(credentials string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, isKnown := r.counts[sha256.Sum256([]byte(credentials))]
	return isKnown && now.Sub(at) <= recently
}
