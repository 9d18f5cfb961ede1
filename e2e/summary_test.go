package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"data-exhaust/internal/e2etest"
)

func TestTheSummaryOfAnExhaustIsReadThroughTheAPI(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s, "EXHAUST_SUMMARY_MIN_DEVICES=1")
		conversation := d.addBot(t, "Summary")
		// On both sides of midnight in Kolkata.
		first, _ := simpleEvent("ASSESS:1", conversation, "2022-03-01T18:29:59.000Z")
		second, _ := simpleEvent("ASSESS:2", conversation, "2022-03-01T18:30:00.000Z")
		unanswered := strings.Replace(second, `"resvalues":["today"]`, `"resvalues":[]`, 1)
		d.Telemetry.Put(t, "2022-03-01-0.json", []byte(first+second+unanswered+first))
		o := orderOf(response, conversation, "2022-03-01", "2022-03-02")
		j, _ := d.produce(t, o)

		answer := d.Get(t, o.Path("summary", j.RequestID), channel)
		var got struct {
			ID     string          `json:"id"`
			Result json.RawMessage `json:"result"`
		}
		e2etest.Must(t, json.Unmarshal(answer.Body, &got))
		want := `{"version":1,"dataset":"uci-response-exhaust","requestId":"` + j.RequestID + `","conversationId":"` + conversation + `","conversationName":"Summary",` +
			`"from":"2022-03-01","to":"2022-03-02","timezone":"Asia/Kolkata","minDevices":1,"rows":3,"rowsWithoutTime":0,"devices":1,"sessions":1,` +
			`"rowsWithoutSession":0,"sessionsWithoutAnswer":0,"hours":[2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1],"meanDuration":1,` +
			`"days":[{"day":"2022-03-01","rows":1},{"day":"2022-03-02","rows":2}],"questions":[` + "\n" +
			`{"id":"q","type":"text","title":"Which day is it?","rows":3,"answers":2,"withheld":0,"meanDuration":1,"meanPosition":2,` +
			`"sessions":1,"sessionsEnded":1,"listed":[{"answer":"today","answers":2}],"other":{"answers":0},"more":{"answers":0,"distinct":0}}]}`
		if answer.Status != http.StatusOK || got.ID != "ekstep.analytics.dataset.request.summary" || strings.TrimSpace(string(got.Result)) != want {
			t.Errorf("answered %d %s: got\n%s\nwant\n%s", answer.Status, got.ID, got.Result, want)
		}
		if elsewhere := d.Get(t, o.Path("summary", j.RequestID), "another"); elsewhere.Status != http.StatusNotFound {
			t.Errorf("another channel is answered %d %s", elsewhere.Status, elsewhere.Body)
		}

		if out := e2etest.ExecStarter(t, d.Env, "erase", "--conversation", conversation); out.Code != 0 {
			t.Fatalf("erase: %+v", out)
		}
		gone := d.Get(t, o.Path("summary", j.RequestID), channel)
		if gone.Status != http.StatusBadRequest || !strings.HasPrefix(gone.Sentence(t), "there is no summary any more: report erased on ") {
			t.Errorf("once it is erased: %d %s", gone.Status, gone.Body)
		}
	})
}
