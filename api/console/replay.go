package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// replayPage shows which exhausts run when a group of failures is run again, and runs them: as many as it can in the time of a
// request, and then by itself the next ones.
type replayPage struct {
	*visit
	Group failureGroup
	// Count is how many run, Jobs the first of them.
	Count int
	Jobs  []exhaust.Job
	// Names are those of their conversations, by their ids.
	Names map[string]string
	// Progress is of those that are being started.
	Progress startProgress
	// Absence says why it does not go on.
	Absence string
}

// Hidden is how many run that are not shown.
func (p replayPage) Hidden() int { return max(p.Count-len(p.Jobs), 0) }

// failureGroup is the failures with one sentence, as the form or the query names it.
type failureGroup struct {
	Message string
	// Ended is since when they ended, as the form has it: "" is any time.
	Ended string
	since time.Time
	// Window is the time whose failures the reader looks at.
	Window string
}

// maxSample is how many exhausts are shown before they run.
const maxSample = 50

func (c *Console) showReplay(v *visit) error {
	group, err := v.failureGroup()
	if err != nil {
		return err
	}
	count, err := v.Service.CountReplay(v.ctx(), v.caller, group.replay())
	if err != nil {
		return err
	}
	sample := group.replay()
	sample.DryRun, sample.Limit = true, maxSample
	jobs, _, err := v.Service.Replay(v.ctx(), v.caller, "", service.Scope{}, sample)
	if err != nil {
		return err
	}
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ConversationID
	}
	v.Title = v.T("again.title")
	return v.show(http.StatusOK, "replay", replayPage{visit: v, Group: group, Count: count, Jobs: jobs, Names: v.namesAnywhere(ids)})
}

// failureGroup is the one that the form or the query names. Only a link that was cut off names none.
func (v *visit) failureGroup() (failureGroup, error) {
	window, err := v.failureWindow()
	group := failureGroup{Message: v.r.FormValue("message"), Ended: v.value("ended"), Window: window}
	if err != nil || group.Message == "" {
		return group, errNoPage
	}
	if group.Ended == "" {
		return group, nil
	}
	if group.since, err = time.Parse(time.RFC3339Nano, group.Ended); err != nil {
		return group, errNoPage
	}
	return group, nil
}

// replay starts the group.
func (g failureGroup) replay() service.Replay {
	return service.Replay{Statuses: []exhaust.Status{exhaust.Failed}, Message: g.Message, EndedSince: g.since}
}

// startProgress is how far the starting of many exhausts has come.
type startProgress struct {
	// Total is how many there were in the beginning, Started how many have started.
	Total, Started int
	// After is the id behind which it goes on.
	After string
}

// Remaining is how many have not been started.
func (p startProgress) Remaining() int { return max(p.Total-p.Started, 0) }

const (
	// startTime is for how long a request starts exhausts before it shows how far it has come. It may take 30 s.
	startTime = 5 * time.Second
	// startBatch is how many are started before the time is looked at.
	startBatch = 50
)

func (c *Console) startReplay(v *visit) error {
	group, err := v.failureGroup()
	if err != nil {
		return err
	}
	p := replayPage{visit: v, Group: group, Progress: startProgress{Total: v.count("total"), Started: v.count("started"), After: v.value("after")}}
	v.Title = v.T("again.title")
	isOver, err := p.Progress.start(v.ctx(), group.replay(), func(ctx context.Context, replay service.Replay) ([]exhaust.Job, string, error) {
		found, next, err := v.Service.Replay(ctx, v.caller, "", service.Scope{}, replay)
		if err != nil {
			v.Log.Error("exhausts cannot be started", "error", err)
		}
		return found, next, err
	})
	switch {
	case err != nil && p.Progress.Started == 0:
		return err
	case err != nil:
		p.Absence = v.absence(err)
		return v.show(http.StatusServiceUnavailable, "replay", p)
	case !isOver:
		return v.show(http.StatusOK, "replay", p)
	}
	return v.redirect(v.Link("/operations", "started", strconv.Itoa(p.Progress.Started), "remaining", strconv.Itoa(p.Progress.Remaining()), "since", group.Window))
}

// start starts exhausts for startTime, and reports whether all have been tried. One that cannot be started stops no other, but
// where something is away it is tried again.
func (p *startProgress) start(
	ctx context.Context, replay service.Replay, run func(context.Context, service.Replay) ([]exhaust.Job, string, error),
) (isOver bool, err error) {
	replay.Limit = startBatch
	for begin := time.Now(); time.Since(begin) < startTime; {
		replay.After = p.After
		jobs, next, err := run(ctx, replay)
		for _, job := range jobs {
			if !job.Status.HasEnded() {
				p.Started++
			}
		}
		if _, isAway := errors.AsType[*service.UnavailableError](err); isAway || err != nil && next == "" && len(jobs) == 0 {
			return false, err
		}
		if next == "" {
			return true, nil
		}
		p.After = next
	}
	return false, nil
}
