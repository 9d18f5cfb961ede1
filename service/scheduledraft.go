package service

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"data-exhaust/exhaust"
)

// ScheduleDraft is what a client sends to make a schedule, before it is checked.
type ScheduleDraft struct {
	// Submission is what each firing asks for. Its datasetConfig names no days; without a tag it gets
	// one of its own.
	exhaust.Submission
	Cron string
	// Zone is EXHAUST_TIMEZONE where it is "".
	Zone string
	// Jitter is a duration such as 10m; "" is none.
	Jitter string
	// Webhook is a URL; "" is none.
	Webhook string
	Note    string
	Paused  bool
}

// check makes a schedule of a draft, or says in an *exhaust.InvalidError what is wrong with it.
func (s *Schedules) check(draft ScheduleDraft) (exhaust.Schedule, error) {
	now := time.Now()
	schedule := exhaust.Schedule{ID: newID(), Revision: newID(), CreatedAt: now.Truncate(time.Millisecond), UpdatedAt: now.Truncate(time.Millisecond)}
	if draft.Tag == "" {
		draft.Tag = "schedule-" + schedule.ID
	}
	request, err := draft.Check(s.settings.rules(now))
	if err != nil {
		return exhaust.Schedule{}, err
	}
	if request.StartDate != "" || request.EndDate != "" {
		return exhaust.Schedule{}, exhaust.Invalid(exhaust.ScheduleHasDays)
	}
	schedule.Dataset, schedule.Tag, schedule.Channel = request.Dataset, request.Tag, request.Channel
	schedule.RequestedBy, schedule.Config, schedule.ConversationID = request.RequestedBy, request.Config, request.ConversationID
	schedule.Purpose = request.Purpose
	if err := s.checkFiring(schedule); err != nil {
		return exhaust.Schedule{}, err
	}
	if schedule.Cron, err = checkCron(draft.Cron); err != nil {
		return exhaust.Schedule{}, err
	}
	if schedule.Zone, err = s.checkZone(draft.Zone); err != nil {
		return exhaust.Schedule{}, err
	}
	if schedule.Jitter, err = checkJitter(draft.Jitter); err != nil {
		return exhaust.Schedule{}, err
	}
	if schedule.Webhook, err = s.checkWebhook(schedule.ID, draft.Webhook); err != nil {
		return exhaust.Schedule{}, err
	}
	return schedule, checkNote(draft.Note)
}

// checkFiring says what would be wrong with every exhaust that a schedule asks for: the days make its datasetConfig longer.
func (s *Schedules) checkFiring(schedule exhaust.Schedule) error {
	today := exhaust.DayOf(time.Now().In(s.settings.Timezone))
	submission, err := schedule.Submission(exhaust.Window{From: today, To: today})
	if err != nil {
		return exhaust.Invalid(exhaust.DatasetConfigNotObject)
	}
	_, err = submission.Check(s.settings.rules(time.Now()))
	return err
}

// checkWindows finds out from Temporal whether the schedule fires at all and whether an exhaust can be
// asked for each window, as far as can be looked ahead.
func (s *Schedules) checkWindows(ctx context.Context, schedule exhaust.Schedule) error {
	_, err := s.nextWindows(ctx, s.calendar, schedule)
	return temporalError(err)
}

// ahead is how far the calendar is searched for the next firing: the 29th of February may be eight years away.
const ahead = 9 * 366 * 24 * time.Hour

// nextWindows are the schedule's windows from now on, exhaust.CalendarPage of them, where it may be made.
func (s *Schedules) nextWindows(ctx context.Context, calendar exhaust.Calendar, schedule exhaust.Schedule) ([]exhaust.Window, error) {
	now := time.Now()
	windows, err := schedule.Windows(ctx, calendar, s.settings.Timezone, now, now.Add(ahead))
	if err != nil {
		return nil, err
	}
	if len(windows) == 0 {
		return nil, exhaust.Invalid(exhaust.CronNeverFires, schedule.Cron)
	}
	for _, window := range windows {
		if days := window.From.DaysTo(window.To); !window.Empty() && days > s.settings.MaxDays {
			return nil, exhaust.Invalid(exhaust.CronTooRare, schedule.Cron, window.From, window.To, days, s.settings.MaxDays)
		}
	}
	return windows, nil
}

// checkCron checks the form and leaves the rest to Temporal. Temporal takes more, such as seconds, years
// or a zone of its own, which would make two ways to say the same.
func checkCron(text string) (string, error) {
	fields := strings.Fields(text)
	cron := strings.Join(fields, " ")
	switch {
	case cron == "":
		return "", exhaust.Invalid(exhaust.CronEmpty)
	case len(fields) != 5, len(cron) > 200, strings.ContainsAny(cron, "=#@"):
		return "", exhaust.Invalid(exhaust.CronInvalid, cron)
	}
	return cron, nil
}

// checkZone takes an empty name for the service's zone: the one that Go knows for it is UTC.
func (s *Schedules) checkZone(name string) (string, error) {
	name = cmp.Or(name, s.settings.Timezone.String())
	zone, err := time.LoadLocation(name)
	if err != nil || zone == time.Local {
		return "", exhaust.Invalid(exhaust.ZoneUnknown, name)
	}
	return name, nil
}

// MaxJitter is how long after its time a firing of a schedule may start at the most.
const MaxJitter = 24 * time.Hour

func checkJitter(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	jitter, err := time.ParseDuration(text)
	if err != nil || jitter < 0 || jitter > MaxJitter {
		return 0, exhaust.Invalid(exhaust.JitterInvalid, text)
	}
	return jitter, nil
}

const maxNote = 500

func checkNote(note string) error {
	if !utf8.ValidString(note) || utf8.RuneCountInString(note) > maxNote {
		return exhaust.Invalid(exhaust.NoteInvalid, maxNote)
	}
	return nil
}

// checkWebhook never repeats the URL, which may hold a token.
func (s *Schedules) checkWebhook(id, text string) (*exhaust.SealedWebhook, error) {
	if text == "" {
		return nil, nil
	}
	if s.secrets == nil {
		return nil, errNoWebhooks
	}
	target, err := url.Parse(text)
	if err != nil || target.Scheme != "https" && target.Scheme != "http" || target.Hostname() == "" || len(text) > 2000 {
		return nil, exhaust.Invalid(exhaust.WebhookInvalid)
	}
	if target.User != nil {
		return nil, exhaust.Invalid(exhaust.WebhookHasUser)
	}
	if !s.settings.WebhookAllowPrivate && isPrivateHost(target.Hostname()) {
		return nil, exhaust.Invalid(exhaust.WebhookPrivate, target.Hostname())
	}
	target.Fragment = ""
	return s.secrets.keys.Seal(id, target)
}

// isPrivateHost is what can be said of a host without looking it up. What counts is the address that
// is dialled in the end.
func isPrivateHost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && !exhaust.IsPublicAddress(addr)
}

// checkRange checks the days of a backfill.
func (s *Schedules) checkRange(first, last string) (from, to exhaust.Day, err error) {
	if from, err = checkDay("from", first); err != nil {
		return "", "", err
	}
	if to, err = checkDay("to", last); err != nil {
		return "", "", err
	}
	if from < earliestDay {
		return "", "", exhaust.Invalid(exhaust.BackfillTooEarly, from, earliestDay)
	}
	if from > to {
		return "", "", exhaust.Invalid(exhaust.BackfillReversed, from, to)
	}
	if yesterday := exhaust.DayOf(time.Now().In(s.settings.Timezone)).Add(-1); to > yesterday {
		return "", "", exhaust.Invalid(exhaust.BackfillNotOver, to, yesterday)
	}
	return from, to, nil
}

// earliestDay is the first whose windows can be asked for.
const earliestDay exhaust.Day = "1971-01-01"

func checkDay(field, text string) (exhaust.Day, error) {
	if text == "" {
		return "", exhaust.Invalid(exhaust.DateEmpty, field)
	}
	day, err := exhaust.ParseDay(text)
	if err != nil {
		return "", exhaust.Invalid(exhaust.DateInvalid, field, text)
	}
	return day, nil
}

// SchedulePatch is what a client sends to change a schedule. What is not named stays as it is.
type SchedulePatch map[string]json.RawMessage

// apply makes the changed schedule, or says in an *exhaust.InvalidError what is wrong with the change.
func (s *Schedules) apply(patch SchedulePatch, schedule Schedule) (Schedule, error) {
	var err error
	for name, raw := range patch {
		var text string
		if name == "paused" {
			if err = json.Unmarshal(raw, &schedule.Paused); err != nil || isNull(raw) {
				return Schedule{}, exhaust.Invalid(exhaust.FieldNotBoolean, "paused")
			}
			continue
		}
		if !slices.Contains(Changeable, name) {
			return Schedule{}, exhaust.Invalid(exhaust.ChangeUnknown, name, Changeable)
		}
		if json.Unmarshal(raw, &text) != nil {
			return Schedule{}, exhaust.Invalid(exhaust.FieldNotString, name)
		}
		switch name {
		case "cron":
			schedule.Cron, err = checkCron(text)
		case "zone":
			schedule.Zone, err = s.checkZone(text)
		case "jitter":
			schedule.Jitter, err = checkJitter(text)
		case "webhook":
			schedule.Webhook, err = s.checkWebhook(schedule.ID, text)
		case "purpose":
			schedule.Purpose = text
			err = s.checkFiring(schedule.Schedule)
		case "note":
			schedule.Note, err = text, checkNote(text)
		}
		if err != nil {
			return Schedule{}, err
		}
	}
	return schedule, nil
}

// Changeable are the members of a change. All but paused are strings, of which null is "".
var Changeable = []string{"cron", "zone", "jitter", "webhook", "purpose", "paused", "note"}
