package architecture

import (
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/activities"
	"data-exhaust/activities/night"
	"data-exhaust/activities/recurring"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/receipt"
	"data-exhaust/service"
	"data-exhaust/workflows"
)

// The names below live outside the code: in histories, memos, schedules, rows, stores, dashboards and receivers of webhooks.
// Code of another release reads what stands under them, so a name here changes only together with code that still
// understands the old one.

func TestNamesThatLiveOutsideTheCodeStayTheSame(t *testing.T) {
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"workflows", functionNames(workflows.Exhaust, workflows.Parked, workflows.Nightly, workflows.Recurring), []string{"Exhaust", "Parked", "Nightly", "Recurring"}},
		{"activities of an exhaust", methodNames[*activities.Activities](), []string{
			"BuildCSV", "BuildReport", "EndExhaust", "FetchTelemetry", "JoinDevices", "MakeReport", "PlanExhaust", "PlanFetch", "RecordJob", "RemoveFiles",
			"RemoveLeftovers", "ResolveConversation", "SignURLs",
		}},
		{"activities of the night", methodNames[*night.Activities](), []string{
			"DeleteExpired", "DeleteLeftStaging", "DeleteUnnamed", "ListDue", "Look", "Release", "RunDue", "SettleEnded",
		}},
		{"activities of a firing", methodNames[*recurring.Activities](), []string{"AwaitExhaust", "DeliverWebhook", "FindWindow", "SendWebhook", "SubmitWindow"}},
		{"signal and query", []string{workflows.StartSignal, workflows.StateQuery}, []string{"run", "state"}},
		{"task queues", workflows.LongQueues("exhaust"), []string{"exhaust-scan", "exhaust-build", "exhaust-night"}},
		{"answers to the release of an exhaust", []string{string(night.IsReleased), string(night.HasMovedOn), string(night.IsBusy), string(night.IsUnknown)}, []string{"released", "moved on", "busy", "unknown"}},
		{"memo fields", []string{workflows.RequestMemo, workflows.StateMemo, workflows.FiringMemo}, []string{"request", "state", "firing"}},
		{"search attributes", service.SearchAttributeNames(), []string{
			"ExhaustStatus", "ExhaustTag", "ExhaustChannel", "ExhaustDataset", "ExhaustConversation",
		}},
		{"ids of workflows and schedules", []string{
			exhaust.WorkflowID("1E2A"), workflows.RecurringID("abc"), workflows.RecurringScheduleID("abc"), service.NightlySchedule, service.NightlyWorkflowID,
		}, []string{"exhaust-1E2A", "recurring-abc", "exhaust-schedule-abc", "exhaust-nightly", "nightly"}},
		{"error types", []string{
			activities.NoConversation, activities.NoData, activities.CorruptTelemetry, activities.BadRange, activities.StagingGone, activities.Stopping,
			activities.StoreRefused, activities.Unbalanced, activities.StillWritten, activities.Unavailable, activities.NotCurrent, activities.Internal,
			recurring.NotEnded, recurring.BadWindow, recurring.Gone, recurring.WebhookRefused, workflows.Failed,
		}, []string{
			"NoConversation", "NoData", "CorruptTelemetry", "BadRange", "StagingGone", "WorkerStopping", "StoreRefused", "Unbalanced", "StillWritten", "Unavailable", "NotCurrent", "Internal",
			"NotEnded", "BadWindow", "Gone", "WebhookRefused", "Failed",
		}},
		{"names in the reports store", []string{
			exhaust.StagingPrefix, exhaust.StagingOf("1E2A"), exhaust.StagingOfRun("1E2A", "run"), exhaust.SlicesOf("bot"),
			exhaust.Request{ID: "1E2A", Dataset: exhaust.ResponseExhaust}.ReportName("bot", "2022-04-06"),
			exhaust.Request{ID: "1E2A", Dataset: exhaust.PrivateExhaust}.ReportName("bot", "2022-04-06"),
			exhaust.ReceiptName("a.csv"), exhaust.SummaryName("a.csv"),
		}, []string{
			"staging/", "staging/1E2A/", "staging/1E2A/run/", "slices/bot/",
			"uci-response-exhaust/1E2A/bot_response_20220406.csv", "uci-private-exhaust/1E2A/bot_userinfo_20220406.csv",
			"a.csv.receipt.json", "a.csv.summary.json",
		}},
		{"headers of webhooks", []string{recurring.IDHeader, recurring.TimestampHeader, recurring.SignatureHeader}, []string{
			"webhook-id", "webhook-timestamp", "webhook-signature",
		}},
		{"tables", query(t, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`), []string{"access_token", "console_session", "data_exhaust_migrations", "job_request", "receipt_key", "webhook_salt"}},
		{"columns of access_token", query(t, `SELECT name FROM pragma_table_info('access_token') ORDER BY name`), []string{
			"channels", "dt_expires", "dt_made", "dt_revoked", "hash", "made_by", "name", "rights", "token_id",
		}},
		{"rights of tokens", append(operatorRights(t), access.OperatorRight), []string{"operator", "uci-response-exhaust", "uci-private-exhaust", "operator"}},
		{"columns of console_session", query(t, `SELECT name FROM pragma_table_info('console_session') ORDER BY name`), []string{"dt_expires", "dt_made", "dt_renewal", "revision", "sealed", "session_id"}},
		{"columns of webhook_salt", query(t, `SELECT name FROM pragma_table_info('webhook_salt') ORDER BY name`), []string{"channel", "dt_ends", "dt_made", "key_id", "salt"}},
		{"columns of job_request", query(t, `SELECT name FROM pragma_table_info('job_request') ORDER BY name`), []string{
			"allow_empty", "conversation_id", "download_urls", "dt_job_completed", "dt_job_submitted", "dt_job_updated", "dt_urls_expire", "end_date",
			"err_message", "execution_time", "iteration", "job_id", "may_heal", "output_format", "parked", "progress", "purpose", "range_from", "range_to", "receipt", "receipt_url", "report", "request_data", "request_id",
			"requested_by", "requested_channel", "start_date", "status", "tag",
		}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.what, c.got, c.want)
		}
	}
}

func operatorRights(t *testing.T) []string {
	t.Helper()
	rights, err := access.ParseRights(nil, []string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	return rights.Names()
}

func functionNames(functions ...any) (names []string) {
	for _, f := range functions {
		name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
		names = append(names, name[strings.LastIndex(name, ".")+1:])
	}
	return names
}

// methodNames are the names under which a worker registers the methods of a type as activities.
func methodNames[T any]() (names []string) {
	for method := range reflect.TypeFor[T]().Methods() {
		names = append(names, method.Name)
	}
	return names
}

// query asks a database that was just migrated.
func query(t *testing.T, sql string) (names []string) {
	t.Helper()
	db, err := database.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := jobs.New(db).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Select(t.Context(), &names, sql); err != nil {
		t.Fatal(err)
	}
	return names
}

// payloads are what travels through Temporal, each with the fields of its JSON. What stands in an object of an object is
// listed where that object's type is.
var payloads = map[reflect.Type]string{
	reflect.TypeFor[workflows.Input]():         "request attempts timeout night,omitempty wait,omitempty",
	reflect.TypeFor[workflows.Release]():       "night,omitempty",
	reflect.TypeFor[workflows.Result]():        "report progress",
	reflect.TypeFor[exhaust.Request]():         "requestId dataset tag channel requestedBy datasetConfig outputFormat conversationId startDate,omitempty endDate,omitempty submittedAt allowEmpty,omitempty purpose,omitempty",
	reflect.TypeFor[exhaust.State]():           "status statusMessage,omitempty mayHeal,omitempty parked,omitempty attempts from,omitempty to,omitempty progress updatedAt completedAt,omitzero executionTime,omitempty report,omitempty receipt,omitempty",
	reflect.TypeFor[exhaust.Job]():             "requestId dataset tag channel requestedBy datasetConfig outputFormat conversationId startDate,omitempty endDate,omitempty submittedAt allowEmpty,omitempty purpose,omitempty status statusMessage,omitempty mayHeal,omitempty parked,omitempty attempts from,omitempty to,omitempty progress updatedAt completedAt,omitzero executionTime,omitempty report,omitempty receipt,omitempty",
	reflect.TypeFor[exhaust.Progress]():        "phase bytesTotal bytesRead eventsMatched repeats rowsWritten linesSkipped rowsUnknownDevice consentUnreadable undecryptable percent waiting,omitempty",
	reflect.TypeFor[exhaust.Conversation]():    "ID Name Channel StartDate EndDate",
	reflect.TypeFor[activities.Resolved]():     "conversation startDate endDate",
	reflect.TypeFor[activities.PlanInput]():    "job staging",
	reflect.TypeFor[activities.Plan]():         "conversation startDate endDate parts,omitempty",
	reflect.TypeFor[activities.EndInput]():     "job staging unstaged,omitempty",
	reflect.TypeFor[activities.Ended]():        "left,omitempty",
	reflect.TypeFor[activities.Part]():         "number listings,omitempty inline,omitempty listedAt,omitzero firstDay,omitempty lastDay,omitempty objects bytes",
	reflect.TypeFor[activities.FetchInput]():   "dataset channel conversationId staging part",
	reflect.TypeFor[activities.Fetched]():      "runs read,omitempty readInline,omitempty bytesRead eventsMatched linesSkipped objects bytesListed",
	reflect.TypeFor[activities.SegmentRange](): "part attempt count format,omitempty",
	reflect.TypeFor[activities.FetchResume]():  "next fetched watches,omitempty",
	reflect.TypeFor[activities.Watch]():        "index etag since sameSince changed,omitempty looks",
	reflect.TypeFor[activities.Counts]():       "objectsListed,omitempty objectsRead,omitempty bytesListed,omitempty bytesRead,omitempty eventsMatched,omitempty linesSkipped,omitempty",
	reflect.TypeFor[activities.Heartbeat]():    "phase,omitempty bytesRead,omitempty eventsMatched,omitempty linesSkipped,omitempty repeats,omitempty consentUnreadable,omitempty rowsUnknownDevice,omitempty rowsWritten,omitempty fetch,omitempty joined,omitempty",
	reflect.TypeFor[activities.JoinInput]():    "dataset conversationId staging runs,omitempty fromRegistry,omitempty",
	reflect.TypeFor[activities.Joined]():       "attempt,omitempty known unknown devices,omitempty consentUnreadable,omitempty events,omitempty repeats,omitempty repeatRuns,omitempty listedAt,omitzero",
	reflect.TypeFor[activities.BuildInput]():   "request conversation startDate,omitempty endDate,omitempty staging runs,omitempty read,omitempty readInline,omitempty counts part,omitempty joined,omitempty attempts,omitempty listedAt,omitzero completed",
	reflect.TypeFor[activities.Built]():        "report receipt,omitempty read,omitzero inMemory,omitempty joined,omitzero rowsWritten repeats,omitempty rowsUnknownDevice undecryptable",
	reflect.TypeFor[workflows.NightInput]():    "concurrency watch timeout schedule,omitempty carried,omitempty",
	reflect.TypeFor[workflows.Night]():         "began failed listed after,omitempty due,omitempty inFlight,omitempty busy,omitempty running,omitempty summary",
	reflect.TypeFor[workflows.Asked]():         "since unknown,omitempty",
	reflect.TypeFor[receipt.Object]():          "name etag bytes lines skipped matched",
	reflect.TypeFor[activities.ListedObject](): "name etag size modified",
	reflect.TypeFor[workflows.Released]():      "requestId at waiting,omitempty",
	reflect.TypeFor[workflows.Summary]():       "began ended ran retried success failed cancelled earlier,omitempty bytes rows slowest,omitempty failures,omitempty stillRunning,omitempty moreRunning,omitempty unreleased,omitempty deleted problems,omitempty",
	reflect.TypeFor[night.Due]():               "requestId status attempts",
	reflect.TypeFor[night.DueQuery]():          "failed before after,omitempty limit",
	reflect.TypeFor[night.Outcome]():           "requestId status message,omitempty bytes rows took",
	reflect.TypeFor[night.Standing]():          "outcome,omitempty waiting,omitempty",
	reflect.TypeFor[night.Cleaned]():           "reports staged unnamed failed,omitempty failures,omitempty",
	reflect.TypeFor[workflows.Firing]():        "firing from,omitempty to,omitempty requestId,omitempty status,omitempty rows note,omitempty webhook,omitempty",
	reflect.TypeFor[exhaust.Schedule]():        "id revision dataset tag channel requestedBy purpose,omitempty datasetConfig conversationId cron zone jitter,omitempty change,omitempty webhook,omitempty createdAt updatedAt",
	reflect.TypeFor[exhaust.ScheduleChange]():  "at first last",
	reflect.TypeFor[exhaust.SealedWebhook]():   "host sealed",
	reflect.TypeFor[exhaust.Window]():          "firing from,omitempty to,omitempty",
	reflect.TypeFor[recurring.Ready]():         "scheduleId requestId tag channel dataset status from to rows webhook attempts",
}

func TestFieldsOfPayloadsStayTheSame(t *testing.T) {
	for payload, want := range payloads {
		if got := strings.Join(jsonFields(payload), " "); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", payload, got, want)
		}
		for field := range payload.Fields() {
			of := field.Type
			for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
				of = of.Elem()
			}
			if _, isListed := payloads[of]; of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]() && !field.Anonymous && !isListed {
				t.Errorf("%s.%s is a %s, whose fields are not listed", payload, field.Name, of)
			}
		}
	}
}

// jsonFields are the tags of a struct's fields in JSON, in their order: each a name, and whether an empty value is left out.
func jsonFields(of reflect.Type) (tags []string) {
	for field := range of.Fields() {
		tag := field.Tag.Get("json")
		switch {
		case tag == "-", !field.IsExported():
		case tag == "" && field.Anonymous:
			tags = append(tags, jsonFields(field.Type)...)
		case tag == "":
			tags = append(tags, field.Name)
		default:
			tags = append(tags, tag)
		}
	}
	return tags
}
