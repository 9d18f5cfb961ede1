package rest

import (
	"net/http"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// estimateResult is an estimate as answers show it.
type estimateResult struct {
	RequestID        string          `json:"requestId"`
	Dataset          exhaust.Dataset `json:"dataset"`
	Tag              string          `json:"tag"`
	RequestedChannel string          `json:"requestedChannel"`
	ConversationID   string          `json:"conversationId"`
	ConversationName string          `json:"conversationName"`
	// StartDate and EndDate are null where no telemetry is read.
	StartDate            *exhaust.Day  `json:"startDate"`
	EndDate              *exhaust.Day  `json:"endDate"`
	Days                 int           `json:"days"`
	DaysWithoutTelemetry []exhaust.Day `json:"daysWithoutTelemetry"`
	DaysNotListed        int           `json:"daysNotListed"`
	// IsLowerBound is of Objects and Bytes.
	IsLowerBound bool  `json:"isLowerBound"`
	Objects      int   `json:"objects"`
	Bytes        int64 `json:"bytes"`
	// BytesInSlices is 0: there are no slices yet.
	BytesInSlices int64           `json:"bytesInSlices"`
	Seconds       *secondsResult  `json:"seconds"`
	Measured      *measuredResult `json:"measured"`
	Existing      *jobInfo        `json:"existing"`
	WillFail      *string         `json:"willFail"`
}

type secondsResult struct {
	Low    float64 `json:"low"`
	Likely float64 `json:"likely"`
	High   float64 `json:"high"`
}

type measuredResult struct {
	Exhausts int `json:"exhausts"`
	// Since is epoch milliseconds of a midnight, which tells no channel when another's exhaust ended.
	Since int64 `json:"since"`
}

func (s *Server) estimate(r *http.Request, c access.Caller) (any, error) {
	submission, err := readSubmission(r)
	if err != nil {
		return nil, err
	}
	estimate, err := s.service.Estimate(r.Context(), c, submission)
	return s.estimateResult(estimate), err
}

func (s *Server) estimateResult(e service.Estimate) estimateResult {
	result := estimateResult{
		RequestID:            e.Request.ID,
		Dataset:              e.Request.Dataset,
		Tag:                  e.Request.ChannelTag(),
		RequestedChannel:     e.Request.Channel,
		ConversationID:       e.Conversation.ID,
		ConversationName:     e.Conversation.Name,
		StartDate:            showDay(e.StartDate),
		EndDate:              showDay(e.EndDate),
		Days:                 e.Days(),
		DaysWithoutTelemetry: append([]exhaust.Day{}, e.DaysWithoutTelemetry...),
		DaysNotListed:        e.DaysNotListed,
		IsLowerBound:         e.DaysNotListed > 0,
		Objects:              e.Objects,
		Bytes:                e.Bytes,
	}
	if e.Seconds != nil {
		result.Seconds = &secondsResult{Low: e.Seconds.Low, Likely: e.Seconds.Likely, High: e.Seconds.High}
		result.Measured = &measuredResult{Exhausts: e.Measured.Exhausts, Since: e.Measured.Since.UnixMilli()}
	}
	if e.Existing != nil {
		info := s.jobInfo(*e.Existing)
		result.Existing = &info
	}
	if e.WillFail != "" {
		result.WillFail = &e.WillFail
	}
	return result
}
