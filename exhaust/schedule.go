package exhaust

import (
	"encoding/json"
	"fmt"
	"time"
)

// Schedule is a recurring exhaust as it is handed to each of its firings.
type Schedule struct {
	ID string `json:"id"`
	// Revision is another one after each change.
	Revision string  `json:"revision"`
	Dataset  Dataset `json:"dataset"`
	// Tag lists the exhausts of all firings; it is without the channel.
	Tag         string `json:"tag"`
	Channel     string `json:"channel"`
	RequestedBy string `json:"requestedBy"`
	// Purpose is that of each firing's exhaust.
	Purpose string `json:"purpose,omitempty"`
	// Config is the datasetConfig of each firing's exhaust but for the days.
	Config         json.RawMessage `json:"datasetConfig"`
	ConversationID string          `json:"conversationId"`
	// Cron is five fields in Zone, an IANA name.
	Cron string `json:"cron"`
	Zone string `json:"zone"`
	// Jitter is how late, at the most, a firing starts.
	Jitter time.Duration `json:"jitter,omitempty"`
	// Change is the last change of when it fires; nil where there was none.
	Change    *ScheduleChange `json:"change,omitempty"`
	Webhook   *SealedWebhook  `json:"webhook,omitempty"`
	CreatedAt time.Time       `json:"createdAt"`
	UpdatedAt time.Time       `json:"updatedAt"`
}

// ScheduleChange joins the windows before a change of the cron expression, the zone or the jitter to those
// after it.
type ScheduleChange struct {
	At time.Time `json:"at"`
	// First is the first day that the firings before the change had not covered.
	First Day `json:"first"`
	// Last is the last firing by the new times that was due before the change, jitter and all. It goes
	// as far as First; only a backfill makes it. One between it and At may still start after the
	// change, or not at all: it has nothing to do.
	Last time.Time `json:"last"`
}

// ChannelTag is the stored tag of all its exhausts, as answers show it.
func (s Schedule) ChannelTag() string { return channelTag(s.Tag, s.Channel) }

// Submission asks for the exhaust of a window.
func (s Schedule) Submission(w Window) (Submission, error) {
	config := map[string]json.RawMessage{}
	if err := json.Unmarshal(s.Config, &config); err != nil {
		return Submission{}, fmt.Errorf("the datasetConfig of schedule %s: %w", s.ID, err)
	}
	for name, day := range map[string]Day{"startDate": w.From, "endDate": w.To} {
		config[name] = json.RawMessage(`"` + string(day) + `"`)
	}
	raw, err := json.Marshal(config)
	return Submission{
		Dataset: string(s.Dataset), Tag: s.Tag, Channel: s.Channel, RequestedBy: s.RequestedBy, DatasetConfig: raw, Purpose: s.Purpose,
	}, err
}
