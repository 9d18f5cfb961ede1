package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"data-exhaust/exhaust"
)

// ofAttemptInFlight is the condition that a row is of an attempt that has not ended.
const ofAttemptInFlight = `request_id = $1 AND iteration = $2 AND status IN ('SUBMITTED', 'PROCESSING')`

const (
	progressQuery = `SELECT progress FROM job_request WHERE ` + ofAttemptInFlight
	// raiseQuery changes what nobody else has changed since it was read.
	raiseQuery = `UPDATE job_request SET progress = $3 WHERE ` + ofAttemptInFlight + ` AND progress = $4`
)

// RaiseProgress returns the progress of an attempt that has not ended: in each count the greater one of p and of what is
// recorded. That is recorded in its turn, so that of two calls, whichever processes make them, the one that begins after the
// other has ended is never behind it. Where p raises nothing, nothing is written. ErrNoJob says that this attempt is not
// recorded, or has ended; p comes back as it is. What a step waits for is p's own.
func (j *Jobs) RaiseProgress(ctx context.Context, requestID string, attempts int, p exhaust.Progress) (exhaust.Progress, error) {
	doing := "raise the progress of job " + requestID + " in"
	for {
		var recorded []string
		if err := j.db.Select(ctx, &recorded, progressQuery, requestID, attempts); err != nil {
			return exhaust.Progress{}, j.failed(doing, err)
		}
		if len(recorded) == 0 {
			return p, ErrNoJob
		}
		old, err := parseProgress(recorded[0])
		if err != nil {
			return exhaust.Progress{}, fmt.Errorf("%s table job_request: %w", doing, err)
		}
		raised := old
		raised.Raise(p)
		answer := raised
		answer.Waiting = p.Waiting
		if raised == old {
			return answer, nil
		}
		text, err := progressText(raised)
		if err != nil {
			return exhaust.Progress{}, fmt.Errorf("job %s: %w", requestID, err)
		}
		changed, err := j.change(ctx, doing, raiseQuery, requestID, attempts, text, recorded[0])
		if err != nil {
			return exhaust.Progress{}, err
		}
		if changed {
			return answer, nil
		}
		// Another call has raised it, or the attempt has ended. Each turn means that somebody has got on.
	}
}

// progressText is what the column progress holds. What a step waits for is over soon, and never kept.
func progressText(p exhaust.Progress) (string, error) {
	p.Waiting = ""
	text, err := json.Marshal(p)
	return string(text), err
}

func parseProgress(text string) (p exhaust.Progress, err error) {
	if json.Unmarshal([]byte(text), &p) != nil {
		return exhaust.Progress{}, errors.New("column progress is no JSON of an exhaust's progress")
	}
	return p, nil
}
