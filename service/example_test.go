package service_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/worker"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/sample"
	jobtable "data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/report"
	"data-exhaust/service"
	"data-exhaust/telemetry"
	"data-exhaust/workflows"
)

// An exhaust is submitted, a worker makes it, and its file is downloaded. Sending the same submission again finds the same
// exhaust instead of making another.
func ExampleExhausts_Submit() {
	exhausts, stop := startService()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	submission := exhaust.Submission{
		Dataset:       "uci-private-exhaust",
		Tag:           uuid.NewString(), // the client's own name for it
		Channel:       channel,
		RequestedBy:   "asker",
		DatasetConfig: []byte(`{"conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6"}`),
	}
	job := must(exhausts.Submit(ctx, submission))
	fmt.Println(job.Status)
	again := must(exhausts.Submit(ctx, submission))
	fmt.Println("the same exhaust:", again.ID == job.ID)

	job = must(exhausts.Wait(ctx, job.ID))
	fmt.Println(job.Status, "with", job.Progress.RowsWritten, "row")

	job = must(exhausts.Read(ctx, submission.Tag, channel, job.ID))
	fmt.Print(download(job.DownloadURLs[0]))
	// Output:
	// SUBMITTED
	// the same exhaust: true
	// SUCCESS with 1 row
	// Conversation ID,Conversation Name,Decrypted Device ID,Encrypted Device ID,Device UUID
	// c63b6faa-11a9-4259-b941-11cd2f8446c6,Helpdesk,11111111-1111-4111-8111-111111111111,,11111111-1111-4111-8111-111111111111
}

// An exhaust that waits for the night is cancelled. Submitting it again makes another attempt of it.
func ExampleExhausts_Cancel() {
	exhausts, stop := startService()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	submission := waitingSubmission()
	job := must(exhausts.Submit(ctx, submission))
	fmt.Println(job.Status, "attempts:", job.Attempts)

	must(exhausts.Cancel(ctx, submission.Tag, channel, job.ID))
	job = must(exhausts.Wait(ctx, job.ID)) // Cancel itself waits no longer than a caller likes to
	fmt.Println(job.Status, "attempts:", job.Attempts)

	job = must(exhausts.Submit(ctx, submission))
	fmt.Println(job.Status, "attempts:", job.Attempts)
	// Output:
	// SUBMITTED attempts: 0
	// CANCELLED attempts: 0
	// SUBMITTED attempts: 1
}

// Whoever knows an exhaust's ID sees it only under its tag and channel. Anywhere else there is no such exhaust.
func ExampleExhausts_Read() {
	exhausts, stop := startService()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	submission := waitingSubmission()
	job := must(exhausts.Submit(ctx, submission))

	mine := must(exhausts.Read(ctx, submission.Tag, channel, job.ID))
	fmt.Println(mine.Status)
	_, err := exhausts.Read(ctx, submission.Tag, "another-channel", job.ID)
	fmt.Println(errors.Is(err, service.ErrNotFound), err)
	// Output:
	// SUBMITTED
	// true no job available with the given request_id and tag
}

// A recurring exhaust is made on Mondays at six, Indian time, of the week that has ended.
func ExampleSchedules_Create() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	india := must(time.LoadLocation("Asia/Kolkata"))
	schedules := service.NewSchedules(temporalClient, "default", nil, service.Settings{TaskQueue: "nobody", Timezone: india, MaxDays: 366})

	schedule := must(schedules.Create(ctx, service.ScheduleDraft{
		Submission: exhaust.Submission{
			Dataset:       "uci-response-exhaust",
			Tag:           "weekly",
			Channel:       channel,
			DatasetConfig: []byte(`{"conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6"}`), // without days
		},
		Cron: "0 6 * * 1",
	}))
	fmt.Println(schedule.Tag, "at", schedule.Cron, "in", schedule.Zone)
	for _, firing := range schedule.Next[:2] {
		fmt.Println("it fires on a", firing.In(india).Format("Monday at 15:04"))
	}

	must(schedules.Delete(ctx, channel, schedule.ID))
	_, err := schedules.Read(ctx, channel, schedule.ID)
	fmt.Println(errors.Is(err, service.ErrNoSchedule), err)
	// Output:
	// weekly at 0 6 * * 1 in Asia/Kolkata
	// it fires on a Monday at 06:00
	// it fires on a Monday at 06:00
	// true no schedule available with the given id
}

// waitingSubmission asks for an exhaust that no other example asks for and that is made at night.
func waitingSubmission() exhaust.Submission {
	return exhaust.Submission{
		Dataset:       "uci-response-exhaust",
		Tag:           uuid.NewString(),
		Channel:       channel,
		DatasetConfig: []byte(`{"conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6"}`),
		RunAt:         exhaust.RunNightly,
	}
}

// startService makes a service of exhausts with all that belongs to it: a database with one conversation and one device
// that is registered to it, a store without telemetry, one for reports, and a worker.
func startService() (exhausts *service.Exhausts, stop func()) {
	ctx := context.Background()
	folder := must(os.MkdirTemp("", "exhausts-example-"))
	db := must(database.Open(ctx, "sqlite://"+filepath.Join(folder, "exhaust.db")))
	fillRegistry(ctx, db)
	jobs := jobtable.New(db)
	check(jobs.Migrate(ctx))

	files := http.NewServeMux()
	server := httptest.NewServer(files)
	reports := must(blob.NewLocal(filepath.Join(folder, "reports"), blob.LocalOptions{
		BaseURL: server.URL + "/files/reports", Key: bytes.Repeat([]byte("k"), 32),
	}))
	files.Handle("/files/reports/", http.StripPrefix("/files/reports", reports.Handler()))

	taskQueue := filepath.Base(folder)
	steps := activities.New(
		activities.Dependencies{
			UCI: must(registry.NewUCI(db, db, registry.Tables{
				Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities",
			})),
			Jobs:      jobs,
			Telemetry: must(blob.NewLocal(filepath.Join(folder, "telemetry"), blob.LocalOptions{})),
			Reports:   reports,
		},
		activities.Settings{
			Layout: must(telemetry.ParseLayout("{yyyy}-{MM}-{dd}")), Timezone: time.UTC, MaxDays: 366, URLTTL: 24 * time.Hour,
			CSV: report.Options{Dialect: report.RFC4180}, ReceiptKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		},
	)
	var workers []worker.Worker
	for _, queue := range append([]string{taskQueue}, workflows.LongQueues(taskQueue)...) {
		w := worker.New(temporalClient, queue, worker.Options{DisableWorkflowWorker: queue != taskQueue})
		w.RegisterActivity(steps)
		if queue == taskQueue {
			w.RegisterWorkflow(workflows.Exhaust)
			w.RegisterWorkflow(workflows.Parked)
		}
		check(w.Start())
		workers = append(workers, w)
	}

	exhausts = service.NewExhausts(temporalClient, jobs, reports, service.Settings{
		TaskQueue: taskQueue, Timezone: time.UTC, MaxDays: 366, URLTTL: 24 * time.Hour, Timeout: time.Hour,
		Mode: exhaust.RunNow, ReportRetention: 30 * 24 * time.Hour,
	})
	return exhausts, func() {
		for _, w := range workers {
			w.Stop()
		}
		server.Close()
		check(db.Close())
		check(os.RemoveAll(folder))
	}
}

func fillRegistry(ctx context.Context, db *database.DB) {
	check(sample.CreateEmbeddedTables(ctx, db))
	for query, args := range map[string][]any{
		`INSERT INTO bot (id, name, ownerorgid) VALUES ($1, 'Helpdesk', $2)`:         {conversation, channel},
		`INSERT INTO users (id, data) VALUES ($1, '{}')`:                             {device},
		`INSERT INTO user_registrations (users_id, applications_id) VALUES ($1, $2)`: {device, conversation},
	} {
		must(db.Exec(ctx, query, args...))
	}
}

func download(url string) string {
	response := must(http.Get(url))
	defer response.Body.Close()
	return string(must(io.ReadAll(response.Body)))
}

// must panics rather than ends the process: so TestMain still stops Temporal.
func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
