package activities

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"data-exhaust/exhaust"
)

// slowUCI answers for even ids, the later a look-up begins the sooner.
type slowUCI struct {
	UCI
	underWay, most atomic.Int64
	fails          uint32 // the id for which there is no answer
}

func numberOf(id uuid.UUID) uint32 { return binary.BigEndian.Uint32(id[:4]) }

func (u *slowUCI) Devices(ctx context.Context, ids []uuid.UUID, _ bool) (known []exhaust.Device, err error) {
	u.most.Store(max(u.most.Load(), u.underWay.Add(1)))
	defer u.underWay.Add(-1)
	select {
	case <-time.After(time.Hour - time.Duration(numberOf(ids[0]))*time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for _, id := range ids {
		if n := numberOf(id); n == u.fails {
			return nil, errAway
		} else if n%2 == 0 {
			known = append(known, exhaust.Device{ID: id})
		}
	}
	return known, nil
}

var errAway = errors.New("the database is away")

func ascendingIDs(count int) []uuid.UUID {
	ids := make([]uuid.UUID, count)
	for i := range ids {
		binary.BigEndian.PutUint32(ids[i][:4], uint32(i+1))
	}
	return ids
}

func TestDevicesAreLookedUpAheadAndComeInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 7*idsAtOnce + 1
		uci := &slowUCI{}
		a := Activities{deps: Dependencies{UCI: uci}}
		var asked, last int
		err := a.eachLookUp(context.Background(), ascendingIDs(count), true, func(n int, devices []exhaust.Device) error {
			asked += n
			for _, d := range devices {
				if got := int(numberOf(d.ID)); got != last+2 {
					t.Fatalf("device %d comes after %d", got, last)
				}
				last += 2
			}
			synctest.Wait()
			// What is under way does not wait for what is being staged.
			if ahead := min(lookupsAhead, (count-asked+idsAtOnce-1)/idsAtOnce); uci.underWay.Load() > int64(ahead) {
				t.Errorf("%d look-ups are under way, want at most %d", uci.underWay.Load(), ahead)
			}
			return nil
		})
		if err != nil || asked != count || last != count-1 {
			t.Errorf("asked for %d devices of %d, the last known is %d, %v", asked, count, last, err)
		}
		if uci.most.Load() != lookupsAhead {
			t.Errorf("%d look-ups were under way at a time, want %d", uci.most.Load(), lookupsAhead)
		}
	})
}

func TestALookUpThatFailsEndsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		uci := &slowUCI{fails: idsAtOnce + 1}
		a := Activities{deps: Dependencies{UCI: uci}}
		lookUps := 0
		err := a.eachLookUp(context.Background(), ascendingIDs(9*idsAtOnce), true, func(int, []exhaust.Device) error { lookUps++; return nil })
		if !errors.Is(err, errAway) || lookUps != 1 || uci.underWay.Load() != 0 {
			t.Errorf("%v after %d lookUps, %d look-ups are left; want %v after one, none", err, lookUps, uci.underWay.Load(), errAway)
		}
		enough := errors.New("enough")
		uci = &slowUCI{}
		a.deps.UCI = uci
		err = a.eachLookUp(context.Background(), ascendingIDs(9*idsAtOnce), true, func(int, []exhaust.Device) error { return enough })
		if !errors.Is(err, enough) || uci.underWay.Load() != 0 {
			t.Errorf("%v, %d look-ups are left; want %v, none", err, uci.underWay.Load(), enough)
		}
	})
}
