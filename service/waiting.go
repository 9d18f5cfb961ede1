package service

import (
	"fmt"
	"math"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
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
	what := activities.Doing(worst.GetActivityType().GetName())
	switch timeout := failure.GetTimeoutFailureInfo(); {
	case kind == activities.StillWritten || kind == activities.Unavailable:
		what = failure.GetMessage()
	case timeout.GetTimeoutType() == enumspb.TIMEOUT_TYPE_HEARTBEAT:
		what = "a worker was lost"
	case timeout != nil:
		what += " took too long"
	default:
		what += " failed"
	}
	tried := what + behindCause + times(int(worst.GetAttempt())-1)
	if next := worst.GetScheduledTime().AsTime().Sub(now); worst.GetScheduledTime() != nil && next > 0 {
		return fmt.Sprintf("%s, next in %d s", tried, int64(math.Ceil(next.Seconds())))
	}
	return tried + ", trying again"
}

// behindCause stands between what a step waits for and how often it was tried.
const behindCause = "; tried "

// causeOf is what a step waits for, of what waitingFor says: the same for all steps that wait for the same.
func causeOf(waiting string) string {
	if i := strings.LastIndex(waiting, behindCause); i >= 0 {
		return waiting[:i]
	}
	return waiting
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
