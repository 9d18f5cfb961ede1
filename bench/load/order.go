package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"data-exhaust/exhaust"
)

// order is an exhaust as a client asks for it. Without days it leaves them out.
type order struct {
	dataset      exhaust.Dataset
	tag          string
	conversation exhaust.Conversation
	first, last  exhaust.Day
	runAt        string

	// sentAt is when it was submitted, submitTook how long the answer to that took.
	sentAt     time.Time
	submitTook time.Duration
	// job is what the api answered last.
	job job
}

// job is an exhaust as the api shows it, as far as this program looks into it.
type job struct {
	RequestID     string         `json:"requestId"`
	Status        exhaust.Status `json:"status"`
	StatusMessage string         `json:"statusMessage"`
	JobStats      struct {
		Completed int64 `json:"dtJobCompleted"`
	} `json:"jobStats"`
	Progress exhaust.Progress `json:"progress"`
}

// completedAt is when an exhaust that has ended did.
func (j job) completedAt() time.Time { return time.UnixMilli(j.JobStats.Completed) }

// workflowID is that of the order's exhaust.
func (o *order) workflowID() string { return exhaust.WorkflowID(o.job.RequestID) }

func (o *order) body() ([]byte, error) {
	config := map[string]any{"conversationId": o.conversation.ID}
	if o.first != "" {
		config["startDate"], config["endDate"] = o.first, o.last
	}
	request := map[string]any{"dataset": o.dataset, "tag": o.tag, "requestedBy": "load", "datasetConfig": config}
	if o.runAt != "" {
		request["runAt"] = o.runAt
	}
	return json.Marshal(map[string]any{"request": request})
}

// apiClient calls the API. It may be used from many goroutines at once.
type apiClient struct {
	base string
	http *http.Client
}

func newAPIClient(base string) apiClient {
	// Each client of a load test keeps its connection, as clients do.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 1000
	return apiClient{base: base, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// submit submits an order, and fills in when and how that went.
func (c apiClient) submit(ctx context.Context, o *order) error {
	body, err := o.body()
	if err != nil {
		return err
	}
	o.sentAt = time.Now()
	answer, err := c.call(ctx, http.MethodPost, "/dataset/v1/request/submit", o.conversation.Channel, body)
	if err != nil {
		return err
	}
	o.submitTook = time.Since(o.sentAt)
	o.job, err = answer.job()
	return err
}

// read reads an order's exhaust.
func (c apiClient) read(ctx context.Context, o *order) error {
	path := "/dataset/v1/request/read/" + o.tag + "?" + url.Values{"requestId": {o.job.RequestID}}.Encode()
	answer, err := c.call(ctx, http.MethodGet, path, o.conversation.Channel, nil)
	if err != nil {
		return err
	}
	o.job, err = answer.job()
	return err
}

// health is nil while the api and all that it depends on answer.
func (c apiClient) health(ctx context.Context) error {
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

func (c apiClient) call(ctx context.Context, method, path, channel string, body []byte) (answer, error) {
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

// job is the exhaust in an answer that is no error.
func (a answer) job() (job, error) {
	var envelope struct {
		Result job `json:"result"`
	}
	if a.status != http.StatusOK {
		return job{}, fmt.Errorf("the api answered %d: %s", a.status, a.body)
	}
	err := json.Unmarshal(a.body, &envelope)
	return envelope.Result, err
}
