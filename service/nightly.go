package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/workflows"
)

// NightlySchedule is the id of the Temporal Schedule that starts the night, and NightlyWorkflowID begins the ids of its
// workflows.
const (
	NightlySchedule   = "exhaust-nightly"
	NightlyWorkflowID = "nightly"
)

// NightlySettings are those that the night's schedule follows.
type NightlySettings struct {
	// Cron is five fields, in the time zone of that IANA name.
	Cron, Timezone string
	TaskQueue      string
	Input          workflows.NightInput
}

// EnsureNightly makes the night's schedule, or brings it up to date. Any number of workers may do so at once: there is one
// schedule, and an operator's pause of it is kept.
func EnsureNightly(ctx context.Context, c client.Client, s NightlySettings) error {
	wanted := s.options()
	_, err := c.ScheduleClient().Create(ctx, wanted)
	if err == nil {
		return nil
	}
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return fmt.Errorf("making schedule %s (EXHAUST_NIGHTLY_CRON): %w", NightlySchedule, err)
	}
	err = c.ScheduleClient().GetHandle(ctx, NightlySchedule).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			if s.agreeWith(schedule) {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			schedule.Spec = &wanted.Spec
			schedule.Action = wanted.Action
			schedule.Policy = &client.SchedulePolicies{Overlap: wanted.Overlap, CatchupWindow: wanted.CatchupWindow}
			if schedule.State != nil && !schedule.State.Paused {
				schedule.State.Note = wanted.Note
			}
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return fmt.Errorf("bringing schedule %s up to date (EXHAUST_NIGHTLY_CRON): %w", NightlySchedule, err)
	}
	return nil
}

// agreeWith reports whether an existing schedule is as these settings and this code make it. An update that
// changes nothing is left out: it could undo what an operator does at the same moment.
func (s NightlySettings) agreeWith(existing client.Schedule) bool {
	wanted := s.options()
	policy, state := existing.Policy, existing.State
	if policy == nil || policy.Overlap != wanted.Overlap || policy.CatchupWindow != wanted.CatchupWindow {
		return false
	}
	if state == nil || !state.Paused && state.Note != wanted.Note { // a pause has a note of its own
		return false
	}
	return s.agreeWithAction(existing.Action, wanted.Action.(*client.ScheduleWorkflowAction))
}

func (s NightlySettings) agreeWithAction(action client.ScheduleAction, wanted *client.ScheduleWorkflowAction) bool {
	existing, ok := action.(*client.ScheduleWorkflowAction)
	if !ok || existing.ID != wanted.ID || existing.TaskQueue != s.TaskQueue || len(existing.Args) != 1 ||
		existing.StaticSummary != wanted.StaticSummary || existing.StaticDetails != wanted.StaticDetails {
		return false
	}
	payload, ok := existing.Args[0].(*commonpb.Payload)
	if !ok {
		return false
	}
	var input workflows.NightInput
	return converter.GetDefaultDataConverter().FromPayload(payload, &input) == nil && input == s.input()
}

// input names the schedule as well, so that it can be compared.
func (s NightlySettings) input() workflows.NightInput {
	input := s.Input
	input.Schedule = s.Cron + " " + s.Timezone
	return input
}

func (s NightlySettings) options() client.ScheduleOptions {
	return client.ScheduleOptions{
		ID:   NightlySchedule,
		Spec: client.ScheduleSpec{CronExpressions: []string{s.Cron}, TimeZoneName: s.Timezone},
		// A night that comes while the one before still releases begins behind it: what is due waits for none.
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
		CatchupWindow: 24 * time.Hour,
		Note:          "releases the exhausts that wait for the night, retries, deletes what has expired",
		Action: &client.ScheduleWorkflowAction{
			ID:            NightlyWorkflowID,
			Workflow:      workflows.Nightly,
			Args:          []any{s.input()},
			TaskQueue:     s.TaskQueue,
			StaticSummary: "the night: exhausts that wait, retries, retention",
			StaticDetails: "Releases every exhaust that waits for the night, retries those that FAILED for a reason that may heal, " +
				"and deletes expired reports and staged files that were left behind. Its result is the summary.",
		},
	}
}
