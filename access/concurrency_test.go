package access

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"data-exhaust/exhaust"
)

// recorded is a count that always gives the same number.
func recorded(n int) func(context.Context, string) (int, error) {
	return func(context.Context, string) (int, error) { return n, nil }
}

func mustReserve(t *testing.T, c *Concurrency, channel string) (release func()) {
	t.Helper()
	release, err := c.Reserve(t.Context(), channel)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func isRefused(c *Concurrency, channel string) bool {
	_, err := c.Reserve(context.Background(), channel)
	_, is := errors.AsType[*LimitError](err)
	return is
}

func TestOfManyConcurrentStartsAsManyAsTheBoundAreAccepted(t *testing.T) {
	for _, c := range []struct{ most, recorded, want int }{{3, 0, 3}, {3, 1, 2}, {3, 3, 0}, {3, 7, 0}, {1, 0, 1}, {20, 0, 20}, {100, 0, 20}} {
		synctest.Test(t, func(t *testing.T) {
			answer := make(chan struct{})
			concurrency := NewConcurrency(c.most, func(context.Context, string) (int, error) {
				<-answer
				return c.recorded, nil
			})
			var accepted, refused atomic.Int32
			for range 20 {
				go func() {
					switch _, err := concurrency.Reserve(t.Context(), "0130"); err.(type) {
					case nil:
						accepted.Add(1)
					case *LimitError:
						refused.Add(1)
					}
				}()
			}
			synctest.Wait() // all of them are counting
			close(answer)
			synctest.Wait()
			if a, r := int(accepted.Load()), int(refused.Load()); a != c.want || r != 20-c.want {
				t.Errorf("%+v: %d were accepted, %d refused", c, a, r)
			}
		})
	}
}

// TestAStartThatIsRecordedDuringACountIsCounted: the count was taken before the record, and is looked at after the release.
func TestAStartThatIsRecordedDuringACountIsCounted(t *testing.T) {
	var release func()
	c := NewConcurrency(1, func(context.Context, string) (int, error) {
		if release != nil {
			release()
		}
		return 0, nil
	})
	release = mustReserve(t, c, "0130")
	if !isRefused(c, "0130") {
		t.Error("two were accepted")
	}
	if _, err := c.Reserve(t.Context(), "0130"); err != nil {
		t.Errorf("a start after the release: %v", err)
	}
}

// TestALaterStartDoesNotKeepAnEarlierOneOut: else two starts might refuse each other.
func TestALaterStartDoesNotKeepAnEarlierOneOut(t *testing.T) {
	var c *Concurrency
	isNested, laterIsRefused := false, false
	c = NewConcurrency(1, func(context.Context, string) (int, error) {
		if !isNested {
			isNested = true
			laterIsRefused = isRefused(c, "0130")
		}
		return 0, nil
	})
	if isRefused(c, "0130") || !laterIsRefused {
		t.Errorf("want the earlier one accepted and the later one refused: %t", laterIsRefused)
	}
}

// TestStartsThatAreRefusedKeepNoOtherOut: the second takes its place while the first is counting, and counts when the first is
// refused and an exhaust has ended.
func TestStartsThatAreRefusedKeepNoOtherOut(t *testing.T) {
	for name, first := range map[string]struct {
		recorded int
		err      error
	}{"refused": {1, nil}, "count failed": {0, errors.New("away")}} {
		synctest.Test(t, func(t *testing.T) {
			answers := make(chan func() (int, error))
			c := NewConcurrency(1, func(context.Context, string) (int, error) { return (<-answers)() })
			var errs [2]error
			for i := range errs {
				go func() { _, errs[i] = c.Reserve(t.Context(), "0130") }()
				synctest.Wait()
			}
			answers <- func() (int, error) { return first.recorded, first.err }
			synctest.Wait()
			answers <- func() (int, error) { return 0, nil }
			synctest.Wait()
			if errs[0] == nil || errs[1] != nil {
				t.Errorf("%s: got %v", name, errs)
			}
		})
	}
}

func TestAReleaseFreesOnePlaceHoweverOftenItIsCalled(t *testing.T) {
	c := NewConcurrency(2, recorded(0))
	first := mustReserve(t, c, "0130")
	second := mustReserve(t, c, "0130")
	first()
	first()
	third := mustReserve(t, c, "0130")
	if !isRefused(c, "0130") {
		t.Error("the first place was freed twice")
	}
	first()
	if !isRefused(c, "0130") {
		t.Error("the first start freed the place of the third")
	}
	second()
	third()
	if len(c.places) != 0 {
		t.Errorf("places are left: %v", c.places)
	}
}

func TestChannelsDoNotCountEachOther(t *testing.T) {
	c := NewConcurrency(1, func(_ context.Context, channel string) (int, error) {
		return map[string]int{"full": 1}[channel], nil
	})
	release := mustReserve(t, c, "0130")
	mustReserve(t, c, "0131")()
	if !isRefused(c, "full") || !isRefused(c, "0130") {
		t.Error("too many were accepted")
	}
	release()
	if len(c.places) != 0 {
		t.Errorf("places are left: %v", c.places)
	}
}

func TestAnErrorOfTheCountIsReturnedAsItIsAndReservesNothing(t *testing.T) {
	away := errors.New("the database is away")
	isAway := true
	c := NewConcurrency(1, func(context.Context, string) (int, error) {
		if isAway {
			return 0, away
		}
		return 0, nil
	})
	if release, err := c.Reserve(t.Context(), "0130"); release != nil || err != away {
		t.Errorf("got %v", err)
	}
	if len(c.places) != 0 {
		t.Errorf("places are left: %v", c.places)
	}
	isAway = false
	mustReserve(t, c, "0130")
}

func TestACountThatPanicsLeavesNoPlaceBehind(t *testing.T) {
	c := NewConcurrency(1, func(context.Context, string) (int, error) { panic("count") })
	func() {
		defer func() { _ = recover() }()
		_, _ = c.Reserve(t.Context(), "0130")
	}()
	if len(c.places) != 0 {
		t.Errorf("places are left: %v", c.places)
	}
}

func TestTheCountIsAskedForTheChannelWithinTheRequest(t *testing.T) {
	type key struct{}
	c := NewConcurrency(1, func(ctx context.Context, channel string) (int, error) {
		return 0, fmt.Errorf("%s, %v", channel, ctx.Value(key{}))
	})
	if _, err := c.Reserve(context.WithValue(t.Context(), key{}, "this request"), "0130"); err.Error() != "0130, this request" {
		t.Errorf("got %v", err)
	}
}

func TestWithoutABoundEveryStartIsAccepted(t *testing.T) {
	for name, c := range map[string]*Concurrency{"nil": nil, "0": NewConcurrency(0, func(context.Context, string) (int, error) {
		panic("nobody needs the count")
	})} {
		for range 100 {
			release, err := c.Reserve(t.Context(), "0130")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer release()
		}
	}
}

func TestWhoIsRefusedReadsWhyAndWhenToAskAgain(t *testing.T) {
	for _, c := range []struct {
		most, recorded, reserved int
		channel, want            string
	}{
		{3, 3, 0, "0130", `channel "0130" has 3 exhausts under way: at most 3 are accepted at a time; try again when one has ended`},
		{3, 1, 2, "0130", `channel "0130" has 3 exhausts under way: at most 3 are accepted at a time; try again when one has ended`},
		{3, 7, 0, "की \"x\"", `channel "की \"x\"" has 7 exhausts under way: at most 3 are accepted at a time; try again when one has ended`},
	} {
		concurrency := NewConcurrency(c.most, recorded(c.recorded))
		for range c.reserved {
			mustReserve(t, concurrency, c.channel)
		}
		_, err := concurrency.Reserve(t.Context(), c.channel)
		limit, is := errors.AsType[*LimitError](err)
		if !is || limit.Code != exhaust.ChannelLimitReached || limit.RetryAfter != 30*time.Second || limit.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// TestNeverAreMoreUnderWayThanTheBound starts and ends exhausts at once, in a database whose answers are old when they arrive.
func TestNeverAreMoreUnderWayThanTheBound(t *testing.T) {
	const most, starters, startsEach = 3, 16, 50
	var database, underWay, highest atomic.Int32
	dawdle := func() {
		for range rand.IntN(20) {
			runtime.Gosched()
		}
	}
	c := NewConcurrency(most, func(context.Context, string) (int, error) {
		dawdle()
		n := int(database.Load())
		dawdle()
		return n, nil
	})
	start := func() (isAccepted bool) {
		release, err := c.Reserve(context.Background(), "0130")
		if err != nil {
			return false
		}
		for now := underWay.Add(1); ; {
			if before := highest.Load(); now <= before || highest.CompareAndSwap(before, now) {
				break
			}
		}
		dawdle()
		database.Add(1)
		release()
		dawdle()
		underWay.Add(-1) // before the row says so: what ends is counted a moment longer
		database.Add(-1)
		return true
	}
	var all sync.WaitGroup
	for range starters {
		all.Go(func() {
			for accepted := 0; accepted < startsEach; { // all come through in the end, however they hammer
				if start() {
					accepted++
				}
			}
		})
	}
	all.Wait()
	if n := highest.Load(); n > most {
		t.Errorf("%d were under way at a time, want %d at most", n, most)
	}
	if len(c.places) != 0 {
		t.Errorf("places are left: %v", c.places)
	}
}

func ExampleConcurrency() {
	c := NewConcurrency(2, func(context.Context, string) (int, error) { return 1, nil })
	release, err := c.Reserve(context.Background(), "0130")
	fmt.Println(err)
	_, err = c.Reserve(context.Background(), "0130")
	fmt.Println(strings.Replace(err.Error(), "; ", ";\n", 1))
	release() // the start is recorded
	// Output:
	// <nil>
	// channel "0130" has 2 exhausts under way: at most 2 are accepted at a time;
	// try again when one has ended
}
