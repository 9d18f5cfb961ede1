package devstack

import (
	"database/sql"
	"strings"
	"testing"
)

func TestPgBouncerGivesEachTransactionTheConnectionThatWasFreeForTheLongest(t *testing.T) {
	t.Parallel()
	p, err := StartPostgres(t.Context(), PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, p.Child)
	b, err := StartPgBouncer(t.Context(), PgBouncerOptions{Postgres: p, PoolSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, b.Child)
	db, err := sql.Open("postgres", b.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(3)

	// Two transactions at once take both of the server's connections.
	var servers []string
	var transactions []*sql.Tx
	for range 2 {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		var server string
		if err := tx.QueryRow(`SELECT pg_backend_pid()`).Scan(&server); err != nil {
			t.Fatal(err)
		}
		servers, transactions = append(servers, server), append(transactions, tx)
	}
	for _, tx := range transactions {
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	db.SetMaxOpenConns(1)
	var got []string
	for range 4 {
		got = append(got, query(t, b.URL("postgres"), `SELECT pg_backend_pid()::text`))
	}
	if servers[0] == servers[1] || strings.Join(got, " ") != strings.Join(append(servers, servers...), " ") {
		t.Errorf("one client after the other had the connections %v, want those of %v in turn", got, servers)
	}
}
