package registry

import (
	"slices"
	"testing"
)

func TestSampleTablesAreMadeOnceHoweverManyAsk(t *testing.T) {
	url := emptyDatabase(t, PostgreSQL)
	db := open(t, url)
	failures := make(chan error, 4)
	for range cap(failures) {
		other := open(t, url)
		go func() { failures <- CreateSampleTables(t.Context(), other) }()
	}
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	if err := CheckSampleTables(t.Context(), db); err != nil {
		t.Error(err)
	}
	var tables []string
	if err := db.sqlx.SelectContext(t.Context(), &tables, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"bot", "identities", "user_registrations", "users"}; !slices.Equal(tables, want) {
		t.Errorf("tables %q, want %q", tables, want)
	}
}

func TestSampleDataNeverGoesIntoTablesThatAreNotOfSampleData(t *testing.T) {
	url := emptyDatabase(t, PostgreSQL)
	db := open(t, url)
	if err := CheckSampleTables(t.Context(), db); err == nil || err.Error() != db.where+" has no table bot" {
		t.Errorf("an empty database: %v", err)
	}
	must(t, db, "CREATE TABLE users (id uuid PRIMARY KEY, data jsonb)")
	want := "make tables for sample data in " + db.where + ": table users is there and is not of sample data, so it is left alone"
	if err := CreateSampleTables(t.Context(), db); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var tables []string
	if err := db.sqlx.SelectContext(t.Context(), &tables, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tables, []string{"users"}) {
		t.Errorf("tables %q are left, want users alone", tables)
	}
	must(t, db, "CREATE TABLE bot (id uuid)")
	want = db.where + ": table bot is there and is not of sample data, so it is left alone"
	if err := CheckSampleTables(t.Context(), db); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
