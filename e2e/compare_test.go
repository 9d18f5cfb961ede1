package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/apitest"
	"data-exhaust/internal/e2etest"
)

func golden(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	e2etest.Must(t, err)
	return content
}

// sameFile compares two files byte by byte and shows the first line in which they differ.
func sameFile(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	g, w := bytes.SplitAfter(got, []byte("\n")), bytes.SplitAfter(want, []byte("\n"))
	line := 0
	for line < min(len(g), len(w)) && bytes.Equal(g[line], w[line]) {
		line++
	}
	gotLine, wantLine := append(g, nil)[line], append(w, nil)[line]
	t.Errorf("%s: line %d of %d (want %d):\n got %.1000q\nwant %.1000q", what, line+1, len(g), len(w), gotLine, wantLine)
}

var (
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	timePattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}\+00:00$`)
)

// sameEnvelope compares a whole answer with the JSON wanted. ts and params.resmsgid, which are new in
// every answer, are checked by their form.
func sameEnvelope(t *testing.T, got e2etest.Answer, status int, want string) {
	t.Helper()
	g, w := decode(t, string(got.Body)), decode(t, want)
	ts, _ := g["ts"].(string)
	at, err := time.Parse("2006-01-02T15:04:05.000-07:00", ts)
	if !timePattern.MatchString(ts) || err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("ts is %q", ts)
	}
	params, _ := g["params"].(map[string]any)
	if id, _ := params["resmsgid"].(string); !uuidPattern.MatchString(id) {
		t.Errorf("params.resmsgid is %q", id)
	}
	apitest.CheckFault(t, got.Body)
	delete(g, "ts")
	for _, name := range []string{"resmsgid", "code", "details"} {
		delete(params, name)
	}
	if got.Status != status {
		t.Errorf("answered %d, want %d", got.Status, status)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("answered\n got %s\nwant %s", encode(t, g), encode(t, w))
	}
}

func decode(t *testing.T, text string) (value map[string]any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// encode is JSON with its names in order.
func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	e2etest.Must(t, err)
	return string(text)
}

// withoutNew is an answer without what is new in every one.
func withoutNew(t *testing.T, a e2etest.Answer) string {
	t.Helper()
	envelope := decode(t, string(a.Body))
	params, _ := envelope["params"].(map[string]any)
	delete(envelope, "ts")
	delete(params, "resmsgid")
	return encode(t, envelope)
}

// failure is the envelope of an error.
func failure(call, code, sentence string) string {
	message, err := json.Marshal(sentence)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"id":"ekstep.analytics.dataset.request.%s","ver":"1.0",
		"params":{"status":"failed","client_key":null,"err":%q,"errmsg":%s},"responseCode":%q,"result":{}}`, call, code, message, code)
}
