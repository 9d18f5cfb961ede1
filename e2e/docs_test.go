package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/apitest"
	"data-exhaust/internal/e2etest"
)

var (
	shellBlock = regexp.MustCompile("(?ms)^```sh\n(curl .*?)^```$")
	jsonBlock  = regexp.MustCompile("(?ms)^```json\n(.*?)^```$")
)

// documents are README.md and what is in docs/, each with its text. docs/api.md, whose examples are those of the API's description,
// comes first.
func documents(t *testing.T) (names []string, texts map[string]string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	e2etest.Must(t, err)
	texts = map[string]string{}
	for _, name := range append(found, filepath.Join("..", "README.md")) {
		text, err := os.ReadFile(name)
		e2etest.Must(t, err)
		names, texts[name] = append(names, name), string(text)
	}
	return names, texts
}

// recorder passes requests on to the api, and holds each with its answer against the API's description.
type recorder struct {
	*httptest.Server
	answers []e2etest.Answer
}

// record stands in front of an api, and signs everybody in with a token: the examples are of a service that asks nobody.
func record(t *testing.T, api, token string) *recorder {
	t.Helper()
	target, err := url.Parse(api)
	e2etest.Must(t, err)
	r := &recorder{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		sent, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		request.Body = io.NopCloser(bytes.NewReader(sent))
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, request)
		apitest.Check(t, apitest.Exchange{
			Method: request.Method, Path: request.URL.RequestURI(), Sent: request.Header, SentBody: sent,
			Status: answer.Code, Header: answer.Header(), Body: answer.Body.Bytes(),
		})
		r.answers = append(r.answers, e2etest.Answer{Status: answer.Code, Header: answer.Header(), Body: answer.Body.Bytes()})
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(r.Close)
	return r
}

// late are the calls that come too late here: the exhaust is a SUCCESS by then.
var late = regexp.MustCompile(`/request/(cancel|retry)/`)

// examples are a document's shell blocks that call the API, those that delete something behind the others.
func examples(text string) (scripts []string) {
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		scripts = append(scripts, block[1])
	}
	isDelete := func(script string) bool { return strings.Contains(script, "-X DELETE") }
	slices.SortStableFunc(scripts, func(x, y string) int {
		return cmp.Compare(strconv.FormatBool(isDelete(x)), strconv.FormatBool(isDelete(y)))
	})
	return scripts
}

// TestEachExampleOfTheDocumentsIsSentAndAnswered runs each curl of the documents as it stands there, in their order, but for the
// host and for ids that differ each time.
func TestEachExampleOfTheDocumentsIsSentAndAnswered(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	e2etest.Must(t, err)
	// A database of its own: setup prints the first token where there has never been one.
	d := prepare(e2etest.StartEmbedded(t), "EXHAUST_AUTH=tokens", "EXHAUST_WEBHOOK_SECRET=a-secret-for-tests-only", "EXHAUST_SEALING_KEY=a-sealing-key-for-tests-only")
	at := slices.IndexFunc(d.Env, func(setting string) bool { return strings.HasPrefix(setting, "EXHAUST_DATABASE_URL=") })
	registry := strings.TrimPrefix(d.Env[at], "EXHAUST_DATABASE_URL=")
	d.Env = append(d.Env, "UCI_DATABASE_URL="+registry, "FUSIONAUTH_DATABASE_URL="+registry,
		"EXHAUST_DATABASE_URL=sqlite://"+filepath.Join(t.TempDir(), "exhaust.db"))
	set := e2etest.ExecStarter(t, d.Env, "setup")
	token, _, _ := strings.Cut(set.Stdout, "\n")
	d.StartAPI(t)
	d.StartWorker(t)
	bot := d.addBot(t, "Health line")
	for _, day := range []string{"2026-11-16", "2026-11-23", time.Now().In(e2etest.India).AddDate(0, 0, -1).Format(time.DateOnly)} {
		d.say(t, bot, "Health line", day, 3)
	}
	r := record(t, d.URL, token)
	here := map[string]string{"http://127.0.0.1:8080": r.URL, "29e49b19-9086-48d3-8f5a-dcbbdc9fae9c": bot}
	names, texts := documents(t)
	folder, ran := t.TempDir(), 0
	for _, name := range names {
		for _, script := range examples(texts[name]) {
			for is, becomes := range here {
				script = strings.ReplaceAll(script, is, becomes)
			}
			before := len(r.answers)
			command := exec.CommandContext(t.Context(), "sh", "-c", "set -eu\n"+strings.ReplaceAll(script, "curl ", curl+" -sS "))
			command.Dir = folder // some keep an answer in a file
			out, err := command.CombinedOutput()
			if err != nil || len(r.answers) != before+1 {
				t.Fatalf("%s: %d answers, %v\n%s\n%s", name, len(r.answers)-before, err, script, out)
			}
			answer := r.answers[before]
			want := http.StatusOK
			if late.MatchString(script) {
				want = http.StatusBadRequest
			}
			if answer.Status != want {
				t.Errorf("%s: answered %d, want %d\n%s\n%s", name, answer.Status, want, script, answer.Body)
			}
			ran++
			var result struct{ RequestID, ScheduleID, Tag string }
			var envelope struct{ Result json.RawMessage }
			if strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
				e2etest.Must(t, json.Unmarshal(answer.Body, &envelope))
				_ = json.Unmarshal(envelope.Result, &result) // of some calls it is another
			}
			if id := result.RequestID; id != "" && strings.Contains(script, "/submit") {
				here["E9757FF8D68E92C2D4E97B1CCE7B47DF"] = id
				tag, _, _ := strings.Cut(result.Tag, ":")
				e2etest.Eventually(t, time.Minute, "the exhaust of "+name+" has ended", func() bool {
					return e2etest.Call(t, http.MethodGet, r.URL+"/dataset/v1/request/read/"+tag+"?requestId="+id, channel, "").Job(t).IsEnded()
				})
			}
			if id := result.ScheduleID; id != "" {
				here["e4heklic35xtuusz"] = id
			}
		}
	}
	if ran < 28 {
		t.Errorf("only %d examples were sent", ran)
	}
}

// TestEachAnswerInTheDocumentsIsOneThatTheDescriptionKnows is about envelopes that stand whole in a document.
func TestEachAnswerInTheDocumentsIsOneThatTheDescriptionKnows(t *testing.T) {
	t.Parallel()
	names, texts := documents(t)
	known := 0
	for _, name := range names {
		for _, block := range jsonBlock.FindAllStringSubmatch(texts[name], -1) {
			var envelope struct{ ID, ResponseCode string }
			if json.Unmarshal([]byte(block[1]), &envelope) != nil || envelope.ResponseCode == "" {
				continue // a part of an answer, or something else
			}
			known++
			if err := apitest.CheckEnvelope([]byte(block[1])); err != nil {
				t.Errorf("%s: %v\n%s", name, err, block[1])
			}
		}
	}
	if known < 20 {
		t.Errorf("only %d answers were found", known)
	}
}
