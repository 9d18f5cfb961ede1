package console

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"

	"data-exhaust/exhaust"
)

// requestForms are the ways to send the request of an exhaust without the console. None holds the reader's token.
type requestForms struct{ JSON, Curl, Starter string }

// formsOf writes the request of an exhaust down. That it was to begin with the night's work is known until it begins.
func (v *visit) formsOf(job exhaust.Job) (requestForms, error) {
	r, runAt := job.Request, ""
	if stateOf(job) == waitsForNight {
		runAt = exhaust.RunNightly
	}
	body := submitBody{ID: "ekstep.analytics.job.request.submit", Ver: "1.0", Request: submitRequest{
		Dataset: r.Dataset, Tag: r.Tag, RequestedBy: r.RequestedBy, RequestedChannel: r.Channel, DatasetConfig: r.Config,
		OutputFormat: r.OutputFormat, RunAt: runAt, Purpose: r.Purpose,
	}}
	pretty, err := encode(body, "  ")
	if err != nil {
		return requestForms{}, err
	}
	short, err := encode(body, "")
	if err != nil {
		return requestForms{}, err
	}
	return requestForms{JSON: pretty, Curl: v.curl(r, short), Starter: v.starter(r, runAt)}, nil
}

// submitBody is the body of the call submit, and submitRequest what is asked for in it.
type submitBody struct {
	ID      string        `json:"id"`
	Ver     string        `json:"ver"`
	Request submitRequest `json:"request"`
}

type submitRequest struct {
	Dataset          exhaust.Dataset `json:"dataset"`
	Tag              string          `json:"tag"`
	RequestedBy      string          `json:"requestedBy"`
	RequestedChannel string          `json:"requestedChannel"`
	DatasetConfig    json.RawMessage `json:"datasetConfig"`
	OutputFormat     string          `json:"output_format"`
	RunAt            string          `json:"runAt,omitempty"`
	Purpose          string          `json:"purpose,omitempty"`
}

func encode(value any, indent string) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	err := encoder.Encode(value)
	return strings.TrimSuffix(text.String(), "\n"), err
}

// curl is the request as a line of a shell.
func (v *visit) curl(r exhaust.Request, body string) string {
	lines := []string{"curl -X POST " + quote(v.PublicURL+"/dataset/v1/request/submit"), "-H " + quote("X-Channel-ID: "+r.Channel)}
	if v.IsSignedIn {
		lines = append(lines, `-H "Authorization: Bearer $TOKEN"`)
	}
	return strings.Join(append(lines, "-d "+quote(body)), " \\\n  ")
}

// starter is the request as a line of a shell that calls the operator's command. What its flags do not say it takes from a file.
func (v *visit) starter(r exhaust.Request, runAt string) string {
	line := "starter submit --api " + quote(v.PublicURL) + " --channel " + quote(r.Channel)
	if v.IsSignedIn {
		line = `EXHAUST_TOKEN="$TOKEN" ` + line
	}
	if !isPlain(r) {
		return line + " --file request.json --wait"
	}
	for _, flag := range []struct{ name, value string }{
		{"dataset", string(r.Dataset)}, {"conversation", r.ConversationID}, {"start", string(r.StartDate)}, {"end", string(r.EndDate)},
		{"run-at", runAt}, {"tag", r.Tag}, {"purpose", r.Purpose},
	} {
		if flag.value != "" {
			line += " --" + flag.name + " " + quote(flag.value)
		}
	}
	return line + " --requested-by " + quote(r.RequestedBy) + " --wait" // who asks is who runs it unless the line says so
}

// isPlain reports whether the flags of the operator's command can say a request: another datasetConfig is another exhaust.
func isPlain(r exhaust.Request) bool {
	said := map[string]any{"type": string(r.Dataset), "conversationId": r.ConversationID}
	if r.StartDate != "" {
		said["startDate"] = string(r.StartDate)
	}
	if r.EndDate != "" {
		said["endDate"] = string(r.EndDate)
	}
	var config map[string]any
	err := json.Unmarshal(r.Config, &config)
	return err == nil && r.OutputFormat == "csv" && reflect.DeepEqual(config, said)
}

var bareWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

// quote is a text as one word of a POSIX shell.
func quote(text string) string {
	if bareWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
