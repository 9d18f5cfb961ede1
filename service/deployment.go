package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// Deployment is the Worker Deployment in Temporal to which versioned workers belong. An exhaust that has begun is pinned
// to the version of the worker that began it; all else goes on on the current version.
type Deployment struct {
	temporal                   client.Client
	namespace, name, taskQueue string
}

// NewDeployment makes a deployment whose workers share a task queue. name is EXHAUST_DEPLOYMENT.
func NewDeployment(temporal client.Client, namespace, name, taskQueue string) *Deployment {
	return &Deployment{temporal: temporal, namespace: namespace, name: name, taskQueue: taskQueue}
}

// Version is one version of a deployment's workers.
type Version struct {
	// BuildID is "" for what has no version: workers without EXHAUST_DEPLOYMENT, and what they have begun.
	BuildID string
	State   VersionState
	// Since is when it came into that state; zero where nobody has noted it.
	Since time.Time
	// RampPercent is how much of what begins goes to a version that is Ramping.
	RampPercent float32
	// Workers is how many have polled the task queue within [PollInterval].
	Workers int
	// Exhausts are pinned to it: only its workers take them on. Others that have not ended (nights, firings of schedules,
	// exhausts that wait for the night) were last worked on by it, and go on on the current version by themselves.
	Exhausts, Others int64
}

// VersionState is what Temporal gives a version to do.
type VersionState string

// The states of a version.
const (
	// Current takes all that begins, or what a Ramping version leaves of it.
	Current VersionState = "current"
	Ramping VersionState = "ramping"
	// Draining takes nothing new, and has exhausts that have not ended; Drained has none.
	Draining VersionState = "draining"
	Drained  VersionState = "drained"
	// Inactive has never taken anything.
	Inactive VersionState = "inactive"
)

// PollInterval is within which a worker polls that lives: a poll takes a minute when there is nothing to do.
const PollInterval = 90 * time.Second

// ErrNoVersion is of a version that the deployment does not have.
var ErrNoVersion = errors.New("there is no version")

var errNotRamping = errors.New("is not ramping")

// Versions lists the versions, the latest first, and then what has none, if there is anything of it.
func (d *Deployment) Versions(ctx context.Context) ([]Version, error) {
	info, err := d.describe(ctx)
	if err != nil {
		return nil, err
	}
	polled, err := d.polls(ctx, info)
	if err != nil {
		return nil, err
	}
	var versions []Version
	for _, summary := range info.VersionSummaries {
		v := Version{BuildID: summary.Version.BuildID, Workers: polled.workers(summary.Version.BuildID)}
		if err := d.describeState(ctx, &v, info.RoutingConfig); err != nil {
			return nil, err
		}
		if v.Exhausts, err = d.countOpen(ctx, d.pinnedTo(v.BuildID)); err != nil {
			return nil, err
		}
		if v.Others, err = d.countOpen(ctx, fmt.Sprintf("TemporalWorkerDeploymentVersion = '%s' AND TemporalWorkflowVersioningBehavior = 'AutoUpgrade'", d.version(v.BuildID))); err != nil {
			return nil, err
		}
		versions = append(versions, v)
	}
	none := Version{State: Inactive, Workers: polled.workers("")}
	if info.RoutingConfig.CurrentVersion == nil {
		none.State, none.Since = Current, info.RoutingConfig.CurrentVersionChangedTime
	}
	if none.Others, err = d.countOpen(ctx, fmt.Sprintf("TemporalWorkerDeploymentVersion IS NULL AND TaskQueue = '%s'", d.taskQueue)); err != nil {
		return nil, err
	}
	if none.State == Current || none.Workers > 0 || none.Others > 0 {
		versions = append(versions, none)
	}
	return versions, nil
}

// describeState finds out the state of a version.
func (d *Deployment) describeState(ctx context.Context, v *Version, routing client.WorkerDeploymentRoutingConfig) error {
	described, err := askAgain(ctx, func() (client.WorkerDeploymentVersionDescription, error) {
		return d.handle().DescribeVersion(ctx, client.WorkerDeploymentDescribeVersionOptions{BuildID: v.BuildID})
	})
	if err != nil {
		return fmt.Errorf("asking Temporal for version %s: %w", v.BuildID, err)
	}
	drainage := described.Info.DrainageInfo
	switch {
	case buildIDOf(routing.CurrentVersion) == v.BuildID:
		v.State, v.Since = Current, routing.CurrentVersionChangedTime
	case buildIDOf(routing.RampingVersion) == v.BuildID:
		v.State, v.Since, v.RampPercent = Ramping, routing.RampingVersionChangedTime, routing.RampingVersionPercentage
	case drainage == nil:
		v.State, v.Since = Inactive, described.Info.CreateTime
	case drainage.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDrained:
		v.State, v.Since = Drained, drainage.LastChangedTime
	default:
		v.State, v.Since = Draining, drainage.LastChangedTime
	}
	return nil
}

// SetCurrent makes a version the current one: what begins from now on begins on it. It tries until the context ends, as the
// version's workers may be starting. A buildID of "" takes workers that have no version.
func (d *Deployment) SetCurrent(ctx context.Context, buildID string) error {
	return d.change(ctx, buildID, func(routing client.WorkerDeploymentRoutingConfig) error {
		if buildIDOf(routing.CurrentVersion) == buildID {
			// Temporal 1.29 takes a version that is made current again for one that drains.
			return nil
		}
		_, err := d.handle().SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: buildID})
		return err
	})
}

// Ramp lets some percent of what begins begin on a version; 0 ends that. It tries until the context ends, as the version's
// workers may be starting.
func (d *Deployment) Ramp(ctx context.Context, id string, percent float32) error {
	return d.change(ctx, id, func(routing client.WorkerDeploymentRoutingConfig) error {
		isRamping := routing.RampingVersion != nil && buildIDOf(routing.RampingVersion) == id
		switch {
		case isRamping && routing.RampingVersionPercentage == percent:
			return nil
		case percent > 0:
			_, err := d.handle().SetRampingVersion(ctx, client.WorkerDeploymentSetRampingVersionOptions{BuildID: id, Percentage: percent})
			return err
		case !isRamping:
			return fmt.Errorf("version %s of deployment %s %w", id, d.name, errNotRamping)
		}
		// The SDK would ramp to workers without a version instead.
		_, err := d.temporal.WorkflowService().SetWorkerDeploymentRampingVersion(ctx, &workflowservice.SetWorkerDeploymentRampingVersionRequest{
			Namespace: d.namespace, DeploymentName: d.name,
		})
		return err
	})
}

// change changes the routing to a version that workers poll for.
func (d *Deployment) change(ctx context.Context, id string, do func(routing client.WorkerDeploymentRoutingConfig) error) error {
	var lacking error
	_, err := Retry(ctx, func() (any, error) {
		err := d.changeOnce(ctx, id, do)
		if err == nil || lacking == nil || ctx.Err() == nil && !isLate(err) {
			lacking = err
		}
		// A question that the end of the context cut off says nothing of what was waited for. Temporal's client may tell of
		// that end a moment before it comes.
		return nil, lacking
	}, func(err error) bool { return IsRefusal(err) || errors.Is(err, errNotRamping) },
		backoff.WithBackOff(backoff.NewConstantBackOff(500*time.Millisecond)), backoff.WithMaxElapsedTime(0))
	return err
}

func (d *Deployment) changeOnce(ctx context.Context, id string, do func(routing client.WorkerDeploymentRoutingConfig) error) error {
	info, err := d.describe(ctx)
	if err != nil {
		return err
	}
	if err := d.checkPolled(ctx, info, id); err != nil {
		return err
	}
	return do(info.RoutingConfig)
}

// checkPolled is an error unless the version is known and workers poll for it.
func (d *Deployment) checkPolled(ctx context.Context, info client.WorkerDeploymentInfo, id string) error {
	if err := d.checkKnown(info, id); err != nil {
		return err
	}
	polled, err := d.polls(ctx, info)
	if err != nil {
		return err
	}
	if polled.workers(id) == 0 {
		of := "of version " + id
		if id == "" {
			of = "without a version"
		}
		return fmt.Errorf("no worker %s has polled task queue %s within %s: start one first", of, d.taskQueue, PollInterval)
	}
	return nil
}

func (d *Deployment) checkKnown(info client.WorkerDeploymentInfo, id string) error {
	if id == "" {
		return nil
	}
	var known []string
	for _, summary := range info.VersionSummaries {
		if summary.Version.BuildID == id {
			return nil
		}
		known = append(known, summary.Version.BuildID)
	}
	return fmt.Errorf("%w %s of deployment %s: it has %s", ErrNoVersion, id, d.name, cmp.Or(strings.Join(known, ", "), "none"))
}

// Move pins the exhausts that are pinned to a version, whose workers are gone for good, to the current version instead, and
// calls onMoved with the id of each one's workflow. Their histories have to replay on the current version's code.
func (d *Deployment) Move(ctx context.Context, from string, onMoved func(workflowID, to string)) error {
	info, err := d.describe(ctx)
	if err != nil {
		return err
	}
	current := info.RoutingConfig.CurrentVersion
	switch {
	case current == nil:
		return fmt.Errorf("deployment %s has no current version to move to: `starter deployment set-current` makes one", d.name)
	case current.BuildID == from:
		return fmt.Errorf("version %s is the current one: make another current first", from)
	}
	if err := d.checkPolled(ctx, info, current.BuildID); err != nil {
		return err
	}
	exhausts, err := d.listOpen(ctx, d.pinnedTo(from))
	if err != nil {
		return err
	}
	if len(exhausts) == 0 {
		return d.checkKnown(info, from)
	}
	polled, err := d.polls(ctx, info)
	if err != nil {
		return err
	}
	if workers := polled.workers(from); workers > 0 {
		return fmt.Errorf("%d workers of version %s have polled within %s: its exhausts end there by themselves; if the workers were stopped just now, try again later", workers, from, PollInterval)
	}
	for _, id := range exhausts {
		_, err := d.temporal.UpdateWorkflowExecutionOptions(ctx, client.UpdateWorkflowExecutionOptionsRequest{
			WorkflowId: id,
			WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{
				VersioningOverride: &client.VersioningOverrideChange{Value: &client.PinnedVersioningOverride{Version: *current}},
			},
		})
		if _, hasEnded := errors.AsType[*serviceerror.NotFound](err); hasEnded {
			continue
		}
		if err != nil {
			return fmt.Errorf("moving workflow %s: %w", id, err)
		}
		onMoved(id, current.BuildID)
	}
	return nil
}

// IsPolledBy reports whether a worker whose identity is wanted, of any version or of none, has polled the task queue within
// the time. A deployment without a name has no versions.
func (d *Deployment) IsPolledBy(ctx context.Context, within time.Duration, isWanted func(identity string) bool) (bool, error) {
	info, err := d.describeIfAny(ctx)
	if err != nil {
		return false, err
	}
	polled, err := d.polls(ctx, info)
	for _, pollers := range polled {
		for _, poller := range pollers {
			if isWanted(poller.Identity) && time.Since(poller.LastAccessTime) < within {
				return true, nil
			}
		}
	}
	return false, err
}

// polls are those who have polled a task queue in the last minutes, by the build id of their version, "" for none.
type polls map[string][]client.TaskQueuePollerInfo

// workers is how many workers of a version live.
func (p polls) workers(id string) (workers int) {
	for _, poller := range p[id] {
		if isAlive(poller) {
			workers++
		}
	}
	return workers
}

func isAlive(poller client.TaskQueuePollerInfo) bool {
	return time.Since(poller.LastAccessTime) < PollInterval
}

// polls asks for the pollers of all versions for workflow tasks.
func (d *Deployment) polls(ctx context.Context, info client.WorkerDeploymentInfo) (polls, error) {
	return d.pollsOf(ctx, info, d.taskQueue, client.TaskQueueTypeWorkflow)
}

// pollsOf asks for the pollers of all versions for tasks of some types of a queue; one that polls for several is there several
// times. Temporal answers from a cache of 5 s.
func (d *Deployment) pollsOf(ctx context.Context, info client.WorkerDeploymentInfo, taskQueue string, types ...client.TaskQueueType) (polls, error) {
	// Without their names Temporal answers for no version, or, where it has that in its cache, for none at all.
	selection := &client.TaskQueueVersionSelection{Unversioned: true}
	for _, summary := range info.VersionSummaries {
		selection.BuildIDs = append(selection.BuildIDs, d.version(summary.Version.BuildID))
	}
	queue, err := d.temporal.DescribeTaskQueueEnhanced(ctx, client.DescribeTaskQueueEnhancedOptions{
		TaskQueue:      taskQueue,
		TaskQueueTypes: types,
		Versions:       selection,
		ReportPollers:  true,
	})
	if err != nil {
		return nil, fmt.Errorf("asking Temporal who polls task queue %s: %w", taskQueue, err)
	}
	polled := polls{}
	//lint:ignore SA1019 the pollers of all partitions of a task queue stand nowhere else
	for version, described := range queue.VersionsInfo {
		id := strings.TrimPrefix(version, d.version(""))
		for _, ofType := range described.TypesInfo {
			polled[id] = append(polled[id], ofType.Pollers...)
		}
	}
	return polled, nil
}

// describeIfAny is describe, with nothing in it where no worker of the deployment has ever polled, or where it has no name and so
// no versions.
func (d *Deployment) describeIfAny(ctx context.Context) (client.WorkerDeploymentInfo, error) {
	if d.name == "" {
		return client.WorkerDeploymentInfo{}, nil
	}
	info, err := d.describe(ctx)
	if errors.Is(err, ErrNoVersion) {
		return client.WorkerDeploymentInfo{}, nil
	}
	return info, err
}

// describe is an [ErrNoVersion] where no worker of the deployment has ever polled.
func (d *Deployment) describe(ctx context.Context) (client.WorkerDeploymentInfo, error) {
	described, err := askAgain(ctx, func() (client.WorkerDeploymentDescribeResponse, error) {
		return d.handle().Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	})
	if _, isAbsent := errors.AsType[*serviceerror.NotFound](err); isAbsent {
		return client.WorkerDeploymentInfo{}, fmt.Errorf("%w of deployment %s: no worker of it has polled yet", ErrNoVersion, d.name)
	}
	if err != nil {
		return client.WorkerDeploymentInfo{}, fmt.Errorf("asking Temporal for deployment %s: %w", d.name, err)
	}
	return described.Info, nil
}

// askAgain asks again for what Temporal does not find: a deployment and a version are workflows of its own, and it misses
// one that continues as new just then.
func askAgain[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	return Retry(ctx, ask, func(err error) bool {
		_, isAbsent := errors.AsType[*serviceerror.NotFound](err)
		return !isAbsent
	}, backoff.WithBackOff(backoff.NewConstantBackOff(250*time.Millisecond)), backoff.WithMaxTries(8))
}

func (d *Deployment) handle() client.WorkerDeploymentHandle {
	return d.temporal.WorkerDeploymentClient().GetHandle(d.name)
}

// version is a version as search attributes name it.
func (d *Deployment) version(id string) string { return d.name + ":" + id }

// pinnedTo is the query by which Temporal itself finds out whether a version is drained.
func (d *Deployment) pinnedTo(id string) string {
	return fmt.Sprintf("BuildIds = 'pinned:%s'", d.version(id))
}

const isOpen = " AND ExecutionStatus = 'Running'"

func (d *Deployment) countOpen(ctx context.Context, query string) (int64, error) {
	counted, err := d.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: d.namespace, Query: query + isOpen})
	if err != nil {
		return 0, fmt.Errorf("counting the workflows with %s: %w", query, err)
	}
	return counted.GetCount(), nil
}

// listOpen gives the ids of the open workflows that match.
func (d *Deployment) listOpen(ctx context.Context, query string) (ids []string, err error) {
	for token := []byte(nil); ; {
		page, err := d.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: d.namespace, Query: query + isOpen, NextPageToken: token,
		})
		if err != nil {
			return nil, fmt.Errorf("listing the workflows with %s: %w", query, err)
		}
		for _, execution := range page.GetExecutions() {
			ids = append(ids, execution.GetExecution().GetWorkflowId())
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return ids, nil
		}
	}
}

// buildIDOf is "" where there is no version.
func buildIDOf(version *worker.WorkerDeploymentVersion) string {
	if version == nil {
		return ""
	}
	return version.BuildID
}
