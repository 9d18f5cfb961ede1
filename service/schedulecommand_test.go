package service_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/e2etest"
)

func TestTheStarterMakesShowsChangesAndEndsASchedule(t *testing.T) {
	t.Parallel()
	starter := filepath.Join(t.TempDir(), "starter")
	if output, err := exec.Command("go", "build", "-o", starter, "../starter").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	// runStarter gives the output, both streams, and the exit code.
	runStarter := func(args ...string) (string, int) {
		t.Helper()
		var out bytes.Buffer
		cmd := exec.Command(starter, args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return out.String(), exit.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.String(), 0
	}
	run := func(args ...string) (string, int) {
		t.Helper()
		return runStarter(append([]string{"schedule"}, args...)...)
	}
	on := func(args ...string) []string { return append(args, "--api", api, "--channel", "starter's") }

	output, code := run(on("create", "--conversation", conversation, "--cron", "0 6 * * 1", "--zone", "Asia/Tokyo", "--tag", "weekly", "--by", "me", "--json")...)
	var made struct{ Result schedule }
	if err := json.Unmarshal([]byte(output), &made); err != nil || code != 0 {
		t.Fatal(code, output)
	}
	id := made.Result.ScheduleID
	want := func(fires, next, note string) string {
		return fmt.Sprintf("schedule      %s\ndataset       uci-response-exhaust\nconversation  %s\ntag           weekly:starter's\nfires         %s\nnext          %s%s",
			id, conversation, fires, next, note)
	}
	expect := func(wantCode int, want string, args ...string) {
		t.Helper()
		if got, code := run(on(args...)...); got != want || code != wantCode {
			t.Errorf("%s: exit code %d\n%s\nwant %d\n%s", strings.Join(args, " "), code, got, wantCode, want)
		}
	}
	expect(0, want("0 6 * * 1 in Asia/Tokyo", "paused\n", "note          a holiday\n"), "pause", id, "--note", "a holiday")
	e2etest.Eventually(t, time.Minute, "it is listed", func() bool {
		got, _ := run(on("list")...)
		lines := strings.Split(got, "\n")
		return len(lines) == 3 && strings.Join(strings.Fields(lines[0]), " ") == "SCHEDULE DATASET CONVERSATION CRON ZONE NEXT TAG" &&
			strings.Join(strings.Fields(lines[1]), " ") == id+" uci-response-exhaust "+conversation+" 0 6 * * 1 Asia/Tokyo paused weekly:starter's"
	})
	expect(0, want("30 5 1 * * in UTC, up to 1h30m later", "paused\n", "note          a holiday\n"),
		"change", id, "--cron", "30 5 1 * *", "--zone", "UTC", "--jitter", "90m")
	resumed := okay[schedule](t, "starter's", "PATCH", base+"/"+id, `{"request":{"paused":false,"jitter":"","note":""}}`)
	var nexts []string
	for _, at := range resumed.Next {
		nexts = append(nexts, time.UnixMilli(at).UTC().Format("2006-01-02 15:04:05 UTC\n"))
	}
	expect(0, want("30 5 1 * * in UTC", strings.Join(nexts, "              "), ""), "resume", id)
	expect(0, want("30 5 1 * * in UTC", strings.Join(nexts, "              "), ""), "trigger", id)
	// The conversation is not this channel's, so the firing fails, and says why.
	e2etest.Eventually(t, time.Minute, "the firing is shown", func() bool {
		got, _ := run(on("show", id)...)
		_, table, _ := strings.Cut(got, "\nFIRING")
		return strings.Contains(table, " FAILED ") && strings.HasSuffix(strings.TrimSpace(table), "No data found for conversation in DB")
	})
	first := lastMonth()
	last := daysOfLastMonth()[len(daysOfLastMonth())-1]
	expect(0, fmt.Sprintf("%s to %s\n1 windows are being made; `starter schedule show %s` tells what they come to\n", first, last, id),
		"backfill", id, "--from", string(first), "--to", string(first))
	expect(0, "deleted "+id+"\n", "delete", id)
	expect(5, "error: no schedule available with the given id\n", "show", id)
	expect(2, "error: cron \"x\" is not valid: five fields (minute, hour, day of month, month, day of week), such as 0 6 * * 1, are accepted\n",
		"create", "--conversation", "c", "--cron", "x")
	expect(2, "error: accepts 1 arg(s), received 0; see `starter schedule show --help`\n", "show")
	webhooks := fmt.Sprint("starter's webhooks ", time.Now().UnixNano())
	secretCommand := func(command, want string) {
		t.Helper()
		got, code := runStarter("webhook-secret", command, "--api", api, "--channel", webhooks)
		got = regexp.MustCompile(`whsec_[A-Za-z0-9+/]{43}=`).ReplaceAllString(got, "S")
		got = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`).ReplaceAllString(got, "T")
		if want = "channel       " + webhooks + "\n" + want; got != want || code != 0 {
			t.Errorf("webhook-secret %s: exit code %d\n%s\nwant 0\n%s", command, code, got, want)
		}
	}
	secretCommand("show", "secret        none\n")
	secretCommand("rotate", "secret        S\nmade          T\n")
	secretCommand("show", "made          T\n")
	secretCommand("rotate", "secret        S\nmade          T\none before    signs until T\n")
	help, code := run("--help")
	for _, name := range []string{"create", "list", "show", "change", "pause", "resume", "trigger", "backfill", "delete"} {
		if !strings.Contains(help, "\n  "+name+" ") || code != 0 {
			t.Errorf("the help does not name %s", name)
		}
	}
}
