package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"data-exhaust/exhaust"
)

// A table of few rows tempts PostgreSQL more to read it whole, one of many is what production has.
const (
	rowsOfABigTable    = 100_000
	rowsOfAMiddlingOne = 20_000
)

func TestNoLookUpInUCIReadsABigTableWhole(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		ctx, rows := context.Background(), rowsOfAMiddlingOne
		if p.release.tables == standardTables && p.release.name != releases[2].name {
			rows = rowsOfABigTable
		}
		if p.db.dialect == SQLite {
			rows /= slowdown
		}
		tables, kind := p.UCI.tables, func(of *table, name string) string { return deviceSQL(p.db, of.columns[name].kind) }
		c := tables.conversations.columns
		fill(t, p.db, rows, fmt.Sprintf(`INSERT INTO %s (%s, %s) SELECT %s, 'name' FROM numbers`,
			tables.conversations.name, bare(c["id"]), bare(c["name"]), kind(tables.conversations, "id")))
		fill(t, p.db, rows, fmt.Sprintf(`INSERT INTO %s (id, data) SELECT %s, '{"device":{"consent":true}}' FROM numbers`,
			tables.users.name, kind(tables.users, "id")))
		fill(t, p.db, rows, fmt.Sprintf(`INSERT INTO %s (users_id, username) SELECT %s, 'name' FROM numbers`,
			tables.identities.name, kind(tables.identities, "users_id")))
		// Half of all registrations are to one conversation.
		fill(t, p.db, rows, fmt.Sprintf(`INSERT INTO %s (users_id, applications_id)
			SELECT %[2]s, CASE n %% 2 WHEN 0 THEN %[3]s ELSE %[2]s END FROM numbers`,
			tables.registrations.name, kind(tables.registrations, "users_id"), castTo(p.db, conversationID, tables.registrations.columns["applications_id"])))
		must(t, p.db, `ANALYZE`)

		var ids []uuid.UUID
		for i := range lookupBatch {
			ids = append(ids, device(1+i*rows/lookupBatch))
		}
		list, err := p.db.idList(ids)
		if err != nil {
			t.Fatal(err)
		}
		for name, statement := range map[string]struct {
			query string
			args  []any
		}{
			"conversation":    {tables.conversationQuery(p.db.dialect), []any{conversationID}},
			"users":           {tables.usersQuery(p.db.dialect), []any{list}},
			"identities":      {tables.identitiesQuery(p.db.dialect), []any{list}},
			"first page":      {tables.registeredQuery(p.db.dialect), []any{conversationID, uuid.UUID{}.String(), 1000}},
			"page in between": {tables.registeredQuery(p.db.dialect), []any{conversationID, device(rows / 2).String(), 1000}},
		} {
			var scans []string
			err := p.db.reading(ctx, func(tx *sqlxTx) (err error) {
				scans, err = wholeTableScans(ctx, tx, p.db.dialect, statement.query, statement.args)
				return err
			})
			if err != nil || len(scans) > 0 {
				t.Errorf("%s: scans %v, %v\n%s", name, scans, err, statement.query)
			}
		}
	})
}

func TestNoLookUpOfJobsReadsTheTableWhole(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		rows := rowsOfABigTable
		if jobs.db.dialect == SQLite {
			rows /= slowdown
		}
		fillJobs(t, jobs.db, rows)
		type statement struct {
			query string
			args  []any
		}
		statements := map[string]statement{
			"job":  {jobQuery, []any{"J000000007"}},
			"list": {listQuery, []any{"tag-1:channel-1", "channel-1", 100}},
		}
		for _, s := range allSearches(10) {
			query, args := s.query()
			statements[fmt.Sprintf("search %+v", s)] = statement{query, args}
		}
		ctx := context.Background()
		for name, s := range statements {
			tx, err := jobs.db.sqlx.BeginTxx(ctx, readOnly)
			if err != nil {
				t.Fatal(err)
			}
			scans, err := wholeTableScans(ctx, tx, jobs.db.dialect, s.query, s.args)
			if err != nil || len(scans) > 0 {
				t.Errorf("%s: scans %v, %v\n%s", name, scans, err, s.query)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// allSearches is every combination of filters.
func allSearches(limit int) (searches []Search) {
	for filters := range 16 {
		s := Search{Limit: limit}
		if filters&1 != 0 {
			s.Dataset = exhaust.PrivateExhaust
		}
		if filters&2 != 0 {
			s.Channel = "channel-1"
		}
		if filters&4 != 0 {
			s.Status = exhaust.Failed
		}
		if filters&8 != 0 {
			s.From, s.To = morning.AddDate(0, 0, -1), morning
		}
		searches = append(searches, s)
	}
	return searches
}

// fillJobs makes jobs one second apart, the newest at morning: of 2 channels, 7 tags in each and
// both datasets; one in a thousand is FAILED, the others are SUCCESS.
func fillJobs(t testing.TB, db *DB, count int) {
	t.Helper()
	at := `'` + morning.UTC().Format(instantLayout) + `'::timestamp - n * interval '1 second'`
	id := `'J' || lpad(n::text, 9, '0')`
	if db.dialect == SQLite {
		at = `strftime('%Y-%m-%d %H:%M:%S.079', '` + morning.UTC().Format(instantLayout) + `', '-' || n || ' seconds')`
		id = `printf('J%09d', n)`
	}
	fill(t, db, count, `INSERT INTO job_request (`+jobColumns+`) SELECT `+id+`, 'tag-' || (n/2%7) || ':channel-' || (n%2),
		CASE n/3%2 WHEN 0 THEN 'uci-response-exhaust' ELSE 'uci-private-exhaust' END,
		CASE n%1000 WHEN 1 THEN 'FAILED' ELSE 'SUCCESS' END,
		'{"type":"uci-response-exhaust","conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6"}', 'user_id', 'channel-' || (n%2),
		'csv', 'c63b6faa-11a9-4259-b941-11cd2f8446c6', '', '', false, `+at+`, `+at+`, `+at+`, 1000, 0, '', false, '{}', 'report', '["https://store/a?sig=1"]', `+at+` FROM numbers`)
	must(t, db, `ANALYZE`)
}

// wholeTableScans asks the database how it would run a query and names the tables and indexes that
// it would read from end to end.
func wholeTableScans(ctx context.Context, tx *sqlxTx, dialect Dialect, query string, args []any) ([]string, error) {
	if dialect == SQLite {
		return sqliteScans(ctx, tx, query, args)
	}
	var text string
	if err := tx.GetContext(ctx, &text, "EXPLAIN (FORMAT JSON) "+query, args...); err != nil {
		return nil, err
	}
	var explained []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(text), &explained); err != nil {
		return nil, err
	}
	nodes := explained[0].Plan.all()
	scans := slices.DeleteFunc(nodes, func(n planNode) bool {
		byIndex := strings.Contains(n.Type, "Index") && n.IndexCond != "" && (n.Filter == "" || n.ofRareStatus())
		return !strings.Contains(n.Type, "Scan") || byIndex || n.Type == "Bitmap Heap Scan" || n.Type == "Subquery Scan"
	})
	if len(scans) == 0 && !strings.Contains(text, "Index Cond") {
		return nil, fmt.Errorf("a plan without any index: %s", text)
	}
	var names []string
	for _, n := range scans {
		names = append(names, n.Type+" "+n.Relation+" "+n.Filter)
	}
	return names, nil
}

// planNode is what the test needs of a node in EXPLAIN's tree.
type planNode struct {
	Type      string `json:"Node Type"`
	Relation  string `json:"Relation Name"`
	IndexCond string `json:"Index Cond"`
	// Filter is what the index could not say, so that more rows are read than are wanted.
	Filter string     `json:"Filter"`
	Plans  []planNode `json:"Plans"`
}

// ofRareStatus tells that the index leads to jobs of a status that fillJobs gives to few or none:
// then one index is as good as another.
func (n planNode) ofRareStatus() bool {
	return strings.Contains(n.IndexCond, "(status = ") && !strings.Contains(n.IndexCond, "'SUCCESS'")
}

func (n planNode) all() []planNode {
	nodes := []planNode{n}
	for _, child := range n.Plans {
		nodes = append(nodes, child.all()...)
	}
	return nodes
}

var sqliteScan = regexp.MustCompile(`^SCAN (\S+)`)

func sqliteScans(ctx context.Context, tx *sqlxTx, query string, args []any) (names []string, err error) {
	var steps []struct {
		ID, Parent, NotUsed int
		Detail              string
	}
	if err := tx.SelectContext(ctx, &steps, "EXPLAIN QUERY PLAN "+query, args...); err != nil {
		return nil, err
	}
	searched := false
	for _, step := range steps {
		searched = searched || strings.HasPrefix(step.Detail, "SEARCH ")
		if m := sqliteScan.FindStringSubmatch(step.Detail); m != nil && !slices.Contains([]string{"json_each", "part", "found"}, m[1]) && !strings.HasPrefix(m[1], "(") {
			names = append(names, step.Detail)
		}
	}
	if !searched {
		return nil, fmt.Errorf("a plan without any index: %+v", steps)
	}
	return names, nil
}

// bare is the column without its table.
func bare(c column) string { return c.name[strings.LastIndex(c.name, ".")+1:] }

func castTo(db *DB, value string, c column) string {
	if db.dialect == PostgreSQL && c.kind == "uuid" {
		return "'" + value + "'::uuid"
	}
	return "'" + value + "'"
}
