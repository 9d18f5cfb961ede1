package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"data-exhaust/config"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
	"data-exhaust/jobs"
	"data-exhaust/receipt"
	"data-exhaust/registry"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// TestEveryAnswerIsTheRightOneThroughPgBouncer runs all that the product asks its three databases for, from several
// processes at once, over fewer connections to the server than they have to PgBouncer.
func TestEveryAnswerIsTheRightOneThroughPgBouncer(t *testing.T) {
	const processes, tenantsOfEach, rounds = 3, 4, 20
	cfg := config.Config{
		DatabaseURL:           dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL)),
		UCIDatabaseURL:        dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL)),
		FusionAuthDatabaseURL: dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL)),
	}
	dbtest.AtOnce(t, processes*tenantsOfEach, func(int) error { return Migrate(context.Background(), cfg) })

	var tenants []*tenant
	for range processes {
		dbs, err := openDatabases(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := dbs.Close(); err != nil {
				t.Error(err)
			}
		})
		uci, err := registry.NewUCI(dbs.uci, dbs.fusionAuth, registry.Tables{
			Conversations: `"Bot"`, Users: "users", Registrations: "user_registrations", Identities: "identities",
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(tenants) == 0 {
			dbtest.Exec(t, dbs.uci, `CREATE TABLE "Bot" (id uuid PRIMARY KEY, name text, "ownerOrgID" text, "startDate" timestamp(3), "endDate" timestamp(3))`)
			dbtest.Exec(t, dbs.fusionAuth, `CREATE TABLE users (id uuid PRIMARY KEY, data jsonb);
				CREATE TABLE user_registrations (users_id uuid, applications_id uuid, PRIMARY KEY (applications_id, users_id));
				CREATE TABLE identities (users_id uuid, username text, PRIMARY KEY (users_id, username))`)
		}
		for range tenantsOfEach {
			c := &tenant{number: len(tenants), jobs: jobs.New(dbs.exhaust), uci: uci}
			c.register(t, dbs)
			tenants = append(tenants, c)
		}
	}
	start := time.Now()
	dbtest.AtOnce(t, len(tenants), func(i int) error {
		for round := range rounds {
			if err := tenants[i].do(round); err != nil {
				return fmt.Errorf("tenant %d, round %d: %w", i, round, err)
			}
		}
		return nil
	})
	compared := 0
	for _, c := range tenants {
		compared += c.compared
	}
	t.Logf("%d answers compared in %s", compared, time.Since(start).Round(time.Millisecond))
}

// tenant has a channel, a conversation and devices of its own, so that the answer of another's statement is a wrong one.
type tenant struct {
	number       int
	jobs         *jobs.Jobs
	uci          *registry.UCI
	conversation exhaust.Conversation
	devices      []exhaust.Device
	// done are its exhausts, the newest first.
	done     []exhaust.Job
	compared int
}

const devicesOfEach = 20

// register puts the tenant's conversation and devices into the registry. Every third device has refused consent, every
// third has given it, every second has an identity.
func (c *tenant) register(t *testing.T, dbs *databases) {
	t.Helper()
	id := func(kind, n int) uuid.UUID {
		return uuid.MustParse(fmt.Sprintf("%08d-0000-4000-8000-%04d%08d", kind, c.number, n))
	}
	c.conversation = exhaust.Conversation{
		ID: id(1, 0).String(), Name: fmt.Sprintf("Bot %d", c.number), Channel: fmt.Sprintf("channel-%d", c.number),
		StartDate: exhaust.Day(fmt.Sprintf("2022-03-%02d", c.number+1)), EndDate: "2022-04-30",
	}
	dbtest.Exec(t, dbs.uci, `INSERT INTO "Bot" VALUES ($1, $2, $3, $4, $5)`,
		c.conversation.ID, c.conversation.Name, c.conversation.Channel, c.conversation.StartDate, c.conversation.EndDate)
	consents := []struct {
		data    string
		consent exhaust.Consent
	}{{`{"device":{"consent":true}}`, exhaust.ConsentGiven}, {`{"device":{"consent":false}}`, exhaust.ConsentRefused}, {`{}`, exhaust.ConsentUnrecorded}}
	for n := range devicesOfEach {
		recorded := consents[n%len(consents)]
		device := exhaust.Device{ID: id(2, n), Consent: recorded.consent}
		dbtest.Exec(t, dbs.fusionAuth, `INSERT INTO users VALUES ($1, $2)`, device.ID.String(), recorded.data)
		dbtest.Exec(t, dbs.fusionAuth, `INSERT INTO user_registrations VALUES ($1, $2)`, device.ID.String(), c.conversation.ID)
		if n%2 == 0 {
			device.Username = fmt.Sprintf("secret-%d-%d", c.number, n)
			dbtest.Exec(t, dbs.fusionAuth, `INSERT INTO identities VALUES ($1, $2)`, device.ID.String(), device.Username)
		}
		c.devices = append(c.devices, device)
	}
}

// do makes an exhaust as the product does, and asks for everything that can be asked.
func (c *tenant) do(round int) error {
	ctx := context.Background()
	job := c.submission(round)
	return errors.Join(
		c.lookUp(ctx),
		c.live(ctx, job),
		c.find(ctx),
		c.rememberKey(ctx, round),
		c.jobs.Migrate(ctx), // as another release's setup may at any time
	)
}

func (c *tenant) submission(round int) exhaust.Job {
	at := time.Date(2022, 4, 6, 10, round, c.number, 79_000_000, time.UTC)
	return exhaust.Job{
		Request: exhaust.Request{
			ID: fmt.Sprintf("%02d-%04d", c.number, round), Dataset: exhaust.ResponseExhaust, Tag: "tag", Channel: c.conversation.Channel,
			RequestedBy: fmt.Sprintf("user %d", c.number), Config: json.RawMessage(fmt.Sprintf(`{"tenant":%d,"round":%d}`, c.number, round)),
			OutputFormat: "csv", ConversationID: c.conversation.ID, StartDate: "2022-03-01", EndDate: "2022-04-01", SubmittedAt: at,
		},
		State: exhaust.State{Status: exhaust.Submitted, UpdatedAt: at},
	}
}

// live takes an exhaust from its submission to the day its report expires.
func (c *tenant) live(ctx context.Context, job exhaust.Job) error {
	if err := c.jobs.Submit(ctx, job); err != nil {
		return err
	}
	if err := c.wantJob(ctx, job); err != nil {
		return err
	}
	job.Status, job.UpdatedAt = exhaust.Processing, job.SubmittedAt.Add(time.Second)
	job.Progress = exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 1000, BytesRead: int64(c.number), Percent: 1}
	if err := c.jobs.Save(ctx, job); err != nil {
		return err
	}
	lower, higher := job.Progress, job.Progress
	lower.BytesRead, higher.BytesRead, higher.Percent = 0, int64(100+c.number), 50
	for _, p := range []exhaust.Progress{higher, lower} {
		raised, err := c.jobs.RaiseProgress(ctx, job.ID, 0, p)
		if err := c.want(raised, err, higher); err != nil {
			return err
		}
	}
	job.Progress = higher
	if err := c.wantJob(ctx, job); err != nil {
		return err
	}
	job.Status, job.CompletedAt, job.ExecutionTime = exhaust.Success, job.SubmittedAt.Add(time.Minute), time.Minute
	job.Progress = exhaust.Progress{Phase: exhaust.Done, BytesTotal: 1000, BytesRead: 1000, RowsWritten: int64(c.number), Percent: 100}
	job.Report = job.ID + ".csv"
	if err := c.jobs.Save(ctx, job); err != nil {
		return err
	}
	job.DownloadURLs, job.ExpiresAt = []string{"https://store/" + job.ID}, job.CompletedAt.Add(24*time.Hour)
	if err := c.jobs.SaveURLs(ctx, job); err != nil {
		return err
	}
	if err := c.wantJob(ctx, job); err != nil {
		return err
	}
	dropped, err := c.jobs.DropReport(ctx, job, "expired")
	if err := c.want(dropped, err, true); err != nil {
		return err
	}
	job.Report, job.DownloadURLs, job.ExpiresAt, job.Message = "", []string{}, time.Time{}, "expired"
	c.done = append([]exhaust.Job{job}, c.done...)
	return c.wantJob(ctx, job)
}

func (c *tenant) wantJob(ctx context.Context, want exhaust.Job) error {
	got, err := c.jobs.Job(ctx, want.ID)
	return c.want(got, err, want)
}

// find asks for the tenant's exhausts in each way.
func (c *tenant) find(ctx context.Context) error {
	done, configs := make([]exhaust.Job, len(c.done)), map[string]json.RawMessage{}
	for i, job := range c.done {
		configs[job.ID] = job.Config
		done[i] = job
		done[i].Config = nil // which Configs gives
	}
	found, err := c.jobs.Configs(ctx, slices.Collect(maps.Keys(configs)))
	err = c.want(found, err, configs)
	listed, failure := c.jobs.List(ctx, "tag", c.conversation.Channel, 0)
	err = errors.Join(err, c.want(listed, failure, done))
	newest := min(3, len(done))
	searched, failure := c.jobs.Search(ctx, jobs.Search{Channel: c.conversation.Channel, Limit: 3})
	err = errors.Join(err, c.want(searched, failure, done[:newest]))
	selected, failure := c.jobs.Select(ctx, jobs.Selection{
		Status: exhaust.Success, Channel: c.conversation.Channel, ConversationID: strings.ToUpper(c.conversation.ID), From: c.done[0].SubmittedAt,
	})
	return errors.Join(err, c.want(selected, failure, done[:1]))
}

// lookUp asks the registry for all it has of the tenant.
func (c *tenant) lookUp(ctx context.Context) error {
	found, err := c.uci.Conversation(ctx, strings.ToUpper(c.conversation.ID), c.conversation.Channel)
	err = c.want(found, err, c.conversation)
	var ids []uuid.UUID
	var texts []string
	for _, d := range c.devices {
		ids, texts = append(ids, d.ID), append(texts, d.ID.String())
	}
	devices, failure := c.uci.Devices(ctx, ids, true)
	err = errors.Join(err, c.want(devices, failure, c.devices))
	const half = devicesOfEach / 2
	page, next, failure := c.uci.Registered(ctx, c.conversation.ID, "", half)
	err = errors.Join(err, c.want(page, failure, texts[:half]))
	page, _, failure = c.uci.Registered(ctx, c.conversation.ID, next, half)
	return errors.Join(err, c.want(page, failure, texts[half:]))
}

// rememberKey records a key of the tenant's and finds it among everybody's.
func (c *tenant) rememberKey(ctx context.Context, round int) error {
	key := receipt.PublicKey{ID: fmt.Sprintf("key-%d-%d", c.number, round), Key: fmt.Sprintf("public-%d-%d", c.number, round)}
	if err := c.jobs.SaveReceiptKey(ctx, key); err != nil {
		return err
	}
	keys, err := c.jobs.ReceiptKeys(ctx)
	if err != nil {
		return err
	}
	found := map[string]receipt.PublicKey{}
	for _, k := range keys {
		found[k.ID] = k.PublicKey
	}
	return c.want(found[key.ID], nil, key)
}

func (c *tenant) want(got any, err error, want any) error {
	c.compared++
	if err == nil && normal(got) != normal(want) {
		err = fmt.Errorf("got  %+v\nwant %+v", got, want)
	}
	return err
}

// normal is a value's JSON, in which an instant is the same in each zone's clothes.
func normal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the test's own types
	}
	return string(text)
}
