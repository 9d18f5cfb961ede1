package registry

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/e2etest"
)

// A table of few rows tempts database.PostgreSQL more to read it whole, one of many is what production has.
const (
	rowsOfABigTable    = 100_000
	rowsOfAMiddlingOne = 20_000
)

// slowdown is by how much the race detector slows SQLite, which is Go code. Plans race with nothing.
var slowdown = map[bool]int{false: 1, true: 40}[e2etest.HasRaceDetector]

func TestNoLookUpInUCIReadsABigTableWhole(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		ctx, rows := context.Background(), rowsOfAMiddlingOne
		if p.release.tables == standardTables && p.release.name != releases[2].name {
			rows = rowsOfABigTable
		}
		if p.db.Dialect() == database.SQLite {
			rows /= slowdown
		}
		tables, kind := p.UCI.tables, func(of *table, name string) string { return deviceSQL(p.db, of.columns[name].kind) }
		c := tables.conversations.columns
		dbtest.Fill(t, p.db, rows, fmt.Sprintf(`INSERT INTO %s (%s, %s) SELECT %s, 'name' FROM numbers`,
			tables.conversations.name, bare(c["id"]), bare(c["name"]), kind(tables.conversations, "id")))
		dbtest.Fill(t, p.db, rows, fmt.Sprintf(`INSERT INTO %s (id, data) SELECT %s, '{"device":{"consent":true}}' FROM numbers`,
			tables.users.name, kind(tables.users, "id")))
		dbtest.Fill(t, p.db, rows, fmt.Sprintf(`INSERT INTO %s (users_id, username) SELECT %s, 'name' FROM numbers`,
			tables.identities.name, kind(tables.identities, "users_id")))
		// Half of all registrations are to one conversation.
		dbtest.Fill(t, p.db, rows, fmt.Sprintf(`INSERT INTO %s (users_id, applications_id)
			SELECT %[2]s, CASE n %% 2 WHEN 0 THEN %[3]s ELSE %[2]s END FROM numbers`,
			tables.registrations.name, kind(tables.registrations, "users_id"), castTo(p.db, conversationID, tables.registrations.columns["applications_id"])))
		dbtest.Exec(t, p.db, `ANALYZE`)

		var ids []uuid.UUID
		for i := range lookupBatch {
			ids = append(ids, device(1+i*rows/lookupBatch))
		}
		list, err := tables.users.columns["id"].list(p.db.Dialect(), ids)
		if err != nil {
			t.Fatal(err)
		}
		given := map[uuid.UUID][]string{}
		for i := range 100 {
			given[device(1+i)] = []string{strings.ToUpper(device(1 + i).String())}
		}
		names, err := tables.conversations.columns["id"].listGiven(p.db.Dialect(), given)
		if err != nil {
			t.Fatal(err)
		}
		type statement struct {
			query string
			args  []any
		}
		page := func(after string) statement {
			query, args := tables.registeredQuery(p.db.Dialect(), conversationID, after, 1000)
			return statement{query, args}
		}
		for name, statement := range map[string]statement{
			"conversation":    {tables.conversationQuery(p.db.Dialect()), []any{conversationID, conversationID, strings.ToUpper(conversationID)}},
			"names":           {tables.namesQuery(p.db.Dialect()), []any{names}},
			"users":           {tables.usersQuery(p.db.Dialect()), []any{list}},
			"identities":      {tables.identitiesQuery(p.db.Dialect()), []any{list}},
			"first page":      page(""),
			"page in between": page(device(rows / 2).String()),
		} {
			var scans []string
			err := p.db.Read(ctx, func(tx *sqlx.Tx) (err error) {
				scans, err = dbtest.WholeTableScans(ctx, tx, p.db.Dialect(), statement.query, statement.args)
				return err
			})
			if err != nil || len(scans) > 0 {
				t.Errorf("%s: scans %v, %v\n%s", name, scans, err, statement.query)
			}
		}
	})
}

// bare is the column without its table.
func bare(c column) string { return c.name[strings.LastIndex(c.name, ".")+1:] }

func castTo(db *database.DB, value string, c column) string {
	if db.Dialect() == database.PostgreSQL && c.kind == "uuid" {
		return "'" + value + "'::uuid"
	}
	return "'" + value + "'"
}
