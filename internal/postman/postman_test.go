package postman

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func readDocument(t *testing.T) []byte {
	t.Helper()
	document, err := os.ReadFile(filepath.Join("testdata", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestACallWithoutAPlaceInTheCollectionIsNamed(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"a call that is new in the document", "  /health/live:", "  /health/dead:", "the document has no GET /health/live, which the walkthrough makes"},
		{"one that no step makes", "  /metrics:", "  /dataset/v1/more:", "the walkthrough has no step that makes GET /dataset/v1/more"},
		{"a parameter that nobody fills in", "parameters: [{name: id,", "parameters: [{name: key,",
			"DELETE /dataset/v1/token/{id}: the walkthrough has no value for the parameter key"},
		{"a body without an example", "example: {request: {filters: {status: FAILED}, dryRun: true}}", "x-none: 1", "POST /dataset/v1/request/replay: its body has no example"},
		{"no tag", "      tags: [Access]\n", "", "has no tag"},
		{"no document", "openapi: 3.1.0", "openapi: [", "read the OpenAPI document: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			document := string(readDocument(t))
			if !strings.Contains(document, c.from) {
				t.Fatalf("the document has no %q", c.from)
			}
			_, _, err := Generate([]byte(strings.ReplaceAll(document, c.from, c.to)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// requestsOf are the requests of a collection by their names.
func requestsOf(t *testing.T, content []byte) map[string]request {
	t.Helper()
	var c collection
	if err := json.Unmarshal(content, &c); err != nil {
		t.Fatal(err)
	}
	requests := map[string]request{}
	for _, f := range c.Item {
		for _, i := range f.Item {
			if _, isThere := requests[i.Name]; isThere {
				t.Errorf("two requests are %q, of which a script could ask again for one only", i.Name)
			}
			requests[i.Name] = i.Request
		}
	}
	return requests
}

func TestRequestsHaveTheFormOfTheCollectionsThatUsersHave(t *testing.T) {
	content, _, err := Generate(readDocument(t))
	if err != nil {
		t.Fatal(err)
	}
	got := requestsOf(t, content)
	signed := []field{
		{Key: "Authorization", Value: "Bearer {{token}}"},
		{Key: "X-Channel-ID", Value: "{{channel}}", Description: "The channel that owns the conversation"},
	}
	for name, want := range map[string]request{
		"info": {Method: "GET", Header: signed, URL: address{
			Raw:  "{{host}}/dataset/v1/request/read/{{tag}}?requestId={{requestId}}",
			Host: []string{"{{host}}"}, Path: []string{"dataset", "v1", "request", "read", "{{tag}}"},
			Query: []field{{Key: "requestId", Value: "{{requestId}}"}},
		}, Description: "One exhaust: status, progress, download URLs"},
		"list": {Method: "GET", Header: signed, URL: address{
			Raw:  "{{host}}/dataset/v1/request/list/{{tag}}?limit=5",
			Host: []string{"{{host}}"}, Path: []string{"dataset", "v1", "request", "list", "{{tag}}"},
			Query: []field{{Key: "limit", Value: "5"}},
		}, Description: "The exhausts of a tag, newest first"},
		"conversations": {Method: "GET", Header: signed, URL: address{
			Raw:  "{{host}}/dataset/v1/conversation?limit=5",
			Host: []string{"{{host}}"}, Path: []string{"dataset", "v1", "conversation"},
			Query: []field{{Key: "q", Description: "A part of the name", Disabled: true}, {Key: "limit", Value: "5"}},
		}, Description: "The conversations of a channel"},
		"live": {Method: "GET", Header: []field{}, URL: address{
			Raw: "{{host}}/health/live", Host: []string{"{{host}}"}, Path: []string{"health", "live"},
		}, Description: "Whether the process serves HTTP"},
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s\nis   %+v\nwant %+v", name, got[name], want)
		}
	}
}

func TestBodiesAreTheExamplesOfTheDocumentWithVariables(t *testing.T) {
	content, _, err := Generate(readDocument(t))
	if err != nil {
		t.Fatal(err)
	}
	got := requestsOf(t, content)
	for name, want := range map[string]string{
		"submit": `{"id":"ekstep.analytics.job.request.submit","ver":"1.0","ts":"2022-02-15T10:07:00+05:30",
			"params":{"msgid":"06fb2660-88ba-11ec-bea0-578c52d1ac65"},
			"request":{"dataset":"uci-response-exhaust","tag":"{{tag}}","requestedBy":"user_id","requestedChannel":"{{channel}}","output_format":"csv",
			"datasetConfig":{"type":"uci-response-exhaust","conversationId":"{{conversation}}","startDate":"{{startDate}}","endDate":"{{endDate}}"}}}`,
		"search": `{"request":{"filters":{"dataset":"uci-response-exhaust","status":"SUCCESS"},"limit":5}}`,
		"create a schedule": `{"request":{"dataset":"uci-response-exhaust","tag":"{{tag}}-recurring","datasetConfig":{"conversationId":"{{conversation}}"},
			"cron":"0 0 * * *","zone":"Asia/Kolkata","note":"for the board","paused":true}}`,
		"create a token": `{"request":{"name":"postman-{{$timestamp}}","channels":["{{channel}}"],"rights":["uci-response-exhaust"],"expires":"1h"}}`,
	} {
		var gotValue, wantValue any
		if got[name].Body == nil || json.Unmarshal([]byte(got[name].Body.Raw), &gotValue) != nil || json.Unmarshal([]byte(want), &wantValue) != nil {
			t.Fatalf("%s: %+v", name, got[name].Body)
		}
		if !reflect.DeepEqual(gotValue, wantValue) {
			t.Errorf("%s\nis   %s\nwant %s", name, got[name].Body.Raw, want)
		}
	}
}
