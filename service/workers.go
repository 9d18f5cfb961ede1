package service

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"data-exhaust/workflows"
)

// Worker is a process that takes tasks, as Temporal sees it poll.
type Worker struct {
	// Identity is the process's own name for itself: with Temporal's SDK its number and its host.
	Identity string
	// BuildID is the version of the deployment that it belongs to; "" of one without a version.
	BuildID string
	// LastPoll is the latest of its Queues'. Temporal tells of it up to 5 s late.
	LastPoll time.Time
	// Queues are the task queues that it polls, those of long steps behind that of short ones.
	Queues []PolledQueue
}

// PolledQueue is a task queue as a worker polls it.
type PolledQueue struct {
	Name     string
	LastPoll time.Time
	// RatePerSecond is how many tasks a second the worker takes at the most; 0 is any number.
	RatePerSecond float64
}

// Workers are those that have polled within [PollInterval], by their identities. One that has stopped is among them for as long.
func (o *Operations) Workers(ctx context.Context) ([]Worker, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	polled, err := o.deployment.pollsOfQueues(ctx)
	if err != nil {
		return nil, temporalFailure(err)
	}
	type key struct{ identity, buildID string }
	workers := map[key]Worker{}
	for _, queue := range o.deployment.queues() {
		for buildID, pollers := range polled[queue] {
			for _, poller := range pollers {
				if isAlive(poller) {
					of := key{poller.Identity, buildID}
					workers[of] = workers[of].withPoll(of.identity, of.buildID, queue, poller)
				}
			}
		}
	}
	return slices.SortedFunc(maps.Values(workers), func(x, y Worker) int {
		return cmp.Or(strings.Compare(x.Identity, y.Identity), strings.Compare(x.BuildID, y.BuildID))
	}), nil
}

// withPoll is a worker that polls a queue, perhaps for tasks of another type as well.
func (w Worker) withPoll(identity, buildID, queue string, poller client.TaskQueuePollerInfo) Worker {
	w.Identity, w.BuildID = identity, buildID
	if poller.LastAccessTime.After(w.LastPoll) {
		w.LastPoll = poller.LastAccessTime
	}
	if n := len(w.Queues); n == 0 || w.Queues[n-1].Name != queue {
		w.Queues = append(w.Queues, PolledQueue{Name: queue})
	}
	last := &w.Queues[len(w.Queues)-1]
	if poller.LastAccessTime.After(last.LastPoll) {
		last.LastPoll = poller.LastAccessTime
	}
	if poller.RatePerSecond < anyRate {
		last.RatePerSecond = poller.RatePerSecond
	}
	return w
}

// anyRate is what a worker of Temporal's SDK says that has no bound of its own.
const anyRate = 100_000

// queues are all task queues of the deployment's workers.
func (d *Deployment) queues() []string {
	return append([]string{d.taskQueue}, workflows.LongQueues(d.taskQueue)...)
}

// pollsOfQueues asks for who polls each of the queues.
func (d *Deployment) pollsOfQueues(ctx context.Context) (map[string]polls, error) {
	info, err := d.describeIfAny(ctx)
	if err != nil {
		return nil, err
	}
	polled := map[string]polls{}
	var mu sync.Mutex // guards polled
	group, ctx := errgroup.WithContext(ctx)
	for _, queue := range d.queues() {
		group.Go(func() error {
			pollers, err := d.pollsOf(ctx, info, queue, client.TaskQueueTypeWorkflow, client.TaskQueueTypeActivity)
			mu.Lock()
			defer mu.Unlock()
			polled[queue] = pollers
			return err
		})
	}
	return polled, group.Wait()
}
