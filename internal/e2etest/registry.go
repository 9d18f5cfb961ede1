package e2etest

import (
	"database/sql"
	"testing"
)

// Registry is UCI's tables. Conversations may be in another database than the rest.
type Registry struct {
	Conversations, Users *sql.DB
	// InsertConversation has the placeholders id, name, channel, first and last day.
	InsertConversation string
	// Settings are those with which a deployment reads these tables; none where they are the stack's.
	Settings []string
}

// OlderSchema has the tables as an older release of UCI has them (contract section 7).
const OlderSchema = `
	CREATE TABLE bot (id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date);
	CREATE TABLE users (id uuid PRIMARY KEY, data jsonb);
	CREATE TABLE user_registrations (users_id uuid, applications_id uuid, PRIMARY KEY (applications_id, users_id));
	CREATE TABLE identities (users_id uuid, username text, PRIMARY KEY (users_id, username))`

// OlderRegistry is the registry of a database with the tables of [OlderSchema].
func OlderRegistry(db *sql.DB) *Registry {
	const insert = `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`
	return &Registry{Conversations: db, Users: db, InsertConversation: insert}
}

// AddConversation adds a conversation; a day that is "" is none.
func (r *Registry) AddConversation(t testing.TB, id, name, channel, start, end string) {
	t.Helper()
	day := func(d string) sql.NullString { return sql.NullString{String: d, Valid: d != ""} }
	_, err := r.Conversations.ExecContext(t.Context(), r.InsertConversation, id, name, channel, day(start), day(end))
	Must(t, err)
}

// Exec changes the tables of users.
func (r *Registry) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := r.Users.ExecContext(t.Context(), statement, args...)
	Must(t, err)
}
