package service

import (
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

// pending is an activity that is being tried for the attempt-th time, the last of which failed with that type and message.
func pending(name string, attempt int32, kind, message string, next time.Duration) *workflowpb.PendingActivityInfo {
	p := &workflowpb.PendingActivityInfo{
		ActivityType: &commonpb.ActivityType{Name: name}, Attempt: attempt,
		LastFailure: &failurepb.Failure{
			Message:     message,
			FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: kind}},
		},
	}
	if next != 0 {
		p.ScheduledTime = timestamppb.New(startedAt.Add(next))
	}
	return p
}

func TestAnExhaustThatWaitsSaysWhatForWithoutData(t *testing.T) {
	const leak = "reading staged x: dial tcp 10.0.0.7:5432: connection refused"
	lost := pending("FetchTelemetry", 3, "", "heartbeat timeout", 0)
	lost.LastFailure.FailureInfo = &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{
		TimeoutType: enumspb.TIMEOUT_TYPE_HEARTBEAT,
	}}
	late := pending("RecordJob", 2, "", "activity StartToClose timeout", 0)
	late.LastFailure.FailureInfo = &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{
		TimeoutType: enumspb.TIMEOUT_TYPE_START_TO_CLOSE,
	}}
	for name, test := range map[string]struct {
		pending []*workflowpb.PendingActivityInfo
		want    string
	}{
		"nothing is pending":   {nil, ""},
		"a first attempt":      {[]*workflowpb.PendingActivityInfo{{ActivityType: &commonpb.ActivityType{Name: "BuildCSV"}, Attempt: 1}}, ""},
		"a worker hands it on": {[]*workflowpb.PendingActivityInfo{pending("FetchTelemetry", 2, activities.Stopping, "the worker is stopping", 0)}, ""},
		"an object is unsettled": {
			[]*workflowpb.PendingActivityInfo{pending("FetchTelemetry", 6, activities.StillWritten, `telemetry object "a" is still being written`, 29600*time.Millisecond)},
			`telemetry object "a" is still being written; tried 5 times, next in 30 s`,
		},
		"the registry is away, tried right now": {
			[]*workflowpb.PendingActivityInfo{pending("JoinDevices", 2, "", leak, -time.Second)}, "looking up the devices in the registry failed; tried once, trying again",
		},
		"the store is away":        {[]*workflowpb.PendingActivityInfo{pending("PlanFetch", 4, "", leak, 4*time.Second)}, "listing the telemetry failed; tried 3 times, next in 4 s"},
		"it is tried in a moment":  {[]*workflowpb.PendingActivityInfo{pending("PlanFetch", 2, "", leak, 50*time.Millisecond)}, "listing the telemetry failed; tried once, next in 1 s"},
		"a step of later releases": {[]*workflowpb.PendingActivityInfo{pending("Another", 4, "", leak, 0)}, "a step failed; tried 3 times, trying again"},
		"a worker died":            {[]*workflowpb.PendingActivityInfo{lost}, "a worker was lost; tried 2 times, trying again"},
		"an attempt took too long": {[]*workflowpb.PendingActivityInfo{late}, "recording the state in the database took too long; tried once, trying again"},
		"the worst of several": {
			[]*workflowpb.PendingActivityInfo{pending("BuildCSV", 2, "", leak, 0), pending("SignURLs", 9, "", leak, 0), pending("RecordJob", 3, "", leak, 0)},
			"signing the URL failed; tried 8 times, trying again",
		},
	} {
		if got := waitingFor(test.pending, startedAt); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestProgressTellsWhatARunningExhaustWaitsFor(t *testing.T) {
	d := description(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, exhaust.State{Status: exhaust.Processing, UpdatedAt: toldAt})
	d.PendingActivities = []*workflowpb.PendingActivityInfo{pending("PlanFetch", 2, "", "x", 0)}
	job, _, err := jobOf(d)
	if want := "listing the telemetry failed; tried once, trying again"; err != nil || job.Progress.Waiting != want {
		t.Errorf("waiting %q, %v; want %q", job.Progress.Waiting, err, want)
	}
}
