package jobs

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/devstack"
	"data-exhaust/registry"
)

func TestCallsSucceedAgainAfterTheDatabaseRestarted(t *testing.T) {
	ctx, device := context.Background(), uuid.MustParse("d0000000-0000-4000-8000-000000000001")
	own, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	}()
	db := dbtest.Open(t, own.URL("postgres"))
	dbtest.Exec(t, db, `CREATE TABLE bot (id uuid PRIMARY KEY, name text, ownerOrgID text, startDate date, endDate date);
		CREATE TABLE users (id uuid PRIMARY KEY, data text);
		CREATE TABLE user_registrations (applications_id uuid, users_id uuid, PRIMARY KEY (applications_id, users_id));
		CREATE TABLE identities (username text, users_id uuid, PRIMARY KEY (users_id, username))`)
	dbtest.Exec(t, db, `INSERT INTO users (id, data) VALUES ($1, '{}')`, device.String())
	jobs := New(db)
	if err := jobs.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	uci, err := registry.NewUCI(db, db, registry.Tables{Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities"})
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(){
		"Ping": func() {
			if err := db.Ping(ctx); err != nil {
				t.Error(err)
			}
		},
		"Save": func() { save(t, jobs, submitted("A")) },
		"Job": func() {
			save(t, jobs, submitted("A"))
			wantJob(t, jobs, submitted("A"))
		},
		"Devices": func() {
			got, err := uci.Devices(ctx, []uuid.UUID{device}, true)
			if want := []exhaust.Device{{ID: device}}; err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v, %v\nwant %v", got, err, want)
			}
		},
	}
	for name, call := range calls {
		for how, end := range map[string]func() error{"stopped": func() error { return nil }, "crashed": own.Kill} {
			t.Run(name+" after it "+how, func(t *testing.T) {
				fillPool(t, db)
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if err := own.Restart(ctx); err != nil {
					t.Fatal(err)
				}
				call()
			})
		}
	}
}

// fillPool leaves as many idle connections as the pool keeps.
func fillPool(t *testing.T, db *database.DB) {
	t.Helper()
	dbtest.AtOnce(t, 10, func(int) error {
		_, err := db.Pool().Exec(`SELECT pg_sleep(0.05)`)
		return err
	})
	if got := db.Pool().Stats().Idle; got < 2 {
		t.Fatalf("%d idle connections, too few to meet more than one that is dead", got)
	}
}

func TestWhileTheDatabaseIsAwayErrorsSaySoAndContextsEndTheWaiting(t *testing.T) {
	own, err := devstack.StartPostgres(context.Background(), devstack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.Open(t, own.URL("postgres"))
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	address := fmt.Sprintf("127.0.0.1:%d", own.Port)
	_, err = New(db).Job(ctx, "A")
	dbtest.WantError(t, err, "read job A from table job_request of PostgreSQL database postgres at "+address+": dial tcp "+address+": connect: connection refused")
	dbtest.WantError(t, db.Ping(ctx), "PostgreSQL database postgres at "+address+" does not answer: dial tcp "+address+": connect: connection refused")
}
