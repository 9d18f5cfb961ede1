package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// engineMode makes one exhaust by the worker's own steps, as the workflow would have them done, without Temporal. Its
// arguments are a job, as JSON, and an empty folder. It prints the path of the report.
const engineMode = "engine"

func runEngine(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("engine needs a job and a folder")
	}
	var j job
	if err := json.Unmarshal([]byte(args[0]), &j); err != nil {
		return err
	}
	// Temporal's SDK would read the whole program for this, once for all that a worker ever does.
	worker.SetBinaryChecksum("bench")
	e, err := newEngine(ctx, j, args[1])
	if err != nil {
		return err
	}
	path, err := e.makeExhaust(ctx)
	if err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}

// job is all that the engine is told of a corpus.
type job struct {
	Dir          home
	Conversation exhaust.Conversation
	First, Last  exhaust.Day
}

// engine is the worker's steps for one job.
type engine struct {
	*activities.Activities
	job job
	dir string
}

func newEngine(ctx context.Context, j job, dir string) (*engine, error) {
	telemetryStore, err := blob.NewLocal(j.Dir.telemetry(), blob.LocalOptions{})
	if err != nil {
		return nil, err
	}
	reportStore, err := blob.NewLocal(dir, blob.LocalOptions{})
	if err != nil {
		return nil, err
	}
	// The process ends with the databases open, as it would if it were killed.
	uciDatabase, err := database.Open(ctx, j.Dir.registryURL())
	if err != nil {
		return nil, err
	}
	uci, err := registry.NewUCI(uciDatabase, uciDatabase, registry.Tables{
		Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities",
	})
	if err != nil {
		return nil, err
	}
	jobsDatabase, err := database.Open(ctx, "sqlite://"+filepath.Join(dir, "jobs.db"))
	if err != nil {
		return nil, err
	}
	recorded := jobs.New(jobsDatabase)
	if err := recorded.Migrate(ctx); err != nil {
		return nil, err
	}
	layout, err := telemetry.ParseLayout("{yyyy}-{MM}-{dd}")
	if err != nil {
		return nil, err
	}
	return &engine{job: j, dir: dir, Activities: activities.New(activities.Dependencies{
		Confirm: func(context.Context, any) error { return nil }, ConfirmedFor: time.Hour,
		UCI: uci, Jobs: recorded, Telemetry: telemetryStore, Reports: reportStore,
	}, activities.Settings{
		Layout: layout, Timezone: time.UTC, MaxDays: 366, URLTTL: time.Hour,
		CSV: report.Options{Dialect: report.RFC4180, FormulaGuard: true},
		// A worker's own (internal/app).
		InlineObjects: 64, DevicesInMemory: 10_000,
		ReceiptKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Version: "bench",
	})}, nil
}

// makeExhaust does what workflows.Exhaust does in the order in which it does it, from the plan to the report, whose path it
// returns.
func (e *engine) makeExhaust(ctx context.Context) (string, error) {
	const staging = "staging/bench/run/"
	first, last, conversation := e.job.First, e.job.Last, e.job.Conversation
	request := exhaust.Request{
		ID: "BENCH", Dataset: exhaust.ResponseExhaust, Tag: "bench", Channel: conversation.Channel, ConversationID: conversation.ID,
		Config: []byte(`{}`), OutputFormat: "csv", StartDate: first, EndDate: last, SubmittedAt: time.Now(),
	}
	plan, err := step[activities.Plan](e, e.PlanExhaust, activities.PlanInput{
		Job: exhaust.Job{Request: request, State: exhaust.State{Status: exhaust.Processing}}, Staging: staging,
	})
	if err != nil {
		return "", err
	}
	build := activities.BuildInput{
		Request: request, Conversation: plan.Conversation, StartDate: plan.StartDate, EndDate: plan.EndDate, Staging: staging, Completed: time.Now(),
	}
	read := make([]activities.Fetched, len(plan.Parts))
	group, _ := errgroup.WithContext(ctx)
	group.SetLimit(min(partsAtOnce, runtime.GOMAXPROCS(0)))
	for _, part := range plan.Parts {
		build.Counts.ObjectsListed += part.Objects
		build.ListedAt = part.ListedAt
		group.Go(func() (err error) {
			read[part.Number], err = step[activities.Fetched](e, e.FetchTelemetry, activities.FetchInput{
				Dataset: request.Dataset, Channel: conversation.Channel, ConversationID: conversation.ID, Staging: staging, Part: part,
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	for _, fetched := range read {
		build.Segments = append(build.Segments, fetched.Segments...)
		build.Read = append(build.Read, fetched.Read...)
		build.ReadInline = append(build.ReadInline, fetched.ReadInline...)
		build.Counts.Add(fetched.Counts())
	}
	built, err := step[activities.Built](e, e.BuildReport, build)
	return filepath.Join(e.dir, filepath.FromSlash(built.Report)), err
}

// partsAtOnce is how many parts of one exhaust the workflow has read at a time; a worker takes as many as it has cores.
const partsAtOnce = 4

// step runs one activity, without a server.
func step[T any](e *engine, activity, input any) (result T, err error) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Hour)
	env.RegisterActivity(e.Activities)
	value, err := env.ExecuteActivity(activity, input)
	if err != nil {
		return result, err
	}
	return result, value.Get(&result)
}

// measureEngine has an exhaust made by a process of its own, and hands its report to use.
func (c *corpus) measureEngine(ctx context.Context, use func(report string) error) (cost, error) {
	dir, err := os.MkdirTemp("", "bench-engine-")
	if err != nil {
		return cost{}, err
	}
	defer os.RemoveAll(dir)
	program, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	first, last := c.days()
	of, err := json.Marshal(job{Dir: c.dir, Conversation: c.conversation, First: first, Last: last})
	if err != nil {
		return cost{}, err
	}
	var path output
	took, err := measure(ctx, &path, program, engineMode, string(of), dir)
	if err != nil {
		return cost{}, err
	}
	return took, use(path.String())
}
