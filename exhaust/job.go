package exhaust

import (
	"encoding/json"
	"errors"
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

// Datasets lists both datasets.
var Datasets = []Dataset{ResponseExhaust, PrivateExhaust}

// Statuses lists every status.
var Statuses = []Status{Submitted, Processing, Success, Failed, Cancelled}

// HasEnded reports whether the exhaust has ended. Only another attempt changes a final status.
func (s Status) HasEnded() bool { return s == Success || s == Failed || s == Cancelled }

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
	// Purpose is what the client says that it needs the exhaust for; "" where it says nothing. It is no part of what the
	// exhaust is: that of the first submission stays.
	Purpose string `json:"purpose,omitempty"`
}

// ChannelTag is the stored tag, "tag:channel", as answers show it.
func (r Request) ChannelTag() string { return channelTag(r.Tag, r.Channel) }

func channelTag(tag, channel string) string { return tag + ":" + channel }

// Job is an exhaust and what has become of it: what the API answers and job_request keeps.
type Job struct {
	Request
	State
	// DownloadURLs are signed, and as good as the files: they go to job_request and to who asks for
	// them, and never with a job into a workflow's history.
	DownloadURLs []string `json:"-"`
	// ReceiptURL is the signed URL of the receipt; "" where there is none.
	ReceiptURL string `json:"-"`
	// ExpiresAt is when DownloadURLs and ReceiptURL stop working.
	ExpiresAt time.Time `json:"-"`
}

// State is what changes of a job. The workflow publishes it, without the request, whenever it does.
type State struct {
	Status Status `json:"status"`
	// Message says why a job FAILED or was CANCELLED; "" otherwise.
	Message string `json:"statusMessage,omitempty"`
	// Retryable says of a FAILED job that another attempt, with nothing else changed, may succeed.
	// Histories and rows call it mayHeal.
	Retryable bool `json:"mayHeal,omitempty"`
	// Parked says of a SUBMITTED job that it waits for the night.
	Parked bool `json:"parked,omitempty"`
	// Attempts counts the attempts after the first.
	Attempts int `json:"attempts"`
	// From and To are the first and last day that the exhaust covers, once they are settled: the request may leave them to the
	// registry. They are "" before that, where it is not made from telemetry, and of releases that did not keep them.
	From      Day       `json:"from,omitempty"`
	To        Day       `json:"to,omitempty"`
	Progress  Progress  `json:"progress"`
	UpdatedAt time.Time `json:"updatedAt"`
	// CompletedAt is the zero time until the job has ended.
	CompletedAt time.Time `json:"completedAt,omitzero"`
	// ExecutionTime is how long the attempt that ended took.
	ExecutionTime time.Duration `json:"executionTime,omitempty"`
	// Report is the name of the file in the reports store; "" until there is one.
	Report string `json:"report,omitempty"`
	// Receipt is the name of the report's receipt; "" where there is none. Releases before the receipts made none.
	Receipt string `json:"receipt,omitempty"`
}

// ErrNoExhaust says that nobody knows the exhaust that is asked for, or not under that tag and channel.
var ErrNoExhaust = errors.New(NoSuchExhaust.Template())

// ErrWindingUp says that an exhaust cannot make another attempt yet: the one before is still being recorded or cleaned up.
var ErrWindingUp = errors.New(PreviousAttemptEnding.Template())

// LossMessage is the message of an exhaust that succeeded and whose report is not in the reports store any more.
const LossMessage = "its report is no longer in the reports store: retry makes it again"

// ExpiryMessage is the message of an exhaust that succeeded and whose report was kept until a time.
func ExpiryMessage(until time.Time) string { return "report expired on " + string(DayOf(until)) }

// ErasureMessage is the message of an exhaust whose report was erased at a time.
func ErasureMessage(at time.Time) string { return "report erased on " + string(DayOf(at)) }
