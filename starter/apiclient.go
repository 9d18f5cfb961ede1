package main

import (
	"bytes"
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
	"strconv"
	"time"

	"data-exhaust/exhaust"
)

// apiClient calls the REST API (contract section 1).
type apiClient struct {
	base    string
	channel string
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
	ExpiresAt        int64            `json:"expiresAt"`
	Progress         exhaust.Progress `json:"progress"`
	JobStats         struct {
		Submitted     int64  `json:"dtJobSubmitted"`
		ExecutionTime *int64 `json:"executionTime"`
	} `json:"jobStats"`
}

// apiError is an error that the API answered.
type apiError struct {
	status   int
	sentence string
}

func (e *apiError) Error() string { return e.sentence }

func (c *apiClient) submit(ctx context.Context, body []byte) (json.RawMessage, error) {
	return c.call(ctx, http.MethodPost, "/dataset/v1/request/submit", nil, body)
}

func (c *apiClient) read(ctx context.Context, tag, requestID string) (json.RawMessage, error) {
	return c.call(ctx, http.MethodGet, "/dataset/v1/request/read/"+url.PathEscape(tag), url.Values{"requestId": {requestID}}, nil)
}

func (c *apiClient) list(ctx context.Context, tag string, limit int) (json.RawMessage, error) {
	return c.call(ctx, http.MethodGet, "/dataset/v1/request/list/"+url.PathEscape(tag), url.Values{"limit": {strconv.Itoa(limit)}}, nil)
}

func (c *apiClient) cancel(ctx context.Context, tag, requestID string) (json.RawMessage, error) {
	return c.call(ctx, http.MethodPost, "/dataset/v1/request/cancel/"+url.PathEscape(tag), url.Values{"requestId": {requestID}}, nil)
}

func (c *apiClient) retry(ctx context.Context, tag, requestID string) (json.RawMessage, error) {
	return c.call(ctx, http.MethodPost, "/dataset/v1/request/retry/"+url.PathEscape(tag), url.Values{"requestId": {requestID}}, nil)
}

// call gives the whole envelope of an answer.
func (c *apiClient) call(ctx context.Context, method, path string, query url.Values, body []byte) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.channel != "" {
		request.Header.Set("X-Channel-ID", c.channel)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the API does not answer: %w (is it running? EXHAUST_PUBLIC_URL and --api say where)", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the API's answer: %w", err)
	}
	var envelope struct {
		Params struct {
			ErrMsg string `json:"errmsg"`
		} `json:"params"`
		ResponseCode string `json:"responseCode"`
	}
	if json.Unmarshal(answer, &envelope) != nil || envelope.ResponseCode == "" {
		return nil, fmt.Errorf("%s answered %s, which is not this API's answer", c.base, response.Status)
	}
	if response.StatusCode != http.StatusOK {
		return nil, &apiError{status: response.StatusCode, sentence: envelope.Params.ErrMsg}
	}
	return answer, nil
}

// result reads an envelope's result.
func result[T any](envelope json.RawMessage) (T, error) {
	var e struct {
		Result T `json:"result"`
	}
	err := json.Unmarshal(envelope, &e)
	if err != nil {
		err = fmt.Errorf("reading the API's answer: %w", err)
	}
	return e.Result, err
}

// download stores the files of a job in a folder, each whole or not at all, and gives their paths.
func download(ctx context.Context, j job, folder string) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	var files []string
	for _, signed := range j.DownloadURLs {
		file, err := downloadOne(ctx, signed, folder)
		if err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

func downloadOne(ctx context.Context, signed, folder string) (name string, err error) {
	at, err := url.Parse(signed)
	if err != nil {
		return "", errors.New("the API gave a download URL that is none")
	}
	name = filepath.Join(folder, path.Base(at.Path))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, signed, nil)
	if err != nil {
		return "", errors.New("the API gave a download URL that is none")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		// The URL is a secret, and http's error holds it.
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return "", fmt.Errorf("downloading %s: %w", path.Base(at.Path), err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("downloading %s: %s", path.Base(at.Path), response.Status)
	}
	file, err := os.CreateTemp(folder, ".download-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("downloading %s: %w", path.Base(at.Path), errors.Join(err, os.Remove(file.Name())))
		}
	}()
	if _, err := io.Copy(file, response.Body); err != nil {
		return "", errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	return name, os.Rename(file.Name(), name)
}
