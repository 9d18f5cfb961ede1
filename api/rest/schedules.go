package rest

import (
	"encoding/json"
	"net/http"

	"github.com/gorilla/mux"

	"data-exhaust/exhaust"
	"data-exhaust/service"
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
	router.Handle(all, s.answer(scheduleCreateID, s.createSchedule)).Methods(http.MethodPost)
	router.Handle(all, s.answer(scheduleListID, s.listSchedules)).Methods(http.MethodGet)
	router.Handle(one, s.answer(scheduleInfoID, s.oneSchedule(s.readSchedule))).Methods(http.MethodGet)
	router.Handle(one, s.answer(scheduleUpdateID, s.oneSchedule(s.changeSchedule))).Methods(http.MethodPatch)
	router.Handle(one, s.answer(scheduleDeleteID, s.oneSchedule(s.deleteSchedule))).Methods(http.MethodDelete)
	router.Handle(one+"/trigger", s.answer(scheduleTriggerID, s.oneSchedule(s.triggerSchedule))).Methods(http.MethodPost)
	router.Handle(one+"/backfill", s.answer(scheduleBackfillID, s.oneSchedule(s.backfillSchedule))).Methods(http.MethodPost)
}

func (s *Server) createSchedule(r *http.Request) (any, error) {
	draft, err := readDraft(r)
	if err != nil {
		return nil, err
	}
	schedule, err := s.schedules.Create(r.Context(), draft)
	return showSchedule(schedule), err
}

// readDraft reads the body that makes a schedule. Unknown fields are ignored.
func readDraft(r *http.Request) (service.ScheduleDraft, error) {
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
		return service.ScheduleDraft{}, err
	}
	request := body.Request
	if hasValue(request.EncryptionKey) {
		return service.ScheduleDraft{}, exhaust.Invalid("encryptionKey has no place in a schedule: it is kept nowhere, so a firing could not use it")
	}
	paused, ok := request.Paused.(bool)
	if !ok && request.Paused != nil {
		return service.ScheduleDraft{}, exhaust.Invalid("paused is not a boolean: true or false is accepted")
	}
	return service.ScheduleDraft{
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

func (s *Server) listSchedules(r *http.Request) (any, error) {
	channel, limit, err := channelAndLimit(r)
	if err != nil {
		return nil, err
	}
	found, err := s.schedules.List(r.Context(), channel, limit)
	results := make([]scheduleResult, len(found))
	for i, schedule := range found {
		results[i] = showSchedule(schedule)
	}
	return map[string]any{"count": len(results), "schedules": results}, err
}

// oneSchedule is a call about one schedule, which the path names by its id and the header by its channel.
func (s *Server) oneSchedule(act func(r *http.Request, channel, id string) (any, error)) call {
	return func(r *http.Request) (any, error) {
		channel, err := headerChannel(r)
		if err != nil {
			return nil, err
		}
		return act(r, channel, mux.Vars(r)["id"])
	}
}

func (s *Server) readSchedule(r *http.Request, channel, id string) (any, error) {
	schedule, err := s.schedules.Read(r.Context(), channel, id)
	return scheduleInfo{showSchedule(schedule), showFirings(schedule.Firings)}, err
}

func (s *Server) changeSchedule(r *http.Request, channel, id string) (any, error) {
	var body struct {
		Request service.SchedulePatch `json:"request"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if len(body.Request) == 0 {
		return nil, exhaust.Invalid("request is empty: cron, zone, jitter, webhook, paused and note are accepted")
	}
	schedule, err := s.schedules.Change(r.Context(), channel, id, body.Request)
	return showSchedule(schedule), err
}

func (s *Server) deleteSchedule(r *http.Request, channel, id string) (any, error) {
	schedule, err := s.schedules.Delete(r.Context(), channel, id)
	return map[string]string{"scheduleId": schedule.ID}, err
}

func (s *Server) triggerSchedule(r *http.Request, channel, id string) (any, error) {
	schedule, err := s.schedules.Trigger(r.Context(), channel, id)
	return showSchedule(schedule), err
}

func (s *Server) backfillSchedule(r *http.Request, channel, id string) (any, error) {
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
	results := make([]windowResult, len(windows))
	for i, window := range windows {
		results[i] = showWindow(window)
	}
	return map[string]any{"scheduleId": id, "count": len(results), "windows": results}, err
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
	// Webhook is the host that the news go to; its URL, which may hold a token, is not shown.
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

func showSchedule(schedule service.Schedule) scheduleResult {
	const next = 5
	result := scheduleResult{
		ScheduleID:       schedule.ID,
		Dataset:          schedule.Dataset,
		Tag:              schedule.ChannelTag(),
		RequestedBy:      schedule.RequestedBy,
		RequestedChannel: schedule.Channel,
		DatasetConfig:    schedule.Config,
		Cron:             schedule.Cron,
		Zone:             schedule.Zone,
		Jitter:           exhaust.FormatDuration(schedule.Jitter),
		Paused:           schedule.Paused,
		Note:             schedule.Note,
		Created:          schedule.CreatedAt.UnixMilli(),
		LastUpdated:      schedule.UpdatedAt.UnixMilli(),
		Next:             []int64{},
	}
	if schedule.Webhook != nil {
		result.Webhook = schedule.Webhook.Host
	}
	for _, at := range schedule.Next[:min(next, len(schedule.Next))] {
		result.Next = append(result.Next, at.UnixMilli())
	}
	return result
}

func showWindow(window exhaust.Window) windowResult {
	return windowResult{Firing: window.Firing.UnixMilli(), From: window.From, To: window.To}
}

func showFirings(firings []service.Firing) []firingResult {
	results := make([]firingResult, len(firings))
	for i, firing := range firings {
		results[i] = firingResult{
			windowResult: showWindow(firing.Window),
			State:        firing.State,
			RequestID:    firing.RequestID,
			Status:       firing.Status,
			Rows:         firing.Rows,
			Note:         firing.Note,
			Webhook:      firing.Webhook,
		}
	}
	return results
}
