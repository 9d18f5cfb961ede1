package service

import (
	"cmp"
	"math"
	"slices"
	"time"

	"data-exhaust/exhaust"
)

// Seconds is how long an exhaust may take: 10, 50 and 90 in a hundred took no longer.
type Seconds struct{ Low, Likely, High float64 }

// Measured are the exhausts that an estimate goes by.
type Measured struct {
	Exhausts int
	// Since is the begin of the day on which the first of them ended.
	Since time.Time
}

// pace is how long exhausts took of late on this installation, by the bytes of telemetry (as stored) that they had to read.
//
// Those of less than smallBytes tell the time of the steps that every exhaust has, since reading takes none of it to speak of.
// Each size that a larger one had is a knot: the 10th, 50th and 90th percentile of the exhausts nearest to it, of which each
// counts with the time beyond the steps in proportion to its bytes. A knot never says less than one of fewer bytes, and between
// two knots time grows in proportion to the bytes. So an estimate goes by exhausts of about its size, wherever there are any,
// never shrinks as bytes grow, and is not negative; and one exhaust which waited for a store all night changes little.
//
// Those of other channels count where there are at least fewestOfOthers of them, overall and near a size, so that none can be
// told from the estimate; else those of the estimate's own channel count alone.
type pace struct {
	measured Measured
	// steps is the likely time of the steps; 0 where no small exhaust was measured.
	steps float64
	// knots ascend, in bytes and in time. The first is that of all small exhausts, where there are any.
	knots []knot
	// reading is what the exhausts of the last knot took beyond the steps.
	reading Seconds
}

type knot struct {
	bytes   float64
	seconds Seconds
}

const (
	// smallBytes take a worker less than a second to read.
	smallBytes     = 16 << 20
	fewestOfOthers = 5
	// An exhaust counts for sizes up to nearFactor times larger or smaller, among the nearestMost nearest.
	nearFactor, nearestMost = 8, 20
	// extrapolationMost is how many times larger than all that was measured, or smaller, an estimate may be.
	extrapolationMost = 16
)

// paceOf measures exhausts that SUCCEEDED: those that are made from telemetry, as that of the request is, or those that are not.
// Days are those of the zone.
func paceOf(jobs []exhaust.Job, request exhaust.Request, zone *time.Location) (p pace) {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(job exhaust.Job) bool {
		return job.UsesTelemetry() != request.UsesTelemetry() || job.ExecutionTime <= 0
	})
	jobs = disclosable(jobs, request.Channel)
	var (
		small, large []exhaust.Job
		first        time.Time
	)
	for _, job := range jobs {
		if job.Progress.BytesTotal < smallBytes {
			small = append(small, job)
		} else {
			large = append(large, job)
		}
		if first.IsZero() || job.CompletedAt.Before(first) {
			first = job.CompletedAt
		}
	}
	year, month, day := first.In(zone).Date()
	p.measured = Measured{Exhausts: len(jobs), Since: time.Date(year, month, day, 0, 0, 0, 0, zone)}
	compareBytes := func(x, y exhaust.Job) int { return cmp.Compare(x.Progress.BytesTotal, y.Progress.BytesTotal) }
	slices.SortStableFunc(small, compareBytes)
	slices.SortStableFunc(large, compareBytes)
	if small = disclosable(small, request.Channel); len(small) > 0 {
		seconds := percentiles(small, func(job exhaust.Job) float64 { return job.ExecutionTime.Seconds() })
		p.steps = seconds.Likely
		p.knots = append(p.knots, knot{float64(small[len(small)/2].Progress.BytesTotal), seconds})
	}
	for i, job := range large {
		if i == 0 || compareBytes(large[i-1], job) != 0 {
			bytes := float64(job.Progress.BytesTotal)
			if near := disclosable(nearest(large, bytes), request.Channel); len(near) > 0 {
				p.addKnot(bytes, near)
			}
		}
	}
	return p
}

// disclosable are the exhausts of which a channel may know how long they took in all.
func disclosable(jobs []exhaust.Job, channel string) []exhaust.Job {
	own := slices.DeleteFunc(slices.Clone(jobs), func(job exhaust.Job) bool { return job.Channel != channel })
	if len(jobs)-len(own) < fewestOfOthers {
		return own
	}
	return jobs
}

// addKnot adds the knot of some exhausts, of more bytes than the last has.
func (p *pace) addKnot(bytes float64, near []exhaust.Job) {
	k := knot{bytes, percentiles(near, func(job exhaust.Job) float64 {
		seconds := job.ExecutionTime.Seconds()
		return seconds + p.beyondSteps(seconds)*(bytes/float64(job.Progress.BytesTotal)-1)
	})}
	p.reading = k.seconds.each(p.beyondSteps)
	if len(p.knots) > 0 {
		last := p.knots[len(p.knots)-1].seconds
		k.seconds = Seconds{max(k.seconds.Low, last.Low), max(k.seconds.Likely, last.Likely), max(k.seconds.High, last.High)}
	}
	p.knots = append(p.knots, k)
}

// nearest are the exhausts that count for a size: in proportion no others are nearer to it.
func nearest(large []exhaust.Job, bytes float64) []exhaust.Job {
	distance := func(job exhaust.Job) float64 { return math.Abs(math.Log(float64(job.Progress.BytesTotal) / bytes)) }
	near := slices.DeleteFunc(slices.Clone(large), func(job exhaust.Job) bool { return distance(job) > math.Log(nearFactor) })
	slices.SortStableFunc(near, func(x, y exhaust.Job) int { return cmp.Compare(distance(x), distance(y)) })
	return near[:min(nearestMost, len(near))]
}

func (p *pace) beyondSteps(seconds float64) float64 { return max(0, seconds-p.steps) }

// seconds is how long so many bytes take; ok is false where no exhaust of such a size was measured.
func (p *pace) seconds(bytes int64) (s Seconds, ok bool) {
	if len(p.knots) == 0 {
		return Seconds{}, false
	}
	size, first, last := float64(bytes), p.knots[0], p.knots[len(p.knots)-1]
	isSmall, hasSmall, hasLarge := size < smallBytes, first.bytes < smallBytes, last.bytes >= smallBytes
	switch {
	case isSmall && !hasSmall, !isSmall && !hasLarge,
		!hasSmall && size*extrapolationMost < first.bytes, hasLarge && last.bytes*extrapolationMost < size:
		return Seconds{}, false
	case !hasLarge, hasSmall && size <= first.bytes:
		return first.seconds.each(round), true
	case size <= first.bytes:
		return first.at(size, knot{}), true
	case size >= last.bytes:
		further := Seconds{last.seconds.Low + p.reading.Low, last.seconds.Likely + p.reading.Likely, last.seconds.High + p.reading.High}
		return last.at(size, knot{2 * last.bytes, further}), true
	}
	i := slices.IndexFunc(p.knots, func(k knot) bool { return k.bytes > size })
	return p.knots[i-1].at(size, p.knots[i]), true
}

// at is how long a size takes by the line through two knots.
func (k knot) at(size float64, other knot) Seconds {
	share := (size - k.bytes) / (other.bytes - k.bytes)
	at := func(x, y float64) float64 { return round(x + (y-x)*share) }
	return Seconds{
		at(k.seconds.Low, other.seconds.Low), at(k.seconds.Likely, other.seconds.Likely), at(k.seconds.High, other.seconds.High),
	}
}

func (s Seconds) each(do func(float64) float64) Seconds {
	return Seconds{do(s.Low), do(s.Likely), do(s.High)}
}

func round(seconds float64) float64 { return math.Round(10*seconds) / 10 }

// percentiles are the 10th, 50th and 90th percentile of what some exhausts have, at least one.
func percentiles(jobs []exhaust.Job, value func(exhaust.Job) float64) Seconds {
	values := make([]float64, len(jobs))
	for i, job := range jobs {
		values[i] = value(job)
	}
	slices.Sort(values)
	// at is the smallest value that a share of all does not exceed (the nearest rank).
	at := func(percent int) float64 { return values[max(0, (percent*len(values)+99)/100-1)] }
	return Seconds{at(10), at(50), at(90)}
}
