package console

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

func TestAnExhaustLeadsToItsWorkflowWhereThereIsAUI(t *testing.T) {
	p := exhaustPage{oneExhaust: oneExhaust{visit: &visit{Console: &Console{}}, Job: exhaust.Job{Request: exhaust.Request{ID: "AB"}}}}
	if got := p.WorkflowURL(); got != "" {
		t.Errorf("without a UI it leads to %s", got)
	}
	p.TemporalUI, p.Namespace = "https://temporal.example/ui", "a/b"
	if got, want := p.WorkflowURL(), "https://temporal.example/ui/namespaces/a%2Fb/workflows/exhaust-AB"; got != want {
		t.Errorf("it leads to %s, want %s", got, want)
	}
}

func TestTheStepsOfAnExhaustAreBehindItHereOrAhead(t *testing.T) {
	fromTelemetry := exhaust.Request{Dataset: exhaust.ResponseExhaust}
	ofEverybody := exhaust.Request{Dataset: exhaust.PrivateExhaust}
	for _, c := range []struct {
		of    exhaust.Request
		phase exhaust.Phase
		want  []string
	}{
		{fromTelemetry, "", []string{"FETCHING", "JOINING", "BUILDING", "SIGNING"}},
		{fromTelemetry, exhaust.Fetching, []string{"[FETCHING]", "JOINING", "BUILDING", "SIGNING"}},
		{fromTelemetry, exhaust.Building, []string{"FETCHING.", "JOINING.", "[BUILDING]", "SIGNING"}},
		{fromTelemetry, exhaust.Done, []string{"FETCHING.", "JOINING.", "BUILDING.", "SIGNING."}},
		{ofEverybody, exhaust.Fetching, []string{"JOINING", "BUILDING", "SIGNING"}},
		{ofEverybody, exhaust.Joining, []string{"[JOINING]", "BUILDING", "SIGNING"}},
	} {
		p := exhaustPage{oneExhaust: oneExhaust{Job: exhaust.Job{Request: c.of, State: exhaust.State{Progress: exhaust.Progress{Phase: c.phase}}}}}
		var got []string
		for _, step := range p.Steps() {
			switch {
			case step.IsHere:
				got = append(got, "["+step.Name+"]")
			case step.IsDone:
				got = append(got, step.Name+".")
			default:
				got = append(got, step.Name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s in %q: %q, want %q", c.of.Dataset, c.phase, got, c.want)
		}
	}
}

func TestTheSameRequestIsForTheNightAsLongAsThatIsKnown(t *testing.T) {
	v := &visit{Console: &Console{Options: Options{PublicURL: "https://exhaust.example"}}}
	request := exhaust.Request{
		Dataset: exhaust.ResponseExhaust, Tag: "t", Channel: "c", RequestedBy: "asha", ConversationID: "b", OutputFormat: "csv",
		Config: json.RawMessage(`{"type":"uci-response-exhaust","conversationId":"b"}`),
	}
	for _, c := range []struct {
		state exhaust.State
		want  bool
	}{
		{exhaust.State{Status: exhaust.Submitted, Parked: true}, true},
		{exhaust.State{Status: exhaust.Submitted}, false},
		{exhaust.State{Status: exhaust.Success, Report: "r.csv", Parked: true}, false},
	} {
		forms, err := v.formsOf(exhaust.Job{Request: request, State: c.state})
		if err != nil {
			t.Fatal(err)
		}
		for form, runAt := range map[string]string{forms.JSON: `"runAt": "nightly"`, forms.Curl: `"runAt":"nightly"`, forms.Starter: "--run-at nightly "} {
			if got := strings.Contains(form, runAt); got != c.want {
				t.Errorf("%+v: it says %s: %t: %s", c.state, runAt, got, form)
			}
		}
	}
}
