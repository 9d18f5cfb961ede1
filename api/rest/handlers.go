package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/service"
)

func (s *Server) submit(r *http.Request, c access.Caller) (any, error) {
	submission, err := readSubmission(r)
	if err != nil {
		return nil, s.service.Refused(c, "submit", err)
	}
	job, err := s.service.Submit(r.Context(), c, submission)
	return s.result(job), err
}

// readSubmission reads a submit's body. Unknown fields are ignored.
func readSubmission(r *http.Request) (exhaust.Submission, error) {
	body, err := readObject(r)
	if err != nil {
		return exhaust.Submission{}, err
	}
	if err := body.checkEncryption(r); err != nil {
		return exhaust.Submission{}, err
	}
	request := body.object("request")
	if request.hasValue(exhaust.EncryptionKeyField) {
		return exhaust.Submission{}, exhaust.Invalid(exhaust.EncryptionUnsupported)
	}
	channel, err := callerChannel(r)
	if channel == "" {
		channel = request.text("requestedChannel")
	}
	submission := submissionOf(request, channel)
	submission.RunAt = request.text("runAt")
	return submission, cmp.Or(*body.fault, err)
}

// submissionOf is what a submit and a schedule are asked with alike.
func submissionOf(request object, channel string) exhaust.Submission {
	return exhaust.Submission{
		Dataset:       request.text("dataset"),
		Tag:           request.text("tag"),
		Channel:       channel,
		RequestedBy:   request.text("requestedBy"),
		DatasetConfig: request.members["datasetConfig"],
		OutputFormat:  request.text("output_format"),
		Purpose:       request.text("purpose"),
	}
}

// callerChannel is the header's channel; "" where there is no header.
func callerChannel(r *http.Request) (string, error) {
	switch channels := r.Header.Values("X-Channel-ID"); len(channels) {
	case 0:
		return "", nil
	case 1:
		return channels[0], exhaust.CheckChannel(channels[0])
	default: // what is in front of us may have looked at another one
		return "", exhaust.Invalid(exhaust.ChannelTwice, len(channels))
	}
}

// one is a call about one exhaust, which the path names by its tag, the header by its channel and the query by its
// requestId.
func (s *Server) one(call func(ctx context.Context, c access.Caller, tag, channel, requestID string) (exhaust.Job, error), show func(exhaust.Job) any) call {
	return func(r *http.Request, c access.Caller) (any, error) {
		tag, channel, requestID, err := nameOne(r)
		if err != nil {
			return nil, err
		}
		job, err := call(r.Context(), c, tag, channel, requestID)
		return show(job), err
	}
}

// nameOne is what names the exhaust that a call is about.
func nameOne(r *http.Request) (tag, channel, requestID string, err error) {
	if channel, err = headerChannel(r); err != nil {
		return "", "", "", err
	}
	if requestID = r.URL.Query().Get("requestId"); requestID == "" {
		return "", "", "", exhaust.Invalid(exhaust.RequestIDEmpty)
	}
	tag, err = pathTag(r)
	return tag, channel, requestID, err
}

// headerChannel is the header's channel, which has to be there.
func headerChannel(r *http.Request) (string, error) {
	channel, err := callerChannel(r)
	if err == nil && channel == "" {
		err = exhaust.CheckChannel("")
	}
	return channel, err
}

func pathTag(r *http.Request) (string, error) {
	tag := mux.Vars(r)["tag"]
	return tag, exhaust.CheckText("tag", tag)
}

const (
	maxLimit           = 1000
	defaultListLimit   = 100
	defaultSearchLimit = 10
)

func (s *Server) listTag(r *http.Request, c access.Caller) (any, error) {
	channel, limit, err := channelAndLimit(r)
	if err != nil {
		return nil, err
	}
	tag, err := pathTag(r)
	if err != nil {
		return nil, err
	}
	found, err := s.service.List(r.Context(), c, tag, channel, limit)
	return s.list(r.Context(), found), err
}

// channelAndLimit are what every list is asked with.
func channelAndLimit(r *http.Request) (channel string, limit int, err error) {
	if channel, err = headerChannel(r); err != nil {
		return "", 0, err
	}
	limit, err = readLimit(r.URL.Query().Get("limit"), defaultListLimit)
	return channel, limit, err
}

func readLimit(text string, ifAbsent int) (int, error) {
	if text == "" {
		return ifAbsent, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, exhaust.Invalid(exhaust.LimitInvalid, text, maxLimit)
	}
	return limit, nil
}

func (s *Server) search(r *http.Request, c access.Caller) (any, error) {
	channel, err := callerChannel(r)
	if err != nil {
		return nil, err
	}
	search, err := s.readSearch(r)
	if err != nil {
		return nil, err
	}
	found, err := s.service.Search(r.Context(), c, channel, search)
	return s.list(r.Context(), found), err
}

func (s *Server) readSearch(r *http.Request) (service.Search, error) {
	body, err := readObject(r)
	if err != nil {
		return service.Search{}, err
	}
	request := body.object("request")
	filters := request.object("filters")
	request.checkSpelling("filters", "limit")
	if *body.fault != nil {
		return service.Search{}, *body.fault
	}
	limit, err := readLimitJSON(request.members["limit"], defaultSearchLimit)
	if err != nil {
		return service.Search{}, err
	}
	search := service.Search{Search: jobs.Search{Limit: limit}}
	// In the order of their names: of several faults it is always the same one that is answered.
	for _, name := range slices.Sorted(maps.Keys(filters.members)) {
		if err := s.addFilter(&search.Search, name, filters.members[name]); err != nil {
			return service.Search{}, err
		}
	}
	return search, nil
}

// addFilter takes one filter. An unknown one is an error rather than ignored: its answer would hold
// more than was asked for.
func (s *Server) addFilter(search *jobs.Search, name string, raw json.RawMessage) error {
	value, err := filterText(name, raw)
	if err != nil || value == "" {
		return err
	}
	switch name {
	case "dataset":
		return filterDataset(&search.Dataset, value)
	case "channel":
		search.Channel = value
		return exhaust.CheckChannel(value)
	case "status":
		return filterStatus(search, value)
	case "requestedDate":
		if search.From, err = s.filterDay(name, value, 0); err != nil {
			return err
		}
		search.To, err = s.filterDay(name, value, 1)
	default:
		return exhaust.Invalid(exhaust.FilterUnknown, "filters."+name, []string{"dataset", "requestedDate", "status", "channel"})
	}
	return err
}

func filterStatus(search *jobs.Search, value string) error {
	search.Statuses = []exhaust.Status{exhaust.Status(value)}
	if slices.Contains(exhaust.Statuses, search.Statuses[0]) {
		return nil
	}
	return exhaust.Invalid(exhaust.StatusUnknown, value, exhaust.Names(exhaust.Statuses))
}
