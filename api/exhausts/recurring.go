package exhausts

import (
	"context"
	"time"

	"data-exhaust/exhaust"
)

// SubmitAt is Submit for a submission that counts as of another time, as those of a schedule's firings
// do: the same firing is the same exhaust, on whatever day it is made. With allowEmpty an exhaust
// without any event succeeds with a file that has a header only. It never waits for the night: a
// schedule says itself when it runs.
func (s *Exhausts) SubmitAt(ctx context.Context, submission exhaust.Submission, at time.Time, allowEmpty bool) (exhaust.Job, error) {
	request, err := submission.Check(exhaust.Rules{Now: at.In(s.settings.Timezone), MaxDays: s.settings.MaxDays})
	if err != nil {
		return exhaust.Job{}, err
	}
	request.SubmittedAt = time.Now().Truncate(time.Millisecond)
	request.AllowEmpty = allowEmpty
	return s.submit(ctx, request, run{})
}

// State is how an exhaust stands, as its workflow or, later, job_request knows it.
func (s *Exhausts) State(ctx context.Context, requestID string) (exhaust.Job, error) {
	return s.find(ctx, requestID)
}
