package service

import (
	"fmt"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"data-exhaust/activities"
)

// waitingFor says what a step that is tried again waits for (contract section 2), "" where none is. Of several it is the
// one that was tried most often. The message of a failure that says why is made for clients (activities.Unavailable,
// activities.StillWritten); any other stays in Temporal and in the log, for it may name hosts and tables.
func waitingFor(pending []*workflowpb.PendingActivityInfo, now time.Time) string {
	var worst *workflowpb.PendingActivityInfo
	for _, step := range pending {
		isTriedAgain := step.GetAttempt() > 1 && step.GetLastFailure() != nil
		if isTriedAgain && (worst == nil || step.GetAttempt() > worst.GetAttempt()) {
			worst = step
		}
	}
	if worst == nil {
		return ""
	}
	failure := worst.GetLastFailure()
	kind := failure.GetApplicationFailureInfo().GetType()
	if kind == activities.Stopping {
		return "" // another worker goes on
	}
	what := "a step failed"
	if does, ok := stepSentences[worst.GetActivityType().GetName()]; ok {
		what = does + " failed"
	}
	if failure.GetTimeoutFailureInfo() != nil {
		what = "a worker was lost"
	}
	if kind == activities.StillWritten || kind == activities.Unavailable {
		what = failure.GetMessage()
	}
	tried := fmt.Sprintf("%s; tried %s", what, times(int(worst.GetAttempt())-1))
	if next := worst.GetScheduledTime().AsTime().Sub(now); worst.GetScheduledTime() != nil && next > 0 {
		return fmt.Sprintf("%s, next in %d s", tried, int64(next.Round(time.Second)/time.Second))
	}
	return tried + ", trying again"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// stepSentences say what the activities do.
var stepSentences = map[string]string{
	"PlanExhaust":         "looking up the conversation and its telemetry",
	"BuildReport":         "writing the report",
	"EndExhaust":          "recording the end",
	"RemoveLeftovers":     "removing staged files",
	"RemoveFiles":         "removing staged files",
	"ResolveConversation": "looking up the conversation in the registry",
	"PlanFetch":           "listing the telemetry",
	"FetchTelemetry":      "reading the telemetry",
	"JoinDevices":         "looking up the devices in the registry",
	"BuildCSV":            "writing the report",
	"SignURLs":            "signing the URL",
	"RecordJob":           "recording the state in the database",
}
