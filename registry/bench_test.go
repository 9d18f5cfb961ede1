package registry

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/heaptest"
	"data-exhaust/internal/sample"
)

const aMillion = 1_000_000

// BenchmarkDevicesOfAMillion reads consent and usernames of a million devices as a private exhaust does: in ascending order,
// four look-ups of 5,000 at a time. On PostgreSQL psql does the same join besides, in one statement and in turns, with the
// ids copied into a temporary table, as psql has them in a file; times-psql is how much longer the look-ups take. Run it
// with
//
//	go test ./registry -run '^$' -bench DevicesOfAMillion -benchtime 3x
func BenchmarkDevicesOfAMillion(b *testing.B) {
	for _, dialect := range []database.Dialect{database.PostgreSQL, database.SQLite} {
		b.Run(string(dialect), func(b *testing.B) {
			url := dbtest.URL(b, dialect)
			uci := bigUCI(b, dbtest.Open(b, url))
			wanted := make([]uuid.UUID, aMillion)
			for i := range wanted {
				wanted[i] = device(i + 1)
			}
			psql := func() {}
			if dialect == database.PostgreSQL {
				psql = psqlJoin(b, url, wanted)
			}
			var ours, its time.Duration
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				begin := time.Now()
				psql()
				its += time.Since(begin)
				stop := heaptest.Watch()
				b.StartTimer()
				begin = time.Now()
				lookUpAll(b, uci, wanted)
				ours += time.Since(begin)
				_, growth := stop()
				b.ReportMetric(float64(growth)/(1<<20), "heap-growth-MiB")
			}
			b.ReportMetric(float64(b.N)*aMillion/ours.Seconds(), "devices/s")
			if dialect == database.PostgreSQL {
				b.ReportMetric(ours.Seconds()/its.Seconds(), "times-psql")
			}
		})
	}
}

func bigUCI(b *testing.B, db *database.DB) *UCI {
	b.Helper()
	if db.Dialect() == database.SQLite {
		if err := sample.CreateEmbeddedTables(context.Background(), db); err != nil {
			b.Fatal(err)
		}
	} else {
		dbtest.Exec(b, db, releases[0].ddl)
	}
	dbtest.Fill(b, db, aMillion, `INSERT INTO users (id, data) SELECT `+deviceSQL(db, "uuid")+`, '{"device":{"consent":true,"id":"d-' || n || '"}}' FROM numbers`)
	dbtest.Fill(b, db, aMillion, `INSERT INTO identities (users_id, username) SELECT `+deviceSQL(db, "uuid")+`, 'u1Kx9/'|| n || 'vQ7sXo3mZw==' FROM numbers`)
	dbtest.Exec(b, db, `ANALYZE`)
	uci, err := NewUCI(db, db, standardTables)
	if err != nil {
		b.Fatal(err)
	}
	return uci
}

func lookUpAll(b *testing.B, uci *UCI, wanted []uuid.UUID) {
	b.Helper()
	var (
		found   atomic.Int64
		lookUps errgroup.Group
	)
	lookUps.SetLimit(4)
	for batch := range slices.Chunk(wanted, 5000) {
		lookUps.Go(func() error {
			devices, err := uci.Devices(context.Background(), batch, true)
			for _, d := range devices {
				if d.Username != "" && d.Consent == exhaust.ConsentGiven {
					found.Add(1)
				}
			}
			return err
		})
	}
	if err := lookUps.Wait(); err != nil || found.Load() != int64(len(wanted)) {
		b.Fatalf("%d of %d devices, %v", found.Load(), len(wanted), err)
	}
}

// psqlJoin gives a function that lets psql join.
func psqlJoin(b *testing.B, url string, wanted []uuid.UUID) (join func()) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "wanted")
	var text strings.Builder
	for _, id := range wanted {
		text.WriteString(id.String() + "\n")
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return func() {
		psql := exec.Command("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url,
			"-c", `CREATE TEMPORARY TABLE wanted (id uuid)`,
			"-c", `\copy wanted FROM '`+file+`'`,
			"-c", `COPY (SELECT u.id, u.data, min(i.username) FROM wanted JOIN users u USING (id)
				LEFT JOIN identities i ON i.users_id = u.id AND i.username <> '' GROUP BY u.id ORDER BY u.id) TO STDOUT`)
		var lines lineCounter
		psql.Stdout, psql.Stderr = &lines, os.Stderr
		if err := psql.Run(); err != nil || int(lines) != len(wanted) {
			b.Fatal(int(lines), err)
		}
	}
}

type lineCounter int

func (c *lineCounter) Write(p []byte) (int, error) {
	*c += lineCounter(bytes.Count(p, []byte("\n")))
	return len(p), nil
}
