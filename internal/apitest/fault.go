// Package apitest holds the API's answers against what is promised of them in tests, and may not be imported by anything else.
package apitest

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"testing"

	"data-exhaust/exhaust"
)

// CheckFault fails the test unless an answer is a success without a fault, or an error whose code is one that there is, with just
// the details that it has, which put into its sentence are what the answer says.
func CheckFault(t testing.TB, body []byte) {
	t.Helper()
	var answer struct {
		Params struct {
			Status  string         `json:"status"`
			ErrMsg  string         `json:"errmsg"`
			Code    string         `json:"code"`
			Details map[string]any `json:"details"`
		} `json:"params"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Errorf("the answer is no envelope: %v: %.1000s", err, body)
		return
	}
	params := answer.Params
	if params.Status != "failed" {
		if params.Code != "" || params.Details != nil {
			t.Errorf("a success has a fault: %.1000s", body)
		}
		return
	}
	at := slices.IndexFunc(exhaust.Codes(), func(c *exhaust.Code) bool { return c.Name() == params.Code })
	if at < 0 {
		t.Errorf("there is no code %q: %.1000s", params.Code, body)
		return
	}
	code := exhaust.Codes()[at]
	if got, want := slices.Sorted(maps.Keys(params.Details)), slices.Sorted(slices.Values(code.Details())); !slices.Equal(got, want) {
		t.Errorf("%s has the details %q, want %q", code.Name(), got, want)
		return
	}
	for name, value := range params.Details {
		plain, kind := plain(value)
		if params.Details[name] = plain; kind != exhaust.DetailKind(name) {
			t.Errorf("the detail %s of %s is %v, want %s", name, code.Name(), value, exhaust.DetailKind(name))
			return
		}
	}
	if says := code.Sentence(params.Details); says != params.ErrMsg {
		t.Errorf("%s with its details says\n%s\nand errmsg says\n%s", code.Name(), says, params.ErrMsg)
	}
}

// plain is a value that came as JSON in the type that it had before, and its kind.
func plain(value any) (_ any, kind string) {
	switch v := value.(type) {
	case float64:
		if v == math.Trunc(v) {
			return int64(v), exhaust.NumberDetail
		}
	case []any:
		texts := make([]string, len(v))
		for i, text := range v {
			texts[i], _ = text.(string)
		}
		return texts, exhaust.ListDetail
	case string:
		return v, exhaust.TextDetail
	}
	return value, "of no kind"
}
