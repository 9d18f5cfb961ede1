package rest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// envelope is the form of every answer (contract section 1).
type envelope struct {
	ID           string `json:"id"`
	Ver          string `json:"ver"`
	TS           string `json:"ts"`
	Params       params `json:"params"`
	ResponseCode string `json:"responseCode"`
	Result       any    `json:"result"`
}

type params struct {
	ResMsgID  string  `json:"resmsgid"`
	Status    string  `json:"status"`
	ClientKey *string `json:"client_key"`
	Err       string  `json:"err,omitempty"`
	ErrMsg    string  `json:"errmsg,omitempty"`
	// Code is the stable name of a fault, and Details are the values that ErrMsg holds.
	Code    string         `json:"code,omitempty"`
	Details map[string]any `json:"details,omitempty"`
}

// The ids of the answers.
const (
	idPrefix = "ekstep.analytics.dataset.request"
	submitID = idPrefix + ".submit"
	infoID   = idPrefix + ".info"
	listID   = idPrefix + ".list"
	searchID = idPrefix + ".search"
	cancelID = idPrefix + ".cancel"
	retryID  = idPrefix + ".retry"
	// estimateID is of a call that makes no request.
	estimateID = idPrefix + ".estimate"
	healthID   = "ekstep.analytics.health"
	readyID    = healthID + ".ready"
	liveID     = healthID + ".live"
	// receiptKeysID is of no call about requests.
	receiptKeysID = "ekstep.analytics.dataset.receipt-keys"
)

// timestamp is how ts is written: UTC with milliseconds and +00:00.
const timestamp = "2006-01-02T15:04:05.000+00:00"

func newEnvelope(id string) envelope {
	return envelope{
		ID:  id,
		Ver: "1.0",
		TS:  time.Now().UTC().Format(timestamp),
		Params: params{
			ResMsgID: uuid.NewString(),
			Status:   "successful",
		},
		ResponseCode: "OK",
		Result:       struct{}{},
	}
}

func (s *Server) ok(w http.ResponseWriter, id string, result any) {
	e := newEnvelope(id)
	e.Result = result
	s.write(w, http.StatusOK, e)
}

// The response codes of errors.
const (
	clientError        = "CLIENT_ERROR"
	unauthorized       = "UNAUTHORIZED"
	forbidden          = "FORBIDDEN"
	tooManyRequests    = "TOO_MANY_REQUESTS"
	notFound           = "RESOURCE_NOT_FOUND"
	serverError        = "SERVER_ERROR"
	serviceUnavailable = "SERVICE_UNAVAILABLE"
)

func (s *Server) fail(w http.ResponseWriter, id string, status int, responseCode string, fault exhaust.Fault) {
	e := newEnvelope(id)
	e.Params.Status = "failed"
	e.Params.Err = responseCode
	e.Params.ErrMsg = fault.Sentence
	e.Params.Code, e.Params.Details = fault.Code.Name(), fault.Details
	e.ResponseCode = responseCode
	s.write(w, status, e)
}

// failed answers with what an error of the service means to the client.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, id string, err error) {
	var (
		invalid     *exhaust.InvalidError
		tooLarge    *http.MaxBytesError
		unavailable *service.UnavailableError
		away        *access.AwayError
		credentials *access.CredentialsError
		lack        *service.ForbiddenError
		elsewhere   *service.NoChannelError
		limit       *access.LimitError
	)
	switch {
	case errors.As(err, &unavailable): // first: what the audit log was not told is not answered, whatever it is
		s.unavailable(w, r, id, unavailable.Dependency, unavailable.Err)
	case errors.As(err, &away):
		s.unavailable(w, r, id, away.What, away.Err)
	case errors.As(err, &credentials):
		challenge := `Bearer realm="data-exhaust"`
		if !credentials.IsMissing {
			challenge += `, error="invalid_token"` // RFC 6750, section 3
		}
		w.Header().Set("WWW-Authenticate", challenge)
		s.fail(w, id, http.StatusUnauthorized, unauthorized, credentials.Fault)
	case errors.As(err, &lack):
		s.fail(w, id, http.StatusForbidden, forbidden, lack.Fault)
	case errors.As(err, &elsewhere):
		s.fail(w, id, http.StatusNotFound, notFound, exhaust.NewFault(exhaust.NoSuchChannel))
	case errors.As(err, &limit):
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(limit.RetryAfter.Seconds())))))
		s.fail(w, id, http.StatusTooManyRequests, tooManyRequests, limit.Fault)
	case errors.As(err, &tooLarge):
		s.fail(w, id, http.StatusRequestEntityTooLarge, clientError, exhaust.NewFault(exhaust.BodyTooLarge, tooLarge.Limit))
	case errors.As(err, &invalid):
		s.fail(w, id, http.StatusBadRequest, clientError, invalid.Fault)
	case errors.Is(err, service.ErrNotFound):
		s.fail(w, id, http.StatusNotFound, notFound, exhaust.NewFault(exhaust.NoSuchExhaust))
	case errors.Is(err, service.ErrNoSchedule):
		s.fail(w, id, http.StatusNotFound, notFound, exhaust.NewFault(exhaust.NoSuchSchedule))
	case errors.Is(err, service.ErrNoToken):
		s.fail(w, id, http.StatusNotFound, notFound, exhaust.NewFault(exhaust.NoSuchToken))
	case errors.Is(err, exhaust.ErrWindingUp):
		w.Header().Set("Retry-After", "5")
		s.fail(w, id, http.StatusServiceUnavailable, serviceUnavailable, exhaust.NewFault(exhaust.PreviousAttemptEnding))
	default:
		s.log.Error("request failed", "error", err, "path", pathOf(r))
		s.fail(w, id, http.StatusInternalServerError, serverError, exhaust.NewFault(exhaust.InternalError))
	}
}

func (s *Server) unavailable(w http.ResponseWriter, r *http.Request, id, what string, err error) {
	s.log.Warn("dependency not available", "dependency", what, "error", err, "path", pathOf(r))
	w.Header().Set("Retry-After", "5")
	s.fail(w, id, http.StatusServiceUnavailable, serviceUnavailable, exhaust.NewFault(exhaust.NotAvailable, what))
}

func (s *Server) write(w http.ResponseWriter, status int, e envelope) {
	body, err := encode(e)
	if err != nil {
		s.log.Error("answer could not be written as JSON", "id", e.ID, "error", err)
		s.fail(w, e.ID, http.StatusInternalServerError, serverError, exhaust.NewFault(exhaust.InternalError))
		return
	}
	writeHeader(w, status)
	if _, err := w.Write(body); err != nil {
		s.log.Debug("client went away", "id", e.ID, slog.Any("error", err))
	}
}

func writeHeader(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
}

// encode is a value's JSON and a line end.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return text.Bytes(), err
}

// jobResult is an exhaust as answers show it. Times are epoch milliseconds.
type jobResult struct {
	Attempts         int             `json:"attempts"`
	LastUpdated      int64           `json:"lastUpdated"`
	Tag              string          `json:"tag"`
	ExpiresAt        int64           `json:"expiresAt"`
	DatasetConfig    json.RawMessage `json:"datasetConfig"`
	DownloadURLs     []string        `json:"downloadUrls"`
	RequestedBy      string          `json:"requestedBy"`
	JobStats         jobStats        `json:"jobStats"`
	Status           exhaust.Status  `json:"status"`
	Dataset          exhaust.Dataset `json:"dataset"`
	RequestID        string          `json:"requestId"`
	RequestedChannel string          `json:"requestedChannel"`
}

type jobStats struct {
	Submitted *int64 `json:"dtJobSubmitted"`
	Completed *int64 `json:"dtJobCompleted"`
	// ExecutionTime is in milliseconds.
	ExecutionTime *int64 `json:"executionTime"`
}

// jobInfo is jobResult with what read, list, search and cancel add.
type jobInfo struct {
	jobResult
	// ReceiptURL is null where there is no receipt.
	ReceiptURL    *string `json:"receiptUrl"`
	StatusMessage string  `json:"statusMessage"`
	// Purpose is left out where the request had none.
	Purpose  string           `json:"purpose,omitempty"`
	Progress exhaust.Progress `json:"progress"`
}

// jobResult shows a job. While it has no URLs, expiresAt is when they would stop working had they been
// signed on submission: clients expect a time.
func (s *Server) jobResult(job exhaust.Job) jobResult {
	submitted := job.SubmittedAt.UnixMilli()
	r := jobResult{
		Attempts:         job.Attempts,
		LastUpdated:      job.UpdatedAt.UnixMilli(),
		Tag:              job.ChannelTag(),
		ExpiresAt:        job.SubmittedAt.Add(s.urlTTL).UnixMilli(),
		DatasetConfig:    exhaust.UnescapeHTML(job.Config),
		DownloadURLs:     []string{},
		RequestedBy:      job.RequestedBy,
		JobStats:         jobStats{Submitted: &submitted},
		Status:           job.Status,
		Dataset:          job.Dataset,
		RequestID:        job.ID,
		RequestedChannel: job.Channel,
	}
	if len(job.DownloadURLs) > 0 {
		r.DownloadURLs = job.DownloadURLs
		r.ExpiresAt = job.ExpiresAt.UnixMilli()
	}
	if job.Status.HasEnded() {
		completed, took := job.CompletedAt.UnixMilli(), job.ExecutionTime.Milliseconds()
		r.JobStats.Completed, r.JobStats.ExecutionTime = &completed, &took
	}
	return r
}

func (s *Server) jobInfo(job exhaust.Job) jobInfo {
	info := jobInfo{jobResult: s.jobResult(job), StatusMessage: job.Message, Purpose: job.Purpose, Progress: job.Progress}
	info.Progress.Phase = cmp.Or(info.Progress.Phase, job.FirstPhase()) // the row of one that has not begun has none
	if job.ReceiptURL != "" {
		info.ReceiptURL = &job.ReceiptURL
	}
	return info
}

// result and info show a job in the answer of a call.
func (s *Server) result(job exhaust.Job) any { return s.jobResult(job) }
func (s *Server) info(job exhaust.Job) any   { return s.jobInfo(job) }
