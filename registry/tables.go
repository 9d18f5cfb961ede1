package registry

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"data-exhaust/database"
)

// tableName is a table as a setting names it: bot, Bot, "Bot", uci.bot, uci."Bot".
type tableName struct {
	schema, name identifier
}

type identifier struct {
	text string
	// exact is set by quotes: no other letter case will do.
	exact bool
}

var identifierPattern = regexp.MustCompile(`^(?:([A-Za-z_][A-Za-z0-9_$]{0,62})|"([A-Za-z0-9_$ -]{1,63})")$`)

// CheckTableName says what is wrong with a table's name in a setting.
func CheckTableName(setting string) error {
	_, err := parseTableName(setting)
	return err
}

// parseTableName accepts an identifier, or two with a dot between them, each bare or in double
// quotes. Nothing else can reach SQL.
func parseTableName(setting string) (tableName, error) {
	parts := strings.Split(setting, ".")
	var ids []identifier
	for _, part := range parts {
		m := identifierPattern.FindStringSubmatch(part)
		if m == nil || len(parts) > 2 {
			return tableName{}, fmt.Errorf(`%q is no table name: it is a name like bot, "Bot" or uci.bot, of letters, digits, _ and $`, setting)
		}
		ids = append(ids, identifier{text: m[1] + m[2], exact: m[2] != ""})
	}
	if len(ids) == 1 {
		return tableName{name: ids[0]}, nil
	}
	return tableName{schema: ids[0], name: ids[1]}, nil
}

func (t tableName) String() string {
	if t.schema.text == "" {
		return t.name.text
	}
	return t.schema.text + "." + t.name.text
}

// likeness ranks how well a name in the catalog fits: 0 is as written, 1 is as PostgreSQL folds an
// unquoted name, 2 is equal but for letter case, 3 is another name.
func (id identifier) likeness(name string) int {
	switch {
	case id.text == name:
		return 0
	case id.exact:
		return 3
	case strings.ToLower(id.text) == name:
		return 1
	case strings.EqualFold(id.text, name):
		return 2
	}
	return 3
}

// table is one of UCI's tables as this release of it really is.
type table struct {
	// name is quoted and ready for SQL.
	name    string
	columns map[string]column
}

type column struct {
	// name is quoted and ready for SQL. It has its table before it, since SQLite takes a bare
	// quoted name that is no column for a text.
	name string
	// kind is the column's type as the database spells it, in lower case.
	kind string
}

// catalogTable and catalogColumn are rows of the database's catalog.
type catalogTable struct {
	Schema string `db:"table_schema"`
	Name   string `db:"table_name"`
}

type catalogColumn struct {
	Name string `db:"column_name"`
	Kind string `db:"kind"`
}

// findTable looks the table and its columns up in the catalog, whose letter case differs between
// UCI's releases.
func findTable(ctx context.Context, db *database.DB, wanted tableName, columns ...string) (*table, error) {
	var tables []catalogTable
	if err := db.Select(ctx, &tables, tablesQuery[db.Dialect()], wanted.name.text, wanted.schema.text); err != nil {
		return nil, fmt.Errorf("look for table %s in %s: %w", wanted, db, err)
	}
	found, err := wanted.choose(tables)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", db, err)
	}
	var have []catalogColumn
	if err := db.Select(ctx, &have, columnsQuery[db.Dialect()], found.Name, found.Schema); err != nil {
		return nil, fmt.Errorf("look for the columns of table %s in %s: %w", found, db, err)
	}
	t := &table{name: quote(found.Schema) + "." + quote(found.Name), columns: map[string]column{}}
	for _, name := range columns {
		chosen, ok := chooseColumn(name, have)
		if !ok {
			return nil, fmt.Errorf("%s: table %s has no column %s in any letter case; it has %s",
				db, found, name, columnNames(have))
		}
		t.columns[name] = column{name: t.name + "." + quote(chosen.Name), kind: chosen.Kind}
	}
	return t, nil
}

// tablesQuery lists the tables and views of a name in any letter case, those of schemas that come
// first in the search path first. $2 is the schema, or "" for those in the search path.
var tablesQuery = map[database.Dialect]string{
	database.PostgreSQL: `
SELECT n.nspname AS table_schema, c.relname AS table_name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE lower(c.relname) = lower($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN $2 = '' THEN n.nspname = ANY (current_schemas(false)) ELSE lower(n.nspname) = lower($2) END
ORDER BY array_position(current_schemas(false), n.nspname), n.nspname, c.relname`,
	database.SQLite: `
SELECT schema AS table_schema, name AS table_name FROM pragma_table_list
WHERE lower(name) = lower($1) AND ($2 = '' OR lower(schema) = lower($2))
ORDER BY schema <> 'main', name`,
}

// columnsQuery lists a table's columns; a domain counts as the type under it.
var columnsQuery = map[database.Dialect]string{
	database.PostgreSQL: `
SELECT a.attname AS column_name,
       format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL) AS kind
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE c.relname = $1 AND n.nspname = $2 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum`,
	database.SQLite: `
SELECT name AS column_name, lower(type) AS kind FROM pragma_table_info($1, $2) ORDER BY cid`,
}

func (t catalogTable) String() string { return quote(t.Schema) + "." + quote(t.Name) }

// choose takes the best likeness; among equals the first in the search path.
func (t tableName) choose(tables []catalogTable) (catalogTable, error) {
	rank := func(c catalogTable) int {
		schema := 0
		if t.schema.text != "" {
			schema = t.schema.likeness(c.Schema)
		}
		return max(schema, t.name.likeness(c.Name))
	}
	tables = slices.DeleteFunc(slices.Clone(tables), func(c catalogTable) bool { return rank(c) > 2 })
	slices.SortStableFunc(tables, func(a, b catalogTable) int { return rank(a) - rank(b) })
	switch {
	case len(tables) == 0:
		return catalogTable{}, fmt.Errorf("there is no table %s%s", t, t.lookedFor())
	case len(tables) > 1 && rank(tables[0]) == 2 && tables[0].Schema == tables[1].Schema:
		return catalogTable{}, fmt.Errorf("table %s may be %s or %s: set the name in double quotes", t, tables[0], tables[1])
	}
	return tables[0], nil
}

func (t tableName) lookedFor() string {
	where := " in the schemas of the search path"
	if t.schema.text != "" {
		where = " in that schema"
	}
	if t.name.exact {
		return " in exactly these letters" + where
	}
	return " in any letter case" + where
}

func chooseColumn(name string, have []catalogColumn) (best catalogColumn, ok bool) {
	rank := 3
	for _, c := range have {
		if r := (identifier{text: name}).likeness(c.Name); r < rank {
			best, rank = c, r
		}
	}
	return best, rank < 3
}

func columnNames(have []catalogColumn) string {
	if len(have) == 0 {
		return "none"
	}
	names := make([]string, len(have))
	for i, c := range have {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
