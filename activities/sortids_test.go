package activities

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
)

func TestIDsAreSortedHoweverAlikeTheyAre(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, count := range []int{0, 1, 2, 64, 65, 1000, 20_000} {
		// Ids that are alike up to a byte, and have few values in those behind it.
		for alike := 0; alike <= 16; alike += 4 {
			for _, values := range []int{1, 2, 256} {
				ids := make([]uuid.UUID, count)
				for i := range ids {
					for at := range ids[i] {
						if at >= alike {
							ids[i][at] = byte(random.IntN(values))
						}
					}
				}
				want := slices.Clone(ids)
				slices.SortFunc(want, func(x, y uuid.UUID) int { return slices.Compare(x[:], y[:]) })
				if sortIDs(ids, 0); !slices.Equal(ids, want) {
					t.Fatalf("%d ids, alike in %d bytes, of %d values: they are not sorted", count, alike, values)
				}
			}
		}
	}
}

func TestASetOfIDsHasEachOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	var set idSet
	want := map[uuid.UUID]bool{}
	// The zero id, which an empty place looks like, and far more ids than places, many of them again and again.
	for range 300_000 {
		var id uuid.UUID
		if random.IntN(10) > 0 {
			n := random.IntN(100_000)
			id[0], id[13], id[14], id[15] = byte(n), byte(n>>16), byte(n>>8), byte(n)
		}
		set.add(id)
		want[id] = true
	}
	got := set.sort()
	if len(got) != len(want) || !slices.IsSortedFunc(got, compareIDs) {
		t.Errorf("%d ids, want %d", len(got), len(want))
	}
	for _, id := range got {
		if !want[id] {
			t.Errorf("%s was never added", id)
		}
	}
}
