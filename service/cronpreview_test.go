package service_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/service"
)

func TestTheNextFiringsOfACronExpressionAreThoseOfAScheduleMadeNow(t *testing.T) {
	t.Parallel()
	schedules := service.NewSchedules(temporalClient, "default", nil, service.Settings{TaskQueue: "nobody", Timezone: zone(t, kolkata), MaxDays: 366})
	for _, c := range []struct{ name, cron, zone string }{
		{"daily", " 7  6 * * *", kolkata},
		{"weekly", "7 6 * * 1", "America/New_York"},
		{"monthly, in the service's own zone", "7 6 1 * *", ""},
		{"four times a day, of which one has a day", "7 */6 * * *", kolkata},
		{"in a spring that leaves the time out", "30 2 * 3 0", "America/New_York"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := schedules.NextFirings(t.Context(), c.cron, c.zone, 5)
			e2etest.Must(t, err)
			made, err := schedules.Create(t.Context(), service.ScheduleDraft{
				Submission: exhaust.Submission{Dataset: "uci-response-exhaust", Channel: channel, DatasetConfig: []byte(`{"conversationId":"c"}`)},
				Cron:       c.cron, Zone: c.zone,
			})
			e2etest.Must(t, err)
			defer func() {
				_, err := schedules.Delete(context.Background(), channel, made.ID)
				e2etest.Must(t, err)
			}()
			want := service.CronPreview{Cron: made.Cron, Zone: made.Zone}
			for _, at := range made.Next[:5] {
				window, err := made.WindowAt(t.Context(), calendar(), zone(t, kolkata), at)
				e2etest.Must(t, err)
				want.Firings = append(want.Firings, window)
			}
			if len(got.Firings) != 5 || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestTheFirstFiringOfACronExpressionHasTheDaysSinceItWouldHaveFiredLast(t *testing.T) {
	t.Parallel()
	schedules := service.NewSchedules(temporalClient, "default", nil, service.Settings{TaskQueue: "nobody", Timezone: zone(t, kolkata), MaxDays: 366})
	got, err := schedules.NextFirings(t.Context(), "9 6 * * 1", kolkata, 3)
	e2etest.Must(t, err)
	// The next Monday whose 06:09 is to come.
	monday := today()
	for monday.Time().Weekday() != time.Monday || !midnight(monday, zone(t, kolkata)).Add(6*time.Hour+9*time.Minute).After(time.Now()) {
		monday = monday.Add(1)
	}
	want := service.CronPreview{Cron: "9 6 * * 1", Zone: kolkata}
	for week := range 3 {
		day := monday.Add(7 * week)
		firing := midnight(day, zone(t, kolkata)).Add(6*time.Hour + 9*time.Minute).UTC()
		want.Firings = append(want.Firings, exhaust.Window{Firing: firing, From: day.Add(-7), To: day.Add(-1)})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTheNextFiringsAreRefusedForWhatAScheduleIsRefusedFor(t *testing.T) {
	t.Parallel()
	schedules := service.NewSchedules(temporalClient, "default", nil, service.Settings{TaskQueue: "nobody", Timezone: zone(t, kolkata), MaxDays: 28})
	for _, c := range []struct {
		cron, zone string
		code       *exhaust.Code
	}{
		{"", kolkata, exhaust.CronEmpty},
		{"0 6 * *", kolkata, exhaust.CronInvalid},
		{"@daily", kolkata, exhaust.CronInvalid},
		{"0 25 * * *", kolkata, exhaust.CronRefused},
		{"0 6 * * 1", "Europe/Atlantis", exhaust.ZoneUnknown},
		{"0 0 31 2 *", kolkata, exhaust.CronNeverFires},
		{"0 6 1 * *", kolkata, exhaust.CronTooRare},
	} {
		preview, err := schedules.NextFirings(t.Context(), c.cron, c.zone, 5)
		_, created := schedules.Create(t.Context(), service.ScheduleDraft{
			Submission: exhaust.Submission{Dataset: "uci-response-exhaust", Channel: channel, DatasetConfig: []byte(`{"conversationId":"c"}`)},
			Cron:       c.cron, Zone: c.zone,
		})
		invalid, isInvalid := errors.AsType[*exhaust.InvalidError](err)
		if !isInvalid || invalid.Code != c.code || created == nil || err.Error() != created.Error() || preview.Firings != nil {
			t.Errorf("%q in %q: got %v, want %s; a schedule is refused with %v", c.cron, c.zone, err, c.code.Name(), created)
		}
	}
	for _, count := range []int{0, 1001} {
		_, err := schedules.NextFirings(t.Context(), "0 6 * * *", kolkata, count)
		if want := fmt.Sprintf(`limit "%d" is not valid: a whole number from 1 to 1000 is accepted`, count); err == nil || err.Error() != want {
			t.Errorf("%d firings: %v, want %s", count, err, want)
		}
	}
}

// watcher is Temporal as a test watches it: which schedules are made and deleted.
type watcher struct {
	mu            sync.Mutex
	made, deleted []string
	// now and most are how many there are at a time.
	now, most int
	// before and after, where they are not nil, may take the place of a request that is to be made, or of its answer.
	before, after func(request any) error
}

func (w *watcher) intercept(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, next grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if create, ok := request.(*workflowservice.CreateScheduleRequest); ok {
		w.mu.Lock()
		w.made = append(w.made, create.GetScheduleId())
		w.now++
		w.most = max(w.most, w.now)
		w.mu.Unlock()
	}
	if w.before != nil {
		if err := w.before(request); err != nil {
			return err
		}
	}
	err := next(ctx, method, request, answer, connection, options...)
	if remove, ok := request.(*workflowservice.DeleteScheduleRequest); ok {
		w.mu.Lock()
		w.deleted = append(w.deleted, remove.GetScheduleId())
		w.now--
		w.mu.Unlock()
	}
	if w.after != nil {
		if instead := w.after(request); instead != nil {
			return instead
		}
	}
	return err
}

// wantSchedules checks which schedules a namespace has. Temporal lists late what was made and what was deleted, so one more is made,
// and what was made before is listed when that is.
func (n *nightNamespace) wantSchedules(want ...string) {
	n.t.Helper()
	sentinel := e2etest.Serial("sentinel-")
	handle, err := n.ScheduleClient().Create(n.t.Context(), client.ScheduleOptions{
		ID: sentinel, Spec: client.ScheduleSpec{CronExpressions: []string{"0 0 1 1 *"}}, Paused: true,
		Action: &client.ScheduleWorkflowAction{ID: sentinel, Workflow: "Nothing", TaskQueue: "none"},
	})
	e2etest.Must(n.t, err)
	want = append(want, sentinel)
	slices.Sort(want)
	e2etest.Eventually(n.t, 30*time.Second, fmt.Sprintf("Temporal lists %v and no other schedule", want), func() bool {
		var ids []string
		list, err := n.ScheduleClient().List(n.t.Context(), client.ScheduleListOptions{})
		e2etest.Must(n.t, err)
		for list.HasNext() {
			entry, err := list.Next()
			e2etest.Must(n.t, err)
			ids = append(ids, entry.ID)
		}
		slices.Sort(ids)
		return slices.Equal(ids, want)
	})
	e2etest.Must(n.t, handle.Delete(n.t.Context()))
}

// wantGone checks that none of the schedules made is there any more.
func (n *nightNamespace) wantGone(made []string) {
	n.t.Helper()
	for _, id := range made {
		_, err := n.ScheduleClient().GetHandle(n.t.Context(), id).Describe(n.t.Context())
		if _, isGone := errors.AsType[*serviceerror.NotFound](err); !isGone {
			n.t.Errorf("schedule %s is there: %v", id, err)
		}
	}
	n.wantSchedules()
}

func isCreate(request any) bool {
	_, is := request.(*workflowservice.CreateScheduleRequest)
	return is
}

func TestTheNextFiringsLeaveNoScheduleBehind(t *testing.T) {
	t.Parallel()
	n := newNightNamespace(t)
	lost := status.Error(codes.Internal, "lost on the way")
	for _, c := range []struct {
		name, cron string
		watch      func(w *watcher, leave context.CancelFunc)
		want       string // begins the error
		made       int
	}{
		{"firings", "1 6 * * *", nil, "", 1},
		{"an expression that Temporal refuses", "1 25 * * *", nil, `cron "1 25 * * *" in zone Asia/Kolkata is not valid`, 1},
		{"an expression that never fires", "1 6 31 2 *", nil, `cron "1 6 31 2 *" never fires`, 1},
		{"a caller who has gone away before", "2 6 * * *", func(w *watcher, leave context.CancelFunc) {
			w.before = func(request any) error {
				leave()
				return nil
			}
		}, "temporal is not available", 0},
		{"a caller who goes away while the schedule is made", "3 6 * * *", func(w *watcher, leave context.CancelFunc) {
			w.before = func(request any) error {
				if isCreate(request) {
					leave()
				}
				return nil
			}
		}, "temporal is not available", 1},
		{"a caller who goes away when the schedule is made", "4 6 * * *", func(w *watcher, leave context.CancelFunc) {
			w.after = func(request any) error {
				if isCreate(request) {
					leave()
				}
				return nil
			}
		}, "temporal is not available", 1},
		{"a schedule that is made without an answer", "5 6 * * *", func(w *watcher, _ context.CancelFunc) {
			w.after = func(request any) error {
				if isCreate(request) {
					return lost
				}
				return nil
			}
		}, "temporal is not available", 1},
		{"times that are not answered", "6 6 * * *", func(w *watcher, _ context.CancelFunc) {
			w.before = func(request any) error {
				if ask, ok := request.(*workflowservice.ListScheduleMatchingTimesRequest); ok && strings.HasPrefix(ask.GetScheduleId(), "exhaust-preview-") {
					return lost
				}
				return nil
			}
		}, "temporal is not available", 1},
		{"a deletion that Temporal is too busy for", "7 6 * * *", func(w *watcher, _ context.CancelFunc) {
			tries := 0
			w.before = func(request any) error {
				if _, ok := request.(*workflowservice.DeleteScheduleRequest); ok {
					if tries++; tries == 1 {
						return status.Error(codes.ResourceExhausted, "a moment")
					}
				}
				return nil
			}
		}, "", 1},
	} {
		ctx, leave := context.WithCancel(t.Context())
		w := &watcher{}
		if c.watch != nil {
			c.watch(w, leave)
		}
		schedules := service.NewSchedules(dial(t, n.name, w.intercept), n.name, nil, service.Settings{Timezone: zone(t, kolkata), MaxDays: 366})
		got, err := schedules.NextFirings(ctx, c.cron, kolkata, 5)
		leave()
		if c.want == "" && (err != nil || len(got.Firings) != 5) || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: got %+v, %v, want %q", c.name, got, err, c.want)
		}
		if len(w.made) != c.made {
			t.Errorf("%s: %v were made, want %d", c.name, w.made, c.made)
		}
		n.wantGone(w.made)
	}
}

func TestTheNextFiringsOfManyWhoTypeDoNotCollide(t *testing.T) {
	t.Parallel()
	n, w := newNightNamespace(t), &watcher{}
	schedules := service.NewSchedules(dial(t, n.name, w.intercept), n.name, nil, service.Settings{Timezone: zone(t, kolkata), MaxDays: 366})
	const people = 12
	var answers [people]service.CronPreview
	var group sync.WaitGroup
	for i := range people {
		group.Go(func() {
			got, err := schedules.NextFirings(t.Context(), "8 6 * * *", kolkata, 5)
			if err != nil {
				t.Error(err)
			}
			answers[i] = got
		})
	}
	group.Wait()
	for _, got := range answers[1:] {
		if len(got.Firings) != 5 || !reflect.DeepEqual(got, answers[0]) {
			t.Errorf("one is told %+v, another %+v", got, answers[0])
		}
	}
	if len(w.made) != people || len(w.deleted) != people || w.most > 4 {
		t.Errorf("%d schedules were made, %d deleted, %d at a time, want %d, at most 4 at a time", len(w.made), len(w.deleted), w.most, people)
	}
	n.wantGone(w.made)
}

func TestTheNextFiringsOfAnExpressionThatIsInUseAreAskedOfItsCalendar(t *testing.T) {
	t.Parallel()
	n, w := newNightNamespace(t), &watcher{}
	c := dial(t, n.name, w.intercept)
	// Which a firing has asked.
	_, err := service.NewCalendar(c, n.name).Times(t.Context(), "0 6 * * *", kolkata, time.Now(), time.Now().AddDate(0, 0, 2))
	e2etest.Must(t, err)
	shared := w.made
	schedules := service.NewSchedules(c, n.name, nil, service.Settings{Timezone: zone(t, kolkata), MaxDays: 366})
	got, err := schedules.NextFirings(t.Context(), "0 6 * * *", kolkata, 5)
	if err != nil || len(got.Firings) != 5 || len(shared) != 1 || len(w.made) != 1 || len(w.deleted) > 0 {
		t.Errorf("got %+v, %v; made %v, deleted %v", got, err, w.made, w.deleted)
	}
	n.wantSchedules(shared...)
}
