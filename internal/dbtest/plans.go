package dbtest

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"data-exhaust/database"
)

// WholeTableScans asks the database how it would run a query and names the tables and indexes that
// it would read from end to end.
func WholeTableScans(ctx context.Context, tx *sqlx.Tx, dialect database.Dialect, query string, args []any) ([]string, error) {
	if dialect == database.SQLite {
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
	scans := explained[0].Plan.wholeTableScans()
	if len(scans) == 0 && !strings.Contains(text, "Index Cond") {
		return nil, fmt.Errorf("a plan without any index: %s", text)
	}
	return scans, nil
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

// wholeTableScans names what the node, or one beneath it, reads from end to end.
func (n planNode) wholeTableScans() (names []string) {
	byIndex := strings.Contains(n.Type, "Index") && n.IndexCond != "" && (n.Filter == "" || n.ofRareStatus() || n.ofOneRow() || n.ofOneInstant())
	if strings.Contains(n.Type, "Scan") && !byIndex && !slices.Contains(ofNoTable, n.Type) {
		names = append(names, n.Type+" "+n.Relation+" "+n.Filter)
	}
	for _, child := range n.Plans {
		names = append(names, child.wholeTableScans()...)
	}
	return names
}

// ofNoTable are the scans of what other nodes have read.
var ofNoTable = []string{"Bitmap Heap Scan", "Subquery Scan", "CTE Scan", "WorkTable Scan"}

// ofRareStatus reports whether the index leads to jobs of a status that few or none have:
// then one index is as good as another.
func (n planNode) ofRareStatus() bool {
	return strings.Contains(n.IndexCond, "(status = ") && !strings.Contains(n.IndexCond, "'SUCCESS'")
}

// ofOneRow reports whether the index is that of the key: then there is one row to filter.
func (n planNode) ofOneRow() bool {
	return strings.HasPrefix(n.IndexCond, "(request_id = ") || strings.HasPrefix(n.IndexCond, "(session_id = ")
}

// ofOneInstant reports whether the index leads to the jobs that were submitted in one millisecond.
func (n planNode) ofOneInstant() bool { return strings.Contains(n.IndexCond, "(dt_job_submitted = ") }

var sqliteScan = regexp.MustCompile(`^SCAN (\S+)`)

func sqliteScans(ctx context.Context, tx *sqlx.Tx, query string, args []any) (names []string, err error) {
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
