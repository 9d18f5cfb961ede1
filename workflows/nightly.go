package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/activities/night"
	"data-exhaust/exhaust"
)

// NightInput starts the night.
type NightInput struct {
	// Concurrency is how many exhausts are at work at once (EXHAUST_NIGHTLY_CONCURRENCY).
	Concurrency int `json:"concurrency"`
	// Watch is for how long the night watches an exhaust that it has released (EXHAUST_NIGHTLY_WATCH).
	Watch time.Duration `json:"watch"`
	// Timeout is how long one exhaust may take (EXHAUST_TIMEOUT). Only nights of earlier releases go by it.
	Timeout time.Duration `json:"timeout"`
	// Schedule is the cron expression and the zone by which the night comes, for people to see.
	Schedule string `json:"schedule,omitempty"`
	// Carried is what earlier runs of the same night have done; nil in the first.
	Carried *Night `json:"carried,omitempty"`
}

// Night is how far a night has come.
type Night struct {
	StartedAt time.Time `json:"began"`
	// Failed is true once those that wait have been listed and those that FAILED are next; IsListed once
	// these have been too.
	Failed   bool `json:"failed"`
	IsListed bool `json:"listed"`
	// After is the id of the last exhaust that was listed.
	After string `json:"after,omitempty"`
	// Due are those that were listed and not released yet.
	Due []night.Due `json:"due,omitempty"`
	// InFlight are those that were released and whose end the night watches for.
	InFlight []Released `json:"inFlight,omitempty"`
	// Busy are those that could not be released yet: they are asked for again.
	Busy map[string]Asked `json:"busy,omitempty"`
	// Running are the exhausts for whose end a night of an earlier release waited.
	Running []night.Due `json:"running,omitempty"`
	Summary Summary     `json:"summary"`
}

// Asked says since when an exhaust that is due cannot be released, and whether nobody could tell how it stands.
type Asked struct {
	Since     time.Time `json:"since"`
	IsUnknown bool      `json:"unknown,omitempty"`
}

// Released is an exhaust that a night has released and that has not ended.
type Released struct {
	RequestID string    `json:"requestId"`
	At        time.Time `json:"at"`
	// Waiting says what it waits for, as progress.waiting does; "" while it is at work.
	Waiting string `json:"waiting,omitempty"`
}

// Summary is the result of a night.
type Summary struct {
	StartedAt time.Time `json:"began"`
	EndedAt   time.Time `json:"ended"`
	// Starts counts the exhausts that the night has released: those that waited and those that had FAILED.
	Starts  int `json:"ran"`
	Retried int `json:"retried"`
	// Success, Failed and Cancelled count the ends that the night saw, also of exhausts that earlier nights had released;
	// Earlier counts these.
	Success   int `json:"success"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	Earlier   int `json:"earlier,omitempty"`
	// Bytes of telemetry that were read.
	Bytes int64 `json:"bytes"`
	Rows  int64 `json:"rows"`
	// Slowest is the exhaust that took longest.
	Slowest *night.Outcome `json:"slowest,omitempty"`
	// Failures are those that did not succeed, at most 100 of them.
	Failures []night.Outcome `json:"failures,omitempty"`
	// StillRunning are those that had not ended when the night did. The next night counts them.
	StillRunning []Released `json:"stillRunning,omitempty"`
	// MoreRunning counts those that there was no room to name.
	MoreRunning int `json:"moreRunning,omitempty"`
	// Unreleased counts those that could not be released. They are left to the next night.
	Unreleased int `json:"unreleased,omitempty"`
	// Deleted is what was cleaned up.
	Deleted night.Cleaned `json:"deleted"`
	// Problems are steps of the night itself that came to nothing, or not to all that they should have.
	Problems []string `json:"problems,omitempty"`
}

const (
	pageSize    = 200
	maxFailures = 100
	// maxWatched is how many exhausts the night watches, for each that it has at work. Past that it stops to watch the oldest:
	// however many are sick, none holds up the others.
	maxWatched = 32
	// roomTime is for how long an exhaust takes the room of one at work. Behind it long ones take turns with the others.
	roomTime = 5 * time.Minute
	// maxNamed is how many exhausts that could not be released are named.
	maxNamed = 5
	// maxStillRunning bounds the exhausts that a night leaves to the next one to count.
	maxStillRunning = 1000
	// maxSteps is how many activities one run of the workflow does before it continues as new: about 8 events of history
	// each, with the pause before it.
	maxSteps = 600

	// maxAtWork is how many exhausts are at work, for each that has room, when nothing more is released: what takes long and
	// is more than workers can take would end at its timeout, all of it.
	maxAtWork = 8

	// bounded is the version of the night with maxAtWork, and that continues as new when Temporal suggests it.
	bounded workflow.Version = 2

	// earlierWatch is for nights that a schedule of a release before Watch began, or that continue one of these.
	earlierWatch = 2 * time.Hour

	// A look at the exhausts in flight comes a second after something has happened, and then ever later.
	minPause = time.Second
	maxPause = 15 * time.Second
)

// n names the activities of the night; only the names are used here.
var n *night.Activities

// Nightly releases every exhaust that waits for the night and retries what FAILED for a reason that may heal, watches them
// for a while, and deletes what has expired. It releases them as fast as others end, or turn out to wait for something: no
// exhaust, however sick, delays another or the next night.
func Nightly(ctx workflow.Context, in NightInput) (Summary, error) {
	version := workflow.GetVersion(ctx, "release", workflow.DefaultVersion, bounded)
	state := in.Carried
	if state == nil {
		now := workflow.Now(ctx)
		state = &Night{StartedAt: now, Summary: Summary{StartedAt: now}}
	}
	if version == workflow.DefaultVersion {
		return runEarlierNight(ctx, in, state)
	}
	r := &nightRun{
		Night: state, version: version, concurrency: max(in.Concurrency, 1), watch: cmp.Or(in.Watch, earlierWatch), pause: minPause,
	}
	if in.Carried == nil {
		if err := r.countEarlier(ctx); err != nil {
			return Summary{}, err
		}
	}
	r.adopt(workflow.Now(ctx))
	for {
		if err := r.release(ctx); err != nil {
			return Summary{}, err
		}
		if r.IsListed && len(r.Due) == 0 && len(r.InFlight) == 0 {
			break
		}
		if r.steps >= maxSteps || version >= bounded && workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			in.Carried = r.Night
			return Summary{}, workflow.NewContinueAsNewError(ctx, Nightly, in)
		}
		if err := workflow.Sleep(ctx, r.pause); err != nil {
			return Summary{}, err
		}
		if err := r.look(ctx); err != nil {
			return Summary{}, err
		}
	}
	if err := cleanUp(ctx, r.Night); err != nil {
		return Summary{}, err
	}
	r.Summary.EndedAt = workflow.Now(ctx)
	return r.Summary, nil
}

// nightRun is one run of the workflow of a night.
type nightRun struct {
	*Night
	version      workflow.Version
	concurrency  int
	watch, pause time.Duration
	// steps counts the activities of this run.
	steps int
}

// adopt takes over what a night of an earlier release had in flight.
func (r *nightRun) adopt(now time.Time) {
	for _, due := range r.Running {
		r.InFlight = append(r.InFlight, Released{RequestID: due.RequestID, At: now})
		r.Summary.Starts++
		if due.Status == exhaust.Failed {
			r.Summary.Retried++
		}
	}
	r.Running = nil
}

// countEarlier counts the ends of the exhausts that the night before had left running.
func (r *nightRun) countEarlier(ctx workflow.Context) error {
	if !workflow.HasLastCompletionResult(ctx) {
		return nil
	}
	var last Summary
	if err := workflow.GetLastCompletionResult(ctx, &last); err != nil {
		r.Summary.addProblem("reading the summary of the night before", err)
		return nil
	}
	for page := range slices.Chunk(last.StillRunning, pageSize) {
		before := r.Summary.ends()
		left, err := r.lookAt(ctx, page)
		if err != nil {
			return err
		}
		r.Summary.Earlier += r.Summary.ends() - before
		r.Summary.addRunning(left...)
	}
	return nil
}

// release releases what is due, as far as there is room. Those that were busy before wait for all others.
func (r *nightRun) release(ctx workflow.Context) error {
	for {
		room := r.room(workflow.Now(ctx))
		if room <= 0 || r.steps >= maxSteps {
			return nil
		}
		if !r.IsListed && (len(r.Due) == 0 || r.isBusy(r.Due[0])) {
			if err := r.list(ctx); err != nil {
				return err
			}
			continue
		}
		if len(r.Due) == 0 {
			return nil
		}
		batch := r.Due[:min(room, len(r.Due))]
		r.Due = r.Due[len(batch):]
		isAnyReleased, err := r.releaseBatch(ctx, batch)
		if err != nil || !isAnyReleased && len(r.Due) > 0 && r.isBusy(r.Due[0]) {
			return err
		}
	}
}

func (r *nightRun) isBusy(due night.Due) bool { _, ok := r.Busy[due.RequestID]; return ok }

// room is how many exhausts may be released now. One that waits for something to heal takes no room of those at work, nor
// does one that takes long, up to maxAtWork.
func (r *nightRun) room(now time.Time) int {
	isAtWork, hasRoom := 0, 0
	for _, released := range r.InFlight {
		if released.Waiting != "" {
			continue
		}
		isAtWork++
		if now.Sub(released.At) < roomTime {
			hasRoom++
		}
	}
	room := r.concurrency - hasRoom
	if r.version >= bounded {
		room = min(room, maxAtWork*r.concurrency-isAtWork)
	}
	return room
}

// list lists the next exhausts that are due, before those that were busy.
func (r *nightRun) list(ctx workflow.Context) error {
	r.steps++
	var page []night.Due
	err := workflow.ExecuteActivity(listStep(ctx, "exhausts that are due"), n.ListDue, night.DueQuery{
		Failed: r.Failed, Before: r.StartedAt, After: r.After, Limit: pageSize,
	}).Get(ctx, &page)
	if temporal.IsCanceledError(err) {
		return err
	}
	if err != nil {
		r.Summary.addProblem(fmt.Sprintf("listing the exhausts that are due: those behind %q were not released", r.After), err)
		page = nil
	}
	r.Due = append(page, r.Due...)
	if len(page) == pageSize {
		r.After = page[len(page)-1].RequestID
		return nil
	}
	r.After = ""
	r.IsListed = r.Failed
	r.Failed = true
	return nil
}

// releaseBatch releases some exhausts, and tells whether any was.
func (r *nightRun) releaseBatch(ctx workflow.Context, batch []night.Due) (isAnyReleased bool, err error) {
	r.steps++
	var answers []night.Answer
	err = workflow.ExecuteActivity(nightStep(ctx, fmt.Sprintf("release %d exhausts", len(batch))), n.Release, batch).Get(ctx, &answers)
	if temporal.IsCanceledError(err) {
		return false, err
	}
	if err != nil {
		r.Summary.addProblem(fmt.Sprintf("releasing %d exhausts, %s the first: the next night tries again", len(batch), batch[0].RequestID), err)
		return false, nil
	}
	now := workflow.Now(ctx)
	for i, due := range batch {
		asked, isAsked := r.Busy[due.RequestID]
		delete(r.Busy, due.RequestID)
		switch answer := answers[i]; {
		case answer == night.IsReleased, answer == night.HasMovedOn && asked.IsUnknown: // its start had no answer
			isAnyReleased = true
			r.Summary.Starts++
			if due.Status == exhaust.Failed {
				r.Summary.Retried++
			}
			r.InFlight = append(r.InFlight, Released{RequestID: due.RequestID, At: now})
			r.pause = minPause
			if len(r.InFlight) > maxWatched*r.concurrency {
				r.Summary.addRunning(r.InFlight[0])
				r.InFlight = r.InFlight[1:]
			}
		case answer == night.IsBusy, answer == night.IsUnknown:
			if !isAsked {
				asked.Since = now
			}
			asked.IsUnknown = asked.IsUnknown || answer == night.IsUnknown
			if r.Busy == nil {
				r.Busy = map[string]Asked{}
			}
			r.Busy[due.RequestID] = asked
			if now.Sub(asked.Since) < r.watch {
				r.Due = append(r.Due, due)
			} else {
				r.Summary.addUnreleased(due, answer)
			}
		}
	}
	r.showDetails(ctx)
	return isAnyReleased, nil
}

// look finds out which exhausts have ended. One that has not for as long as the night watches is left alone.
func (r *nightRun) look(ctx workflow.Context) error {
	r.pause = min(2*r.pause, maxPause)
	if len(r.InFlight) == 0 {
		return nil
	}
	before := r.Summary.ends()
	left, err := r.lookAt(ctx, r.InFlight)
	if err != nil {
		return err
	}
	now := workflow.Now(ctx)
	r.InFlight = nil
	for _, released := range left {
		if now.Sub(released.At) >= r.watch {
			r.Summary.addRunning(released)
		} else {
			r.InFlight = append(r.InFlight, released)
		}
	}
	if r.Summary.ends() > before {
		r.pause = minPause
	}
	r.showDetails(ctx)
	return nil
}

// lookAt counts those that have ended and gives the others.
func (r *nightRun) lookAt(ctx workflow.Context, released []Released) (left []Released, err error) {
	r.steps++
	ids := make([]string, len(released))
	for i := range released {
		ids[i] = released[i].RequestID
	}
	var standings []night.Standing
	err = workflow.ExecuteActivity(nightStep(ctx, fmt.Sprintf("look at %d exhausts", len(ids))), n.Look, ids).Get(ctx, &standings)
	if temporal.IsCanceledError(err) {
		return nil, err
	}
	if err != nil {
		r.Summary.addProblem(fmt.Sprintf("looking at %d exhausts: the next night counts them", len(ids)), err)
		r.Summary.addRunning(released...)
		return nil, nil
	}
	for i, standing := range standings {
		if standing.Outcome != nil {
			r.Summary.add(*standing.Outcome)
			continue
		}
		released[i].Waiting = standing.Waiting
		left = append(left, released[i])
	}
	return left, nil
}

func (r *nightRun) showDetails(ctx workflow.Context) {
	s := &r.Summary
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d exhausts released: %d SUCCESS, %d FAILED, %d CANCELLED; %d in flight, %d due",
		s.Starts, s.Success, s.Failed, s.Cancelled, len(r.InFlight), len(r.Due)))
}

// ends counts the ends that the night saw.
func (s *Summary) ends() int { return s.Success + s.Failed + s.Cancelled }

// add counts an exhaust that has ended.
func (s *Summary) add(outcome night.Outcome) {
	s.Bytes += outcome.Bytes
	s.Rows += outcome.Rows
	switch outcome.Status {
	case exhaust.Success:
		s.Success++
	case exhaust.Cancelled:
		s.Cancelled++
	default:
		s.Failed++
	}
	if outcome.Status != exhaust.Success && len(s.Failures) < maxFailures {
		s.Failures = append(s.Failures, outcome)
	}
	if s.Slowest == nil || outcome.Took > s.Slowest.Took {
		s.Slowest = &outcome
	}
}

// addRunning names exhausts that have not ended.
func (s *Summary) addRunning(released ...Released) {
	named := min(max(maxStillRunning-len(s.StillRunning), 0), len(released))
	s.StillRunning = append(s.StillRunning, released[:named]...)
	s.MoreRunning += len(released) - named
}

// addUnreleased counts an exhaust that could not be released for as long as the night watches one.
func (s *Summary) addUnreleased(due night.Due, answer night.Answer) {
	why := "its attempt before is still being wound up"
	if answer == night.IsUnknown {
		why = "nobody can tell how it stands, and the worker's log says why"
	}
	if s.Unreleased++; s.Unreleased <= maxNamed {
		s.Problems = append(s.Problems, fmt.Sprintf("%s could not be released: %s; the next night tries again", due.RequestID, why))
	}
}

// addFailures names what a step of the cleaning did not do.
func (s *Summary) addFailures(sentence string, cleaned night.Cleaned) {
	if cleaned.Failed > 0 {
		s.Problems = append(s.Problems, fmt.Sprintf(sentence, cleaned.Failed, strings.Join(cleaned.Failures, "; ")))
	}
}

func (s *Summary) addProblem(doing string, err error) {
	s.Problems = append(s.Problems, doing+": "+rootMessage(err))
}

// cleanUp deletes what has expired. What it cannot delete the next night will.
func cleanUp(ctx workflow.Context, r *Night) error {
	const settling = "recording ends that were not recorded"
	var settled night.Cleaned
	err := workflow.ExecuteActivity(deleteStep(ctx, settling), n.SettleEnded).Get(ctx, &settled)
	if temporal.IsCanceledError(err) {
		return err
	}
	if err != nil {
		r.Summary.addProblem(settling, err)
	}
	r.Summary.addFailures(settling+": of %d exhausts nobody can tell how they stand, such as %s", settled)
	for _, step := range []struct {
		name     string
		activity any
	}{
		{"deleting expired reports", n.DeleteExpired},
		{"deleting staged files that were left behind", n.DeleteLeftStaging},
		{"deleting reports that no exhaust names", n.DeleteUnnamed},
	} {
		var cleaned night.Cleaned
		workflow.SetCurrentDetails(ctx, step.name)
		err := workflow.ExecuteActivity(deleteStep(ctx, step.name), step.activity, r.StartedAt).Get(ctx, &cleaned)
		if temporal.IsCanceledError(err) {
			return err
		}
		if err != nil {
			r.Summary.addProblem(step.name, err)
		}
		r.Summary.addFailures(step.name+": %d could not be deleted, such as %s", cleaned)
		r.Summary.Deleted.Reports += cleaned.Reports
		r.Summary.Deleted.Staged += cleaned.Staged
		r.Summary.Deleted.Unnamed += cleaned.Unnamed
		r.Summary.Deleted.Failed += cleaned.Failed
	}
	return nil
}

func deleteStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		HeartbeatTimeout:       heartbeatTimeout,
		StartToCloseTimeout:    time.Hour,
		ScheduleToCloseTimeout: 2 * time.Hour,
		RetryPolicy:            retryPolicy(),
	})
}

// nightStep is for releasing exhausts and for looking at them.
func nightStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		HeartbeatTimeout:       heartbeatTimeout,
		StartToCloseTimeout:    5 * time.Minute,
		ScheduleToCloseTimeout: time.Hour,
		RetryPolicy:            retryPolicy(),
	})
}

func listStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    time.Minute,
		ScheduleToCloseTimeout: time.Hour,
		RetryPolicy:            retryPolicy(),
	})
}
