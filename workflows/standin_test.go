package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

const (
	conversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	requestID    = "1E2A13DA30671FDBA10C418C9EF14A70"
)

// submitted is when the requests of these tests were submitted.
var submitted = time.Date(2022, 4, 6, 9, 32, 0, 0, time.UTC)

// request is a valid request. Its config holds a text that must stand nowhere but in the request.
func request(dataset exhaust.Dataset, start, end exhaust.Day) exhaust.Request {
	return exhaust.Request{
		ID: requestID, Dataset: dataset, Tag: "tag", Channel: "01309282781705830427", RequestedBy: "user_id",
		Config:       json.RawMessage(`{"conversationId":"` + conversation + `","mark":"only-in-the-request"}`),
		OutputFormat: "csv", ConversationID: conversation, StartDate: start, EndDate: end, SubmittedAt: submitted,
	}
}

// standIn has an activity under each of the names that the workflow calls. Each does nothing but give
// a small result, unless the test says otherwise.
type standIn struct {
	parts []activities.Part
	// Each of these, where it is set, is asked before the activity gives its result.
	plan, build, end, record, remove func(ctx context.Context) error
	fetch                            func(ctx context.Context, in activities.FetchInput) (activities.Fetched, error)
	// isLeft says that the end of the exhaust leaves files to remove.
	isLeft bool
	// isInMemory says that a report which is made in one step stages nothing.
	isInMemory bool

	mu       sync.Mutex
	calls    []string
	recorded []exhaust.Job
	ended    []activities.EndInput
	removed  []activities.EndInput
	built    []activities.BuildInput
	queues   map[string]string
}

// threeParts is what is fetched unless the test says otherwise.
func threeParts() []activities.Part {
	return partsOf(3)
}

// partsOf is that many days of 100 bytes each.
func partsOf(n int) []activities.Part {
	parts := make([]activities.Part, n)
	for i := range parts {
		day := exhaust.Day("2022-03-01").Add(i)
		parts[i] = activities.Part{Number: i, Listings: []string{string(day)}, ListedAt: submitted, FirstDay: day, LastDay: day, Objects: 2, Bytes: 100}
	}
	return parts
}

func (s *standIn) called(ctx context.Context, name string, say func(context.Context) error) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	if s.queues == nil {
		s.queues = map[string]string{}
	}
	s.queues[name] = activity.GetInfo(ctx).TaskQueue
	s.mu.Unlock()
	if say == nil {
		return nil
	}
	return say(ctx)
}

// names lists the activities that were called, each run of one name once.
func (s *standIn) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(slices.Clone(s.calls))
}

func (s *standIn) count(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, call := range s.calls {
		if call == name {
			n++
		}
	}
	return n
}

func (s *standIn) PlanExhaust(ctx context.Context, in activities.PlanInput) (activities.Plan, error) {
	if err := s.keep(ctx, "PlanExhaust", in.Job, s.plan); err != nil {
		return activities.Plan{}, err
	}
	r := in.Job.Request
	plan := activities.Plan{Resolved: activities.Resolved{Conversation: exhaust.Conversation{ID: r.ConversationID, Name: "Helpdesk", Channel: r.Channel}}}
	if r.UsesTelemetry() {
		plan.StartDate, plan.EndDate, plan.Parts = "2022-03-01", "2022-03-03", s.parts
	}
	return plan, nil
}

func (s *standIn) FetchTelemetry(ctx context.Context, in activities.FetchInput) (activities.Fetched, error) {
	_ = s.called(ctx, "FetchTelemetry", nil)
	if s.fetch != nil {
		return s.fetch(ctx, in)
	}
	return fetched(in), nil
}

// fetched is a part of which two events matched.
func fetched(in activities.FetchInput) activities.Fetched {
	return activities.Fetched{
		Segments:  []activities.SegmentRange{{Part: in.Part.Number, Attempt: "a", Count: 1}},
		BytesRead: in.Part.Bytes, EventsMatched: 2, LinesSkipped: 1,
	}
}

func (s *standIn) BuildReport(ctx context.Context, in activities.BuildInput) (activities.Built, error) {
	return s.buildReport(ctx, "BuildReport", in)
}

func (s *standIn) MakeReport(ctx context.Context, in activities.BuildInput) (activities.Built, error) {
	return s.buildReport(ctx, "MakeReport", in)
}

func (s *standIn) buildReport(ctx context.Context, step string, in activities.BuildInput) (activities.Built, error) {
	s.mu.Lock()
	s.built = append(s.built, in)
	s.mu.Unlock()
	name := in.Request.ReportName(in.Conversation.ID, exhaust.DayOf(in.Completed))
	var read activities.Counts
	if in.Part != nil {
		read = activities.Counts{BytesRead: in.Part.Bytes, EventsMatched: 2, LinesSkipped: 1}
	}
	return activities.Built{
		Read: read, IsInMemory: in.Part != nil && s.isInMemory,
		Report: name, Receipt: exhaust.ReceiptName(name), Joined: activities.Joined{Attempt: "b", Known: 4, Unknown: 3, Repeats: 1},
		RowsWritten: 5, RowsUnknownDevice: 1, Undecryptable: 2,
	}, s.called(ctx, step, s.build)
}

func (s *standIn) EndExhaust(ctx context.Context, in activities.EndInput) (activities.Ended, error) {
	if err := s.keep(ctx, "EndExhaust "+string(in.Job.Status), in.Job, s.end); err != nil {
		return activities.Ended{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, in)
	return activities.Ended{IsLeft: s.isLeft}, nil
}

func (s *standIn) RecordJob(ctx context.Context, job exhaust.Job) error {
	return s.keep(ctx, "RecordJob "+string(job.Status), job, s.record)
}

func (s *standIn) keep(ctx context.Context, name string, job exhaust.Job, say func(context.Context) error) error {
	if err := s.called(ctx, name, say); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recorded = append(s.recorded, job)
	return nil
}

func (s *standIn) RemoveLeftovers(ctx context.Context, in activities.EndInput) error {
	s.mu.Lock()
	s.removed = append(s.removed, in)
	s.mu.Unlock()
	return s.called(ctx, "RemoveLeftovers", s.remove)
}

// last is the job that was recorded last.
func (s *standIn) last() exhaust.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.recorded) == 0 {
		return exhaust.Job{}
	}
	return s.recorded[len(s.recorded)-1]
}

var errAway = fmt.Errorf("the store is away")
