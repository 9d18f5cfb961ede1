package service

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
)

const mib, gib = int64(1 << 20), int64(1 << 30)

// exhaustOf is an exhaust that has read so many bytes in so many seconds.
func exhaustOf(bytes int64, seconds float64, end time.Time) exhaust.Job {
	return exhaust.Job{
		Request: exhaust.Request{Dataset: exhaust.ResponseExhaust},
		State: exhaust.State{
			Status: exhaust.Success, CompletedAt: end, ExecutionTime: time.Duration(seconds * float64(time.Second)),
			Progress: exhaust.Progress{BytesTotal: bytes},
		},
	}
}

func TestTheTimeOfAnExhaustIsThatOfTheOnesNearestInSize(t *testing.T) {
	at := time.UnixMilli(1795576113876)
	var small, mixed []exhaust.Job
	for i, seconds := range []float64{5, 2, 6, 3, 4} {
		small = append(small, exhaustOf(mib, seconds, at.Add(time.Duration(i)*time.Hour)))
	}
	large := []exhaust.Job{exhaustOf(gib, 204, at.Add(-time.Minute)), exhaustOf(gib, 104, at)}
	for i := range 50 {
		mixed = append(mixed, exhaustOf(mib, 1+float64(i%3), at))
	}
	for i := range 40 {
		mixed = append(mixed, exhaustOf(20*mib, 2.2+float64(i%3), at))
	}
	for range 10 {
		mixed = append(mixed, exhaustOf(50*gib, 100, at))
	}
	// 100 s a GiB beyond the steps' 4, and 50 s a GiB.
	twoSizes := slices.Concat(small, []exhaust.Job{exhaustOf(gib, 104, at), exhaustOf(4*gib, 204, at)})
	private := exhaustOf(0, 7, at)
	private.Dataset = exhaust.PrivateExhaust
	requests := map[bool]exhaust.Request{true: large[0].Request, false: private.Request}
	for name, c := range map[string]struct {
		of    []exhaust.Job
		is    bool
		bytes int64
		want  Seconds
		isOf  int // how many were measured; 0 where there is no estimate
	}{
		"nothing measured":                   {nil, true, gib, Seconds{}, 0},
		"small ones alone, for a small one":  {small, true, 0, Seconds{2, 4, 6}, 5},
		"small ones alone, for a smaller":    {small, true, 16*mib - 1, Seconds{2, 4, 6}, 5},
		"small ones alone, for a large one":  {small, true, gib, Seconds{}, 0},
		"large ones alone, for a small one":  {large, true, mib, Seconds{}, 0},
		"large ones alone, for such a one":   {large, true, gib, Seconds{104, 104, 204}, 2},
		"large ones alone, for a larger one": {large, true, 2 * gib, Seconds{208, 208, 408}, 2},
		"large ones alone, for a smaller":    {large, true, gib / 2, Seconds{52, 52, 102}, 2},
		"16 times smaller":                   {large, true, gib / 16, Seconds{6.5, 6.5, 12.8}, 2},
		"smaller still":                      {large, true, gib/16 - 1, Seconds{}, 0},
		"16 times larger":                    {large, true, 16 * gib, Seconds{1664, 1664, 3264}, 2},
		"larger still":                       {large, true, 16*gib + 1, Seconds{}, 0},
		"both, for a larger one":             {slices.Concat(small, large), true, 2 * gib, Seconds{204, 204, 404}, 7},
		"many sizes, for a small one":        {mixed, true, mib, Seconds{1, 2, 3}, 100},
		"many sizes, for a middling one":     {mixed, true, 20 * mib, Seconds{2.2, 3.2, 4.2}, 100},
		"many sizes, for the largest":        {mixed, true, 50 * gib, Seconds{100, 100, 100}, 100},
		"many sizes, for twice the largest":  {mixed, true, 100 * gib, Seconds{198, 198, 198}, 100},
		"many sizes, for one in between":     {mixed, true, 25 * gib, Seconds{51.1, 51.6, 52.1}, 100},
		// The other of the two counts with 54 s for a GiB, with 404 s for four.
		"two sizes, for the one":             {twoSizes, true, gib, Seconds{54, 54, 104}, 7},
		"two sizes, for the other":           {twoSizes, true, 4 * gib, Seconds{204, 204, 404}, 7},
		"two sizes, for one in between":      {twoSizes, true, 2 * gib, Seconds{104, 104, 204}, 7},
		"those without telemetry, for one":   {slices.Concat(small, []exhaust.Job{private}), false, 0, Seconds{7, 7, 7}, 1},
		"those without telemetry, for other": {[]exhaust.Job{private}, true, 0, Seconds{}, 0},
		"one whose time nobody knows":        {[]exhaust.Job{exhaustOf(gib, 0, at)}, true, gib, Seconds{}, 0},
		"a large one faster than the steps":  {slices.Concat(small, []exhaust.Job{exhaustOf(gib, 1, at)}), true, 2 * gib, Seconds{2, 4, 6}, 6},
		"a larger one that was faster":       {slices.Concat(large, []exhaust.Job{exhaustOf(64*gib, 50, at)}), true, 64 * gib, Seconds{104, 104, 204}, 3},
	} {
		p := paceOf(c.of, requests[c.is], time.UTC)
		got, ok := p.seconds(c.bytes)
		if got != c.want || ok != (c.isOf > 0) || ok && p.measured.Exhausts != c.isOf {
			t.Errorf("%s: got %+v, %t, of %d; want %+v of %d", name, got, ok, p.measured.Exhausts, c.want, c.isOf)
		}
	}
}

func TestOfFewExhaustsOfOtherChannelsAnEstimateTellsNothing(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	e2etest.Must(t, err)
	// The first ended at 0:15 on the third in Asia/Kolkata, which is 18:45 on the second in UTC.
	first, midnight := time.Date(2026, 11, 2, 18, 45, 1, 1e6, time.UTC), time.Date(2026, 11, 2, 18, 30, 0, 0, time.UTC)
	of := func(channel string, n int, bytes int64, seconds float64) (jobs []exhaust.Job) {
		for i := range n {
			job := exhaustOf(bytes, seconds, first.Add(time.Duration(i)*time.Hour))
			job.Channel = channel
			jobs = append(jobs, job)
		}
		return jobs
	}
	request := exhaustOf(0, 0, first).Request
	request.Channel = "mine"
	for name, c := range map[string]struct {
		of    []exhaust.Job
		bytes int64
		want  float64 // 0 where there is no estimate
		isOf  int
	}{
		"four of others":                   {of("other", 4, mib, 3), mib, 0, 0},
		"four of two others":               {slices.Concat(of("other", 2, mib, 3), of("third", 2, mib, 3)), mib, 0, 0},
		"five of others":                   {of("other", 5, mib, 3), mib, 3, 5},
		"one of the channel's own":         {of("mine", 1, mib, 3), mib, 3, 1},
		"one of its own and four":          {slices.Concat(of("other", 4, mib, 9), of("mine", 1, mib, 3)), mib, 3, 1},
		"five, but four of such a size":    {slices.Concat(of("other", 1, 20*mib, 9), of("other", 4, gib, 9)), gib, 0, 0},
		"five of such a size":              {of("other", 5, gib, 9), gib, 9, 5},
		"four of such a size and its own":  {slices.Concat(of("other", 4, gib, 9), of("other", 4, mib, 3), of("mine", 1, gib, 7)), gib, 7, 9},
		"four near among more of its own":  {slices.Concat(of("mine", 30, gib, 7), of("other", 4, gib+1, 9)), gib + 1, 7, 30},
		"four small ones beside the large": {slices.Concat(of("other", 4, mib, 5), of("other", 5, gib, 9)), gib / 2, 4.5, 9},
	} {
		p := paceOf(c.of, request, kolkata)
		got, ok := p.seconds(c.bytes)
		if want := (Seconds{c.want, c.want, c.want}); got != want || ok != (c.want > 0) || ok && p.measured.Exhausts != c.isOf {
			t.Errorf("%s: got %+v, %t, of %d; want %+v of %d", name, got, ok, p.measured.Exhausts, want, c.isOf)
		}
		if ok && !p.measured.Since.Equal(midnight) {
			t.Errorf("%s: since %s", name, p.measured.Since)
		}
	}
}

func TestTheTwentyNearestInSizeCount(t *testing.T) {
	var jobs []exhaust.Job
	for range 20 {
		jobs = append(jobs, exhaustOf(gib, 100, time.Now()), exhaustOf(2*gib, 900, time.Now()))
	}
	p := paceOf(jobs, jobs[0].Request, time.UTC)
	if got, _ := p.seconds(gib); got != (Seconds{100, 100, 100}) {
		t.Errorf("a GiB takes %+v, and took 100 s", got)
	}
	if got, _ := p.seconds(2 * gib); got != (Seconds{900, 900, 900}) {
		t.Errorf("two GiB take %+v, and took 900 s", got)
	}
}

func TestAnEstimateOfSecondsNeverShrinksAsBytesGrow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var jobs []exhaust.Job
		for range 1 + random.IntN(100) {
			jobs = append(jobs, exhaustOf(random.Int64N(1<<(10+random.IntN(30))), random.ExpFloat64()*100, time.Now()))
		}
		p, last, least := paceOf(jobs, jobs[0].Request, time.UTC), Seconds{}, int64(0)
		for bytes := int64(0); bytes < 1<<40; bytes += 1 + bytes/7 {
			s, ok := p.seconds(bytes)
			if !ok {
				continue
			}
			if s.Low < last.Low || s.Likely < last.Likely || s.High < last.High || s.Low > s.Likely || s.Likely > s.High {
				t.Fatalf("%d bytes take %+v, %d bytes %+v", bytes, s, least, last)
			}
			last, least = s, bytes
		}
	}
}
