package registry

import (
	"fmt"
	"testing"

	"github.com/jmoiron/sqlx"
)

type sqlxTx = sqlx.Tx

// fill runs a statement that selects from numbers, the column n of 1 to count.
func fill(t testing.TB, db *DB, count int, statement string) {
	t.Helper()
	must(t, db, numbered(db, count, statement))
}

func numbered(db *DB, count int, statement string) string {
	numbers := fmt.Sprintf("(SELECT n FROM generate_series(1, %d) AS n) AS numbers", count)
	if db.dialect == SQLite {
		numbers = fmt.Sprintf("(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n FROM c) AS numbers", count)
	}
	before, after := cutLast(statement, " FROM numbers")
	return before + " FROM " + numbers + after
}

func cutLast(s, sep string) (before, after string) {
	for i := len(s) - len(sep); i >= 0; i-- {
		if s[i:i+len(sep)] == sep {
			return s[:i], s[i+len(sep):]
		}
	}
	panic("no " + sep + " in " + s)
}

// deviceSQL is device(n) in SQL, of the type of one of UCI's columns.
func (p platform) deviceSQL(of, name string) string {
	t := map[string]*table{"users": p.UCI.tables.users, "registrations": p.UCI.tables.registrations}[of]
	return deviceSQL(p.db, t.columns[name].kind)
}

func deviceSQL(db *DB, kind string) string {
	if db.dialect == SQLite {
		return `printf('d0000000-0000-4000-8000-%012d', n)`
	}
	id := `('d0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))`
	if kind == "uuid" {
		return id + "::uuid"
	}
	return id
}
