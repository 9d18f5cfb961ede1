package jobs

import (
	"context"
	"testing"
	"time"

	"data-exhaust/internal/dbtest"
	"data-exhaust/receipt"
)

func TestAReceiptKeyIsKeptForGoodAsItWasRecordedFirst(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		ctx := context.Background()
		older, newer := receipt.PublicKey{ID: "ffff", Key: "b2xk"}, receipt.PublicKey{ID: "0000", Key: "bmV3"}
		before := time.Now().Truncate(time.Millisecond)
		if err := jobs.SaveReceiptKey(ctx, older); err != nil {
			t.Fatal(err)
		}
		dbtest.Exec(t, jobs.db, `UPDATE receipt_key SET dt_added = '2022-04-06 00:00:00.000'`)
		dbtest.AtOnce(t, 20, func(int) error { return jobs.SaveReceiptKey(ctx, newer) })
		if err := jobs.SaveReceiptKey(ctx, older); err != nil {
			t.Fatal(err)
		}
		keys, err := jobs.ReceiptKeys(ctx)
		if err != nil || len(keys) != 2 {
			t.Fatalf("keys %+v, %v", keys, err)
		}
		if keys[0].PublicKey != older || !keys[0].AddedAt.Equal(time.Date(2022, 4, 6, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("the older one is %+v", keys[0])
		}
		if keys[1].PublicKey != newer || keys[1].AddedAt.Before(before) || keys[1].AddedAt.After(time.Now()) {
			t.Errorf("the newer one is %+v", keys[1])
		}
	})
}
