package registry

import (
	"context"
	"fmt"
)

// CreateSample makes UCI's four tables in the embedded database, where they are missing, so that
// everything runs without UCI. Ids are uuids in lower case.
func CreateSample(ctx context.Context, db *DB) error {
	if db.dialect != SQLite {
		return fmt.Errorf("%s: UCI's tables are only made in the embedded database; elsewhere they are UCI's own", db.where)
	}
	if _, err := db.sqlx.ExecContext(ctx, sampleTables); err != nil {
		return fmt.Errorf("make UCI's tables in %s: %w", db.where, clean(ctx, err))
	}
	return nil
}

const sampleTables = `
CREATE TABLE IF NOT EXISTS bot (
    id TEXT PRIMARY KEY, name TEXT, ownerorgid TEXT, startdate TEXT, enddate TEXT);
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY, data TEXT);
CREATE TABLE IF NOT EXISTS user_registrations (
    users_id TEXT NOT NULL, applications_id TEXT NOT NULL, PRIMARY KEY (applications_id, users_id));
CREATE TABLE IF NOT EXISTS identities (
    users_id TEXT NOT NULL, username TEXT NOT NULL, PRIMARY KEY (users_id, username));`
