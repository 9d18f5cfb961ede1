package database_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
)

// onEachWay runs a test on an empty PostgreSQL database, reached directly and through PgBouncer.
func onEachWay(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("directly", func(t *testing.T) { test(t, dbtest.URL(t, database.PostgreSQL)) })
	t.Run("through PgBouncer", func(t *testing.T) { test(t, dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL))) })
}

func TestAStatementThatTakesTooLongIsCancelledAtTheServer(t *testing.T) {
	const limit = 500 * time.Millisecond
	database.LimitStatements(t, limit, 10*time.Second)
	onEachWay(t, func(t *testing.T, url string) {
		db := dbtest.Open(t, url)
		ctx := context.Background()
		for name, run := range map[string]func() error{
			"Exec": func() error {
				_, err := db.Exec(ctx, `SELECT pg_sleep(60)`)
				return err
			},
			"Select": func() error {
				var rows []string
				return db.Select(ctx, &rows, `SELECT CAST(pg_sleep($1) AS text)`, 60)
			},
			"Select of rows that come slowly": func() error {
				var rows []string
				return db.Select(ctx, &rows, `SELECT repeat('x', 10000) || pg_sleep(0.02) FROM generate_series(1, 3000)`)
			},
			"NamedExec": func() error {
				return db.NamedExec(ctx, `SELECT pg_sleep(:seconds)`, map[string]any{"seconds": 60})
			},
			"Read, the second statement": func() error {
				return db.Read(ctx, func(tx *sqlx.Tx) error {
					if _, err := tx.ExecContext(ctx, `SELECT 1`); err != nil {
						return err
					}
					_, err := tx.ExecContext(ctx, `SELECT pg_sleep(60)`)
					return err
				})
			},
			"Write": func() error {
				return db.Write(ctx, func(tx *sqlx.Tx) error {
					_, err := tx.Exec(`SELECT pg_sleep(60)`)
					return err
				})
			},
		} {
			t.Run(name, func(t *testing.T) {
				start := time.Now()
				err := run()
				dbtest.WantError(t, err, "the statement took longer than 500ms and was given up")
				if reason := database.Reason(err); reason != "no answer in time" {
					t.Errorf("the reason is %q", reason)
				}
				if took := time.Since(start); took < limit || took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
				eventually(t, "the server has stopped it", func() bool {
					var running []int
					const sleepers = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()`
					if err := db.Select(ctx, &running, sleepers); err != nil {
						t.Fatal(err)
					}
					return len(running) == 0
				})
			})
		}
	})
}

func TestATransactionMayTakeLongerThanAStatement(t *testing.T) {
	database.LimitStatements(t, 500*time.Millisecond, 10*time.Second)
	db := dbtest.Open(t, dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL)))
	err := db.Write(t.Context(), func(tx *sqlx.Tx) error {
		for range 4 {
			if _, err := tx.ExecContext(t.Context(), `SELECT pg_sleep(0.2)`); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("four statements of 200 ms: %v", err)
	}
}

func TestAStatementTimeoutInTheURLTakesThePlaceOfOurLimit(t *testing.T) {
	database.LimitStatements(t, 100*time.Millisecond, 100*time.Millisecond)
	for _, query := range []string{"&statement_timeout=1500", "&options=-c%20statement_timeout%3D1500"} {
		db := dbtest.Open(t, dbtest.URL(t, database.PostgreSQL)+query)
		if _, err := db.Exec(t.Context(), `SELECT pg_sleep(0.5)`); err != nil {
			t.Errorf("%s: 0.5 s: %v", query, err)
		}
		_, err := db.Exec(t.Context(), `SELECT pg_sleep(60)`)
		dbtest.WantError(t, err, "canceling statement due to statement timeout (SQLSTATE 57014)")
	}
}

// holdAll holds all of PgBouncer's connections until the test ends.
func holdAll(t *testing.T, url string) {
	t.Helper()
	holder := dbtest.Open(t, url)
	for range dbtest.PoolSize {
		tx, err := holder.Pool().Beginx()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback() }) // its connection may be gone
		if _, err := tx.Exec(`SELECT 1`); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACallerWhoseTimeIsOverIsNotKeptWaitingByPgBouncer(t *testing.T) {
	url := dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL))
	database.LimitStatements(t, time.Minute, 300*time.Millisecond)
	db := dbtest.Open(t, url)
	holdAll(t, url)
	for name, ask := range map[string]func(ctx context.Context) error{
		"Exec": func(ctx context.Context) error {
			_, err := db.Exec(ctx, `SELECT 1`)
			return err
		},
		"Select": func(ctx context.Context) error { return db.Select(ctx, new([]int), `SELECT 1`) },
		"Read":   func(ctx context.Context) error { return db.Read(ctx, func(*sqlx.Tx) error { return nil }) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		start := time.Now()
		err := ask(ctx)
		cancel()
		if took := time.Since(start); database.Reason(err) != "no answer in time" || took < 200*time.Millisecond || took > 10*time.Second {
			t.Errorf("%s of 200 ms took %s: %v", name, took, err)
		}
	}
}

func TestATransactionThatStandsStillGivesPgBouncersConnectionsBack(t *testing.T) {
	url := dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL))
	database.LimitStatements(t, time.Second, 10*time.Second)
	frozen, other := dbtest.Open(t, url), dbtest.Open(t, url)
	standing, thaw, ends := make(chan struct{}), make(chan struct{}), make(chan error)
	for range dbtest.PoolSize {
		go func() {
			ends <- frozen.Read(context.Background(), func(tx *sqlx.Tx) error {
				standing <- struct{}{}
				<-thaw
				_, err := tx.Exec(`SELECT 1`)
				return err
			})
		}()
	}
	for range dbtest.PoolSize {
		<-standing
	}
	eventually(t, "another one is answered", func() bool {
		_, err := other.Exec(t.Context(), `SELECT 1`)
		return err == nil
	})
	close(thaw)
	var ended error
	for range dbtest.PoolSize {
		ended = cmp.Or(ended, <-ends)
	}
	if ended == nil {
		t.Error("a transaction that the server has ended went on")
	}
}

// TestAConnectionThatWasNotGivenUpIsUsedOn: the end of a caller's time after the answer does it no harm.
func TestAConnectionThatWasNotGivenUpIsUsedOn(t *testing.T) {
	database.LimitStatements(t, time.Minute, 0)
	db := dbtest.Open(t, dbtest.URL(t, database.PostgreSQL))
	db.Pool().SetMaxOpenConns(1)
	var first, now []int
	if err := db.Select(t.Context(), &first, `SELECT pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		if err := db.Select(ctx, &now, `SELECT pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if !slices.Equal(now, first) {
		t.Errorf("another connection answered: %d, then %v", first, now)
	}
}

// TestAStatementThatWaitsForPgBouncersConnectionsIsGivenUp: PgBouncer passes no cancellation on to a statement that waits.
func TestAStatementThatWaitsForPgBouncersConnectionsIsGivenUp(t *testing.T) {
	url := dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL))
	holdAll(t, url)
	database.LimitStatements(t, 300*time.Millisecond, 300*time.Millisecond)
	start := time.Now()
	_, err := database.Open(t.Context(), url)
	if reason := database.Reason(err); reason != "no answer in time" {
		t.Errorf("the reason is %q: %v", reason, err)
	}
	if took := time.Since(start); took < 600*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %s, want 600 ms", took)
	}
}

func TestNothingPreparesAStatement(t *testing.T) {
	db := dbtest.Open(t, dbtest.URL(t, database.PostgreSQL))
	_, err := db.Pool().Prepare(`SELECT 1`)
	dbtest.WantError(t, err, "statements are not prepared: behind PgBouncer in transaction mode the next transaction has another connection, which does not know them")
}

// TestAnswersAreOfTheirOwnStatementThroughPgBouncer: also with a URL that asks for the driver's other protocol.
func TestAnswersAreOfTheirOwnStatementThroughPgBouncer(t *testing.T) {
	url := dbtest.PoolerURL(t, dbtest.URL(t, database.PostgreSQL))
	for _, query := range []string{"", "&binary_parameters=no"} {
		db := dbtest.Open(t, url+query)
		dbtest.AtOnce(t, 2*dbtest.PoolSize, func(worker int) error {
			for i := range 250 {
				var answers []string
				want := fmt.Sprintf("%d of %d", i, worker)
				if err := db.Select(context.Background(), &answers, `SELECT CAST($1 AS text) || ' of ' || $2`, i, fmt.Sprint(worker)); err != nil {
					return err
				}
				if len(answers) != 1 || answers[0] != want {
					return fmt.Errorf("%q got the answer %q", want, answers)
				}
			}
			return nil
		})
	}
}
