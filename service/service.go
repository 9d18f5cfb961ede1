// Package service is what can be asked of Data Exhaust, whoever asks (REST, the command, the night, a recurring exhaust), and
// keeps no state of its own: an exhaust in flight is its Temporal workflow, one that Temporal has forgotten is a row of
// job_request, a recurring exhaust is a Temporal Schedule.
package service

import (
	"errors"
	"log/slog"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// Settings are those of contract section 8 that the service follows. All that say nothing of a zero value must be set.
type Settings struct {
	TaskQueue string
	Timezone  *time.Location
	MaxDays   int
	URLTTL    time.Duration
	Timeout   time.Duration
	// Mode is when an exhaust starts that does not say so itself; "" is now.
	Mode string
	// ReportRetention is how long a report is kept after its exhaust was completed.
	ReportRetention time.Duration
	// PrivatePurpose demands a purpose of private exhausts.
	PrivatePurpose bool
	// ChannelLimit is how many exhausts of a channel may be under way when somebody asks for another; 0 is any number. Those
	// that wait for the night, and those that the night and schedules start, are not held up.
	ChannelLimit int
	// CSVDialect is that in which reports are written; "" is rfc4180.
	CSVDialect report.Dialect
	// Log is where the service says what no caller is told.
	Log *slog.Logger
	// WebhookAllowPrivate lets webhooks go to private addresses.
	WebhookAllowPrivate bool
}

// rules bound what may be asked for at a time.
func (s Settings) rules(at time.Time) exhaust.Rules {
	return exhaust.Rules{Now: at.In(s.Timezone), MaxDays: s.MaxDays, PrivatePurpose: s.PrivatePurpose}
}

// firingRules bound what a firing that is due at a time may ask for. A purpose is demanded when a schedule is made: one that was
// made before fires on.
func (s Settings) firingRules(at time.Time) exhaust.Rules {
	rules := s.rules(at)
	rules.PrivatePurpose = false
	return rules
}

var (
	// ErrNotFound says that the tag and channel have no such exhaust.
	ErrNotFound = exhaust.ErrNoExhaust
	// ErrNoSchedule says that the channel has no such schedule.
	ErrNoSchedule = errors.New(exhaust.NoSuchSchedule.Template())
)
