package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"data-exhaust/config"
	"data-exhaust/exhaust"
	"data-exhaust/internal/app"
	"data-exhaust/internal/sample"
)

// sampleRequests asks the running service for exhausts of sample data, so that each page of the console has something on it.
type sampleRequests struct {
	api  apiClient
	bots []exhaust.Conversation
	// first and last are those of the last week of sample data.
	first, last exhaust.Day
}

// absentConversation is one that there is not: its exhausts fail.
const absentConversation = "00000000-0000-4000-8000-000000000000"

// requestSamples asks for exhausts that succeed and some that fail, for a recurring one with windows, for some that wait for a
// night, which it begins, and for one that waits for the next.
func requestSamples(ctx context.Context, cfg config.Config, set *sample.Set, out io.Writer) error {
	days, bots := set.Days(), set.Conversations()
	r := sampleRequests{api: apiClient{base: cfg.PublicURL, channel: bots[0].Channel}, bots: bots, first: days[max(0, len(days)-7)], last: days[len(days)-1]}
	now, err := r.submit(ctx, "",
		r.submission("helpdesk", exhaust.ResponseExhaust, bots[0].ID, r.first),
		r.submission("helpdesk", exhaust.PrivateExhaust, bots[0].ID, r.first),
		r.submission("yesterday", exhaust.ResponseExhaust, bots[len(bots)-1].ID, r.last),
		r.submission("misspelt", exhaust.ResponseExhaust, absentConversation, r.first),
		r.submission("misspelt", exhaust.PrivateExhaust, absentConversation, r.first),
	)
	if err != nil {
		return err
	}
	night, err := r.submit(ctx, exhaust.RunNightly,
		r.submission("night", exhaust.ResponseExhaust, bots[len(bots)-1].ID, r.first),
		r.submission("night", exhaust.ResponseExhaust, absentConversation, r.last),
	)
	if err != nil {
		return err
	}
	if err := r.repeat(ctx); err != nil {
		return err
	}
	if err := app.TriggerNight(ctx); err != nil {
		return fmt.Errorf("beginning a night: %w", err)
	}
	for _, j := range append(now, night...) {
		if _, _, err := followOne(ctx, r.api, j.pathTag(), j.RequestID, waiting{timeout: 2 * time.Minute}, io.Discard); err != nil {
			return err
		}
	}
	if _, err := r.submit(ctx, exhaust.RunNightly, r.submission("next-night", exhaust.PrivateExhaust, bots[0].ID, r.last)); err != nil {
		return err
	}
	fmt.Fprintf(out, "exhausts of it, a recurring one, and a night: %s/console/\n", cfg.PublicURL)
	return nil
}

// submission asks for the days from one to the last.
func (r *sampleRequests) submission(tag string, dataset exhaust.Dataset, conversation string, from exhaust.Day) submission {
	return submission{dataset: string(dataset), conversation: conversation, by: "sample", tag: tag, start: string(from), end: string(r.last)}
}

// submit submits each, to be run at some time.
func (r *sampleRequests) submit(ctx context.Context, runAt string, all ...submission) (jobs []job, err error) {
	for _, s := range all {
		s.runAt = runAt
		body, err := s.json()
		if err != nil {
			return nil, err
		}
		answer, err := r.api.submit(ctx, body)
		if err != nil {
			return nil, err
		}
		submitted, err := result[job](answer)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, submitted)
	}
	return jobs, nil
}

// repeat makes a recurring exhaust of each day, with the windows of all days but the first of these.
func (r *sampleRequests) repeat(ctx context.Context) error {
	answer, err := r.api.send(ctx, http.MethodPost, schedulesPath, map[string]any{
		"dataset": exhaust.ResponseExhaust, "tag": "daily", "requestedBy": "sample", "cron": "0 6 * * *", "note": "sample",
		"datasetConfig": map[string]string{"conversationId": r.bots[0].ID},
	})
	if err != nil {
		return err
	}
	made, err := result[schedule](answer)
	if err != nil || r.first == r.last {
		return err
	}
	_, err = r.api.send(ctx, http.MethodPost, schedulesPath+"/"+made.ScheduleID+"/backfill", map[string]any{"from": r.first.Add(1), "to": r.last})
	return err
}
