package sample_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/sample"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

func TestSampleTablesAreMadeOnceHoweverManyAsk(t *testing.T) {
	url := dbtest.URL(t, database.PostgreSQL)
	db := dbtest.Open(t, url)
	failures := make(chan error, 4)
	for range cap(failures) {
		other := dbtest.Open(t, url)
		go func() { failures <- sample.CreateTables(t.Context(), other) }()
	}
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	if err := sample.CheckTables(t.Context(), db); err != nil {
		t.Error(err)
	}
	var tables []string
	if err := db.Pool().SelectContext(t.Context(), &tables, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"bot", "identities", "user_registrations", "users"}; !slices.Equal(tables, want) {
		t.Errorf("tables %q, want %q", tables, want)
	}
}

func TestSampleDataNeverGoesIntoTablesThatAreNotOfSampleData(t *testing.T) {
	url := dbtest.URL(t, database.PostgreSQL)
	db := dbtest.Open(t, url)
	if err := sample.CheckTables(t.Context(), db); err == nil || err.Error() != db.String()+" has no table bot" {
		t.Errorf("an empty database: %v", err)
	}
	dbtest.Exec(t, db, "CREATE TABLE users (id uuid PRIMARY KEY, data jsonb)")
	want := "make tables for sample data in " + db.String() + ": table users is there and is not of sample data, so it is left alone"
	if err := sample.CreateTables(t.Context(), db); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var tables []string
	if err := db.Pool().SelectContext(t.Context(), &tables, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tables, []string{"users"}) {
		t.Errorf("tables %q are left, want users alone", tables)
	}
	dbtest.Exec(t, db, "CREATE TABLE bot (id uuid)")
	want = db.String() + ": table bot is there and is not of sample data, so it is left alone"
	if err := sample.CheckTables(t.Context(), db); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestSampleTablesAreOnlyMadeWhereTheyAreMissingAndOnlyInTheEmbeddedDatabase(t *testing.T) {
	ctx := context.Background()
	db := dbtest.Open(t, dbtest.URL(t, database.SQLite))
	for range 2 {
		if err := sample.CreateEmbeddedTables(ctx, db); err != nil {
			t.Fatal(err)
		}
		dbtest.Exec(t, db, `INSERT INTO users VALUES (lower(hex(randomblob(16))), '{}')`)
	}
	var users int
	if err := db.Pool().Get(&users, `SELECT count(*) FROM users`); err != nil || users != 2 {
		t.Errorf("%d users, %v; the second CreateSample must leave the first's rows", users, err)
	}
	postgres := dbtest.Open(t, dbtest.URL(t, database.PostgreSQL))
	dbtest.WantError(t, sample.CreateEmbeddedTables(ctx, postgres), postgres.String()+": UCI's tables are only made in the embedded database; elsewhere they are UCI's own")
}
