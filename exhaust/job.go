package exhaust

import (
	"encoding/json"
	"time"
)

// Dataset names one of the two exhausts.
type Dataset string

const (
	ResponseExhaust Dataset = "uci-response-exhaust"
	PrivateExhaust  Dataset = "uci-private-exhaust"
)

// Status is where an exhaust is in its life (contract section 2).
type Status string

const (
	Submitted  Status = "SUBMITTED"
	Processing Status = "PROCESSING"
	Success    Status = "SUCCESS"
	Failed     Status = "FAILED"
	Cancelled  Status = "CANCELLED"
)

// Statuses lists every status.
var Statuses = []Status{Submitted, Processing, Success, Failed, Cancelled}

// Ended reports whether the status is final unless the exhaust is run again.
func (s Status) Ended() bool { return s == Success || s == Failed || s == Cancelled }

// Request is a valid request for an exhaust. Its ID makes it: two requests with the same ID are
// the same exhaust.
type Request struct {
	ID      string  `json:"requestId"`
	Dataset Dataset `json:"dataset"`
	// Tag is the client's own name for the request, without the channel.
	Tag         string `json:"tag"`
	Channel     string `json:"channel"`
	RequestedBy string `json:"requestedBy"`
	// Config is the datasetConfig as the client sent it.
	Config         json.RawMessage `json:"datasetConfig"`
	OutputFormat   string          `json:"outputFormat"`
	ConversationID string          `json:"conversationId"`
	// StartDate and EndDate are "" where the config leaves them to the registry.
	StartDate   Day       `json:"startDate,omitempty"`
	EndDate     Day       `json:"endDate,omitempty"`
	SubmittedAt time.Time `json:"submittedAt"`
	// AllowEmpty makes an exhaust without any event a SUCCESS whose file has a header only. It is no
	// part of what the exhaust is.
	AllowEmpty bool `json:"allowEmpty,omitempty"`
}

// ChannelTag is the stored tag, "tag:channel", as answers show it.
func (r Request) ChannelTag() string { return r.Tag + ":" + r.Channel }

// Job is an exhaust and what has become of it: what the API answers and job_request keeps.
type Job struct {
	Request
	Status Status `json:"status"`
	// Message says why a job FAILED or was CANCELLED; "" otherwise.
	Message string `json:"statusMessage,omitempty"`
	// MayHeal says of a FAILED job that running it again, with nothing else changed, may succeed.
	MayHeal bool `json:"mayHeal,omitempty"`
	// Attempts counts the runs after the first.
	Attempts  int       `json:"attempts"`
	Progress  Progress  `json:"progress"`
	UpdatedAt time.Time `json:"updatedAt"`
	// CompletedAt is the zero time until the job has ended.
	CompletedAt time.Time `json:"completedAt,omitzero"`
	// ExecutionTime is how long the run that ended took.
	ExecutionTime time.Duration `json:"executionTime,omitempty"`
	// Report is the name of the file in the reports store; "" until there is one.
	Report string `json:"report,omitempty"`
	// DownloadURLs are signed, and as good as the files: they go to job_request and to who asks for
	// them, and never with a job into a workflow's history.
	DownloadURLs []string `json:"-"`
	// ExpiresAt is when DownloadURLs stop working.
	ExpiresAt time.Time `json:"-"`
}

// Expired is the message of an exhaust that succeeded and whose report was kept until a time.
func Expired(until time.Time) string { return "report expired on " + string(DayOf(until)) }

// Erased is the message of an exhaust whose report was erased at a time.
func Erased(at time.Time) string { return "report erased on " + string(DayOf(at)) }

// Phase is the step that an exhaust is in.
type Phase string

const (
	Fetching Phase = "FETCHING"
	Joining  Phase = "JOINING"
	Building Phase = "BUILDING"
	Signing  Phase = "SIGNING"
	Done     Phase = "DONE"
)

// Progress counts what an exhaust has done in this attempt. Bytes are those of telemetry objects
// as stored (compressed).
type Progress struct {
	Phase         Phase `json:"phase"`
	BytesTotal    int64 `json:"bytesTotal"`
	BytesRead     int64 `json:"bytesRead"`
	EventsMatched int64 `json:"eventsMatched"`
	RowsWritten   int64 `json:"rowsWritten"`
	Percent       int   `json:"percent"`
	// LinesSkipped counts lines that were no JSON object or longer than 16 MiB.
	LinesSkipped int64 `json:"linesSkipped"`
	// RowsUnknownDevice counts rows left out because the registry does not know their device.
	RowsUnknownDevice int64 `json:"rowsUnknownDevice"`
	// Undecryptable counts devices whose phone number was due and did not decrypt.
	Undecryptable int64 `json:"undecryptable"`
}
