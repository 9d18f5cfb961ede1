package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

// Replay says which exhausts to start, as an operator asks for them; a zero value wants any.
type Replay struct {
	// Statuses are those wanted, of SUBMITTED (waiting for the night), FAILED and CANCELLED.
	Statuses  []exhaust.Status
	RequestID string
	Tag       string
	// Message is the sentence that they ended with, exactly.
	Message string
	// Scopes are the datasets and channels wanted; none are any.
	Scopes []Scope
	// From and To bound the time of submission: From <= submitted < To.
	From, To time.Time
	// EndedSince, where it is not zero, wants those that ended then or later.
	EndedSince time.Time
	// DryRun shows what would start.
	DryRun bool
	// After goes on behind an id; Limit is how many, 0 is all.
	After string
	Limit int
	// IsLimited holds what starts to how many of its channel may be under way.
	IsLimited bool
}

// Scope is a dataset of a channel; a zero value is any.
type Scope struct {
	Channel string
	Dataset exhaust.Dataset
}

// Replay starts the exhausts that are wanted, by ascending id, and gives them as they are then. Those whose attempt before is
// still being wound up are left out; one that is wanted by its id is exhaust.ErrWindingUp. next is where to go on, "" at the
// end.
func (s *Exhausts) Replay(ctx context.Context, r Replay) (found []exhaust.Job, next string, err error) {
	if len(r.Scopes) == 0 {
		r.Scopes = []Scope{{}}
	}
	for _, scope := range r.Scopes {
		for _, status := range r.Statuses {
			selected, err := s.jobs.Select(ctx, r.selection(scope, status))
			if err != nil {
				return nil, "", databaseFailure(err)
			}
			found = append(found, selected...)
		}
	}
	slices.SortFunc(found, func(x, y exhaust.Job) int { return strings.Compare(x.ID, y.ID) })
	if r.Limit > 0 && len(found) >= r.Limit {
		found = found[:r.Limit]
		next = found[r.Limit-1].ID
	}
	if r.DryRun {
		return shownByReplay(found), next, nil
	}
	var group errgroup.Group // what one fails at holds up no other
	group.SetLimit(maxConcurrency)
	isWindingUp := make([]bool, len(found))
	for i, job := range found {
		group.Go(func() error {
			started, _, err := s.start(ctx, job.ID, job.Status, job.Attempts, startOptions{isLimited: r.IsLimited})
			if errors.Is(err, exhaust.ErrWindingUp) && r.RequestID == "" {
				isWindingUp[i] = true
				return nil
			}
			if isOwnedBy(started, job.Request) {
				found[i] = started
			} // else a workflow of another tenant has its id, and the row is what is known
			return err
		})
	}
	err = group.Wait()
	var answered []exhaust.Job
	for i, job := range found {
		if !isWindingUp[i] {
			answered = append(answered, job)
		}
	}
	return shownByReplay(answered), next, err
}

// CountReplay is how many exhausts a Replay without a Limit starts.
func (s *Exhausts) CountReplay(ctx context.Context, r Replay) (count int, err error) {
	if len(r.Scopes) == 0 {
		r.Scopes = []Scope{{}}
	}
	for _, scope := range r.Scopes {
		for _, status := range r.Statuses {
			of, err := s.jobs.Count(ctx, r.selection(scope, status))
			if err != nil {
				return 0, databaseFailure(err)
			}
			count += of
		}
	}
	return count, nil
}

// selection is what is wanted of a scope in a status.
func (r Replay) selection(scope Scope, status exhaust.Status) jobs.Selection {
	return jobs.Selection{
		Status: status, RequestID: r.RequestID, Dataset: scope.Dataset, Tag: r.Tag, Channel: scope.Channel, Message: r.Message,
		From: r.From, To: r.To, EndedSince: r.EndedSince, After: r.After, Limit: r.Limit,
	}
}

// shownByReplay are jobs without what read shows to their owner only, and without their datasetConfigs (Configs).
func shownByReplay(jobs []exhaust.Job) []exhaust.Job {
	for i := range jobs {
		jobs[i] = withoutURLs(jobs[i])
		jobs[i].Config = nil
	}
	return jobs
}
