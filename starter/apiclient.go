package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"data-exhaust/config"
	"data-exhaust/exhaust"
)

// apiClient calls the REST API (contract section 1).
type apiClient struct {
	// base is the API's URL; "" is EXHAUST_PUBLIC_URL.
	base    string
	channel string
	// client sends the requests; nil is redirectless.
	client *http.Client
	// isAnonymous sends no token.
	isAnonymous bool
}

// redirectless follows no redirect: it would hand the token on. The API redirects nobody.
var redirectless = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// requestPath is where the API takes requests for exhausts.
const requestPath = "/dataset/v1/request/"

func (c *apiClient) submit(ctx context.Context, body []byte) (envelope, error) {
	return c.call(ctx, http.MethodPost, requestPath+"submit", nil, body)
}

func (c *apiClient) read(ctx context.Context, tag, requestID string) (envelope, error) {
	return c.callJob(ctx, http.MethodGet, "read", tag, requestID)
}

// callJob calls the API about one exhaust: to read, cancel or retry it.
func (c *apiClient) callJob(ctx context.Context, method, verb, tag, requestID string) (envelope, error) {
	return c.call(ctx, method, requestPath+verb+"/"+url.PathEscape(tag), url.Values{"requestId": {requestID}}, nil)
}

// send calls the API with a request as JSON.
func (c *apiClient) send(ctx context.Context, method, path string, request any) (envelope, error) {
	body, err := json.Marshal(map[string]any{"request": request})
	if err != nil {
		return envelope{}, err
	}
	return c.call(ctx, method, path, nil, body)
}

// call sends a body and reads the answer. Its error is an apiError where the API refuses, and a
// foreignError where something else answers.
func (c *apiClient) call(ctx context.Context, method, path string, query url.Values, body []byte) (envelope, error) {
	if c.base == "" {
		cfg, err := loadSettings()
		if err != nil {
			return envelope{}, err
		}
		c.base = cfg.PublicURL
	}
	target := strings.TrimRight(c.base, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return envelope{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.channel != "" {
		request.Header.Set("X-Channel-ID", c.channel)
	}
	// As a file of its own it need not be among the settings: these are not read where --api says where the API is.
	if !c.isAnonymous {
		token, err := config.Secret("EXHAUST_TOKEN")
		if err != nil {
			return envelope{}, &codedError{code: exitUsage, err: err}
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
	}
	for {
		response, err := cmp.Or(c.client, redirectless).Do(request)
		if err != nil {
			return envelope{}, fmt.Errorf("the API does not answer: %w (is it running? EXHAUST_PUBLIC_URL and --api say where)", err)
		}
		wait, isTooSoon := tooSoon(response)
		if !isTooSoon || !sleep(ctx, wait) {
			defer response.Body.Close()
			return c.readEnvelope(response)
		}
		response.Body.Close()
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
}

// tooSoon tells whether the API wants the same request again in a moment, as it does of one who asks too often. It has done nothing
// then. Where it wants it later than that, the user had better know.
func tooSoon(response *http.Response) (wait time.Duration, isTooSoon bool) {
	const moment = 5 * time.Second
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	wait = time.Duration(seconds) * time.Second
	return wait, response.StatusCode == http.StatusTooManyRequests && err == nil && wait <= moment
}

// sleep reports false where the context ends first.
func sleep(ctx context.Context, wait time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

func (c *apiClient) readEnvelope(response *http.Response) (answer envelope, err error) {
	if answer.raw, err = io.ReadAll(io.LimitReader(response.Body, 64<<20)); err != nil {
		return envelope{}, fmt.Errorf("reading the API's answer: %w", err)
	}
	if json.Unmarshal(answer.raw, &answer) != nil || answer.ResponseCode == "" {
		return envelope{}, &foreignError{base: strings.TrimRight(c.base, "/"), status: response.Status}
	}
	if response.StatusCode != http.StatusOK {
		refusal := &apiError{status: response.StatusCode, sentence: answer.Params.ErrMsg}
		if response.StatusCode == http.StatusUnauthorized {
			refusal.sentence += " (EXHAUST_TOKEN, or EXHAUST_TOKEN_FILE, is the token that starter sends)"
		}
		return envelope{}, refusal
	}
	return answer, nil
}

// envelope is the API's answer; raw is the whole of it.
type envelope struct {
	Params struct {
		ErrMsg string `json:"errmsg"`
	} `json:"params"`
	ResponseCode string `json:"responseCode"`
	raw          json.RawMessage
}

// result reads an envelope's result.
func result[T any](answer envelope) (T, error) {
	var e struct {
		Result T `json:"result"`
	}
	err := json.Unmarshal(answer.raw, &e)
	if err != nil {
		err = fmt.Errorf("reading the API's answer: %w", err)
	}
	return e.Result, err
}

// apiError is an error that the API answers.
type apiError struct {
	status   int
	sentence string
}

func (e *apiError) Error() string { return e.sentence }

// foreignError tells that what answers at base is not this API.
type foreignError struct{ base, status string }

func (e *foreignError) Error() string {
	return fmt.Sprintf("%s answered %s, which is not this API's answer", e.base, e.status)
}

// job is an exhaust as the API shows it. Times are epoch milliseconds.
type job struct {
	RequestID        string           `json:"requestId"`
	Tag              string           `json:"tag"`
	Dataset          exhaust.Dataset  `json:"dataset"`
	Status           exhaust.Status   `json:"status"`
	StatusMessage    string           `json:"statusMessage"`
	Attempts         int              `json:"attempts"`
	RequestedChannel string           `json:"requestedChannel"`
	DatasetConfig    json.RawMessage  `json:"datasetConfig"`
	DownloadURLs     []string         `json:"downloadUrls"`
	ReceiptURL       string           `json:"receiptUrl"`
	ExpiresAt        int64            `json:"expiresAt"`
	Progress         exhaust.Progress `json:"progress"`
	JobStats         struct {
		Submitted     int64  `json:"dtJobSubmitted"`
		ExecutionTime *int64 `json:"executionTime"`
	} `json:"jobStats"`
}

// pathTag is the tag without its channel, as paths take it.
func (j job) pathTag() string { return strings.TrimSuffix(j.Tag, ":"+j.RequestedChannel) }

// state is the status with its message.
func (j job) state() string {
	if j.StatusMessage != "" {
		return fmt.Sprintf("%s: %s", j.Status, j.StatusMessage)
	}
	return string(j.Status)
}

// download stores the files of a job and their receipt in a folder, each whole or not at all, and returns their paths.
func download(ctx context.Context, j job, folder string) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	var files []string
	links := j.DownloadURLs
	if j.ReceiptURL != "" {
		links = append(slices.Clone(links), j.ReceiptURL)
	}
	for _, link := range links {
		file, err := downloadOne(ctx, link, folder)
		if err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

// downloadOne stores one file. Its errors do not hold the URL, which is a secret.
func downloadOne(ctx context.Context, link, folder string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return "", errors.New("the API gave a download URL that is none")
	}
	name := path.Base(request.URL.Path)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if failure, ok := errors.AsType[*url.Error](err); ok {
			err = failure.Err
		}
		return "", fmt.Errorf("downloading %s: %w", name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("downloading %s: %s", name, response.Status)
	}
	unfinished, err := os.CreateTemp(folder, ".download-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(unfinished, response.Body)
	file := filepath.Join(folder, name)
	if err = errors.Join(err, unfinished.Close()); err == nil {
		err = os.Rename(unfinished.Name(), file)
	}
	if err != nil {
		return "", fmt.Errorf("downloading %s: %w", name, errors.Join(err, os.Remove(unfinished.Name())))
	}
	return file, nil
}
