package recurring

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"data-exhaust/exhaust"
)

// noExhausts is a service that knows of no exhaust, or does not answer.
type noExhausts struct{ err error }

func (e noExhausts) SubmitAt(context.Context, exhaust.Submission, time.Time, bool) (exhaust.Job, error) {
	return exhaust.Job{}, e.err
}

func (e noExhausts) Find(context.Context, string) (exhaust.Job, error) { return exhaust.Job{}, e.err }

// oneExhaust is a service that finds this one.
type oneExhaust struct {
	noExhausts
	job exhaust.Job
}

func (e oneExhaust) Find(context.Context, string) (exhaust.Job, error) { return e.job, nil }

// fixedCalendar fires every night at midnight, or refuses.
type fixedCalendar struct{ err error }

func (c fixedCalendar) Times(_ context.Context, _, _ string, after, until time.Time) (times []time.Time, err error) {
	for t := after.Truncate(24 * time.Hour); !t.After(until) && c.err == nil; t = t.Add(24 * time.Hour) {
		if t.After(after) {
			times = append(times, t)
		}
	}
	return times, c.err
}

var midnight = time.Date(2022, 3, 14, 0, 0, 0, 0, time.UTC)

// wantFailure checks that an error is of that type and sentence, and whether Temporal tries again.
func wantFailure(t *testing.T, err error, kind, sentence string, isRetryable bool) {
	t.Helper()
	var failure *temporal.ApplicationError
	if !errors.As(err, &failure) || failure.Type() != kind || failure.Message() != sentence || failure.NonRetryable() == isRetryable {
		t.Errorf("got %#v\nwant %s: %s", err, kind, sentence)
	}
}

func TestAnExhaustThatNothingKnowsIsNotAwaited(t *testing.T) {
	f := New(noExhausts{exhaust.ErrNoExhaust}, fixedCalendar{}, nil, Settings{})
	_, err := f.AwaitExhaust(t.Context(), "0AFF")
	wantFailure(t, err, Gone, "exhaust 0AFF is gone: neither Temporal nor job_request knows it", false)
}

func TestAnExhaustIsAwaitedUntilItHasEnded(t *testing.T) {
	away := errors.New("Temporal does not answer")
	if _, err := New(noExhausts{away}, fixedCalendar{}, nil, Settings{}).AwaitExhaust(t.Context(), "0AFF"); !errors.Is(err, away) {
		t.Errorf("while Temporal is away: %v", err)
	}
	job := exhaust.Job{Request: exhaust.Request{ID: "0AFF"}, State: exhaust.State{Status: exhaust.Processing}}
	_, err := New(oneExhaust{job: job}, fixedCalendar{}, nil, Settings{}).AwaitExhaust(t.Context(), "0AFF")
	wantFailure(t, err, NotEnded, "exhaust 0AFF is PROCESSING", true)
	for _, job.Status = range []exhaust.Status{exhaust.Success, exhaust.Failed, exhaust.Cancelled} {
		got, err := New(oneExhaust{job: job}, fixedCalendar{}, nil, Settings{}).AwaitExhaust(t.Context(), "0AFF")
		if err != nil || got.Status != job.Status {
			t.Errorf("of %s it gives %+v, %v", job.Status, got, err)
		}
	}
}

// TestAScheduleThatCannotFireEndsItsFiringAndIsNamed: a zone may vanish with an update of the machine's time zones, and
// Temporal's own may know another set than it did when the schedule was made.
func TestAScheduleThatCannotFireEndsItsFiringAndIsNamed(t *testing.T) {
	for _, c := range []struct {
		name, zone string
		refusal    error
		sentence   string
	}{
		{"a zone that this machine does not know", "Europe/Atlantis", nil,
			`schedule abc: zone "Europe/Atlantis" is unknown: an IANA name such as Asia/Kolkata is accepted: change or delete it`},
		{"a cron expression that Temporal refuses", "UTC", exhaust.Invalid(exhaust.CronRefused, "0 25 * * *", "UTC", "what it says"),
			`schedule abc: cron "0 25 * * *" in zone UTC is not valid: what it says: change or delete it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := New(noExhausts{}, fixedCalendar{c.refusal}, nil, Settings{Timezone: time.UTC})
			_, err := f.FindWindow(t.Context(), exhaust.Schedule{ID: "abc", Cron: "0 25 * * *", Zone: c.zone}, midnight)
			wantFailure(t, err, BadWindow, c.sentence, false)
		})
	}
}

func TestAWindowIsFoundAndTemporalIsAskedAgainWhereItDoesNotAnswer(t *testing.T) {
	s := exhaust.Schedule{ID: "abc", Cron: "0 0 * * *", Zone: "UTC"}
	got, err := New(noExhausts{}, fixedCalendar{}, nil, Settings{Timezone: time.UTC}).FindWindow(t.Context(), s, midnight)
	if want := (exhaust.Window{Firing: midnight, From: "2022-03-13", To: "2022-03-13"}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	away := errors.New("Temporal does not answer")
	if _, err := New(noExhausts{}, fixedCalendar{away}, nil, Settings{Timezone: time.UTC}).FindWindow(t.Context(), s, midnight); err != away {
		t.Errorf("while Temporal is away: %v", err)
	}
}

func TestAWindowThatNoExhaustCanBeAskedForEndsItsFiring(t *testing.T) {
	f := New(noExhausts{exhaust.Invalid(exhaust.TooManyDays, "2021-03-13", "2022-04-16", 400, 366)}, fixedCalendar{}, nil, Settings{Timezone: time.UTC})
	window := exhaust.Window{Firing: midnight, From: "2022-03-13", To: "2022-03-13"}
	_, err := f.SubmitWindow(t.Context(), exhaust.Schedule{ID: "abc", Config: []byte(`{}`)}, window)
	wantFailure(t, err, BadWindow, "2021-03-13 to 2022-04-16 are 400 days: at most 366 days are accepted", false)
}
