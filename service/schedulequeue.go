package service

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"
)

// MoveSchedules has the schedules of recurring exhausts start their workflows on a task queue, where they did so on another,
// and tells of how many that is new. What has begun stays on its queue.
func MoveSchedules(ctx context.Context, c client.Client, namespace, taskQueue string) (moved int, err error) {
	entries, err := listRecurring(ctx, c, "")
	if err != nil {
		return 0, fmt.Errorf("listing the schedules: %w", err)
	}
	isMoved := make([]bool, len(entries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxConcurrency)
	for i, entry := range entries {
		group.Go(func() (err error) {
			if isMoved[i], err = moveSchedule(ctx, c, namespace, entry.ID, taskQueue); err != nil {
				return fmt.Errorf("bringing schedule %s to task queue %s: %w", entry.ID, taskQueue, err)
			}
			return nil
		})
	}
	err = group.Wait()
	for _, is := range isMoved {
		if is {
			moved++
		}
	}
	return moved, err
}

// moveSchedule looks again after it has changed a schedule: Temporal drops, without a word, a change of what somebody else has
// changed meanwhile.
func moveSchedule(ctx context.Context, c client.Client, namespace, id, taskQueue string) (isMoved bool, err error) {
	for range updateTries {
		description, err := c.WorkflowService().DescribeSchedule(ctx, &workflowservice.DescribeScheduleRequest{Namespace: namespace, ScheduleId: id})
		if isNotFound(err) {
			return false, nil // deleted since it was listed
		}
		if err != nil {
			return false, err
		}
		queue := description.GetSchedule().GetAction().GetStartWorkflow().GetTaskQueue()
		if queue == nil || queue.GetName() == taskQueue {
			return isMoved, nil
		}
		queue.Name = taskQueue
		if err := updateSchedule(ctx, c, namespace, id, newID(), description); err != nil {
			return false, err
		}
		isMoved = true
	}
	return false, errors.New("it is being changed by others")
}
