package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

func (s *Server) submit(r *http.Request) (any, error) {
	submission, err := readSubmission(r)
	if err != nil {
		return nil, err
	}
	job, err := s.exhausts.Submit(r.Context(), submission)
	return s.result(job), err
}

// readSubmission reads a submit's body. Unknown fields are ignored.
func readSubmission(r *http.Request) (exhaust.Submission, error) {
	var body struct {
		Request struct {
			Dataset          string          `json:"dataset"`
			Tag              string          `json:"tag"`
			RequestedBy      string          `json:"requestedBy"`
			RequestedChannel string          `json:"requestedChannel"`
			DatasetConfig    json.RawMessage `json:"datasetConfig"`
			EncryptionKey    json.RawMessage `json:"encryptionKey"`
			OutputFormat     string          `json:"output_format"`
			RunAt            string          `json:"runAt"`
		} `json:"request"`
	}
	if err := readJSON(r, &body); err != nil {
		return exhaust.Submission{}, err
	}
	request := body.Request
	if hasValue(request.EncryptionKey) {
		return exhaust.Submission{}, exhaust.Invalid("encryptionKey is not supported yet: leave it out, and the file is a CSV without encryption")
	}
	return exhaust.Submission{
		Dataset:       request.Dataset,
		Tag:           request.Tag,
		Channel:       channelOf(r, request.RequestedChannel),
		RequestedBy:   request.RequestedBy,
		DatasetConfig: request.DatasetConfig,
		OutputFormat:  request.OutputFormat,
		RunAt:         request.RunAt,
	}, nil
}

// hasValue reports whether a field of a body has a value.
func hasValue(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", `""`:
		return false
	}
	return true
}

// channelOf is the header's channel, else the body's.
func channelOf(r *http.Request, requestedChannel string) string {
	if channel := r.Header.Get("X-Channel-ID"); channel != "" {
		return channel
	}
	return requestedChannel
}

// one is a call about one exhaust, which the path names by its tag, the header by its channel and the query by its
// requestId.
func (s *Server) one(call func(ctx context.Context, tag, channel, requestID string) (exhaust.Job, error), show func(exhaust.Job) any) call {
	return func(r *http.Request) (any, error) {
		channel, err := headerChannel(r)
		if err != nil {
			return nil, err
		}
		requestID := r.URL.Query().Get("requestId")
		if requestID == "" {
			return nil, exhaust.Invalid("requestId is empty: the requestId that submit answered is accepted")
		}
		job, err := call(r.Context(), mux.Vars(r)["tag"], channel, requestID)
		return show(job), err
	}
}

func headerChannel(r *http.Request) (string, error) {
	channel := r.Header.Get("X-Channel-ID")
	if channel == "" {
		return "", exhaust.Invalid("X-Channel-ID is missing in request header")
	}
	return channel, nil
}

const (
	maxLimit           = 1000
	defaultListLimit   = 100
	defaultSearchLimit = 10
)

func (s *Server) listTag(r *http.Request) (any, error) {
	channel, limit, err := channelAndLimit(r)
	if err != nil {
		return nil, err
	}
	found, err := s.exhausts.List(r.Context(), mux.Vars(r)["tag"], channel, limit)
	return s.list(found), err
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
		return 0, exhaust.Invalid("limit %.40q is not valid: a whole number from 1 to %d is accepted", text, maxLimit)
	}
	return limit, nil
}

func (s *Server) search(r *http.Request) (any, error) {
	search, err := s.readSearch(r)
	if err != nil {
		return nil, err
	}
	found, err := s.exhausts.Search(r.Context(), search)
	return s.list(found), err
}

func (s *Server) readSearch(r *http.Request) (jobs.Search, error) {
	var body struct {
		Request struct {
			Filters map[string]json.RawMessage `json:"filters"`
			Limit   json.RawMessage            `json:"limit"`
		} `json:"request"`
	}
	if err := readJSON(r, &body); err != nil {
		return jobs.Search{}, err
	}
	limit, err := readLimitJSON(body.Request.Limit, defaultSearchLimit)
	if err != nil {
		return jobs.Search{}, err
	}
	search := jobs.Search{Limit: limit}
	// In the order of their names: of several faults it is always the same one that is answered.
	for _, name := range slices.Sorted(maps.Keys(body.Request.Filters)) {
		if err := s.addFilter(&search, name, body.Request.Filters[name]); err != nil {
			return jobs.Search{}, err
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
	case "status":
		return filterStatus(search, value)
	case "requestedDate":
		if search.From, err = s.filterDay(name, value, 0); err != nil {
			return err
		}
		search.To, err = s.filterDay(name, value, 1)
	default:
		return exhaust.Invalid("filters.%.40s is unknown: dataset, requestedDate, status and channel are accepted", name)
	}
	return err
}

func filterStatus(search *jobs.Search, value string) error {
	search.Status = exhaust.Status(value)
	if slices.Contains(exhaust.Statuses, search.Status) {
		return nil
	}
	known := make([]string, len(exhaust.Statuses))
	for i, status := range exhaust.Statuses {
		known[i] = string(status)
	}
	return exhaust.Invalid("filters.status %.100q is unknown: %s are accepted", value, strings.Join(known, ", "))
}

// health answers 200 where every dependency answers, else 503 naming those that do not.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	type state struct {
		Name    string `json:"name"`
		Healthy bool   `json:"healthy"`
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	states := make([]state, len(s.checks))
	var wait sync.WaitGroup
	for i, check := range s.checks {
		wait.Go(func() {
			err := check.Ping(ctx)
			if err != nil {
				s.log.Warn("dependency is down", "dependency", check.Name, "error", err)
			}
			states[i] = state{Name: check.Name, Healthy: err == nil}
		})
	}
	wait.Wait()
	var down, up []string
	for _, state := range states {
		if state.Healthy {
			up = append(up, state.Name)
		} else {
			down = append(down, state.Name)
		}
	}
	if len(down) > 0 {
		sentence := "down: " + strings.Join(down, ", ")
		if len(up) > 0 {
			sentence += "; up: " + strings.Join(up, ", ")
		}
		s.fail(w, healthID, http.StatusServiceUnavailable, serviceUnavailable, sentence)
		return
	}
	s.ok(w, healthID, map[string]any{"healthy": true, "checks": states})
}

// readJSON reads a body that is one JSON object. Its errors say where, never what stands there.
func readJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	if err != nil {
		return exhaust.Invalid("the request body could not be read whole")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return exhaust.Invalid("the request body is empty: a JSON object is accepted")
	}
	if !utf8.Valid(body) {
		return exhaust.Invalid("the request body is not UTF-8")
	}
	err = json.Unmarshal(body, into)
	var (
		syntax    *json.SyntaxError
		wrongType *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		line, column := place(body, syntax.Offset)
		return exhaust.Invalid("the request body is not JSON: line %d, column %d", line, column)
	case errors.As(err, &wrongType) && wrongType.Field == "":
		return exhaust.Invalid("the request body is not a JSON object")
	case errors.As(err, &wrongType):
		return exhaust.Invalid("%s is not %s", wrongType.Field, kindOf(wrongType))
	case err != nil:
		return exhaust.Invalid("the request body cannot be read as JSON")
	}
	return nil
}

func kindOf(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	}
	return "an object"
}

// place is the line and column (from 1, in bytes) of the byte that ends at an offset.
func place(body []byte, offset int64) (line, column int) {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}
