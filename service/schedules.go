package service

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
	"data-exhaust/workflows"
)

// Schedules makes, shows and changes recurring exhausts. Each is a Temporal Schedule, which holds all there is to know of
// it: there is no table of schedules.
type Schedules struct {
	temporal  client.Client
	namespace string
	calendar  *Calendar
	secrets   *WebhookSecrets
	settings  Settings
}

// NewSchedules makes the service of recurring exhausts on a namespace of Temporal. Their webhooks are signed with these
// secrets; nil where there are no webhooks.
func NewSchedules(temporal client.Client, namespace string, secrets *WebhookSecrets, settings Settings) *Schedules {
	return &Schedules{temporal: temporal, namespace: namespace, calendar: NewCalendar(temporal, namespace), secrets: secrets, settings: settings}
}

// Schedule is a recurring exhaust as it stands.
type Schedule struct {
	exhaust.Schedule
	Paused bool
	Note   string
	// Next are its next firings, with their jitter; none while it is paused.
	Next []time.Time
	// Firings are its last ones, the newest first; only Read gives them.
	Firings []Firing
	// WebhookSecret is the channel's, as receivers take it, where Create or Change made it; nothing else gives it.
	WebhookSecret string
}

// Firing is a firing that Temporal still knows.
type Firing struct {
	workflows.Firing
	WorkflowID string
	// State is the workflow's: RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED or TIMED_OUT.
	State string
}

// Create makes a schedule, or says in an *exhaust.InvalidError what is wrong with the draft.
func (s *Schedules) Create(ctx context.Context, draft ScheduleDraft, may ...Permission) (Schedule, error) {
	schedule, err := s.check(draft)
	if err != nil {
		return Schedule{}, err
	}
	if err := ask(may, schedule.Dataset); err != nil {
		return Schedule{}, err
	}
	if err := s.checkWindows(ctx, schedule); err != nil {
		return Schedule{}, err
	}
	secret := ""
	if schedule.Webhook != nil {
		// Before the schedule: there is none whose webhooks nobody could verify.
		if secret, err = s.secrets.ensure(ctx, schedule.Channel, may); err != nil {
			return Schedule{}, err
		}
	}
	attributes := temporal.NewSearchAttributes(
		workflows.TagAttribute.ValueSet(schedule.ChannelTag()),
		workflows.ChannelAttribute.ValueSet(schedule.Channel),
		workflows.DatasetAttribute.ValueSet(string(schedule.Dataset)),
		workflows.ConversationAttribute.ValueSet(schedule.ConversationID),
	)
	_, err = s.temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:   workflows.RecurringScheduleID(schedule.ID),
		Spec: client.ScheduleSpec{CronExpressions: []string{schedule.Cron}, TimeZoneName: schedule.Zone, Jitter: schedule.Jitter},
		Action: &client.ScheduleWorkflowAction{
			ID:                    workflows.RecurringID(schedule.ID),
			Workflow:              workflows.Recurring,
			Args:                  []any{schedule},
			TaskQueue:             s.settings.TaskQueue,
			TypedSearchAttributes: attributes,
			StaticSummary:         fmt.Sprintf("recurring %s of %s for %s", schedule.Dataset, schedule.ConversationID, schedule.ChannelTag()),
		},
		// Firings never wait for one another, and none is lost while Temporal is down.
		Overlap:               enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
		CatchupWindow:         catchUp,
		Note:                  draft.Note,
		Paused:                draft.Paused,
		TypedSearchAttributes: attributes,
	})
	if err != nil {
		return Schedule{}, temporalError(err)
	}
	_, created, err := s.describe(ctx, schedule.Channel, schedule.ID)
	created.WebhookSecret = secret
	return created, err
}

// catchUp is how long after its time a firing is still made when Temporal was down.
const catchUp = 365 * 24 * time.Hour

// listRecurring lists the schedules of recurring exhausts that a query matches, "" for all.
func listRecurring(ctx context.Context, c client.Client, query string) (found []*client.ScheduleListEntry, err error) {
	entries, err := c.ScheduleClient().List(ctx, client.ScheduleListOptions{PageSize: 1000, Query: query})
	if err != nil {
		return nil, err
	}
	for entries.HasNext() {
		entry, err := entries.Next()
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(entry.ID, workflows.RecurringScheduleID("")) {
			found = append(found, entry)
		}
	}
	return found, nil
}

// List is the schedules of a channel by id, those behind the id after, at most limit of them, read from Temporal a page at a time.
// Those that a permission refuses are left out. Temporal lists a new one a moment after it was made.
func (s *Schedules) List(ctx context.Context, channel, after string, limit int, may ...Permission) (iter.Seq2[Schedule, error], error) {
	query := workflows.ChannelAttribute.GetName() + " = " + quoteFilter(channel)
	if strings.ContainsAny(channel, `"\`) {
		query = "" // Temporal on PostgreSQL or SQLite finds no value with one of these
	}
	entries, err := listRecurring(ctx, s.temporal, query)
	if err != nil {
		return nil, temporalError(err)
	}
	var ids []string
	for _, entry := range entries {
		dataset := exhaust.Dataset(attributeOf(entry, workflows.DatasetAttribute))
		id := strings.TrimPrefix(entry.ID, workflows.RecurringScheduleID(""))
		if id > after && attributeOf(entry, workflows.ChannelAttribute) == channel && ask(may, dataset) == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = ids[:min(limit, len(ids))]
	return func(yield func(Schedule, error) bool) {
		for page := range slices.Chunk(ids, schedulesPage) {
			found, err := s.describePage(ctx, channel, page)
			if err != nil {
				yield(Schedule{}, err)
				return
			}
			for _, schedule := range found {
				if !yield(schedule, nil) {
					return
				}
			}
		}
	}, nil
}

// schedulesPage is how many schedules are read from Temporal at a time.
const schedulesPage = 16

// pageTimeout is how long a page may take.
const pageTimeout = 30 * time.Second

// describePage is describe of several schedules of a channel at once. One that was deleted since it was listed is left out.
func (s *Schedules) describePage(ctx context.Context, channel string, ids []string) ([]Schedule, error) {
	// Whoever reads the pages before may take longer than a call may take.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageTimeout)
	defer cancel()
	found := make([]Schedule, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	for i, id := range ids {
		group.Go(func() (err error) {
			_, found[i], err = s.describe(ctx, channel, id)
			if errors.Is(err, ErrNoSchedule) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(schedule Schedule) bool { return schedule.ID == "" }), nil
}

func attributeOf(entry *client.ScheduleListEntry, key temporal.SearchAttributeKeyKeyword) (value string) {
	payload := entry.SearchAttributes.GetIndexedFields()[key.GetName()]
	_ = converter.GetDefaultDataConverter().FromPayload(payload, &value) // one without is nobody's
	return value
}

// quoteFilter writes a value as Temporal's list filters take it.
func quoteFilter(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// Read is one schedule with its last firings.
func (s *Schedules) Read(ctx context.Context, channel, id string, may ...Permission) (Schedule, error) {
	_, schedule, err := s.describe(ctx, channel, id, may...)
	if err != nil {
		return Schedule{}, err
	}
	schedule.Firings, err = s.firings(ctx, id)
	return schedule, err
}

// maxFirings is how many firings Read returns.
const maxFirings = 10

// firingStates are the states of a firing's workflow. Any other is that of one that came to nothing.
var firingStates = map[enumspb.WorkflowExecutionStatus]string{
	enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:    "RUNNING",
	enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:  "COMPLETED",
	enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:   "CANCELED",
	enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED: "TERMINATED",
	enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:  "TIMED_OUT",
}

func (s *Schedules) firings(ctx context.Context, id string) ([]Firing, error) {
	list, err := s.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: s.namespace,
		PageSize:  maxFirings,
		Query:     "TemporalScheduledById = " + quoteFilter(workflows.RecurringScheduleID(id)),
	})
	if err != nil {
		return nil, temporalError(err)
	}
	var firings []Firing
	for _, execution := range list.GetExecutions() {
		firing := Firing{WorkflowID: execution.GetExecution().GetWorkflowId(), State: cmp.Or(firingStates[execution.GetStatus()], "FAILED")}
		if payload, ok := execution.GetMemo().GetFields()[workflows.FiringMemo]; ok {
			if err := converter.GetDefaultDataConverter().FromPayload(payload, &firing.Firing); err != nil {
				return nil, fmt.Errorf("the memo of workflow %s: %w", firing.WorkflowID, err)
			}
		}
		// Before the workflow has published it, its id holds it: Temporal appends the time.
		if _, at, ok := strings.Cut(firing.WorkflowID, workflows.RecurringID(id)+"-"); ok && firing.Window.Firing.IsZero() {
			firing.Window.Firing, _ = time.Parse(time.RFC3339, at)
		}
		firings = append(firings, firing)
	}
	slices.SortFunc(firings, func(x, y Firing) int { return y.Window.Firing.Compare(x.Window.Firing) })
	return firings, nil
}

// Delete ends a schedule. Firings that are on their way go on, and what it has made stays.
func (s *Schedules) Delete(ctx context.Context, channel, id string, may ...Permission) (Schedule, error) {
	_, schedule, err := s.describe(ctx, channel, id, may...)
	if err != nil {
		return Schedule{}, err
	}
	return schedule, temporalError(s.handle(id).Delete(ctx))
}

// Trigger makes the exhaust of the days since the last firing, up to yesterday; where no day has ended
// since, that of the last firing's days. It moves nothing: the next firing covers what it would have.
func (s *Schedules) Trigger(ctx context.Context, channel, id string, may ...Permission) (Schedule, error) {
	_, schedule, err := s.describe(ctx, channel, id, may...)
	if err != nil {
		return Schedule{}, err
	}
	return schedule, temporalError(s.handle(id).Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL}))
}

// maxBackfill is how many firings one backfill may make. Temporal starts ten a second.
const maxBackfill = 500

// Backfill makes the windows that hold a day from first to last and are over, and gives them. A window
// that was made before is found, not made again.
func (s *Schedules) Backfill(ctx context.Context, channel, id, first, last string, may ...Permission) ([]exhaust.Window, error) {
	_, schedule, err := s.describe(ctx, channel, id, may...)
	if err != nil {
		return nil, err
	}
	from, to, err := s.checkRange(first, last)
	if err != nil {
		return nil, err
	}
	windows, firings, err := s.windows(ctx, schedule.Schedule, from, to)
	switch {
	case err != nil:
		return nil, temporalError(err)
	case len(windows) == 0:
		return nil, exhaust.Invalid(exhaust.BackfillEmpty, from, to)
	case firings > maxBackfill:
		return nil, exhaust.Invalid(exhaust.BackfillTooLong, maxBackfill, from, to)
	}
	for _, window := range windows {
		if err := exhaust.CheckSpan(window.From, window.To, s.settings.MaxDays); err != nil {
			return nil, err
		}
	}
	// Temporal goes by the times with jitter, which never reach the next firing.
	end := windows[len(windows)-1].Firing
	next, err := s.calendar.Times(ctx, schedule.Cron, schedule.Zone, end, end.Add(ahead))
	if err != nil {
		return nil, temporalError(err)
	}
	if len(next) > 0 {
		end = next[0].Add(-time.Millisecond)
	}
	return windows, temporalError(s.handle(id).Backfill(ctx, client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{
		Start: windows[0].Firing, End: end, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
	}}}))
}

// windows are those with a day from first to last whose firing was, and how many firings there were
// from that of the first of them to that of the last; it stops counting past maxBackfill.
func (s *Schedules) windows(ctx context.Context, schedule exhaust.Schedule, from, to exhaust.Day) (windows []exhaust.Window, firings int, err error) {
	now := time.Now()
	for after := from.Add(-2).Time(); ; {
		page, err := schedule.Windows(ctx, s.calendar, s.settings.Timezone, after, now)
		if err != nil {
			return nil, 0, err
		}
		for _, window := range page {
			if window.From > to || firings > maxBackfill {
				return windows, firings, nil
			}
			if !window.Empty() && window.To >= from {
				windows = append(windows, window)
			}
			if len(windows) > 0 {
				firings++
			}
		}
		if len(page) < exhaust.CalendarPage {
			return windows, firings, nil
		}
		after = page[len(page)-1].Firing
	}
}

func (s *Schedules) handle(id string) client.ScheduleHandle {
	return s.temporal.ScheduleClient().GetHandle(context.Background(), workflows.RecurringScheduleID(id))
}

var idPattern = regexp.MustCompile(`^[a-z2-7]{16}$`)

func newID() string {
	random := make([]byte, 10)
	_, _ = rand.Read(random) // it never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(random))
}

// describe gives a channel's schedule, and the same as Temporal has it.
func (s *Schedules) describe(ctx context.Context, channel, id string, may ...Permission) (*workflowservice.DescribeScheduleResponse, Schedule, error) {
	if !idPattern.MatchString(id) {
		return nil, Schedule{}, ErrNoSchedule
	}
	description, err := retryBusy(ctx, func(ctx context.Context) (*workflowservice.DescribeScheduleResponse, error) {
		return s.temporal.WorkflowService().DescribeSchedule(ctx, &workflowservice.DescribeScheduleRequest{
			Namespace: s.namespace, ScheduleId: workflows.RecurringScheduleID(id),
		})
	})
	if err != nil {
		return nil, Schedule{}, temporalError(err)
	}
	schedule, err := scheduleOf(description)
	if err != nil {
		return nil, Schedule{}, fmt.Errorf("reading schedule %s: %w", id, err)
	}
	if schedule.Channel != channel {
		return nil, Schedule{}, ErrNoSchedule
	}
	if err := ask(may, schedule.Dataset); err != nil {
		return nil, Schedule{}, err
	}
	return description, schedule, nil
}

func scheduleOf(d *workflowservice.DescribeScheduleResponse) (Schedule, error) {
	state := d.GetSchedule().GetState()
	schedule := Schedule{Paused: state.GetPaused(), Note: state.GetNotes()}
	err := converter.GetDefaultDataConverter().FromPayloads(d.GetSchedule().GetAction().GetStartWorkflow().GetInput(), &schedule.Schedule)
	if !schedule.Paused {
		for _, at := range d.GetInfo().GetFutureActionTimes() {
			schedule.Next = append(schedule.Next, at.AsTime())
		}
	}
	return schedule, err
}

// temporalError turns Temporal's errors into those of the service.
func temporalError(err error) error {
	var (
		invalid     *exhaust.InvalidError
		unavailable *UnavailableError
	)
	switch {
	case err == nil, errors.As(err, &invalid), errors.As(err, &unavailable):
		return err
	case isNotFound(err):
		return ErrNoSchedule
	}
	return temporalFailure(err)
}

// setInput sets what firings are handed.
func setInput(schedule exhaust.Schedule, into *schedulepb.Schedule) error {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(schedule)
	if err != nil {
		return err
	}
	into.GetAction().GetStartWorkflow().Input = payloads
	return nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }
