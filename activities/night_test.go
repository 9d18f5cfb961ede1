package activities_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
	"data-exhaust/registry"
)

// ended tells of exhausts that they have ended so, as Temporal would.
type ended map[string]exhaust.Status

func (e ended) Run(context.Context, string, exhaust.Status, int) (exhaust.Job, error) {
	panic("nothing is to be run")
}
func (e ended) Await(context.Context, string) (exhaust.Job, error) { panic("nothing is awaited") }

func (e ended) State(_ context.Context, requestID string) (exhaust.Job, error) {
	job := jobOf(requestID, exhaust.Processing)
	if status, ok := e[requestID]; ok {
		job.Status, job.Message = status, "terminated by an operator"
	}
	return job, nil
}

func jobOf(requestID string, status exhaust.Status) exhaust.Job {
	job := exhaust.Job{Request: request(exhaust.PrivateExhaust), Status: status}
	job.ID = requestID
	job.SubmittedAt = time.Date(2022, 4, 5, 10, 0, 0, 0, time.UTC)
	return job
}

func TestTheNightDeletesReportsThatNoExhaustNames(t *testing.T) {
	r := newRig(t)
	jobs := registry.NewJobs(r.db)
	if err := jobs.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	named := jobOf("NAMED", exhaust.Success)
	named.Report = "uci-private-exhaust/NAMED/kept.csv"
	for _, job := range []exhaust.Job{named, jobOf("FAILED", exhaust.Failed), jobOf("RUNS", exhaust.Processing)} {
		if err := jobs.Save(t.Context(), job); err != nil {
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
		file := filepath.Join(r.reportsDir, name)
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
	night := activities.NewNight(ended{}, jobs, r.reportStore, 48*time.Hour, time.UTC)
	env := r.environment(r.Activities)
	env.RegisterActivity(night)
	result, err := env.ExecuteActivity(night.DeleteUnnamed, now)
	if err != nil {
		t.Fatal(err)
	}
	var cleaned activities.Cleaned
	if err := result.Get(&cleaned); err != nil {
		t.Fatal(err)
	}
	if want := (activities.Cleaned{Unnamed: 3}); cleaned != want {
		t.Errorf("cleaned %+v, want %+v", cleaned, want)
	}
	want := []string{
		"some-other-folder/UNKNOWN/of-them.csv",
		"uci-private-exhaust/FAILED/young.csv",
		"uci-private-exhaust/NAMED/kept.csv",
		"uci-private-exhaust/RUNS/new.csv",
		"uci-response-exhaust/UNKNOWN/new.csv",
	}
	if got := r.files(""); !reflect.DeepEqual(got, want) {
		t.Errorf("files %v\nwant  %v", got, want)
	}
}

func TestTheNightRecordsTheEndOfAnExhaustThatWasTerminated(t *testing.T) {
	r := newRig(t)
	jobs := registry.NewJobs(r.db)
	if err := jobs.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"RUNS", "TERMINATED"} {
		if err := jobs.Save(t.Context(), jobOf(id, exhaust.Processing)); err != nil {
			t.Fatal(err)
		}
	}
	night := activities.NewNight(ended{"TERMINATED": exhaust.Failed}, jobs, r.reportStore, 48*time.Hour, time.UTC)
	env := r.environment(r.Activities)
	env.RegisterActivity(night)
	if _, err := env.ExecuteActivity(night.SettleEnded); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]exhaust.Status{"RUNS": exhaust.Processing, "TERMINATED": exhaust.Failed} {
		job, err := jobs.Job(t.Context(), id)
		if err != nil || job.Status != want {
			t.Errorf("%s is %s, %v; want %s", id, job.Status, err, want)
		}
	}
}
