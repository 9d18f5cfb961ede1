package postman

// step is a request of the collection.
type step struct {
	// call is the method and the path in the document.
	call, name string
	// values stand in the place of the example's members, and of parameters, of these names. Of a member that the example has
	// not, with says into which member it goes.
	values map[string]any
	with   map[string][]string
	// without are members of the example that are left out.
	without []string
	// status is what has to be answered; 0 is 200.
	status int
	// ends is how the exhaust that is read has to end; the request is sent again until then.
	ends *end
	// before and after are scripts beside those of every request.
	before, after string
}

type end struct{ status, statusMessage string }

func (s step) wantStatus() int {
	if s.status == 0 {
		return 200
	}
	return s.status
}

// value is that of a parameter; "" is none.
func (s step) value(parameter string) string {
	if value, isText := s.values[parameter].(string); isText {
		return value
	}
	return variables[parameter]
}

// variables stand in the place of what an example, or a parameter, has of these names.
var variables = map[string]string{
	"X-Channel-ID":     "{{channel}}",
	"requestedChannel": "{{channel}}",
	"channels":         "{{channel}}",
	"tag":              "{{tag}}",
	"requestId":        "{{requestId}}",
	"limit":            "5",
	"conversationId":   "{{conversation}}",
	"startDate":        "{{startDate}}",
	"endDate":          "{{endDate}}",
	"from":             "{{backfillDate}}",
	"to":               "{{backfillDate}}",
}

const requests = "/dataset/v1/request"

// walkthrough is the order of the collection: every call once at least, each with what those before it have answered.
var walkthrough = []step{
	{call: "GET /health", name: "health"},
	{call: "GET /health/ready", name: "ready"},
	{call: "GET /health/live", name: "live"},
	{call: "GET /dataset/v1/receipt-keys", name: "receipt keys"},

	{call: "GET /dataset/v1/conversation", name: "conversations", after: `
const { conversations } = pm.response.json().result;
if (!pm.variables.get("conversation") && conversations.length) {
  pm.environment.set("conversation", conversations[0].id);
}`},

	{call: "POST " + requests + "/estimate", name: "estimate"},
	{call: "POST " + requests + "/submit", name: "submit", after: `
pm.collectionVariables.set("requestId", pm.response.json().result.requestId);`},
	{call: "GET " + requests + "/read/{tag}", name: "info", ends: &end{"SUCCESS", ""}, after: `
pm.test("has a file", () => pm.expect(pm.response.json().result.downloadUrls).to.have.lengthOf(1));`},
	{call: "GET " + requests + "/summary/{tag}", name: "summary"},
	{call: "GET " + requests + "/list/{tag}", name: "list", after: `
pm.test("has the exhaust", () => pm.expect(pm.response.json().result.jobs.map((j) => j.requestId)).to.include(pm.variables.get("requestId")));`},
	{call: "POST " + requests + "/search", name: "search"},
	{call: "POST " + requests + "/cancel/{tag}", name: "cancel one that has ended", status: 400, after: sentence(
		"the exhaust is SUCCESS: only one that has not ended can be cancelled")},
	{call: "POST " + requests + "/retry/{tag}", name: "retry one that has a file", status: 400, after: sentence(
		"the exhaust is SUCCESS: only a FAILED or CANCELLED one, or one whose report has expired, can be retried")},
	{call: "GET " + requests + "/read/{tag}", name: "info of one that there is not", status: 404,
		values: map[string]any{"requestId": "00000000000000000000000000000000"}, after: sentence("no job available with the given request_id and tag")},

	{call: "POST " + requests + "/submit", name: "submit for a conversation that there is not",
		values: map[string]any{"tag": "{{tag}}-missing", "conversationId": "00000000-0000-4000-8000-000000000000"},
		after:  `pm.collectionVariables.set("missingId", pm.response.json().result.requestId);`},
	{call: "GET " + requests + "/read/{tag}", name: "info of the failed one",
		values: map[string]any{"tag": "{{tag}}-missing", "requestId": "{{missingId}}"},
		ends:   &end{"FAILED", "No data found for conversation in DB"}},
	{call: "POST " + requests + "/submit", name: "submit for the night", // so that there is something to cancel
		values: map[string]any{"tag": "{{nightlyTag}}", "runAt": "nightly"}, with: map[string][]string{"request": {"runAt"}},
		before: `pm.collectionVariables.set("nightlyTag", pm.variables.get("tag") + "-nightly-" + Date.now()); // the one of a run before has ended`,
		after:  `pm.collectionVariables.set("nightlyId", pm.response.json().result.requestId);`},
	{call: "POST " + requests + "/cancel/{tag}", name: "cancel", values: ofNight},
	{call: "GET " + requests + "/read/{tag}", name: "info of the cancelled one", values: ofNight,
		ends: &end{"CANCELLED", "cancelled on request"}},
	{call: "POST " + requests + "/retry/{tag}", name: "retry", values: ofNight},
	{call: "GET " + requests + "/read/{tag}", name: "info of the retried one", values: ofNight, ends: &end{"SUCCESS", ""}},
	{call: "POST " + requests + "/replay", name: "replay, without starting anything", values: map[string]any{"dryRun": true}},

	// One that fires every day, so that there is a window to backfill whatever day it is. Webhooks want settings of the service.
	{call: "POST /dataset/v1/schedule", name: "create a schedule", without: []string{"webhook", "jitter"},
		values: map[string]any{"tag": "{{tag}}-recurring", "cron": "0 0 * * *", "paused": true}, with: map[string][]string{"request": {"paused"}},
		after: `pm.collectionVariables.set("scheduleId", pm.response.json().result.scheduleId);`},
	{call: "GET /dataset/v1/schedule", name: "list the schedules"},
	{call: "PATCH /dataset/v1/schedule/{id}", name: "change the schedule", values: ofSchedule},
	{call: "POST /dataset/v1/schedule/{id}/trigger", name: "trigger the schedule", values: ofSchedule},
	{call: "POST /dataset/v1/schedule/{id}/backfill", name: "backfill the schedule", values: ofSchedule},
	{call: "GET /dataset/v1/schedule/{id}", name: "read the schedule", values: ofSchedule},
	{call: "DELETE /dataset/v1/schedule/{id}", name: "delete the schedule", values: ofSchedule},
	{call: "GET /dataset/v1/webhook-secret", name: "is there a webhook secret", before: unlessWebhooks},
	{call: "POST /dataset/v1/webhook-secret", name: "replace the webhook secret", before: unlessWebhooks},

	{call: "POST /dataset/v1/token", name: "create a token", before: unlessNobodyIsAsked, values: map[string]any{"name": "postman-{{$timestamp}}", "expires": "1h"},
		after: `pm.collectionVariables.set("tokenId", pm.response.json().result.tokenId);`},
	{call: "GET /dataset/v1/token", name: "list the tokens", before: unlessNobodyIsAsked},
	{call: "DELETE /dataset/v1/token/{id}", name: "revoke the token", before: unlessNobodyIsAsked, values: map[string]any{"id": "{{tokenId}}"}},
}

// The values of calls about what a step before has made.
var (
	ofNight    = map[string]any{"tag": "{{nightlyTag}}", "requestId": "{{nightlyId}}"}
	ofSchedule = map[string]any{"id": "{{scheduleId}}"}
)
