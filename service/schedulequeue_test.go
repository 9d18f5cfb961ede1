package service_test

import (
	"fmt"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/service"
)

// TestSchedulesFollowTheTaskQueueAndKeepAllElse: firings on a queue that no worker polls any more would wait for ever.
func TestSchedulesFollowTheTaskQueueAndKeepAllElse(t *testing.T) {
	t.Parallel()
	n := newNightNamespace(t)
	e2etest.Eventually(t, 30*time.Second, "the search attributes can be used", func() bool {
		return service.RegisterSearchAttributes(t.Context(), n, n.name) == nil
	})
	n.ensure(nightSettings) // another schedule, that follows the workers
	describe := func(id string) *workflowservice.DescribeScheduleResponse {
		t.Helper()
		d, err := n.WorkflowService().DescribeSchedule(t.Context(), &workflowservice.DescribeScheduleRequest{Namespace: n.name, ScheduleId: id})
		e2etest.Must(t, err)
		return d
	}
	before := map[string]*workflowservice.DescribeScheduleResponse{}
	for i, queue := range []string{"old", "old", "new"} {
		schedules := service.NewSchedules(n, n.name, nil, service.Settings{TaskQueue: queue, Timezone: zone(t, kolkata), MaxDays: 366})
		made, err := schedules.Create(t.Context(), service.ScheduleDraft{
			Submission: exhaust.Submission{
				Dataset: "uci-response-exhaust", Tag: fmt.Sprintf("tag%d", i), Channel: channel,
				DatasetConfig: []byte(`{"conversationId":"` + conversation + `"}`),
			},
			Cron: "0 6 * * *", Paused: i == 0, Note: "for the board",
		})
		e2etest.Must(t, err)
		before["exhaust-schedule-"+made.ID] = describe("exhaust-schedule-" + made.ID)
	}
	var total int
	e2etest.Eventually(t, 30*time.Second, "all are listed", func() bool { // a moment after they were made
		moved, err := service.MoveSchedules(t.Context(), n, n.name, "new")
		e2etest.Must(t, err)
		total += moved
		return total == 2
	})
	for id, was := range before {
		now := describe(id)
		was.Schedule.Action.GetStartWorkflow().TaskQueue.Name = "new"
		if !proto.Equal(was.Schedule, now.Schedule) {
			t.Errorf("%s is\n%s\nwant\n%s", id, now.Schedule, was.Schedule)
		}
	}
	if moved, err := service.MoveSchedules(t.Context(), n, n.name, "new"); err != nil || moved != 0 {
		t.Errorf("once more %d were moved, %v", moved, err)
	}
	if got := n.schedule().TaskQueue; got != nightSettings.TaskQueue {
		t.Errorf("the night's is %s", got)
	}
}
