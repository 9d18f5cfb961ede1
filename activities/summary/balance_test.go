package summary_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"data-exhaust/activities/summary"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// repeatingStore gives the first of the segments of visits in the place of the second, too.
type repeatingStore struct{ blob.Store }

func (s repeatingStore) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	return s.Store.Open(ctx, strings.Replace(name, "visits-00001", "visits-00000", 1))
}

func TestASummaryWhoseCountsDisagreeIsNotWritten(t *testing.T) {
	local, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	counter := summary.New(summary.Settings{
		Timezone: time.UTC, MinDevices: 1, Store: repeatingStore{local}, Scratch: "scratch/", Memory: 300,
	}, 1)
	for n := range 17 { // of visits that take 28 and 24 bytes, 12 fill a segment of 600 bytes
		row := rowOf(map[int]string{exhaust.SessionIDColumn: fmt.Sprint("s", n)})
		if err := counter.Add(t.Context(), row, summary.Row{HasTime: true}); err != nil {
			t.Fatal(err)
		}
	}
	var text strings.Builder
	_, err = counter.Write(t.Context(), &text, report.SummaryHead{})
	imbalance, ok := errors.AsType[*summary.ImbalanceError](err)
	const want = "of 17 rows the summary has 17 with a day and 0 without, 24 with a session and 0 without"
	if !ok || imbalance.Counts != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if text.Len() > 0 {
		t.Errorf("it begins %.100s", text.String())
	}
}
