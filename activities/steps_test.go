package activities_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

func applicationError(t *testing.T, err error) *temporal.ApplicationError {
	t.Helper()
	var failure *temporal.ApplicationError
	if !errors.As(err, &failure) {
		t.Fatalf("error %v, want an application error", err)
	}
	return failure
}

func TestTheDaysAreThoseOfTheRequestElseOfTheConversationElseYesterday(t *testing.T) {
	const dated, undated, started = conversation, "c63b6faa-0000-4259-b941-000000000001", "c63b6faa-0000-4259-b941-000000000002"
	const ending = "c63b6faa-0000-4259-b941-000000000003"
	r := newRig(t)
	r.exec(`INSERT INTO bot (id, name, ownerorgid) VALUES ($1, 'undated', $2)`, undated, channel)
	r.exec(`INSERT INTO bot (id, name, ownerorgid, startdate) VALUES ($1, 'started', $2, '2022-04-01')`, started, channel)
	r.exec(`INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, 'ending', $2, '2022-04-01', '2022-12-31')`, ending, channel)
	const unreadable = "c63b6faa-0000-4259-b941-000000000004"
	r.exec(`INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, 'unreadable', $2, 'soon', '2022-12-31')`, unreadable, channel)
	now := time.Date(2022, 4, 5, 20, 0, 0, 0, time.UTC) // the 6th in Kolkata
	for _, test := range []struct {
		name, conversation string
		dataset            exhaust.Dataset
		start, end         exhaust.Day
		wantStart, wantEnd exhaust.Day
		fails              string
	}{
		{"both of the request", dated, exhaust.ResponseExhaust, "2022-01-05", "2022-01-06", "2022-01-05", "2022-01-06", ""},
		{"both of the conversation", dated, exhaust.ResponseExhaust, "", "", "2022-03-01", "2022-03-03", ""},
		{"start of the request", dated, exhaust.ResponseExhaust, "2022-03-02", "", "2022-03-02", "2022-03-03", ""},
		{"end of the request", dated, exhaust.ResponseExhaust, "", "2022-03-02", "2022-03-01", "2022-03-02", ""},
		{"neither: yesterday", undated, exhaust.ResponseExhaust, "", "", "2022-04-05", "2022-04-05", ""},
		{"it has no end: up to yesterday", started, exhaust.ResponseExhaust, "", "", "2022-04-01", "2022-04-05", ""},
		{"it ends in the future: up to today", ending, exhaust.ResponseExhaust, "", "", "2022-04-01", "2022-04-06", ""},
		{"private without days: no telemetry", dated, exhaust.PrivateExhaust, "", "", "", "", ""},
		{"private with one day", dated, exhaust.PrivateExhaust, "2022-03-02", "", "2022-03-02", "2022-03-03", ""},
		{"start after the conversation's end", dated, exhaust.ResponseExhaust, "2022-03-04", "", "", "",
			"the exhaust would start on 2022-03-04, after its end on 2022-03-03: give startDate and endDate"},
		{"the conversation's start is no date", unreadable, exhaust.ResponseExhaust, "", "2022-03-02", "", "",
			"conversation " + unreadable + `: startDate of table "main"."bot" holds no date as yyyy-MM-dd: give startDate and endDate`},
		{"it is not needed", unreadable, exhaust.ResponseExhaust, "2022-03-01", "2022-03-02", "2022-03-01", "2022-03-02", ""},
		{"private without days needs none", unreadable, exhaust.PrivateExhaust, "", "", "", "", ""},
		{"more days than allowed", dated, exhaust.ResponseExhaust, "2021-03-01", "", "", "",
			"2021-03-01 to 2022-03-03 are 368 days: at most 366 days are accepted: give startDate and endDate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ask := request(test.dataset)
			ask.ConversationID, ask.StartDate, ask.EndDate = test.conversation, test.start, test.end
			ask.SubmittedAt = now
			got, err := run[activities.Resolved](r, r.ResolveConversation, ask)
			if test.fails != "" {
				failure := applicationError(t, err)
				if !failure.NonRetryable() || failure.Type() != activities.BadRange || failure.Message() != test.fails {
					t.Errorf("got %v, want %s", failure, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.StartDate != test.wantStart || got.EndDate != test.wantEnd {
				t.Errorf("%s to %s, want %s to %s", got.StartDate, got.EndDate, test.wantStart, test.wantEnd)
			}
			if got.Conversation.ID != test.conversation || got.Conversation.Channel != channel {
				t.Errorf("conversation %+v", got.Conversation)
			}
		})
	}
}

func TestAConversationOfAnotherChannelIsNoData(t *testing.T) {
	r := newRig(t)
	for _, edit := range []func(*exhaust.Request){
		func(q *exhaust.Request) { q.Channel = "another" },
		func(q *exhaust.Request) { q.ConversationID = "c63b6faa-11a9-4259-b941-000000000000" },
		func(q *exhaust.Request) { q.ConversationID = "no-uuid" },
	} {
		ask := request(exhaust.ResponseExhaust)
		edit(&ask)
		_, err := run[activities.Resolved](r, r.ResolveConversation, ask)
		failure := applicationError(t, err)
		if !failure.NonRetryable() || failure.Type() != activities.NoConversation || failure.Message() != "No data found for conversation in DB" {
			t.Errorf("got %v", failure)
		}
	}
}

// sent is an answer as answer makes it, with an ets.
func sent(mid, at, device string, ets int64) string {
	return strings.Replace(answer(mid, at, device), `{"eid"`, fmt.Sprintf(`{"ets":%d,"eid"`, ets), 1)
}

func TestWhatIsDeliveredAgainIsOneEventTheFirstInOrder(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-0.json.gz",
		sent("second", "2022-03-01T10:00:00Z", device(2), 175), // three people within one second share its mid
		sent("second", "2022-03-01T10:00:00Z", device(1), 640),
		sent("second", "2022-03-01T10:00:00Z", device(4), 900),
		sent("again", "2022-03-01T10:00:05Z", device(1), 5000),
		sent("", "2022-03-01T10:00:09Z", device(1), 9000),
	)
	r.put("2022-03-01-1.json.zst",
		sent("again", "2022-03-01T15:30:04+05:30", strings.ToUpper(device(1)), 5000),                           // received earlier, 10:00:04Z
		sent("again", "2022-03-01T10:00:06Z", device(1), 5001),                                                 // sent later: another event
		sent("", "2022-03-01T10:00:09Z", device(1), 9000),                                                      // the same bytes again
		strings.Replace(sent("again", "2022-03-01T10:00:07Z", device(1), 5000), `"score":1.0`, `"score":1`, 1), // other digits: another
	)
	// Of an event whose device is unknown nothing remains, however often it is delivered.
	r.put("2022-03-02-0.jsonl",
		sent("gone", "2022-03-02T00:00:00Z", "0000000000000000", 1),
		sent("gone", "2022-03-02T00:00:01Z", "0000000000000000", 1),
		sent("second", "2022-03-02T00:00:02Z", device(4), 900),
	)
	var fetched []activities.Fetched
	for _, part := range must[[]activities.Part](r, r.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-02"), staging) {
		fetched = append(fetched, must[activities.Fetched](r, r.FetchTelemetry, r.fetchInput(part)))
	}
	joined, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched...)
	if want := (activities.Joined{Known: 3, Unknown: 1, Devices: 4, Events: 12, Repeats: 4, RepeatSegments: 1}); joined != want {
		t.Errorf("joined %+v, want %+v", joined, want)
	}
	if want := (activities.Built{Report: responseReport, Receipt: responseReport + ".receipt.json", RowsWritten: 7, Repeats: 4, RowsUnknownDevice: 1}); built != want {
		t.Errorf("built %+v, want %+v", built, want)
	}
	const name = `,` + conversation + `,"Helpdesk, ""Sahayak""",`
	const rest = `,s,q,,,,2,1,,[],"[{""1"":""yes""}]",,,`
	want := strings.Join(exhaust.ResponseColumns, ",") + "\n" +
		"second" + name + device(1) + rest + "2022-03-01T10:00:00Z\n" +
		"second" + name + device(2) + rest + "2022-03-01T10:00:00Z\n" +
		"second" + name + device(4) + rest + "2022-03-01T10:00:00Z\n" +
		"again" + name + strings.ToUpper(device(1)) + rest + "2022-03-01T15:30:04+05:30\n" +
		"again" + name + device(1) + rest + "2022-03-01T10:00:06Z\n" +
		"again" + name + device(1) + rest + "2022-03-01T10:00:07Z\n" +
		name + device(1) + rest + "2022-03-01T10:00:09Z\n"
	if got := r.report(responseReport); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAPrivateExhaustOfDaysListsWhoConversed(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-0.json.gz",
		answer("a", "2022-03-01T10:00:00Z", device(3)),
		answer("b", "2022-03-01T10:00:01Z", strings.ToUpper(device(6))),
		answer("c", "2022-03-01T10:00:02Z", device(1)),
		answer("d", "2022-03-01T10:00:03Z", device(5)),
		answer("e", "2022-03-01T10:00:04Z", device(1)),
		answer("f", "2022-03-01T10:00:05Z", device(99)),
		answer("g", "2022-03-01T10:00:06Z", "no-uuid"),
		answer("a", "2022-03-01T10:00:00Z", device(2)), // another device in the same second
	)
	input := r.fetchInput(r.part("2022-03-01", "2022-03-01"))
	input.Dataset = exhaust.PrivateExhaust
	fetched := must[activities.Fetched](r, r.FetchTelemetry, input)
	for _, name := range r.files(staging) {
		if strings.HasSuffix(name, ".events.3") {
			t.Errorf("%s is staged, which nobody reads", name)
		}
	}
	joined, built := r.joinAndBuild(exhaust.PrivateExhaust, fetched)
	if want := (activities.Joined{Known: 5, Unknown: 2, Devices: 7, Events: 8}); joined != want {
		t.Errorf("joined %+v, want %+v", joined, want)
	}
	if want := (activities.Built{Report: privateReport, Receipt: privateReport + ".receipt.json", RowsWritten: 5, Undecryptable: 1}); built != want {
		t.Errorf("built %+v, want %+v", built, want)
	}
	const name = conversation + `,"Helpdesk, ""Sahayak""",`
	want := "Conversation ID,Conversation Name,Decrypted Device ID,Encrypted Device ID,Device UUID\n" +
		name + phone(1) + "," + r.username(1) + "," + device(1) + "\n" +
		name + phone(2) + "," + r.username(2) + "," + device(2) + "\n" +
		name + device(3) + "," + r.username(3) + "," + device(3) + "\n" +
		name + device(5) + ",," + device(5) + "\n" +
		name + device(6) + ",not encrypted," + device(6) + "\n"
	if got := r.report(privateReport); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAPrivateExhaustWithoutDaysListsWhoIsRegistered(t *testing.T) {
	r := newRig(t)
	// Registered, but users has no row of them.
	for _, id := range []string{device(98), "no-uuid"} {
		r.exec(`INSERT INTO user_registrations (users_id, applications_id) VALUES ($1, $2)`, id, conversation)
	}
	joined := must[activities.Joined](r, r.JoinDevices, activities.JoinInput{
		Dataset: exhaust.PrivateExhaust, ConversationID: conversation, Staging: staging, FromRegistry: true,
	})
	if joined.ListedAt.IsZero() {
		t.Error("it does not say when the registry was asked")
	}
	listedAt, attempt := joined.ListedAt, joined.Attempt
	if joined.ListedAt, joined.Attempt = (time.Time{}), ""; joined != (activities.Joined{Known: 6, Unknown: 2, Devices: 8}) {
		t.Errorf("joined %+v, want 6 known of 8", joined)
	}
	in := buildInput(exhaust.PrivateExhaust)
	joined.ListedAt, joined.Attempt = listedAt, attempt
	in.Joined = &joined
	built := must[activities.Built](r, r.BuildCSV, in)
	built.Joined = activities.Joined{}
	if want := (activities.Built{Report: privateReport, Receipt: privateReport + ".receipt.json", RowsWritten: 6, Undecryptable: 1}); built != want {
		t.Errorf("built %+v, want %+v", built, want)
	}
	got := rows(t, r.report(privateReport))
	if want := strings.Join([]string{phone(1), phone(2), device(3), device(4), device(5), device(6)}, " "); column(got, 2) != want {
		t.Errorf("shown %s, want %s", column(got, 2), want)
	}
	if want := strings.Join([]string{device(1), device(2), device(3), device(4), device(5), device(6)}, " "); column(got, 4) != want {
		t.Errorf("devices %s, want %s", column(got, 4), want)
	}
}

func TestAnAnswerIsHiddenOfWhoRefusedConsentOnly(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-0.json",
		answer("given", "2022-03-01T10:00:00Z", device(1)),
		answer("refused", "2022-03-01T10:00:01Z", device(3)),
		answer("never asked", "2022-03-01T10:00:02Z", device(4)),
	)
	fetched := r.fetch("2022-03-01", "2022-03-01")
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	got := rows(t, r.report(built.Report))
	if want := `[{"1":"yes"}]  [{"1":"yes"}]`; column(got, 13) != want {
		t.Errorf("answers %s, want %s", column(got, 13), want)
	}
}

func TestBuildingAgainGivesTheSameBytes(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"2022-03-01-0.json", "2022-03-02-0.json.gz"} {
		r.put(name, answer("b", "2022-03-01T10:00:00Z", device(1)), answer("a", "2022-03-01T10:00:00Z", device(2)), "no JSON")
	}
	fetched := r.fetch("2022-03-01", "2022-03-02")
	_, first := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	text := r.report(first.Report)
	if got := column(rows(t, text), 0); got != "a b" {
		t.Fatalf("messages %s", got)
	}
	_, second := r.joinAndBuild(exhaust.ResponseExhaust, fetched)
	if first != second || r.report(second.Report) != text {
		t.Errorf("first %+v\n%s\nthen %+v\n%s", first, text, second, r.report(second.Report))
	}
}

func TestABuildThatFailsLeavesNoFile(t *testing.T) {
	r := newRig(t)
	var lines []string
	for i := range 3000 {
		lines = append(lines, answer(strings.Repeat("m", i%50)+"x", "2022-03-01T10:00:00Z", device(1)))
	}
	r.put("2022-03-01-0.json", lines...)
	fetched := r.fetch("2022-03-01", "2022-03-01")
	in := buildInput(exhaust.ResponseExhaust, fetched)
	r.joinInto(&in)
	var cut string
	for _, name := range r.files(staging) {
		if strings.HasSuffix(name, ".events.3") {
			cut = name
		}
	}
	path := filepath.Join(r.reportsDir, cut)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-8); err != nil {
		t.Fatal(err)
	}
	_, err = run[activities.Built](r, r.BuildCSV, in)
	failure := applicationError(t, err)
	want := "reading staged " + cut + ": "
	if !failure.NonRetryable() || failure.Type() != activities.StagingGone || failure.Message() != "staged files are damaged" || !strings.Contains(because(t, failure), want) {
		t.Errorf("non-retryable: %v, %v", failure.NonRetryable(), failure)
	}
	if left := r.files("uci-response-exhaust/"); left != nil {
		t.Errorf("files %v are left", left)
	}
}

// refusingStaging is a reports store that takes no staged files.
type refusingStaging struct {
	blob.Store
	err error
}

func (s refusingStaging) Create(ctx context.Context, name, contentType string) (blob.Writer, error) {
	if strings.HasPrefix(name, staging) {
		return nil, s.err
	}
	return s.Store.Create(ctx, name, contentType)
}

func TestAReportsStoreThatTakesNothingIsNamedAsSuch(t *testing.T) {
	r := newRig(t)
	var lines []string // more than is held before the first of it is staged
	for i := range 16_000 {
		lines = append(lines, answer(fmt.Sprintf("c%05d%s", i, strings.Repeat("-", 400)), "2022-03-01T10:00:01Z", device(3)))
	}
	r.put("2022-03-01-0.json", lines...)
	fetch := r.fetchInput(r.part("2022-03-01", "2022-03-01"))
	fetched := must[activities.Fetched](r, r.FetchTelemetry, fetch)
	join := activities.JoinInput{Dataset: exhaust.ResponseExhaust, ConversationID: conversation, Staging: staging, Segments: fetched.Segments}
	for name, step := range map[string]func(of *activities.Activities) error{
		"PlanFetch": func(of *activities.Activities) error {
			_, err := runOf[[]activities.Part](r, of, of.PlanFetch, exhaust.Day("2022-03-01"), exhaust.Day("2022-03-01"), staging)
			return err
		},
		"FetchTelemetry": func(of *activities.Activities) error {
			_, err := runOf[activities.Fetched](r, of, of.FetchTelemetry, fetch)
			return err
		},
		"JoinDevices": func(of *activities.Activities) error {
			_, err := runOf[activities.Joined](r, of, of.JoinDevices, join)
			return err
		},
	} {
		of := func(err error) *activities.Activities {
			deps := r.deps
			deps.Reports = refusingStaging{r.reportStore, err}
			return activities.New(deps, r.settings)
		}
		failure := applicationError(t, step(of(errAway)))
		if failure.NonRetryable() || failure.Message() != "reports store: it failed" ||
			!strings.Contains(because(t, failure), "staging "+staging) || !strings.Contains(because(t, failure), errAway.Error()) {
			t.Errorf("%s: non-retryable %v: %v", name, failure.NonRetryable(), failure)
		}
		failure = applicationError(t, step(of(&blob.PermanentError{Reason: "no key fits"})))
		if want := "the reports store refuses what is staged: no key fits"; !failure.NonRetryable() || failure.Type() != activities.StoreRefused || failure.Message() != want {
			t.Errorf("%s: non-retryable %v, %s: %s, want %s", name, failure.NonRetryable(), failure.Type(), failure.Message(), want)
		}
	}
}

func TestStagedFilesThatAreGoneAreTold(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-0.json", answer("a", "2022-03-01T10:00:00Z", device(1)), answer("a", "2022-03-01T11:00:00Z", device(1)))
	fetched := r.fetch("2022-03-01", "2022-03-01")
	in := buildInput(exhaust.ResponseExhaust, fetched)
	r.joinInto(&in)
	parts := "p0000-" + r.stagedAttempt(staging) + "-00000"
	for _, gone := range []string{parts + ".index.3", parts + ".events.3", parts + ".read", "devices-" + in.Joined.Attempt, "repeats.3-" + in.Joined.Attempt + "-00000"} {
		path := filepath.Join(r.reportsDir, staging, gone)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if gone == parts+".index.3" {
			_, err = run[activities.Joined](r, r.JoinDevices, activities.JoinInput{
				Dataset: exhaust.ResponseExhaust, ConversationID: conversation, Staging: staging, Segments: fetched.Segments,
			})
		} else {
			_, err = run[activities.Built](r, r.BuildCSV, in)
		}
		failure := applicationError(t, err)
		if !failure.NonRetryable() || failure.Type() != activities.StagingGone || failure.Message() != "staged files are gone" || !strings.Contains(because(t, failure), staging+gone) {
			t.Errorf("%s: type %s, %s", gone, failure.Type(), failure.Message())
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if left := r.files("uci-response-exhaust/"); left != nil {
		t.Errorf("files %v are left", left)
	}
}

func TestACorruptObjectEndsTheExhaustAndIsNamed(t *testing.T) {
	for _, test := range []struct {
		name    string
		damage  func([]byte) []byte
		problem string
	}{
		{"cut", func(b []byte) []byte { return b[:len(b)-9] }, "its gzip data ends early"},
		{"checksum", func(b []byte) []byte { b[len(b)-5] ^= 1; return b }, "its gzip data does not match its checksum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.put("2022-03-01-good.json.gz", answer("a", "2022-03-01T10:00:00Z", device(1)))
			r.put("2022-03-01/p 1.json.gz", answer("b", "2022-03-01T10:00:00Z", device(1)))
			path := filepath.Join(r.telemetryDir, "2022-03-01/p 1.json.gz")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r.write("2022-03-01/p 1.json.gz", test.damage(data))
			_, err = run[activities.Fetched](r, r.FetchTelemetry, r.fetchInput(r.part("2022-03-01", "2022-03-01")))
			failure := applicationError(t, err)
			want := `telemetry object "2022-03-01/p 1.json.gz" is corrupt: ` + test.problem
			if !failure.NonRetryable() || failure.Type() != activities.CorruptTelemetry || failure.Message() != want {
				t.Errorf("non-retryable: %v, type %s, got  %s\nwant %s", failure.NonRetryable(), failure.Type(), failure.Message(), want)
			}
		})
	}
}

func TestSigningRecordsTheURLAndHandsItToNobodyElse(t *testing.T) {
	r := newRig(t)
	job := exhaust.Job{Request: request(exhaust.ResponseExhaust), State: exhaust.State{Status: exhaust.Success, Report: responseReport}}
	job.SubmittedAt, job.UpdatedAt = time.Now(), time.Now()
	before := time.Now()
	result, err := r.environment(r.Activities).ExecuteActivity(r.SignURLs, job)
	if err != nil {
		t.Fatal(err)
	}
	if result.HasValue() {
		t.Error("the activity has a result, which would stand in the history")
	}
	kept, err := r.jobs.Job(t.Context(), "1E2A")
	if err != nil {
		t.Fatal(err)
	}
	if kept.Status != exhaust.Success || len(kept.DownloadURLs) != 1 {
		t.Fatalf("kept %+v", kept)
	}
	u, err := url.Parse(kept.DownloadURLs[0])
	if err != nil || u.Path != "/files/reports/"+responseReport {
		t.Errorf("URL path %s, %v", u.Path, err)
	}
	if in := kept.ExpiresAt.Sub(before); in < 24*time.Hour-2*time.Second || in > 24*time.Hour+time.Minute {
		t.Errorf("it expires in %s, want 24h", in)
	}
}

func TestRemovingFilesLeavesThoseOfOthers(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"staging/1E2A/run/a", "staging/1E2A/run/b/c", "staging/1E2A/run2/a", "staging/1E2AB/run/a",
		"uci-response-exhaust/1E2A/x.csv", "uci-response-exhaust/1E2B/x.csv"} {
		path := filepath.Join(r.reportsDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // once more does no harm
		if _, err := r.environment(r.Activities).ExecuteActivity(r.RemoveFiles, []string{staging, "uci-response-exhaust/1E2A/"}); err != nil {
			t.Fatal(err)
		}
		want := []string{"staging/1E2A/run2/a", "staging/1E2AB/run/a", "uci-response-exhaust/1E2B/x.csv"}
		if got := r.files(""); !reflect.DeepEqual(got, want) {
			t.Errorf("left %v, want %v", got, want)
		}
	}
}
