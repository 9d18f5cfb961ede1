package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"data-exhaust/exhaust"
)

// Order is an exhaust as a client asks for it. Without days it leaves them out.
type Order struct {
	Dataset      exhaust.Dataset
	Tag          string
	Conversation exhaust.Conversation
	First, Last  exhaust.Day
	RunAt        string

	// SentAt is when it was submitted, SubmitTook how long the answer to that took.
	SentAt     time.Time
	SubmitTook time.Duration
	// Job is what the api answered last.
	Job Job
}

// Job is an exhaust as the api shows it, as far as benchmarks look into it.
type Job struct {
	RequestID     string         `json:"requestId"`
	Status        exhaust.Status `json:"status"`
	StatusMessage string         `json:"statusMessage"`
	JobStats      struct {
		Completed int64 `json:"dtJobCompleted"`
	} `json:"jobStats"`
	Progress exhaust.Progress `json:"progress"`
}

// CompletedAt is when an exhaust that has ended did.
func (j Job) CompletedAt() time.Time { return time.UnixMilli(j.JobStats.Completed) }

// WorkflowID is that of the order's exhaust.
func (o *Order) WorkflowID() string { return exhaust.WorkflowID(o.Job.RequestID) }

func (o *Order) body() ([]byte, error) {
	config := map[string]any{"conversationId": o.Conversation.ID}
	if o.First != "" {
		config["startDate"], config["endDate"] = o.First, o.Last
	}
	request := map[string]any{"dataset": o.Dataset, "tag": o.Tag, "requestedBy": "bench", "datasetConfig": config}
	if o.RunAt != "" {
		request["runAt"] = o.RunAt
	}
	return json.Marshal(map[string]any{"request": request})
}

// Client calls the API. It may be used from many goroutines at once.
type Client struct {
	base string
	http *http.Client
}

func newClient(base string) Client {
	// Each client of a load test keeps its connection, as clients do.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 1000
	return Client{base: base, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// Submit submits an order, and fills in when and how that went.
func (c Client) Submit(ctx context.Context, o *Order) error {
	body, err := o.body()
	if err != nil {
		return err
	}
	o.SentAt = time.Now()
	answer, err := c.call(ctx, http.MethodPost, "/dataset/v1/request/submit", o.Conversation.Channel, body)
	if err != nil {
		return err
	}
	o.SubmitTook = time.Since(o.SentAt)
	o.Job, err = answer.job()
	return err
}

// Read reads an order's exhaust.
func (c Client) Read(ctx context.Context, o *Order) error {
	path := "/dataset/v1/request/read/" + o.Tag + "?" + url.Values{"requestId": {o.Job.RequestID}}.Encode()
	answer, err := c.call(ctx, http.MethodGet, path, o.Conversation.Channel, nil)
	if err != nil {
		return err
	}
	job, err := answer.job()
	if err == nil {
		o.Job = job
	}
	return err
}

// health is nil while the api and all that it depends on answer.
func (c Client) health(ctx context.Context) error {
	answer, err := c.call(ctx, http.MethodGet, "/health", "", nil)
	if err == nil && answer.status != http.StatusOK {
		err = fmt.Errorf("the api answered %d: %s", answer.status, answer.body)
	}
	return err
}

type answer struct {
	status int
	body   []byte
}

func (c Client) call(ctx context.Context, method, path, channel string, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Channel-ID", channel)
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, content}, err
}

// ErrBusy is what a 503 answers: clients are told to try again later.
var ErrBusy = errors.New("the api answered 503")

// job is the exhaust in an answer that is no error.
func (a answer) job() (Job, error) {
	var envelope struct {
		Result Job `json:"result"`
	}
	if a.status == http.StatusServiceUnavailable {
		return Job{}, fmt.Errorf("%w: %s", ErrBusy, a.body)
	}
	if a.status != http.StatusOK {
		return Job{}, fmt.Errorf("the api answered %d: %s", a.status, a.body)
	}
	err := json.Unmarshal(a.body, &envelope)
	return envelope.Result, err
}
