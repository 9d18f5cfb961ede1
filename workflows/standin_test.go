package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

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
	resolve, plan, join, build, sign, record, remove func(ctx context.Context) error
	fetch                                            func(ctx context.Context, in activities.FetchInput) (activities.Fetched, error)

	mu       sync.Mutex
	calls    []string
	recorded []exhaust.Job
	removed  [][]string
	joined   []activities.JoinInput
	built    []activities.BuildInput
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

func (s *standIn) ResolveConversation(ctx context.Context, r exhaust.Request) (activities.Resolved, error) {
	err := s.called(ctx, "ResolveConversation", s.resolve)
	resolved := activities.Resolved{Conversation: exhaust.Conversation{ID: r.ConversationID, Name: "Helpdesk", Channel: r.Channel}}
	if r.UsesTelemetry() {
		resolved.StartDate, resolved.EndDate = "2022-03-01", "2022-03-03"
	}
	return resolved, err
}

func (s *standIn) PlanFetch(ctx context.Context, _, _ exhaust.Day) ([]activities.Part, error) {
	return s.parts, s.called(ctx, "PlanFetch", s.plan)
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

func (s *standIn) JoinDevices(ctx context.Context, in activities.JoinInput) (activities.Joined, error) {
	s.mu.Lock()
	s.joined = append(s.joined, in)
	s.mu.Unlock()
	return activities.Joined{Known: 4, Unknown: 3}, s.called(ctx, "JoinDevices", s.join)
}

func (s *standIn) BuildCSV(ctx context.Context, in activities.BuildInput) (activities.Built, error) {
	s.mu.Lock()
	s.built = append(s.built, in)
	s.mu.Unlock()
	name := in.Request.ReportName(in.Conversation.ID, exhaust.DayOf(in.Completed))
	return activities.Built{Report: name, Receipt: exhaust.ReceiptName(name), RowsWritten: 5, RowsUnknownDevice: 1, Undecryptable: 2}, s.called(ctx, "BuildCSV", s.build)
}

func (s *standIn) SignURLs(ctx context.Context, job exhaust.Job) error {
	return s.keep(ctx, "SignURLs", job, s.sign)
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

func (s *standIn) RemoveFiles(ctx context.Context, prefixes []string) error {
	s.mu.Lock()
	s.removed = append(s.removed, prefixes)
	s.mu.Unlock()
	return s.called(ctx, "RemoveFiles", s.remove)
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
