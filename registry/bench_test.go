package registry

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/heaptest"
	"data-exhaust/internal/sample"
)

const aMillion = 1_000_000

// BenchmarkDevicesOfAMillion reads consent and usernames of a million devices in shuffled order,
// in calls of 50,000 and in one call, next to psql doing the same join in one statement (with the
// ids copied into a temporary table, as psql has them in a file). Run it with
//
//	go test ./registry -run '^$' -bench DevicesOfAMillion -benchtime 1x
func BenchmarkDevicesOfAMillion(b *testing.B) {
	for _, dialect := range []database.Dialect{database.PostgreSQL, database.SQLite} {
		url := dbtest.URL(b, dialect)
		db := dbtest.Open(b, url)
		uci := bigUCI(b, db)
		wanted := make([]uuid.UUID, aMillion)
		for i := range wanted {
			wanted[i] = device(i + 1)
		}
		rand.New(rand.NewSource(1)).Shuffle(len(wanted), func(i, j int) { wanted[i], wanted[j] = wanted[j], wanted[i] })
		for _, size := range []int{50_000, aMillion} {
			b.Run(fmt.Sprintf("%s/calls of %d", dialect, size), func(b *testing.B) {
				stop := heaptest.Watch()
				for b.Loop() {
					lookUpAll(b, uci, wanted, size)
				}
				most, _ := stop()
				b.ReportMetric(float64(most)/(1<<20), "peak-heap-MiB")
				b.ReportMetric(float64(b.N)*aMillion/b.Elapsed().Seconds(), "devices/s")
			})
		}
		if dialect == database.PostgreSQL {
			b.Run("psql", func(b *testing.B) { benchmarkPsql(b, url, wanted) })
		}
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

func lookUpAll(b *testing.B, uci *UCI, wanted []uuid.UUID, size int) {
	b.Helper()
	found := 0
	for start := 0; start < len(wanted); start += size {
		devices, err := uci.Devices(context.Background(), wanted[start:start+size], true)
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range devices {
			if d.Username != "" {
				found++
			}
		}
	}
	if found != len(wanted) {
		b.Fatalf("%d of %d devices", found, len(wanted))
	}
}

func benchmarkPsql(b *testing.B, url string, wanted []uuid.UUID) {
	file := filepath.Join(b.TempDir(), "wanted")
	var text strings.Builder
	for _, id := range wanted {
		text.WriteString(id.String() + "\n")
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
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
	b.ReportMetric(float64(b.N)*aMillion/b.Elapsed().Seconds(), "devices/s")
}

type lineCounter int

func (c *lineCounter) Write(p []byte) (int, error) {
	*c += lineCounter(bytes.Count(p, []byte("\n")))
	return len(p), nil
}
