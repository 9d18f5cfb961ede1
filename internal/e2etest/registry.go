package e2etest

import (
	"database/sql"
	"testing"
)

// Registry is UCI's tables. Conversations may be in another database than the rest.
type Registry struct {
	// Settings are those with which a deployment reads these tables; none where they are the stack's.
	Settings []string

	conversations, users *sql.DB
	insertConversation   string
}

// The tables as UCI's releases have them (contract section 7). FusionAuth keeps data as text, an older
// release of UCI as jsonb.
const (
	botSchema = `
		CREATE TABLE "Bot" (id uuid PRIMARY KEY, "createdAt" timestamp(3) NOT NULL DEFAULT now(), name text NOT NULL,
			"ownerOrgID" text, "startDate" timestamp(3), "endDate" timestamp(3))`
	fusionAuthSchema = `
		CREATE TABLE users (id uuid PRIMARY KEY, data text);
		CREATE TABLE user_registrations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), applications_id uuid NOT NULL, users_id uuid NOT NULL);
		CREATE UNIQUE INDEX ON user_registrations (applications_id, users_id);
		CREATE TABLE identities (id bigserial PRIMARY KEY, username varchar(191), users_id uuid NOT NULL);
		CREATE INDEX ON identities (users_id)`
	olderSchema = `
		CREATE TABLE bot (id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date);
		CREATE TABLE users (id uuid PRIMARY KEY, data jsonb);
		CREATE TABLE user_registrations (users_id uuid, applications_id uuid, PRIMARY KEY (applications_id, users_id));
		CREATE TABLE identities (users_id uuid, username text, PRIMARY KEY (users_id, username))`

	insertConversation      = `INSERT INTO "Bot" (id, name, "ownerOrgID", "startDate", "endDate") VALUES ($1, $2, $3, $4, $5)`
	insertOlderConversation = `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`
)

// AddConversation adds a conversation; a day that is "" is none.
func (r *Registry) AddConversation(t testing.TB, id, name, channel, start, end string) {
	t.Helper()
	day := func(d string) sql.NullString { return sql.NullString{String: d, Valid: d != ""} }
	_, err := r.conversations.ExecContext(t.Context(), r.insertConversation, id, name, channel, day(start), day(end))
	Must(t, err)
}

// Exec changes the tables of users.
func (r *Registry) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := r.users.ExecContext(t.Context(), statement, args...)
	Must(t, err)
}
