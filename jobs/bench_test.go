package jobs

import (
	"context"
	"fmt"
	"testing"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
)

// BenchmarkJobsAtAMillion lists and searches a job_request of a million rows. Run it with
//
//	go test ./jobs -run '^$' -bench JobsAtAMillion -benchtime 20x
func BenchmarkJobsAtAMillion(b *testing.B) {
	for _, dialect := range []database.Dialect{database.SQLite, database.PostgreSQL} {
		jobs := New(dbtest.Open(b, dbtest.URL(b, dialect)))
		ctx := context.Background()
		if err := jobs.Migrate(ctx); err != nil {
			b.Fatal(err)
		}
		fillJobs(b, jobs.db, 1_000_000)
		b.Run(string(dialect)+"/list/100", func(b *testing.B) {
			for b.Loop() {
				if found, err := jobs.List(ctx, "tag-1", "channel-1", 100); err != nil || len(found) != 100 {
					b.Fatal(len(found), err)
				}
			}
		})
		for _, limit := range []int{10, 1000} {
			for _, s := range allSearches(limit) {
				name := fmt.Sprintf("%s/search/%d/dataset=%t,channel=%t,status=%t,day=%t,behind=%t,tag=%t,conversation=%t", dialect, limit,
					s.Dataset != "", s.Channel != "", len(s.Statuses) > 0, !s.From.IsZero(), s.After != Position{}, s.Tag != "", s.ConversationID != "")
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						if found, err := jobs.Search(ctx, s); err != nil || len(found) == 0 {
							b.Fatal(len(found), err)
						}
					}
				})
			}
		}
	}
}
