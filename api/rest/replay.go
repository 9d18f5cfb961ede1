package rest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

const replayID = idPrefix + ".replay"

// replay starts all exhausts that match: those that wait for the night, and those that FAILED or were CANCELLED.
func (s *Server) replay(r *http.Request) (any, error) {
	replay, err := s.readReplay(r)
	if err != nil {
		return nil, err
	}
	found, next, err := s.exhausts.Replay(r.Context(), replay)
	return struct {
		jobList
		// Next is where to go on with "after"; "" at the end.
		Next string `json:"next"`
	}{s.list(found), next}, err
}

// replayable are the statuses of exhausts that can be started.
var replayable = []exhaust.Status{exhaust.Submitted, exhaust.Failed, exhaust.Cancelled}

func (s *Server) readReplay(r *http.Request) (service.Replay, error) {
	var body struct {
		Request struct {
			Filters map[string]json.RawMessage `json:"filters"`
			DryRun  bool                       `json:"dryRun"`
			After   string                     `json:"after"`
			Limit   json.RawMessage            `json:"limit"`
		} `json:"request"`
	}
	if err := readJSON(r, &body); err != nil {
		return service.Replay{}, err
	}
	limit, err := readLimitJSON(body.Request.Limit, defaultListLimit)
	if err != nil {
		return service.Replay{}, err
	}
	replay := service.Replay{
		Statuses: []exhaust.Status{exhaust.Submitted, exhaust.Failed},
		DryRun:   body.Request.DryRun, After: body.Request.After, Limit: limit,
	}
	for _, name := range slices.Sorted(maps.Keys(body.Request.Filters)) {
		if err := s.addReplayFilter(&replay, name, body.Request.Filters[name]); err != nil {
			return service.Replay{}, err
		}
	}
	return replay, nil
}

func (s *Server) addReplayFilter(replay *service.Replay, name string, raw json.RawMessage) error {
	value, err := filterText(name, raw)
	if err != nil || value == "" {
		return err
	}
	switch name {
	case "requestId":
		replay.RequestID = value
	case "dataset":
		return filterDataset(&replay.Dataset, value)
	case "tag":
		replay.Tag = value
	case "channel":
		replay.Channel = value
	case "status":
		replay.Statuses = []exhaust.Status{exhaust.Status(value)}
		if !slices.Contains(replayable, exhaust.Status(value)) {
			return exhaust.Invalid("filters.status %.100q cannot be replayed: SUBMITTED, FAILED, CANCELLED are accepted", value)
		}
	case "requestedFrom":
		replay.From, err = s.filterDay(name, value, 0)
	case "requestedTo":
		replay.To, err = s.filterDay(name, value, 1)
	default:
		return exhaust.Invalid("filters.%.40s is unknown: requestId, dataset, tag, channel, status, requestedFrom and requestedTo are accepted", name)
	}
	return err
}

// filterText reads a filter's value; null is none.
func filterText(name string, raw json.RawMessage) (string, error) {
	if string(raw) == "null" {
		return "", nil
	}
	var value string
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", exhaust.Invalid("filters.%.40s is not a string", name)
	}
	if value == "" {
		return "", exhaust.Invalid("filters.%.40s is empty: give it a value or leave it out", name)
	}
	return value, nil
}

func filterDataset(dataset *exhaust.Dataset, value string) error {
	*dataset = exhaust.Dataset(value)
	if !slices.Contains(exhaust.Datasets, *dataset) {
		return exhaust.Invalid("filters.dataset %.100q is unknown: %s or %s is accepted", value, exhaust.ResponseExhaust, exhaust.PrivateExhaust)
	}
	return nil
}

// filterDay is midnight, in the service's time zone, of a number of days after a day.
func (s *Server) filterDay(name, value string, later int) (time.Time, error) {
	day, err := exhaust.ParseDay(value)
	if err != nil {
		return time.Time{}, exhaust.Invalid("filters.%s %.100q is not a day: a real day as yyyy-MM-dd is accepted", name, value)
	}
	at := day.Add(later).Time()
	return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, s.timezone), nil
}

// readLimitJSON reads a limit of a body.
func readLimitJSON(raw json.RawMessage, ifAbsent int) (int, error) {
	if string(raw) == "null" {
		return ifAbsent, nil
	}
	return readLimit(string(raw), ifAbsent)
}
