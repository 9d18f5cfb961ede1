package postman

import (
	"fmt"
	"strings"
)

// beforeEach gives days where the environment has none.
const beforeEach = `
// Days in India (EXHAUST_TIMEZONE).
const daysAgo = (days) => new Date(Date.now() + (5.5 - 24 * days) * 3600 * 1000).toISOString().slice(0, 10);
for (const [name, day] of [["startDate", 1], ["endDate", 1], ["backfillDate", 3]]) {
  if (!pm.variables.get(name)) pm.variables.set(name, daysAgo(day));
}`

// unlessNobodyIsAsked leaves out calls about tokens where the service, and so the environment, has none.
const unlessNobodyIsAsked = `if (!pm.variables.get("token")) pm.execution.skipRequest();`

// unlessWebhooks leaves out calls about the channel's secret: the service may have no webhooks, and replacing the secret takes
// it away from receivers that are at work.
const unlessWebhooks = `// Set the variable "webhooks" to have it run: it is refused where the service has no webhooks, and the channel's secret is replaced.
if (!pm.variables.get("webhooks")) pm.execution.skipRequest();`

// afterEach checks the envelope.
const afterEach = `
pm.test("answers an envelope", () => {
  const envelope = pm.response.json();
  const isGood = pm.response.code === 200;
  pm.expect(pm.response.headers.get("Content-Type")).to.match(/^application\/json/);
  pm.expect(envelope.id).to.match(/^ekstep\.analytics\./);
  pm.expect(envelope.ver).to.equal("1.0");
  pm.expect(envelope.ts).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
  pm.expect(envelope.params.resmsgid).to.match(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  pm.expect(envelope.params.status).to.equal(isGood ? "successful" : "failed");
  pm.expect(envelope.params.client_key).to.equal(null);
  pm.expect(envelope.responseCode).to.equal(isGood ? "OK" : envelope.params.err);
  pm.expect(envelope.result).to.be.an("object");
});`

// afterOne is the script of a request: it asks again, for two minutes at most, while the service is busy or what it answers is
// not final, then checks the status and goes on with the rest.
const afterOne = `
const tries = Number(pm.collectionVariables.get("tries") || 0) + 1;
if (tries < 120 && (pm.response.code === 503%s)) {
  pm.collectionVariables.set("tries", tries);
  pm.execution.setNextRequest(pm.info.requestName);
  setTimeout(() => {}, 1000);
} else {
  pm.collectionVariables.unset("tries");
  pm.test("answers %d", () => pm.response.to.have.status(%d));
%s}`

func (s step) script() string {
	isNotFinal := ""
	if s.ends != nil {
		isNotFinal = ` || ["SUBMITTED", "PROCESSING"].includes(pm.response.json().result?.status)`
	}
	rest := ""
	for line := range strings.Lines(strings.TrimSpace(s.after)) {
		rest += "  " + strings.TrimRight(line, "\n") + "\n"
	}
	if s.ends != nil {
		rest = fmt.Sprintf("  const job = pm.response.json().result;\n  pm.test(\"ends as %s\", () => pm.expect([job.status, job.statusMessage]).to.eql([%q, %q]));\n",
			s.ends.status, s.ends.status, s.ends.statusMessage) + rest
	}
	return fmt.Sprintf(afterOne, isNotFinal, s.wantStatus(), s.wantStatus(), rest)
}

// sentence checks the sentence of an error.
func sentence(want string) string {
	return fmt.Sprintf(`pm.test("says why", () => pm.expect(pm.response.json().params.errmsg).to.equal(%q));`, want)
}

// environment is Postman's format of one.
type environment struct {
	ID     string     `json:"id"`
	Name   string     `json:"name"`
	Values []variable `json:"values"`
	Scope  string     `json:"_postman_variable_scope"`
}

type variable struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Type    string `json:"type"`
	Enabled bool   `json:"enabled"`
}

// newEnvironment has what differs from user to user. Days that are empty are yesterday, a conversation that is empty is the
// first one of the channel.
func newEnvironment() environment {
	e := environment{ID: newID("environment"), Name: "Data Exhaust", Scope: "environment"}
	for _, v := range [][2]string{
		{"host", "http://127.0.0.1:8080"}, {"token", ""}, {"channel", "01309282781705830427"}, {"tag", "postman"},
		{"conversation", ""}, {"startDate", ""}, {"endDate", ""}, {"webhooks", ""},
	} {
		kind := "default"
		if v[0] == "token" {
			kind = "secret"
		}
		e.Values = append(e.Values, variable{Key: v[0], Value: v[1], Type: kind, Enabled: true})
	}
	return e
}
