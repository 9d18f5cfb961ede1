package registry

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// sampleMark is the comment on tables that hold sample data. UCI's own have none such.
const sampleMark = "sample data of Data Exhaust"

// sampleTablesPostgres has UCI's types.
var sampleTablesPostgres = []struct{ table, columns string }{
	{"bot", "id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date"},
	{"users", "id uuid PRIMARY KEY, data jsonb"},
	{"user_registrations", "users_id uuid NOT NULL, applications_id uuid NOT NULL, PRIMARY KEY (applications_id, users_id)"},
	{"identities", "users_id uuid NOT NULL, username text NOT NULL, PRIMARY KEY (users_id, username)"},
}

// CreateSampleTables makes UCI's four tables for sample data in a PostgreSQL database that has none
// of them. Tables of sample data that are there already are kept. It is an error, and nothing is
// made, where one of the tables is there and is not of sample data.
func CreateSampleTables(ctx context.Context, db *DB) error {
	if err := db.createSampleTables(ctx); err != nil {
		return fmt.Errorf("make tables for sample data in %s: %w", db.where, clean(ctx, err))
	}
	return nil
}

func (db *DB) createSampleTables(ctx context.Context) error {
	tx, err := db.sqlx.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	// Two that make the same table at once would fail on PostgreSQL's own catalogue.
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", sampleMark); err != nil {
		return err
	}
	for _, t := range sampleTablesPostgres {
		sort, err := sampleSort(ctx, tx, t.table)
		switch {
		case err != nil:
			return err
		case sort == foreign:
			return notSample(t.table)
		case sort == marked:
			continue
		}
		create := fmt.Sprintf("CREATE TABLE %s (%s); COMMENT ON TABLE %s IS %s", t.table, t.columns, t.table, pq.QuoteLiteral(sampleMark))
		if _, err := tx.ExecContext(ctx, create); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// CheckSampleTables is an error unless UCI's four tables of a PostgreSQL database are those that
// CreateSampleTables made.
func CheckSampleTables(ctx context.Context, db *DB) error {
	for _, t := range sampleTablesPostgres {
		sort, err := sampleSort(ctx, db.sqlx, t.table)
		switch {
		case err != nil:
			return fmt.Errorf("look at table %s of %s: %w", t.table, db.where, clean(ctx, err))
		case sort == missing:
			return fmt.Errorf("%s has no table %s", db.where, t.table)
		case sort == foreign:
			return fmt.Errorf("%s: %w", db.where, notSample(t.table))
		}
	}
	return nil
}

func notSample(table string) error {
	return fmt.Errorf("table %s is there and is not of sample data, so it is left alone", table)
}

// tableSort tells whose a table is.
type tableSort int

const (
	missing tableSort = iota
	foreign
	marked
)

func sampleSort(ctx context.Context, q sqlx.QueryerContext, table string) (tableSort, error) {
	var sort tableSort
	err := q.QueryRowxContext(ctx, `SELECT CASE
		WHEN to_regclass($1) IS NULL THEN 0
		WHEN obj_description(to_regclass($1), 'pg_class') IS DISTINCT FROM $2 THEN 1
		ELSE 2 END`, table, sampleMark).Scan(&sort)
	return sort, err
}
