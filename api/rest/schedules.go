package rest

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/gorilla/mux"

	"data-exhaust/access"
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

func (s *Server) createSchedule(r *http.Request, c access.Caller) (any, error) {
	draft, err := readDraft(r)
	if err != nil {
		return nil, s.service.Refused(c, "schedule.create", err)
	}
	schedule, err := s.service.CreateSchedule(r.Context(), c, draft)
	return showSchedule(schedule), err
}

// readDraft reads the body that makes a schedule. Unknown fields are ignored.
func readDraft(r *http.Request) (service.ScheduleDraft, error) {
	body, err := readObject(r)
	if err != nil {
		return service.ScheduleDraft{}, err
	}
	if err := body.checkEncryption(r); err != nil {
		return service.ScheduleDraft{}, err
	}
	request := body.object("request")
	if request.hasValue(exhaust.EncryptionKeyField) {
		return service.ScheduleDraft{}, exhaust.Invalid(exhaust.ScheduleHasEncryption)
	}
	// Other than a submit it needs the header: its answer may hold the channel's webhook secret.
	channel, err := headerChannel(r)
	draft := service.ScheduleDraft{
		Submission: submissionOf(request, channel),
		Cron:       request.text("cron"), Zone: request.text("zone"), Jitter: request.text("jitter"),
		Webhook: request.text("webhook"), Note: request.text("note"),
	}
	if paused := request.members["paused"]; string(paused) != "null" && len(paused) > 0 && json.Unmarshal(paused, &draft.Paused) != nil {
		return draft, exhaust.Invalid(exhaust.FieldNotBoolean, "paused")
	}
	request.checkSpelling("paused")
	return draft, cmp.Or(*body.fault, err)
}

func (s *Server) listSchedules(r *http.Request, c access.Caller) (any, error) {
	channel, limit, err := channelAndLimit(r)
	if err != nil {
		return nil, err
	}
	found, err := s.service.ListSchedules(r.Context(), c, channel, "", limit)
	if err != nil {
		return nil, err
	}
	return showSchedules(found), nil
}

// oneSchedule is a call about one schedule, which the path names by its id and the header by its channel.
func (s *Server) oneSchedule(act func(r *http.Request, c access.Caller, channel, id string) (any, error)) call {
	return func(r *http.Request, c access.Caller) (any, error) {
		channel, err := headerChannel(r)
		if err != nil {
			return nil, err
		}
		return act(r, c, channel, mux.Vars(r)["id"])
	}
}

func (s *Server) readSchedule(r *http.Request, c access.Caller, channel, id string) (any, error) {
	schedule, err := s.service.ReadSchedule(r.Context(), c, channel, id)
	return scheduleInfo{showSchedule(schedule), showFirings(schedule.Firings)}, err
}

func (s *Server) changeSchedule(r *http.Request, c access.Caller, channel, id string) (any, error) {
	body, err := readObject(r)
	if err != nil {
		return nil, err
	}
	patch := body.object("request")
	if *body.fault != nil {
		return nil, *body.fault
	}
	if len(patch.members) == 0 {
		return nil, exhaust.Invalid(exhaust.ChangeEmpty, service.Changeable)
	}
	schedule, err := s.service.ChangeSchedule(r.Context(), c, channel, id, patch.members)
	return showSchedule(schedule), err
}

func (s *Server) deleteSchedule(r *http.Request, c access.Caller, channel, id string) (any, error) {
	schedule, err := s.service.DeleteSchedule(r.Context(), c, channel, id)
	return map[string]string{"scheduleId": schedule.ID}, err
}

func (s *Server) triggerSchedule(r *http.Request, c access.Caller, channel, id string) (any, error) {
	schedule, err := s.service.TriggerSchedule(r.Context(), c, channel, id)
	return showSchedule(schedule), err
}

func (s *Server) backfillSchedule(r *http.Request, c access.Caller, channel, id string) (any, error) {
	body, err := readObject(r)
	if err != nil {
		return nil, err
	}
	request := body.object("request")
	from, to := request.text("from"), request.text("to")
	if *body.fault != nil {
		return nil, *body.fault
	}
	windows, err := s.service.BackfillSchedule(r.Context(), c, channel, id, from, to)
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
	Webhook string `json:"webhook"`
	// Purpose is left out where the schedule has none.
	Purpose     string `json:"purpose,omitempty"`
	Paused      bool   `json:"paused"`
	Note        string `json:"note"`
	Created     int64  `json:"created"`
	LastUpdated int64  `json:"lastUpdated"`
	// Next are the next five firings.
	Next []int64 `json:"next"`
	// WebhookSecret is only in the answer of the call that made it.
	WebhookSecret string `json:"webhookSecret,omitempty"`
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
		Purpose:          schedule.Purpose,
		Paused:           schedule.Paused,
		Note:             schedule.Note,
		Created:          schedule.CreatedAt.UnixMilli(),
		LastUpdated:      schedule.UpdatedAt.UnixMilli(),
		Next:             []int64{},
		WebhookSecret:    schedule.WebhookSecret,
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
