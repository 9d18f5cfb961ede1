package database_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
)

func TestADatabaseIsNotAvailableByHowItStandsAndNotByWhatItIsAsked(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		if _, err := db.Exec(t.Context(), "CREATE TABLE one (id TEXT PRIMARY KEY CHECK (id <> 'never'))"); err != nil {
			t.Fatal(err)
		}
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		for _, test := range []struct {
			name, query   string
			ctx           context.Context
			args          []any
			isUnavailable bool
		}{
			{"a table that is not there", "SELECT * FROM absent", t.Context(), nil, true},
			{"a deadline", "SELECT 1", late, nil, true},
			{"no SQL", "SELEC 1", t.Context(), nil, false},
			{"a value that the table refuses", "INSERT INTO one VALUES ($1)", t.Context(), []any{"never"}, false},
		} {
			_, err := db.Exec(test.ctx, test.query, test.args...)
			if err == nil || database.IsUnavailable(err) != test.isUnavailable {
				t.Errorf("%s: %v, not available %t", test.name, err, !test.isUnavailable)
			}
		}
		if db.Dialect() == database.PostgreSQL {
			_, err := db.Exec(t.Context(), "SELECT $1::text", "a\x00b")
			if err == nil || database.IsUnavailable(err) {
				t.Errorf("a text that PostgreSQL does not take: %v", err)
			}
		}
	})
	if database.IsUnavailable(errors.New("column download_urls is no JSON list of texts")) {
		t.Error("what a row holds says nothing of whether the database is there")
	}
}
