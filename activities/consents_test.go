package activities

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"data-exhaust/exhaust"
)

// Every device is found that is known, and no other, however many there are and however much their ids have in common.
func TestConsentsAreFoundByAnyID(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	randomID := func(shared int) (id uuid.UUID) {
		for i := shared; i < len(id); i++ {
			id[i] = byte(random.UintN(256))
		}
		return id
	}
	for _, shared := range []int{0, 1, 3, 4, 15} {
		for _, count := range []int{0, 1, 3, 4, 7, 100, 10_000} {
			known := map[uuid.UUID]exhaust.Consent{}
			for range count {
				known[randomID(shared)] = exhaust.Consent(random.IntN(3))
			}
			known[uuid.Max], known[uuid.Nil] = exhaust.ConsentGiven, exhaust.ConsentRefused
			if count == 0 {
				clear(known)
			}
			var c consents
			for id := range known {
				c.ids = append(c.ids, id)
			}
			slices.SortFunc(c.ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
			for _, id := range c.ids {
				c.consents = append(c.consents, known[id])
			}
			c.index()
			asked := []uuid.UUID{uuid.Nil, uuid.Max}
			for range 1000 {
				asked = append(asked, randomID(shared), randomID(0))
			}
			for _, id := range append(asked, c.ids...) {
				want, isKnown := known[id]
				for _, spelling := range []string{id.String(), strings.ToUpper(id.String())} {
					got, ok := c.find([]byte(spelling))
					if ok != isKnown || ok && (c.ids[got] != id || c.consents[got] != want) {
						t.Fatalf("%s of %d devices: %v, %v; want %v, %v", spelling, count, got, ok, want, isKnown)
					}
				}
			}
		}
	}
}
