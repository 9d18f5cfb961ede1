package console_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var secretOnPage = regexp.MustCompile(`<code id="secret">(exhaust_[A-Za-z0-9_-]{43})</code>`)

func TestATokensSecretIsShownOnceAndSignsIn(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	_, secret := s.mint("operator", nil, "operator")
	b := s.browser()
	b.signIn(secret)
	got := b.post("/console/tokens", "/console/tokens", "name", "airflow", "channels", ourChannel+"\n\n 0131 \n", "right", "uci-response-exhaust", "life", "own")
	found := secretOnPage.FindStringSubmatch(got.body)
	if got.status != http.StatusOK || found == nil || got.header.Get("Cache-Control") != "no-store" || got.location != "" {
		t.Fatalf("%d %v:\n%s", got.status, got.header, got.body)
	}
	if again := b.post("/console/tokens", "/console/tokens", "name", "airflow", "channels", ourChannel, "right", "uci-response-exhaust", "life", "own"); again.status !=
		http.StatusUnprocessableEntity || !strings.Contains(again.body, "There is a token “airflow” already.") {
		t.Errorf("the same name again: %d:\n%s", again.status, again.body)
	}
	if list := b.get("/console/tokens"); !strings.Contains(list.body, "airflow") || !strings.Contains(list.body, "0131") || strings.Contains(list.body, found[1]) {
		t.Errorf("the list is\n%s", list.body)
	}
	if strings.Contains(s.log.String()+s.audit(), found[1]) {
		t.Error("the secret is in a log")
	}
	other := s.browser()
	other.signIn(found[1])
	if list := other.get("/console/tokens"); list.status != http.StatusOK || !strings.Contains(list.body, "airflow") || strings.Contains(list.body, ">operator<") {
		t.Errorf("whoever has it sees %d\n%s", list.status, list.body)
	}
}

func TestAFaultOfATokenStandsBesideItsFieldAndKeepsWhatWasTyped(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	_, operators := s.mint("operator", nil, "operator")
	_, owners := s.mint("owner", []string{ourChannel}, "uci-response-exhaust")
	operator, owner := s.browser(), s.browser()
	operator.signIn(operators)
	owner.signIn(owners)
	for name, c := range map[string]struct {
		by                          *browser
		name, channels, right, life string
		field, says                 string
	}{
		"no name":             {operator, "", ourChannel, "uci-response-exhaust", "own", "name", "Give it a name."},
		"a name with spaces":  {operator, "my <b>token</b>", ourChannel, "uci-response-exhaust", "own", "name", "cannot be used"},
		"no channel":          {operator, "a", "", "uci-response-exhaust", "own", "channels", "at least one channel"},
		"a channel with |":    {operator, "a", "a|b", "uci-response-exhaust", "own", "channels", "is no channel"},
		"no right":            {operator, "a", ourChannel, "", "own", "rights", "Choose at least one."},
		"a right of others":   {owner, "a", ourChannel, "operator", "own", "rights", "what you have not"},
		"a channel of others": {owner, "a", "0999", "uci-response-exhaust", "own", "rights", "what you have not"},
		"too long":            {owner, "a", ourChannel, "uci-response-exhaust", "7", "life", "longer than your own"},
		"no life":             {owner, "a", ourChannel, "uci-response-exhaust", "x", "life", "for how long"},
	} {
		fields := []string{"name", c.name, "channels", c.channels, "life", c.life}
		if c.right != "" {
			fields = append(fields, "right", c.right)
		}
		got := c.by.post("/console/tokens", "/console/tokens", fields...)
		fault := regexp.MustCompile(fmt.Sprintf(`<p class="fault" id="%s-fault">([^<]*)</p>`, c.field)).FindStringSubmatch(got.body)
		if got.status != http.StatusUnprocessableEntity || fault == nil || !strings.Contains(html.UnescapeString(fault[1]), c.says) {
			t.Errorf("%s: %d, %q:\n%s", name, got.status, fault, got.body)
			continue
		}
		if !strings.Contains(got.body, `name="name" value="`+html.EscapeString(c.name)+`"`) || strings.Contains(got.body, "<b>") {
			t.Errorf("%s: what was typed is not kept", name)
		}
	}
}

func TestRevokingSaysWhatElseEndsAndEndsIt(t *testing.T) {
	s := start(t, "EXHAUST_AUTH=tokens")
	operatorsToken, operators := s.mint("operator", nil, "operator")
	owner, owners := s.mint("owner", []string{ourChannel}, "uci-response-exhaust")
	b := s.browser()
	b.signIn(owners)
	made := secretOnPage.FindStringSubmatch(b.post("/console/tokens", "/console/tokens", "name", "of-owner", "channels", ourChannel, "right", "uci-response-exhaust", "life", "own").body)
	if made == nil {
		t.Fatal("no token was made")
	}
	confirm := "/console/tokens/" + owner.ID + "/revoke"
	// His own he may revoke, and is told what that does to him; another's is none.
	if got := b.get(confirm); got.status != http.StatusOK || !strings.Contains(got.body, "you will be signed out") || !strings.Contains(got.body, "of-owner") {
		t.Errorf("%d:\n%s", got.status, got.body)
	}
	for _, path := range []string{"/console/tokens/" + operatorsToken.ID + "/revoke", "/console/tokens/x/revoke"} {
		if got := b.get(path); got.status != http.StatusNotFound || strings.Contains(got.body, ">operator<") {
			t.Errorf("%s: %d:\n%s", path, got.status, got.body)
		}
		if got := b.post(confirm, path); got.status != http.StatusNotFound {
			t.Errorf("%s, revoked: %d", path, got.status)
		}
	}

	operator := s.browser()
	operator.signIn(operators)
	if got := operator.get(confirm); !strings.Contains(got.body, "1 token that was made with it ends, too") || strings.Contains(got.body, "you will be signed out") {
		t.Errorf("an operator is told\n%s", got.body)
	}
	got := operator.post(confirm, confirm)
	if got.status != http.StatusSeeOther || got.location != "/console/tokens?revoked="+owner.ID {
		t.Fatalf("%d %s:\n%s", got.status, got.location, got.body)
	}
	if list := operator.get(got.location); !strings.Contains(list.body, "owner is revoked.") || strings.Contains(list.body, confirm) {
		t.Errorf("the list is\n%s", list.body)
	}
	if got := s.browser().post("/console/sign-in", "/console/sign-in", "token", made[1]); got.status == http.StatusSeeOther {
		t.Error("what was made with it signs in")
	}
}

func TestWithoutTokensInTheDatabaseThereIsNoPageOfThem(t *testing.T) {
	s := start(t)
	b := s.browser()
	if got := b.get("/console/tokens"); got.status != http.StatusBadRequest || !strings.Contains(got.body, "keeps no tokens") {
		t.Errorf("%d:\n%s", got.status, got.body)
	}
	if got := b.get("/console/operations"); strings.Contains(got.body, `href="/console/tokens`) {
		t.Error("the navigation leads there")
	}
}
