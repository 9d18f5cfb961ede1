package night

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"data-exhaust/internal/e2etest"
)

// table is what a command shows: each line's columns, of which the last may have spaces.
func table(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		var columns []string
		for column := range strings.SplitSeq(strings.TrimSpace(line), "  ") {
			if column = strings.TrimSpace(column); column != "" {
				columns = append(columns, column)
			}
		}
		rows = append(rows, columns)
	}
	return rows
}

func TestReplayRunsAllThatMatchAndShowsThem(t *testing.T) {
	d := deploy(t)
	waits := []string{d.park(t, "waits", bot, day).RequestID, d.park(t, "waits", bot, "2022-02-28").RequestID}
	failed := d.end(t, "failed", d.submit(t, "failed", silent, day, "").RequestID).RequestID
	success := d.produce(t, "made").RequestID
	cancelled := d.park(t, "cancelled", bot, day).RequestID
	d.Post(t, order("cancelled", bot, day, "").Path("cancel", cancelled), channel, "")
	d.end(t, "cancelled", cancelled)

	header := []string{"REQUEST ID", "DATASET", "TAG", "STATUS", "ROWS", "MESSAGE"}
	row := func(id, tag, status, rows string, message ...string) []string {
		return append([]string{id, "uci-response-exhaust", tag + ":" + channel, status, rows}, message...)
	}
	sorted := func(rows ...[]string) [][]string {
		slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
		return append([][]string{header}, rows...)
	}
	want := func(what string, got e2etest.Output, code int, rows [][]string) {
		t.Helper()
		if lines := table(got.Stdout); got.Code != code || fmt.Sprint(lines) != fmt.Sprint(rows) {
			t.Errorf("%s: exit code %d, want %d\n got %q\nwant %q\n%s", what, got.Code, code, lines, rows, got.Stderr)
		}
	}
	dry := sorted(
		row(waits[0], "waits", "SUBMITTED", "0"), row(waits[1], "waits", "SUBMITTED", "0"),
		row(failed, "failed", "FAILED", "0", "No data found"),
	)
	want("dry run", d.execStarter(t, "replay", "--dry-run"), 0, dry)
	for _, c := range []struct {
		args []string
		rows [][]string
	}{
		{[]string{"--submitted"}, sorted(ofStatus(dry, "SUBMITTED")...)},
		{[]string{"--failed"}, sorted(ofStatus(dry, "FAILED")...)},
		{[]string{"--tag", "failed", "--channel", channel}, sorted(ofStatus(dry, "FAILED")...)},
		{[]string{"--channel", "another"}, sorted()},
		{[]string{"--dataset", "uci-private-exhaust"}, sorted()},
		{[]string{"--to", "2022-04-01"}, sorted()},
		{[]string{"--from", "2022-04-01", "--dataset", "uci-response-exhaust"}, dry},
	} {
		want(strings.Join(c.args, " "), d.execStarter(t, append([]string{"replay", "--dry-run"}, c.args...)...), 0, c.rows)
	}
	for _, id := range []string{waits[0], waits[1], failed} {
		if d.count(t, "request_id = '"+id+"' AND iteration = 0 AND status IN ('SUBMITTED', 'FAILED')") != 1 {
			t.Errorf("a dry run has run %s", id)
		}
	}

	// Of the two that wait, one has no telemetry on its day.
	got := d.execStarter(t, "replay", "--timeout", "1m")
	want("replay", got, 3, sorted(
		row(waits[0], "waits", "SUCCESS", "2"), row(waits[1], "waits", "FAILED", "0", "No data found"),
		row(failed, "failed", "FAILED", "0", "No data found"),
	))
	for id, attempts := range map[string]int{waits[0]: 0, waits[1]: 0, failed: 1, success: 0, cancelled: 0} {
		if d.count(t, fmt.Sprintf("request_id = '%s' AND iteration = %d", id, attempts)) != 1 {
			t.Errorf("%s is not in attempt %d", id, attempts)
		}
	}

	d.Telemetry.Put(t, day+"-1.jsonl", []byte(strings.ReplaceAll(event(1), bot, silent)+"\n"))
	got = d.execStarter(t, "replay", "--tag", "failed", "--json", "--timeout", "1m")
	var jobs []e2etest.Job
	if err := json.Unmarshal([]byte(got.Stdout), &jobs); err != nil || got.Code != 0 || len(jobs) != 1 ||
		jobs[0].RequestID != failed || jobs[0].Status != "SUCCESS" || jobs[0].Attempts != 2 {
		t.Errorf("--json: %v, %+v", err, got)
	}
	want("nothing left", d.execStarter(t, "replay", "--submitted"), 0, sorted())

	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"--from", "yesterday"}, 2, "error: filters.requestedFrom \"yesterday\" is not a day: a real day as yyyy-MM-dd is accepted\n"},
		{[]string{"--dataset", "x"}, 2, "error: filters.dataset \"x\" is unknown: uci-response-exhaust or uci-private-exhaust is accepted\n"},
		{[]string{"--failed", "--submitted"}, 2, "error: --failed and --submitted exclude each other; without them both are replayed\n"},
	} {
		got := d.execStarter(t, append([]string{"replay"}, c.args...)...)
		if got != (e2etest.Output{Code: c.code, Stderr: c.stderr}) {
			t.Errorf("%v: %+v", c.args, got)
		}
	}
}

func ofStatus(rows [][]string, status string) (of [][]string) {
	for _, row := range rows[1:] {
		if row[3] == status {
			of = append(of, row)
		}
	}
	return of
}

func TestTheReplayCallGoesPageByPage(t *testing.T) {
	d := deploy(t)
	var orders []e2etest.Order
	for i := range 5 {
		orders = append(orders, order(fmt.Sprintf("tag-%d", i), bot, day, "nightly"))
	}
	ids := slices.Sorted(maps.Values(d.parkAll(t, orders)))
	var got []string
	for after, pages := "", 1; ; pages++ {
		p := d.Post(t, "replay", channel, fmt.Sprintf(`{"request":{"limit":2,"after":%q}}`, after)).Page(t)
		if p.Count != len(p.Jobs) {
			t.Fatalf("it answers %+v", p)
		}
		for _, j := range p.Jobs {
			got = append(got, j.RequestID)
		}
		if after = p.Next; after == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("met %q, want %q", got, ids)
	}
	for _, o := range orders {
		jobs := d.Get(t, "list/"+o.Tag, channel).Page(t).Jobs
		if len(jobs) != 1 {
			t.Fatalf("%s lists %+v", o.Tag, jobs)
		}
		if j := d.end(t, o.Tag, jobs[0].RequestID); j.Status != "SUCCESS" || j.Attempts != 0 {
			t.Errorf("%s is %+v", o.Tag, j)
		}
	}

	for body, sentence := range map[string]string{
		`{"request":{"filters":{"status":"SUCCESS"}}}`:         `filters.status "SUCCESS" cannot be replayed: SUBMITTED, FAILED, CANCELLED are accepted`,
		`{"request":{"filters":{"colour":"red"}}}`:             `filters.colour is unknown: requestId, dataset, tag, channel, status, requestedFrom and requestedTo are accepted`,
		`{"request":{"filters":{"tag":7}}}`:                    `filters.tag is not a string`,
		`{"request":{"filters":{"tag":""}}}`:                   `filters.tag is empty: give it a value or leave it out`,
		`{"request":{"limit":0}}`:                              `limit "0" is not valid: a whole number from 1 to 1000 is accepted`,
		`{"request":{"filters":{"requestedTo":"2022-02-30"}}}`: `filters.requestedTo "2022-02-30" is not a day: a real day as yyyy-MM-dd is accepted`,
	} {
		if a := d.Post(t, "replay", channel, body); a.Status != http.StatusBadRequest || a.Sentence(t) != sentence {
			t.Errorf("%s answers %d %q", body, a.Status, a.Sentence(t))
		}
	}
}

// TestRetriesThatArriveTogetherRunAnExhaustOnce though it ends again within milliseconds.
func TestRetriesThatArriveTogetherRunAnExhaustOnce(t *testing.T) {
	d := deploy(t)
	j := d.end(t, "x", d.submit(t, "x", unknown, day, "").RequestID)
	for round := 1; round <= 20; round++ {
		errs := make(chan error, 16)
		for range cap(errs) {
			go func() {
				a, err := e2etest.TryCall(t.Context(), http.MethodPost, d.RequestURL("retry/x?requestId="+j.RequestID), channel, "")
				if err == nil && a.Status != http.StatusOK && a.Status != http.StatusBadRequest {
					err = fmt.Errorf("answered %d: %s", a.Status, a.Body)
				}
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		before := j.Attempts
		if j = d.end(t, "x", j.RequestID); j.Attempts < before+1 {
			t.Errorf("after round %d it is %+v", round, j)
		}
	}
	// Attempts count the runs: so there are as many as the count says, and one.
	d.wantRuns(t, map[string]int{"exhaust-" + j.RequestID: j.Attempts + 1})
}
