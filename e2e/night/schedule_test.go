package night

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"data-exhaust/internal/e2etest"
)

func TestTheScheduleIsMadeOnceKeptPausedAndBroughtUpToDate(t *testing.T) {
	d := prepare(t, "EXHAUST_NIGHTLY_CRON=") // that is, the default
	first, second := d.Launch(t, "worker"), d.Launch(t, "worker")
	first.WaitForLog(t, "worker is running")
	second.WaitForLog(t, "worker is running")
	d.wantSchedules(t, []string{"exhaust-nightly"})
	d.wantSchedule(t, nightSchedule{
		When: "02:00 Asia/Kolkata", Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE, CatchUp: 24 * time.Hour, Workflow: "Nightly",
		Note: "releases the exhausts that wait for the night, retries, deletes what has expired",
	})

	schedule := d.Client.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly")
	e2etest.Must(t, schedule.Pause(t.Context(), client.SchedulePauseOptions{Note: "the store is being moved"}))
	first.Terminate(t)
	second.Terminate(t)
	d.Launch(t, "worker", "EXHAUST_NIGHTLY_CRON=30 1 * * *", "EXHAUST_TIMEZONE=UTC").WaitForLog(t, "worker is running")
	d.wantSchedules(t, []string{"exhaust-nightly"})
	d.wantSchedule(t, nightSchedule{
		When: "01:30 UTC", Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE, CatchUp: 24 * time.Hour, Workflow: "Nightly",
		Paused: true, Note: "the store is being moved",
	})
}

func TestACronThatTemporalRefusesEndsTheWorkerWithTheNameOfTheSetting(t *testing.T) {
	d := prepare(t)
	p := d.Launch(t, "worker", "EXHAUST_NIGHTLY_CRON=0 25 * * *")
	if code := p.Wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	d.wantSchedules(t, nil)
	if log := p.Log(t); !strings.Contains(log, "EXHAUST_NIGHTLY_CRON") {
		t.Errorf("its log does not name the setting:\n%s", log)
	}
}

// nightSchedule is what an operator sees of the schedule.
type nightSchedule struct {
	When     string
	Overlap  enumspb.ScheduleOverlapPolicy
	CatchUp  time.Duration
	Workflow string
	Paused   bool
	Note     string
}

func (d deployment) wantSchedule(t *testing.T, want nightSchedule) {
	t.Helper()
	description, err := d.Client.ScheduleClient().GetHandle(t.Context(), "exhaust-nightly").Describe(t.Context())
	e2etest.Must(t, err)
	s := description.Schedule
	action, ok := s.Action.(*client.ScheduleWorkflowAction)
	if !ok {
		t.Fatalf("the action is %T", s.Action)
	}
	got := nightSchedule{
		Overlap: s.Policy.Overlap, CatchUp: s.Policy.CatchupWindow,
		Workflow: fmt.Sprint(action.Workflow), Paused: s.State.Paused, Note: s.State.Note,
	}
	for _, calendar := range s.Spec.Calendars {
		got.When += fmt.Sprintf("%02d:%02d %s", calendar.Hour[0].Start, calendar.Minute[0].Start, s.Spec.TimeZoneName)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the schedule is\n%+v\nwant\n%+v", got, want)
	}
	// The next firings tell that nothing else is in the specification.
	next := description.Info.NextActionTimes
	if len(next) < 2 || next[1].Sub(next[0]) != 24*time.Hour {
		t.Errorf("it fires at %s", next)
	}
}

func (d deployment) wantSchedules(t *testing.T, want []string) {
	t.Helper()
	var got []string
	// The list is told a moment later than the schedule is made.
	e2etest.Eventually(t, 30*time.Second, fmt.Sprintf("the schedules are %q", want), func() bool {
		got = nil
		list, err := d.Client.ScheduleClient().List(t.Context(), client.ScheduleListOptions{})
		e2etest.Must(t, err)
		for list.HasNext() {
			entry, err := list.Next()
			e2etest.Must(t, err)
			got = append(got, entry.ID)
		}
		return reflect.DeepEqual(got, want)
	})
}
