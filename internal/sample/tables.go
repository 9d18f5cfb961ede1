package sample

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"data-exhaust/database"
)

// sampleMark is the comment on tables that hold sample data. UCI's own have none such.
const sampleMark = "sample data of Data Exhaust"

// postgresTables have UCI's types.
var postgresTables = []struct{ table, columns string }{
	{"bot", "id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date"},
	{"users", "id uuid PRIMARY KEY, data jsonb"},
	{"user_registrations", "users_id uuid NOT NULL, applications_id uuid NOT NULL, PRIMARY KEY (applications_id, users_id)"},
	{"identities", "users_id uuid NOT NULL, username text NOT NULL, PRIMARY KEY (users_id, username)"},
}

// CreateTables makes UCI's four tables for sample data in a PostgreSQL database that has none of them, and keeps those of
// sample data that are there already. Where one of the tables is there and is not of sample data it fails, and makes
// nothing.
func CreateTables(ctx context.Context, db *database.DB) error {
	if err := db.Write(ctx, func(tx *sqlx.Tx) error { return createTables(ctx, tx) }); err != nil {
		return fmt.Errorf("make tables for sample data in %s: %w", db, err)
	}
	return nil
}

func createTables(ctx context.Context, tx *sqlx.Tx) error {
	// Two that make the same table at once would fail on PostgreSQL's own catalogue.
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", sampleMark); err != nil {
		return err
	}
	for _, t := range postgresTables {
		owner, err := ownerOf(ctx, tx, t.table)
		switch {
		case err != nil:
			return err
		case owner == foreign:
			return errForeign(t.table)
		case owner == ours:
			continue
		}
		create := fmt.Sprintf("CREATE TABLE %s (%s); COMMENT ON TABLE %s IS %s", t.table, t.columns, t.table, pq.QuoteLiteral(sampleMark))
		if _, err := tx.ExecContext(ctx, create); err != nil {
			return err
		}
	}
	return nil
}

// CheckTables is an error unless UCI's four tables of a PostgreSQL database are those that CreateTables made.
func CheckTables(ctx context.Context, db *database.DB) error {
	for _, t := range postgresTables {
		owner, err := ownerOf(ctx, db.Pool(), t.table)
		switch {
		case err != nil:
			return fmt.Errorf("look at table %s of %s: %w", t.table, db, database.Clean(ctx, err))
		case owner == nobody:
			return fmt.Errorf("%s has no table %s", db, t.table)
		case owner == foreign:
			return fmt.Errorf("%s: %w", db, errForeign(t.table))
		}
	}
	return nil
}

func errForeign(table string) error {
	return fmt.Errorf("table %s is there and is not of sample data, so it is left alone", table)
}

// tableOwner is whose a table is.
type tableOwner int

const (
	nobody tableOwner = iota
	foreign
	ours
)

func ownerOf(ctx context.Context, q sqlx.QueryerContext, table string) (owner tableOwner, err error) {
	err = q.QueryRowxContext(ctx, `SELECT CASE
		WHEN to_regclass($1) IS NULL THEN 0
		WHEN obj_description(to_regclass($1), 'pg_class') IS DISTINCT FROM $2 THEN 1
		ELSE 2 END`, table, sampleMark).Scan(&owner)
	return owner, err
}

// CreateEmbeddedTables makes UCI's four tables in the embedded database, where they are missing, so that
// everything runs without UCI. Ids are uuids in lower case.
func CreateEmbeddedTables(ctx context.Context, db *database.DB) error {
	if db.Dialect() != database.SQLite {
		return fmt.Errorf("%s: UCI's tables are only made in the embedded database; elsewhere they are UCI's own", db)
	}
	if _, err := db.Exec(ctx, embeddedTables); err != nil {
		return fmt.Errorf("make UCI's tables in %s: %w", db, err)
	}
	return nil
}

const embeddedTables = `
CREATE TABLE IF NOT EXISTS bot (
    id TEXT PRIMARY KEY, name TEXT, ownerorgid TEXT, startdate TEXT, enddate TEXT);
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY, data TEXT);
CREATE TABLE IF NOT EXISTS user_registrations (
    users_id TEXT NOT NULL, applications_id TEXT NOT NULL, PRIMARY KEY (applications_id, users_id));
CREATE TABLE IF NOT EXISTS identities (
    users_id TEXT NOT NULL, username TEXT NOT NULL, PRIMARY KEY (users_id, username));`
