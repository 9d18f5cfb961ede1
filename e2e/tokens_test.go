package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"data-exhaust/internal/e2etest"
)

var tokenLine = regexp.MustCompile(`^exhaust_[A-Za-z0-9_-]{43}\n$`)

func TestTheCommandLineMakesTokensAndCallsWithThem(t *testing.T) {
	t.Parallel()
	// A database of its own: setup prints the first token where there has never been one.
	folder := t.TempDir()
	d := e2etest.NewDeployment(stacks["embedded"](t), "EXHAUST_AUTH=tokens", "EXHAUST_AUDIT_LOG="+filepath.Join(folder, "audit.log"))
	d.Env = append(d.Env, "EXHAUST_DATABASE_URL=sqlite://"+filepath.Join(folder, "exhaust.db"))
	starter := func(token string, args ...string) e2etest.Output {
		t.Helper()
		env := d.Env
		if token != "" {
			env = append(slices.Clone(env), "EXHAUST_TOKEN="+token)
		}
		return e2etest.ExecStarter(t, env, args...)
	}
	set := starter("", "setup")
	first, rest, _ := strings.Cut(set.Stdout, "\n")
	if set.Code != 0 || !tokenLine.MatchString(first+"\n") || strings.Contains(rest+set.Stderr, first) || !strings.Contains(set.Stderr, "the first token, an operator's, for 30 days") {
		t.Fatalf("setup: %+v", set)
	}
	if again := starter("", "setup"); again.Code != 0 || strings.Contains(again.Stdout+again.Stderr, "exhaust_") {
		t.Errorf("setup again: %+v", again)
	}
	url := d.StartAPI(t)

	created := starter("", "token", "create", "--name", "airflow", "--channel", "0130", "--dataset", "uci-response-exhaust", "--expires", "2h")
	if created.Code != 0 || !tokenLine.MatchString(created.Stdout) || !strings.Contains(created.Stderr, "(airflow) expires on ") {
		t.Fatalf("token create: %+v", created)
	}
	airflow := strings.TrimSpace(created.Stdout)
	if got := starter("", "token", "create", "--name", "airflow", "--channel", "0130", "--dataset", "uci-response-exhaust"); got.Code != 2 || got.Stdout != "" ||
		got.Stderr != "error: name \"airflow\" is that of another token: revoke that one first, or take another name\n" {
		t.Errorf("the same name again: %+v", got)
	}
	for _, wrong := range []struct {
		args []string
		want string
	}{
		{[]string{"--name", "x"}, "error: channels are missing: at least one channel, or the right operator, is accepted\n"},
		{[]string{"--name", "x", "--channel", "c"}, "error: rights are missing: uci-response-exhaust, uci-private-exhaust and operator are accepted\n"},
		{[]string{"--channel", "c", "--dataset", "uci-response-exhaust"}, "error: name is empty: what the audit log is to call whoever has the token is accepted\n"},
		{[]string{"--name", "x", "--right", "operator", "--expires", "1s"}, "error: expires is not valid: a duration from 1m to 87840h, such as 720h, is accepted\n"},
	} {
		if got := starter("", append([]string{"token", "create"}, wrong.args...)...); got.Code != 2 || got.Stdout != "" || got.Stderr != wrong.want {
			t.Errorf("token create %q: %+v, want %s", wrong.args, got, wrong.want)
		}
	}

	// The token comes from the environment or from a file, and goes to the API alone.
	list := []string{"list", "--channel", "0130", "nothing"}
	if got := starter("", list...); got.Code != 1 || got.Stderr !=
		"error: credentials are missing: the request header Authorization: Bearer and a token is accepted (EXHAUST_TOKEN, or EXHAUST_TOKEN_FILE, is the token that starter sends)\n" {
		t.Errorf("without a token: %+v", got)
	}
	if got := starter(airflow, list...); got.Code != 0 || !strings.HasPrefix(got.Stdout, "REQUEST ID") {
		t.Errorf("with it: %+v", got)
	}
	file := filepath.Join(folder, "token")
	e2etest.Must(t, os.WriteFile(file, []byte(created.Stdout), 0o600))
	if got := e2etest.ExecStarter(t, append(slices.Clone(d.Env), "EXHAUST_TOKEN_FILE="+file), list...); got.Code != 0 {
		t.Errorf("with it in a file: %+v", got)
	}
	if got := starter(airflow, "list", "--channel", "0131", "nothing"); got.Code != 5 {
		t.Errorf("of another channel: %+v", got)
	}

	// By the API nobody makes more than he has.
	api := []string{"--api", url}
	if got := starter(airflow, append([]string{"token", "create", "--name", "more", "--channel", "0130", "--dataset", "uci-private-exhaust", "--expires", "1h"}, api...)...); got.Code != 1 ||
		!strings.Contains(got.Stderr, "the token would allow more than these credentials do") {
		t.Errorf("more than he has: %+v", got)
	}
	if got := starter(airflow, append([]string{"token", "create", "--name", "longer", "--channel", "0130", "--dataset", "uci-response-exhaust", "--expires", "3h"}, api...)...); got.Code != 1 ||
		!strings.Contains(got.Stderr, "the token would outlive these credentials") {
		t.Errorf("for longer: %+v", got)
	}
	child := starter(airflow, append([]string{"token", "create", "--name", "child", "--channel", "0130", "--dataset", "uci-response-exhaust", "--expires", "1h"}, api...)...)
	if child.Code != 0 || !tokenLine.MatchString(child.Stdout) {
		t.Fatalf("as much as he has: %+v", child)
	}
	for token, want := range map[string]string{airflow: "airflow child", strings.TrimSpace(child.Stdout): "child", first: "airflow child first"} {
		got := starter(token, append([]string{"token", "list"}, api...)...)
		var names []string
		for _, name := range []string{"airflow", "child", "first"} {
			if strings.Contains(got.Stdout, "  "+name+"  ") {
				names = append(names, name)
			}
		}
		if strings.Join(names, " ") != want || strings.Contains(got.Stdout, "exhaust_") {
			t.Errorf("listed %q, want %q:\n%s", names, want, got.Stdout)
		}
	}
	if got := starter(strings.TrimSpace(child.Stdout), append([]string{"token", "revoke", "airflow"}, api...)...); got.Code != 5 {
		t.Errorf("revoking his maker's: %+v", got)
	}

	// What is revoked ends at once, and what was made with it.
	if got := starter("", "token", "revoke", "airflow"); got.Code != 0 || !strings.HasPrefix(got.Stdout, "revoked ") {
		t.Errorf("token revoke: %+v", got)
	}
	for _, token := range []string{airflow, strings.TrimSpace(child.Stdout)} {
		if got := starter(token, list...); got.Code != 1 || !strings.HasPrefix(got.Stderr, "error: the token is not known, or was revoked") {
			t.Errorf("afterwards: %+v", got)
		}
	}
	if got := starter("", "token", "revoke", "airflow"); got.Code != 5 {
		t.Errorf("token revoke again: %+v", got)
	}
	if got := starter("", "token", "list"); got.Code != 0 || strings.Count(got.Stdout, "revoked on ") != 2 || strings.Count(got.Stdout, "counts") != 1 {
		t.Errorf("token list: %+v", got)
	}

	// A line for a file keeps nothing in the database.
	offline := starter("", "token", "create", "--offline", "--name", "vault", "--channel", "0130", "--dataset", "uci-private-exhaust")
	if offline.Code != 0 || !tokenLine.MatchString(offline.Stdout) || !strings.HasPrefix(offline.Stderr, `{"name":"vault","sha256":"`) || strings.Contains(offline.Stderr, strings.TrimSpace(offline.Stdout)) {
		t.Fatalf("token create --offline: %+v", offline)
	}
	if got := starter(strings.TrimSpace(offline.Stdout), list...); got.Code != 1 {
		t.Errorf("a token that nobody put into a file: %+v", got)
	}
	lines := filepath.Join(folder, "tokens")
	e2etest.Must(t, os.WriteFile(lines, []byte(offline.Stderr), 0o600))
	d.Env = append(d.Env, "EXHAUST_TOKEN_STORE=file://"+lines)
	d.URL = "" // the commands call the next api
	d.StartAPI(t)
	if got := starter(strings.TrimSpace(offline.Stdout), list...); got.Code != 0 {
		t.Errorf("the token of a file: %+v", got)
	}
}
