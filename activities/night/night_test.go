package night_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"data-exhaust/activities/night"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

// ended says of exhausts that they have ended so, as Temporal would.
type ended map[string]exhaust.Status

func (e ended) Start(context.Context, string, exhaust.Status, int) (exhaust.Job, error) {
	panic("nothing is to be run")
}
func (e ended) Wait(context.Context, string) (exhaust.Job, error) { panic("nothing is awaited") }

func (e ended) Find(_ context.Context, requestID string) (exhaust.Job, error) {
	job := jobOf(requestID, exhaust.Processing)
	if status, ok := e[requestID]; ok {
		job.Status, job.Message = status, "terminated by an operator"
	}
	return job, nil
}

func jobOf(requestID string, status exhaust.Status) exhaust.Job {
	job := exhaust.Job{Request: exhaust.Request{Dataset: exhaust.PrivateExhaust, Tag: "tag", Channel: "channel", Config: []byte(`{}`)}, State: exhaust.State{Status: status}}
	job.ID = requestID
	job.SubmittedAt = time.Date(2022, 4, 5, 10, 0, 0, 0, time.UTC)
	return job
}

// newSteps makes the activities on an SQLite database and a folder, and an environment that does one of them at a time,
// without a server.
func newSteps(t *testing.T, exhausts night.Exhausts) (steps *night.Activities, env *testsuite.TestActivityEnvironment, table *jobs.Jobs, folder string) {
	t.Helper()
	db, err := database.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	table = jobs.New(db)
	if err := table.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	reports, err := blob.NewLocal(folder, blob.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	steps = night.New(exhausts, table, reports, 48*time.Hour, time.UTC)
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env = suite.NewTestActivityEnvironment()
	env.RegisterActivity(steps)
	return steps, env, table, folder
}

func TestTheNightDeletesReportsThatNoExhaustNames(t *testing.T) {
	steps, env, table, folder := newSteps(t, ended{})
	named := jobOf("NAMED", exhaust.Success)
	named.Report = "uci-private-exhaust/NAMED/kept.csv"
	for _, job := range []exhaust.Job{named, jobOf("FAILED", exhaust.Failed), jobOf("RUNS", exhaust.Processing)} {
		if err := table.Save(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2022, 4, 6, 2, 0, 0, 0, time.UTC)
	hours := func(n int) time.Time { return now.Add(-time.Duration(n) * time.Hour) }
	for name, written := range map[string]time.Time{
		"uci-private-exhaust/NAMED/kept.csv":    hours(100),
		"uci-private-exhaust/NAMED/other.csv":   hours(25),
		"uci-private-exhaust/FAILED/left.csv":   hours(25),
		"uci-private-exhaust/FAILED/young.csv":  hours(23),
		"uci-private-exhaust/RUNS/new.csv":      hours(25),
		"uci-response-exhaust/UNKNOWN/new.csv":  hours(47),
		"uci-response-exhaust/UNKNOWN/old.csv":  hours(49),
		"some-other-folder/UNKNOWN/of-them.csv": hours(1000),
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, written, written); err != nil {
			t.Fatal(err)
		}
	}
	result, err := env.ExecuteActivity(steps.DeleteUnnamed, now)
	if err != nil {
		t.Fatal(err)
	}
	var cleaned night.Cleaned
	if err := result.Get(&cleaned); err != nil {
		t.Fatal(err)
	}
	if want := (night.Cleaned{Unnamed: 3}); cleaned != want {
		t.Errorf("cleaned %+v, want %+v", cleaned, want)
	}
	want := []string{
		"some-other-folder/UNKNOWN/of-them.csv",
		"uci-private-exhaust/FAILED/young.csv",
		"uci-private-exhaust/NAMED/kept.csv",
		"uci-private-exhaust/RUNS/new.csv",
		"uci-response-exhaust/UNKNOWN/new.csv",
	}
	var got []string
	if err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(folder, file)
			got = append(got, filepath.ToSlash(name))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("files %v\nwant  %v", got, want)
	}
}

func TestTheNightRecordsTheEndOfAnExhaustThatWasTerminated(t *testing.T) {
	steps, env, table, _ := newSteps(t, ended{"TERMINATED": exhaust.Failed})
	for _, id := range []string{"RUNS", "TERMINATED"} {
		if err := table.Save(t.Context(), jobOf(id, exhaust.Processing)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := env.ExecuteActivity(steps.SettleEnded); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]exhaust.Status{"RUNS": exhaust.Processing, "TERMINATED": exhaust.Failed} {
		job, err := table.Job(t.Context(), id)
		if err != nil || job.Status != want {
			t.Errorf("%s is %s, %v; want %s", id, job.Status, err, want)
		}
	}
}
