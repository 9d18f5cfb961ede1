package registry

import "data-exhaust/database"

// deviceSQL is device(n) in SQL, of the type of one of UCI's columns.
func (p platform) deviceSQL(of, name string) string {
	t := map[string]*table{"users": p.UCI.tables.users, "registrations": p.UCI.tables.registrations}[of]
	return deviceSQL(p.db, t.columns[name].kind)
}

func deviceSQL(db *database.DB, kind string) string {
	if db.Dialect() == database.SQLite {
		return `printf('d0000000-0000-4000-8000-%012d', n)`
	}
	id := `('d0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))`
	if kind == "uuid" {
		return id + "::uuid"
	}
	return id
}
