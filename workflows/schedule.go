package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// NightlySchedule is the id of the Temporal Schedule that starts the night.
const NightlySchedule = "exhaust-nightly"

// NightlySettings are those that the night's schedule follows.
type NightlySettings struct {
	// Cron is five fields, in the time zone of that IANA name.
	Cron, Timezone string
	TaskQueue      string
	Input          NightInput
}

// EnsureNightly makes the night's schedule, or brings it up to date. Any number of workers may do so
// at once: there is one schedule, and an operator's pause of it is kept.
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
			schedule.Spec = &wanted.Spec
			schedule.Action = wanted.Action
			schedule.Policy = &client.SchedulePolicies{Overlap: wanted.Overlap, CatchupWindow: wanted.CatchupWindow}
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return fmt.Errorf("bringing schedule %s up to date (EXHAUST_NIGHTLY_CRON): %w", NightlySchedule, err)
	}
	return nil
}

func (s NightlySettings) options() client.ScheduleOptions {
	return client.ScheduleOptions{
		ID:            NightlySchedule,
		Spec:          client.ScheduleSpec{CronExpressions: []string{s.Cron}, TimeZoneName: s.Timezone},
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: 24 * time.Hour,
		Note:          "runs the exhausts that wait for the night, retries, deletes what has expired",
		Action: &client.ScheduleWorkflowAction{
			ID:            "nightly",
			Workflow:      Nightly,
			Args:          []any{s.Input},
			TaskQueue:     s.TaskQueue,
			StaticSummary: "the night: exhausts that wait, retries, retention",
			StaticDetails: "Runs every exhaust that waits for the night, retries those that FAILED for a reason that may heal, " +
				"and deletes expired reports and staged files that were left behind. Its result is the summary.",
		},
	}
}
