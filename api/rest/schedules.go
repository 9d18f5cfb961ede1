package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/activities"
	"data-exhaust/api/schedules"
	"data-exhaust/exhaust"
)

// The ids of the answers about recurring exhausts.
const (
	schedulePrefix     = "ekstep.analytics.dataset.schedule"
	scheduleCreateID   = schedulePrefix + ".create"
	scheduleInfoID     = schedulePrefix + ".info"
	scheduleListID     = schedulePrefix + ".list"
	scheduleUpdateID   = schedulePrefix + ".update"
	scheduleDeleteID   = schedulePrefix + ".delete"
	scheduleTriggerID  = schedulePrefix + ".trigger"
	scheduleBackfillID = schedulePrefix + ".backfill"
)

// routeSchedules adds the calls about recurring exhausts.
func (s *Server) routeSchedules(router *mux.Router) {
	const all, one = "/dataset/v1/schedule", "/dataset/v1/schedule/{id}"
	router.HandleFunc(all, s.createSchedule).Methods(http.MethodPost)
	router.HandleFunc(all, s.listSchedules).Methods(http.MethodGet)
	router.HandleFunc(one, s.readSchedule).Methods(http.MethodGet)
	router.HandleFunc(one, s.changeSchedule).Methods(http.MethodPatch)
	router.HandleFunc(one, s.deleteSchedule).Methods(http.MethodDelete)
	router.HandleFunc(one+"/trigger", s.triggerSchedule).Methods(http.MethodPost)
	router.HandleFunc(one+"/backfill", s.backfillSchedule).Methods(http.MethodPost)
}

func (s *Server) createSchedule(w http.ResponseWriter, r *http.Request) {
	draft, err := readDraft(r)
	if err != nil {
		s.failed(w, r, scheduleCreateID, err)
		return
	}
	schedule, err := s.schedules.Create(r.Context(), draft)
	if err != nil {
		s.failed(w, r, scheduleCreateID, err)
		return
	}
	s.ok(w, scheduleCreateID, showSchedule(schedule))
}

// readDraft reads the body that makes a schedule. Unknown fields are ignored.
func readDraft(r *http.Request) (schedules.Draft, error) {
	var body struct {
		Request struct {
			Dataset          string          `json:"dataset"`
			Tag              string          `json:"tag"`
			RequestedBy      string          `json:"requestedBy"`
			RequestedChannel string          `json:"requestedChannel"`
			DatasetConfig    json.RawMessage `json:"datasetConfig"`
			EncryptionKey    json.RawMessage `json:"encryptionKey"`
			OutputFormat     string          `json:"output_format"`
			Cron             string          `json:"cron"`
			Zone             string          `json:"zone"`
			Jitter           string          `json:"jitter"`
			Webhook          string          `json:"webhook"`
			Note             string          `json:"note"`
			Paused           any             `json:"paused"`
		} `json:"request"`
	}
	if err := readJSON(r, &body); err != nil {
		return schedules.Draft{}, err
	}
	request := body.Request
	if given(request.EncryptionKey) {
		return schedules.Draft{}, invalid("encryptionKey has no place in a schedule: it is kept nowhere, so a firing could not use it")
	}
	paused, ok := request.Paused.(bool)
	if !ok && request.Paused != nil {
		return schedules.Draft{}, invalid("paused is not a boolean: true or false is accepted")
	}
	return schedules.Draft{
		Submission: exhaust.Submission{
			Dataset:       request.Dataset,
			Tag:           request.Tag,
			Channel:       channelOf(r, request.RequestedChannel),
			RequestedBy:   request.RequestedBy,
			DatasetConfig: request.DatasetConfig,
			OutputFormat:  request.OutputFormat,
		},
		Cron: request.Cron, Zone: request.Zone, Jitter: request.Jitter, Webhook: request.Webhook, Note: request.Note, Paused: paused,
	}, nil
}

func (s *Server) listSchedules(w http.ResponseWriter, r *http.Request) {
	channel, err := headerChannel(r)
	if err != nil {
		s.failed(w, r, scheduleListID, err)
		return
	}
	limit, err := readLimit(r.URL.Query().Get("limit"), defaultListLimit)
	if err != nil {
		s.failed(w, r, scheduleListID, err)
		return
	}
	found, err := s.schedules.List(r.Context(), channel, limit)
	if err != nil {
		s.failed(w, r, scheduleListID, err)
		return
	}
	shown := make([]scheduleResult, len(found))
	for i, schedule := range found {
		shown[i] = showSchedule(schedule)
	}
	s.ok(w, scheduleListID, map[string]any{"count": len(shown), "schedules": shown})
}

func (s *Server) readSchedule(w http.ResponseWriter, r *http.Request) {
	s.oneSchedule(w, r, scheduleInfoID, func(channel, id string) (any, error) {
		schedule, err := s.schedules.Read(r.Context(), channel, id)
		return scheduleInfo{showSchedule(schedule), showFirings(schedule.Firings)}, err
	})
}

func (s *Server) changeSchedule(w http.ResponseWriter, r *http.Request) {
	s.oneSchedule(w, r, scheduleUpdateID, func(channel, id string) (any, error) {
		var body struct {
			Request schedules.Change `json:"request"`
		}
		if err := readJSON(r, &body); err != nil {
			return nil, err
		}
		if len(body.Request) == 0 {
			return nil, invalid("request is empty: cron, zone, jitter, webhook, paused and note are accepted")
		}
		schedule, err := s.schedules.Change(r.Context(), channel, id, body.Request)
		return showSchedule(schedule), err
	})
}

func (s *Server) deleteSchedule(w http.ResponseWriter, r *http.Request) {
	s.oneSchedule(w, r, scheduleDeleteID, func(channel, id string) (any, error) {
		schedule, err := s.schedules.Delete(r.Context(), channel, id)
		return map[string]string{"scheduleId": schedule.ID}, err
	})
}

func (s *Server) triggerSchedule(w http.ResponseWriter, r *http.Request) {
	s.oneSchedule(w, r, scheduleTriggerID, func(channel, id string) (any, error) {
		schedule, err := s.schedules.Trigger(r.Context(), channel, id)
		return showSchedule(schedule), err
	})
}

func (s *Server) backfillSchedule(w http.ResponseWriter, r *http.Request) {
	s.oneSchedule(w, r, scheduleBackfillID, func(channel, id string) (any, error) {
		var body struct {
			Request struct {
				From string `json:"from"`
				To   string `json:"to"`
			} `json:"request"`
		}
		if err := readJSON(r, &body); err != nil {
			return nil, err
		}
		windows, err := s.schedules.Backfill(r.Context(), channel, id, body.Request.From, body.Request.To)
		shown := make([]windowResult, len(windows))
		for i, window := range windows {
			shown[i] = showWindow(window)
		}
		return map[string]any{"scheduleId": id, "count": len(shown), "windows": shown}, err
	})
}

// oneSchedule answers a call that names a schedule of the header's channel.
func (s *Server) oneSchedule(w http.ResponseWriter, r *http.Request, id string, call func(channel, id string) (any, error)) {
	channel, err := headerChannel(r)
	if err != nil {
		s.failed(w, r, id, err)
		return
	}
	result, err := call(channel, mux.Vars(r)["id"])
	switch {
	case errors.Is(err, schedules.ErrNotFound):
		s.fail(w, id, http.StatusNotFound, notFound, schedules.ErrNotFound.Error())
	case err != nil:
		s.failed(w, r, id, err)
	default:
		s.ok(w, id, result)
	}
}

// scheduleResult is a recurring exhaust as answers show it. Times are epoch milliseconds.
type scheduleResult struct {
	ScheduleID       string          `json:"scheduleId"`
	Dataset          exhaust.Dataset `json:"dataset"`
	Tag              string          `json:"tag"`
	RequestedBy      string          `json:"requestedBy"`
	RequestedChannel string          `json:"requestedChannel"`
	DatasetConfig    json.RawMessage `json:"datasetConfig"`
	Cron             string          `json:"cron"`
	Zone             string          `json:"zone"`
	Jitter           string          `json:"jitter"`
	// Webhook is the host that is told; its URL, which may hold a token, is not shown.
	Webhook     string `json:"webhook"`
	Paused      bool   `json:"paused"`
	Note        string `json:"note"`
	Created     int64  `json:"created"`
	LastUpdated int64  `json:"lastUpdated"`
	// Next are the next five firings.
	Next []int64 `json:"next"`
}

// scheduleInfo is scheduleResult with what read adds.
type scheduleInfo struct {
	scheduleResult
	Firings []firingResult `json:"firings"`
}

type windowResult struct {
	Firing int64       `json:"firing"`
	From   exhaust.Day `json:"from"`
	To     exhaust.Day `json:"to"`
}

type firingResult struct {
	windowResult
	State     string         `json:"state"`
	RequestID string         `json:"requestId"`
	Status    exhaust.Status `json:"status"`
	Rows      int64          `json:"rows"`
	Note      string         `json:"note"`
	Webhook   string         `json:"webhook"`
}

func showSchedule(schedule schedules.Schedule) scheduleResult {
	const next = 5
	shown := scheduleResult{
		ScheduleID:       schedule.ID,
		Dataset:          schedule.Dataset,
		Tag:              exhaust.Request{Tag: schedule.Tag, Channel: schedule.Channel}.ChannelTag(),
		RequestedBy:      schedule.RequestedBy,
		RequestedChannel: schedule.Channel,
		DatasetConfig:    schedule.Config,
		Cron:             schedule.Cron,
		Zone:             schedule.Zone,
		Jitter:           durationText(schedule.Jitter),
		Paused:           schedule.Paused,
		Note:             schedule.Note,
		Created:          schedule.CreatedAt.UnixMilli(),
		LastUpdated:      schedule.UpdatedAt.UnixMilli(),
		Next:             []int64{},
	}
	if schedule.Webhook != nil {
		shown.Webhook = schedule.Webhook.Host
	}
	for _, at := range schedule.Next[:min(next, len(schedule.Next))] {
		shown.Next = append(shown.Next, at.UnixMilli())
	}
	return shown
}

// durationText is a duration without the units that are zero: 10m instead of 10m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func showWindow(window activities.Window) windowResult {
	return windowResult{Firing: window.Firing.UnixMilli(), From: window.From, To: window.To}
}

func showFirings(firings []schedules.Firing) []firingResult {
	shown := make([]firingResult, len(firings))
	for i, firing := range firings {
		shown[i] = firingResult{
			windowResult: showWindow(firing.Window),
			State:        firing.State,
			RequestID:    firing.RequestID,
			Status:       firing.Status,
			Rows:         firing.Rows,
			Note:         firing.Note,
			Webhook:      firing.Webhook,
		}
	}
	return shown
}
