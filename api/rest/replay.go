package rest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

const replayID = idPrefix + ".replay"

// replay starts all exhausts that match: those that wait for the night, and those that FAILED or were CANCELLED.
func (s *Server) replay(r *http.Request, c access.Caller) (any, error) {
	channel, err := callerChannel(r)
	if err != nil {
		return nil, err
	}
	replay, scope, err := s.readReplay(r)
	if err != nil {
		return nil, s.service.Refused(c, "replay", err)
	}
	found, next, err := s.service.Replay(r.Context(), c, channel, scope, replay)
	list := s.list(r.Context(), found)
	list.next = &next
	return list, err
}

// replayable are the statuses of exhausts that can be started.
var replayable = []exhaust.Status{exhaust.Submitted, exhaust.Failed, exhaust.Cancelled}

func (s *Server) readReplay(r *http.Request) (replay service.Replay, scope service.Scope, err error) {
	body, err := readObject(r)
	if err != nil {
		return replay, scope, err
	}
	request := body.object("request")
	filters, after, isDryRun := request.object("filters"), request.text("after"), request.boolean("dryRun")
	request.checkSpelling("filters", "dryRun", "after", "limit")
	if *body.fault != nil {
		return replay, scope, *body.fault
	}
	if err := exhaust.CheckText("after", after); err != nil {
		return replay, scope, err
	}
	limit, err := readLimitJSON(request.members["limit"], defaultListLimit)
	if err != nil {
		return replay, scope, err
	}
	replay = service.Replay{
		Statuses: []exhaust.Status{exhaust.Submitted, exhaust.Failed},
		DryRun:   isDryRun, After: after, Limit: limit,
	}
	for _, name := range slices.Sorted(maps.Keys(filters.members)) {
		if err := s.addReplayFilter(&replay, &scope, name, filters.members[name]); err != nil {
			return replay, scope, err
		}
	}
	return replay, scope, nil
}

func (s *Server) addReplayFilter(replay *service.Replay, scope *service.Scope, name string, raw json.RawMessage) error {
	value, err := filterText(name, raw)
	if err != nil || value == "" {
		return err
	}
	switch name {
	case "requestId":
		replay.RequestID = value
	case "dataset":
		return filterDataset(&scope.Dataset, value)
	case "tag":
		replay.Tag = value
	case "channel":
		scope.Channel = value
		return exhaust.CheckChannel(value)
	case "status":
		replay.Statuses = []exhaust.Status{exhaust.Status(value)}
		if !slices.Contains(replayable, exhaust.Status(value)) {
			return exhaust.Invalid(exhaust.StatusNotReplayable, value, exhaust.Names(replayable))
		}
	case "requestedFrom":
		replay.From, err = s.filterDay(name, value, 0)
	case "requestedTo":
		replay.To, err = s.filterDay(name, value, 1)
	default:
		return exhaust.Invalid(exhaust.FilterUnknown, "filters."+name, []string{"requestId", "dataset", "tag", "channel", "status", "requestedFrom", "requestedTo"})
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
		return "", exhaust.Invalid(exhaust.FieldNotString, "filters."+name)
	}
	if value == "" {
		return "", exhaust.Invalid(exhaust.FieldEmpty, "filters."+name)
	}
	return value, exhaust.CheckText("filters."+name, value)
}

func filterDataset(dataset *exhaust.Dataset, value string) error {
	*dataset = exhaust.Dataset(value)
	if !slices.Contains(exhaust.Datasets, *dataset) {
		return exhaust.Invalid(exhaust.DatasetUnknown, "filters.dataset", value, exhaust.Names(exhaust.Datasets))
	}
	return nil
}

// filterDay is midnight, in the service's time zone, of a number of days after a day.
func (s *Server) filterDay(name, value string, later int) (time.Time, error) {
	day, err := exhaust.ParseDay(value)
	if err != nil {
		return time.Time{}, exhaust.Invalid(exhaust.DateInvalid, "filters."+name, value)
	}
	return day.Add(later).Midnight(s.timezone), nil
}

// readLimitJSON reads a limit of a body.
func readLimitJSON(raw json.RawMessage, ifAbsent int) (int, error) {
	if string(raw) == "null" {
		return ifAbsent, nil
	}
	return readLimit(string(raw), ifAbsent)
}
